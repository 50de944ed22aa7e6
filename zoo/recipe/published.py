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
from zoo.recipe.stand_ins import POCKET
from zoo.recipe.validate import OF_PICTURES
from zoo.recipe.where import matches, no_cell
from zoo.registries import DATASETS, METRICS

#: Metrics that are no share of anything, and of which none is above 1.
_AT_MOST_1 = ("clip_similarity", "f1", "kappa", "pixcorr", "retrieval_hungarian", "ssim", "two_way")
_SMALL = "a small denoiser stands in"
_BOTH = "simulated EEG and a small denoiser stand in"
_EITHER = "simulated EEG or a small denoiser stands in"
_SIMULATED = "simulated EEG stands in"


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
        metric = _as_labelled(figure["metric"], cells)
        stands_in = _stands_in(ours, cells, scale, drawn=not _is_of_encoder(metric, ours))
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


def _stands_in(
    ours: Sequence[Cell], cells: Sequence[Cell], scale: str, *, drawn: bool
) -> str | None:
    """Return what stands in for what a figure of these cells is about, or None.

    Parameters
    ----------
    ours, cells : sequence of Cell
        Those beside the figure, and all of the run, which the scale is about.
    scale : {"pocket", "mixed", "full"}
    drawn : bool
        The denoiser takes part in the metric.
    """
    if scale == "full":
        return None
    drawn = drawn and any(cell.draws for cell in ours)
    if scale == "pocket":
        return _BOTH if drawn else _SIMULATED
    simulated = _is_simulated(ours, cells)
    if not drawn:
        return {True: _SIMULATED, None: "simulated EEG may stand in", False: None}[simulated]
    small = any(_is_small(cell) for cell in ours)
    if simulated is None:
        return _EITHER
    if simulated:
        return _BOTH if small else _SIMULATED
    return _SMALL if small else None


def _is_simulated(ours: Sequence[Cell], cells: Sequence[Cell]) -> bool | None:
    """Say whether the EEG of a run of mixed scale is simulated; None where it is not known.

    A data set that needs no folder makes its trials itself. The folder of the others may be made
    up, too, which the scale tells: some of a mixed run stands in, but not all of it.
    """
    made = {cell.dataset.name for cell in cells if _makes_trials(cell)}
    if any(cell.dataset.name in made for cell in ours):
        return True
    drawn = [cell for cell in cells if cell.draws]
    if not made and not any(map(_is_small, drawn)):
        return True  # nothing else stands in
    return False if not made and all(map(_is_small, drawn)) else None


def _makes_trials(cell: Cell) -> bool:
    return not DATASETS.spec(cell.dataset.name).meta.get("needs_root", False)


def _is_small(cell: Cell) -> bool:
    return cell.draws and cell.pipeline.params.get("weights") == POCKET


def _is_of_encoder(label: str, cells: Sequence[Cell]) -> bool:
    """Say whether a metric, by its label, is of the EEG encoder alone."""
    names = {metric.name for cell in cells for metric in cell.metrics if metric.label == label}
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
