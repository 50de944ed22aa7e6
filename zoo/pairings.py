"""What the EEG adds to a score, over all pairings of what was drawn with what it could be for.

Both figures are differences of a score with the right target and the mean score with other targets.
They are taken over all pairings in closed form, so that no shuffle has to be drawn.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from zoo.statistics import LEVEL, RESAMPLES, Units, bootstrap

#: Trials whose scores are held in double precision at once.
ROWS = 1024


@dataclass(frozen=True)
class Gain:
    """How much better a score is with one's own EEG.

    Parameters
    ----------
    value : float or None
        In the score's own units, positive where one's own EEG is better; None if not measurable.
    ci95 : (low, high) or None
        None with fewer than five units.
    n : int
        Trials that took part.
    unit : str
        What was resampled.
    n_units : int
        So many of them; where two ways cross, in the way that has fewest.
    definition : str
    reason : str or None
        Why there is no value: "not measurable: ...".
    level : float
        Nominal coverage of `interval`.
    interval : (low, high) or None
        As `ci95` at `level`: a verdict over m scores reads it at 1 - 0.05 / m.
    """

    value: float | None
    ci95: tuple[float, float] | None
    n: int
    unit: str
    n_units: int
    definition: str
    reason: str | None = None
    level: float = LEVEL
    interval: tuple[float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON takes them."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }


def eeg_contribution(
    scores_NT: np.ndarray,
    target_N: np.ndarray,
    *,
    units: Units,
    seed: int,
    higher_is_better: bool = True,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> Gain:
    """Return mean s(i, i) - mean over j other than i of s(i, j): what one's own EEG adds.

    s(i, j) is the score of what was drawn from trial i against the target of trial j. The second
    mean is the exact expectation of a score whose EEG is exchanged among all trials; another trial
    of the same picture is another trial.

    The estimator is a U-statistic of degree two. Its interval is the bootstrap over units of its
    influence values (Hájek's projection with the loss of the projected means made up, see
    `_influence`). Resampling trials and recomputing would take the noise of pairs up to three
    times, and would pair a trial with itself or two draws of one image as if they were different.

    Parameters
    ----------
    scores_NT : array (N, T)
        Score of what was drawn from each trial against each distinct target.
    target_N : array (N,), int
        Column of the target that the trial really had.
    units : Units
        What is resampled, of the N trials.
    seed : int
        Names the draws.
    higher_is_better : bool, optional
        The sign is turned where a lower score is better.
    level : float, optional
        Coverage of a second interval, ``interval``.
    resamples : int, optional

    References
    ----------
    Hoeffding 1948, "A class of statistics with asymptotically normal distribution"; Efron and
    Stein 1981, "The jackknife estimate of variance".
    """
    scores_NT, target_N = _checked(scores_NT, target_N)
    definition = (
        "Mean score of what a trial's EEG gave against its own target, less the mean "
        "against the targets of all other trials (all pairings); positive: better with one's own "
        "EEG."
    )
    missing = _missing(len(target_N), units, definition, level)
    if len(target_N) < 2:
        return replace(missing, reason="not measurable: needs at least two trials")
    if len(np.unique(target_N)) < 2:
        return replace(missing, reason="not measurable: all trials have the same target")
    group_T = np.zeros(scores_NT.shape[1], dtype=np.int64)
    found = _influence(scores_NT, target_N, group_T, same_target=True)
    return _gain(missing, found, units, seed, higher_is_better, resamples)


def within_class_contribution(
    scores_NT: np.ndarray,
    target_N: np.ndarray,
    label_T: np.ndarray | None,
    *,
    units: Units,
    seed: int,
    higher_is_better: bool = True,
    image_known: bool = True,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> Gain:
    """Return what one's own EEG adds beyond the class: the same class, another image.

    Mean over trials of s(i, i) - mean over j of s(i, j), where j are the trials of the same class
    with another target. Trials that have no such j are left out. Estimator and interval as in
    `eeg_contribution`, within classes.

    Parameters
    ----------
    scores_NT : array (N, T)
        Score of what was drawn from each trial against each distinct target.
    target_N : array (N,), int
        Column of the target that the trial really had.
    label_T : array (T,) or None
        Class of each target; None where the targets are the classes themselves.
    units : Units
        What is resampled, of the N trials.
    seed : int
        Names the draws.
    higher_is_better : bool, optional
        The sign is turned where a lower score is better.
    image_known : bool, optional
        False where pictures were paired with trials by their category only.
    level : float, optional
        Coverage of a second interval, ``interval``.
    resamples : int, optional
    """
    scores_NT, target_N = _checked(scores_NT, target_N)
    definition = (
        "Mean score of what a trial's EEG gave against its own target, less the mean "
        "against the other images of the same class (targets of the other trials); positive: "
        "better with one's own EEG, beyond the class."
    )
    missing = _missing(len(target_N), units, definition, level)
    if why := _no_images(scores_NT, target_N, label_T, image_known):
        return replace(missing, reason=f"not measurable: {why}")
    shown_T = np.bincount(target_N, minlength=scores_NT.shape[1]) > 0
    group_T = np.unique(label_T, return_inverse=True)[1]
    images_C = np.bincount(group_T, weights=shown_T)
    rows = images_C[group_T[target_N]] > 1
    units = _whole_pairs(units.take(rows), group_T[target_N[rows]])
    found = _influence(scores_NT[rows], target_N[rows], group_T, same_target=False)
    missing = _missing(int(rows.sum()), units, definition, level)
    return _gain(missing, found, units, seed, higher_is_better, resamples)


def pairs_only_classes(scores_NT: np.ndarray, label_T: np.ndarray) -> bool:
    """Return whether every trial scores all targets of a class alike: a score of classes.

    Parameters
    ----------
    scores_NT : array (N, T)
    label_T : array (T,)
        Class of each target.
    """
    first_T = np.unique(label_T, return_index=True, return_inverse=True)
    alike_T = first_T[1][first_T[2]]
    return all(
        np.array_equal(scores_NT[start : start + ROWS], scores_NT[start : start + ROWS, alike_T])
        for start in range(0, len(scores_NT), ROWS)
    )


def _checked(scores_NT: np.ndarray, target_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores_NT, target_N = np.asarray(scores_NT), np.asarray(target_N)
    assert scores_NT.ndim == 2 and target_N.shape == scores_NT.shape[:1], scores_NT.shape
    assert not len(target_N) or 0 <= target_N.min() <= target_N.max() < scores_NT.shape[1]
    assert np.isfinite(scores_NT).all(), "a score is not finite"
    return scores_NT, target_N


def _no_images(
    scores_NT: np.ndarray, target_N: np.ndarray, label_T: np.ndarray | None, image_known: bool
) -> str | None:
    """Return why images of a class cannot be told apart, None if they can."""
    if not image_known:
        return "images are paired with trials by category, which one was seen is not known"
    if label_T is None:
        return "the score is of classes, alike for all images of a class"
    if len(target_N) < 2:
        return "needs at least two trials"
    shown = np.unique(target_N)
    label_S = np.asarray(label_T)[shown]
    if len(np.unique(label_S)) == len(shown):
        return "one image a class"
    if pairs_only_classes(scores_NT[:, shown], label_S):
        return "the score is of classes, alike for all images of a class"
    return None


def _influence(
    scores_NT: np.ndarray, target_N: np.ndarray, group_T: np.ndarray, *, same_target: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gain of each trial, its influence value, and its group, each (N,).

    The partners of trial i are the other trials of its group: all, or those with another target.
    The gain of i is its own score less the mean over its partners j of s(i, j). The influence adds
    the same over what was drawn from the partners, s(j, j) - s(j, i), each by 1 / partners of j,
    and takes off the group's mean for as many as were added. Whatever a picture drawn or a target
    adds to all its scores thereby drops out of every trial, as it does out of the figure.
    """
    count_T = np.bincount(target_N, minlength=scores_NT.shape[1]).astype(float)
    group_N = group_T[target_N]
    columns = np.zeros((3, scores_NT.shape[1]))  # of partners: gain left over, own score, number
    own_N, gain_N, share_N = np.zeros((3, len(target_N)))
    for start in range(0, len(target_N), ROWS):
        rows = slice(start, start + ROWS)
        target_B = target_N[rows]
        score_BT = scores_NT[rows].astype(np.float64)
        own_B = np.take_along_axis(score_BT, target_B[:, None], axis=1)[:, 0]
        partner_BT = (group_N[rows, None] == group_T).astype(np.float64)
        if not same_target:
            partner_BT[np.arange(len(target_B)), target_B] = 0
        partners_B = partner_BT @ count_T - same_target
        score_BT *= partner_BT
        gain_N[rows] = own_B - (score_BT @ count_T - same_target * own_B) / partners_B
        own_N[rows], share_N[rows] = own_B, 1 / partners_B
        columns += [share_N[rows] @ score_BT, (share_N[rows] * own_B) @ partner_BT,
                    share_N[rows] @ partner_BT]  # fmt: skip
    others_N, owns_N, number_N = columns[:, target_N]
    # A trial is no partner of itself; with `same_target` its column holds it.
    number_N = number_N - same_target * share_N
    mean_N = (np.bincount(group_N, weights=gain_N) / np.maximum(np.bincount(group_N), 1))[group_N]
    return gain_N, gain_N + (owns_N - others_N) - mean_N * number_N, group_N


