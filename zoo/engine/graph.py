"""The stage graph of a recipe: nodes, what each cell needs of them, and how much is cached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from zoo.engine.code import Code
from zoo.recipe.cells import Cell
from zoo.recipe.replaced import replaced_text


class Node(NamedTuple):
    """One run of one stage. A tuple, for a large grid has a hundred thousand of them.

    Parameters
    ----------
    key : str
        Its address in the store.
    stage : str
        The module below ``zoo.stages``.
    label : str
        What progress lines and tables call it.
    params : dict
        What the stage is given.
    inputs : dict
        Role -> key.
    code : Code
        What the key knows of the source.
    """

    key: str
    stage: str
    label: str
    params: dict[str, Any]
    inputs: dict[str, str]
    code: Code

    def labelled(self, label: str) -> Node:
        """Return the node under another label."""
        return Node(self.key, self.stage, label, self.params, self.inputs, self.code)


@dataclass(frozen=True)
class Variant:
    """One row of the results: a cell as it is, or under a control, at the end or a snapshot.

    Parameters
    ----------
    control : str or None
        None is the real thing.
    step : int or None
        Training step of the denoiser; None is the end of training.
    condition : str or None
        Key; None where the denoiser draws as it came, or nothing is drawn.
    generate : str or None
        Key; None where nothing is drawn.
    metrics : dict
        Label -> key of the evaluate node.
    """

    control: str | None
    step: int | None
    condition: str | None
    generate: str | None
    metrics: dict[str, str]


@dataclass(frozen=True)
class CellPlan:
    """What one cell needs; the first variant is the real thing."""

    cell: Cell
    prepare: str
    select: str
    encode: str
    judge: str | None
    variants: tuple[Variant, ...]

    def results(self) -> Iterator[str]:
        """Yield the keys that the run folder reads."""
        yield from (self.prepare, self.select, self.encode)
        if self.judge:
            yield self.judge
        for variant in self.variants:
            if variant.condition:
                yield variant.condition
            if variant.generate:
                yield variant.generate
            yield from variant.metrics.values()


@dataclass(frozen=True)
class Plan:
    """All nodes of a recipe, each once, depth first in topological order.

    Parameters
    ----------
    recipe : str
        Its name.
    nodes : dict
        Key -> node; every node comes after its inputs.
    cells : tuple of CellPlan
    states : dict
        Key -> "valid", "missing" or "damaged" in the store when the plan was made.
    needed : dict
        Cell id -> what `needs` has found.
    """

    recipe: str
    nodes: dict[str, Node]
    cells: tuple[CellPlan, ...]
    states: dict[str, str]
    needed: dict[str, frozenset[str]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def to_run(self) -> list[Node]:
        """The nodes that the store does not hold."""
        return [node for key, node in self.nodes.items() if self.states[key] != "valid"]

    def needs(self, cell: CellPlan) -> frozenset[str]:
        """Return the keys of every node that `cell` depends on; looked for once."""
        if cell.cell.id not in self.needed:
            self.needed[cell.cell.id] = frozenset(self._with_inputs(cell.results()))
        return self.needed[cell.cell.id]

    def upstream(self, key: str) -> set[str]:
        """Return the keys of every node that the node `key` depends on, itself left out."""
        return self._with_inputs(self.nodes[key].inputs.values())

    def _with_inputs(self, keys: Iterable[str]) -> set[str]:
        found: set[str] = set()
        new = set(keys)
        while new:
            found |= new
            new = {above for key in new for above in self.nodes[key].inputs.values()} - found
        return found

    @property
    def missing(self) -> list[str]:
        """Return a sentence for each image tower of a metric that is not there."""
        said = [node.params.get("tower_missing") for node in self.nodes.values()]
        return list(dict.fromkeys(sentence for sentence in said if sentence))

    def to_json(self) -> dict[str, Any]:
        """Return cells, grid, stages, counts, unshared, missing and nodes, JSON-able.

        ``grid`` names the cells: id and coordinates; ``replaced`` says what ``--set`` changed in
        cells that had values of their own. ``distinct``, ``cached`` and ``to_run`` are counted over
        all stages.
        ``missing`` says which image towers are not there, whose metrics will have no value.
        ``stages`` counts the distinct nodes of each stage; ``unshared`` is how many stage runs
        the cells would take one by one.
        """
        return {
            "recipe": self.recipe,
            "cells": len(self.cells),
            "grid": [{"id": c.cell.id, "coords": c.cell.coords} for c in self.cells],
            "replaced": replaced_text([c.cell for c in self.cells]),
            "stages": dict(Counter(node.stage for node in self.nodes.values())),
            "distinct": len(self.nodes),
            "cached": len(self.nodes) - len(self.to_run),
            "to_run": len(self.to_run),
            "unshared": sum(len(self.needs(cell)) for cell in self.cells),
            "missing": self.missing,
            "nodes": [
                {
                    "key": node.key,
                    "stage": node.stage,
                    "label": node.label,
                    "inputs": node.inputs,
                    "params": node.params,
                    "state": self.states[key],
                }
                for key, node in self.nodes.items()
            ],
        }
