"""On which trials weights depend: what trained them, and what chose a checkpoint among others.

Published beside weights as ``lineage.npz``, cumulated over everything they were started from.
Trials and units are named by the keys that ``select.npz`` gives them, which stay the same for
other splits, bands, windows and subjects of a data set.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

FILE = "lineage.npz"


def _none() -> np.ndarray:
    return np.empty(0, np.uint64)


@dataclass(frozen=True)
class Lineage:
    """Keys, sorted and each once, uint64.

    Parameters
    ----------
    trained, trained_units : array
        Trials that a loss or a statistic of the weights was computed on, and their units of
        independence (image, block, run ...).
    chosen, chosen_units : array
        Trials whose score chose a checkpoint among others.
    """

    trained: np.ndarray = field(default_factory=_none)
    trained_units: np.ndarray = field(default_factory=_none)
    chosen: np.ndarray = field(default_factory=_none)
    chosen_units: np.ndarray = field(default_factory=_none)

    @classmethod
    def of(cls, select: Path, *, trained: bool, chosen: bool) -> Lineage:
        """Return what one training adds: did it take steps on train, did val choose an epoch."""
        with np.load(select / "select.npz", allow_pickle=False) as stored:
            split, trial, unit = stored["split"], stored["trial_key"], stored["unit_key"]
        parts = {"train": trained, "val": chosen}
        train, val = ((split == part) & used for part, used in parts.items())
        return cls(*map(np.unique, (trial[train], unit[train], trial[val], unit[val])))

    @classmethod
    def read(cls, folder: Path) -> Lineage:
        """Read what was published beside weights."""
        with np.load(folder / FILE, allow_pickle=False) as stored:
            return cls(**{f.name: stored[f.name] for f in fields(cls)})

    def with_those(self, others: Iterable[Lineage]) -> Lineage:
        """Return the lineage of weights that were made from `others`, too."""
        whole = [self, *others]
        names = [f.name for f in fields(self)]
        joined = {n: np.unique(np.concatenate([getattr(x, n) for x in whole])) for n in names}
        return Lineage(**joined)

    def write(self, folder: Path) -> None:
        """Publish beside weights."""
        np.savez(folder / FILE, **{f.name: getattr(self, f.name) for f in fields(self)})

    def facts(self, own: Lineage) -> dict[str, dict[str, int]]:
        """Return numbers of trials for a stage's JSON; `own` is what this training added."""
        return {
            "trained_on": {"here": len(own.trained), "in_all": len(self.trained)},
            "chosen_on": {"here": len(own.chosen), "in_all": len(self.chosen)},
        }
