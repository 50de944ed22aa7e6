"""Means over seeds and trials with the interval that crosses both; shared by all analyses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from zoo.grid_scores import NotAnswered, Score
from zoo.statistics import LEVEL, MIN_CLUSTERS, RESAMPLES, bootstrap, wilson

#: Columns by which the rows of two tables are the same trial.
TRIAL = ["seed", "trial_id", "image_id"]


class Interval(NamedTuple):
    """An interval and what it is over.

    Parameters
    ----------
    ci95 : (low, high) or None
        None where neither seeds nor trials are enough to resample.
    how : str
        For a sentence: "bootstrap crossed over 5 seeds and 60 images".
    """

    ci95: tuple[float, float] | None
    how: str

    @property
    def excludes_zero(self) -> bool:
        """Say whether zero lies outside."""
        return self.ci95 is not None and not self.ci95[0] <= 0 <= self.ci95[1]


def trials_of(score: Score) -> pd.DataFrame:
    """Return the table of a row's trials; one row with its value where it scores no trials.

    Columns ``seed, trial_id, image_id, cluster, cluster_subject, unit, score``. ``cluster`` is ""
    where there are no trials, ``cluster_subject`` where nothing crosses.
    """
    table = score.trials()
    if table is None:
        only = {"trial_id": "", "image_id": "", "cluster": "", "unit": "", "score": score.value}
        table = pd.DataFrame([only])
    else:
        if not len(table) or not np.isfinite(table["score"]).all():
            raise NotAnswered(f"some score of {score.cell.id} in {score.metric} is not finite")
        table = table.assign(unit=_unit(table)).astype({"trial_id": str, "image_id": str})
    if "cluster_subject" not in table:
        table = table.assign(cluster_subject="")
    kept = table[["trial_id", "image_id", "cluster", "cluster_subject", "unit", "score"]]
    return kept.assign(seed=score.cell.seed)


def _unit(table: pd.DataFrame) -> str:
    """Return what is resampled together, from the columns that it equals."""
    for column, name in (("trial_id", "trial"), ("image_id", "image"), ("subject", "subject")):
        if (table["cluster"].astype(str) == table[column].astype(str)).all():
            return name
    return "run"


def crossed(
    table: pd.DataFrame,
    *,
    seed: int,
    bounded: bool = True,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> Interval:
    """Return the interval of the weighted mean of ``score`` over seeds and trials.

    Seeds and trials (or what trials are resampled by) are drawn crosswise where there are at least
    five of each; of fewer, nothing is drawn and the interval is conditional on them. Subjects,
    images and seeds that cross three ways make the interval wide rather than narrow.

    Parameters
    ----------
    table : DataFrame
        Columns of `trials_of`, and ``weight`` where rows do not count alike.
    seed : int
        Names the draws.
    bounded : bool
        The scores are differences of shares: where all draws are alike, what could have been
        missed is bounded by Wilson's interval of none among the units.
    level : float
    resamples : int

    References
    ----------
    Owen 2007, "The pigeonhole bootstrap".
    """
    ways, said, given = [], [], []
    for column, name in (("seed", "seed"), *_trial_ways(table)):
        n = table[column].nunique()
        if n >= MIN_CLUSTERS:
            ways.append(table[column].astype(str).to_numpy())
            said.append(f"{n} {name}s")
        else:
            given.append("one seed" if n == 1 and name == "seed" else f"{n} {name}s")
    if not ways:
        return Interval(None, f"no interval: {' and '.join(given)} are too few to resample")
    weight = table["weight"].to_numpy() if "weight" in table else np.ones(len(table))
    values = np.stack([weight * table["score"].to_numpy(), weight], axis=1)
    found = bootstrap(
        values,
        seed=seed,
        clusters=tuple(ways),
        statistic=lambda means: means[:, 0] / means[:, 1],
        level=level,
        resamples=resamples,
    )
    only = f", for {' and '.join(given)} alone" if given else ""
    if found is not None and found[0] == found[1]:
        alike = f"every draw over {' and '.join(said)} alike"
        if not bounded:
            return Interval(None, f"no interval: {alike}{only}")
        n = min(len(np.unique(way)) for way in ways)
        return Interval(_of_draws_alike(found[0], n), f"{alike}: Wilson{only}")
    how = "crossed " if len(ways) > 1 else ""
    return Interval(found, f"bootstrap {how}over {' and '.join(said)}{only}")


def _trial_ways(table: pd.DataFrame) -> list[tuple[str, str]]:
    unit = table["unit"].iloc[0]
    ways = [("cluster", unit)] if unit else []
    crosses = (table["cluster_subject"].astype(str) != "").any()
    return [("cluster_subject", "subject"), *ways] if crosses else ways


def _of_draws_alike(value: float, n: int) -> tuple[float, float]:
    """Return how far a difference of shares could lie from the one that all `n` units show."""
    unseen = wilson(0, n)[1]
    low, high = value - unseen * (value + 1), value + unseen * (1 - value)
    return float(low), float(high)


def variance(table: pd.DataFrame) -> float:
    """Return the variance of the mean of ``score`` over seeds and trials, both drawn anew.

    That of each way by itself, less that of the trainings' single trials, and no less than either:
    Cameron, Gelbach and Miller (2011), "Robust inference with multiway clustering".
    """
    off = table["score"] - table["score"].mean()
    ways = [["seed"], *([column] for column, _ in _trial_ways(table))]
    alone = [_of_sums(off.groupby([table[c] for c in way]).sum(), len(table)) for way in ways]
    both = _of_sums(off.groupby([table[c] for way in ways for c in way]).sum(), len(table))
    return max(sum(alone) - (len(alone) - 1) * both, *alone)


def _of_sums(sums: pd.Series, n: int) -> float:
    g = len(sums)
    return 0.0 if g < 2 else float((sums**2).sum() / n**2 * g / (g - 1))
