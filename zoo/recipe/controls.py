"""The `only` of controls: a control that is run in no cell is a mistake."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.recipe.cells import Cell
from zoo.recipe.errors import Problems
from zoo.recipe.nodes import Node, plain
from zoo.recipe.where import no_cell


def require_cells(tree: Node, cells: Sequence[Cell], problems: Problems) -> None:
    """Note every control of a merged tree whose `only` no cell has."""
    controls = tree.at(("controls",))
    for index, node in enumerate(_listed(controls)):
        only = node.at(("only",))
        if only is not None and (lacking := no_cell(plain(only), cells)):
            problems.add(tree.locate(("controls", index, "only")), lacking)


def _listed(node: Node | None) -> list[Node]:
    return node.value if node is not None and isinstance(node.value, list) else []
