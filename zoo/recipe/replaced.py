"""What ``--set`` takes from cells that their own axes or arms had given it: found, then said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from zoo.recipe.cells import Cell, Replaced
from zoo.recipe.errors import Problems, Where
from zoo.recipe.nodes import Node, plain
from zoo.recipe.overrides import Path
from zoo.recipe.schema import shown
from zoo.recipe.where import ABSENT, same

#: Most values that one sentence names, and their length.
VALUES, WIDTH = 3, 60


def replaced(before: Node, after: Node, paths: Iterable[Path]) -> tuple[Replaced, ...]:
    """Return what a cell had at `paths`, and has no longer.

    Parameters
    ----------
    before, after : Node
        The cell's merged tree without the overrides and with them.
    paths : iterable of path
        What its axes and arms have set.
    """
    found = []
    for path in dict.fromkeys(paths):
        was, now = _plain(before.at(path)), _plain(after.at(path))
        if was is not ABSENT and not same(now, was):
            gone = now is ABSENT
            found.append(Replaced(".".join(path), was, None if gone else now, gone=gone))
    return tuple(found)


def require_told_apart(ids: Sequence[str], problems: Problems) -> None:
    """Note cells of one name: overrides have left in each what suited it before.

    What an arm set, or in a list of cells a component's own way of training.
    """
    for name, count in Counter(ids).items():
        if count > 1:
            problems.add(
                Where("--set"),
                f"makes {count} cells {name}, which differ in what suited each before; choose from "
                "the grid of the recipe instead: --set grid.PATH=[...]",
            )


def replaced_text(cells: Sequence[Cell]) -> list[str]:
    """Return a sentence for each value of ``--set`` that stands where cells had one of their own.

    And one for cells that it made to be of no arm with trials.

    Examples
    --------
    "conditioner.train.steps=5 (--set) replaces 0 in 4 cells"
    """
    alike: dict[str, list[Replaced]] = {}
    for cell in cells:
        for one in cell.replaced:
            said = f"--set removes {one.path}," if one.gone else f"{one.path}={_value(one.now)}"
            alike.setdefault(said, []).append(one)
    return [*(_sentence(said, found) for said, found in alike.items()), *_untuned(cells)]


def _sentence(said: str, found: Sequence[Replaced]) -> str:
    values = list(dict.fromkeys(_value(one.was) for one in found))
    had = ", ".join([*values[:VALUES], *(["..."] if len(values) > VALUES else [])])
    cells = "1 cell" if len(found) == 1 else f"{len(found)} cells"
    left_out = sum(one.left_out for one in found)
    more = f"; {left_out} {'is' if left_out == 1 else 'are'} left out, as equal to another"
    verb = "which was" if found[0].gone else "(--set) replaces"
    return f"{said} {verb} {had} in {cells}{more if left_out else ''}"


def _untuned(cells: Sequence[Cell]) -> list[str]:
    """Return one sentence on the cells that have lost their arm; nothing where none has."""
    found = [cell.id for cell in cells if cell.lost_arm]
    if not found:
        return []
    count = "1 cell is" if len(found) == 1 else f"{len(found)} cells are"
    named = ", ".join([*found[:VALUES], *(["..."] if len(found) > VALUES else [])])
    return [f"{count} of no arm with trials (--set): nothing was tuned for {named}"]


def _value(value: Any) -> str:
    text = shown(value)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _plain(node: Node | None) -> Any:
    return ABSENT if node is None else plain(node)
