"""The `published` figures of a recipe: what papers report, to stand beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, ValidationError

from registry.errors import did_you_mean
from zoo.recipe.cells import Cell
from zoo.recipe.errors import Problems
from zoo.recipe.nodes import Node, plain
from zoo.recipe.overrides import path_problem
from zoo.recipe.schema import Strict, problem_of
from zoo.recipe.where import matches, no_cell
from zoo.registries import METRICS

#: Scale of a run -> why figures of a paper are not to be held against it.
_STANDS_ON = {
    "pocket": "simulated EEG and a small denoiser stand in",
    "mixed": "simulated EEG or a small denoiser stands in",
}


class Published(Strict):
    """One figure of a paper; `not_comparable` says why it never is, whatever the scale."""

    metric: str
    value: float
    sd: Annotated[float, Field(ge=0)] | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    note: str = ""
    not_comparable: str = ""
    where: dict[str, Any] = Field(default_factory=dict)
    source: str


def check_published(written: Node | None, problems: Problems) -> list[dict[str, Any]]:
    """Return the figures as plain data; note what is wrong with them."""
    if written is None:
        return []
    if not isinstance(written.value, list):
        problems.add(written.where, "must be a list of {metric, value, where, source}")
        return []
    found = []
    for node in written.value:
        try:
            found.append(Published.model_validate(plain(node)).model_dump())
        except ValidationError as error:
            for details in error.errors(include_url=False):
                problems.add(node.locate(details["loc"]), problem_of(details, Published))
            continue
        for dotted in found[-1]["where"]:
            if (problem := path_problem(dotted)) is not None:
                problems.add(node.locate(("where", dotted)), problem)
    return found


def require_cells(
    figures: Sequence[dict[str, Any]],
    written: Node | None,
    cells: Sequence[Cell],
    problems: Problems,
) -> None:
    """Note figures of a metric that nobody knows, those beside no cell, and shares in percent.

    Parameters
    ----------
    figures : list of dict
        From `check_published`.
    written : Node or None
    cells : sequence of Cell
        With and without stand-ins: a figure may be about any.
    problems : Problems
    """
    if written is None or len(figures) < len(plain(written)):
        return
    labelled = {block.label: block.name for cell in cells for block in cell.metrics}
    known = {name: name for name in METRICS.names()} | labelled
    for index, figure in enumerate(figures):
        if figure["metric"] not in known:
            hint = did_you_mean(figure["metric"], known)
            message = f"no metric is called {figure['metric']!r}. {hint}".strip()
            problems.add(written.locate((index, "metric")), message)
        elif not 0 <= figure["value"] <= 1 and _is_share(known[figure["metric"]]):
            problems.add(
                written.locate((index, "value")),
                f"{figure['metric']!r} is a share, from 0 to 1, got {figure['value']:g}; a "
                "percentage is divided by 100",
            )
        if figure["where"] and (lacking := no_cell(figure["where"], cells)):
            problems.add(written.locate((index, "where")), lacking)


def beside(
    published: Sequence[dict[str, Any]], cells: Sequence[Cell], scale: str
) -> list[dict[str, Any]]:
    """Return the figures with the cells that they stand beside, and whether they are comparable.

    Returns
    -------
    list of dict
        As written, with ``cells`` (ids), ``comparable`` and ``why_not`` (words or None), which has
        what the recipe says under ``not_comparable``.
        Those that stand beside no cell of the run are left out.
    """
    told = []
    for figure in published:
        ours = [cell for cell in cells if matches(cell, figure["where"])]
        if not ours:
            continue
        written = {key: value for key, value in figure.items() if key != "not_comparable"}
        reasons = [one for one in (_why_not(ours, scale), figure["not_comparable"]) if one]
        told.append(
            {
                **written,
                "metric": _as_labelled(figure["metric"], cells),
                "cells": [cell.id for cell in ours],
                "comparable": not reasons,
                "why_not": f"not comparable: {'; '.join(reasons)}" if reasons else None,
            }
        )
    return told


def _why_not(cells: Sequence[Cell], scale: str) -> str | None:
    """Return why no figure of a paper can be held against these cells; None where one can."""
    params = [cell.dataset.params for cell in cells]
    if scale in _STANDS_ON:
        drawn = any(cell.draws for cell in cells)
        return _STANDS_ON[scale] if drawn else "simulated EEG stands in"
    if any(cell.score_on != "test" for cell in cells):
        return "ours is of the validation split"
    if any(one.get("limit") is not None for one in params):
        return "of ours, only a part of the trials took part"
    if any(one.get("shuffle_labels") for one in params):
        return "the labels of ours were shuffled"
    return None


def _as_labelled(metric: str, cells: Sequence[Cell]) -> str:
    """Return what the cells call a metric: ours may name an image tower ("fid@inception-fid")."""
    labels = list(dict.fromkeys(block.label for cell in cells for block in cell.metrics))
    if metric in labels:
        return metric
    return next((label for label in labels if label.partition("@")[0] == metric), metric)


def _is_share(metric: str) -> bool:
    """Say whether a metric calls itself the share of something; no mark says it."""
    return " share of " in f" {METRICS.spec(metric).summary} "
