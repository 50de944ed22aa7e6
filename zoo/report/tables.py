"""What the report's tables say: figures with interval, n and split; means over cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from zoo.controls import CONTROLS

#: Keys of a component's block in a recipe.
_OF_BLOCKS = ("name", "params", "train", "sample")
#: An entry of ``results.json``: one cell as it is, under a control, or at a snapshot.
Entry = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """One cell of a table: the value as text with all that belongs to it, or why there is none."""

    value: str = ""
    interval: str = ""
    about: str = ""
    definition: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """A metric, what chance would give, and its figure under each control."""

    metric: str
    chance: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Mean:
    """A metric over several cells."""

    value: str
    spread: str
    n: int


def control_title(control: str | None) -> str:
    """Return what the report calls a control; None is the real thing."""
    if control is None:
        return "real EEG"
    return CONTROLS[control].title if control in CONTROLS else control.replace("_", " ")


def metric_title(label: str) -> str:
    """Return what the report calls a metric; what it looks through keeps its name."""
    name, at, tower = label.partition("@")
    return f"{name.replace('_', ' ')}{at}{tower}"


def coords_title(coords: dict[str, Any]) -> str:
    """Return the coordinates of a cell as one line; empty where there is no grid."""
    shown = [f"{axis_title(axis)}: {value_text(value)}" for axis, value in coords.items()]
    return " · ".join(shown)


def axis_title(axis: str) -> str:
    """Return a grid axis without the parts that every reader can spare."""
    return axis.removesuffix(".name").replace(".params.", " ").replace(".train.", " ")


def of_units(n: int | str, unit: str) -> str:
    """Return "30 trials", "10 classes", "1 run"."""
    if str(n) == "1":
        return f"1 {unit}"
    return f"{n} {unit}{'es' if unit.endswith('s') else 's'}"


def value_text(value: Any) -> str:
    """Return a recipe's value as a person would write it."""
    if isinstance(value, dict):
        # What a block is made of (name, params, train) says nothing that its values do not.
        said = {key: "" if key in _OF_BLOCKS else f"{key} " for key in value}
        return ", ".join(said[key] + value_text(inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return " ".join(value_text(inner) for inner in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def figure(metric: dict[str, Any] | None) -> Figure:
    """Return the table cell of one entry's metric; None where it was not asked for."""
    if metric is None:
        return Figure()
    if metric.get("value") is None:
        return Figure(
            reason=metric.get("reason") or "not computed", definition=metric.get("definition", "")
        )
    ci95 = metric.get("ci95")
    about = f"n = {of_units(metric['n'], metric['unit'])} · {metric['split']}"
    about += "".join(
        f" · {words}: {value:.3f}" for words, value in metric.get("beside", {}).items()
    )
    if metric.get("selected_on"):
        about += f" · encoder chosen on {metric['selected_on']}"
    return Figure(
        value=f"{metric['value']:.3f}",
        interval=f"[{ci95[0]:.3f}, {ci95[1]:.3f}]" if ci95 else "no interval",
        about=about,
        definition=metric["definition"],
    )


def rows(entries: Sequence[Entry]) -> list[Row]:
    """Return one row per metric, one figure per entry; `entries` belong to one cell."""
    labels = dict.fromkeys(label for entry in entries for label in entry["metrics"])
    found = []
    for label in labels:
        metrics = [entry["metrics"].get(label) for entry in entries]
        chances = [m["chance"] for m in metrics if m and m.get("chance") is not None]
        found.append(
            Row(
                metric=metric_title(label),
                chance=f"{chances[0]:.3f}" if chances else "",
                figures=tuple(figure(metric) for metric in metrics),
            )
        )
    return found


def contribution_rows(found: dict[str, Any]) -> list[tuple[str, Figure, Figure, list[Figure]]]:
    """Return one line per score: what the EEG adds, what beyond the class, what over each control.

    `found` is one cell's ``contribution`` of ``results.json``.
    """
    labels = dict.fromkeys(found["scores"])
    labels.update(dict.fromkeys(label for entry in found["over"].values() for label in entry))
    return [
        (
            metric_title(label),
            _gain(found["scores"].get(label, {}).get("eeg")),
            _gain(found["scores"].get(label, {}).get("within_class")),
            [_gain(entry.get(label)) for entry in found["over"].values()],
        )
        for label in labels
    ]


def _gain(gain: dict[str, Any] | None) -> Figure:
    if gain is None:
        return Figure()
    if gain.get("value") is None:
        return Figure(reason=gain["reason"])
    ends = gain.get("ci95")
    about = f"n = {of_units(gain['n'], gain['unit'])}"
    if "p_holm" in gain:
        about += f" · p = {gain['p_holm']:.4f} (Holm)"
    return Figure(
        value=f"{gain['value']:+.3f}",
        interval=f"[{ends[0]:+.3f}, {ends[1]:+.3f}]" if ends else "no interval",
        about=about,
        definition=gain["definition"],
    )


def definitions(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """Return every definition once, with the metric it defines.

    A control for which the metric was not computed lacks the words about its interval: its
    definition is left out where another has a value.
    """
    given = [
        (label, metric["definition"], metric.get("value") is not None)
        for entry in entries
        for label, metric in entry["metrics"].items()
        if metric.get("definition")
    ]
    computed = {label for label, _, has_value in given if has_value}
    pairs = [(metric_title(n), text) for n, text, value in given if value or n not in computed]
    return list(dict.fromkeys(pairs))


def means(entries: Sequence[Entry]) -> dict[str, Mean]:
    """Return mean, standard deviation and range of each metric over `entries`."""
    values: dict[str, list[float]] = {}
    for entry in entries:
        for label, metric in entry["metrics"].items():
            if metric.get("value") is not None:
                values.setdefault(label, []).append(metric["value"])
    return {label: _mean(found) for label, found in values.items()}


def _mean(values: list[float]) -> Mean:
    spread = f"range {min(values):.3f} to {max(values):.3f}"
    if len(values) > 1:
        spread = f"SD {stdev(values):.3f}, {spread}"
    return Mean(value=f"{fmean(values):.3f}", spread=spread, n=len(values))


def over_cells(entries: Sequence[Entry]) -> dict[str, Any] | None:
    """Return the summary of a grid: means by control, one line a cell, means along each axis.

    None where there is one cell only.
    """
    entries = [entry for entry in entries if "step" not in entry["coords"]]
    real = [entry for entry in entries if entry["control"] is None]
    if len(real) < 2:
        return None
    controls = list(dict.fromkeys(entry["control"] for entry in entries))
    labels = list(dict.fromkeys(label for entry in entries for label in entry["metrics"]))
    by_control = {
        control: means([entry for entry in entries if entry["control"] == control])
        for control in controls
    }
    return {
        "n": len(real),
        "controls": [control_title(control) for control in controls],
        "means": [
            (metric_title(label), [by_control[control].get(label) for control in controls])
            for label in labels
        ],
        "metrics": [metric_title(label) for label in labels],
        "cells": [
            (entry["id"], coords_title(entry["coords"]), entry["seed"],
             [figure(entry["metrics"].get(label)) for label in labels])
            for entry in real
        ],
        "axes": _along_axes(real, labels),
    }  # fmt: skip


def _along_axes(real: Sequence[Entry], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Return the means of the cells that share a value, for each of several axes."""
    axes = list(dict.fromkeys(axis for entry in real for axis in entry["coords"]))
    if len(axes) < 2:
        return []
    tables = []
    for axis in axes:
        groups: dict[str, list[Entry]] = {}
        for entry in real:
            groups.setdefault(value_text(entry["coords"].get(axis)), []).append(entry)
        lines = []
        for value, group in groups.items():
            found = means(group)
            lines.append((value, len(group), [found.get(label) for label in labels]))
        tables.append({"axis": axis_title(axis), "lines": lines})
    return tables
