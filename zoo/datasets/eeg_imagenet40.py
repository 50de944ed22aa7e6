"""Recordings of six subjects who saw 2,000 photographs of 40 ImageNet classes, in blocks of one.

The set of Spampinato et al. (2017) and Palazzo et al. (2020, 10.1109/TPAMI.2020.2995909), also
called EEGCVPR40, Brain2Image data or ImageNet-EEG: 128 channels at 1 kHz, half a second a picture.
It is contested, see `leakage` in the mark and ``docs/data.md``.

A root holds the files under their released names; one data file and one split file are enough:
``eeg_5_95_std.pth``, ``eeg_14_70_std.pth``, ``eeg_55_95_std.pth`` (filtered whole by the authors,
standardised), ``eeg_signals_raw_with_mean_std.pth`` (unfiltered segments),
``block_splits_by_image_single.pth``, ``block_splits_by_image_all.pth``, and the photographs, which
do not come with them, under ``images/<synset>/``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from registry import BadParameters, component
from zoo.contracts import TRIAL_COLUMNS, DataError, SignalInfo, Trials
from zoo.datasets._bids_files import read_picture
from zoo.datasets._choices import check_choices
from zoo.datasets._filtering import band_limits, window_samples
from zoo.datasets._imagenet40_classes import NAMES, SYNSETS
from zoo.datasets._named_pictures import find_pictures, pictures_fingerprint
from zoo.datasets._official_splits import FILES, SPLITS, missing_split, official_parts
from zoo.datasets._released_files import RAW, data_file, source_note
from zoo.datasets._released_pickle import N_CHANS, Release, load_release
from zoo.datasets._segments import band_pass_segment, cut_segment, last_sample_needed
from zoo.datasets._simulated import MARKER, simulated_note
from zoo.datasets._splits import select_named, split_by

SFREQ = 1000.0
N_SUBJECTS = 6


@component(
    "dataset",
    paper="10.1109/TPAMI.2020.2995909",
    license="not stated by its authors",
    leakage="Contested recordings (Li et al. 2021; answered by Palazzo et al. 2020): all pictures "
    "of a class were shown in one block, so every test trial lies in the block of its training "
    "trials, and slow changes of the EEG can tell its class without any trace of a picture.",
    independent="block",
    needs_root=True,
    per_subject=False,
    judge="none",
    pictures=("image_size",),
    tiny={"split": "all", "image_size": 64},
)
class EegImagenet40:
    """The 40-class block-design set, from its released files.

    Parameters
    ----------
    band : [low, high], optional
        [5, 95], [14, 70] and [55, 95] Hz are the released, filtered files. Any other band is made
        by filtering the raw segments, which is not the same; None is the raw segments unfiltered.
    window : [start, stop]
        Seconds from the picture's onset, where a segment begins. 0.02 to 0.46 are the samples
        20:460 of published code.
    resample : float, optional
        New sampling rate in Hz; None keeps 1000.
    normalise : {"channel", "trial", "none"}
        z-score by channel over the training trials, by channel within each trial, or not at all.
    subjects : list of int, optional
        Of 1 to 6; None is all.
    split : str or mapping
        "single" and "all" are the released split files as their authors' code counts with them;
        "single_of_file" and "all_of_subject" count the other way. Or
        ``{by: subject | image | block, test: [...], val: [...]}``; a block is a class.
    limit : int or mapping, optional
        Keep so many trials of each split; or of those named alone: ``{train: 120}``.
    shuffle_labels : bool
        Permute the labels of training and validation trials.
    refilter : bool
        Filter the raw segments even where a released file of the band exists.
    lengths : [shortest, longest], optional
        Keep segments of so many samples, limits included, as published code does; None keeps all.
    image_size : int
        Side in pixels to which photographs are cut and resized.
    """

    def __init__(
        self,
        *,
        band: Sequence[float] | None = (5, 95),
        window: Sequence[float] = (0.02, 0.46),
        resample: float | None = None,
        normalise: Literal["channel", "trial", "none"] = "channel",
        subjects: Sequence[int] | None = None,
        split: Literal["single", "all", "single_of_file", "all_of_subject"]
        | Mapping[str, Any] = "single",
        limit: int | Mapping[str, int] | None = None,
        shuffle_labels: bool = False,
        refilter: bool = False,
        lengths: Sequence[int] | None = (450, 600),
        image_size: int = 256,
    ):
        who = "dataset 'eeg_imagenet40' parameter"
        check_choices(
            "eeg_imagenet40",
            normalise=normalise, limit=limit, split=split, official=tuple(SPLITS),
        )  # fmt: skip
        if subjects is not None:
            _check_subjects(subjects)
        if lengths is not None and not (len(lengths) == 2 and 2 <= lengths[0] <= lengths[1]):
            raise BadParameters(
                f"{who} 'lengths' is {list(lengths)}; it takes [shortest, longest] in samples"
            )
        if image_size < 64:
            raise BadParameters(f"{who} 'image_size' is {image_size}; it takes at least 64")
        if refilter and band is None:
            raise BadParameters(f"{who} 'refilter' needs a 'band' to filter to")
        self.band, self.window, self.resample = band, window, resample
        self.normalise, self.limit, self.shuffle_labels = normalise, limit, shuffle_labels
        self.subjects, self.split = subjects, split
        self.refilter, self.lengths, self.image_size = refilter, lengths, image_size

    def fingerprint(self, root: Path | None) -> str:
        """Return a hash of the files in use: split files by content, others by size and time.

        Raises
        ------
        DataError
            If the data file that the band needs is not there.
        """
        file = self._file(root)
        status = file.stat()
        parts = [f"{file.name} {status.st_size} {status.st_mtime_ns}"]
        for small in (*FILES.values(), MARKER):
            if (file.parent / small).is_file():
                content = hashlib.sha256((file.parent / small).read_bytes()).hexdigest()
                parts.append(f"{small} {content}")
        parts.append(pictures_fingerprint(SYNSETS, file.parent / "images"))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def signal(self, root: Path | None = None) -> SignalInfo:
        """Return what the EEG will look like; the files are not read."""
        sfreq = float(self.resample or SFREQ)
        start, n_times = window_samples(self.window, sfreq)
        if start < 0:
            raise DataError(
                f"window is {list(self.window)}; segments of this data set begin at the picture's "
                "onset, so it cannot begin before 0"
            )
        return SignalInfo(
            n_chans=N_CHANS,
            n_times=n_times,
            sfreq=sfreq,
            ch_names=tuple(f"E{number}" for number in range(1, N_CHANS + 1)),
            ch_pos=None,  # the files do not say which electrode is which
            scale="z-score",
            band=band_limits(self.band, SFREQ, self.resample),
            reference="as released",
            n_subjects=N_SUBJECTS,
            class_names=NAMES,
        )

    def pictures_fingerprint(self, image_root: Path) -> str:
        """Return a hash of its own pictures in a folder that may hold all of ImageNet."""
        return pictures_fingerprint(SYNSETS, image_root)

    def load(self, root: Path | None, image_root: Path | None = None) -> Trials:
        """Read the file of the band, cut every trial; peak memory is about the file's size.

        Raises
        ------
        DataError
            If a file is missing or not as released, or photographs are missing.
        """
        signal = self.signal(root)
        file = self._file(root)
        release = load_release(file)
        kept, dropped = self._kept(release)
        find_pictures([release.images[i] for i in release.image[kept]], _pictures(root, image_root))
        table = _table(release, kept, official_parts(file.parent, release.subject))
        for index in dropped:
            release.forget(index)
        eeg_NCT = np.empty((len(kept), N_CHANS, signal.n_times), np.float32)
        for row, index in enumerate(kept):
            eeg_NCT[row] = self._cut(release, index, signal)
        notes = (
            *simulated_note(file.parent),
            source_note(file, self.band),
            self._kept_note(release, len(kept)),
            "sessions, runs and onsets are not in the files: each subject counts as one run, each "
            "class as one block, which is how it was shown",
        )
        return Trials(eeg_NCT, table, signal, notes)

    def split_of(self, table: pd.DataFrame) -> np.ndarray:
        """Return "train", "val", "test" or "" (in no part of the file) for each row of `table`."""
        if isinstance(self.split, Mapping):
            return split_by(table, self.split)
        if self.split not in table:
            raise missing_split(self.split)
        return table[self.split].to_numpy(dtype="<U5")

    def images(
        self, image_ids: Sequence[str], root: Path | None, image_root: Path | None = None
    ) -> np.ndarray:
        """Return photographs, uint8 RGB, cut to their central square."""
        files = find_pictures(image_ids, _pictures(root, image_root))
        return np.stack([read_picture(file, self.image_size) for file in files])

    def _file(self, root: Path | None) -> Path:
        return data_file(root, band_limits(self.band, SFREQ), refilter=self.refilter)

    def _kept(self, release: Release) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices of the items that are trials, and of the others."""
        keep = release.length >= last_sample_needed(SFREQ, self.resample, self.window)
        if self.lengths is not None:
            keep &= (self.lengths[0] <= release.length) & (release.length <= self.lengths[1])
        if not keep.any():
            raise DataError(
                f"{release.file.name}: no segment holds the window {list(self.window)} s and has "
                f"a length allowed by dataset.params.lengths ({self.lengths}); the longest has "
                f"{release.length.max()} samples"
            )
        return np.flatnonzero(keep), np.flatnonzero(~keep)

    def _cut(self, release: Release, index: int, signal: SignalInfo) -> np.ndarray:
        segment_CP = release.take(index)
        if release.file.name == RAW:
            if release.mean_C is None or release.std_C is None:
                raise DataError(f"{RAW} lacks 'means' or 'stddevs'; fetch the file again")
            segment_CP = (segment_CP - release.mean_C[:, None]) / release.std_C[:, None]
            segment_CP = band_pass_segment(segment_CP, SFREQ, signal.band)
        return cut_segment(segment_CP, SFREQ, self.resample, self.window)

    def _kept_note(self, release: Release, n_kept: int) -> str:
        n_items = len(release.length)
        if n_kept == n_items:
            return f"all {n_items} trials were kept"
        outside = 0
        if self.lengths is not None:
            low, high = self.lengths
            outside = int(((release.length < low) | (release.length > high)).sum())
        reasons = {
            f"of fewer or more samples than {list(self.lengths or ())}": outside,
            f"too short for the window {list(self.window)} s": n_items - n_kept - outside,
        }
        said = "; ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
        return f"{n_items - n_kept} of {n_items} trials were dropped: {said}"


