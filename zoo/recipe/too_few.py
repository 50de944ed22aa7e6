"""Questions that need several levels or settings: whether the cells of a recipe have them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from zoo.recipe.cells import Block, Cell
from zoo.recipe.where import matches, value_at
from zoo.registries import ANALYSES


def too_few(block: Block, cells: Sequence[Cell]) -> str | None:
    """Return what there is too little of for an analysis, or None.

    Its mark says what it needs: ``least={"levels": 3}`` of its parameter `axis`, or
    ``least={"settings": 3}`` of the grid.

    Parameters
    ----------
    block : Block
        The analysis, its parameters checked.
    cells : sequence of Cell
    """
    least = ANALYSES.spec(block.name).meta.get("least", {})
    found = [cell for cell in cells if matches(cell, block.params.get("where") or {})]
    if "levels" in least:
        axis, needed = block.params["axis"], least["levels"]
        count, what = len({str(value_at(cell, axis)) for cell in found}), f"levels of {axis}"
    elif "settings" in least:
        places = [{a: v for a, v in cell.coords.items() if a != "seed"} for cell in found]
        needed, what = least["settings"], "settings beside the seed"
        count = len({json.dumps(place, sort_keys=True) for place in places})
    else:
        return None
    return None if count >= needed else f"needs at least {needed} {what}, the cells have {count}"
