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


def retrieval_by_rows(similarity_NC: np.ndarray, own_N: np.ndarray, *, k: int) -> np.ndarray:
    """1 where the own picture is among the first k of all, (N,): one trial's ranking at a time."""
    hits = []
    for row, own in zip(similarity_NC, own_N, strict=True):
        hits.append(float(own in np.argsort(-row)[:k].tolist()))
    return np.array(hits)


def retrieval_by_draws(
    similarity_NC: np.ndarray, own_N: np.ndarray, *, n: int, k: int, draws: int, seed: int = 0
) -> np.ndarray:
    """Share of draws of n - 1 other candidates in which the own one is among the first k, (N,)."""
    rng = np.random.default_rng(seed)
    shares = []
    for row, own in zip(similarity_NC, own_N, strict=True):
        others = np.delete(np.arange(len(row)), own)
        won = []
        for _ in range(draws):
            candidates = np.append(rng.choice(others, n - 1, replace=False), own)
            won.append(n - 1 in np.argsort(-row[candidates])[:k])
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