def _table(release: Release, kept: np.ndarray, parts: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return the table of the kept trials; behind the agreed columns one per official split."""
    subject, label = release.subject[kept], release.label[kept]
    outside = subject[(subject < 1) | (subject > N_SUBJECTS)]
    if len(outside):
        raise DataError(
            f"{release.file.name}: a trial is of subject {outside[0]}; there are 1 to 6"
        )
    columns = {
        "trial_id": [f"s{s}_{i:05d}" for s, i in zip(subject, kept, strict=True)],
        "subject": subject - 1,
        "subject_name": subject.astype(str),
        "session": "1",
        "run": "1",
        "block": label,
        "onset": 0.0,
        "label": label,
        "image_id": [release.images[i] for i in release.image[kept]],
    }
    table = pd.DataFrame(columns, columns=list(TRIAL_COLUMNS))
    return table.assign(**{name: part[kept] for name, part in parts.items()})


def _pictures(root: Path | None, image_root: Path | None) -> Path:
    if image_root is not None:
        return image_root
    assert root is not None
    return root / "images"


def _check_subjects(subjects: Sequence[int]) -> None:
    known = np.arange(1, N_SUBJECTS + 1).astype(str)
    if not subjects:
        raise BadParameters(
            "dataset 'eeg_imagenet40' parameter 'subjects' is empty; leave it out for all"
        )
    try:
        select_named(known, subjects, "parameter 'subjects'", "subject")
    except DataError as error:
        raise BadParameters(f"dataset 'eeg_imagenet40' {error}") from error
