"""One figure of a setting, its seeds put together, with the interval that they allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pandas as pd

from zoo.report.tables import Figure, of_units
from zoo.statistics import MIN_CLUSTERS, RESAMPLES, bootstrap


@dataclass(frozen=True)
class Estimate:
    """A metric over the seeds of a setting.

    Parameters
    ----------
    value : float or None
        Mean over the seeds that have one.
    ci95 : (low, high) or None
    how : str
        What the interval is over, or why there is none.
    seeds : tuple of float
        The value of each seed.
    about : dict
        What the metric says of itself in the first seed: n, unit, split, chance, definition.
    n : tuple of int
        Trials of the seeds, each number once.
    reason : str
        Why there is no value.
    """

    value: float | None = None
    ci95: tuple[float, float] | None = None
    how: str = ""
    seeds: tuple[float, ...] = ()
    about: dict[str, Any] | None = None
    n: tuple[int, ...] = ()
    reason: str = ""

    def figure(self) -> Figure:
        """Return the estimate as a cell of a table."""
        if self.value is None or self.about is None:
            return Figure(reason=self.reason)
        about = counted_of(self.n, self.about)
        if len(self.seeds) > 1:
            about += f" · mean of {len(self.seeds)} seeds, SD {stdev(self.seeds):.3f}, "
            about += f"{min(self.seeds):.3f} to {max(self.seeds):.3f}"
        else:
            about += " · 1 seed"
        return Figure(
            value=f"{self.value:.3f}",
            interval=f"[{self.ci95[0]:.3f}, {self.ci95[1]:.3f}]" if self.ci95 else "no interval",
            about=f"{about} · {self.how}" if self.how else about,
            definition=self.about.get("definition", ""),
        )


def estimate(
    metrics: Sequence[dict[str, Any]],
    scores: pd.DataFrame | None,
    *,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Return the mean over seeds of one metric and its interval.

    One seed keeps the interval that the metric gave. With five seeds or more and scores by trial,
    seeds and trials are resampled crosswise, so the interval holds for other trainings and other
    trials; with fewer seeds trials only are resampled, which speaks of these trainings. Without
    scores by trial five seeds are resampled by themselves.

    Parameters
    ----------
    metrics : sequence of dict
        The metric of each seed as ``results.json`` has it.
    scores : DataFrame or None
        By trial: ``seed``, ``trial_id``, ``image_id``, ``score``, ``cluster``, for crossed clusters
        ``cluster_subject``.
    resamples : int, optional
        Draws of the bootstrap.
    """
    given = [metric for metric in metrics if metric.get("value") is not None]
    if not given:
        reasons = [metric.get("reason") for metric in metrics]
        return Estimate(reason=next(filter(None, reasons), "not computed" if metrics else ""))
    values = [metric["value"] for metric in given]
    about = given[0]
    n = tuple(dict.fromkeys(metric["n"] for metric in given if metric.get("n")))
    if len(values) == 1:
        ci95 = tuple(about["ci95"]) if about.get("ci95") else None
        how = "over trials of this training" if ci95 else ""
        return Estimate(values[0], ci95, how, tuple(values), about, n)
    ci95, how = _interval(values, scores, resamples)
    return Estimate(fmean(values), ci95, how, tuple(values), about, n)


def _interval(
    values: list[float], scores: pd.DataFrame | None, resamples: int
) -> tuple[tuple[float, float] | None, str]:
    enough = len(values) >= MIN_CLUSTERS
    if scores is not None and _are_behind(scores, values):
        way, units = _units(scores)
        if enough:
            crossed = (scores["seed"].to_numpy(), way)
            ci95 = bootstrap(
                scores["score"].to_numpy(), seed=0, clusters=crossed, resamples=resamples
            )
            return ci95, f"over seeds x {units}" if ci95 else f"too few {units}"
        ci95 = bootstrap(scores["score"].to_numpy(), seed=0, clusters=way, resamples=resamples)
        return ci95, f"over {units} of these trainings" if ci95 else f"too few {units}"
    if enough and len(set(values)) > 1:
        return bootstrap(np.array(values), seed=0, resamples=resamples), "over seeds alone"
    if enough:
        return None, "all seeds alike"
    return None, f"fewer than {MIN_CLUSTERS} seeds and no scores by trial"


def _are_behind(scores: pd.DataFrame, values: list[float]) -> bool:
    """Say whether the values are the means of the scores, seed by seed."""
    if not np.isfinite(scores["score"]).all():
        return False
    means = scores.groupby("seed", sort=False)["score"].mean()
    # The mean over all rows is the mean over seeds only where seeds have as many trials.
    alike = scores.groupby("seed").size().nunique() == 1
    return alike and len(means) == len(values) and np.allclose(means, values)


def _units(scores: pd.DataFrame) -> tuple[np.ndarray, str]:
    """Return what of the trials is resampled together, and what to call it.

    Where subjects cross with images, the subject: the interval takes two ways that cross, and the
    seed is one.
    """
    if "cluster_subject" in scores:
        return scores["cluster_subject"].to_numpy(), "subjects"
    for column, name in (("trial_id", "trials"), ("image_id", "images"), ("subject", "subjects")):
        if column in scores and (scores["cluster"] == scores[column]).all():
            return scores["cluster"].to_numpy(), name
    return scores["cluster"].to_numpy(), "runs"


def counted_of(n: tuple[int, ...], about: dict[str, Any]) -> str:
    """Return "n = 30 trials · test"."""
    numbers = f"{min(n)} to {max(n)}" if len(n) > 1 else str(n[0]) if n else "not told"
    counted = of_units(numbers, about["unit"]) if about.get("unit") else numbers
    return f"n = {counted} · {about.get('split', 'split not told')}"
