"""The grid: the cartesian product of its axes, and a readable folder-safe name for each cell."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zoo.recipe.arms import Arm, untouched, with_arms
from zoo.recipe.cells import Replaced
from zoo.recipe.errors import Problems
from zoo.recipe.layers import BLOCKS, either, layer, leaves, merge
from zoo.recipe.nodes import Node, plain
from zoo.recipe.overrides import Assignments, Path, path_problem
from zoo.recipe.replaced import replaced

#: What cells may differ in.
VARIED = ("seed", "dataset", "encoder", "conditioner", "pipeline")
_LONGEST_ID = 100
_LONGEST_VALUE = 32


@dataclass(frozen=True)
class Variant:
    """A cell before it is checked: where it lies in the grid, its merged tree, what arms set.

    ``bare`` is the tree without arms, which says whom they are about: they may change it.
    ``tuned`` and ``given`` are the dotted paths of what arms set in it, by trials and without.
    ``replaced`` is what overrides took from it, and from those that are alike under them;
    ``lost_arm``: they made it one that is of no arm with trials.
    """

    coords: dict[str, Any]
    tree: Node
    tuned: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    bare: Node | None = None
    replaced: tuple[Replaced, ...] = ()
    lost_arm: bool = False


def axes_of(entries: dict[str, Node], problems: Problems) -> dict[Path, list[Node]]:
    """Return the axes of a ``grid`` mapping, path -> values; note what is wrong with them."""
    axes: dict[Path, list[Node]] = {}
    for dotted, node in entries.items():
        problem = axis_problem(dotted)
        if problem is not None:
            problems.add(node.where, problem)
        elif not isinstance(node.value, list):
            problems.add(node.where, "must be a list of the values to run")
        elif not node.value:
            problems.add(node.where, "is empty: the grid would have no cell")
        else:
            _note_repeated(node.value, problems)
            axes[tuple(dotted.split("."))] = node.value
    return axes


def require_apart(axes: dict[Path, list[Node]], problems: Problems) -> None:
    """Note two axes that set the same value: one would take it from the other's cells."""
    sets = {
        axis: {
            either(leaf) for value in values for leaf in leaves(layer([(axis, value)], value.where))
        }
        for axis, values in axes.items()
    }
    for one, other in itertools.combinations(axes, 2):
        shared = [a for a in sets[one] for b in sets[other] if a[: len(b)] == b[: len(a)]]
        if shared:
            path, axis = (".".join(found) for found in (min(shared), one))
            problems.add(
                axes[other][0].where,
                f"sets {path}, and so does the axis {axis}: vary it in one of them, or cells are "
                "called after values that they do not have",
            )


def axis_problem(dotted: str) -> str | None:
    """Return why cells cannot differ in a dotted path, or None."""
    problem = path_problem(dotted)
    if problem is None and dotted.partition(".")[0] not in VARIED:
        problem = f"cells can differ in {', '.join(VARIED)}, not in {dotted!r}"
    return problem


def expand(
    base: Node,
    axes: dict[Path, list[Node]],
    overrides: Assignments,
    arms: Sequence[Arm] = (),
    above_arms: Collection[Path] = (),
) -> list[Variant]:
    """Return one variant per point of the grid, with the overrides on top.

    An override wins over an axis: an axis whose value it replaces is left out, of one into which
    it reaches the cells tell what is left, and cells that become equal are one cell. What replaces
    an axis says whom arms are about, as the axis would; what reaches into a value does not.

    Parameters
    ----------
    base : Node
        The recipe with its stand-ins.
    axes : dict of path to list of Node
    overrides : list of (path, Node)
        From ``--set``.
    arms : sequence of Arm
        Laid over every cell that they are about, below the overrides.
    above_arms : collection of path
        Axes that lie over them: those of the command line.
    """
    top = layer(overrides, base.where)
    live = {p: values for p, values in axes.items() if not is_overridden(p, top, base)}
    instead = [one for one in overrides if _replaces_any(one, axes, base)]
    variants = []
    for point in itertools.product(*live.values()):
        chosen = list(zip(live, point, strict=True))
        bare = merge(base, layer([*chosen, *instead], base.where))
        tree, owners = with_arms(bare, arms, [one for one in chosen if one[0] in above_arms])
        variant = replace(overridden(tree, chosen, top, owners), bare=bare)
        variants.append(_with_arms_told(variant, owners, arms, top))
    return distinct(variants)


def _replaces_any(override: tuple[Path, Node], axes: Iterable[Path], base: Node) -> bool:
    alone = layer([override], base.where)
    return any(is_overridden(axis, alone, base) for axis in axes)


def _with_arms_told(
    variant: Variant, owners: dict[Path, Arm], arms: Sequence[Arm], top: Node
) -> Variant:
    """Return a cell with the paths of what its arms have set.

    What was chosen for another cell than the overrides make of it was not chosen for this one.
    """
    assert variant.bare is not None
    seen = merge(variant.bare, top)
    tried = [arm for arm in arms if arm.n_trials]
    own = [arm for arm in tried if arm.holds(variant.bare) and arm.holds(seen)]
    standing = left_standing(owners, variant.tree, top)
    tuned = [path for path in standing if owners[path] in own and path in owners[path].tried]
    return replace(
        variant,
        tuned=tuple(".".join(path) for path in tuned),
        given=tuple(".".join(path) for path in standing if path not in tuned),
        lost_arm=bool(tried) and not own,
    )


