"""What the analyses of a grid answered, as the page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zoo.report.levels import levels
from zoo.report.plots import Plot
from zoo.report.tables import metric_title, of_units

#: What a row calls its kind.
_KIND = "row"


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
    given = [{k: v for k, v in row.items() if v is not None and k != _KIND} for row in rows]
    columns = list(dict.fromkeys(key for row in given for key in row))
    return Rows(
        title=kind.replace("_", " "),
        columns=["95 % interval" if c == "ci95" else c.replace("_", " ") for c in columns],
        rows=[[_text(row.get(column)) for column in columns] for row in given],
    )


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
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(inner)}" for key, inner in value.items())
    return str(value)
