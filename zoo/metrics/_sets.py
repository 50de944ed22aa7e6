"""What metrics of whole sets of pictures share: the two sets, and a jackknife over trials.

The figures (a Fréchet distance, a kernel distance, an inception score) are no means over trials,
and a bootstrap is wrong for them: a picture drawn twice makes a set look less varied than it is.
A jackknife leaves out and repeats nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from zoo.contracts import Metric, MetricInputs, MetricResult, TowerOutput
from zoo.metrics._classes import unmet
from zoo.seeds import numpy_rng
from zoo.statistics import LEVEL, MIN_CLUSTERS, independent_units


@dataclass(frozen=True, kw_only=True)
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
    """

    drawn_MF: np.ndarray
    seen_TF: np.ndarray
    own_M: np.ndarray
    trials_G: np.ndarray
    group_M: np.ndarray
    group_T: np.ndarray
    how: str


def missing(metric: Metric, inputs: MetricInputs, tower: TowerOutput | None) -> str | None:
    """Return why `metric` has nothing to compute from, or None where it has."""
    if why := unmet(metric, inputs):
        return why
    if not (np.isfinite(tower.drawn).all() and np.isfinite(tower.seen).all()):
        return f"what the tower {tower.name} made of the pictures is not finite"
    return None


def read_sets(inputs: MetricInputs, tower: TowerOutput, *, groups: int) -> Sets:
    """Return both sets, divided into at most `groups` groups of whole independent units."""
    units, unit = independent_units(
        trial_id=inputs.trial_id,
        image_id=inputs.image_id,
        subject=inputs.subject,
        run=inputs.run,
        image_known=inputs.image_known,
    )
    names, member_N = np.unique(units, return_inverse=True)
    used, own_N = np.unique(inputs.target, return_inverse=True)
    n_groups = min(groups, len(names))
    # Names are sorted: which unit is in which group does not depend on the order of the trials.
    place = numpy_rng(inputs.seed, "groups").permutation(len(names))
    group_N = (place * n_groups // len(names))[member_N]
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
        how=f"{len(names)} {unit}s" + (f" in {n_groups} groups" if n_groups < len(names) else ""),
    )


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


def enough(sets: Sets) -> bool:
    """Return whether there are enough groups for an interval."""
    return len(sets.trials_G) >= MIN_CLUSTERS


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
