"""A difference at each level of the other axes of a grid: a small forest beside its answer."""

from __future__ import annotations

from textwrap import fill
from typing import Any

from matplotlib.figure import Figure

from zoo.report.axes import place_names
from zoo.report.plots import STYLES, Plot, bare, svg
from zoo.report.tables import metric_title

#: How rows of an answer call what is drawn: a difference at one level, an arm.
_LEVEL, _ARM = "level", "arm"
#: The mean over all levels.
_OVERALL = "all levels"


def levels(found: dict[str, Any]) -> Plot | None:
    """Plot the levels of one answer of ``results.json`` with their intervals, all of them last.

    None where the answer has no levels, or they are no differences: those have an interval each,
    or null for it.
    """
    rows = [row for row in found.get("rows") or [] if row.get("row") == _LEVEL and "ci95" in row]
    if not rows or found.get("value") is None:
        return None
    colour, _ = STYLES[None]
    names = place_names([row["at"] for row in rows])
    fig = Figure(figsize=(8.6, 1.55 + 0.34 * (len(rows) + 1)), layout="constrained")
    axes = fig.add_subplot()
    for height, row in enumerate(rows):
        if row["ci95"]:
            axes.plot(row["ci95"], [height, height], color=colour, lw=2.2, alpha=0.65)
        face = colour if row.get("clear") else "white"
        axes.plot(row["value"], height, marker="o", color=colour, mfc=face, ms=7, ls="none")
    last = len(rows) + 0.3
    if found.get("ci95"):
        axes.plot(found["ci95"], [last, last], color="#222222", lw=2.2, alpha=0.65)
    axes.plot(found["value"], last, marker="D", color="#222222", ms=7.5, ls="none")
    axes.axvline(0, color="#888888", ls=":", zorder=0)
    axes.set_yticks([*range(len(rows)), last], [*names, _OVERALL])
    axes.set_ylim(last + 0.6, -0.6)
    axes.set_xlabel(fill(_subtracted(found), 90))
    axes.grid(axis="x", color="#dddddd")
    if any("clear" in row for row in rows):
        _key(fig, colour)
    bare(axes)
    told = [_told(name, row) for name, row in zip(names, rows, strict=True)]
    what = "Difference of differences" if len(_arms(found)) == 4 else "Difference"
    about = f"{what} in {metric_title(found.get('metric') or 'the score')} level by level"
    return Plot(svg(fig), f"{about}. {'; '.join([*told, _told(_OVERALL, found)])}.")


def _key(fig: Figure, colour: str) -> None:
    """Say what a full and what an open mark is."""
    axes = fig.axes[0]
    for face, words in (
        (colour, "clear of zero among all levels (Holm)"),
        ("white", "not clear"),
    ):
        axes.plot([], [], marker="o", color=colour, mfc=face, ms=7, ls="none", label=words)
    fig.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=9)


def _subtracted(found: dict[str, Any]) -> str:
    """Return "straight minus through the text encoder, 95 % interval".

    Of a difference of differences: "1-70 Hz minus 5-95 Hz, with drift less without drift, ...".
    """
    arms = _arms(found)
    if len(arms) not in (2, 4):
        return "difference, 95 % interval"
    first, second, *others = arms
    less = f", {first['at']} less {others[0]['at']}" if others else ""
    return f"{first['name']} minus {second['name']}{less}, 95 % interval"


def _arms(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the arms that are told by name: a and b, of a difference of differences twice."""
    return [row for row in found["rows"] if row.get("row") == _ARM and row.get("name")]


def _told(name: str, row: dict[str, Any]) -> str:
    ends = row.get("ci95")
    interval = f" [{ends[0]:+.3f}, {ends[1]:+.3f}]" if ends else ", no interval"
    return f"{name}: {row['value']:+.3f}{interval}{', clear' if row.get('clear') else ''}"
