"""A linear probe: how well a ridge regression names the class from states, whatever their width."""

from __future__ import annotations

import numpy as np

#: Ridge penalties tried, in units of the mean eigenvalue of the training trials' Gram matrix.
PENALTIES = np.logspace(-4, 2, 13)


def probe(
    train_NN: np.ndarray, test_MN: np.ndarray, label_N: np.ndarray, classes_K: np.ndarray
) -> np.ndarray:
    """Return the class named for each test trial, (M,).

    Ridge regression on one-hot classes with a free intercept, in the dual; the penalty is the one
    with the least squared error over training trials left out one at a time (closed form).

    Parameters
    ----------
    train_NN : array (N, N), float64
        Inner products of the training trials' features, which have mean zero.
    test_MN : array (M, N), float64
        Of the test trials' (less the same mean) and the training trials'.
    label_N : array (N,)
        Of the training trials.
    classes_K : array (K,)
        Sorted, those that occur in `label_N`.

    References
    ----------
    Rifkin and Lippert 2007, "Notes on regularized least squares", for the closed form.
    """
    answer_NK = (label_N[:, None] == classes_K).astype(np.float64)
    mean_K = answer_NK.mean(0)
    value_N, vector_NN = np.linalg.eigh(train_NN)
    whole = value_N.clip(min=0).sum()
    if not whole > 0:  # all trials are alike: there is nothing but the intercept
        return np.full(len(test_MN), classes_K[mean_K.argmax()])
    n = len(label_N)
    # The constant direction is the intercept's; features of mean zero leave it out of the rest.
    used = value_N > 1e-10 * whole / n
    value_R, vector_NR = value_N[used], vector_NN[:, used]
    rest_NK = answer_NK - mean_K
    along_RK = vector_NR.T @ rest_NK
    off_NK = rest_NK - vector_NR @ along_RK
    outside_N = 1 - 1 / n - np.square(vector_NR).sum(1)
    best, coefficient_RK = np.inf, along_RK
    for penalty in PENALTIES * whole / n:
        kept_R = penalty / (value_R + penalty)
        residual_NK = off_NK + vector_NR @ (kept_R[:, None] * along_RK)
        own_N = outside_N + np.square(vector_NR) @ kept_R
        error = np.square(residual_NK / own_N.clip(min=1e-12)[:, None]).sum()
        if error < best:
            best, coefficient_RK = error, along_RK / (value_R + penalty)[:, None]
    scores_MK = mean_K + test_MN @ (vector_NR @ coefficient_RK)
    return classes_K[scores_MK.argmax(1)]
