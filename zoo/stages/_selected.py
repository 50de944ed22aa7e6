"""The selected trials, as `select` published them: what is known of each, aligned by position."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

_COLUMNS = ("trial_id", "label", "true_label", "split", "subject", "image_id")


@dataclass(frozen=True)
class Selected:
    """One entry per selected trial, in the order of ``select.npz``.

    Parameters
    ----------
    trial_id, image_id : arrays of str (N,)
    label, true_label : arrays (N,), int64
        `label` is permuted in train and val where the recipe shuffles labels, `image_id` with
        it: picture and label of a trial always agree.
    split : array of str (N,)
        "train", "val" or "test".
    subject : array (N,), int64
    """

    trial_id: np.ndarray
    label: np.ndarray
    true_label: np.ndarray
    split: np.ndarray
    subject: np.ndarray
    image_id: np.ndarray

    @classmethod
    def read(cls, select: Path) -> Selected:
        """Read the folder that the stage select published."""
        with np.load(select / "select.npz", allow_pickle=False) as stored:
            return cls(**{name: stored[name] for name in _COLUMNS})

    def positions(self, part: str) -> np.ndarray:
        """Return the positions of the trials of one split, (n,) int64."""
        return np.flatnonzero(self.split == part)
