"""One recording with MNE: read, check, filter whole, cut into trials, count what is dropped."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from zoo.contracts import DataError
from zoo.datasets._bids_files import Recording, read_tsv
from zoo.datasets._filtering import window_samples
from zoo.datasets._headers import Named, eeg_channels, require_channels

if TYPE_CHECKING:
    import mne


@dataclass(frozen=True)
class Cut:
    """How trials are cut from a recording.

    Attributes
    ----------
    ch_names : tuple of str
        Channels to keep, in this order.
    band : (low, high) or None
        Hz.
    sfreq : float
        Wanted sampling rate.
    window : [start, stop]
        Seconds from onset.
    baseline : [start, stop] or None
        Seconds from onset; its mean is taken off each channel of each trial.
    reject_uv : float or None
        Largest peak-to-peak amplitude in a trial.
    class_names : tuple of str
        Trial types that are cut; none of them is a mark that drops trials, whatever its name.
    """

    ch_names: tuple[str, ...]
    band: tuple[float, float] | None
    sfreq: float
    window: Sequence[float]
    baseline: Sequence[float] | None
    reject_uv: float | None
    class_names: tuple[str, ...]


def open_recording(recording: Recording) -> mne.io.BaseRaw:
    """Return the recording's EEG channels, samples not yet read.

    Raises
    ------
    DataError
        If it cannot be read, or its channel table and its samples disagree.
    """
    import mne_bids

    listed = _listed_channels(recording)  # first: of a broken table MNE-BIDS says less
    try:
        raw = mne_bids.read_raw_bids(recording.path, verbose="error")
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{recording.name} cannot be read as EEG: {reason}") from error
    if listed is not None and len(listed) != len(raw.ch_names):
        raise DataError(
            f"{recording.name} holds {len(raw.ch_names)} channels, its channels.tsv lists "
            f"{len(listed)}; repair whichever is wrong"
        )
    return raw.pick(eeg_channels(raw, recording.name))


def _listed_channels(recording: Recording) -> list[str] | None:
    found = recording.path.find_matching_sidecar(
        suffix="channels", extension=".tsv", on_error="ignore"
    )
    if found is None:
        return None
    table = read_tsv(Path(found))
    return table["name"].tolist() if "name" in table else None


def cut_all(
    parts: Iterable[tuple[Named, mne.io.BaseRaw, pd.DataFrame]],
    cut: Cut,
    *,
    marked_in: str,
    no_trial: str,
) -> tuple[np.ndarray, pd.DataFrame, list[str]]:
    """Cut the trials of several recordings and say what was dropped.

    Parameters
    ----------
    parts : iterable of (recording, raw, trials)
        As `cut_trials` takes them; `trials` has a column ``onset``.
    cut : Cut
    marked_in : str
        Where channels are marked bad, for the note ("channels.tsv").
    no_trial : str
        What to say where there was nothing to cut.

    Returns
    -------
    eeg_NCT : array, float32
        Microvolts.
    table : DataFrame
        The rows of `trials` that were kept.
    notes : list of str

    Raises
    ------
    DataError
        As `cut_trials`, or if no trial is left.
    """
    eeg, tables = [], []
    dropped, marked = Counter[str](), Counter[str]()
    for recording, raw, trials in parts:
        marked.update(name for name in raw.info["bads"] if name in cut.ch_names)
        recording_NCT, kept, lost = cut_trials(raw, recording, trials.onset.to_numpy(), cut)
        dropped += lost
        if len(kept):
            eeg.append(recording_NCT)
            tables.append(trials.iloc[kept])
    if not tables:
        raise DataError(f"no trial is left: {_kept_note(0, dropped) if dropped else no_trial}")
    table = pd.concat(tables, ignore_index=True)
    notes = [_kept_note(len(table), dropped)]
    if marked:
        notes.append(marked_note(marked, marked_in))
    return np.concatenate(eeg), table, notes


def cut_trials(
    raw: mne.io.BaseRaw, recording: Named, onsets: np.ndarray, cut: Cut
) -> tuple[np.ndarray, np.ndarray, Counter[str]]:
    """Filter a recording whole and cut trials.

    Parameters
    ----------
    raw : Raw
        The recording's EEG channels, as `open_recording` returns them; it is changed.
    recording : Named
    onsets : array (N,)
        Seconds; there may be none.
    cut : Cut

    Returns
    -------
    eeg_NCT : array, float32
        Microvolts.
    kept : array, int64
        Which of the onsets they belong to.
    dropped : Counter
        Reason -> number of trials.

    Raises
    ------
    DataError
        If channels are missing or samples are not numbers.
    """
    import mne

    start, n_times = window_samples(cut.window, cut.sfreq)
    require_channels(raw.ch_names, cut.ch_names, recording)
    no_trial = np.empty((0, len(cut.ch_names), n_times), np.float32), np.empty(0, np.int64)
    if len(onsets) == 0:
        return *no_trial, Counter()
    raw.pick(list(cut.ch_names)).load_data(verbose="error")
    raw.info["bads"] = []  # MNE would spare channels marked bad from `reject_uv`
    _forget_classes(raw, cut.class_names)
    raw.reorder_channels(list(cut.ch_names))
    require_numbers(raw, recording)
    if cut.band is not None:
        raw.filter(*cut.band, verbose="error")
    if cut.sfreq != raw.info["sfreq"]:
        raw.resample(cut.sfreq, method="polyphase", verbose="error")

    first, last = start, start + n_times - 1
    if cut.baseline is not None:
        base_first, base_n = window_samples(cut.baseline, cut.sfreq)
        first, last = min(first, base_first), max(last, base_first + base_n - 1)
    samples = np.round(onsets * cut.sfreq).astype(np.int64) + raw.first_samp
    order = np.argsort(samples, kind="stable")
    events = np.stack([samples, np.zeros_like(samples), np.arange(len(samples)) + 1], axis=1)
    with warnings.catch_warnings():  # what is dropped is counted below
        warnings.filterwarnings("ignore", "All epochs were dropped", RuntimeWarning)
        epochs = mne.Epochs(
            raw,
            events[order],
            tmin=first / cut.sfreq,
            tmax=last / cut.sfreq,
            baseline=None,
            proj=False,
            reject=None if cut.reject_uv is None else {"eeg": cut.reject_uv * 1e-6},
            event_repeated="drop",
            preload=True,
            verbose="error",
        )
    dropped = Counter(_reason(log, cut) for log in epochs.drop_log if log)
    assert len(epochs) + sum(dropped.values()) == len(onsets)
    if len(epochs) == 0:
        return *no_trial, dropped
    eeg_NCT = epochs.get_data() * 1e6
    if cut.baseline is not None:
        base = slice(base_first - first, base_first - first + base_n)
        eeg_NCT = eeg_NCT - eeg_NCT[:, :, base].mean(axis=2, keepdims=True)
    eeg_NCT = eeg_NCT[:, :, start - first : start - first + n_times]
    kept = epochs.events[:, 2] - 1
    back = np.argsort(kept)
    return eeg_NCT[back].astype(np.float32), kept[back], dropped


def _forget_classes(raw: mne.io.BaseRaw, class_names: tuple[str, ...]) -> None:
    """Delete the annotations that MNE-BIDS made of the trials themselves.

    MNE drops what overlaps an annotation whose name begins with "bad"; a class may be a badger.
    Where a trial type goes with several values, MNE-BIDS calls it ``trial_type/value``.
    """
    own = [
        index
        for index, name in enumerate(map(str.strip, raw.annotations.description))
        if any(name == one or name.startswith(f"{one}/") for one in class_names)
    ]
    raw.annotations.delete(own)


def require_numbers(raw: mne.io.BaseRaw, recording: Named) -> None:
    """Raise DataError if a sample of a loaded recording is not a number."""
    bad_CP = ~np.isfinite(raw.get_data())
    if bad_CP.any():
        channel = int(np.argmax(bad_CP.any(axis=1)))
        seconds = float(raw.times[np.argmax(bad_CP[channel])])
        raise DataError(
            f"{recording.name}: channel {raw.ch_names[channel]} holds {int(bad_CP.sum())} samples "
            f"that are not numbers (NaN), the first at {seconds:.2f} s; repair the recording or "
            "move this run out of the data set"
        )


def _reason(log: tuple[str, ...], cut: Cut) -> str:
    """Put MNE's reason for dropping a trial into words."""
    if any(entry in cut.ch_names for entry in log):
        return f"peak-to-peak above {cut.reject_uv:g} µV"
    marked = [entry for entry in log if entry.upper().startswith("BAD")]
    if marked:
        return f"marked {marked[0]} in the recording"
    if "DROP DUPLICATE" in log:
        return "two events at the same sample"
    return "reaching beyond the recording"


def _kept_note(n_kept: int, dropped: Counter[str]) -> str:
    if not dropped:
        return f"all {n_kept} trials were kept"
    reasons = "; ".join(f"{count} {reason}" for reason, count in sorted(dropped.items()))
    lost = sum(dropped.values())
    return f"{lost} of {n_kept + lost} trials were dropped: {reasons}"


def marked_note(marked: Counter[str], where: str) -> str:
    """Say which channels are marked bad in `where`, channel -> number of recordings."""
    channels = ", ".join(
        f"{name} (in {count} recording{'s' if count > 1 else ''})"
        for name, count in sorted(marked.items())
    )
    return (
        f"marked bad in {where}, but used like the others: {channels}; leave channels out "
        "with dataset.params.channels"
    )
