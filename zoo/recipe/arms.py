"""The `arms` of a recipe: what each side of a comparison is given, and the trials that chose it.

An arm is ``{where, set, trials}``: in the cells that have the values of `where`, the values of
`set`, the best of its `trials`, are laid over the grid. The arms of a list that had trials had the
same number of them, and where there were any, every cell is of an arm that had some, or the recipe
is refused: a side that was tuned harder wins for that reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from registry.errors import did_you_mean
from zoo.recipe.errors import Problems, Where
from zoo.recipe.layers import BLOCKS, either, layer, leaves, merge
from zoo.recipe.nodes import Node, plain
from zoo.recipe.overrides import Assignments, Path, path_problem
from zoo.recipe.schema import shown
from zoo.recipe.trials import check_trials
from zoo.recipe.where import same

_KEYS = ("where", "set", "trials")


@dataclass(frozen=True)
class Arm:
    """One side of a comparison.

    Parameters
    ----------
    about : dict
        Path -> value, as the recipe writes it (a default counts only where it is written).
    given : list of (path, Node)
    n_trials : int
        How many settings were tried for it.
    tried : frozenset of path
        Those of its values that the trials chose.
    place : Where
    """

    about: dict[Path, Any]
    given: Assignments
    n_trials: int
    tried: frozenset[Path]
    place: Where

    def holds(self, tree: Node) -> bool:
        """Say whether a cell's merged tree is of this arm."""
        found = ((tree.at(path), value) for path, value in self.about.items())
        return all(node is not None and same(plain(node), value) for node, value in found)


def arms_of(written: Node | None, problems: Problems) -> list[Arm]:
    """Return the arms of a list; note what is wrong with them."""
    if written is None:
        return []
    if not isinstance(written.value, list):
        problems.add(written.where, "must be a list of {where, set, trials}")
        return []
    found = [arm for node in written.value if (arm := _arm(node, problems)) is not None]
    counts = sorted({arm.n_trials for arm in found if arm.n_trials})
    if len(counts) > 1:
        problems.add(
            written.where,
            f"arms were given {' and '.join(map(str, counts))} trials: try as many settings for "
            "each, or the one tried most wins for that alone",
        )
    return found


def with_arms(tree: Node, arms: Sequence[Arm], above: Assignments) -> tuple[Node, dict[Path, Arm]]:
    """Return a cell's tree with what its arms set, and whose each of these values is.

    A later arm lies over an earlier one, and `above`, the cell's values on axes that the command
    line gave, over all of them: rates are looked for with the arms in the file.
    """
    found, owners = tree, dict[Path, Arm]()
    for arm in arms:
        if arm.holds(tree):
            own = layer(arm.given, tree.where)
            found = merge(found, own)
            below = untouched(owners, leaves(own))
            owners = {path: owners[path] for path in below} | dict.fromkeys(leaves(own), arm)
    upper = layer(above, tree.where)
    return merge(found, upper), {path: owners[path] for path in untouched(owners, leaves(upper))}


def untouched(paths: Iterable[Path], set_above: Iterable[Path]) -> list[Path]:
    """Return the paths of which a layer above sets nothing, not even to the same value."""
    upper = [either(path) for path in set_above]
    return [path for path in paths if not any(_share(either(path), other) for other in upper)]


def _share(one: Path, other: Path) -> bool:
    """Say whether a path leads to the other, or through it."""
    length = min(len(one), len(other))
    return one[:length] == other[:length]


def require_cells(arms: Sequence[Arm], trees: Sequence[Node], problems: Problems) -> None:
    """Note every arm that is about no cell."""
    for arm in arms:
        if not any(arm.holds(tree) for tree in trees):
            problems.add(arm.place, f"is about no cell: {_lacking(arm, trees)}")


def require_trials(
    arms: Sequence[Arm], trees: Sequence[Node], ids: Sequence[str], problems: Problems
) -> None:
    """Note the first cell that is of no arm with trials, where there are such arms."""
    tried = [arm for arm in arms if arm.n_trials]
    for tree, cell_id in zip(trees, ids, strict=True):
        if tried and not any(arm.holds(tree) for arm in tried):
            problems.add(
                tried[0].place,
                f"was given {_trials(tried[0].n_trials)}, but cell {cell_id} is of no arm that was "
                "given any: write one for it with as many, or those tuned win for that alone",
            )
            return


def _trials(count: int) -> str:
    return "1 trial" if count == 1 else f"{count} trials"


def _lacking(arm: Arm, trees: Sequence[Node]) -> str:
    """Say which of an arm's values no cell has, and what is written there instead."""
    for path, value in arm.about.items():
        nodes = [tree.at(path) for tree in trees]
        written = [plain(node) for node in nodes if node is not None]
        if not any(same(one, value) for one in written):
            dotted, there = ".".join(path), dict.fromkeys(map(shown, written))
            if not there:
                return f"none has {dotted} written (defaults do not count: write the value)"
            return f"none has {dotted} = {shown(value)}; they have: {', '.join(there)}"
    return "none has all the values of its 'where'"


def _arm(node: Node, problems: Problems) -> Arm | None:
    entries = node.entries()
    for key in entries:
        if key not in _KEYS:
            hint = did_you_mean(key, _KEYS)
            problems.add(entries[key].where, f"unknown key. {hint}An arm has: {', '.join(_KEYS)}")
    about = _paths(node, "where", problems)
    given = _paths(node, "set", problems)
    if about is None or given is None:
        return None
    log = check_trials(entries.get("trials"), given, problems)
    if log is None:
        return None
    return Arm({p: plain(v) for p, v in about}, given, log.n_trials, log.tried, node.where)


def _paths(arm: Node, key: str, problems: Problems) -> Assignments | None:
    """Return the paths and values below ``where`` or ``set``; None after noting a mistake."""
    node = arm.at((key,))
    if node is None or not node.entries():
        problems.add(arm.locate((key,)), f"needs '{key}', a mapping of dotted paths to values")
        return None
    found: Assignments = []
    for dotted, value in node.entries().items():
        if (problem := path_problem(dotted)) is not None:
            problems.add(value.where, problem)
            return None
        path = tuple(dotted.split("."))
        whole = key == "where" and path in BLOCKS
        found.append(((*path, "name") if whole else path, value))
    return found
