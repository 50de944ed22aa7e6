"""Two-way identification against the forms in use: pair by pair, and one correlation matrix.

    python -m pytest -s tests/benchmarks/bench_two_way.py

200 pictures drawn and 200 seen, by features of the widths of CLIP ViT-L/14, Inception v3 and
AlexNet-2 at 256 pixels. Pair by pair is measured on fewer pictures and scaled by the pairs. All
forms take turns in one process; medians are compared. The file's name keeps it out of the normal
test run.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import pytest

from zoo.metrics import two_way

PICTURES, ROUNDS = 200, 3
WIDTHS = {"clip-vit-l-14": 768, "inception-v3": 2048, "alexnet-2": 184_512}
#: Pictures that the loop is measured on.
FEW = {"clip-vit-l-14": 100, "inception-v3": 100, "alexnet-2": 16}
#: How many times faster than the loop, at least.
GAIN = 10


def ours(drawn: np.ndarray, seen: np.ndarray) -> np.ndarray:
    return two_way.scores(drawn, seen).diagonal()


def one_matrix(drawn: np.ndarray, seen: np.ndarray) -> np.ndarray:
    n = len(drawn)
    r_NT = np.corrcoef(np.concatenate([drawn, seen]).astype(np.float64))[:n, n:]
    return (r_NT < r_NT.diagonal()[:, None]).sum(axis=1) / (n - 1)


def loop(drawn: np.ndarray, seen: np.ndarray) -> np.ndarray:
    shares = np.empty(len(drawn))
    for i, picture in enumerate(drawn):
        own = np.corrcoef(picture, seen[i])[0, 1]
        others = [np.corrcoef(picture, seen[j])[0, 1] for j in range(len(seen)) if j != i]
        shares[i] = np.mean([own > other for other in others])
    return shares


def seconds(form: Callable[..., np.ndarray], *arrays: np.ndarray) -> float:
    began = time.perf_counter()
    form(*arrays)
    return time.perf_counter() - began


@pytest.mark.parametrize("tower", WIDTHS)
def test_two_way(tower: str) -> None:
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(PICTURES, WIDTHS[tower])).astype(np.float32)
    drawn = seen + rng.normal(size=seen.shape).astype(np.float32) * np.sqrt(WIDTHS[tower]) / 2
    few = FEW[tower]
    assert np.abs(ours(drawn, seen) - one_matrix(drawn, seen)).max() < 1e-9
    assert np.abs(ours(drawn[:few], seen[:few]) - loop(drawn[:few], seen[:few])).max() < 1e-9
    taken: dict[str, list[float]] = {"ours": [], "one matrix": [], "loop": []}
    for _ in range(ROUNDS):
        taken["ours"].append(seconds(ours, drawn, seen))
        taken["one matrix"].append(seconds(one_matrix, drawn, seen))
        scaled = seconds(loop, drawn[:few], seen[:few]) * (PICTURES / few) ** 2
        taken["loop"].append(scaled)
    medians = {form: statistics.median(times) for form, times in taken.items()}
    gains = {form: medians[form] / medians["ours"] for form in ("one matrix", "loop")}
    print(
        f"\n{tower}, {PICTURES} x {WIDTHS[tower]}: ours {medians['ours']:.4f} s; "
        f"one matrix {medians['one matrix']:.3f} s ({gains['one matrix']:.1f}x); "
        f"loop {medians['loop']:.2f} s ({gains['loop']:.0f}x, scaled from {few} pictures)"
    )
    assert gains["loop"] >= GAIN
