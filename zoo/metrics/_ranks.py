"""How often the true one of C scores is among the first k of n of them, in closed form.

The n are the true one and n - 1 of the other C - 1, drawn without replacement. Of the m others
that score higher, the number drawn is hypergeometric, so the true one is among the first k with
probability sum over j < k of Hypergeometric(j; C - 1, m, n - 1): q(m), `chance_of_rank`.

Others that score the same have no order of their own. Let every order of the e tied (the true one
among them) be equally likely: it stays so among those of them that are drawn, and the true one
then has m, m + 1, ..., m + e - 1 ahead of it equally often. Its probability is the mean of
q(m) ... q(m + e - 1). With n = C it is the share of the first k places that fall to the true one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import hypergeom

#: Scores looked at together: bounds memory, and fits a processor's cache.
BLOCK = 1 << 16


def chance_of_rank(n_all: int, n: int, k: int) -> np.ndarray:
    """Return q(m) for m = 0 ... `n_all` - 1 others that score higher, (C,).

    Parameters
    ----------
    n_all, n, k : int
        Scores there are (C), how many of them are compared, and how many of those count as first;
        1 <= k < n <= C.
    """
    assert 1 <= k < n <= n_all, (k, n, n_all)
    ahead_C = np.arange(n_all)
    if n == n_all:
        return (ahead_C < k).astype(float)
    terms_kC = hypergeom.pmf(np.arange(k)[:, None], n_all - 1, ahead_C, n - 1)
    return np.minimum(terms_kC.sum(axis=0), 1.0)


def ahead_and_tied(scores_NKC: np.ndarray, own_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many score more than the true one, and how many the same, itself among them.

    Parameters
    ----------
    scores_NKC : array (N, K, C)
        May be memory-mapped.
    own_N : array (N,), int64
        Which of C is the true one.

    Returns
    -------
    ahead_NK, tied_NK : arrays (N, K), int64
    """
    ahead_NK, tied_NK = np.empty((2, *scores_NKC.shape[:2]), dtype=np.int64)
    for rows in _blocks(scores_NKC):
        block = scores_NKC[rows]
        own = np.take_along_axis(block, own_N[rows, None, None], axis=2)
        ahead_NK[rows] = np.count_nonzero(block > own, axis=2)
        tied_NK[rows] = np.count_nonzero(block == own, axis=2)
    return ahead_NK, tied_NK


def hits(
    scores_NKC: np.ndarray, own_N: np.ndarray, *, n: int, k: int, ties: str = "mean"
) -> np.ndarray:
    """Return how often the true one is among the first k of n, (N,); the K are averaged.

    Parameters
    ----------
    scores_NKC : array (N, K, C)
        Finite; only their order counts.
    own_N : array (N,), int64
        Which of C is the true one.
    n, k : int
        See `chance_of_rank`.
    ties : {"mean", "first"}
        Over all orders of what is tied, or the true one before all that are tied with it.
    """
    ahead_NK, tied_NK = ahead_and_tied(scores_NKC, own_N)
    behind_NK = ahead_NK + (tied_NK if ties == "mean" else 1)
    return _mean_chance(chance_of_rank(scores_NKC.shape[2], n, k), ahead_NK, behind_NK).mean(axis=1)


def every_hit(
    scores_NKC: np.ndarray, columns_T: np.ndarray, *, n: int, k: int, ties: str = "mean"
) -> np.ndarray:
    """Return `hits` had the true one been each of `columns_T`, (N, T) float32."""
    chance_C = chance_of_rank(scores_NKC.shape[2], n, k)
    hits_NT = np.empty((len(scores_NKC), len(columns_T)), dtype=np.float32)
    for rows in _blocks(scores_NKC):
        block = scores_NKC[rows]
        order = np.argsort(-block, axis=2)
        ranked = np.take_along_axis(block, order, axis=2)
        starts = np.ones(block.shape, dtype=bool)  # where a score differs from the one before
        starts[..., 1:] = ranked[..., 1:] != ranked[..., :-1]
        first = np.flatnonzero(starts)
        tied = np.diff(first, append=starts.size)
        ahead = first % block.shape[2]
        behind = ahead + (tied if ties == "mean" else 1)
        by_place = np.repeat(_mean_chance(chance_C, ahead, behind), tied).reshape(block.shape)
        found = np.empty(block.shape)
        np.put_along_axis(found, order, by_place, axis=2)
        hits_NT[rows] = found[..., columns_T].mean(axis=1)
    return hits_NT


def _mean_chance(chance_C: np.ndarray, ahead: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """Return the means of ``chance_C[ahead:behind]``."""
    sums = np.concatenate([[0.0], np.cumsum(chance_C)])
    tied = behind - ahead
    means = (sums[behind] - sums[ahead]) / tied
    return np.where(tied == 1, chance_C[ahead], means)  # exact where nothing is tied


def _blocks(scores_NKC: np.ndarray) -> Iterator[slice]:
    step = max(1, BLOCK // (scores_NKC.shape[1] * scores_NKC.shape[2]))
    for start in range(0, len(scores_NKC), step):
        yield slice(start, start + step)
