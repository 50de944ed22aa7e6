"""Do settings that are better by one metric come out better by another: rank correlation.

Where a lower score is better in one of the two, a negative correlation answers yes.
Seeds are averaged within a setting. The interval says how the ranks of these settings would move
with other trials and trainings; the permutation test, what other settings would show.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from registry import component
from zoo.analyses._crossed import TRIAL, trials_of
from zoo.analyses._lost import seeds_left
from zoo.analyses._words import left_out, listed, tested_on
from zoo.grid_scores import AnalysisResult, GridScores, MetricLabel, NotAnswered, Where
from zoo.recipe.cells import Cell
from zoo.seeds import numpy_rng
from zoo.statistics import LEVEL, MIN_CLUSTERS, bootstrap

#: All orders are taken of up to so many settings (7! = 5040), else `DRAWS` are drawn.
EXACT = 7
DRAWS = 9999


class Drawn(NamedTuple):
    """How a correlation moves with other seeds and trials.

    Parameters
    ----------
    ci95 : (low, high) or None
    how : str
        What was drawn, or why there is no interval.
    held : bool
        Its sign does not move.
    """

    ci95: tuple[float, float] | None
    how: str
    held: bool


@component(
    "analysis",
    license="BSD-3-Clause",
    null=0.0,
    least={"settings": 3},
    tiny={"metric": "score", "by": "other", "where": {"dataset.params.subjects": ["1"]}},
)
class RankCorrelation:
    """Spearman's rank correlation of two metrics over the settings of a grid.

    Parameters
    ----------
    metric, by : str
        Labels of the two metrics.
    where : mapping, optional
        Which cells take part: dotted paths and the values that they have there.
    ask : str
        The question, put before the answer.
    """

    def __init__(
        self, *, metric: MetricLabel, by: MetricLabel, where: Where | None = None, ask: str = ""
    ):
        self.metric, self.by, self.where, self.ask = metric, by, where or {}, ask

    def answer(self, scores: GridScores) -> AnalysisResult:
        """Return the correlation; ``rows`` hold the settings' means and the test."""
        whole = sorted(scores.matching(self.where), key=lambda cell: cell.id)
        kept, lost = seeds_left(scores, tuple(whole), self.metric, self.by)
        settings: dict[str, list[Cell]] = {}
        for cell in kept:
            place = {axis: value for axis, value in cell.coords.items() if axis != "seed"}
            settings.setdefault(repr(place), []).append(cell)
        k = len(settings)
        if k < 3:
            raise NotAnswered(f"a rank correlation needs at least three settings, not {k}")
        tables = [
            pd.concat([trials_of(scores.of(cell, label)) for cell in cells])
            for label in (self.metric, self.by)
            for cells in settings.values()
        ]
        means = np.array([table.groupby("seed")["score"].mean().mean() for table in tables])
        value = float(_spearman(means[None])[0])
        if not np.isfinite(value):
            raise NotAnswered(f"all settings are alike in {self.metric} or in {self.by}")
        ci95, how, held = self._drawn(tables, scores.seed, value)
        p, smallest = _permuted(means[:k], means[k:], scores.seed)
        firsts = {label: scores.of(kept[0], label) for label in (self.metric, self.by)}
        word = "Not told"
        if held and p < 1 - LEVEL:
            alike = len({first.higher_is_better for first in firsts.values()}) == 1
            word = "Yes" if (value > 0) == alike else "The reverse"
        named = " and ".join(
            label if first.higher_is_better else f"{label} (lower is better)"
            for label, first in firsts.items()
        )
        interval = f"95 % interval {ci95[0]:+.2f} to {ci95[1]:+.2f}, " if ci95 else ""
        few = "; too few settings for any claim about others" if k < MIN_CLUSTERS else ""
        first = firsts[self.metric]
        tested = tested_on(tables, first.split)
        rows = [
            {
                "row": "setting",
                "at": {a: v for a, v in group[0].coords.items() if a != "seed"},
                self.metric: float(means[i]),
                self.by: float(means[k + i]),
            }
            for i, group in enumerate(settings.values())
        ]
        return AnalysisResult(
            sentence=(
                f"{self.ask} {word}: over {k} settings and {tested} the rank correlation of "
                f"{named} is {value:+.2f} ({interval}{how}; permutation of "
                f"the settings: p = {p:.2g}, smallest possible {smallest:.2g}){few}"
                f"{left_out(lost)}; this speaks of "
                f"{scores.spoken_of(kept, self.metric, self.by)}."
            ).strip(),
            value=value,
            ci95=ci95,
            n=k,
            unit="setting",
            split=first.split,
            metric=self.metric,
            definition=(
                f"Spearman's rank correlation of {self.metric} and {self.by} over {k} settings, "
                f"seeds averaged; 95 % interval for these settings: {how}. In one "
                f"cell, {self.metric} is: {first.definition}"
            ),
            rows=({"row": "test", "p": p, "smallest_p": smallest}, *rows),
        )

    def _drawn(self, tables: list[pd.DataFrame], seed: int, value: float) -> Drawn:
        """Return how the correlation moves with the seeds and trials that all settings share."""
        untold = self._without_trials(tables)
        keys, same = (["seed"],) * 2 if untold else (["seed", "trial_id", "cluster"], TRIAL)
        wide = pd.concat(
            [table.groupby(keys)["score"].mean() for table in tables], axis=1, join="inner"
        ).sort_index()
        if len(wide) < max(len(table.drop_duplicates(same)) for table in tables):
            other = "seeds" if untold else "trials"
            return Drawn(None, f"no interval: the settings were scored on other {other}", False)
        about = wide.index.to_frame(index=False).astype(str)
        counts = {
            column: (about[column].nunique(), name)
            for column, name in (("seed", "seeds"), ("cluster", "units of trials"))
            if column in about
        }
        ways = [column for column, (n, _) in counts.items() if n >= MIN_CLUSTERS]
        said = listed([f"{n} {name}" for c, (n, name) in counts.items() if c in (ways or counts)])
        said += f" alone ({untold} scores no trials by themselves)" if untold else ""
        if not ways:
            return Drawn(None, f"no interval: {said} are too few to resample", False)
        try:
            # No way by itself moves the order: its variances, 0 / 0, leave no degrees of freedom.
            with np.errstate(invalid="raise"):
                found = bootstrap(
                    wide.to_numpy(),
                    seed=seed,
                    clusters=tuple(about[way].to_numpy() for way in ways),
                    statistic=_spearman,
                )
        except FloatingPointError:
            found = value, value
        if found is None:
            return Drawn(None, f"no interval: settings tie in every draw over {said}", False)
        # Noise that is drawn once more weakens a correlation: draws can all lie to one side.
        low, high = max(-1.0, min(found[0], value)), min(1.0, max(found[1], value))
        if np.isclose(low, high):
            how = f"no interval: draws over {said} leave the order as it is"
            return Drawn(None, how, bool(value))
        return Drawn((low, high), f"bootstrap over {said}", not low <= 0 <= high)

    def _without_trials(self, tables: list[pd.DataFrame]) -> str:
        """Return the metrics that score no trials by themselves, in words; "" where both do."""
        halves = tables[: len(tables) // 2], tables[len(tables) // 2 :]
        silent = [
            label
            for label, half in zip((self.metric, self.by), halves, strict=True)
            if any((table["trial_id"] == "").any() for table in half)
        ]
        return listed(silent) if silent else ""


def _spearman(means_R2K: np.ndarray) -> np.ndarray:
    """Return the rank correlation of the first and the second half of each row."""
    k = means_R2K.shape[1] // 2
    x, y = (stats.rankdata(half, axis=1) for half in (means_R2K[:, :k], means_R2K[:, k:]))
    x, y = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (x, y))
    with np.errstate(invalid="ignore"):
        return (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))


def _permuted(x: np.ndarray, y: np.ndarray, seed: int) -> tuple[float, float]:
    """Return the two-sided permutation p over the settings, and the smallest that there can be."""
    found = stats.permutation_test(
        (y,),
        lambda order: stats.spearmanr(x, order).statistic,
        permutation_type="pairings",
        n_resamples=np.inf if len(x) <= EXACT else DRAWS,
        rng=numpy_rng(seed, "permuted settings"),
    )
    if len(x) > EXACT:
        return float(found.pvalue), 2 / (DRAWS + 1)
    orders = found.null_distribution  # several are as extreme where settings tie
    ends = (orders.max() - orders < 1e-9).mean(), (orders - orders.min() < 1e-9).mean()
    return float(found.pvalue), float(min(1.0, 2 * min(ends)))
