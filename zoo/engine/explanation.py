"""What `zoo explain` finds: per node of a cell its state, nearest entry and differences."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from zoo.engine.graph import Node
from zoo.engine.store import Entry


@dataclass(frozen=True)
class Difference:
    """One ingredient of a key that is not as it was.

    Parameters
    ----------
    kind : {"param", "input", "code", "source", "library"}
        "code" is a module that one of the two does not use, "source" an edit of modules that
        both use.
    name : str
        Dotted path, role, module or package; "" for "source".
    old, new : str or None
        Canonical JSON, for inputs the key; None where that side has no such ingredient.
    upstream : {"above", "other", "stored"} or None
        Of inputs: the new one is explained above, against the old one or against another entry;
        or it is in the store.
    among : tuple of str
        Of "source": one or more of these modules were edited.
    certain : bool
        Of "source": False where the edit may also lie in a module that only the entry uses.
    """

    kind: str
    name: str
    old: str | None = None
    new: str | None = None
    upstream: str | None = None
    among: tuple[str, ...] = ()
    certain: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return what applies to the kind, JSON-able; a missing side is left out."""
        facts: dict[str, Any] = {"kind": self.kind}
        if self.kind == "source":
            return {**facts, "among": list(self.among), "certain": self.certain}
        facts["name"] = self.name
        sides = {"old": self.old, "new": self.new}
        facts |= {side: json.loads(text) for side, text in sides.items() if text is not None}
        return {**facts, "upstream": self.upstream} if self.upstream else facts


@dataclass(frozen=True)
class Explained:
    """One node of a cell.

    Parameters
    ----------
    node : Node
    state : {"valid", "missing", "damaged"}
    nearest : Entry or None
        The finished entry of the same stage that shares most with the node; None where the node
        is not missing, or the store holds nothing of its stage.
    differences : tuple of Difference
    """

    node: Node
    state: str
    nearest: Entry | None = None
    differences: tuple[Difference, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the node, its nearest entry and the differences, JSON-able."""
        near = self.nearest
        return {
            "key": self.node.key,
            "stage": self.node.stage,
            "label": self.node.label,
            "state": self.state,
            "nearest": near and {"key": near.key, "label": near.label},
            "differences": [difference.to_json() for difference in self.differences],
        }


@dataclass(frozen=True)
class Explanation:
    """All nodes of a cell, every node after its inputs."""

    recipe: str
    cell: str
    nodes: tuple[Explained, ...]

    def to_json(self) -> dict[str, Any]:
        """Return recipe, cell and nodes, JSON-able."""
        nodes = [explained.to_json() for explained in self.nodes]
        return {"recipe": self.recipe, "cell": self.cell, "nodes": nodes}
