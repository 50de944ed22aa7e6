"""A recipe as a tree whose every node remembers where it was written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from zoo.recipe.errors import Where

Scalar: TypeAlias = str | int | float | bool | None
Value: TypeAlias = "Scalar | list[Node] | dict[str, Node]"


@dataclass(frozen=True)
class Node:
    """A value and its place.

    Parameters
    ----------
    value : scalar, list of Node, or dict of Node
        Never changed in place: layers share nodes.
    where : Where
    partial : bool
        Made from a dotted path that reaches into a parameter's value
        (``dataset.params.split.test``): merged into the value below instead of replacing it.
    """

    value: Value
    where: Where = field(compare=False)
    partial: bool = field(default=False, compare=False)

    def entries(self) -> dict[str, Node]:
        """Return the entries of a mapping; of anything else none."""
        return self.value if isinstance(self.value, dict) else {}

    def at(self, path: Sequence[str | int]) -> Node | None:
        """Return the node below `path`, or None."""
        node: Node | None = self
        for key in path:
            if node is None:
                return None
            if isinstance(node.value, list):
                node = node.value[key] if isinstance(key, int) else None
            else:
                node = node.entries().get(str(key))
        return node

    def locate(self, path: Sequence[str | int]) -> Where:
        """Return the place of `path`; where nothing is written there, of what should hold it."""
        for length in range(len(path), -1, -1):
            node = self.at(path[:length])
            if node is not None:
                where = node.where
                for key in path[length:]:
                    where = where.child(key)
                return where
        raise AssertionError("the root is always there")


def plain(node: Node) -> Any:
    """Return the value without places, as dicts, lists and scalars."""
    match node.value:
        case dict() as entries:
            return {key: plain(entry) for key, entry in entries.items()}
        case list() as items:
            return [plain(item) for item in items]
        case scalar:
            return scalar


def planted(value: Any, where: Where) -> Node:
    """Return plain data as a tree; every node's place continues `where`."""
    if isinstance(value, dict):
        return Node({str(k): planted(v, where.child(str(k))) for k, v in value.items()}, where)
    if isinstance(value, list | tuple):
        return Node([planted(v, where.child(i)) for i, v in enumerate(value)], where)
    return Node(value, where)
