"""Questions that need several levels or settings: whether the cells of a recipe have them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from zoo.recipe.cells import Block, Cell
from zoo.recipe.where import matches, value_at

#: How many levels of its axis `spread` needs, and `rank_correlation` settings of the grid.
_LEAST = 3


def too_few(block: Block, cells: Sequence[Cell]) -> str | None:
    """Return what there is too little of for an analysis, or None.

    Parameters
    ----------
    block : Block
        The analysis, its parameters checked.
    cells : sequence of Cell
    """
    found = [cell for cell in cells if matches(cell, block.params.get("where") or {})]
    if block.name == "spread":
        axis = block.params["axis"]
        count = len({str(value_at(cell, axis)) for cell in found})
        what = f"levels of {axis}"
    elif block.name == "rank_correlation":
        places = [{a: v for a, v in cell.coords.items() if a != "seed"} for cell in found]
        count = len({json.dumps(place, sort_keys=True) for place in places})
        what = "settings beside the seed"
    else:
        return None
    return None if count >= _LEAST else f"needs at least {_LEAST} {what}, the cells have {count}"
