"""Means over seeds, subjects and trials with the interval that crosses them; for all analyses."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from zoo.analyses._words import listed
from zoo.grid_scores import NotAnswered, Score
from zoo.recipe.cells import Cell
from zoo.statistics import LEVEL, MIN_CLUSTERS, RESAMPLES, bootstrap, wilson

#: Columns by which the rows of two tables are the same trial.
TRIAL = ["seed", "trial_id", "image_id"]


class Interval(NamedTuple):
    """An interval and what it is over.

    Parameters
    ----------
    ci95 : (low, high) or None
        None where neither seeds, subjects nor trials are enough to resample.
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

    Columns ``seed, subject, trial_id, image_id, cluster, cluster_subject, unit, score``.
    ``subject`` is what the cell is of, ``cluster`` and ``trial_id`` are "" where there are no
    trials, ``cluster_subject`` where subjects and images do not cross within the cell, ``image_id``
    where trials are of one picture and yet resampled apart: it then names a picture of the
    category, not the one that was seen.
    """
    table = score.trials()
    if table is None:
        only = {"trial_id": "", "image_id": "", "cluster": "", "unit": "", "score": score.value}
        table = pd.DataFrame([only])
    else:
        if not len(table) or not np.isfinite(table["score"]).all():
            raise NotAnswered(f"some score of {score.cell.id} in {score.metric} is not finite")
        table = table.assign(unit=_unit(table)).astype({"trial_id": str, "image_id": str})
        if table["image_id"].duplicated().any() and table["unit"].iloc[0] != "image":
            table["image_id"] = ""
    if "cluster_subject" not in table:
        table = table.assign(cluster_subject="")
    kept = table[["trial_id", "image_id", "cluster", "cluster_subject", "unit", "score"]]
    return kept.assign(seed=score.cell.seed, subject=_subject(score.cell))


def _unit(table: pd.DataFrame) -> str:
    """Return what is resampled together, from the columns that it equals."""
    for column, name in (("trial_id", "trial"), ("image_id", "image"), ("subject", "subject")):
        if (table["cluster"].astype(str) == table[column].astype(str)).all():
            return name
    return "run"


def _subject(cell: Cell) -> str:
    """Return the subject of a cell's data, "1, 2" where it has several, "" where none is chosen."""
    chosen = cell.dataset.params.get("subjects")
    return ", ".join(map(str, chosen)) if isinstance(chosen, list | tuple) else ""


def crossed(
    table: pd.DataFrame,
    *,
    seed: int,
    bounded: bool = True,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> Interval:
    """Return the interval of the weighted mean of ``score`` over seeds, subjects and trials.

    Seeds, subjects (where the cells are of several) and trials (or what trials are resampled by)
    are drawn crosswise where there are at least five of each; of fewer, nothing is drawn and the
    interval is conditional on them. Three ways that cross make the interval wide rather than
    narrow.

    Parameters
    ----------
    table : DataFrame
        Columns of `trials_of`; ``weight`` where rows do not count alike; ``sign`` (1, -1) where
        it is the mean of some rows less the mean of others. Trials of both that have one id are
        drawn together.
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
    for column, name in (("seed", "seeds"), *_subject_ways(table)):
        n = table[column].nunique()
        if n >= MIN_CLUSTERS:
            ways.append(table[column].astype(str).to_numpy())
            said.append(f"{n} {name}")
        else:
            given.append("one seed" if n == 1 and name == "seeds" else f"{n} {name}")
    if not ways:
        return Interval(None, f"no interval: {listed(given)} are too few to resample")
    values_NS2, statistic = _signed(table)
    found = bootstrap(
        values_NS2,
        seed=seed,
        clusters=tuple(ways),
        statistic=statistic,
        level=level,
        resamples=resamples,
    )
    only = f", for {listed(given)} alone" if given else ""
    if found is not None and found[0] == found[1]:
        alike = f"every draw over {listed(said)} alike"
        if not bounded:
            return Interval(None, f"no interval: {alike}{only}")
        n, reach = min(len(np.unique(way)) for way in ways), values_NS2.shape[1]
        return Interval(_of_draws_alike(found[0], n, reach), f"{alike}: Wilson{only}")
    how = "crossed " if len(ways) > 1 else ""
    return Interval(found, f"bootstrap {how}over {listed(said)}{only}")


def mean(table: pd.DataFrame) -> float:
    """Return the weighted mean of ``score``, or that of some rows less that of others."""
    values_NS2, statistic = _signed(table)
    return float(statistic(values_NS2.mean(axis=0)[None])[0])


def _signed(table: pd.DataFrame) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Return weighted scores and weights by sign (S of them), and the figure of their means."""
    weight = table["weight"].to_numpy() if "weight" in table else np.ones(len(table))
    sign = table["sign"].to_numpy() if "sign" in table else np.ones(len(table))
    signs = np.unique(sign)
    weight_NS = weight[:, None] * (sign[:, None] == signs)
    values_NS2 = np.stack([weight_NS * table["score"].to_numpy()[:, None], weight_NS], axis=2)

    def figure(means_RS2: np.ndarray) -> np.ndarray:
        # A draw may miss every trial of a sign.
        with np.errstate(invalid="ignore"):
            return (signs * means_RS2[..., 0] / means_RS2[..., 1]).sum(axis=1)

    return values_NS2, figure


def _subject_ways(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the columns that are drawn beside the seeds, and what they hold.

    Of cells of one subject each, the subject stands for its trials and crosses the images that
    several saw, as `zoo.statistics.independent_units` has it within a cell.
    """
    subject = table["subject"]
    if (n := subject.nunique()) < 2 or (table["cluster_subject"].astype(str) != "").any():
        return _trial_ways(table)
    ways = [("subject", "choices of subjects" if subject.str.contains(",").any() else "subjects")]
    unit = table["unit"].iloc[0]
    seen = table[["subject", "image_id"]].drop_duplicates()
    known = bool((seen["image_id"] != "").all())
    shared = known and len(seen) > seen["image_id"].nunique()
    if shared and (n >= MIN_CLUSTERS or unit == "trial"):
        return [*ways, ("image_id", "images")]
    return ways if n >= MIN_CLUSTERS else [*ways, *_trial_ways(table)]


def _trial_ways(table: pd.DataFrame) -> list[tuple[str, str]]:
    unit = table["unit"].iloc[0]
    ways = [("cluster", f"{unit}s")] if unit else []
    crosses = (table["cluster_subject"].astype(str) != "").any()
    return [("cluster_subject", "subjects"), *ways] if crosses else ways


def _of_draws_alike(value: float, n: int, reach: int = 1) -> tuple[float, float]:
    """Return how far a figure of shares could lie from the one that all `n` units show.

    Differences of shares reach from -1 to 1; differences of differences are of `reach` 2.
    """
    unseen = wilson(0, n)[1]
    low, high = value - unseen * (value + reach), value + unseen * (reach - value)
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
