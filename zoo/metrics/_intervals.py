"""Intervals of trial metrics: Wilson, or a bootstrap over what is independent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.contracts import MetricInputs, MetricResult, Pairs
from zoo.statistics import Units, bootstrap, independent_units, wilson

Statistic = Callable[[np.ndarray], np.ndarray]


def share(
    inputs: MetricInputs,
    scores: np.ndarray,
    definition: str,
    *,
    chance: float | None,
    pairs: Pairs | None = None,
    beside: dict[str, float] | None = None,
) -> MetricResult:
    """Return the mean of `scores` (N,), each in [0, 1], with its interval.

    Wilson where every score is a hit or a miss of an independent trial: one picture a trial, no
    image shown twice, fewer than five runs. Otherwise a bootstrap; but where all trials are hits,
    or all are misses, whose resamples are all alike, Wilson with one answer for each unit.
    """
    if _one_answer_each(inputs) and units_of(inputs).name == "trial":
        ci95 = wilson(float(scores.sum()), len(scores))
        return _result(
            inputs,
            scores.mean(),
            f"{definition} 95 % interval: Wilson.",
            ci95=ci95,
            per_sample=scores,
            chance=chance,
            pairs=pairs,
            beside=beside or {},
        )
    return bootstrapped(
        inputs,
        scores,
        definition,
        value=scores.mean(),
        chance=chance,
        pairs=pairs,
        beside=beside,
        of_share=True,
    )


def bootstrapped(
    inputs: MetricInputs,
    scores: np.ndarray,
    definition: str,
    *,
    value: float,
    chance: float | None,
    statistic: Statistic | None = None,
    per_sample: np.ndarray | None = None,
    pairs: Pairs | None = None,
    beside: dict[str, float] | None = None,
    of_share: bool = False,
) -> MetricResult:
    """Return `value` with a bootstrap interval over trials, images, runs or subjects.

    Parameters
    ----------
    inputs : MetricInputs
    scores : array (N, ...)
        What a trial contributes.
    definition : str
        The figure's definition, to which the interval's is added.
    value, chance : float
    statistic : callable, optional
        The figure as a function of the mean of `scores`, see `zoo.statistics.bootstrap`.
    per_sample : array (N,), optional
        Where it is not `scores` itself.
    pairs, beside : optional
        Passed on, see `MetricResult`.
    of_share : bool, optional
        The scores (N,) are shares: all 0 or all 1 leave a bootstrap nothing, see `share`.
    """
    units = units_of(inputs)
    ci95 = bootstrap(scores, seed=inputs.seed, clusters=units.clusters, statistic=statistic)
    if of_share and ci95 is not None and len(scores) and scores.mean() in (0, 1):
        ci95 = wilson(float(scores.mean() * units.count()), units.count())
        how = f"95 % interval: Wilson over {units.describe()}, since resamples are all alike."
    elif statistic is not None and ci95 is not None and ci95[0] == ci95[1]:
        ci95, how = None, f"No interval: resamples of {units.describe()} are all alike."
    elif ci95 is None:
        how = f"No interval: {units.describe()} are too few to resample."
    else:
        how = f"95 % interval: bootstrap over {units.describe()}."
    if per_sample is None and scores.ndim == 1:
        per_sample = scores
    return _result(
        inputs,
        value,
        f"{definition} {how}",
        ci95=ci95,
        per_sample=per_sample,
        chance=chance,
        pairs=pairs,
        beside=beside or {},
    )


def _one_answer_each(inputs: MetricInputs) -> bool:
    return inputs.generated is None or inputs.generated.shape[1] == 1


def units_of(inputs: MetricInputs) -> Units:
    """Return what to resample for these trials, and what it is called."""
    return independent_units(
        trial_id=inputs.trial_id,
        image_id=inputs.image_id,
        subject=inputs.subject,
        run=inputs.run,
        image_known=inputs.image_known,
    )


def _result(inputs: MetricInputs, value: float, definition: str, **found: Any) -> MetricResult:
    return MetricResult(
        value=float(value),
        definition=definition,
        n=len(inputs.trial_id),
        split=inputs.split,
        **found,
    )
