"""Trials of THINGS-EEG2: which samples of an epoch, which rows of the table, what is held out."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Sequence

import numpy as np
import pandas as pd

from zoo.contracts import TRIAL_COLUMNS, DataError
from zoo.datasets._filtering import window_samples
from zoo.datasets._things_files import Recording
from zoo.seeds import named_seed

#: Share of the training images that NICE holds out: 740 of 16 540.
HELD_OUT = 740 / 16540
#: Larger arrays are kept in a temporary file instead of memory, bytes.
IN_MEMORY = 256 * 2**20


def window_of(
    recording: Recording, window: Sequence[float] | None, rate: float, name: str
) -> tuple[int, int]:
    """Return first sample and number of samples of the window within an epoch at `rate` Hz.

    Raises
    ------
    DataError
        It reaches beyond the epochs of the subject `name`.
    """
    first = float(recording.times[0])
    there = round(recording.eeg.shape[3] * rate / recording.sfreq)
    onset = round(-first * rate)
    if window is None:
        return max(0, onset), there - max(0, onset)
    start, n_times = window_samples(window, rate)
    if onset + start < 0 or onset + start + n_times > there:
        end = first + recording.eeg.shape[3] / recording.sfreq
        raise DataError(
            f"window is {list(window)}; the epochs of sub-{name} reach from "
            f"{first:g} to {end:g} s around a picture's onset"
        )
    return onset + start, n_times


def require_alike(recording: Recording, first: Recording, name: str) -> None:
    """Raise DataError unless two recordings have the same channels and times."""
    alike = recording.ch_names == first.ch_names and len(recording.times) == len(first.times)
    if not alike or not np.allclose(recording.times, first.times):
        raise DataError(
            f"{name} has other channels or times than the first recording; choose subjects "
            "whose files were made alike with dataset.params.subjects"
        )


def require_as_often(recording: Recording, first: Recording, name: str) -> None:
    """Raise DataError unless two recordings of a partition have as many repetitions."""
    mine, others = recording.eeg.shape[1], first.eeg.shape[1]
    if mine != others:
        raise DataError(
            f"{name} has {mine} repetitions of each picture, that of the first subject {others}; "
            "choose subjects whose files were made alike with dataset.params.subjects"
        )


def table_of(
    subject: int,
    name: str,
    partition: str,
    shown: list[tuple[str, str]],
    label: list[int],
    repetitions: int | None,
) -> pd.DataFrame:
    """Return the rows of one partition of one subject.

    Parameters
    ----------
    subject, name : int, str
    partition : {"training", "test"}
    shown : list of (concept folder, file)
        The picture of each condition.
    label : list of int
        Its class.
    repetitions : int or None
        Rows of each condition; None: one, their mean.
    """
    times = repetitions or 1
    trial_ids = [f"sub-{name}_{partition}_{i + 1:05d}" for i in range(len(shown))]
    if repetitions is not None:
        trial_ids = [f"{i}_rep{r + 1:02d}" for i in trial_ids for r in range(times)]
    image_ids = [f"{partition}_images/{concept}/{file}" for concept, file in shown]
    columns = {
        "trial_id": trial_ids,
        "subject": subject,
        "subject_name": name,
        "session": "merged",
        "run": partition,
        "block": 0,
        "onset": 0.0,
        "label": np.repeat(label, times),
        "image_id": np.repeat(image_ids, times),
    }
    return pd.DataFrame(columns, columns=list(TRIAL_COLUMNS))


def held_out(units: pd.Series) -> list[str]:
    """Return which concepts or images are for validation, named by a seed."""
    distinct = sorted(set(units), key=lambda unit: named_seed(0, "things_eeg2 val", unit))
    return distinct[: max(1, round(len(distinct) * HELD_OUT))]


def room(shape: tuple[int, ...]) -> np.ndarray:
    """Return a float32 array to write into, in a temporary file where it would be large."""
    if 4 * int(np.prod(shape)) <= IN_MEMORY:
        return np.empty(shape, np.float32)
    return np.memmap(tempfile.TemporaryFile(), dtype=np.float32, mode="w+", shape=shape)


def forget(eeg: np.ndarray) -> None:
    """Give back the memory of what was read of an array that is mapped from a file."""
    mapped = getattr(eeg, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):  # not on every system
        mapped.madvise(mmap.MADV_DONTNEED)


def positions(ch_names: tuple[str, ...]) -> tuple[tuple[float, float, float], ...] | None:
    """Return the electrodes' places in the standard montage, None where it lacks a name."""
    import mne

    with mne.utils.use_log_level("error"):
        montage = mne.channels.make_standard_montage("standard_1005")
        if not set(ch_names) <= set(montage.ch_names):
            return None
        info = mne.create_info(list(ch_names), 250.0, "eeg")
        info.set_montage(montage)
    return tuple(tuple(float(v) for v in channel["loc"][:3]) for channel in info["chs"])
