"""A recipe written out: every default and layer resolved, readable again as a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from zoo.recipe.cells import Block, Cell
from zoo.recipe.grid import VARIED


def resolved(
    head: dict[str, Any],
    sources: dict[str, Any],
    published: Sequence[dict[str, Any]],
    cells: Sequence[Cell],
) -> dict[str, Any]:
    """Return the recipe as plain data, without stand-ins, arms or grid.

    `head` is the merged tree of the first cell, for what all cells share. The first cell is written
    out in full. Where there is a grid, ``cells`` lists every cell with its coordinates, the paths
    that arms have set (``tuned`` by trials, ``given`` without) and the blocks in which it differs
    from the first.
    """
    first = _blocks(cells[0])
    data: dict[str, Any] = {"schema": 1, "name": head["name"], "summary": head.get("summary", "")}
    data |= first
    data["metrics"] = [_written(metric) for metric in cells[0].metrics]
    data["controls"] = head.get("controls", [])
    data["score_on"] = cells[0].score_on
    if len(cells) > 1 or cells[0].coords:
        data["cells"] = [
            {"coords": cell.coords}
            | ({"tuned": list(cell.tuned)} if cell.tuned else {})
            | ({"given": list(cell.given)} if cell.given else {})
            | {k: v for k, v in _blocks(cell).items() if v != first[k]}
            for cell in cells
        ]
    if published:
        data["published"] = list(published)
    return data | {"sources": sources}


def _blocks(cell: Cell) -> dict[str, Any]:
    return {
        name: _written(value) if isinstance(value := getattr(cell, name), Block) else value
        for name in VARIED
    }


def _written(block: Block) -> dict[str, Any]:
    """Return a block without its empty parts, and without the one of epochs and steps not used."""
    parts = ((part.name, getattr(block, part.name)) for part in fields(block))
    written = {part: value for part, value in parts if value or part == "params"}
    if "train" in written:
        unused = [key for key in ("epochs", "steps") if written["train"][key] is None]
        written["train"] = {k: v for k, v in written["train"].items() if k not in unused}
    return written
