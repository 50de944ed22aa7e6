"""The leak probe's decoder: means and second moments of a trial's channels, shrinkage LDA.

Drift that belongs to a block shows in two ways. An offset, or what is slower than a trial, moves
the mean of a channel. What is faster has any phase when a picture appears and leaves the mean over
trials as it was; it shows in which channels move together, the second moments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: Samples of a trial that are kept: averages over equal stretches, at most so many.
SAMPLES = 64
#: Principal components that stand for the channels.
COMPONENTS = 24
#: Part of the mean variance that is added to each component, so that short trials have logarithms.
RIDGE = 0.1
#: Added to the variance of standardised features, so that one that never moves can be divided by.
JITTER = 1e-6
#: Stretches of a trial whose means are told apart in `course`.
STRETCHES = 4
#: Trials read at once.
BLOCK = 256

#: (trials (N, C, T), which of them train) -> features (N, F).
Features = Callable[[np.ndarray, np.ndarray], np.ndarray]


def read_pooled(eeg_PCT: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return trials as means over equal stretches of time, (N, C, at most `SAMPLES`) float32.

    Parameters
    ----------
    eeg_PCT : array, memory-mapped
        All prepared trials.
    rows : array (N,)
        Which.
    """
    n_chans, n_times = eeg_PCT.shape[1:]
    step = -(-n_times // SAMPLES)
    kept = n_times // step
    pooled_NCT = np.empty((len(rows), n_chans, kept), np.float32)
    for start in range(0, len(rows), BLOCK):
        part = eeg_PCT[rows[start : start + BLOCK], :, : kept * step]
        pooled_NCT[start : start + BLOCK] = part.reshape(*part.shape[:2], kept, step).mean(axis=3)
    return pooled_NCT


def channel_means(trials_NCT: np.ndarray, train_N: np.ndarray) -> np.ndarray:  # noqa: ARG001
    """Return one number a channel, (N, C)."""
    return trials_NCT.mean(axis=2)


def moments(trials_NCT: np.ndarray, train_N: np.ndarray) -> np.ndarray:
    """Return the logarithm of each trial's second moments, (N, F): which channels move together.

    What is locked to the picture and small, such as the ringing of a filter ahead of a response,
    adds its square to them and hardly counts.

    References
    ----------
    Arsigny et al. 2007, "Geometric means in a novel vector space structure on symmetric
    positive-definite matrices": the logarithm makes the matrices a vector space.
    """
    return _log_moments(_components(trials_NCT, train_N), train_N)


def course(trials_NCT: np.ndarray, train_N: np.ndarray) -> np.ndarray:
    """Return means over quarters of the trial beside the second moments, (N, F)."""
    parts_NKT = _components(trials_NCT, train_N)
    quarters = np.array_split(parts_NKT, STRETCHES, axis=2)
    means = [quarter.mean(axis=2) for quarter in quarters if quarter.shape[2]]
    return np.concatenate([*means, _log_moments(parts_NKT, train_N)], axis=1)


def predict(
    features: Features, trials_NCT: np.ndarray, label_N: np.ndarray, train_N: np.ndarray
) -> np.ndarray:
    """Return the label decoded for every trial outside `train_N`, in their order."""
    names_K, scores_MK = decode(features, trials_NCT, label_N, train_N)
    return names_K[scores_MK.argmax(axis=1)]


def decode(
    features: Features, trials_NCT: np.ndarray, label_N: np.ndarray, train_N: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the K labels of training, and a score (M, K) for the M trials outside `train_N`.

    Features, standardisation and classifier see nothing but the training trials.
    """
    features_NF = features(trials_NCT, train_N)
    model = _Lda.fit(features_NF[train_N], label_N[train_N])
    return model.names, model.scores(features_NF[~train_N])


def _components(trials_NCT: np.ndarray, train_N: np.ndarray) -> np.ndarray:
    """Return the principal components of the standardised channels, (N, K, T)."""
    train_NCT = trials_NCT[train_N].astype(np.float64)
    mean_C = train_NCT.mean(axis=(0, 2))
    std_C = _or_one(train_NCT.std(axis=(0, 2)))
    scaled_NCT = (train_NCT - mean_C[:, None]) / std_C[:, None]
    flat_CS = scaled_NCT.transpose(1, 0, 2).reshape(len(mean_C), -1)
    _, vectors_CC = np.linalg.eigh(flat_CS @ flat_CS.T)
    pattern_CK = vectors_CC[:, ::-1][:, :COMPONENTS] / std_C[:, None]
    parts_NKT = np.matmul(pattern_CK.T.astype(np.float32), trials_NCT)
    return parts_NKT - (mean_C @ pattern_CK).astype(np.float32)[:, None]


def _log_moments(parts_NKT: np.ndarray, train_N: np.ndarray) -> np.ndarray:
    n_parts = parts_NKT.shape[1]
    moments_NKK = np.matmul(parts_NKT, parts_NKT.transpose(0, 2, 1)) / parts_NKT.shape[2]
    level = np.einsum("nkk->", moments_NKK[train_N]) / train_N.sum() / n_parts
    moments_NKK += RIDGE * (level or 1.0) * np.eye(n_parts, dtype=np.float32)
    values, vectors = np.linalg.eigh(moments_NKK)
    log_NKK = np.matmul(vectors * np.log(values)[:, None], vectors.transpose(0, 2, 1))
    upper = np.triu_indices(n_parts)
    return log_NKK[:, upper[0], upper[1]]


@dataclass(frozen=True)
class _Lda:
    """Linear discriminants with one covariance for all classes, shrunk by Ledoit and Wolf's rule.

    scikit-learn's classifier shrinks each class by itself, which a class of two trials defeats.
    """

    mean_F: np.ndarray
    std_F: np.ndarray
    names: np.ndarray
    weight_FK: np.ndarray
    bias_K: np.ndarray

    @classmethod
    def fit(cls, features_NF: np.ndarray, label_N: np.ndarray) -> _Lda:
        from sklearn.covariance import ledoit_wolf

        mean_F = features_NF.mean(axis=0, dtype=np.float64)
        std_F = _or_one(features_NF.std(axis=0, dtype=np.float64))
        scaled_NF = (features_NF - mean_F) / std_F
        names, member_N, count_K = np.unique(label_N, return_inverse=True, return_counts=True)
        centre_KF = np.zeros((len(names), scaled_NF.shape[1]))
        np.add.at(centre_KF, member_N, scaled_NF)
        centre_KF /= count_K[:, None]
        alone = count_K.max() == 1  # nothing varies within a class: take the whole spread
        spread_NF = scaled_NF if alone else scaled_NF - centre_KF[member_N]
        covariance_FF, _ = ledoit_wolf(spread_NF, assume_centered=True)
        covariance_FF.flat[:: len(mean_F) + 1] += JITTER
        weight_FK = np.linalg.solve(covariance_FF, centre_KF.T)
        share_K = count_K / len(label_N)
        bias_K = np.log(share_K) - np.einsum("kf,fk->k", centre_KF, weight_FK) / 2
        return cls(mean_F, std_F, names, weight_FK, bias_K)

    def scores(self, features_NF: np.ndarray) -> np.ndarray:
        scaled_NF = (features_NF - self.mean_F) / self.std_F
        return scaled_NF @ self.weight_FK + self.bias_K


def _or_one(spread: np.ndarray) -> np.ndarray:
    return np.where(spread > 0, spread, 1.0)
