"""Intervals and paired tests: Wilson for shares, a cluster bootstrap for everything else.

All intervals are two-sided, 95 %, and conditional on the trained model: they say how far the
figure would move with other trials, not with another training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from zoo.seeds import numpy_rng

LEVEL = 0.95
RESAMPLES = 4000
#: Resamples held in memory at once; a divisor of `RESAMPLES`.
BLOCK = 500
#: A bootstrap over fewer independent units than this says little; no interval is given.
MIN_CLUSTERS = 5


def wilson(successes: float, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % score interval of a share.

    Parameters
    ----------
    successes : float
        Hits among `n` independent trials, 0 to `n`.
    n : int
        At least 1.

    Returns
    -------
    (low, high) : tuple of float

    References
    ----------
    Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    assert 0 <= successes <= n != 0, (successes, n)
    z = stats.norm.ppf((1 + LEVEL) / 2)
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At 0 and n the exact ends are 0 and 1; rounding must not leave them outside [0, 1].
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def bootstrap(
    values: np.ndarray,
    *,
    seed: int,
    clusters: np.ndarray | None = None,
    statistic: Callable[[np.ndarray], np.ndarray] | None = None,
) -> tuple[float, float] | None:
    """Return a 95 % bootstrap interval of a function of the mean of `values`.

    Whole clusters are drawn with replacement. The percentile interval is widened for few
    clusters (Hesterberg's expanded percentile interval: t quantiles and the factor
    sqrt(g / (g - 1)) in place of normal quantiles), without which ten clusters cover 90 %.

    Parameters
    ----------
    values : array (N, ...)
        One row per trial.
    seed : int
        Names the draw; the same seed and values give the same interval.
    clusters : array (N,), optional
        Trials with the same value are drawn together; by default every trial is its own. Rows
        are put in the order of the sorted cluster values first, so that the interval does not
        depend on the order of the trials where `clusters` names them.
    statistic : callable, optional
        Maps means ``(R, ...)`` to figures ``(R,)``; default: the mean itself (values 1-D). It may
        return NaN for draws in which the figure is not defined; those are left out.

    Returns
    -------
    (low, high) or None
        None with fewer than `MIN_CLUSTERS` clusters.

    References
    ----------
    Hesterberg 2015, "What teachers should know about the bootstrap", section 4.
    """
    values = np.asarray(values, dtype=np.float64)
    names = np.arange(len(values)) if clusters is None else np.asarray(clusters)
    distinct, member = np.unique(names, return_inverse=True)
    g = len(distinct)
    if g < MIN_CLUSTERS:
        return None
    sums = np.zeros((g, int(np.prod(values.shape[1:]))))
    np.add.at(sums, member, values.reshape(len(values), -1))
    sizes = np.bincount(member, minlength=g)
    rng = numpy_rng(seed, "bootstrap")
    figures = []
    for _ in range(0, RESAMPLES, BLOCK):
        draws = rng.integers(g, size=(BLOCK, g)) + g * np.arange(BLOCK)[:, None]
        counts = np.bincount(draws.ravel(), minlength=BLOCK * g).reshape(BLOCK, g).astype(float)
        means = (counts @ sums / (counts @ sizes)[:, None]).reshape(BLOCK, *values.shape[1:])
        figures.append(means if statistic is None else statistic(means))
    drawn = np.concatenate(figures)
    assert drawn.shape == (RESAMPLES,), (
        f"the statistic must return one figure a draw, {drawn.shape}"
    )
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return None
    tail = stats.norm.cdf(np.sqrt(g / (g - 1)) * stats.t.ppf((1 - LEVEL) / 2, g - 1))
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)


def independent_units(
    *,
    trial_id: np.ndarray,
    image_id: np.ndarray,
    subject: np.ndarray,
    run: np.ndarray,
    image_known: bool,
) -> tuple[np.ndarray, str]:
    """Return what to resample, an array (N,), and what it is called.

    Images where the exact image is known and some are shown repeatedly; else runs where there
    are at least `MIN_CLUSTERS`; else trials.
    """
    if image_known and len(np.unique(image_id)) < len(image_id):
        return image_id, "image"
    runs = np.array([f"{s}/{r}" for s, r in zip(subject, run, strict=True)])
    if len(np.unique(runs)) >= MIN_CLUSTERS:
        return runs, "run"
    return trial_id, "trial"


@dataclass(frozen=True)
class PairedDifference:
    """How two scores of the same trials differ.

    Parameters
    ----------
    value : float
        Mean of a - b.
    ci95 : (low, high) or None
        Bootstrap interval over the clusters; None with fewer than five.
    p : float
        Two-sided sign-flip permutation test over the clusters; at least 1 / (draws + 1).
    n : int
        Trials.
    n_clusters : int
        Independent units behind `p`.
    """

    value: float
    ci95: tuple[float, float] | None
    p: float
    n: int
    n_clusters: int


def paired_difference(
    a: np.ndarray, b: np.ndarray, *, seed: int, clusters: np.ndarray | None = None
) -> PairedDifference:
    """Compare two scores of the same trials, in the same order.

    Parameters
    ----------
    a, b : arrays (N,)
        Scores of each trial.
    seed : int
        Names the draws.
    clusters : array (N,), optional
        Trials with the same value are drawn, and flipped, together.

    Raises
    ------
    ValueError
        The lengths differ or there is no trial.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"paired scores need the same trials: {a.shape} against {b.shape}")
    difference = a - b
    names = np.arange(len(a)) if clusters is None else np.asarray(clusters)
    distinct, member = np.unique(names, return_inverse=True)
    sums = np.bincount(member, weights=difference)
    rng = numpy_rng(seed, "sign flip")
    signs = rng.choice([-1.0, 1.0], size=(RESAMPLES, len(distinct)))
    # The tolerance keeps ties ties: sums of the same terms differ in the last bit.
    extreme = np.abs(signs @ sums) >= np.abs(sums.sum()) - 1e-9
    return PairedDifference(
        value=float(difference.mean()),
        ci95=bootstrap(difference, seed=seed, clusters=names),
        p=float((extreme.sum() + 1) / (RESAMPLES + 1)),
        n=len(a),
        n_clusters=len(distinct),
    )
