"""Layers: how a setting written higher up replaces one below.

Component defaults < recipe < ``pocket`` stand-ins < ``grid`` < ``--set``. Layers merge key by key;
the value of a component's parameter is replaced whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from zoo.recipe.errors import Problems, Where
from zoo.recipe.nodes import Node
from zoo.recipe.overrides import Assignments, Path, assignments

#: Blocks that may be written as a bare name.
BLOCKS: tuple[Path, ...] = (
    ("dataset",),
    ("encoder",),
    ("encoder", "train", "objective"),
    ("conditioner",),
    ("pipeline",),
)
#: Lists whose entries may be written as bare names.
LISTED: tuple[Path, ...] = (("metrics",), ("controls",))
#: Mappings whose entries are values of their own: replaced, not merged.
_WHOLE_BELOW = ("params", "init_from")
_EITHER_OR = {"epochs": "steps", "steps": "epochs"}
#: What a stand-in may have beside dotted paths: axes, arms and questions of its own.
OF_STAND_INS = ("grid", "arms", "analyses")


def merge(lower: Node, upper: Node, *, inside: bool = False) -> Node:
    """Lay one tree over another.

    Mappings merge key by key. A mapping with another ``name`` drops the ``params`` below it, and
    ``epochs`` drops ``steps`` (and the other way round), unless it is null. `inside` a parameter's
    value nothing merges, unless the upper node reaches into it (`Node.partial`).
    """
    if not isinstance(lower.value, dict) or not isinstance(upper.value, dict):
        return upper
    kept = dict(lower.value)
    if not inside:
        if _renames(kept, upper.value):
            kept.pop("params", None)
        for one, other in _EITHER_OR.items():
            given = upper.value.get(one)
            if given is not None and given.value is not None and other not in upper.value:
                kept.pop(other, None)
    for name, node in upper.value.items():
        if name not in kept or (inside and not node.partial):
            kept[name] = node
        else:
            kept[name] = merge(kept[name], node, inside=inside or name in _WHOLE_BELOW)
    return Node(kept, lower.where, lower.partial)


def layer(given: Assignments, root: Where) -> Node:
    """Return assignments to dotted paths as one layer, shorter paths first."""
    tree = Node({}, root)
    for path, value in sorted(given, key=lambda one: len(one[0])):
        tree = merge(tree, _nested(path, normalised(value, path)))
    return tree


def stand_in(written: Node, problems: Problems) -> Node:
    """Return the dotted paths of ``pocket.data`` or ``pocket.weights`` as a layer."""
    if not isinstance(written.value, dict):
        problems.add(written.where, "must be a mapping of dotted paths to values")
    own = without(written, OF_STAND_INS).entries()
    return layer(assignments(own, problems, OF_STAND_INS), written.where)


def normalised(node: Node, path: Path = ()) -> Node:
    """Return the tree with every shorthand written out: a bare name becomes ``{name: ...}``.

    The name keeps the place of the shorthand, so that messages speak of what was written.
    """
    if path in BLOCKS and isinstance(node.value, str):
        return Node({"name": node}, node.where)
    if path in LISTED and isinstance(node.value, list):
        return Node([_named(item) for item in node.value], node.where)
    if isinstance(node.value, dict) and _leads_to_block(path):
        entries = {key: normalised(entry, (*path, key)) for key, entry in node.value.items()}
        return Node(entries, node.where, node.partial)
    return node


def with_groups(root: Node) -> Node:
    """Return the merged tree with ``lr: 1e-3`` written out as ``lr: {all: 1e-3}``.

    Done after merging: a number in a higher layer replaces rates by group, and the reverse.
    """
    tree = root
    for block in ("encoder", "conditioner"):
        rate = tree.at((block, "train", "lr"))
        if rate is not None and not isinstance(rate.value, dict):
            tree = merge(tree, _nested((block, "train", "lr"), Node({"all": rate}, rate.where)))
    return tree


def leaves(node: Node, path: Path = ()) -> Iterable[Path]:
    """Return the paths that a layer sets, down to the values of parameters."""
    is_value = path[-1:] == ("init_from",) or ("params" in path[:-1] and not node.partial)
    if isinstance(node.value, dict) and not is_value:
        for key, entry in node.value.items():
            yield from leaves(entry, (*path, key))
    else:
        yield path


def either(leaf: Path) -> Path:
    """Return the path of a value; steps and epochs are one, for each takes the other's place."""
    return (*leaf[:-1], "steps") if leaf[-1:] == ("epochs",) else leaf


def _renames(lower: dict[str, Node], upper: dict[str, Node]) -> bool:
    return "name" in lower and "name" in upper and lower["name"].value != upper["name"].value


def _nested(path: Path, value: Node) -> Node:
    """Return a tree that holds `value` at `path` and nothing else."""
    inside = path.index("params") + 1 if "params" in path else len(path)
    node = value
    for depth in range(len(path) - 1, -1, -1):
        node = Node({path[depth]: node}, value.where, partial=depth > inside)
    return node


def _named(item: Node) -> Node:
    return Node({"name": item}, item.where) if isinstance(item.value, str) else item


def _leads_to_block(path: Path) -> bool:
    return any(block[: len(path)] == path for block in BLOCKS)


def without(node: Node, keys: Iterable[str]) -> Node:
    """Return a mapping without some of its entries."""
    dropped = set(keys)
    return replace(node, value={k: v for k, v in node.entries().items() if k not in dropped})
