"""Lines of a grid: a metric over the steps of training, over a quantity, over the layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from zoo.report.axes import setting_names
from zoo.report.plots import Plot, bare, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from zoo.report.axes import Axis

#: More lines than this are spread over small plots side by side.
MOST = 6
#: Colours (Okabe and Ito's) and markers: lines are told apart by both.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "v", "P", "D")
_PER_ROW = 3


@dataclass(frozen=True)
class Line:
    """One line of a plot, that of a setting.

    Parameters
    ----------
    points : dict
        x -> y.
    spread : dict, optional
        x -> (low, high), drawn as a band.
    dashed : dict, optional
        x -> y of what belongs to the line and is drawn dashed.
    level : float, optional
        What belongs to the line wherever it is: drawn dashed, all along.
    """

    points: dict[float, float]
    spread: dict[float, tuple[float, float]] = field(default_factory=dict)
    dashed: dict[float, float] = field(default_factory=dict)
    level: float | None = None


@dataclass(frozen=True)
class Words:
    """What is written at a plot: titles, what dashed lines are, ticks along x, the chance level."""

    x: str
    y: str
    dashed: str = ""
    ticks: Mapping[float, str] | None = None
    whole: bool = False
    chance: float | None = None


def lines(
    found: Mapping[int, Line], axes: Sequence[Axis], n: int, words: Words, about: str
) -> Plot:
    """Plot a line a setting; with more than six, small plots by one axis.

    Parameters
    ----------
    found : dict
        Index of the setting -> its line.
    axes : sequence of Axis
        In which these lines differ.
    n : int
        Number of all settings.
    words : Words
    about : str
        How the text alternative begins.
    """
    panels, names = _panels(list(found), axes, n)
    labels = list(dict.fromkeys(names[i] for members in panels.values() for i in members))
    rows = -(-len(panels) // _PER_ROW)
    width = 6.6 if len(panels) == 1 else 3.4 * min(len(panels), _PER_ROW)
    fig = Figure(figsize=(width, 2.9 * rows + 0.22 * len(labels) + 0.4), layout="constrained")
    grid = fig.subplots(rows, -(-len(panels) // rows), squeeze=False, sharex=True, sharey=True)
    for place, (title, members) in zip(grid.ravel(), panels.items(), strict=False):
        place.set_title(title, fontsize=10, loc="left")
        for i in members:
            _draw(place, found[i], labels.index(names[i]))
        if words.chance is not None:
            place.axhline(words.chance, color="#888888", ls=":", zorder=0)
        place.set_xlabel(words.x)
        place.grid(color="#e5e5e5")
        bare(place)
    for place in grid.ravel()[len(panels) :]:
        place.set_visible(False)
    first = grid[0][0]
    if words.ticks:
        first.set_xticks(list(words.ticks), list(words.ticks.values()))
    if words.whole:
        first.xaxis.set_major_locator(MaxNLocator(integer=True))
    for row in grid:
        row[0].set_ylabel(words.y)
    _limits(first, list(found.values()))
    dashed = any(line.dashed or line.level is not None for line in found.values())
    _legend(fig, first, labels, words, dashed)
    everywhere = setting_names(axes, n)
    told = [f"{everywhere[i] or 'all'}: {_told(line, words)}" for i, line in found.items()]
    chance = "" if words.chance is None else f" Chance: {words.chance:.3f}."
    return Plot(svg(fig), f"{about}. {'; '.join(told)}.{chance}")


def _panels(
    members: list[int], axes: Sequence[Axis], n: int
) -> tuple[dict[str, list[int]], list[str]]:
    """Return panel's title -> its settings, and what each setting's line is called there."""
    if len(members) <= MOST or len(axes) < 2:
        return {"": members}, setting_names(axes, n)
    per = {}
    for axis in axes:
        by: dict[str, list[int]] = {level: [] for level in axis.levels}
        for i in members:
            by[axis.values[i]].append(i)
        per[axis] = {level: inside for level, inside in by.items() if inside}
    fits = [axis for axis in axes if max(map(len, per[axis].values())) <= MOST]
    chosen = min(fits, key=lambda a: len(per[a])) if fits else max(axes, key=lambda a: len(per[a]))
    others = [axis for axis in axes if axis is not chosen]
    titled = {f"{chosen.title}: {level}": inside for level, inside in per[chosen].items()}
    return titled, setting_names(others, n)


def _style(number: int) -> tuple[str, str]:
    colour, marker = number % len(COLOURS), (number + number // len(COLOURS)) % len(MARKERS)
    return COLOURS[colour], MARKERS[marker]


def _draw(axes: Axes, line: Line, number: int) -> None:
    colour, marker = _style(number)
    x = sorted(line.points)
    axes.plot(x, [line.points[p] for p in x], color=colour, marker=marker, ms=4.5)
    band = [p for p in x if p in line.spread]
    if len(band) > 1:
        low, high = ([line.spread[p][end] for p in band] for end in (0, 1))
        axes.fill_between(band, low, high, color=colour, alpha=0.15, lw=0)
    elif band:
        axes.plot([band[0]] * 2, line.spread[band[0]], color=colour, alpha=0.4)
    if line.level is not None:
        axes.axhline(line.level, color=colour, ls="--", lw=1, alpha=0.8)
    x = sorted(line.dashed)
    axes.plot(x, [line.dashed[p] for p in x], color=colour, ls="--", lw=1.2, alpha=0.8)


def _limits(axes: Axes, found: Sequence[Line]) -> None:
    ends = [
        y
        for line in found
        for values in (line.points.values(), line.dashed.values(), *line.spread.values())
        for y in (*values, line.level or 0)
    ]
    if ends and min(ends) >= 0 and max(ends) <= 1:
        axes.set_ylim(0, 1.03)


def _legend(fig: Figure, axes: Axes, labels: list[str], words: Words, dashed: bool) -> None:
    if labels == [""] and not dashed and words.chance is None:
        return
    for number, label in enumerate(labels):
        colour, marker = _style(number)
        axes.plot([], [], color=colour, marker=marker, ms=4.5, label=label or "all settings")
    if dashed:
        axes.plot([], [], color="#555555", ls="--", lw=1.2, label=words.dashed)
    if words.chance is not None:
        axes.plot([], [], color="#888888", ls=":", label="chance")
    columns = 1 if max(map(len, labels)) > 40 else 2
    fig.legend(loc="outside upper left", ncols=columns, frameon=False, fontsize=9)


def _told(line: Line, words: Words) -> str:
    def at(x: float) -> str:
        return words.ticks[x] if words.ticks and x in words.ticks else f"{x:g}"

    text = ", ".join(f"{y:.3f} at {at(x)}" for x, y in sorted(line.points.items()))
    if line.dashed:
        values = ", ".join(f"{y:.3f} at {at(x)}" for x, y in sorted(line.dashed.items()))
        text += f" ({words.dashed}: {values})"
    if line.level is not None:
        text += f" ({words.dashed}: {line.level:.3f})"
    return text
