"""What every analysis promises: it finds what was planted, not what is not there, and says so.

The example grid has encoders good, fair and poor and three more, seeds 0 to 5, subjects 1 to 3 and
the metrics ``score`` and ``other``; an analysis is built with its mark's ``tiny``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from zoo.checks import _check
from zoo.checks._case import Case
from zoo.grid_scores import Analysis, AnalysisResult, GridScores, NotAnswered, Score
from zoo.recipe.cells import Block, Cell
from zoo.recipe.where import value_at
from zoo.seeds import numpy_rng

#: Encoder -> mean score that is planted.
ENCODERS = {"good": 0.9, "better": 0.8, "fair": 0.6, "middling": 0.5, "weak": 0.35, "poor": 0.2}
SUBJECTS = {"1": 0.1, "2": 0.0, "3": -0.1}
SEEDS = range(6)
STEPS = {10: -0.1, 20: -0.05, None: 0.0}
TRIALS = 12


def example(*, planted: bool = True, seed: int = 0) -> GridScores:
    """Return the scores of a made-up grid; without `planted`, every cell is at 0.5.

    Parameters
    ----------
    planted : bool
    seed : int
        Of the draw.
    """
    cells = tuple(_cell(e, s, k) for e in ENCODERS for s in SUBJECTS for k in SEEDS)
    scores = []
    for cell in cells:
        mean = ENCODERS[cell.encoder.name] + SUBJECTS[cell.dataset.params["subjects"][0]]
        for step, more in STEPS.items():
            for metric in ("score", "other"):
                rng = numpy_rng(seed, cell.id, str(step), metric)
                scores.append(_score(cell, metric, step, mean + more if planted else 0.5, rng))
    words = {"pocket": "the text encoder of the pocket weights"}
    return GridScores(cells=cells, scores=tuple(scores), data="simulated", text_encoders=words)


def _cell(encoder: str, subject: str, seed: int) -> Cell:
    coords = {"encoder": encoder, "dataset.params.subjects": [subject], "seed": seed}
    return Cell(
        id=f"encoder={encoder},subjects={subject},seed={seed}",
        coords=coords,
        seed=seed,
        dataset=Block("made_up", {"subjects": [subject]}),
        encoder=Block(encoder),
        conditioner=Block("linear", train={"steps": 30, "snapshots": [10, 20]}),
        pipeline=Block("stable_diffusion", {"weights": "pocket"}),
        metrics=(Block("score", label="score"), Block("other", label="other")),
        controls=(),
    )


def _score(
    cell: Cell, metric: str, step: int | None, mean: float, rng: np.random.Generator
) -> Score:
    subject = cell.dataset.params["subjects"][0]
    ids = [f"s{subject}-t{i:03d}" for i in range(TRIALS)]
    table = pd.DataFrame(
        {
            "trial_id": ids,
            "subject": 0,
            "image_id": [f"image{i:03d}" for i in range(TRIALS)],
            "score": np.clip(mean + rng.normal(0, 0.15, TRIALS), 0, 1),
            "cluster": ids,
        }
    )
    value = float(table["score"].mean())
    return Score(
        cell=cell, metric=metric, step=step, value=value, n=TRIALS, chance=0.5,
        definition="Made up.", read=partial(table.copy),
    )  # fmt: skip


def build(case: Case) -> Analysis:
    """Return the analysis under test."""
    return case.cls(**case.params)


def null_of(analysis: Analysis) -> float | None:
    """Return the value that says "nothing is there"; None where the answer is a description."""
    kind, mark = type(analysis).__component__  # type: ignore[attr-defined]
    assert kind == "analysis", f"marked as a {kind}"
    return mark.get("null")


def finds_what_is_planted(case: Case) -> None:
    """A large effect is found: the interval holds the value, and not the mark's ``null``."""
    analysis = build(case)
    result, null = analysis.answer(example()), null_of(analysis)
    assert result.value is not None, result
    assert np.isfinite(result.value), result
    if result.ci95 is not None:
        low, high = result.ci95
        assert low - 1e-9 <= result.value <= high + 1e-9, result
    if null is not None:
        assert result.ci95 is not None, f"planted, and no interval: {result.sentence}"
        assert not _holds(result, null), f"planted, and not found: {result.sentence}"


def finds_nothing_where_nothing_is(case: Case) -> None:
    """Where every cell is alike, the interval holds ``null``, in at least four of five grids."""
    analysis = build(case)
    if (null := null_of(analysis)) is None:
        return
    found = [analysis.answer(example(planted=False, seed=seed)) for seed in range(5)]
    wrong = [result.sentence for result in found if not _holds(result, null)]
    assert len(wrong) <= 1, f"nothing is there, and found: {wrong}"


