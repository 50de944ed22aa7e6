"""The leak probe's part of the graph: planning one for a cell, finding one that was made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from zoo.engine import plan as planning
from zoo.engine.code import code_of
from zoo.engine.fingerprints import Sources
from zoo.engine.graph import Plan
from zoo.engine.nodes import Builder
from zoo.engine.roots import Roots
from zoo.engine.store import MANIFEST, Store
from zoo.recipe.cells import Cell


def plan_data(cell: Cell, roots: Roots, store: Store) -> tuple[Plan, dict[str, str]]:
    """Return a plan of what makes the trials of a cell, and the keys "prepare" and "select".

    Raises
    ------
    DataError
        If the recordings are not there.
    """
    builder = Builder(Sources(roots), planning.STAGES)
    keys = {"prepare": builder.prepare(cell), "select": builder.select(cell)}
    return _plan(builder, cell, store), keys


def plan_probe(
    cell: Cell,
    roots: Roots,
    store: Store,
    interval: Sequence[float] | None,
    refused: Sequence[str] = (),
) -> tuple[Plan, str]:
    """Return a plan that ends with the leak probe of a cell's data, and the probe's key.

    Parameters
    ----------
    cell : Cell
    roots : Roots
    store : Store
    interval : [start, stop], optional
        Seconds from onset of the interval that no response reaches, prepared as the cell's data
        with ``window`` alone changed; None where the data set has no such interval.
    refused : sequence of str
        What the data set said to other intervals.
    """
    builder = Builder(Sources(roots), planning.STAGES)
    inputs = {"prepare": builder.prepare(cell), "select": builder.select(cell)}
    if interval is not None:
        params = {**cell.dataset.params, "window": list(interval)}
        earlier = replace(cell, dataset=replace(cell.dataset, params=params))
        inputs["before"] = builder.prepare(earlier)
    params = {
        "interval": None if interval is None else [float(end) for end in interval],
        "refused": list(refused),
    }
    key = builder.add("probe", cell.dataset.name, params, inputs, [])
    return _plan(builder, cell, store), key


def stored_probe(store: Store, prepare: str, select: str) -> dict[str, Any] | None:
    """Return what the leak probe of these prepared and selected trials found, if one was made.

    Parameters
    ----------
    store : Store
    prepare, select : str
        Keys, for example those of a `zoo.engine.graph.CellPlan`.

    Returns
    -------
    dict or None
        The content of ``probe.json``; ``sentence`` is what a report prints. None where there is
        no probe, or only one by other code than today's.
    """
    code = code_of([f"{planning.STAGES}.probe"]).digest
    for manifest in sorted((store.root / "entries").glob(f"probe-*/{MANIFEST}")):
        key = manifest.parent.name
        if store.valid(key):
            made = store.manifest(key)
            of = (made["inputs"].get("prepare"), made["inputs"].get("select"))
            if of == (prepare, select) and made["code"] == code:
                found: dict[str, Any] = json.loads((store.path(key) / "probe.json").read_text())
                return found
    return None


def sentence_of(store: Store, prepare: str, select: str) -> str | None:
    """Return the sentence of `stored_probe`; None where there is no probe."""
    found = stored_probe(store, prepare, select)
    return None if found is None else str(found["sentence"])


def _plan(builder: Builder, cell: Cell, store: Store) -> Plan:
    states = {key: store.state(key) for key in builder.nodes}
    return Plan(cell.id, builder.nodes, (), states)
