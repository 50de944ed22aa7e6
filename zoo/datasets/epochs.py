"""Your own epochs: files saved by MNE (*-epo.fif) whose metadata name label and picture.

Takes every ``*-epo.fif`` (or ``*_epo.fif``, also ``.fif.gz``) in the folder. Metadata need a
column ``label``; ``image`` is a path inside ``images/``, or inside the folder named with
``--image-root``. ``subject``, ``session``, ``run``, ``block`` and ``onset`` are used where they are
there; else subject, session and run come from the file name (``sub-01_ses-1_run-2-epo.fif``; any
other name is the subject's). Where no image is named, a picture is drawn, by a named seed, among
``images/<label>/``, and a reader is told so.

Epochs were filtered, referenced, baselined and cleaned before they were saved; this is stated, and
not done again. ``band`` can only make their band narrower, and only by a filter that is shorter
than an epoch. Resampling has an anti-aliasing filter and comes before the window is cut out.
Nothing is written into the folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from registry import BadParameters, component
from zoo.contracts import DataError, SignalInfo, Trials
from zoo.datasets._bids_files import fingerprint_of, read_picture
from zoo.datasets._choices import check_choices
from zoo.datasets._epochs_files import (
    EpochsFile,
    find_epochs,
    narrow,
    open_epochs,
    open_header,
    own_band,
    rejected_before,
    require_numbers,
    rows_of,
)
from zoo.datasets._filtering import band_limits, window_samples
from zoo.datasets._headers import (
    eeg_channels,
    electrode_positions,
    require_channels,
    require_rate,
)
from zoo.datasets._recording import marked_note
from zoo.datasets._splits import require_known_images, split_by
from zoo.datasets._trial_table import (
    PAIRED,
    check_pictures,
    chosen_rows,
    class_names,
    name_trials,
    subject_names,
    trial_table,
)


@component(
    "dataset",
    license="of the recordings",
    leakage="Epochs brought by the user: whether test trials share runs, blocks or pictures with "
    "training trials is up to the split and counted below; what was rejected, repaired or "
    "standardised before saving cannot be seen here.",
    independent="run",
    needs_root=True,
    per_subject=True,
    judge="stimuli",
    pictures=("image_size",),
    tiny={"split": {"by": "run", "test": ["2"], "val": []}},
)
class Epochs:
    """Saved epochs.

    Parameters
    ----------
    band : [low, high], optional
        Narrower pass band in Hz. None leaves the epochs as they were saved.
    window : [start, stop], optional
        Seconds from onset, inside the epochs; None is all of them.
    resample : float, optional
        New sampling rate in Hz; None keeps the epochs'.
    normalise : {"channel", "trial", "none"}
        z-score by channel over the training trials, by channel within each trial, or not at all.
    subjects : list of str, optional
        Subjects as metadata or file names call them; None is all.
    split : mapping
        ``{by: run | session | subject | image | block, test: [...], val: [...]}``.
    limit : int or mapping, optional
        Keep so many trials of each split; or of those named alone: ``{train: 120}``.
    shuffle_labels : bool
        Permute labels and pictures together among training and validation trials.
    labels : list of str, optional
        Which labels are classes, in this order; None is all, sorted.
    channels : list of str, optional
        Which EEG channels, in this order; None is all of the first file.
    image_size : int
        Side in pixels to which pictures are cut and resized.
    """

    def __init__(
        self,
        *,
        band: Sequence[float] | None = None,
        window: Sequence[float] | None = None,
        resample: float | None = None,
        normalise: Literal["channel", "trial", "none"] = "channel",
        subjects: Sequence[str] | None = None,
        split: Mapping[str, Any] | None = None,
        limit: int | Mapping[str, int] | None = None,
        shuffle_labels: bool = False,
        labels: Sequence[str] | None = None,
        channels: Sequence[str] | None = None,
        image_size: int = 256,
    ):
        check_choices("epochs", normalise=normalise, limit=limit, split=split, official=())
        if image_size < 64:
            raise BadParameters(
                f"dataset 'epochs' parameter 'image_size' is {image_size}; it takes at least 64"
            )
        self.band, self.window, self.resample = band, window, resample
        self.normalise, self.limit, self.shuffle_labels = normalise, limit, shuffle_labels
        self.subjects, self.split = subjects, split
        self.labels, self.channels = labels, channels
        self.image_size = image_size

    def fingerprint(self, root: Path | None) -> str:
        """Return a hash of everything in the folder but what runs wrote into it."""
        names = [file.name for file in find_epochs(root)]
        assert root is not None
        return fingerprint_of(root, names)

    def signal(self, root: Path | None) -> SignalInfo:
        """Return what the EEG looks like, from headers and metadata alone."""
        files, rows = self._rows(root)
        return self._signal(files, rows)

    def load(self, root: Path | None, image_root: Path | None = None) -> Trials:
        """Read every file of the chosen subjects, filter if asked, resample, cut."""
        files, rows = self._rows(root)
        signal = self._signal(files, rows)
        assert root is not None
        pictures = image_root or root / "images"
        used = chosen_rows(rows, self.subjects, signal.class_names)
        known = bool(used.image.ne("").all())
        if not known:
            require_known_images(self.split)
        table = trial_table(used, signal.class_names, subject_names(rows), pictures)
        check_pictures(pictures, list(table.image_id.unique()))
        eeg, histories, marked, rejected = [], Counter[str](), Counter[str](), 0
        begins: dict[float, str] = {}
        for number, of_file in used.groupby("file"):
            file = files[int(number)]
            epochs = open_epochs(file)
            marked.update(name for name in epochs.info["bads"] if name in signal.ch_names)
            histories[_history(epochs)] += 1
            rejected += rejected_before(epochs)
            begins.setdefault(float(epochs.tmin), file.name)
            eeg.append(self._cut(file, epochs, signal)[of_file.epoch.to_numpy()])
        if self.window is None:
            _require_one_begin(begins)
        notes = [_kept_note(len(used), rejected, histories)]
        if self.band is not None:
            low, high = self.band
            notes.append(f"filtered to {low:g} - {high:g} Hz as epochs, where not so before")
        if marked:
            notes.append(marked_note(marked, "the epochs"))
        if not known:
            notes.append(PAIRED)
        table = table.reset_index(drop=True)
        return Trials(np.concatenate(eeg), table, signal, tuple(notes), image_known=known)

    def split_of(self, table: pd.DataFrame) -> np.ndarray:
        """Return "train", "val" or "test" for each row of `table`."""
        if self.split is None:
            raise DataError(
                "dataset 'epochs' has no official split; give dataset.params.split, for example "
                "{by: run, test: ['6'], val: ['5']}"
            )
        return split_by(table, self.split)

    def images(
        self, image_ids: Sequence[str], root: Path | None, image_root: Path | None = None
    ) -> np.ndarray:
        """Return pictures, uint8 RGB, cut to their central square."""
        if image_root is None:
            assert root is not None
            image_root = root / "images"
        return np.stack([read_picture(image_root / i, self.image_size) for i in image_ids])

    def _rows(self, root: Path | None) -> tuple[list[EpochsFile], pd.DataFrame]:
        """Return the files, and the trials of all with ``file`` and ``epoch``, their place."""
        files, tables = find_epochs(root), []
        for number, file in enumerate(files):
            rows = rows_of(file, open_header(file))
            tables.append(rows.assign(file=number, epoch=range(len(rows))))
        return files, name_trials(pd.concat(tables, ignore_index=True))

    def _signal(self, files: list[EpochsFile], rows: pd.DataFrame) -> SignalInfo:
        classes = class_names(rows, self.labels)
        first = files[chosen_rows(rows, self.subjects, classes).file.iloc[0]]
        epochs = open_header(first)
        there = eeg_channels(epochs, first.name)
        ch_names = tuple(self.channels or there)
        require_channels(there, ch_names, first)
        saved_at = float(epochs.info["sfreq"])
        sfreq = float(self.resample or saved_at)
        band = band_limits(self.band, saved_at, self.resample)
        if band is None:
            low, high = own_band(epochs)
            band = (low, high) if low < high < sfreq / 2 else None
        else:
            narrow(first, epochs, band)
        return SignalInfo(
            n_chans=len(ch_names),
            n_times=self._span(first, epochs, sfreq)[1],
            sfreq=sfreq,
            ch_names=ch_names,
            ch_pos=electrode_positions(epochs.info, ch_names),
            scale="microvolt",
            band=band,
            reference="as saved",
            n_subjects=len(subject_names(rows)),
            class_names=classes,
        )

    def _span(self, file: EpochsFile, epochs: Any, sfreq: float) -> tuple[int, int]:
        """Return first sample and number of samples of the window at the rate `sfreq`."""
        there = int(len(epochs.times) * sfreq / float(epochs.info["sfreq"]) + 1e-9)
        if self.window is None:
            return 0, there
        n_times = window_samples(self.window, sfreq)[1]
        start = round((self.window[0] - epochs.tmin) * sfreq)
        if start < 0 or start + n_times > there:
            raise DataError(
                f"window {list(self.window)} s reaches beyond the epochs of {file.name}, which "
                f"last from {epochs.tmin:.3g} to {epochs.tmax:.3g} s; choose one inside"
            )
        return start, n_times

    def _cut(self, file: EpochsFile, epochs: Any, signal: SignalInfo) -> np.ndarray:
        """Return all epochs of a file as (N, C, T) float32, microvolt."""
        require_channels(eeg_channels(epochs, file.name), signal.ch_names, file)
        require_rate(epochs, file, signal, self.band, self.resample)
        epochs.pick(list(signal.ch_names)).reorder_channels(list(signal.ch_names))
        require_numbers(file, epochs.get_data(), signal.ch_names)
        start, n_times = self._span(file, epochs, signal.sfreq)
        if self.band is not None:
            ends = narrow(file, epochs, (float(self.band[0]), float(self.band[1])))
            if ends != (None, None):
                epochs.filter(*ends, verbose="error")
        if signal.sfreq != epochs.info["sfreq"]:
            epochs.resample(signal.sfreq, method="polyphase", verbose="error")
        eeg_NCT = epochs.get_data()[:, :, start : start + n_times] * 1e6
        if eeg_NCT.shape[2] != signal.n_times:
            raise DataError(
                f"the epochs of {file.name} hold {n_times} samples, those of the first file "
                f"{signal.n_times}; choose what all hold with dataset.params.window"
            )
        return eeg_NCT.astype(np.float32)


def _require_one_begin(begins: dict[float, str]) -> None:
    if len(begins) > 1:
        (one, a), (other, b) = list(begins.items())[:2]
        raise DataError(
            f"the epochs of {a} begin at {one:.3g} s, those of {b} at {other:.3g} s; choose what "
            "all hold with dataset.params.window"
        )


def _history(epochs: Any) -> str:
    """Return what a file says was done before it was saved."""
    low, high = own_band(epochs)
    unfiltered = low == 0 and high >= float(epochs.info["sfreq"]) / 2
    done = "no filter on record" if unfiltered else f"filtered to {low:g} - {high:g} Hz"
    if epochs.baseline is not None:
        start, stop = epochs.baseline
        done += f", baseline {start:g} to {stop:g} s"
    return done


def _kept_note(n_kept: int, n_rejected: int, histories: Counter[str]) -> str:
    before = "; ".join(
        f"{done} ({count} file{'s' if count > 1 else ''})" for done, count in histories.items()
    )
    return (
        f"all {n_kept} epochs saved were kept, {n_rejected} had been rejected before; as saved: "
        f"{before}"
    )
