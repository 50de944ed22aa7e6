"""KID: kernel distance of the pictures drawn and the pictures seen, unbiased at any number."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from registry import component
from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._classes import not_computed
from zoo.metrics._sets import Sets, enough, jackknife, missing, read_sets, set_result

MIN_N = 50
#: Pictures whose features are multiplied at once.
BLOCK = 1024


@component(
    "metric",
    paper="10.48550/arXiv.1801.01401",
    license="BSD-3-Clause",
    needs=("generated", "features"),
    level="trial",
    higher_is_better=False,
    min_n=MIN_N,
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
            "the sets do not differ. Lower is better."
        )
        if why := missing(self, inputs, inputs.features):
            return not_computed(inputs, definition, why)
        sets = read_sets(inputs, inputs.features, groups=500)
        if len(sets.seen_TF) < MIN_N:
            why = f"needs at least {MIN_N} distinct pictures seen, there are {len(sets.seen_TF)}"
            return not_computed(inputs, definition, why)
        value, without_G = kernel_distance(sets)
        return set_result(
            inputs,
            sets,
            value=value,
            definition=f"{definition} {len(sets.drawn_MF)} drawn, {len(sets.seen_TF)} seen.",
            ci95=jackknife(value, without_G, sets.trials_G) if enough(sets) else None,
            beside={},
        )


def kernel_distance(sets: Sets) -> tuple[float, np.ndarray]:
    """Return the unbiased squared MMD of both sets, and the same without each group (G,)."""
    value, without = 0.0, np.zeros(len(sets.trials_G))
    drawn, seen = (sets.drawn_MF, sets.group_M), (sets.seen_TF, sets.group_T)
    for one, other, sign in ((drawn, drawn, 1), (seen, seen, 1), (drawn, seen, -2)):
        total, pairs, total_G, pairs_G = _kernel_sums(one, other, len(without))
        value += sign * total / pairs
        # With every picture left out there is no pair: then there is no figure without the group.
        without += sign * total_G / np.maximum(pairs_G, 1)
    return float(value), without


def _kernel_sums(
    one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], n_groups: int
) -> tuple[float, int, np.ndarray, np.ndarray]:
    """Return sum and number of the kernel over all pairs, and over those without each group.

    A picture is no pair with itself: where `one` is `other` the diagonal is left out.
    """
    (one_MF, group_M), (other_TF, group_T) = one, other
    same = one is other
    rows_M, columns_T = np.zeros(len(one_MF)), np.zeros(len(other_TF))
    inside_M = np.zeros(len(one_MF))
    for i, block_BF in _blocks(one_MF):
        for j, block_CF in _blocks(other_TF):
            kernel_BC = (block_BF @ block_CF.T / block_BF.shape[1] + 1) ** 3
            if same and i == j:
                np.fill_diagonal(kernel_BC, 0)
            rows_M[i] += kernel_BC.sum(axis=1)
            columns_T[j] += kernel_BC.sum(axis=0)
            inside_M[i] += (kernel_BC * (group_M[i][:, None] == group_T[j])).sum(axis=1)
    removable_M, removable_T = group_M >= 0, group_T >= 0

    def by_group(values: np.ndarray, group: np.ndarray, removable: np.ndarray) -> np.ndarray:
        return np.bincount(group[removable], weights=values[removable], minlength=n_groups)

    total = rows_M.sum()
    total_G = (
        total
        - by_group(rows_M, group_M, removable_M)
        - by_group(columns_T, group_T, removable_T)
        + by_group(inside_M, group_M, removable_M)
    )
    left_M = len(one_MF) - by_group(np.ones(len(one_MF)), group_M, removable_M)
    left_T = len(other_TF) - by_group(np.ones(len(other_TF)), group_T, removable_T)
    pairs = len(one_MF) * (len(other_TF) - same)
    return float(total), pairs, total_G, left_M * (left_T - same)


def _blocks(features: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield slices of the rows and their features in float64: pictures can be many."""
    for start in range(0, len(features), BLOCK):
        rows = slice(start, start + BLOCK)
        yield rows, np.asarray(features[rows], dtype=np.float64)
