"""Curves of a grid: the primary metric over the steps of training, and over a quantity varied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.report.course import Outcome
from zoo.report.estimate import Estimate, counted_of, estimate
from zoo.report.grid_lines import Line, Words, lines
from zoo.report.plots import Plot
from zoo.report.tables import Figure, metric_title

if TYPE_CHECKING:
    from zoo.report.axes import Axis
    from zoo.report.grid import Grid

CEILING = "class_label"
_DASHED = "class label (ceiling)"


@dataclass(frozen=True)
class Curves:
    """A plot with the numbers behind it.

    Parameters
    ----------
    title, caption : str
    plot : Plot
    columns : list of str
    rows : list of (name, figures)
        A row a setting.
    """

    title: str
    caption: str
    plot: Plot
    columns: list[str]
    rows: list[tuple[str, list[Figure]]]


def learning(grid: Grid) -> Curves | None:
    """Return the primary metric over the steps of one training; None without snapshots."""
    label = grid.primary.label
    found: dict[int, Line] = {}
    known: dict[int, dict[int, Estimate]] = {}
    for i in range(len(grid.settings)):
        known[i] = _over_steps(grid, i, label, None)
        if len(known[i]) < 2:
            continue
        ceiling = _over_steps(grid, i, label, CEILING)
        found[i] = Line(
            points={step: one.value for step, one in known[i].items()},
            spread=_ranges(known[i]),
            dashed={s: one.value for s, one in ceiling.items()} if len(ceiling) > 1 else {},
            level=_ceiling(grid, i, Outcome(label)) if len(ceiling) < 2 else None,
        )
    if not found:
        return None
    steps = sorted({step for i in found for step in known[i]})
    title = metric_title(label)
    words = Words("step of training", title, _DASHED)
    about = f"Learning curves of {title} over the steps of training"
    plot = lines(found, grid.axes, len(grid.settings), words, about)
    return Curves(
        title="Learning curves",
        caption=_caption(title, found, [one for i in found for one in known[i].values()]),
        plot=plot,
        columns=[f"step {step}" for step in steps],
        rows=[
            (grid.names[i], [known[i][s].figure() if s in known[i] else Figure() for s in steps])
            for i in found
        ],
    )


def _caption(title: str, found: dict[int, Line], estimates: list[Estimate]) -> str:
    """Return what the learning curves show; only what is drawn."""
    text = f"{title} of pictures drawn at earlier steps of one training and at its end"
    seeds = sorted({len(one.seeds) for one in estimates})
    if seeds[-1] > 1:
        text += f"; mean over {' to '.join(map(str, seeds))} seeds, the band is their range"
    else:
        text += "; one seed"
    counted = dict.fromkeys(counted_of(one.n, one.about) for one in estimates if one.about)
    text += f" ({'; '.join(counted)})."
    if any(line.dashed or line.level is not None for line in found.values()):
        text += " Dashed: what the class alone would reach."
    return text


def over_quantities(grid: Grid) -> list[Curves]:
    """Return the primary figure over each axis that is a quantity (minutes of training data)."""
    return [_over(grid, axis) for axis in grid.axes if axis.numbers is not None]


def _over(grid: Grid, axis: Axis) -> Curves:
    outcome = grid.primary
    assert axis.numbers is not None
    largest = max(number for number in axis.numbers if number is not None)
    smallest = min(number for number in axis.numbers if number is not None)
    # What has no limit stands to the right of the largest limit.
    beyond = largest + 0.15 * ((largest - smallest) or 1.0)
    places = {
        level: beyond if number is None else number
        for level, number in dict(zip(axis.values, axis.numbers, strict=True)).items()
    }
    ticks = {places[level]: level for level in axis.levels}
    others = [other for other in grid.axes if other is not axis]
    same: dict[tuple[str, ...], list[int]] = {}
    for i in range(len(grid.settings)):
        same.setdefault(tuple(other.values[i] for other in others), []).append(i)
    found, rows = {}, []
    for members in same.values():
        given = {places[axis.values[i]]: grid.at(i, outcome) for i in members}
        given = {x: one for x, one in given.items() if one.value is not None}
        if not given:
            continue
        intervals = {x: one.ci95 for x, one in given.items() if one.ci95}
        ceilings = {places[axis.values[i]]: _ceiling(grid, i, outcome) for i in members}
        found[members[0]] = Line(
            points={x: one.value for x, one in given.items()},
            spread=intervals,
            dashed={x: y for x, y in ceilings.items() if y is not None},
        )
        name = ", ".join(other.in_a_name(members[0]) for other in others)
        rows.append((name or "all", [given[x].figure() if x in given else Figure() for x in ticks]))
    words = Words(axis.title, outcome.title, _DASHED, ticks)
    plot = lines(found, others, len(grid.settings), words, f"{outcome.title} over {axis.title}")
    return Curves(
        title=f"Over {axis.title}",
        caption=f"{outcome.when}; the band is the 95 % interval, which the numbers "
        "below tell with n and seeds.",
        plot=plot,
        columns=[f"{axis.title} {level}" for level in axis.levels],
        rows=rows,
    )


def _over_steps(grid: Grid, i: int, label: str, control: str | None) -> dict[int, Estimate]:
    """Return step -> figure of a setting, the end of training included where its step is known."""
    metrics: dict[int, list[dict[str, Any]]] = {}
    for points in grid.courses(i, label, control).values():
        for step, metric in points.items():
            metrics.setdefault(step, []).append(metric)
    found = {step: estimate(given, None) for step, given in sorted(metrics.items())}
    return {step: one for step, one in found.items() if one.value is not None}


def _ranges(known: dict[int, Estimate]) -> dict[float, tuple[float, float]]:
    return {s: (min(one.seeds), max(one.seeds)) for s, one in known.items() if len(one.seeds) > 1}


def _ceiling(grid: Grid, i: int, outcome: Outcome) -> float | None:
    return grid.at(i, outcome, CEILING).value
