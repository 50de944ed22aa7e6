"""The cell that ``init_from`` starts from: the same stage with some values changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from zoo.recipe.cells import Block, Cell
from zoo.recipe.errors import RecipeError


def source_cell(cell: Cell, kind: str) -> Cell:
    """Return the cell that ``<kind>.train.init_from`` starts from: itself without ``init_from`` and
    ``snapshots`` (nobody scores the steps of the source), with the dotted values changed.
    """
    block: Block = getattr(cell, kind)
    changes: Mapping[str, Any] = block.train["init_from"]
    train = {**block.train, "init_from": None, "snapshots": []}
    without: dict[str, Any] = {kind: replace(block, train=train)}
    source = replace(cell, **without)
    for path, value in changes.items():
        source = _changed(source, path, value)
    return source


def _changed(cell: Cell, path: str, value: Any) -> Cell:
    head, *rest = path.split(".")
    if head == "seed" and not rest:
        return replace(cell, seed=value)
    block = getattr(cell, head, None)
    if len(rest) >= 2 and isinstance(block, Block) and rest[0] in {"params", "train", "sample"}:
        section: dict[str, Any] = getattr(block, rest[0])
        if rest[1] in section:
            changed: dict[str, Any] = {rest[0]: _set(section, rest[1:], value)}
            within: dict[str, Any] = {head: replace(block, **changed)}
            return replace(cell, **within)
    problem = (
        f"init_from: {path!r} cannot be changed there; name a value like dataset.params.subjects "
        "or encoder.train.epochs"
    )
    raise RecipeError([problem])


def _set(section: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    inner = section.get(path[0])
    if len(path) > 1:
        value = _set(inner if isinstance(inner, Mapping) else {}, path[1:], value)
    return {**section, path[0]: value}
