"""From checked cells to the graph of stages, every node under its content-addressed key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zoo.engine.fingerprints import Sources
from zoo.engine.graph import CellPlan, Plan, Variant
from zoo.engine.nodes import PROMPTED, Builder
from zoo.engine.roots import Roots
from zoo.engine.score_nodes import Scored, ScoreNodes
from zoo.engine.store import Store
from zoo.recipe.cells import Cell, Recipe
from zoo.recipe.metrics import OF_PICTURES
from zoo.registries import reading_once

#: Package of the stage modules.
STAGES = "zoo.stages"


def plan(recipe: Recipe, roots: Roots, store: Store) -> Plan:
    """Return the stage graph of `recipe`; nothing is run, written or imported from torch.

    Raises
    ------
    DataError
        If recordings or weights are missing; all of them in one message.
    RecipeError
        If ``init_from`` or the class_label control cannot be resolved.
    """
    with reading_once():
        sources = Sources(roots)
        sources.check(recipe.cells)
        builder = Builder(sources, STAGES)
        scores = ScoreNodes(builder)
        cells = tuple(_cell(builder, scores, cell) for cell in recipe.cells)
    states = store.states(builder.nodes)
    return _with_cells_named(Plan(recipe.name, builder.nodes, cells, states))


def _with_cells_named(plan: Plan) -> Plan:
    """Add a cell's id to the labels of the nodes that it alone needs."""
    if len(plan.cells) == 1:
        return plan
    alone: dict[str, str | None] = {}  # key -> the one cell that needs it
    for cell in plan.cells:
        for key in plan.needs(cell):
            alone[key] = None if key in alone else cell.cell.id
    named = {
        key: node if alone[key] is None else node.labelled(f"{node.label} [{alone[key]}]")
        for key, node in plan.nodes.items()
    }
    return replace(plan, nodes=named)


def _cell(builder: Builder, scores: ScoreNodes, cell: Cell) -> CellPlan:
    prepare, select, encode = builder.prepare(cell), builder.select(cell), builder.encode(cell)
    if not cell.draws:
        return CellPlan(cell, prepare, select, encode, None, (_encoded(scores, cell),))
    steps = [None, *cell.conditioner.train.get("snapshots", [])]
    metrics = [scores.scored(cell, metric) for metric in cell.metrics]
    variants = tuple(
        _variant(builder, scores, cell, metrics, control, step)
        for control in (None, *cell.controls)
        for step in (steps if control not in PROMPTED else [None])
    )
    judge = scores.judge(cell) if any("judge" in m.needs for m in metrics) else None
    return CellPlan(cell, prepare, select, encode, judge, variants)


def _encoded(scores: ScoreNodes, cell: Cell) -> Variant:
    """Return the real thing of a cell that draws nothing."""
    scored = [scores.scored(cell, metric) for metric in cell.metrics]
    return Variant(None, None, None, None, scores.evaluate(cell, scored, None, None))


def _variant(
    builder: Builder,
    scores: ScoreNodes,
    cell: Cell,
    scored: Sequence[Scored],
    control: str | None,
    step: int | None,
) -> Variant:
    generate = builder.generate(cell, control, step)
    condition = builder.nodes[generate].inputs.get("condition")
    real = control is None and step is None
    asked = scored if real else [one for one in scored if one.needs & OF_PICTURES]
    metrics = scores.evaluate(cell, asked, control, step)
    return Variant(control, step, condition, generate, metrics)
