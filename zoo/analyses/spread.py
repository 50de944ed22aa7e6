"""How much the levels of an axis differ beyond the noise of trials and trainings.

Between subjects, for example: some of the range of their scores is what few trials make of equal
ones. What is left is the variance between levels of a random-effects model.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, stats

from registry import component
from zoo.analyses._crossed import trials_of, variance
from zoo.grid_scores import AnalysisResult, Axis, GridScores, MetricLabel, NotAnswered, Where
from zoo.recipe.where import value_at


@component(
    "analysis",
    license="BSD-3-Clause",
    paper="10.1002/sim.2514",
    null=0.0,
    tiny={"metric": "score", "axis": "dataset.params.subjects", "where": {"encoder": "fair"}},
)
class Spread:
    """Standard deviation between the levels of an axis, trial noise taken out.

    Observed variance of the levels' means less their mean sampling variance, no less than zero;
    interval by the Q profile (Viechtbauer 2007). Levels that share test images or trainings are
    taken as independent, which makes the figure too small rather than too large.

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
        cells = scores.matching(self.where)
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
        ci95 = _q_profile(means, noise) if (noise > 0).all() else None
        if ci95 is not None:
            ci95 = min(ci95[0], value), max(ci95[1], value)
        names = list(whole)
        low, high = names[int(means.argmin())], names[int(means.argmax())]
        beyond = "Not told" if ci95 is None or ci95[0] <= 0 else "Yes"
        interval = f" (95 % interval {ci95[0]:.3f} to {ci95[1]:.3f})" if ci95 else ""
        first = scores.of(cells[0], self.metric)
        rows: list[dict[str, Any]] = [
            {"row": "level", "at": {self.axis: name}, "value": float(m), "se": float(np.sqrt(v))}
            for name, m, v in zip(names, means, noise, strict=True)
        ]
        return AnalysisResult(
            sentence=(
                f"{self.ask} {beyond}: {len(names)} levels of {self.axis} differ in {self.metric} "
                f"by a standard deviation of {value:.3f}{interval} beyond the noise of trials and "
                f"trainings ({np.sqrt(noise.mean()):.3f}), from {means.min():.3f} ({low}) to "
                f"{means.max():.3f} ({high}); this speaks of {scores.spoken_of(cells)}."
            ).strip(),
            value=value,
            ci95=ci95,
            n=len(names),
            unit="level",
            split=first.split,
            metric=self.metric,
            definition=(
                f"Standard deviation of {self.metric} between {len(names)} levels of {self.axis}, "
                "observed variance less mean sampling variance over seeds and trials; 95 % "
                f"interval: Q profile. {first.definition}"
            ),
            rows=tuple(rows),
        )


def _q_profile(means: np.ndarray, noise: np.ndarray) -> tuple[float, float]:
    """Return the interval of the standard deviation between levels (Viechtbauer 2007)."""

    def q(tau2: float) -> float:
        weight = 1 / (noise + tau2)
        return float((weight * (means - np.average(means, weights=weight)) ** 2).sum())

    def solved(quantile: float) -> float:
        wanted = stats.chi2.ppf(quantile, len(means) - 1)
        if q(0.0) <= wanted:
            return 0.0
        top = float(np.ptp(means) ** 2 + noise.max())
        while q(top) > wanted:
            top *= 4
        return float(np.sqrt(optimize.brentq(lambda tau2: q(tau2) - wanted, 0.0, top)))

    return solved(0.975), solved(0.025)
