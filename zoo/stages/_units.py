"""Units that splits may share: images, blocks, runs, sessions, subjects, and EEG bit by bit."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

#: Columns that together name a unit of the recording.
UNITS = {
    "image": ["image_id"],
    "block": ["subject_name", "session", "run", "block"],
    "run": ["subject_name", "session", "run"],
    "session": ["subject_name", "session"],
    "subject": ["subject_name"],
}
#: Which split is held against which.
PAIRS = {
    "test_with_train": ("test", "train"),
    "test_with_val": ("test", "val"),
    "val_with_train": ("val", "train"),
}
#: Samples of a trial that are looked at before all of it is.
PROBE = 8


def keys(dataset: str, table: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """Return a name of each row's unit, (N,) uint64: the same in every selection of a data set."""
    values = pd.Series(dataset, index=table.index)
    for column in columns:
        values = values + "\x1f" + table[column].astype(str)
    known = {
        value: int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest(), "little")
        for value in values.unique()
    }
    return values.map(known).to_numpy(np.uint64)


def shares(unit_N: np.ndarray, split: np.ndarray) -> dict[str, float]:
    """Return for each pair of `PAIRS` the share of the first's trials whose unit the second has.

    A pair with a split that holds no trial is left out.
    """
    return {
        name: float(np.isin(unit_N[split == one], unit_N[split == other]).mean())
        for name, (one, other) in PAIRS.items()
        if (split == one).any() and (split == other).any()
    }


def same_eeg(eeg_PCT: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return a number for each of `rows`, equal where the EEG is the same bit by bit, (N,) int64.

    A few samples tell most trials apart; only trials that agree in these are read whole.
    """
    n_chans, n_times = eeg_PCT.shape[1:]
    start = max(0, n_times // 2 - PROBE // 2)
    few_NT = np.ascontiguousarray(eeg_PCT[rows, n_chans // 2, start : start + PROBE])
    number = pd.DataFrame(few_NT.view(np.uint32)).groupby(list(range(few_NT.shape[1])))
    found = number.ngroup().to_numpy(np.int64, copy=True)
    alike = np.flatnonzero(np.bincount(found)[found] > 1)
    whole = [
        hashlib.blake2b(eeg_PCT[row].tobytes(), digest_size=16).digest() for row in rows[alike]
    ]
    found[alike] = found.max(initial=0) + 1 + pd.factorize(np.array(whole, dtype=object))[0]
    return found