def _holds(result: AnalysisResult, null: float) -> bool:
    return result.ci95 is None or result.ci95[0] <= null <= result.ci95[1]


def is_whole(case: Case) -> None:
    """An answer has a sentence, a definition, n, unit, split and metric, and is JSON-able."""
    result = build(case).answer(example())
    assert len(result.sentence) > 20, result
    assert result.sentence.rstrip().endswith("."), result.sentence
    for field in ("definition", "unit", "split", "metric"):
        assert getattr(result, field), f"no {field}: {result}"
    assert result.n > 0, result
    assert result.reason is None, result
    json.dumps(result.to_json(), allow_nan=False)
    assert all(row.get("row") for row in result.rows), "each row says in 'row' what it is"


def order_does_not_matter(case: Case) -> None:
    """Cells, rows and trials in another order give the same answer."""
    grid = example()
    turned = GridScores(
        cells=grid.cells[::-1],
        scores=tuple(_reversed(score) for score in grid.scores[::-1]),
        data=grid.data,
        text_encoders=grid.text_encoders,
    )
    one, other = (build(case).answer(scores) for scores in (grid, turned))
    assert np.isclose(_number(one), _number(other)), (one.value, other.value)
    assert (one.ci95 is None) == (other.ci95 is None)
    if one.ci95 is not None and other.ci95 is not None:
        assert np.allclose(one.ci95, other.ci95), (one.ci95, other.ci95)


def _reversed(score: Score) -> Score:
    table = score.trials()
    assert table is not None
    return replace(score, read=partial(table.iloc[::-1].reset_index(drop=True).copy))


def _number(result: AnalysisResult) -> float:
    assert result.value is not None, result
    return result.value


def repeats(case: Case) -> None:
    """The same grid gives the same answer twice."""
    one, other = (build(case).answer(example()) for _ in range(2))
    assert one == other


def what_is_missing_is_said(case: Case) -> None:
    """Without a figure or a cell that it needs, it raises `NotAnswered` with a reason."""
    grid = example()
    failed = tuple(
        replace(score, value=None, reason="not computed: it failed") for score in grid.scores
    )
    for what, scores in {
        "no cell": replace(grid, cells=(), scores=()),
        "no figure": replace(grid, scores=()),
        "figures that failed": replace(grid, scores=failed),
    }.items():
        reason = None
        try:
            build(case).answer(scores)
        except NotAnswered as why:
            reason = str(why)
        assert reason, f"{what}: answered all the same, or refused without a reason"


def fewer_than_its_least_are_refused(case: Case) -> None:
    """What the mark calls the ``least`` levels or settings is answered; one fewer is not."""
    analysis, grid = build(case), example()
    least = type(analysis).__component__[1].get("least", {})  # type: ignore[attr-defined]
    assert set(least) <= {"levels", "settings"}, f"least={least!r}: levels or settings"
    if not least:
        return
    assert len(least) == 1, f"least={least!r}: levels or settings, one of them"
    [(what, needed)] = least.items()
    assert what == "settings" or "axis" in case.params, "levels are those of its parameter axis"
    analysis.answer(_first(grid, what, needed, case))
    refused = False
    try:
        analysis.answer(_first(grid, what, needed - 1, case))
    except NotAnswered:
        refused = True
    assert refused, f"least={least!r}, and with {needed - 1} {what} it answers"


def _first(grid: GridScores, what: str, count: int, case: Case) -> GridScores:
    """Return the cells at the first so many levels of the axis, or settings beside the seed."""

    def place(cell: Cell) -> str:
        if what == "levels":
            return str(value_at(cell, case.params["axis"]))
        return str({axis: value for axis, value in cell.coords.items() if axis != "seed"})

    asked = grid.matching(case.params.get("where") or {})
    kept = list(dict.fromkeys(map(place, asked)))[:count]
    cells = tuple(cell for cell in asked if place(cell) in kept)
    scores = tuple(score for score in grid.scores if score.cell in cells)
    return replace(grid, cells=cells, scores=scores)


#: Every promise, in the order in which a newcomer should read them.
CHECKS: tuple[Callable[[Case], None], ...] = (
    finds_what_is_planted,
    finds_nothing_where_nothing_is,
    is_whole,
    order_does_not_matter,
    repeats,
    what_is_missing_is_said,
    fewer_than_its_least_are_refused,
)


def check(analysis: str | type, **params: Any) -> None:
    """Run every check on an analysis, by name or class, built with `params`.

    Raises
    ------
    AssertionError
        Names every promise that is broken, and how.
    """
    _check("analysis", analysis, params)
