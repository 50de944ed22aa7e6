"""Cells whose scores were not computed: what a question is still answered from without them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from zoo.analyses._arms import Arms
from zoo.grid_scores import GridScores, NotAnswered
from zoo.recipe.cells import Cell
from zoo.statistics import MIN_CLUSTERS

#: Cell id -> why it has no score.
Lost = dict[str, str]


def pairs_left(
    scores: GridScores, sides: list[Arms], metric: str, over: str
) -> tuple[list[Arms], Lost]:
    """Return the arms at the seeds of which every cell has a score, and the cells without one.

    A seed is left out whole: seeds with fewer levels than others would make every draw of seeds
    another mix of levels.

    Raises
    ------
    NotAnswered
        Some were lost, and fewer than five seeds are left.
    """
    cells = [cell for arms in sides for cell in arms.cells]
    lost = _lost(scores, cells, (metric,), ended=over == "end")
    if not lost:
        return sides, lost
    left = {cell.seed for cell in cells} - {cell.seed for cell in cells if cell.id in lost}
    _need_five(lost, left)
    places = {arms.place(pair) for arms in sides for pair in arms.pairs}
    kept = {(seed, level) for seed, level in places if seed in left}
    return [arms.at(kept) for arms in sides], lost


def seeds_left(
    scores: GridScores, cells: tuple[Cell, ...], *metrics: str
) -> tuple[tuple[Cell, ...], Lost]:
    """Return the cells of the seeds of which every cell has its scores, and those that lack some.

    A seed is left out whole, so that what is compared stays alike in all else.

    Raises
    ------
    NotAnswered
        Some were lost, and fewer than five seeds are left.
    """
    lost = _lost(scores, cells, metrics, ended=True)
    gone = {cell.seed for cell in cells if cell.id in lost}
    kept = tuple(cell for cell in cells if cell.seed not in gone)
    if lost:
        _need_five(lost, {cell.seed for cell in kept})
    return kept, lost


def _lost(
    scores: GridScores, cells: Iterable[Cell], metrics: Collection[str], *, ended: bool
) -> Lost:
    """Return the cells that have a row without a figure, or none at the end of training."""
    found = {}
    for cell in cells:
        for metric in metrics:
            for step in [*([] if ended else scores.steps(cell, metric)), None]:
                try:
                    scores.of(cell, metric, step=step)
                except NotAnswered as why:
                    found.setdefault(cell.id, str(why))
    return found


def _need_five(lost: Lost, seeds: set[int]) -> None:
    if len(seeds) >= MIN_CLUSTERS:
        return
    why, *others = lost.values()
    more = f" (and {len(others)} more)" if others else ""
    raise NotAnswered(
        f"{why}{more}; without it fewer than {MIN_CLUSTERS} seeds are left to compare. Run again: "
        "only what is missing is computed"
    )
