"""Questions about two arms: whether the cells of a recipe can answer them, before anything runs.

An analysis that takes two selections of cells called `a` and `b` holds them against each other in
pairs, by `when` and `than` in some cells and in others. ``over: area`` asks for the course of the
training; `margin` is a difference that matters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from registry import BadParameters
from zoo.recipe.cells import Block, Cell
from zoo.recipe.metrics import OF_PICTURES
from zoo.registries import METRICS


def margin_problem(params: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the margin, or None."""
    margin = params.get("margin")
    return None if margin is None or margin > 0 else f"must be > 0, got {margin:g}"


def selections_problem(params: Mapping[str, Any]) -> str | None:
    """Return what is wrong with `when` and `than`, whatever the cells; None where nothing is."""
    from zoo.analyses._arms import check_selections  # speaks of recipes, and imports them

    try:
        check_selections(params["a"], params["b"], params.get("when"), params.get("than"))
    except BadParameters as why:
        return str(why)
    return None


def unanswerable(params: Mapping[str, Any], cells: Sequence[Cell]) -> str | None:
    """Return why these cells cannot answer a question about `a` and `b`, or None.

    Parameters
    ----------
    params : mapping
        Of the analysis, its defaults included.
    cells : sequence of Cell

    Returns
    -------
    str or None
        The arms share a cell, an arm has two cells for one place, no two cells agree, no pair
        where `when` holds agrees with one where `than` does, or an area is asked of trainings that
        are scored at their end alone.
    """
    from zoo.analyses._arms import paired, together  # these two speak of recipes, and import them
    from zoo.grid_scores import GridScores, NotAnswered

    grid = GridScores(cells=tuple(cells), scores=(), data="", text_encoders={})
    try:
        sides = [
            paired(grid, {**params["a"], **half}, {**params["b"], **half})
            for half in _halves(params)
        ]
        if len(sides) == 2:
            sides = together(*sides)
    except NotAnswered as why:
        return str(why)
    if params.get("over") != "area":
        return None
    return _no_area([cell for arms in sides for cell in arms.cells], params.get("metric"))


def _halves(params: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what both arms are narrowed to, one after the other: by `when` and by `than`."""
    given = [params[name] for name in ("when", "than") if params.get(name)]
    return given or [{}]


def _no_area(cells: Sequence[Cell], metric: str | None) -> str | None:
    """Return why there is no area under the scores of these cells, or None."""
    for cell in cells:
        steps = _steps(cell)
        if steps is None:
            return (
                "over: area needs the length of the training in steps; give "
                f"conditioner.train.steps, not epochs ({cell.id})"
            )
        if len(steps) < 2:
            return (
                "over: area needs scores before the end of the training; give "
                f"conditioner.train.snapshots before step {steps[-1]} ({cell.id})"
            )
        if steps != _steps(cells[0]):
            return (
                f"over: area needs the same snapshots in both arms: {cells[0].id} has "
                f"{_steps(cells[0])}, {cell.id} has {steps}"
            )
        if metric is not None and not _is_of_pictures(cell.metrics, metric):
            return f"over: area needs a metric of pictures: {metric!r} is the same at all snapshots"
    return None


def _steps(cell: Cell) -> list[int] | None:
    """Return the steps at which the pictures of a cell are scored; None of epochs."""
    train = cell.conditioner.train
    return sorted({*train["snapshots"], train["steps"]}) if train["steps"] else None


def _is_of_pictures(metrics: Sequence[Block], label: str) -> bool:
    names = [metric.name for metric in metrics if metric.label == label]
    return any(OF_PICTURES.intersection(METRICS.spec(name).meta.get("needs", ())) for name in names)
