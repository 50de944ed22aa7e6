"""What a metric measured layer by layer, before and after training: a plot a measure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from zoo.report.grid_lines import Line, Words, lines
from zoo.report.plots import Plot
from zoo.report.tables import Figure, metric_title, of_units

if TYPE_CHECKING:
    from zoo.report.grid import Grid

_WHEN = ("before", "after")
#: How a definition tells the chance level of a probe.
_CHANCE = re.compile(r"\bchance (\d+) / (\d+)\b")


@dataclass(frozen=True)
class Measure:
    """One measure over the layers, or, without layers, the table alone.

    Parameters
    ----------
    title, definition : str
    plot : Plot or None
    columns : list of str
    rows : list of (name, figures)
        A row for each setting, before and after.
    """

    title: str
    definition: str
    plot: Plot | None
    columns: list[str]
    rows: list[tuple[str, list[Figure]]]
    seeds: int = 1


def measures(grid: Grid) -> list[Measure]:
    """Return every measure that a metric of the grid gave as a table."""
    given: dict[tuple[str, str], dict[int, list[dict[str, Any]]]] = {}
    for i, setting in enumerate(grid.settings):
        for cell in setting.cells:
            for label, metric in cell["metrics"].items():
                for row in metric.get("table") or ():
                    if row.get("value") is not None:
                        of_settings = given.setdefault((label, row["measure"]), {})
                        of_settings.setdefault(i, []).append(row)
    return [
        _measure(grid, f"{metric_title(label)}: {measure.replace('_', ' ')}", rows)
        for (label, measure), rows in given.items()
    ]


def _measure(grid: Grid, title: str, given: dict[int, list[dict[str, Any]]]) -> Measure:
    layers = sorted({row["layer"] for rows in given.values() for row in rows if _layered(row)})
    found: dict[int, Line] = {}
    told: list[tuple[str, list[Figure]]] = []
    flat = any(not _layered(row) for rows in given.values() for row in rows)
    for i, rows in given.items():
        after, before = ({
            layer: fmean(r["value"] for r in rows if r["layer"] == layer and r["when"] == when)
            for layer in layers
            if any(r["layer"] == layer and r["when"] == when for r in rows)
        } for when in reversed(_WHEN))  # fmt: skip
        if after or before:
            found[i] = Line(points=after, dashed=before)
        for when in _WHEN:
            of_when = [row for row in rows if row["when"] == when]
            if of_when:
                places: list[int | None] = [*([None] if flat else []), *layers]
                figures = [_figure([r for r in of_when if r["layer"] == p]) for p in places]
                told.append((f"{grid.names[i]}, {when}", figures))
    seeds = max(len(setting.cells) for setting in grid.settings)
    plot = None
    if len(layers) > 1:
        chance = _chance([row for rows in given.values() for row in rows])
        words = Words("layer", title.partition(": ")[2], "before training", None, True, chance)
        about = f"{title} over the layers; solid after training, dashed before"
        plot = lines(found, grid.axes, len(grid.settings), words, about)
    return Measure(
        title=title,
        definition=_about([row for rows in given.values() for row in rows], several=seeds > 1),
        plot=plot,
        columns=[*(["value"] if flat else []), *(f"layer {layer}" for layer in layers)],
        rows=told,
        seeds=seeds,
    )


def _chance(rows: Sequence[dict[str, Any]]) -> float | None:
    """Return the chance level, where all definitions tell the same; None where they tell none."""
    matches = [_CHANCE.search(row.get("definition") or "") for row in rows]
    found = {match and int(match[1]) / int(match[2]) for match in matches}
    return found.pop() if len(found) == 1 else None


def _layered(row: dict[str, Any]) -> bool:
    return row.get("layer") is not None


def _figure(rows: Sequence[dict[str, Any]]) -> Figure:
    """Return the mean over seeds; a single one keeps its interval."""
    if not rows:
        return Figure()
    values = [row["value"] for row in rows]
    if len(values) > 1:
        spread = f"{len(values)} seeds, {min(values):.3f} to {max(values):.3f}"
        return Figure(value=f"{fmean(values):.3f}", about=spread)
    ends = rows[0].get("ci95")
    interval = f"[{ends[0]:.3f}, {ends[1]:.3f}]" if ends else ""
    return Figure(value=f"{values[0]:.3f}", interval=interval, about="1 seed")


def _about(rows: Sequence[dict[str, Any]], *, several: bool) -> str:
    """Return the definition with n, unit and split; what differs between layers is told apart.

    Of several seeds the table has the range, not the interval that each seed was given.
    """
    by_column: dict[str, list[str]] = {}
    for row in rows:
        column = f"layer {row['layer']}" if _layered(row) else "value"
        clauses = _clauses(row.get("definition") or "")
        kept = [c for c in clauses if not (several and c.startswith("95 % interval"))]
        by_column.setdefault(column, kept)
    shared = [c for c in next(iter(by_column.values())) if all(c in o for o in by_column.values())]
    own = {
        column: " ".join(clause.rstrip(";. ") for clause in clauses if clause not in shared)
        for column, clauses in by_column.items()
    }
    counted = dict.fromkeys(
        f"n = {of_units(row['n'], row.get('unit', 'trial'))}, {row.get('split', 'split not told')}"
        for row in rows
        if row.get("n")
    )
    parts = [" ".join(shared), *(f"{column}: {text}." for column, text in own.items() if text)]
    return " ".join([*filter(None, parts), f"({'; '.join(counted)})" if counted else ""])


def _clauses(definition: str) -> list[str]:
    return re.split(r"(?<=[;.]) ", definition)
