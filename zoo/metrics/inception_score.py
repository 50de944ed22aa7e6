"""Inception score: how sure and how varied a classifier of pictures is about the pictures drawn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import softmax, xlogy

from registry import BadParameters, component
from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._classes import not_computed
from zoo.metrics._sets import Sets, interval, missing, read_sets, set_result
from zoo.seeds import numpy_rng

#: Fewer pictures than this are not divided.
WHOLE_BELOW = 5000
#: Pictures per class that the pictures fall on: fewer lower the score by more than 5 %.
PER_CLASS = 10
BLOCK = 1024


@component(
    "metric",
    paper="10.48550/arXiv.1606.03498",
    license="BSD-3-Clause",
    needs=("generated", "scores"),
    level="trial",
    higher_is_better=True,
    min_n=10,
)
class InceptionScore:
    """exp of the mean KL divergence from a picture's class probabilities to their mean.

    It never looks at what was seen: pictures of the wrong classes score as high as right ones.

    Parameters
    ----------
    tower : str
        What makes the class scores.
    splits : int
        Parts whose scores are averaged, from 5 000 pictures on; below there is one.
    """

    def __init__(self, *, tower: str = "inception-fid", splits: int = 10):
        if splits < 1:
            raise BadParameters(
                f"metric 'inception_score' parameter 'splits' is {splits}; it takes at least 1"
            )
        self.tower = tower
        self.splits = splits

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the score; it has no ``per_sample``: it is one figure of a whole set."""
        about = "" if inputs.scores is None else f" by {inputs.scores.definition}"
        definition = (
            f"Inception score of the pictures drawn for {inputs.split} trials: exp of the mean KL "
            f"divergence from the class probabilities of a picture{about} to their mean over all "
            "pictures. Whether the class is the right one does not enter. Higher is better."
        )
        if why := missing(self, inputs, inputs.scores):
            return not_computed(inputs, definition, why)
        sets = read_sets(inputs, inputs.scores, groups=500)
        n, n_drawn = len(inputs.trial_id), len(sets.drawn_MF)
        # The pictures seen, in the rows of those drawn for them: as many, and as often.
        seen_MC = inputs.scores.seen[np.repeat(inputs.target, n_drawn // n)]
        classes = max(_effective_classes(sets.drawn_MF), _effective_classes(seen_MC))
        least = int(np.ceil(PER_CLASS * classes))
        if n_drawn < least:
            why = (
                f"needs at least {least} pictures drawn, there are {n_drawn}: they, or the "
                f"pictures seen, fall on about {classes:.3g} classes, and fewer than {PER_CLASS} "
                "a class lower the score by more than 5 %"
            )
            return not_computed(inputs, definition, why)
        splits = 1 if n_drawn < WHOLE_BELOW else self.splits
        split_M = _splits(inputs, n_drawn // n, splits)
        value, _ = _score(sets.drawn_MF, split_M, splits)

        def log_without(way: Sets) -> np.ndarray:
            n_groups = len(way.trials_G)
            return np.log(_score(way.drawn_MF, split_M, splits, way.group_M, n_groups)[1])

        of_seen, _ = _score(seen_MC, split_M, splits)
        right_M = sets.drawn_MF.argmax(axis=1) == seen_MC.argmax(axis=1)
        how = "in one part" if splits == 1 else f"mean of {splits} parts"
        about = (
            f"{definition} {n_drawn} pictures, {how}. Few pictures lower it, independent ones "
            f"here by about {100 * _lowered(classes, n_drawn // splits):.1f} %; read it against "
            f"the score of as many pictures seen ({len(sets.seen_TF)} distinct ones) and beside "
            "the class accuracy."
        )
        ci95 = interval(np.log(value), log_without, sets)
        if ci95 is not None:
            ci95 = max(1.0, float(np.exp(ci95[0]))), float(np.exp(ci95[1]))
        return set_result(
            inputs,
            sets,
            value=value,
            definition=about,
            ci95=ci95,
            beside={"seen pictures, same n": of_seen, "class accuracy": float(right_M.mean())},
        )


def _splits(inputs: MetricInputs, k: int, splits: int) -> np.ndarray:
    """Return the part of each picture, (M,), whatever the order of the trials."""
    n = len(inputs.trial_id)
    rank_N = np.argsort(np.argsort(inputs.trial_id))
    place = numpy_rng(inputs.seed, "splits").permutation(n * k)
    return place[(rank_N[:, None] * k + np.arange(k)).ravel()] * splits // (n * k)


def _score(
    scores_MC: np.ndarray,
    split_M: np.ndarray,
    splits: int,
    group_M: np.ndarray | None = None,
    n_groups: int = 1,
) -> tuple[float, np.ndarray]:
    """Return the inception score, mean over parts, and the same without each group (G,)."""
    group_M = np.zeros(len(scores_MC), dtype=np.int64) if group_M is None else group_M
    cell_M = group_M * splits + split_M
    shape = (n_groups, splits)
    count_GS = np.bincount(cell_M, minlength=n_groups * splits).reshape(shape)
    certainty_GS = np.zeros(n_groups * splits)
    sums_GSC = np.zeros((n_groups * splits, scores_MC.shape[1]))
    for rows, p_BC in _probabilities(scores_MC):
        np.add.at(certainty_GS, cell_M[rows], xlogy(p_BC, p_BC).sum(axis=1))
        np.add.at(sums_GSC, cell_M[rows], p_BC)
    parts = count_GS, certainty_GS.reshape(shape), sums_GSC.reshape(*shape, -1)
    whole = [part.sum(axis=0) for part in parts]
    left = [total - part for total, part in zip(whole, parts, strict=True)]
    return float(_exp_mean_kl(*whole).mean()), _exp_mean_kl(*left).mean(axis=-1)


def _exp_mean_kl(count: np.ndarray, certainty: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Return the score of pictures from their number, sum of p log p and sum of p (..., C)."""
    count = np.maximum(count, 1)
    # Rounding may leave a little less than nothing where all of a class was left out.
    mean = np.maximum(sums, 0) / count[..., None]
    return np.exp(np.maximum(0, certainty / count - xlogy(mean, mean).sum(axis=-1)))


def _effective_classes(scores_MC: np.ndarray) -> float:
    """Return how many classes the pictures fall on: sum over c of E[p_c^2] / E[p_c].

    C where each of C classes is named with certainty by as many pictures, 1 where all pictures
    have the same probabilities. The score's logarithm is (this - 1) / 2n too low, to first order.
    """
    squares, sums = np.zeros((2, scores_MC.shape[1]))
    for _, p_BC in _probabilities(scores_MC):
        squares += (p_BC**2).sum(axis=0)
        sums += p_BC.sum(axis=0)
    return float((squares / np.where(sums > 0, sums, 1)).sum())


def _lowered(classes: float, n: int) -> float:
    return float(1 - np.exp(-(classes - 1) / (2 * n)))


def _probabilities(scores_MC: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield slices of the rows and their probabilities in float64: pictures can be many."""
    for start in range(0, len(scores_MC), BLOCK):
        rows = slice(start, start + BLOCK)
        yield rows, softmax(np.asarray(scores_MC[rows], dtype=np.float64), axis=1)
