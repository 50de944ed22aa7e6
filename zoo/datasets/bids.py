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

from collections.abc import Iterator, Mapping, Sequence
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
    read_events,
    read_picture,
    require_bids,
)
from zoo.datasets._choices import check_choices
from zoo.datasets._headers import recorded_signal, require_rate
from zoo.datasets._pairing import pair_pictures
from zoo.datasets._recording import Cut, cut_all, open_recording
from zoo.datasets._splits import require_known_images, split_by


@component(
    "dataset",
    license="of the recordings",
    leakage="Recordings brought by the user: whether test trials share runs, blocks or pictures "
    "with training trials is up to the split and counted below.",
    independent="run",
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
    limit : int or mapping, optional
        Keep so many trials of each split; or of those named alone: ``{train: 120}``.
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
        limit: int | Mapping[str, int] | None = None,
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
        return recorded_signal(
            open_recording(first).info,
            first,
            channels=self.channels,
            window=self.window,
            band=self.band,
            resample=self.resample,
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
        found = of_subjects(find_recordings(root, self.task), self.subjects)
        tables, known = [], True
        for recording in found:
            events = read_events(recording)
            events = events[events.trial_type.isin(signal.class_names)].reset_index(drop=True)
            known &= bool(events.stim_file.ne("").all())
            tables.append(_table(recording, events, signal, pictures))
        if not known:
            require_known_images(self.split)
        eeg, table, notes = cut_all(
            self._opened(found, tables, signal),
            cut,
            marked_in="channels.tsv",
            no_trial=f"no event has the trial_type {' or '.join(signal.class_names)}",
        )
        for image_id in table.image_id.unique():
            check_picture(pictures / image_id)
        if not known:
            notes.append(PAIRED)
        return Trials(eeg, table, signal, tuple(notes), image_known=known)

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

    def _opened(
        self, found: list[Recording], tables: list[pd.DataFrame], signal: SignalInfo
    ) -> Iterator[tuple[Recording, Any, pd.DataFrame]]:
        for recording, trials in zip(found, tables, strict=True):
            raw = open_recording(recording)
            require_rate(raw, recording, signal, self.band, self.resample)
            yield recording, raw, trials


def _table(
    recording: Recording, events: pd.DataFrame, signal: SignalInfo, pictures: Path
) -> pd.DataFrame:
    own = events.stim_file.str.removeprefix("stimuli/")
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
        "image_id": pair_pictures(pictures, trial_ids, events.trial_type, own),
    }
    return pd.DataFrame(columns, columns=list(TRIAL_COLUMNS))


#: Printed where the events do not say which picture was shown.
PAIRED = (
    "the events do not name the picture shown (no stim_file): each trial is paired with a picture "
    "drawn by a named seed within its category (paired by category)"
)
