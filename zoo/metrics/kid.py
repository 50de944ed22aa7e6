"""KID: kernel distance of the pictures drawn and the pictures seen, unbiased at any number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from registry import component
from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._classes import not_computed
from zoo.metrics._sets import Sets, interval, missing, read_sets, set_result

#: Fewest distinct pictures seen; as many trials, as the mark says.
MIN_SEEN = 50
#: Pictures whose features are multiplied at once.
BLOCK = 1024


@component(
    "metric",
    paper="10.48550/arXiv.1801.01401",
    license="BSD-3-Clause",
    needs=("generated", "features"),
    level="trial",
    higher_is_better=False,
    min_n=50,
)
class KID:
    """Kernel inception distance: unbiased squared MMD under (x.y / F + 1)^3, over all pairs.

    Parameters
    ----------
    tower : str
        What makes the features.
    """

    def __init__(self, *, tower: str = "inception-fid"):
        self.tower = tower

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the distance; it has no ``per_sample``: it is one figure of a whole set."""
        about = "" if inputs.features is None else f" of {inputs.features.definition}"
        definition = (
            f"Kernel inception distance of the pictures drawn for {inputs.split} trials and the "
            f"distinct pictures seen: the squared maximum mean discrepancy under the kernel "
            f"(x.y / F + 1)^3 of features{about}, over all pairs of different pictures (no random "
            "subsets). Unbiased at any number of pictures, so it may be a little below 0 where "
            "the sets do not differ. A picture drawn that resembles the one seen lowers it too, "
            "the more the fewer pictures there are: beside it stands the distance without the "
            "pairs that belong to one picture seen. Lower is better."
        )
        if why := missing(self, inputs, inputs.features):
            return not_computed(inputs, definition, why)
        sets = read_sets(inputs, inputs.features, groups=500)
        if len(sets.seen_TF) < MIN_SEEN:
            why = f"needs at least {MIN_SEEN} distinct pictures seen, there are {len(sets.seen_TF)}"
            return not_computed(inputs, definition, why)
        value, without_G, apart = kernel_distance(sets)

        def without(way: Sets) -> np.ndarray:
            return without_G if way is sets else kernel_distance(way)[1]

        return set_result(
            inputs,
            sets,
            value=value,
            definition=f"{definition} {len(sets.drawn_MF)} drawn, {len(sets.seen_TF)} seen.",
            ci95=interval(value, without, sets),
            beside={"without pairs that belong to one picture seen": apart},
        )


def kernel_distance(sets: Sets) -> tuple[float, np.ndarray, float]:
    """Return the unbiased squared MMD of both sets, and two variants of it.

    Returns
    -------
    value : float
    without_G : array (G,)
        The same without each group.
    apart : float
        The same without pairs of pictures that were drawn for, or are, the same picture seen:
        the distance of independent sets.
    """
    drawn = _Side(sets.drawn_MF, sets.group_M, sets.own_M)
    seen = _Side(sets.seen_TF, sets.group_T, np.arange(len(sets.seen_TF)))
    value, apart, without_G = 0.0, 0.0, np.zeros(len(sets.trials_G))
    for one, other, sign in ((drawn, drawn, 1), (seen, seen, 1), (drawn, seen, -2)):
        sums = _pair_sums(one, other, len(without_G))
        value += sign * sums.total / sums.pairs
        apart += sign * (sums.total - sums.total_own) / (sums.pairs - sums.pairs_own)
        without_G += sign * sums.total_G / sums.pairs_G
    return float(value), without_G, float(apart)


class _Side(NamedTuple):
    features: np.ndarray
    group: np.ndarray
    own: np.ndarray


class _PairSums(NamedTuple):
    """Sum of the kernel over pairs and their number: all, those of one picture, without a group."""

    total: float
    pairs: int
    total_own: float
    pairs_own: int
    total_G: np.ndarray
    pairs_G: np.ndarray


def _pair_sums(one: _Side, other: _Side, n_groups: int) -> _PairSums:
    """Add up the kernel; a picture is no pair with itself, where `one` is `other`."""
    same = one is other
    rows, inside = np.zeros((2, len(one.features)))
    columns = np.zeros(len(other.features))
    total_own, pairs_own = 0.0, 0
    for i, x_BF in _blocks(one.features):
        for j, y_CF in _blocks(other.features):
            kernel_BC = (x_BF @ y_CF.T / x_BF.shape[1] + 1) ** 3
            own_BC = one.own[i][:, None] == other.own[j]
            if same and i == j:
                np.fill_diagonal(kernel_BC, 0)
                np.fill_diagonal(own_BC, False)
            rows[i] += kernel_BC.sum(axis=1)
            columns[j] += kernel_BC.sum(axis=0)
            inside[i] += kernel_BC.sum(axis=1, where=one.group[i][:, None] == other.group[j])
            total_own += kernel_BC.sum(where=own_BC)
            pairs_own += int(own_BC.sum())
    left_one = len(one.features) - _by_group(one, None, n_groups)
    left_other = len(other.features) - _by_group(other, None, n_groups)
    return _PairSums(
        total=rows.sum(),
        pairs=len(one.features) * (len(other.features) - same),
        total_own=total_own,
        pairs_own=pairs_own,
        total_G=rows.sum()
        - _by_group(one, rows, n_groups)
        - _by_group(other, columns, n_groups)
        + _by_group(one, inside, n_groups),
        pairs_G=left_one * (left_other - same),
    )


def _by_group(side: _Side, values: np.ndarray | None, n_groups: int) -> np.ndarray:
    """Return the sum of `values`, or the number of pictures, in each group (G,)."""
    there = side.group >= 0
    weights = None if values is None else values[there]
    return np.bincount(side.group[there], weights=weights, minlength=n_groups)


def _blocks(features: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield slices of the rows and their features in float64: pictures can be many."""
    for start in range(0, len(features), BLOCK):
        rows = slice(start, start + BLOCK)
        yield rows, np.asarray(features[rows], dtype=np.float64)
