"""What metrics of whole sets of pictures share: the two sets, and a jackknife over trials.

The figures (a Fréchet distance, a kernel distance, an inception score) are no means over trials,
and a bootstrap is wrong for them: a picture drawn twice makes a set look less varied than it is.
A jackknife leaves out and repeats nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from zoo.contracts import Metric, MetricInputs, MetricResult, TowerOutput
from zoo.metrics._classes import unmet
from zoo.seeds import numpy_rng
from zoo.statistics import LEVEL, MIN_CLUSTERS, independent_units

#: The figure without each group of the sets, (G,).
Without = Callable[["Sets"], np.ndarray]


@dataclass(frozen=True, kw_only=True, eq=False)
class Sets:
    """The pictures drawn and the distinct pictures seen, a row each, and what is left out at once.

    Parameters
    ----------
    drawn_MF : array (M, F)
        Of all pictures drawn, those of a trial one after another.
    seen_TF : array (T, F)
        Of the distinct pictures that these trials saw.
    own_M : array (M,), int64
        Which of `seen_TF` was seen when a picture was drawn.
    trials_G : array (G,), int64
        How many trials each group has.
    group_M, group_T : arrays (M,), (T,), int64
        Which group a picture is left out with; -1: never, its trials are in several groups.
    how : str
        What the groups are, in words.
    crossed : tuple of Sets
        Where images and subjects cross, these groups are of images, and here are the same
        pictures in groups of subjects, and in groups of trials of one subject and one image.
    """

    drawn_MF: np.ndarray
    seen_TF: np.ndarray
    own_M: np.ndarray
    trials_G: np.ndarray
    group_M: np.ndarray
    group_T: np.ndarray
    how: str
    crossed: tuple[Sets, ...] = ()


def missing(metric: Metric, inputs: MetricInputs, tower: TowerOutput | None) -> str | None:
    """Return why `metric` has nothing to compute from, or None where it has."""
    if why := unmet(metric, inputs):
        return why
    if not (np.isfinite(tower.drawn).all() and np.isfinite(tower.seen).all()):
        return f"what the tower {tower.name} made of the pictures is not finite"
    return None


def read_sets(inputs: MetricInputs, tower: TowerOutput, *, groups: int) -> Sets:
    """Return both sets, divided into at most `groups` groups of whole independent units."""
    units = independent_units(
        trial_id=inputs.trial_id,
        image_id=inputs.image_id,
        subject=inputs.subject,
        run=inputs.run,
        image_known=inputs.image_known,
    )

    def grouped(units_N: np.ndarray, crossed: tuple[Sets, ...] = ()) -> Sets:
        names, member_N = np.unique(units_N, return_inverse=True)
        n_groups = min(groups, len(names))
        # Names are sorted: which unit is in which group does not depend on the order of trials.
        place = numpy_rng(inputs.seed, "groups").permutation(len(names))
        group_N = (place * n_groups // len(names))[member_N]
        how = units.describe() + (f" in {n_groups} groups" if n_groups < len(names) else "")
        return _divided(inputs, tower, group_N, n_groups, how, crossed)

    if not isinstance(units.clusters, tuple):
        return grouped(units.clusters)
    subject_N, image_N = units.clusters
    pairs_2N = np.stack([np.unique(way, return_inverse=True)[1] for way in units.clusters])
    cell_N = np.unique(pairs_2N, axis=1, return_inverse=True)[1].ravel()
    return grouped(image_N, (grouped(subject_N), grouped(cell_N)))


def _divided(
    inputs: MetricInputs,
    tower: TowerOutput,
    group_N: np.ndarray,
    n_groups: int,
    how: str,
    crossed: tuple[Sets, ...],
) -> Sets:
    used, own_N = np.unique(inputs.target, return_inverse=True)
    first, last = np.full(len(used), n_groups), np.full(len(used), -1)
    np.minimum.at(first, own_N, group_N)
    np.maximum.at(last, own_N, group_N)
    n, k = tower.drawn.shape[:2]
    return Sets(
        drawn_MF=tower.drawn.reshape(n * k, -1),
        seen_TF=tower.seen[used],
        own_M=np.repeat(own_N, k),
        trials_G=np.bincount(group_N, minlength=n_groups),
        group_M=np.repeat(group_N, k),
        group_T=np.where(first == last, first, -1),
        how=how,
        crossed=crossed,
    )


def interval(value: float, without: Without, sets: Sets) -> tuple[float, float] | None:
    """Return the 95 % interval of `value` by `jackknife`; None with too few groups.

    Where images and subjects cross, each is left out by itself and the variances add up, less that
    of the trials by themselves, which is in both; it is never less than one of them alone.
    """
    ways = (sets, *sets.crossed[:1])
    if min(len(way.trials_G) for way in ways) < MIN_CLUSTERS:
        return None
    ends = [jackknife(value, without(way), way.trials_G) for way in (sets, *sets.crossed)]
    squares = [((high - low) / 2) ** 2 for low, high in ends]
    if not sets.crossed:
        return ends[0]
    image, subject, trial = squares
    half = float(np.sqrt(max(image + subject - trial, image, subject)))
    return value - half, value + half


def jackknife(value: float, without_G: np.ndarray, trials_G: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of `value` from the figures without each group.

    It says how far the figure would move with as many other trials; what a small set adds to the
    figure, or takes from it, is in the interval as it is in the figure.

    Parameters
    ----------
    value : float
    without_G : array (G,)
        The same figure without each group.
    trials_G : array (G,)
        Trials of each group.

    References
    ----------
    Busing, Meijer and Van der Leeden 1999, "Delete-m jackknife for unequal m".
    """
    g, h_G = len(without_G), trials_G.sum() / trials_G
    pseudo_G = h_G * value - (h_G - 1) * without_G
    centre = corrected(value, without_G, trials_G)
    variance = ((pseudo_G - centre) ** 2 / (h_G - 1)).mean()
    half = stats.t.ppf((1 + LEVEL) / 2, g - 1) * np.sqrt(variance)
    return float(value - half), float(value + half)


def corrected(value: float, without_G: np.ndarray, trials_G: np.ndarray) -> float:
    """Return `value` without the bias that falls as 1/n, from the figures without each group."""
    share_G = 1 - trials_G / trials_G.sum()
    return float(len(without_G) * value - (without_G * share_G).sum())


def set_result(
    inputs: MetricInputs,
    sets: Sets,
    *,
    value: float,
    definition: str,
    ci95: tuple[float, float] | None,
    beside: dict[str, float],
) -> MetricResult:
    """Return the figure with the sentence about its interval."""
    if ci95 is None:
        how = f"No interval: {sets.how} are too few to leave some out."
    else:
        how = f"95 % interval: jackknife over {sets.how}."
    return MetricResult(
        value=float(value),
        definition=f"{definition} {how}",
        n=len(inputs.trial_id),
        split=inputs.split,
        ci95=ci95,
        beside=beside,
    )
