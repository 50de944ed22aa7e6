"""Your own recordings without BIDS: a folder with recordings, pictures and one table of trials.

Needs ``trials.csv`` with the columns ``onset`` (seconds from the first sample of the recording),
``image``, ``label``, ``subject`` and ``run``; ``session``, ``block`` and ``recording`` may be
added. ``recording`` is a path inside the folder; without it, or where it is empty, a trial belongs
to ``recordings/<subject>_<run>``, with whatever ending that file has. A recording is any file that
``mne.io.read_raw`` reads, or an array ``.npy`` (channels, samples) with its sampling rate, channel
names and unit in a JSON of the same name, or in ``array.json`` for all arrays beside it.

A trial's class is its ``label``; its picture is its ``image``, a path inside ``images/`` or inside
the folder named with ``--image-root``. Where ``image`` is empty, a picture is drawn, by a named
seed, among ``images/<label>/``, and a reader is told so.

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
from zoo.contracts import DataError, SignalInfo, Trials
from zoo.datasets._bids_files import fingerprint_of, read_picture
from zoo.datasets._choices import check_choices
from zoo.datasets._folder_files import (
    FolderRecording,
    check_pattern,
    open_file,
    read_trials,
    recording_info,
    recording_names,
    recordings_of,
    require_folder,
)
from zoo.datasets._headers import recorded_signal, require_rate
from zoo.datasets._recording import Cut, cut_all
from zoo.datasets._splits import require_known_images, split_by
from zoo.datasets._trial_table import (
    PAIRED,
    check_pictures,
    chosen_rows,
    class_names,
    subject_names,
    trial_table,
)


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
class Folder:
    """A folder with trials.csv.

    Parameters
    ----------
    band : [low, high], optional
        Pass band in Hz. None leaves the recording unfiltered.
    window : [start, stop]
        Seconds from the trial's onset; may begin before it.
    resample : float, optional
        New sampling rate in Hz; None keeps the recordings'.
    normalise : {"channel", "trial", "none"}
        z-score by channel over the training trials, by channel within each trial, or not at all.
    subjects : list of str, optional
        Subjects as trials.csv calls them; None is all.
    split : mapping
        ``{by: run | session | subject | image | block, test: [...], val: [...]}``.
    limit : int or mapping, optional
        Keep so many trials of each split; or of those named alone: ``{train: 120}``.
    shuffle_labels : bool
        Permute labels and pictures together among training and validation trials.
    baseline : [start, stop], optional
        Seconds from onset; its mean is taken off each channel of each trial.
    reject_uv : float, optional
        Drop trials whose peak-to-peak amplitude is larger, in microvolt; they are counted.
    recordings : str
        Where a trial's recording lies if its row does not say; ``{subject}``, ``{session}`` and
        ``{run}`` stand for the row's, the ending may be left out.
    labels : list of str, optional
        Which labels are classes, in this order; None is all, sorted.
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
        recordings: str = "recordings/{subject}_{run}",
        labels: Sequence[str] | None = None,
        channels: Sequence[str] | None = None,
        image_size: int = 256,
    ):
        check_choices("folder", normalise=normalise, limit=limit, split=split, official=())
        if image_size < 64:
            raise BadParameters(
                f"dataset 'folder' parameter 'image_size' is {image_size}; it takes at least 64"
            )
        try:
            check_pattern(recordings)
        except DataError as error:
            raise BadParameters(f"dataset 'folder' parameter 'recordings': {error}") from error
        self.band, self.window, self.resample = band, window, resample
        self.normalise, self.limit, self.shuffle_labels = normalise, limit, shuffle_labels
        self.subjects, self.split = subjects, split
        self.baseline, self.reject_uv = baseline, reject_uv
        self.recordings, self.labels, self.channels = recordings, labels, channels
        self.image_size = image_size

    def fingerprint(self, root: Path | None) -> str:
        """Return a hash of everything in the folder but what runs wrote into it."""
        names = recording_names(read_trials(root), self.recordings)
        return fingerprint_of(require_folder(root), names)

    def signal(self, root: Path | None) -> SignalInfo:
        """Return what the EEG looks like, from the table and one header alone."""
        rows = read_trials(root)
        classes = class_names(rows, self.labels)
        used = chosen_rows(rows, self.subjects, classes)
        first = recordings_of(require_folder(root), used[:1], self.recordings)[0]
        return recorded_signal(
            recording_info(first),
            first,
            channels=self.channels,
            window=self.window,
            band=self.band,
            resample=self.resample,
            n_subjects=len(subject_names(rows)),
            class_names=classes,
        )

    def load(self, root: Path | None, image_root: Path | None = None) -> Trials:
        """Read, filter and cut every recording of the chosen subjects."""
        signal, rows = self.signal(root), read_trials(root)
        pictures = image_root or require_folder(root) / "images"
        used = chosen_rows(rows, self.subjects, signal.class_names)
        known = bool(used.image.ne("").all())
        if not known:
            require_known_images(self.split)
        table = trial_table(used, signal.class_names, subject_names(rows), pictures)
        check_pictures(pictures, list(table.image_id.unique()))
        cut = Cut(
            signal.ch_names, signal.band, signal.sfreq, self.window, self.baseline, self.reject_uv,
            signal.class_names,
        )  # fmt: skip
        found = recordings_of(require_folder(root), used, self.recordings)
        eeg, table, notes = cut_all(
            self._opened(found, table, signal),
            cut,
            marked_in="the recording",
            no_trial="trials.csv names none",
        )
        if not known:
            notes.append(PAIRED)
        return Trials(eeg, table, signal, tuple(notes), image_known=known)

    def split_of(self, table: pd.DataFrame) -> np.ndarray:
        """Return "train", "val" or "test" for each row of `table`."""
        if self.split is None:
            raise DataError(
                "dataset 'folder' has no official split; give dataset.params.split, for example "
                "{by: run, test: ['6'], val: ['5']}"
            )
        return split_by(table, self.split)

    def images(
        self, image_ids: Sequence[str], root: Path | None, image_root: Path | None = None
    ) -> np.ndarray:
        """Return pictures, uint8 RGB, cut to their central square."""
        folder = image_root or require_folder(root) / "images"
        return np.stack([read_picture(folder / i, self.image_size) for i in image_ids])

    def _opened(
        self, found: list[FolderRecording], table: pd.DataFrame, signal: SignalInfo
    ) -> Iterator[tuple[FolderRecording, Any, pd.DataFrame]]:
        for recording in found:
            raw = open_file(recording)
            require_rate(raw, recording, signal, self.band, self.resample)
            yield recording, raw, table.loc[recording.rows.index]
