"""Loop forms of metrics, as papers compute them: what ours must equal, and be faster than."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def n_way_by_trials(
    scores_NC: np.ndarray, true_N: np.ndarray, *, n: int, n_trials: int, seed: int = 0
) -> np.ndarray:
    """Share of `n_trials` draws in which the true class wins, (N,): one row of n at a time.

    The true class is put first, n - 1 others drawn without replacement follow, and torchmetrics
    says whether the first is the top one.
    """
    import torch
    from torchmetrics.functional.classification import multiclass_accuracy

    rng = np.random.default_rng(seed)
    shares = []
    for scores_C, true in zip(scores_NC, true_N, strict=True):
        others = [c for c in range(len(scores_C)) if c != true]
        won = []
        for _ in range(n_trials):
            drawn = rng.choice(others, n - 1, replace=False)
            row = torch.from_numpy(np.concatenate([scores_C[[true]], scores_C[drawn]]))
            right = multiclass_accuracy(
                row[None], torch.tensor([0]), num_classes=n, average="micro", validate_args=False
            )
            won.append(right.item())
        shares.append(np.mean(won))
    return np.array(shares)


def n_way_by_trials_lean(
    scores_NC: np.ndarray, true_N: np.ndarray, *, n: int, n_trials: int, seed: int = 0
) -> np.ndarray:
    """The same with NumPy's argmax in place of torchmetrics and no list of the other classes."""
    rng = np.random.default_rng(seed)
    shares = []
    for scores_C, true in zip(scores_NC, true_N, strict=True):
        others = np.delete(scores_C, true)
        won = [
            np.append(scores_C[true], rng.choice(others, n - 1, replace=False)).argmax() == 0
            for _ in range(n_trials)
        ]
        shares.append(np.mean(won))
    return np.array(shares)


def retrieval_by_trials(
    eeg_NF: np.ndarray,
    pictures_CF: np.ndarray,
    own_N: np.ndarray,
    *,
    n: int,
    k: int,
    draws: int = 1,
    seed: int = 0,
) -> np.ndarray:
    """Share of draws in which the own picture is among the first k of n, (N,).

    One trial at a time: n - 1 other pictures are drawn, their features gathered, compared with
    the trial's embedding and sorted. With n = C nothing is left to chance.
    """
    rng = np.random.default_rng(seed)
    shares = []
    for eeg_F, own in zip(eeg_NF, own_N, strict=True):
        others = [c for c in range(len(pictures_CF)) if c != own]
        won = []
        for _ in range(draws):
            chosen = [*rng.choice(others, n - 1, replace=False), own]
            similarity = pictures_CF[chosen] @ eeg_F
            won.append(n - 1 in np.argsort(-similarity)[:k])
        shares.append(np.mean(won))
    return np.array(shares)


def seconds(function: Callable[..., Any], *args: Any, times: int = 3, **keywords: Any) -> float:
    """Return the shortest of so many runs."""
    runs = []
    for _ in range(times):
        began = time.perf_counter()
        function(*args, **keywords)
        runs.append(time.perf_counter() - began)
    return min(runs)


def side_by_side(functions: Sequence[Callable[[], Any]], *, times: int = 3) -> list[float]:
    """Return the shortest time of each, measured in turn."""
    runs = [[seconds(function, times=1) for function in functions] for _ in range(times)]
    return [min(column) for column in zip(*runs, strict=True)]
