"""Intervals and paired tests: Wilson for shares, a cluster bootstrap for everything else.

All intervals are two-sided, 95 % unless asked otherwise, and conditional on the trained model: they
say how far the figure would move with other trials (images, subjects), not with another training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from zoo.seeds import numpy_rng

LEVEL = 0.95
RESAMPLES = 4000
#: Resamples held in memory at once.
BLOCK = 500
#: One cluster value per trial, or several ways that cross.
Clusters = np.ndarray | tuple[np.ndarray, ...]
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
    clusters: Clusters | None = None,
    statistic: Callable[[np.ndarray], np.ndarray] | None = None,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> tuple[float, float] | None:
    """Return a bootstrap interval of a function of the mean of `values`.

    Whole clusters are drawn with replacement. The percentile interval is widened for few clusters
    (Hesterberg's expanded percentile interval: t quantiles and the factor sqrt(g / (g - 1)) in
    place of normal quantiles, g clusters), without which ten clusters cover 90 %.

    Where clusters cross (subjects and images), each way is drawn by itself and a trial counts as
    often as the product of its counts (the pigeonhole bootstrap). That takes the noise of single
    trials three times, so quantiles are chosen for the variance V1 + V2 - V12 (each way drawn
    alone, less the trials by themselves), or V1 or V2 where that is more, with degrees of freedom
    half way between Satterthwaite's and those of the way that has fewest clusters.

    Parameters
    ----------
    values : array (N, ...)
        One row per trial.
    seed : int
        Names the draw; the same seed and values give the same interval.
    clusters : array (N,) or pair of arrays (N,), optional
        Trials with the same value are drawn together; by default every trial is its own. Two
        arrays cross. Rows are put in the order of the sorted cluster values first, so that the
        interval does not depend on the order of the trials where `clusters` names them.
    statistic : callable, optional
        Maps means ``(R, ...)`` to figures ``(R,)``; default: the mean itself (values 1-D). It may
        return NaN for draws in which the figure is not defined; those are left out.
    level : float, optional
        Nominal coverage, between 0 and 1.
    resamples : int, optional
        Number of draws.

    Returns
    -------
    (low, high) or None
        None with fewer than `MIN_CLUSTERS` clusters in any way.

    References
    ----------
    Hesterberg 2015, "What teachers should know about the bootstrap", section 4. Owen 2007, "The
    pigeonhole bootstrap". Cameron, Gelbach and Miller 2011, "Robust inference with multiway
    clustering", for the variance.
    """
    values = np.asarray(values, dtype=np.float64)
    if not len(values):
        return None
    ways = [np.unique(way, return_inverse=True)[1] for way in _ways(clusters, len(values))]
    # A cell holds the trials that always count alike.
    cells, member = np.unique(np.stack(ways), axis=1, return_inverse=True)
    g = cells.max(axis=1) + 1
    if g.min() < MIN_CLUSTERS:
        return None
    sums = np.zeros((cells.shape[1], int(np.prod(values.shape[1:]))))
    np.add.at(sums, member.ravel(), values.reshape(len(values), -1))
    sizes = np.bincount(member.ravel())

    def draw(ways: np.ndarray, *names: str) -> np.ndarray:
        figures = []
        for weights in _weights(ways, numpy_rng(seed, "bootstrap", *names), resamples):
            # Crossed draws may miss every trial where not every cell has some.
            with np.errstate(invalid="ignore"):
                means = weights @ sums / (weights @ sizes)[:, None]
            means = means.reshape(len(weights), *values.shape[1:])
            figures.append(means if statistic is None else statistic(means))
        drawn = np.concatenate(figures)
        assert drawn.shape == (resamples,), f"one figure a draw, not {drawn.shape}"
        return drawn[np.isfinite(drawn)]

    drawn = draw(cells)
    if not len(drawn):
        return None
    if len(cells) == 1:
        return _ends(drawn, np.sqrt(g[0] / (g[0] - 1)), g[0] - 1, level)
    if not drawn.var() > 0:
        return float(drawn[0]), float(drawn[0])
    alone = np.array([draw(way[None], f"way {k}").var() for k, way in enumerate(cells)])
    alone *= g / (g - 1)
    trials = draw(np.arange(len(sizes))[None], "cells").var()
    spread = np.sqrt(max(alone.sum() - trials, *alone) / drawn.var())
    # Satterthwaite's by themselves are too many: they are large where a variance came out small.
    df = (alone.sum() ** 2 / (alone**2 / (g - 1)).sum() + g.min() - 1) / 2
    return _ends(drawn, spread, df, level)


def _ways(clusters: Clusters | None, n: int) -> tuple[np.ndarray, ...]:
    if clusters is None:
        return (np.arange(n),)
    return clusters if isinstance(clusters, tuple) else (np.asarray(clusters),)


def _weights(ways: np.ndarray, rng: np.random.Generator, resamples: int) -> Iterator[np.ndarray]:
    """Yield blocks (R, cells): how often a cell counts, the product of its counts in `ways`."""
    for start in range(0, resamples, BLOCK):
        draws = min(BLOCK, resamples - start)
        product = np.ones((draws, ways.shape[1]))
        for way in ways:
            g = way.max() + 1
            drawn = rng.integers(g, size=(draws, g)) + g * np.arange(draws)[:, None]
            counts = np.bincount(drawn.ravel(), minlength=draws * g).reshape(draws, g)
            product *= counts[:, way]
        yield product


def _ends(drawn: np.ndarray, spread: float, df: float, level: float) -> tuple[float, float]:
    """Return the percentile interval of draws whose standard deviation is off by `spread`."""
    z = spread * stats.t.ppf((1 - level) / 2, df)
    tail = stats.norm.cdf(z)
    if tail * len(drawn) < 1:
        # Thinner than one draw, which a high level over few clusters asks for.
        return float(drawn.mean() + z * drawn.std()), float(drawn.mean() - z * drawn.std())
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)


class Units(NamedTuple):
    """What is resampled for a set of trials.

    Parameters
    ----------
    clusters : array (N,) or tuple of arrays (N,)
        As `bootstrap` takes them: several arrays cross.
    name : str
        ``"trial"``, ``"image"``, ``"run"``, ``"subject"`` or ``"subject x image"``.
    """

    clusters: Clusters
    name: str

    def describe(self) -> str:
        """Return the number of units in words, ``"8 subjects x 40 images"``."""
        ways = zip(_ways(self.clusters, 0), self.name.split(" x "), strict=True)
        return " x ".join(f"{len(np.unique(way))} {name}s" for way, name in ways)

    def count(self) -> int:
        """Return the number of units, in the way that has fewest."""
        return min(len(np.unique(way)) for way in _ways(self.clusters, 0))

    def columns(self) -> dict[str, np.ndarray]:
        """Return the columns of a table of trials that `from_columns` reads back.

        ``cluster`` where there is one way; ``cluster`` (image) and ``cluster_subject`` where
        subjects and images cross.
        """
        *subject, last = _ways(self.clusters, 0)
        return {"cluster": last, **({"cluster_subject": subject[0]} if subject else {})}

    def take(self, rows: np.ndarray) -> Units:
        """Return the units of some of the trials; `rows` is an index or a mask."""
        ways = tuple(way[rows] for way in _ways(self.clusters, 0))
        return Units(ways if len(ways) > 1 else ways[0], self.name)


def independent_units(
    *,
    trial_id: np.ndarray,
    image_id: np.ndarray,
    subject: np.ndarray,
    run: np.ndarray,
    image_known: bool,
) -> Units:
    """Return what to resample and what it is called.

    With at least `MIN_CLUSTERS` subjects the subject: crossed with the image where the exact image
    is known and some image was shown to several subjects, by itself otherwise. With fewer subjects
    images where the exact image is known and some are shown repeatedly; else runs where there are
    at least `MIN_CLUSTERS`; else trials.
    """
    trial_id, image_id, subject = map(np.asarray, (trial_id, image_id, subject))
    n_images = len(np.unique(image_id))
    if len(np.unique(subject)) >= MIN_CLUSTERS:
        seen = {*zip(subject.tolist(), image_id.tolist(), strict=True)}
        if image_known and len(seen) > n_images:
            return Units((subject, image_id), "subject x image")
        return Units(subject, "subject")
    if image_known and n_images < len(image_id):
        return Units(image_id, "image")
    runs = np.array([f"{s}/{r}" for s, r in zip(subject, run, strict=True)])
    if len(np.unique(runs)) >= MIN_CLUSTERS:
        return Units(runs, "run")
    return Units(trial_id, "trial")


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
        Two-sided sign-flip permutation test over the clusters: over all flips where they are no
        more than the draws, else at least 1 / (draws + 1).
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
    a: np.ndarray,
    b: np.ndarray,
    *,
    seed: int,
    clusters: Clusters | None = None,
    resamples: int = RESAMPLES,
) -> PairedDifference:
    """Compare two scores of the same trials, in the same order.

    Parameters
    ----------
    a, b : arrays (N,)
        Scores of each trial.
    seed : int
        Names the draws.
    clusters : array (N,) or tuple of arrays (N,), optional
        Trials with the same value are drawn, and flipped, together. Where ways cross, the way with
        fewest clusters is flipped.
    resamples : int, optional
        Draws of the interval, and of the test.

    Raises
    ------
    ValueError
        The lengths differ or there is no trial.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"paired scores need the same trials: {a.shape} against {b.shape}")
    difference = a - b
    ways = [np.unique(way, return_inverse=True) for way in _ways(clusters, len(a))]
    distinct, member = min(ways, key=lambda way: len(way[0]))
    sums = np.bincount(member, weights=difference)
    exact = 2 ** len(distinct) <= resamples
    if exact:
        signs = 1.0 - 2 * (np.arange(2 ** len(distinct))[:, None] >> np.arange(len(distinct)) & 1)
    else:
        rng = numpy_rng(seed, "sign flip")
        signs = rng.choice([-1.0, 1.0], size=(resamples, len(distinct)))
    # The tolerance keeps ties ties: sums of the same terms differ in the last bit.
    extreme = np.abs(signs @ sums) >= np.abs(sums.sum()) - 1e-9
    return PairedDifference(
        value=float(difference.mean()),
        ci95=bootstrap(difference, seed=seed, clusters=clusters, resamples=resamples),
        p=float(extreme.mean() if exact else (extreme.sum() + 1) / (resamples + 1)),
        n=len(a),
        n_clusters=len(distinct),
    )
