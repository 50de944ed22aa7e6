"""The `published` figures of a recipe: what papers report, to stand beside ours."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Any

from pydantic import Field, ValidationError

from registry.errors import did_you_mean
from zoo.recipe.cells import Cell
from zoo.recipe.errors import Problems
from zoo.recipe.metrics import OF_PICTURES
from zoo.recipe.nodes import Node, plain
from zoo.recipe.overrides import path_problem
from zoo.recipe.schema import Strict, problem_of
from zoo.recipe.stand_ins import POCKET
from zoo.recipe.where import matches, no_cell
from zoo.registries import METRICS

#: Metrics that are no share of anything, and of which none is above 1.
_AT_MOST_1 = ("clip_similarity", "f1", "kappa", "pixcorr", "retrieval_hungarian", "ssim", "two_way")


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
        elif (bounds := _not_within(figure["value"], known[figure["metric"]])) is not None:
            problems.add(
                written.locate((index, "value")),
                f"{figure['metric']!r} is {bounds}, got {figure['value']:g}; a percentage is "
                "divided by 100",
            )
        if figure["where"] and (lacking := no_cell(figure["where"], cells)):
            problems.add(written.locate((index, "where")), lacking)


def beside(
    published: Sequence[dict[str, Any]], cells: Sequence[Cell], simulated: Collection[str]
) -> list[dict[str, Any]]:
    """Return the figures with the cells that they stand beside, and whether they are comparable.

    Parameters
    ----------
    published : sequence of dict
    cells : sequence of Cell
        All of the run.
    simulated : collection of str
        The data sets whose trials are simulated.

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
        metric = _as_labelled(figure["metric"], cells)
        stands_in = _stands_in(ours, simulated, drawn=not _is_of_encoder(metric, ours))
        why_not = stands_in or _why_not(ours)
        reasons = [one for one in (why_not, figure["not_comparable"]) if one]
        told.append(
            {
                **written,
                "metric": metric,
                "cells": [cell.id for cell in ours],
                "comparable": not reasons,
                "why_not": f"not comparable: {'; '.join(reasons)}" if reasons else None,
            }
        )
    return told


def _stands_in(ours: Sequence[Cell], simulated: Collection[str], *, drawn: bool) -> str | None:
    """Return what stands in for what a figure of these cells is about, or None."""
    found = []
    if any(cell.dataset.name in simulated for cell in ours):
        found.append("simulated EEG")
    if drawn and any(cell.draws and cell.pipeline.params.get("weights") == POCKET for cell in ours):
        found.append("a small denoiser")
    return f"{' and '.join(found)} stand{'s' if len(found) == 1 else ''} in" if found else None


def _is_of_encoder(label: str, cells: Sequence[Cell]) -> bool:
    """Say whether a metric, by its label, is of the EEG encoder alone."""
    named = {metric.name for cell in cells for metric in cell.metrics if metric.label == label}
    names = named or {label}.intersection(METRICS.names())  # not computed here, shown all the same
    needs = [set(METRICS.spec(name).meta.get("needs", ())) for name in names]
    return bool(needs) and not any(one & {*OF_PICTURES, "gap"} for one in needs)


def _why_not(cells: Sequence[Cell]) -> str | None:
    """Return why no figure of a paper can be held against these cells, stand-ins aside."""
    params = [cell.dataset.params for cell in cells]
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


def _not_within(value: float, metric: str) -> str | None:
    """Return what a metric is that cannot have this value, or None."""
    if _is_share(metric):
        return None if 0 <= value <= 1 else "a share, from 0 to 1"
    return "at most 1" if metric in _AT_MOST_1 and value > 1 else None


def _is_share(metric: str) -> bool:
    """Say whether a metric calls itself the share of something; no mark says it."""
    return " share of " in f" {METRICS.spec(metric).summary} "