def left_standing(by_arms: Iterable[Path], tree: Node, top: Node) -> list[Path]:
    """Return the paths of what arms set that a cell still has of them, the overrides on top."""
    return [path for path in untouched(by_arms, leaves(top)) if tree.at(path) is not None]


def overridden(tree: Node, chosen: Assignments, top: Node, by_arms: Iterable[Path] = ()) -> Variant:
    """Return a cell with the overrides on top.

    Parameters
    ----------
    tree : Node
        The cell without them.
    chosen : list of (path, Node)
        Its place on each axis, as written.
    top : Node
        The overrides as one layer.
    by_arms : iterable of path
        What arms have set in it.
    """
    merged = merge(tree, top)
    coords = {}
    own = list(by_arms)
    for axis, value in chosen:
        written = layer([(axis, value)], tree.where)
        set_here = list(leaves(written))
        own += set_here
        if all(merged.at(leaf) == tree.at(leaf) for leaf in set_here):
            coords[".".join(axis)] = plain(value)
        elif (left := _below(merged, axis, set_here)) is not None:
            coords[".".join(axis)] = left
    return Variant(coords, merged, replaced=replaced(tree, merged, own))


def is_overridden(axis: Path, top: Node, base: Node) -> bool:
    """Say whether an override replaces whatever the axis sets."""
    block_name = (*axis, "name")
    for leaf in leaves(top):
        if leaf == axis[: len(leaf)] or (axis in BLOCKS and leaf == block_name):
            return True
        if {leaf[-1], axis[-1]} == {"epochs", "steps"} and leaf[:-1] == axis[:-1]:
            return True
        if (
            leaf[-1] == "name"
            and axis[: len(leaf)] == (*leaf[:-1], "params")
            and top.at(leaf) != base.at(leaf)
        ):
            return True
    return False


def _below(tree: Node, axis: Path, paths: list[Path]) -> Any:
    """Return what `tree` holds at `axis`, of a block only `paths`; None where nothing is left."""
    found: dict[str, Any] = {}
    for path in paths:
        node = tree.at(path)
        if node is None:  # steps took the place of epochs
            continue
        if path == axis:
            return plain(node)
        inner = found
        for key in path[len(axis) : -1]:
            inner = inner.setdefault(key, {})
        inner[path[-1]] = plain(node)
    return found or None


def distinct(variants: Sequence[Variant]) -> list[Variant]:
    """Return the variants without those that equal another, which takes what they lost.

    Of two that are equal, it is the first, unless it alone has lost its arm.
    """
    seen: dict[str, Variant] = {}
    for variant in variants:
        text = json.dumps(plain(variant.tree), sort_keys=True)
        kept = gone = seen.setdefault(text, variant)
        if kept is not variant:
            kept, gone = (variant, kept) if kept.lost_arm else (kept, variant)
            theirs = tuple(replace(one, left_out=True) for one in gone.replaced)
            seen[text] = replace(kept, replaced=kept.replaced + theirs)
    return list(seen.values())


def cell_ids(coords: Sequence[dict[str, Any]]) -> list[str]:
    """Return a unique name for each cell: "encoder=eegnet,seed=1"; "cell" without a grid."""
    axes = list(dict.fromkeys(axis for point in coords for axis in point))
    short = {axis: _short(axis, axes) for axis in axes}
    ids = [
        _shortened(",".join(f"{short[a]}={_text(v)}" for a, v in point.items()) or "cell", point)
        for point in coords
    ]
    taken = Counter(name.lower() for name in ids)  # some file systems do not tell A from a
    return [
        name if taken[name.lower()] == 1 else f"{name}-{_digest(point)}"
        for name, point in zip(ids, coords, strict=True)
    ]


def _note_repeated(values: list[Node], problems: Problems) -> None:
    seen: dict[str, Node] = {}
    for value in values:
        text = json.dumps(plain(value), sort_keys=True)
        if seen.setdefault(text, value) is not value:
            problems.add(value.where, f"the value {text} is listed twice")


def _short(axis: str, axes: list[str]) -> str:
    """Return as few of the last steps of a path as tell it from the other axes."""
    steps = axis.split(".")
    for length in range(1, len(steps)):
        tail = ".".join(steps[-length:])
        if sum(other == tail or other.endswith(f".{tail}") for other in axes) == 1:
            return tail
    return axis


def _text(value: Any) -> str:
    """Return a value as part of a folder's name: {by: run, test: ["6"]} -> "run-6"."""
    text = "-".join(_words(value)) or "none"
    text = re.sub(r"[^A-Za-z0-9_.+-]+", "_", text)
    if len(text) <= _LONGEST_VALUE:
        return text
    return f"{text[: _LONGEST_VALUE - 7]}-{_digest(value)}"


def _words(value: Any) -> list[str]:
    match value:
        case dict():
            return [word for entry in value.values() for word in _words(entry)]
        case list():
            return [word for item in value for word in _words(item)]
        case bool() | None:
            return [json.dumps(value).replace("null", "none")]
        case float():
            return [f"{value:g}"]
    return [str(value)]


def _shortened(name: str, point: dict[str, Any]) -> str:
    return name if len(name) <= _LONGEST_ID else f"{name[: _LONGEST_ID - 7]}-{_digest(point)}"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:6]
