"""`where`: which cells a part of a recipe speaks of, by the values that they have there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.recipe.cells import Block, Cell
from zoo.recipe.schema import shown

#: Stands for a value that a cell does not have: unlike every value, null included.
ABSENT = object()


def value_at(cell: Cell, dotted: str) -> Any:
    """Return what a cell has at a dotted path; `ABSENT` where it has nothing.

    A block's own name may be left out: ``encoder`` is ``encoder.name``.

    Examples
    --------
    ``value_at(cell, "conditioner.params.opens")`` is ``"attn2"``.
    """
    first, *rest = dotted.split(".")
    found: Any = getattr(cell, first, ABSENT)
    if isinstance(found, Block):
        first, *rest = rest or ["name"]
        found = getattr(found, first, ABSENT)
    for key in rest:
        found = found.get(key, ABSENT) if isinstance(found, Mapping) else ABSENT
    return found


def matches(cell: Cell, where: Mapping[str, Any]) -> bool:
    """Say whether a cell has every value of `where`, a mapping of dotted paths to values.

    A value of an axis counts as the grid writes it, too: ``encoder.train: {init_from: null}``.
    """
    return all(
        same(value_at(cell, dotted), value) or same(cell.coords.get(dotted, ABSENT), value)
        for dotted, value in where.items()
    )


def no_cell(where: Mapping[str, Any], cells: Sequence[Cell]) -> str | None:
    """Return why a selection is empty, naming what the cells have instead; None where it is not."""
    if any(matches(cell, where) for cell in cells):
        return None
    for dotted, value in where.items():
        if not any(matches(cell, {dotted: value}) for cell in cells):
            there = {shown(found) for cell in cells if (found := value_at(cell, dotted)) != ABSENT}
            has = f"they have: {', '.join(sorted(there))}" if there else "none has such a value"
            return f"no cell of this recipe has {dotted} = {shown(value)}; {has}"
    return f"no cell of this recipe has all of {', '.join(where)} as given"


def same(found: Any, wanted: Any) -> bool:
    """Compare as recipes do: 5 is 5.0, and true is not 1."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, list | tuple) and isinstance(wanted, list | tuple):
        pairs = zip(found, wanted, strict=False)
        return len(found) == len(wanted) and all(same(a, b) for a, b in pairs)
    return bool(found == wanted)
