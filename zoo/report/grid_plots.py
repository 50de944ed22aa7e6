"""The plots of a grid: forest of the settings, heat map of one side against the other."""

from __future__ import annotations

from itertools import groupby
from statistics import fmean
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from zoo.report.axes import joined
from zoo.report.plots import OTHER, STYLES, Plot, bare, svg
from zoo.report.tables import control_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from zoo.report.axes import Axis
    from zoo.report.course import Outcome
    from zoo.report.grid import Grid

#: A square's number is white on the dark end of the colours.
_DARK = 0.55


def forest(grid: Grid, outcome: Outcome) -> Plot:
    """Plot a figure of every setting with its interval: a line each, grouped by the first axis.

    Controls are small marks on the same line; figures of papers are hollow.
    """
    order = _grouped(grid)
    heights = _heights(grid, order)
    fig = Figure(layout="constrained")
    axes = fig.add_subplot()
    told = []
    for i, height in zip(order, heights, strict=True):
        found = grid.at(i, outcome)
        marks = [f"{control_title(c)} {_control(axes, grid, i, outcome, c, height)}"
                 for c in grid.controls if grid.at(i, outcome, c).value is not None]  # fmt: skip
        if found.value is not None:
            _interval(axes, found.value, found.ci95, height)
        for published in grid.beside(i, outcome):
            axes.plot(
                published["value"], height, marker="D", ms=7, mfc="none", mec="#222222", ls="none"
            )
            marks.append(f"the paper's {published['value']:.3f}")
        text = found.figure()
        words = f"{grid.names[i]}: {text.value or text.reason} {text.interval}".strip()
        told.append(", ".join([words, *marks]))
    n_keys = _keys(axes, grid, outcome, order)
    fig.set_size_inches(8.6, 1.2 + 0.36 * max(heights) + 0.22 * n_keys)
    axes.set_yticks(heights, [_in_lines(grid.names[i]) for i in order])
    axes.set_ylim(max(heights) + 0.6, -0.6)
    if _is_share(grid, outcome):
        axes.set_xlim(min(-0.02, axes.get_xlim()[0]), 1.02)
    axes.set_xlabel(outcome.title)
    axes.grid(axis="x", color="#dddddd")
    bare(axes)
    return Plot(svg(fig), f"Forest plot of {outcome.title}. {'; '.join(told)}.")


def heat_map(grid: Grid, outcome: Outcome) -> tuple[Plot, str] | None:
    """Plot a figure in squares: encoder side against conditioner side.

    Where one side alone varies, its two leading axes. Returns the plot and what its caption says;
    None where a single axis varies.
    """
    sides = _sides(grid.axes)
    if sides is None:
        return None
    rows, columns, rest = sides
    n = len(grid.settings)
    (row_of, row_levels), (column_of, column_levels) = joined(rows, n), joined(columns, n)
    squares: dict[tuple[str, str], list[float]] = {}
    for i in range(n):
        if (value := grid.at(i, outcome).value) is not None:
            squares.setdefault((row_of[i], column_of[i]), []).append(value)
    means = np.full((len(row_levels), len(column_levels)), np.nan)
    for (row, column), values in squares.items():
        means[row_levels.index(row), column_levels.index(column)] = fmean(values)
    low, high = _scale(means)
    fig = Figure(
        figsize=(2.6 + 1.15 * len(column_levels), 1.3 + 0.55 * len(row_levels)),
        layout="constrained",
    )
    axes = fig.add_subplot()
    picture = axes.imshow(means, cmap="cividis", vmin=low, vmax=high, aspect="auto")
    for (row, column), value in np.ndenumerate(means):
        if np.isnan(value):
            _empty_square(axes, row, column)
            continue
        light = "white" if (value - low) / ((high - low) or 1) < _DARK else "black"
        axes.text(column, row, f"{value:.3f}", ha="center", va="center", color=light)
    axes.set_xticks(range(len(column_levels)), [_wrapped(level) for level in column_levels])
    axes.set_yticks(range(len(row_levels)), [_wrapped(level) for level in row_levels])
    title_of_rows, title_of_columns = (", ".join(a.title for a in side) for side in (rows, columns))
    axes.set_ylabel(title_of_rows)
    axes.set_xlabel(title_of_columns)
    axes.tick_params(length=0)
    fig.colorbar(picture, ax=axes, label=outcome.title)
    told = [
        f"{row}, {column}: " + ("none" if np.isnan(value) else f"{value:.3f}")
        for row, line in zip(row_levels, means, strict=True)
        for column, value in zip(column_levels, line, strict=True)
    ]
    caption = f"Rows: {title_of_rows}; columns: {title_of_columns}. Colours run from {low:g} to "
    caption += f"{high:g}."
    if np.isnan(means).any():
        caption += " Hatched squares: no figure."
    if rest:
        over = " and ".join(axis.title for axis in rest)
        caption += f" Each square is a mean over {over}, which the table tells apart."
    return Plot(svg(fig), f"Heat map of {outcome.title}. {'; '.join(told)}."), caption


