"""How much the levels of an axis differ beyond the noise of trials and trainings.

Between subjects, for example: some of the range of their scores is what few trials make of equal
ones. What is left is the variance between levels of a random-effects model.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from registry import component
from zoo.analyses._crossed import trials_of, variance
from zoo.analyses._lost import seeds_left
from zoo.analyses._words import left_out, tested_on
from zoo.grid_scores import AnalysisResult, Axis, GridScores, MetricLabel, NotAnswered, Where
from zoo.recipe.where import value_at
from zoo.statistics import LEVEL


@component(
    "analysis",
    license="BSD-3-Clause",
    paper="10.1002/sim.2514",
    null=0.0,
    least={"levels": 3},
    tiny={"metric": "score", "axis": "dataset.params.subjects", "where": {"encoder": "fair"}},
)
class Spread:
    """Standard deviation between the levels of an axis, trial noise taken out.

    Observed variance of the levels' means less their mean sampling variance, no less than zero;
    interval by chi squared, every level weighing the same (the Q profile of Viechtbauer 2007 with
    equal weights, since the sampling variance of a level in few seeds is itself poorly known).
    Levels that share test images or trainings are taken as independent, which makes the figure too
    small rather than too large. Of one seed the noise of trainings is not known: it is left in.

    Parameters
    ----------
    metric : str
        Label of the metric in the recipe.
    axis : str
        Dotted path of the axis, such as dataset.params.subjects.
    where : mapping, optional
        Which cells take part: dotted paths and the values that they have there.
    ask : str
        The question, put before the answer.
    """

    def __init__(
        self, *, metric: MetricLabel, axis: Axis, where: Where | None = None, ask: str = ""
    ):
        self.metric, self.axis, self.where, self.ask = metric, axis, where or {}, ask

    def answer(self, scores: GridScores) -> AnalysisResult:
        """Return the standard deviation; ``rows`` hold each level's mean and standard error."""
        cells, lost = seeds_left(scores, scores.matching(self.where), self.metric)
        tables: dict[str, list[pd.DataFrame]] = {}
        for cell in sorted(cells, key=lambda cell: cell.id):
            table = trials_of(scores.of(cell, self.metric))
            tables.setdefault(str(value_at(cell, self.axis)), []).append(table)
        if len(tables) < 3:
            raise NotAnswered(f"a spread needs at least three levels of {self.axis}")
        whole = {level: pd.concat(found) for level, found in sorted(tables.items())}
        means = np.array([table["score"].mean() for table in whole.values()])
        noise = np.array([variance(table) for table in whole.values()])
        value = float(np.sqrt(max(0.0, means.var(ddof=1) - noise.mean())))
        ci95 = _profile(means, float(noise.mean())) if noise.any() else None
        seeds = min(table["seed"].nunique() for table in whole.values())
        noises = "trials and trainings" if seeds > 1 else "trials"
        left_in = "" if seeds > 1 else "; of one training each: how trainings differ is left in"
        few = f"; {seeds} seeds tell little of how trainings differ" if 1 < seeds < 5 else ""
        names = list(whole)
        low, high = names[int(means.argmin())], names[int(means.argmax())]
        beyond = "Not told" if ci95 is None or ci95[0] <= 0 else "Yes"
        interval = f" (95 % interval {ci95[0]:.3f} to {ci95[1]:.3f})" if ci95 else ""
        first = scores.of(cells[0], self.metric)
        tested = tested_on(whole.values(), first.split)
        rows: list[dict[str, Any]] = [
            {"row": "level", "at": {self.axis: name}, "value": float(m), "se": float(np.sqrt(v))}
            for name, m, v in zip(names, means, noise, strict=True)
        ]
        return AnalysisResult(
            sentence=(
                f"{self.ask} {beyond}: {len(names)} levels of {self.axis} differ in {self.metric} "
                f"over {tested} by a standard deviation of {value:.3f}{interval} beyond the noise "
                f"of {noises} ({np.sqrt(noise.mean()):.3f}), from {means.min():.3f} ({low}) to "
                f"{means.max():.3f} ({high}){left_in}{few}{left_out(lost)}; this speaks of "
                f"{scores.spoken_of(cells, self.metric)}."
            ).strip(),
            value=value,
            ci95=ci95,
            n=len(names),
            unit="level",
            split=first.split,
            metric=self.metric,
            definition=(
                f"Standard deviation of {self.metric} between {len(names)} levels of {self.axis}, "
                f"observed variance less mean sampling variance over {noises}; 95 % interval: chi "
                f"squared. In one cell, {self.metric} is: {first.definition}"
            ),
            rows=tuple(rows),
        )


def _profile(means: np.ndarray, noise: float) -> tuple[float, float]:
    """Return the interval of the standard deviation between levels of one sampling variance."""
    squares = means.var() * len(means)
    tails = (1 + LEVEL) / 2, (1 - LEVEL) / 2
    low, high = (squares / stats.chi2.ppf(tail, len(means) - 1) - noise for tail in tails)
    return float(np.sqrt(max(0.0, low))), float(np.sqrt(max(0.0, high)))
