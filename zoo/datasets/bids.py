"""Your own recordings: any EEG data set in BIDS, read with mne-bids, with pictures by category.

Needs ``dataset_description.json``, recordings under ``sub-*/`` (BrainVision, EDF, BDF, EEGLAB) and
an ``events.tsv`` for each with ``onset`` and ``trial_type``. A trial's class is its
``trial_type``. Its picture is its ``stim_file`` (inside ``stimuli/``, or inside the folder named
with ``--image-root``) where the events have one; else it is drawn, by a named seed, among
``stimuli/<trial_type>/``, and a reader is told so: trials are then paired with pictures by category
only.

Recordings are filtered whole with MNE's zero-phase FIR filter, then cut. No trial disappears
without being counted in the notes. Nothing is written into the folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from registry import BadParameters, component
from zoo.contracts import TRIAL_COLUMNS, DataError, SignalInfo, Trials
from zoo.datasets._bids_files import (
    Recording,
    check_picture,
    find_recordings,
    fingerprint,
    of_subjects,
    pictures_of,
    read_events,
    read_picture,
    require_bids,
)
from zoo.datasets._choices import check_choices
from zoo.datasets._filtering import band_limits, window_samples
from zoo.datasets._recording import Cut, cut_trials, open_recording, require_channels
from zoo.datasets._splits import require_known_images, split_by
from zoo.seeds import named_seed


@component(
    "dataset",
    license="of the recordings",
    leakage="Recordings brought by the user: whether test trials share runs, blocks or pictures "
    "with training trials is up to the split and counted below.",
    needs_root=True,
    per_subject=True,
    judge="stimuli",
    pictures=("image_size",),
    tiny={"split": {"by": "run", "test": ["2"], "val": []}},
)
class Bids:
    """A BIDS folder.

    Parameters
    ----------
    band : [low, high], optional
        Pass band in Hz. None leaves the recording unfiltered.
    window : [start, stop]
        Seconds from the event's onset; may begin before it.
    resample : float, optional
        New sampling rate in Hz; None keeps the recordings'.
    normalise : {"channel", "trial", "none"}
        z-score by channel over the training trials, by channel within each trial, or not at all.
    subjects : list of str, optional
        Labels such as "01"; None is all.
    split : mapping
        ``{by: run | session | subject | image, test: [...], val: [...]}``.
    limit : int, optional
        Keep so many trials of each split.
    shuffle_labels : bool
        Permute labels and pictures together among training and validation trials.
    baseline : [start, stop], optional
        Seconds from onset; its mean is taken off each channel of each trial.
    reject_uv : float, optional
        Drop trials whose peak-to-peak amplitude is larger, in microvolt; they are counted.
    task : str, optional
        Which task, where the folder holds several.
    trial_types : list of str, optional
        Which trial types are classes, in this order; None is all, sorted.
    channels : list of str, optional
        Which EEG channels, in this order; None is all of the first recording.
    image_size : int
        Side in pixels to which pictures are cut and resized.
    """

    def __init__(
        self,
        *,
        band: Sequence[float] | None = None,
        window: Sequence[float] = (0.0, 0.8),
        resample: float | None = None,
        normalise: Literal["channel", "trial", "none"] = "channel",
        subjects: Sequence[str] | None = None,
        split: Mapping[str, Any] | None = None,
        limit: int | None = None,
        shuffle_labels: bool = False,
        baseline: Sequence[float] | None = None,
        reject_uv: float | None = None,
        task: str | None = None,
        trial_types: Sequence[str] | None = None,
        channels: Sequence[str] | None = None,
        image_size: int = 256,
    ):
        check_choices("bids", normalise=normalise, limit=limit, split=split, official=())
        if image_size < 64:
            raise BadParameters(
                f"dataset 'bids' parameter 'image_size' is {image_size}; it takes at least 64"
            )
        self.band, self.window, self.resample = band, window, resample
        self.normalise, self.limit, self.shuffle_labels = normalise, limit, shuffle_labels
        self.subjects, self.split = subjects, split
        self.baseline, self.reject_uv = baseline, reject_uv
        self.task, self.trial_types, self.channels = task, trial_types, channels
        self.image_size = image_size

    def fingerprint(self, root: Path | None) -> str:
        """Return a hash of recordings, events and pictures."""
        return fingerprint(root)

    def signal(self, root: Path | None) -> SignalInfo:
        """Return what the EEG looks like, from headers and event tables alone."""
        recordings = find_recordings(root, self.task)
        class_names = self._classes(recordings)
        first = of_subjects(recordings, self.subjects)[0]
        raw = open_recording(first)
        ch_names = tuple(self.channels or raw.ch_names)
        require_channels(raw, ch_names, first)
        sfreq = float(self.resample or raw.info["sfreq"])
        return SignalInfo(
            n_chans=len(ch_names),
            n_times=window_samples(self.window, sfreq)[1],
            sfreq=sfreq,
            ch_names=ch_names,
            ch_pos=_positions(raw.pick(list(ch_names)), ch_names),
            scale="microvolt",
            band=band_limits(self.band, float(raw.info["sfreq"]), self.resample),
            reference="as recorded",
            n_subjects=len({r.subject for r in recordings}),
            class_names=class_names,
        )

    def load(self, root: Path | None, image_root: Path | None = None) -> Trials:
        """Read, filter and cut every recording of the chosen subjects."""
        signal = self.signal(root)
        pictures = image_root or require_bids(root) / "stimuli"
        cut = Cut(
            signal.ch_names, signal.band, signal.sfreq, self.window, self.baseline, self.reject_uv,
            signal.class_names,
        )  # fmt: skip
        eeg, tables, known = [], [], True
        dropped, marked = Counter[str](), Counter[str]()
        for recording in of_subjects(find_recordings(root, self.task), self.subjects):
            events = read_events(recording)
            events = events[events.trial_type.isin(signal.class_names)].reset_index(drop=True)
            known &= bool(events.stim_file.ne("").all())
            trials = _table(recording, events, signal, pictures)
            raw = open_recording(recording)
            self._require_rate(raw, recording, signal)
            marked.update(name for name in raw.info["bads"] if name in signal.ch_names)
            recording_NCT, kept, lost = cut_trials(raw, recording, trials.onset.to_numpy(), cut)
            dropped += lost
            if len(kept):
                eeg.append(recording_NCT)
                tables.append(trials.iloc[kept])
        if not tables:
            none = f"no event has the trial_type {' or '.join(signal.class_names)}"
            raise DataError(f"no trial is left: {_kept_note(0, dropped) if dropped else none}")
        if not known:
            require_known_images(self.split)
        table = pd.concat(tables, ignore_index=True)
        for image_id in table.image_id.unique():
            check_picture(pictures / image_id)
        notes = [_kept_note(len(table), dropped)]
        if marked:
            notes.append(_marked_note(marked))
        if not known:
            notes.append(PAIRED)
        return Trials(np.concatenate(eeg), table, signal, tuple(notes), image_known=known)

    def split_of(self, table: pd.DataFrame) -> np.ndarray:
        """Return "train", "val" or "test" for each row of `table`."""
        if self.split is None:
            raise DataError(
                "dataset 'bids' has no official split; give dataset.params.split, for example "
                "{by: run, test: ['6'], val: ['5']}"
            )
        return split_by(table, self.split)

    def images(
        self, image_ids: Sequence[str], root: Path | None, image_root: Path | None = None
    ) -> np.ndarray:
        """Return pictures, uint8 RGB, cut to their central square."""
        folder = image_root or require_bids(root) / "stimuli"
        return np.stack([read_picture(folder / i, self.image_size) for i in image_ids])

    def _classes(self, recordings: list[Recording]) -> tuple[str, ...]:
        found = {name for r in recordings for name in read_events(r).trial_type}
        missing = [name for name in self.trial_types or () if name not in found]
        if missing:
            raise DataError(
                f"dataset.params.trial_types: no event has the trial_type {missing[0]!r}; "
                f"there are: {', '.join(sorted(found))}"
            )
        return tuple(self.trial_types or sorted(found))

    def _require_rate(self, raw: Any, recording: Recording, signal: SignalInfo) -> None:
        rate = float(raw.info["sfreq"])
        if self.resample is None and rate != signal.sfreq:
            raise DataError(
                f"{recording.name} is sampled at {rate:g} Hz, the first recording at "
                f"{signal.sfreq:g} Hz; choose one rate with dataset.params.resample"
            )
        try:
            band_limits(self.band, rate, self.resample)
        except DataError as error:
            raise DataError(f"{recording.name}: {error}") from error


def _table(
    recording: Recording, events: pd.DataFrame, signal: SignalInfo, pictures: Path
) -> pd.DataFrame:
    trial_ids = [f"{recording.trial_prefix}_{i:04d}" for i in range(len(events))]
    columns = {
        "trial_id": trial_ids,
        "subject": recording.subject,
        "subject_name": recording.subject_name,
        "session": recording.session,
        "run": recording.run,
        "block": 0,
        "onset": events.onset,
        "label": [signal.class_names.index(name) for name in events.trial_type],
        "image_id": _image_ids(pictures, trial_ids, events),
    }
    return pd.DataFrame(columns, columns=list(TRIAL_COLUMNS))


#: Printed where the events do not say which picture was shown.
PAIRED = (
    "the events do not name the picture shown (no stim_file): each trial is paired with a picture "
    "drawn by a named seed within its category (paired by category)"
)


def _image_ids(pictures: Path, trial_ids: list[str], events: pd.DataFrame) -> list[str]:
    """Return each trial's own picture, or one drawn within its category."""
    drawn_from = {
        category: pictures_of(pictures, category)
        for category in events.trial_type[events.stim_file == ""].unique()
    }
    image_ids = []
    for trial_id, category, own in zip(trial_ids, events.trial_type, events.stim_file, strict=True):
        if own:
            image_ids.append(own.removeprefix("stimuli/"))
        else:
            choice = drawn_from[category]
            image_ids.append(choice[named_seed(0, "picture", trial_id) % len(choice)])
    return image_ids


def _positions(raw: Any, ch_names: tuple[str, ...]) -> tuple[tuple[float, ...], ...] | None:
    """Return the electrodes' positions, or None where the recording does not have them all."""
    places = dict(
        zip(raw.ch_names, (channel["loc"][:3] for channel in raw.info["chs"]), strict=True)
    )
    positions = np.array([places[name] for name in ch_names])
    if not np.isfinite(positions).all() or not positions.any(axis=1).all():
        return None
    return tuple(tuple(float(v) for v in xyz) for xyz in positions)


def _kept_note(n_kept: int, dropped: Counter[str]) -> str:
    if not dropped:
        return f"all {n_kept} trials were kept"
    reasons = "; ".join(f"{count} {reason}" for reason, count in sorted(dropped.items()))
    lost = sum(dropped.values())
    return f"{lost} of {n_kept + lost} trials were dropped: {reasons}"


def _marked_note(marked: Counter[str]) -> str:
    channels = ", ".join(
        f"{name} (in {count} recording{'s' if count > 1 else ''})"
        for name, count in sorted(marked.items())
    )
    return (
        f"marked bad in channels.tsv, but used like the others: {channels}; leave channels out "
        "with dataset.params.channels"
    )
