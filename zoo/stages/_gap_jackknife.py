"""Jackknife: the interval of any smooth figure of a set of trials, from leaving out one unit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

from zoo.statistics import LEVEL, MIN_CLUSTERS, Units

#: Which trials count, rows of zeros and ones (R, N), to a figure for each row, (R,).
Statistic = Callable[[np.ndarray], np.ndarray]


def jackknife(
    statistic: Statistic,
    units: Units,
    *,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    shown: Callable[[float], float] = float,
) -> tuple[float, tuple[float, float] | None]:
    """Return a figure of all trials and its 95 % interval.

    Every unit is left out once; the variance is (g - 1) / g times the sum of squares of what that
    gives about its mean, and the interval is symmetric, by Student's t with g - 1 degrees of
    freedom for g units. Where units cross (subjects and images) variances are V1 + V2 - V12 as in
    `zoo.statistics.bootstrap`. A figure of pairs of trials, such as an unbiased covariance, has no
    bootstrap: a trial drawn twice is a pair with itself.

    Parameters
    ----------
    statistic : callable
        May return NaN where the figure is not defined.
    units : Units
        Of the trials.
    bounds : (low, high), optional
        What the figure can be at all; value and interval end there.
    shown : callable, optional
        An increasing function that value and ends go through in the end: the root of a squared
        distance, whose own jackknife fails near 0.

    Returns
    -------
    value : float
    ci95 : (low, high) or None
        None with fewer than five units in any way, and where leaving out a unit undoes the figure.

    References
    ----------
    Efron and Stein 1981, "The jackknife estimate of variance". Cameron, Gelbach and Miller 2011,
    "Robust inference with multiway clustering".
    """
    ways = units.clusters if isinstance(units.clusters, tuple) else (units.clusters,)
    member = np.stack([np.unique(way, return_inverse=True)[1] for way in ways])
    value = float(statistic(np.ones((1, member.shape[1])))[0])
    low, high = bounds

    def told(figure: float) -> float:
        return float(shown(min(max(figure, low), high))) if np.isfinite(figure) else figure

    fewest = int(member.max(axis=1).min()) + 1
    if fewest < MIN_CLUSTERS:
        return told(value), None
    alone = [_variance(statistic, way) for way in member]
    variance = alone[0]
    if len(alone) > 1:
        cells = np.unique(member, axis=1, return_inverse=True)[1].ravel()
        variance = max(sum(alone) - _variance(statistic, cells), *alone)
    if not np.isfinite([value, variance]).all():
        return told(value), None
    half = float(stats.t.ppf((1 + LEVEL) / 2, fewest - 1) * np.sqrt(variance))
    return told(value), (told(value - half), told(value + half))


def _variance(statistic: Statistic, member_N: np.ndarray) -> float:
    g = member_N.max() + 1
    left = statistic((np.arange(g)[:, None] != member_N).astype(np.float64))
    return float((g - 1) / g * np.square(left - left.mean()).sum())
