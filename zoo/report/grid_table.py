"""The tables of a grid: a row a setting, the papers' figures beside ours, controls apart."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from zoo.report.tables import Figure, control_title, metric_title
from zoo.report.tuning import given_to_arms

if TYPE_CHECKING:
    from zoo.report.course import Outcome
    from zoo.report.grid import Grid


@dataclass(frozen=True)
class Column:
    """A column: of our figures, or of the papers'."""

    title: str
    outcome: Outcome
    published: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell of the table: our figure, or lines about the papers'."""

    figure: Figure | None = None
    lines: tuple[str, ...] = ()


def table(grid: Grid) -> dict[str, Any]:
    """Return the columns, a row for each setting, control and chance, and what training took."""
    columns = _columns(grid)
    training = [_training(grid, i) for i in range(len(grid.settings))]
    return {
        "columns": [column.title for column in columns],
        "trained": any(training),
        "given": given_to_arms(grid),
        "rows": [
            (grid.names[i], [_cell(grid, i, column) for column in columns], training[i])
            for i in range(len(grid.settings))
        ],
        "controls": [_control_line(grid, control, columns) for control in grid.controls],
        "chance": [_chance(grid, column) for column in columns],
        "by_setting": _controls_of_settings(grid),
        "alone": published_alone(grid),
    }


def published_alone(grid: Grid) -> list[str]:
    """Return the published figures that stand beside no setting's figure, as lines."""
    return [
        published_line(one)
        for one in grid.published
        if not any(one in grid.beside(i, outcome) for i in range(len(grid.settings))
                   for outcome in grid.outcomes)
    ]  # fmt: skip


def published_line(one: dict[str, Any], *, with_metric: bool = True) -> str:
    """Return "paper: 0.374, Yang & Liu 2024, Table 1 — not comparable: simulated EEG"."""
    parts = [f"paper: {one['value']:.3f}"]
    if with_metric:
        parts[0] += f" ({metric_title(one['metric'])})"
    if one.get("sd") is not None:
        parts.append(f"SD {one['sd']:.3f}")
    if one.get("n") is not None:
        parts.append(f"n = {one['n']}")
    parts.append(one["source"])
    text = ", ".join(parts)
    if one.get("note"):
        text += f" ({one['note']})"
    if not one.get("comparable"):
        text += " — not comparable"
        why = (one.get("why_not") or "").removeprefix("not comparable: ")
        text += f": {why}" if why else ""
    return text


def _columns(grid: Grid) -> list[Column]:
    """Return the figures, the primary one first, each with a column for papers where it has any."""
    columns = []
    for outcome in grid.outcomes:
        twice = grid.primary.steps and outcome.label == grid.primary.label
        columns.append(Column(outcome.when if twice else outcome.title, outcome))
        if any(grid.beside(i, outcome) for i in range(len(grid.settings))):
            columns.append(Column(f"{outcome.title}, published", outcome, published=True))
    return columns


def _cell(grid: Grid, i: int, column: Column) -> Cell:
    if column.published:
        found = grid.beside(i, column.outcome)
        return Cell(lines=tuple(published_line(one, with_metric=False) for one in found))
    return Cell(figure=grid.at(i, column.outcome).figure())


def _training(grid: Grid, i: int) -> dict[str, str] | None:
    """Return how large what was trained is, and how long a step took."""
    told = [one for cell in grid.settings[i].cells if (one := cell.get("training"))]
    if not told:
        return None
    seconds = [one["seconds_per_step"] for one in told if one.get("seconds_per_step") is not None]
    totals = {one["total"] for one in told if one.get("total") is not None}
    groups: dict[str, set[int]] = {}
    for one in told:
        for name, n in one["parameters"].items():
            groups.setdefault(name, set()).add(n)
    return {
        "parameters": _numbers(totals),
        "groups": ", ".join(
            f"{name.replace('_', ' ')} {_numbers(sizes)}" for name, sizes in groups.items()
        ),
        "seconds": f"{fmean(seconds):.3g}" if seconds else "",
        "steps": " to ".join(str(n) for n in sorted({t["steps"] for t in told if t.get("steps")})),
    }


def _numbers(found: set[int]) -> str:
    """Return "1 234 567", or the range where there are several."""
    ends = dict.fromkeys((min(found), max(found))) if found else {}
    return " to ".join(f"{n:,}" for n in ends).replace(",", " ")


def _control_line(grid: Grid, control: str, columns: list[Column]) -> tuple[str, list[str]]:
    """Return a control's mean over the settings that were given it, and their range."""
    found = []
    for column in columns:
        given = [grid.at(i, column.outcome, control).value for i in range(len(grid.settings))]
        values = [value for value in given if value is not None]
        text = ""
        if values and not column.published:
            text = f"{fmean(values):.3f}"
            if len(values) > 1:
                text += f" ({min(values):.3f} to {max(values):.3f}, {len(values)} settings)"
        found.append(text)
    return control_title(control), found


def _chance(grid: Grid, column: Column) -> str:
    chance = None if column.published else grid.chance(column.outcome.label)
    return "" if chance is None else f"{chance:.3f}"


def _controls_of_settings(grid: Grid) -> list[tuple[str, list[Figure]]]:
    """Return the primary figure of each setting under each control."""
    if not grid.controls:
        return []
    return [
        (name, [grid.at(i, grid.primary, control).figure() for control in grid.controls])
        for i, name in enumerate(grid.names)
    ]
