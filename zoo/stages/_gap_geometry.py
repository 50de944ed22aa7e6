"""Where two clouds of states lie: distance, angles, alignment, spread, from inner products alone.

A cloud of N states of F features is known by its Gram matrix (N, N), however large F. Every
figure is a function of which trials count, rows of zeros and ones ``keep_RN``, and returns one
number for each row: `zoo.stages._gap_jackknife` leaves out one unit after another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.stages._gap_jackknife import Statistic


@dataclass(frozen=True)
class Clouds:
    """Inner products of the states made from the EEG of N trials and of the real text of each.

    Parameters
    ----------
    eeg_NN, text_NN : arrays (N, N), float64
        Of the states of two trials, made from EEG or from the prompts of their classes.
    cross_NN : array (N, N), float64
        Row: a trial's EEG; column: a trial's text.
    """

    eeg_NN: np.ndarray
    text_NN: np.ndarray
    cross_NN: np.ndarray

    @classmethod
    def of(cls, eeg_NF: np.ndarray, text_KF: np.ndarray, class_N: np.ndarray) -> Clouds:
        """Take the states themselves; `class_N` is each trial's row of `text_KF`."""
        eeg_NF, text_KF = np.float64(eeg_NF), np.float64(text_KF)
        return cls(
            eeg_NN=eeg_NF @ eeg_NF.T,
            text_NN=(text_KF @ text_KF.T)[np.ix_(class_N, class_N)],
            cross_NN=(eeg_NF @ text_KF.T)[:, class_N],
        )


def squared_centroid_distance(clouds: Clouds) -> Statistic:
    """Return the squared distance of the clouds' means over the text's own mean squared spread.

    That spread is the mean squared distance of the text states from their mean. No trial is paired
    with itself, which would add the noise of a mean of few trials to every distance; the figure may
    thereby be a little below 0.
    """
    apart_NN = clouds.eeg_NN - clouds.cross_NN - clouds.cross_NN.T + clouds.text_NN

    def figure(keep_RN: np.ndarray) -> np.ndarray:
        spread_R = _own(keep_RN, clouds.text_NN) - _mean(keep_RN, clouds.text_NN)
        return _ratio(_pairs(keep_RN, apart_NN), spread_R)

    return figure


def minus_cosine(clouds: Clouds) -> Statistic:
    """Return the cosine between the clouds' means, seen from zero, its sign turned.

    As in the distance, no trial is paired with itself; noise may thereby take it beyond 1. It
    rises with the angle, which `angle_of` makes of it in the end: an angle that is cut off at 0
    for every trial left out would look certain.
    """

    def figure(keep_RN: np.ndarray) -> np.ndarray:
        eeg_R, text_R = (_pairs(keep_RN, gram) for gram in (clouds.eeg_NN, clouds.text_NN))
        lengths_R = np.sqrt(eeg_R.clip(min=0) * text_R.clip(min=0))
        return -_ratio(_pairs(keep_RN, clouds.cross_NN), lengths_R)

    return figure


def angle_of(minus_cosine: float) -> float:
    """Return the angle, in degrees."""
    return float(_degrees(np.asarray(-minus_cosine)))


def pair_angle(gram_NN: np.ndarray) -> Statistic:
    """Return the mean angle between the states of two trials, seen from zero, in degrees."""
    length_N = np.sqrt(np.diag(gram_NN).clip(min=0))
    angle_NN = _degrees(_ratio(gram_NN, np.outer(length_N, length_N)))
    return lambda keep_RN: _pairs(keep_RN, angle_NN)


def alignment(clouds: Clouds) -> Statistic:
    """Return linear CKA with the unbiased estimate of HSIC: 0 on average for independent clouds.

    References
    ----------
    Kornblith et al. 2019, "Similarity of neural network representations revisited". Song et al.
    2012, "Feature selection via dependence maximization", equation 5, for the estimate: the plain
    one nears 1 for any two clouds that have fewer states than features.
    """
    eeg_NN, text_NN = clouds.eeg_NN.copy(), clouds.text_NN.copy()
    np.fill_diagonal(eeg_NN, 0)
    np.fill_diagonal(text_NN, 0)

    def figure(keep_RN: np.ndarray) -> np.ndarray:
        both_R = _hsic(keep_RN, eeg_NN, text_NN)
        own_R = _hsic(keep_RN, eeg_NN, eeg_NN).clip(min=0)
        return _ratio(both_R, np.sqrt(own_R * _hsic(keep_RN, text_NN, text_NN).clip(min=0)))

    return figure


def spread(gram_NN: np.ndarray) -> Statistic:
    """Return the trace of the covariance over trials (unbiased)."""

    def figure(keep_RN: np.ndarray) -> np.ndarray:
        n_R = keep_RN.sum(1)
        about_R = _own(keep_RN, gram_NN) - _mean(keep_RN, gram_NN)
        return about_R.clip(min=0) * _ratio(n_R, n_R - 1)

    return figure


def share(part: Statistic, whole: Statistic) -> Statistic:
    """Return one figure as a share of another."""
    return lambda keep_RN: _ratio(part(keep_RN), whole(keep_RN))


def relative_change(moved_N: np.ndarray, energy_N: np.ndarray) -> Statistic:
    """Return the root of summed squared changes over the root of summed squared lengths."""
    return lambda keep_RN: np.sqrt(_ratio(keep_RN @ moved_N, keep_RN @ energy_N))


def _mean(keep_RN: np.ndarray, gram_NN: np.ndarray) -> np.ndarray:
    """Return the mean entry among the trials kept: the inner product of two means."""
    return ((keep_RN @ gram_NN) * keep_RN).sum(1) / keep_RN.sum(1) ** 2


def _pairs(keep_RN: np.ndarray, gram_NN: np.ndarray) -> np.ndarray:
    """Return the mean entry among the trials kept, the diagonal left out."""
    n_R = keep_RN.sum(1)
    sums_R = ((keep_RN @ gram_NN) * keep_RN).sum(1) - keep_RN @ np.diag(gram_NN)
    return _ratio(sums_R, n_R * (n_R - 1))


def _own(keep_RN: np.ndarray, gram_NN: np.ndarray) -> np.ndarray:
    """Return the mean squared length of the trials kept."""
    return keep_RN @ np.diag(gram_NN) / keep_RN.sum(1)


def _hsic(keep_RN: np.ndarray, one_NN: np.ndarray, other_NN: np.ndarray) -> np.ndarray:
    """Return Song et al.'s unbiased estimate; the diagonals are zero."""
    n = keep_RN.sum(1)
    one_RN, other_RN = keep_RN @ one_NN, keep_RN @ other_NN
    trace = ((keep_RN @ (one_NN * other_NN)) * keep_RN).sum(1)
    sums = (one_RN * keep_RN).sum(1) * (other_RN * keep_RN).sum(1)
    rows = (one_RN * other_RN * keep_RN).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (trace + sums / ((n - 1) * (n - 2)) - 2 * rows / (n - 2)) / (n * (n - 3))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, NaN where the whole is nothing."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)


def _degrees(cosine: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(cosine.clip(-1, 1)))
