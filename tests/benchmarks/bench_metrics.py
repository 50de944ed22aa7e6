"""Metrics in closed form or batched against the loops that papers run, side by side.

    python -m pytest -s tests/benchmarks/bench_metrics.py

Each case is a pair of functions that score the same pictures or trials; both are timed in turn in
one run, the shortest of several counts, per picture where the loop would take too long on all of
them. The loops are in ``tests/metric_loops.py``. The file's name keeps it out of the normal test
run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from metric_loops import (
    n_way_by_trials,
    n_way_by_trials_lean,
    retrieval_by_trials,
    side_by_side,
)

from zoo.checks import metric as battery
from zoo.contracts import TowerOutput
from zoo.metrics._ranks import hits
from zoo.metrics.n_way import NWay


@dataclass(frozen=True)
class Case:
    """Ours and the loop, how many pictures or trials each scores, and how much faster ours is."""

    name: str
    ours: Callable[[], Any]
    loop: Callable[[], Any]
    ours_n: int
    loop_n: int
    at_least: float


RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=(1000, 1, 1000)).astype(np.float32)
TRUE = RNG.integers(1000, size=1000)
PICTURES, OWN = RNG.normal(size=(200, 1024)).astype(np.float32), np.arange(200)
EEG = PICTURES + 8 * RNG.normal(size=PICTURES.shape).astype(np.float32)


def n_way_figure() -> Any:
    """The whole metric: closed form, every pairing, bootstrap interval."""
    seen = np.eye(1000, dtype=np.float32)[TRUE]
    tower = TowerOutput(name="a tower", definition="a benchmark", drawn=SCORES, seen=seen)
    inputs = replace(battery.example(perfect=False, n=1000), scores=tower)
    return lambda: NWay().compute(inputs)


def n_way_case(name: str, loop: Any, pictures: int, n_trials: int, at_least: float) -> Case:
    return Case(
        f"n_way, {name}, {n_trials} draws",
        lambda: hits(SCORES, TRUE, n=50, k=1),
        lambda: loop(SCORES[:pictures, 0], TRUE[:pictures], n=50, n_trials=n_trials),
        1000,
        pictures,
        at_least,
    )


def retrieval_case(n: int, draws: int, at_least: float) -> Case:
    """From embeddings and features on, as the loop compares them trial by trial."""
    return Case(
        f"retrieval among {n} of 200, {draws} draws a trial",
        lambda: hits((EEG @ PICTURES.T)[:, None], OWN, n=n, k=1),
        lambda: retrieval_by_trials(EEG, PICTURES, OWN, n=n, k=1, draws=draws),
        200,
        200,
        at_least,
    )


CASES = [
    n_way_case("torchmetrics a draw", n_way_by_trials, 10, 50, 300),
    n_way_case("torchmetrics a draw", n_way_by_trials, 2, 1000, 300),
    n_way_case("argmax a draw", n_way_by_trials_lean, 10, 50, 30),
    n_way_case("argmax a draw", n_way_by_trials_lean, 2, 1000, 300),
    Case(
        "n_way with pairs and interval, torchmetrics a draw, 1000 draws",
        n_way_figure(),
        lambda: n_way_by_trials(SCORES[:2, 0], TRUE[:2], n=50, n_trials=1000),
        1000,
        2,
        300,
    ),
    retrieval_case(200, 1, 10),
    retrieval_case(50, 1, 5),
    retrieval_case(50, 100, 10),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_side_by_side(case: Case) -> None:
    ours, loop = side_by_side([case.ours, case.loop], times=5)
    each, theirs = ours / case.ours_n * 1e6, loop / case.loop_n * 1e6
    print(
        f"\n{case.name}: ours {ours * 1e3:.1f} ms for {case.ours_n} ({each:.1f} us each), "
        f"loop {theirs:.0f} us each: {theirs / each:.0f} x"
    )
    assert theirs / each >= case.at_least
