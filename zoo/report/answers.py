"""What the analyses of a grid answered, as the page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zoo.report.tables import metric_title


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
    columns : list of str
    rows : list of list of str
        What the answer was made from.
    """

    label: str
    sentence: str
    value: str
    interval: str
    about: str
    reason: str
    definition: str
    columns: list[str]
    rows: list[list[str]]


def answers_of(results: dict[str, Any]) -> list[Answer]:
    """Return the answers of ``results.json``, the primary outcome first."""
    return [_answer(found) for found in results.get("answers") or []]


def _answer(found: dict[str, Any]) -> Answer:
    value, ends = found.get("value"), found.get("ci95")
    interval = "" if value is None else "no interval"
    if value is not None and ends:
        interval = f"95 % interval [{ends[0]:.3f}, {ends[1]:.3f}]"
    rows: Sequence[dict[str, Any]] = found.get("rows") or []
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return Answer(
        label=(found.get("label") or found["analysis"]).replace("_", " "),
        sentence=found["sentence"],
        value="" if value is None else f"{value:.3f}",
        interval=interval,
        about="" if value is None else _counted(found),
        reason=(found.get("reason") or "not computed") if value is None else "",
        definition=found.get("definition") or "",
        columns=[column.replace("_", " ") for column in columns],
        rows=[[_text(row.get(column)) for column in columns] for row in rows],
    )


def _counted(found: dict[str, Any]) -> str:
    parts = []
    if found.get("n") is not None:
        unit = found.get("unit")
        parts.append(f"n = {found['n']}{f' {unit}s' if unit else ''}")
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
