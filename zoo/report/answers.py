"""What the analyses of a grid answered, as the page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zoo.report.axes import place_names
from zoo.report.levels import levels
from zoo.report.plots import Plot
from zoo.report.tables import metric_title, of_units

#: What a row calls its kind.
_KIND = "row"
#: What a row of one seed would repeat of its value.
_OF_SEEDS = ("range_over_seeds", "by_seed")
#: What a figure under a control is made of.
_CONTROLLED = {"value", "seeds", "cells"}


@dataclass(frozen=True)
class Rows:
    """Rows of one kind: the arms of a comparison, say.

    Parameters
    ----------
    title : str
    columns : list of str
    rows : list of list of str
    """

    title: str
    columns: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Answer:
    """One answer.

    Parameters
    ----------
    label, sentence : str
    value, interval, about : str
        The figure with its interval, n, unit, split and metric; empty where there is none.
    reason : str
        Why there is no figure.
    definition : str
    tables : list of Rows
        What the answer was made from: a table for each kind of row.
    plot : Plot or None
        The difference at each level of the other axes.
    """

    label: str
    sentence: str
    value: str
    interval: str
    about: str
    reason: str
    definition: str
    tables: list[Rows]
    plot: Plot | None


def answers_of(results: dict[str, Any]) -> list[Answer]:
    """Return the answers of ``results.json``, the primary outcome first."""
    return [_answer(found) for found in results.get("answers") or []]


def _answer(found: dict[str, Any]) -> Answer:
    value, ends = found.get("value"), found.get("ci95")
    interval = "" if value is None else "no interval"
    if value is not None and ends:
        interval = f"95 % interval [{ends[0]:.3f}, {ends[1]:.3f}]"
    return Answer(
        label=(found.get("label") or found["analysis"]).replace("_", " "),
        sentence=found["sentence"],
        value="" if value is None else f"{value:.3f}",
        interval=interval,
        about="" if value is None else _counted(found),
        reason=(found.get("reason") or "not computed") if value is None else "",
        definition=found.get("definition") or "",
        tables=_tables(found.get("rows") or []),
        plot=levels(found),
    )


def _tables(rows: Sequence[dict[str, Any]]) -> list[Rows]:
    kinds = dict.fromkeys(str(row.get(_KIND, "")) for row in rows)
    return [_table(kind, [row for row in rows if str(row.get(_KIND, "")) == kind])
            for kind in kinds]  # fmt: skip


def _table(kind: str, rows: Sequence[dict[str, Any]]) -> Rows:
    """Return rows of one kind; what none of them has is left out."""
    given = [
        {key: value for key, value in row.items() if _is_told(row, key)} for row in _placed(rows)
    ]
    columns = list(dict.fromkeys(key for row in given for key in row))
    return Rows(
        title=kind.replace("_", " "),
        columns=["95 % interval" if c == "ci95" else c.replace("_", " ") for c in columns],
        rows=[[_text(row.get(column)) for column in columns] for row in given],
    )


def _placed(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with their places on the axes of the grid as a reader names them."""
    names = iter(place_names([row["at"] for row in rows if isinstance(row.get("at"), dict)]))
    return [{**row, "at": next(names)} if isinstance(row.get("at"), dict) else row for row in rows]


def _is_told(row: dict[str, Any], key: str) -> bool:
    repeats = key in _OF_SEEDS and len(row.get("by_seed") or ()) == 1
    return row[key] is not None and key != _KIND and not repeats


def _counted(found: dict[str, Any]) -> str:
    parts = []
    if found.get("n") is not None:
        unit = found.get("unit")
        parts.append(f"n = {of_units(found['n'], unit) if unit else found['n']}")
    parts += [found["split"]] if found.get("split") else []
    parts += [metric_title(found["metric"])] if found.get("metric") else []
    return " · ".join(parts)


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) >= 0.001 or value == 0 else f"{value:.1e}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, dict) and value.keys() == _CONTROLLED:
        seeds = ", ".join(map(str, value["seeds"]))
        word = "seed" if len(value["seeds"]) == 1 else "seeds"
        return f"{_text(value['value'])} ({word} {seeds}, {of_units(value['cells'], 'cell')})"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(inner)}" for key, inner in value.items())
    return str(value)
