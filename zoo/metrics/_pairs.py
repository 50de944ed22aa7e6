"""Scores of everything drawn against everything seen: blocked matrix products, and their result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from zoo.contracts import Metric, MetricInputs, MetricResult, Pairs
from zoo.metrics._classes import not_computed, unmet
from zoo.metrics._intervals import bootstrapped

#: Turns a block of rows (pictures, features) into vectors (rows, P).
Prepare = Callable[[np.ndarray], np.ndarray]
#: Bytes that one block of vectors may take.
BLOCK_BYTES = 2**29
#: A vector whose spread is smaller than this part of its length counts as constant.
CONSTANT = 1e-6


def result(
    inputs: MetricInputs,
    scores_NKT: np.ndarray,
    definition: str,
    *,
    chance: float | None = None,
) -> MetricResult:
    """Return the mean over trials of the score with the own picture, and all pairings.

    Parameters
    ----------
    inputs : MetricInputs
    scores_NKT : array (N, K, T)
        Of every picture drawn against every distinct picture seen; the pictures of a trial are
        averaged first.
    definition : str
    chance : float, optional
    """
    scores_NT = scores_NKT.mean(axis=1, dtype=np.float64)
    own_N = scores_NT[np.arange(len(scores_NT)), inputs.target]
    whole = bootstrapped(inputs, own_N, definition, value=own_N.mean(), chance=chance)
    return replace(whole, pairs=Pairs(scores_NT, inputs.target, of="image"))


def compare_features(
    metric: Metric,
    inputs: MetricInputs,
    definition: str,
    scores: Callable[[np.ndarray, np.ndarray], np.ndarray],
    *,
    chance: float | None = None,
) -> MetricResult:
    """Return the result of a metric that compares the features of one tower.

    Parameters
    ----------
    metric : Metric
        Whose ``needs`` have to be met.
    inputs : MetricInputs
    definition : str
    scores : callable
        Features (N, F) and (T, F) -> scores (N, T).
    chance : float, optional
    """
    if why := unmet(metric, inputs):
        return not_computed(inputs, definition, why)
    drawn_NKF, seen_TF = inputs.features.drawn, inputs.features.seen
    scores_NT = scores(flattened(drawn_NKF), seen_TF)
    return result(inputs, scores_NT.reshape(*drawn_NKF.shape[:2], -1), definition, chance=chance)


def the_tower(inputs: MetricInputs, named: str) -> str:
    """Return what made the features, in words."""
    features = inputs.features
    return named if features is None else f"{features.name}: {features.definition}"


def the_picture_seen(inputs: MetricInputs) -> str:
    """Return what a trial's pictures are compared with, in words."""
    if inputs.image_known:
        return "the picture seen"
    return "the picture that stands for the class seen (which one was shown is not known)"


def inner_products(
    drawn_NX: np.ndarray, seen_TX: np.ndarray, prepare: Prepare, *, width: int
) -> np.ndarray:
    """Return the inner products of the prepared rows of both, (N, T).

    Parameters
    ----------
    drawn_NX, seen_TX : arrays (N, ...) and (T, ...)
        May be memory-mapped: they are read in blocks.
    prepare : callable
        A block of rows -> vectors (rows, P).
    width : int
        Bytes of one prepared vector, at most.
    """
    out_NT = np.empty((len(drawn_NX), len(seen_TX)))
    for columns in blocks(len(seen_TX), width):
        seen = prepare(seen_TX[columns])
        for rows in blocks(len(drawn_NX), width):
            out_NT[rows, columns] = prepare(drawn_NX[rows]) @ seen.T
    return out_NT


def correlations(drawn_NF: np.ndarray, seen_TF: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of every row of one with every row of the other, (N, T).

    A constant row correlates with nothing: 0. Only the block between the two is worked out, in
    float32, where a correlation matrix of all rows together would be four times as large.
    """
    return np.clip(inner_products(drawn_NF, seen_TF, _standard, width=_bytes(drawn_NF)), -1, 1)


def cosines(drawn_NF: np.ndarray, seen_TF: np.ndarray) -> np.ndarray:
    """Return the cosine of every row of one with every row of the other, (N, T); 0 for zeros."""
    return np.clip(inner_products(drawn_NF, seen_TF, _unit, width=_bytes(drawn_NF)), -1, 1)


def squared_distances(drawn_NX: np.ndarray, seen_TX: np.ndarray) -> np.ndarray:
    """Return the squared Euclidean distance of every row to every row, (N, T).

    In float64: near vectors leave little of large norms, and whole numbers stay exact.
    """
    products_NT = inner_products(drawn_NX, seen_TX, _flat, width=2 * _bytes(drawn_NX))
    squares = _squares(drawn_NX)[:, None] + _squares(seen_TX) - 2 * products_NT
    return np.maximum(squares, 0)


def blocks(n: int, width: int) -> Iterator[slice]:
    """Yield slices of `n` rows of `width` bytes that keep to `BLOCK_BYTES`."""
    rows = max(1, BLOCK_BYTES // max(1, width))
    for start in range(0, n, rows):
        yield slice(start, start + rows)


def flattened(pictures_NKX: np.ndarray) -> np.ndarray:
    """Return the pictures of all trials in one list, (N * K, ...)."""
    n, k = pictures_NKX.shape[:2]
    return pictures_NKX.reshape(n * k, *pictures_NKX.shape[2:])


def _bytes(rows_NX: np.ndarray) -> int:
    """Return the size of one row in float32."""
    return 4 * int(np.prod(rows_NX.shape[1:]))


def _flat(rows_NX: np.ndarray) -> np.ndarray:
    return rows_NX.reshape(len(rows_NX), -1).astype(np.float64)


def _squares(rows_NX: np.ndarray) -> np.ndarray:
    """Return the squared length of every row, (N,) float64."""
    out_N = np.empty(len(rows_NX))
    for rows in blocks(len(rows_NX), 2 * _bytes(rows_NX)):
        vectors = _flat(rows_NX[rows])
        out_N[rows] = np.einsum("np,np->n", vectors, vectors)
    return out_N


def _standard(rows_NF: np.ndarray) -> np.ndarray:
    means_N1 = rows_NF.mean(axis=1, keepdims=True)
    vectors = np.asarray(rows_NF - means_N1, dtype=np.float32)
    # The mean itself may be off by rounding: a constant row is one that it leaves nothing of.
    vectors *= reciprocal_lengths(vectors, CONSTANT * np.abs(means_N1) * np.sqrt(rows_NF.shape[1]))
    return vectors


def _unit(rows_NF: np.ndarray) -> np.ndarray:
    vectors = np.asarray(rows_NF, dtype=np.float32)
    return vectors * reciprocal_lengths(vectors, 0.0)


def reciprocal_lengths(vectors_NP: np.ndarray, floor: np.ndarray | float) -> np.ndarray:
    """Return 1 / length of every row, (N, 1) float32; 0 where it is no longer than `floor`."""
    lengths = np.sqrt(np.vecdot(vectors_NP, vectors_NP))[:, None]
    return np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > floor)