def _sides(axes: list[Axis]) -> tuple[list[Axis], list[Axis], list[Axis]] | None:
    """Return the axes of the rows, of the columns, and those that squares are a mean over."""
    if len(axes) < 2:
        return None
    encoder = [axis for axis in axes if axis.of_encoder]
    conditioner = [axis for axis in axes if not axis.of_encoder]
    if encoder and conditioner:
        return encoder, conditioner, []
    return axes[:1], axes[1:2], axes[2:]


def _scale(means: np.ndarray) -> tuple[float, float]:
    """Return the ends of the colours: those of a share or a correlation where it can be one."""
    found = means[np.isfinite(means)]
    if not len(found) or np.abs(found).max() > 1:
        return (float(found.min()), float(found.max())) if len(found) else (0.0, 1.0)
    return (-1.0 if found.min() < 0 else 0.0), 1.0


def _grouped(grid: Grid) -> list[int]:
    order = list(range(len(grid.settings)))
    if grid.axes:
        levels = grid.axes[0].levels
        order.sort(key=lambda i: levels.index(grid.axes[0].values[i]))
    return order


def _heights(grid: Grid, order: list[int]) -> list[float]:
    """Return where the lines lie: half a line is left free between groups of several."""
    if len(grid.axes) < 2:
        return [float(line) for line in range(len(order))]
    groups = groupby(order, key=lambda i: grid.axes[0].values[i])
    return [
        line + 0.5 * group
        for line, group in enumerate(g for g, (_, members) in enumerate(groups) for _ in members)
    ]


def _interval(axes: Axes, value: float, ci95: tuple[float, float] | None, height: float) -> None:
    colour, marker = STYLES[None]
    if ci95:
        axes.plot(ci95, [height, height], color=colour, lw=2.2, alpha=0.65)
    axes.plot(value, height, marker=marker, color=colour, ms=7)


def _control(axes: Axes, grid: Grid, i: int, outcome: Outcome, control: str, height: float) -> str:
    value = grid.at(i, outcome, control).value
    colour, marker = STYLES.get(control, OTHER)
    axes.plot(value, height, marker=marker, color=colour, ms=4.5, ls="none", zorder=1)
    return f"{value:.3f}"


def _keys(axes: Axes, grid: Grid, outcome: Outcome, order: list[int]) -> int:
    """Draw the chance level and say what each mark is, in as many lines as are returned."""
    axes.plot([], [], color=STYLES[None][0], marker="o", label="real EEG, 95 % interval")
    for control in grid.controls:
        if any(grid.at(i, outcome, control).value is not None for i in order):
            colour, marker = STYLES.get(control, OTHER)
            title = control_title(control)
            axes.plot([], [], color=colour, marker=marker, ms=4.5, ls="none", label=title)
    if (chance := grid.chance(outcome.label)) is not None:
        axes.axvline(chance, color="#888888", ls=":", zorder=0, label="chance")
    sources = dict.fromkeys(
        (p["source"], p.get("comparable", False)) for i in order for p in grid.beside(i, outcome)
    )
    for source, comparable in sources:
        words = f"the paper's: {source}" + ("" if comparable else " (not comparable)")
        words = fill(words, 70)
        axes.plot([], [], marker="D", ms=7, mfc="none", mec="#222222", ls="none", label=words)
    columns = 1 if sources else 4
    axes.figure.legend(loc="outside upper left", ncols=columns, frameon=False, fontsize=9)
    return -(-len(axes.get_legend_handles_labels()[0]) // columns)


def _is_share(grid: Grid, outcome: Outcome) -> bool:
    found = [grid.at(i, outcome) for i in range(len(grid.settings))]
    ends = [end for one in found for end in (one.value, *(one.ci95 or ())) if end is not None]
    return all(abs(end) <= 1 for end in ends)


def _empty_square(axes: Axes, row: int, column: int) -> None:
    from matplotlib.patches import Rectangle

    square = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, hatch="///", ec="#999999", lw=0)
    axes.add_patch(square)


def _in_lines(text: str, most: int = 50) -> str:
    """Return a name in lines, parted where one axis ends."""
    lines = [""]
    for part in text.split(", "):
        longer = f"{lines[-1]}, {part}" if lines[-1] else part
        lines = [*lines[:-1], longer] if len(longer) <= most or not lines[-1] else [*lines, part]
    return ",\n".join(lines)


def _wrapped(text: str) -> str:
    return text.replace(", ", ",\n")
