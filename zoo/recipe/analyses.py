"""What a recipe asks of its finished grid: names, parameters, metrics and selections of cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from registry import ComponentError, ComponentSpec
from registry.errors import did_you_mean
from zoo.recipe.cells import Block, Cell
from zoo.recipe.errors import Problems
from zoo.recipe.nodes import Node, plain
from zoo.recipe.overrides import path_problem
from zoo.recipe.schema import AnalysisBlock, keys_of, shown
from zoo.recipe.too_few import too_few
from zoo.recipe.two_arms import margin_problem, selections_problem, unanswerable
from zoo.recipe.where import ABSENT, no_cell, value_at
from zoo.registries import ANALYSES

#: Annotations of parameters (zoo/grid_scores.py) that are checked against the recipe.
_WHERE, _METRIC, _AXIS = "Where", "MetricLabel", "Axis"


def check_analyses(
    node: Node | None, cells: Sequence[Cell], problems: Problems, *, changed: bool
) -> tuple[Block, ...]:
    """Return the analyses of a recipe; note everything that is wrong with them.

    Parameters
    ----------
    node : Node or None
        The list under ``analyses``.
    cells : sequence of Cell
        Those of the recipe; empty where they could not be made.
    problems : Problems
    changed : bool
        Values were set on the command line, which may leave a question without cells: it is kept,
        and its answer will say so.
    """
    if node is None:
        return ()
    if not isinstance(node.value, list):
        problems.add(node.where, f"must be a list of analyses, got {shown(plain(node))}")
        return ()
    blocks: list[Block] = []
    for entry in node.value:
        if (block := _block(entry, problems)) is None:
            continue
        spec, found = block
        if any(found.label == other.label for other in blocks):
            problems.add(entry.where, f"two analyses are called {found.label!r}; give a 'label'")
        _check_values(spec, entry, cells, problems, changed=changed)
        if _compares(spec) and not problems.below(entry.where):
            _check_arms(found, entry, () if changed else cells, problems)
        judged = not cells or changed or problems.below(entry.where)
        if not judged and (lacking := too_few(found, cells)) is not None:
            problems.add(entry.locate(("params",)), lacking)
        blocks.append(found)
    return tuple(blocks)


def still_asked(analyses: Sequence[Block], cells: Sequence[Cell]) -> dict[str, Any]:
    """Return the part of the resolved recipe: questions that its cells can still be asked."""
    asked = [
        {key: value for key, value in asdict(block).items() if key in ("name", "params", "label")}
        for block in analyses
        if not any(_unasked(*parameter, cells) for parameter in _typed(block))
        and not too_few(block, cells)
        and not (_compares(ANALYSES.spec(block.name)) and unanswerable(block.params, cells))
    ]
    return {"analyses": asked} if asked else {}


def _block(entry: Node, problems: Problems) -> tuple[ComponentSpec, Block] | None:
    written = plain(entry)
    written = {"name": written} if isinstance(written, str) else written
    try:
        model = AnalysisBlock.model_validate(written)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            _note_shape(entry, details["loc"], str(details["msg"]), problems)
        return None
    try:
        spec = ANALYSES.spec(model.name)
    except ComponentError as error:
        problems.add(entry.locate(("name",)) if entry.entries() else entry.where, str(error))
        return None
    wrong = ANALYSES.check_parameters(spec.name, model.params)
    for problem in wrong:
        problems.add(entry.locate(("params", problem.parameter)), str(problem))
    given = {
        p.name: model.params.get(p.name, p.default)
        for p in spec.parameters
        if p.name in model.params or not p.required
    }
    return spec, Block(spec.name, given, label=model.label or spec.name)


def _note_shape(entry: Node, loc: Sequence[str | int], message: str, problems: Problems) -> None:
    if not loc:
        problems.add(entry.where, "must be a name or a mapping with name, params and label")
        return
    known = list(keys_of(AnalysisBlock))
    if loc[0] not in known:
        hint = did_you_mean(str(loc[0]), known) or f"It has: {', '.join(known)}"
        message = f"unknown key. {hint}"
    problems.add(entry.locate(loc), message)


def _check_values(
    spec: ComponentSpec, entry: Node, cells: Sequence[Cell], problems: Problems, *, changed: bool
) -> None:
    """Note unknown paths always, and what no cell has unless the cells were changed."""
    params = entry.at(("params",))
    for name, node in ({} if params is None else params.entries()).items():
        parameter = spec.parameter(name)
        annotation = "" if parameter is None else parameter.annotation
        kind = _kind(annotation)
        if kind == _WHERE and not isinstance(node.value, dict):
            if not (node.value is None and "None" in annotation):
                got = shown(plain(node))
                problems.add(node.where, f"must be a mapping of paths to values, got {got}")
            continue
        if kind in (_WHERE, _AXIS):
            paths = node.entries() if kind == _WHERE else {str(node.value): node}
            wrong = {path: problem for path in paths if (problem := path_problem(path))}
            for path, problem in wrong.items():
                problems.add(paths[path].where, problem)
            if wrong:
                continue
        if kind and cells and not changed and (lacking := _unasked(kind, plain(node), cells)):
            problems.add(node.where, lacking)


def _compares(spec: ComponentSpec) -> bool:
    """Say whether an analysis needs two selections of cells, `a` and `b`."""
    found = {p.name for p in spec.parameters if p.required and _kind(p.annotation) == _WHERE}
    return {"a", "b"} <= found


def _check_arms(block: Block, entry: Node, cells: Sequence[Cell], problems: Problems) -> None:
    """Note what no grid could answer, and where there are cells, what these cannot."""
    if (wrong := margin_problem(block.params)) is not None:
        problems.add(entry.locate(("params", "margin")), wrong)
    if (wrong := selections_problem(block.params)) is not None:
        problems.add(entry.locate(("params",)), wrong)
    elif cells and (lacking := unanswerable(block.params, cells)):
        problems.add(entry.locate(("params",)), lacking)


def _typed(block: Block) -> list[tuple[str, Any]]:
    spec = ANALYSES.spec(block.name)
    return [(_kind(p.annotation), block.params.get(p.name)) for p in spec.parameters]


def _kind(annotation: str) -> str:
    """Return which of the checked annotations a parameter has, "" for none."""
    members = [part.strip().rpartition(".")[2] for part in annotation.split("|")]
    return next((kind for kind in (_WHERE, _METRIC, _AXIS) if kind in members), "")


def _unasked(kind: str, value: Any, cells: Sequence[Cell]) -> str | None:
    """Return what of a parameter's value the cells do not have, or None."""
    if value is None:
        return None
    if kind == _METRIC:
        labels = dict.fromkeys(metric.label for cell in cells for metric in cell.metrics)
        if value in labels:
            return None
        hint = did_you_mean(str(value), labels)
        return f"no metric of this recipe is called {value!r}. {hint}It computes: " + (
            ", ".join(labels) or "none"
        )
    if kind == _AXIS and all(value_at(cell, value) is ABSENT for cell in cells):
        return f"no cell of this recipe has {value!r}"
    if kind == _WHERE and isinstance(value, dict):
        return no_cell(value, cells)
    return None
