"""The cells that a resolved recipe lists: each names the blocks in which it differs."""

from __future__ import annotations

from dataclasses import replace

from registry.errors import did_you_mean
from zoo.recipe.errors import Problems
from zoo.recipe.grid import (
    VARIED,
    Variant,
    axis_problem,
    distinct,
    is_overridden,
    left_standing,
    overridden,
)
from zoo.recipe.layers import layer, leaves, merge, normalised, without
from zoo.recipe.nodes import Node, plain
from zoo.recipe.overrides import Assignments, Path, path_problem

#: What a cell says of its arms: what their trials chose, and what else they have set.
_OF_ARMS = ("tuned", "given")


def listed(base: Node, cells: Node, overrides: Assignments, problems: Problems) -> list[Variant]:
    """Return the cells of a list under ``cells``, the overrides on top; note its mistakes."""
    top = layer(overrides, base.where)
    if not isinstance(cells.value, list) or not cells.value:
        problems.add(cells.where, "must be a list of cells")
        return [Variant({}, merge(base, top))]
    read = [_variant(base, cell, top, problems) for cell in cells.value]
    found = distinct([variant for variant in read if variant is not None])
    return found or [Variant({}, merge(base, top))]


def _variant(base: Node, cell: Node, top: Node, problems: Problems) -> Variant | None:
    coords = cell.at(("coords",))
    if coords is None or not isinstance(coords.value, dict):
        problems.add(cell.where, "needs 'coords', a mapping of axes to values")
        return None
    written: Assignments = []
    for dotted, node in coords.value.items():
        problem = axis_problem(dotted)
        if problem is None:
            written.append((tuple(dotted.split(".")), node))
        else:
            problems.add(node.where, problem)
    blocks = without(cell, ["coords", *_OF_ARMS]).entries()
    for key in [key for key in blocks if key not in VARIED]:
        hint = did_you_mean(key, VARIED)
        known_here = f"A cell has: coords, {', '.join([*_OF_ARMS, *VARIED])}"
        problems.add(blocks[key].where, f"unknown key. {hint}{known_here}")
    tuned, given = (_paths(cell, key, problems) for key in _OF_ARMS)
    known = {key: node for key, node in blocks.items() if key in VARIED}
    tree = normalised(Node({**base.entries(), **known}, base.where))
    chosen = [(axis, node) for axis, node in written if not is_overridden(axis, top, tree)]
    variant = overridden(tree, chosen, top, (*tuned, *given))
    moved = _moved(written, tree, variant.tree)
    for axis in moved:
        if (tuned or given) and is_overridden(axis, top, tree):
            problems.add(
                top.locate(axis),
                "this recipe lists its cells, with what arms set in them for another "
                f"{'.'.join(axis)}; take the recipe that it was made from",
            )
    standing = left_standing([*tuned, *given], variant.tree, top)
    still = [] if moved else [path for path in standing if path in tuned]
    return replace(
        variant,
        tuned=tuple(".".join(path) for path in still),
        given=tuple(".".join(path) for path in standing if path not in still),
        lost_arm=bool(tuned and moved),
    )


def _moved(written: Assignments, before: Node, after: Node) -> list[Path]:
    """Return the axes on which overrides have moved a cell, the seed aside.

    What trials chose for it they chose for the place where it was.
    """
    return [
        axis
        for axis, node in written
        if axis != ("seed",)
        and any(
            after.at(leaf) != before.at(leaf) for leaf in leaves(layer([(axis, node)], node.where))
        )
    ]


def _paths(cell: Node, key: str, problems: Problems) -> list[Path]:
    node = cell.at((key,))
    paths = [] if node is None else plain(node)
    if not isinstance(paths, list) or any(path_problem(str(path)) for path in paths):
        problems.add(cell.locate((key,)), "must list the paths that arms have set")
        return []
    return [tuple(str(path).split(".")) for path in paths]
