"""FID: Fréchet distance of the pictures drawn and the pictures seen."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.linalg import svdvals

from registry import component
from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._classes import not_computed
from zoo.metrics._sets import (
    Sets,
    corrected,
    interval,
    missing,
    read_sets,
    set_result,
)
from zoo.seeds import numpy_rng

#: Rows held in float64 at once.
BLOCK = 4096
#: Leaving out more, smaller groups costs a decomposition each and narrows the interval by little.
GROUPS = 20


@component(
    "metric",
    paper="10.48550/arXiv.1706.08500",
    license="BSD-3-Clause",
    needs=("generated", "features"),
    level="trial",
    higher_is_better=False,
    min_n=2,
)
class FID:
    """Fréchet inception distance: |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)).

    Parameters
    ----------
    tower : str
        What makes the features. "inception-fid" (2048 of them) is that of the papers; no other
        tower's figure can be compared with theirs.
    """

    def __init__(self, *, tower: str = "inception-fid"):
        self.tower = tower

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the distance; it has no ``per_sample``: it is one figure of a whole set."""
        about = "" if inputs.features is None else f" of {inputs.features.definition}"
        definition = (
            f"Fréchet distance of two Gaussians, with mean and covariance of features{about}, of "
            f"the pictures drawn for {inputs.split} trials and of the distinct pictures seen. "
            "Lower is better."
        )
        if why := missing(self, inputs, inputs.features):
            return not_computed(inputs, definition, why)
        sets = read_sets(inputs, inputs.features, groups=GROUPS)
        drawn, seen, width = len(sets.drawn_MF), len(sets.seen_TF), sets.seen_TF.shape[1]
        for words, there in (("pictures drawn", drawn), ("distinct pictures seen", seen)):
            if there <= width:
                why = (
                    f"needs at least {width + 1} {words}, there are {there}: the covariance of "
                    f"{width} features takes more pictures than features; kid has no such bound"
                )
                return not_computed(inputs, definition, why)
        value, half = frechet_distance(sets.drawn_MF, sets.seen_TF), seen // 2
        floor = _between_halves(sets.seen_TF, inputs.seed)
        about = (
            f"{definition} {drawn} drawn, {seen} seen, {width} features: so few pictures make it "
            f"too large, also where nothing differs (two halves of the pictures seen, {half} "
            f"each, are {floor:.4g} apart). Compare only figures of as many pictures."
        )
        beside = {f"two halves of the pictures seen, {half} each": floor}
        # The root of a squared distance varies alike whether it is small or large.
        without = cache(_without_each_group)
        ci95 = interval(np.sqrt(value), lambda way: np.sqrt(without(way)), sets)
        if ci95 is not None:
            ci95 = float(max(0.0, ci95[0]) ** 2), float(ci95[1] ** 2)
            unbiased = corrected(value, without(sets), sets.trials_G)
            beside["without what so few pictures add, by jackknife"] = unbiased
        return set_result(inputs, sets, value=value, definition=about, ci95=ci95, beside=beside)


def frechet_distance(a_MF: np.ndarray, b_TF: np.ndarray) -> float:
    """Return the Fréchet distance of the Gaussians with the two sets' moments.

    No covariance is formed and no matrix root is taken: with A'A and B'B the covariances, the
    trace of the root of their product is the sum of the singular values of A B'.
    """
    (mean_a, a), (mean_b, b) = _moments(a_MF), _moments(b_TF)
    trace = (a**2).sum() + (b**2).sum() - 2 * svdvals(a @ b.T, check_finite=False).sum()
    return float(max(0.0, ((mean_a - mean_b) ** 2).sum() + trace))


def _moments(x_MF: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean (F,) and a factor A (at most F, F) of the covariance A'A."""
    mean_F = np.mean(x_MF, axis=0, dtype=np.float64)
    factor = np.empty((0, x_MF.shape[1]))
    for start in range(0, len(x_MF), BLOCK):
        factor = np.concatenate([factor, x_MF[start : start + BLOCK] - mean_F])
        if len(factor) > factor.shape[1]:
            factor = np.linalg.qr(factor, mode="r")
    return mean_F, factor / np.sqrt(len(x_MF) - 1)


def _between_halves(seen_TF: np.ndarray, seed: int) -> float:
    order = numpy_rng(seed, "halves").permutation(len(seen_TF))
    half = len(order) // 2
    return frechet_distance(seen_TF[order[:half]], seen_TF[order[half : 2 * half]])


def _without_each_group(sets: Sets) -> np.ndarray:
    return np.array(
        [
            frechet_distance(sets.drawn_MF[sets.group_M != g], sets.seen_TF[sets.group_T != g])
            for g in range(len(sets.trials_G))
        ]
    )