def _whole_pairs(units: Units, label_N: np.ndarray) -> Units:
    """Return units in which the only two images of a class are one: each is in all pairs.

    Where a unit holds several classes (a run, a subject), the units stay what they are.
    """
    *others, last = units.clusters if isinstance(units.clusters, tuple) else (units.clusters,)
    names, unit_N = np.unique(last, return_inverse=True)
    held = np.unique(np.stack([unit_N, label_N]), axis=1)
    if held.shape[1] > len(names):
        return units
    merged = np.where(np.bincount(held[1])[label_N] == 2, len(names) + label_N, unit_N)
    return Units((*others, merged) if others else merged, units.name)


def _gain(
    missing: Gain,
    found: tuple[np.ndarray, np.ndarray, np.ndarray],
    units: Units,
    seed: int,
    higher_is_better: bool,
    resamples: int,
) -> Gain:
    """Return the mean gain, with the bootstrap of the influence values as its interval."""
    gain_N, influence_N, group_N = found
    ways = units.clusters if isinstance(units.clusters, tuple) else (units.clusters,)
    sizes = np.bincount(group_N)
    mean_N = (np.bincount(group_N, weights=influence_N) / np.maximum(sizes, 1))[group_N]
    # Of m + 1 units, each paired with m, the projection keeps m - 1 of m parts of the variance.
    finest = np.unique(max(ways, key=lambda way: len(np.unique(way))), return_inverse=True)[1]
    held = np.unique(np.stack([finest, group_N]), axis=1)
    m_N = (np.bincount(held[1]) - 1)[group_N]
    lost_N = np.where(m_N > 1, np.sqrt(m_N / np.maximum(m_N - 1, 1)), 1.0)
    sign = 1.0 if higher_is_better else -1.0
    values = sign * (mean_N + lost_N * (influence_N - mean_N))
    ends = {
        level: bootstrap(
            values, seed=seed, clusters=units.clusters, level=level, resamples=resamples
        )
        for level in (LEVEL, missing.level)
    }
    if ends[LEVEL] is None:
        how = f"No interval: {units.describe()} are too few to resample."
    else:
        how = f"95 % interval: bootstrap over {units.describe()}."
    return replace(
        missing,
        value=sign * float(gain_N.mean()),
        ci95=ends[LEVEL],
        interval=ends[missing.level],
        definition=f"{missing.definition} {how}",
    )


def _missing(n: int, units: Units, definition: str, level: float) -> Gain:
    return Gain(None, None, n, units.name, units.count(), definition, level=level)
