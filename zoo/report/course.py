"""A metric over the steps of a training: its snapshots and its end, and the area under them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zoo.report.tables import Entry, metric_title

#: Of the metric at the end of training, what holds for its area as well.
_SHARED = ("n", "unit", "split", "chance")


@dataclass(frozen=True)
class Outcome:
    """What settings are read by: a metric at the end of training, or the area under its course.

    Parameters
    ----------
    label : str
        Of the metric.
    steps : tuple of int, optional
        At which the course was scored, the end of training included; none at the end.
    """

    label: str
    steps: tuple[int, ...] = ()

    @property
    def title(self) -> str:
        """What a reader calls it."""
        title = metric_title(self.label)
        if not self.steps:
            return title
        return f"area under {title} (steps {self.steps[0]} to {self.steps[-1]})"

    @property
    def when(self) -> str:
        """What it is, where other figures are of other steps."""
        return self.title if self.steps else f"{self.title} at the end of training"


def at_step(entry: Entry) -> bool:
    """Say whether an entry is a snapshot of a training that went on."""
    return "step" in entry["coords"]


def courses(
    entries: Iterable[Entry], label: str, control: str | None, folder: Path
) -> dict[str, dict[int, dict[str, Any]]]:
    """Return cell -> step -> metric, rising; the end counts where its step is known.

    Parameters
    ----------
    entries : iterable of dict
        Of ``results.json``.
    label : str
    control : str or None
    folder : Path
        Of the run.
    """
    found: dict[str, dict[int, dict[str, Any]]] = {}
    ends: dict[str, dict[int, dict[str, Any]]] = {}
    for entry in entries:
        if entry["control"] != control or label not in entry["metrics"]:
            continue
        step = entry["coords"]["step"] if at_step(entry) else _last_step(folder, entry)
        if step is not None:
            into = found if at_step(entry) else ends
            into.setdefault(entry["id"], {})[step] = entry["metrics"][label]
    # A snapshot at the last step shares its pictures with the end.
    both = {cell: {**found.get(cell, {}), **ends.get(cell, {})} for cell in {**found, **ends}}
    return {cell: dict(sorted(points.items())) for cell, points in both.items()}


def steps_of_area(courses_of_cells: Iterable[dict[int, dict[str, Any]]]) -> tuple[int, ...]:
    """Return the steps of the first course that has several; none without any."""
    return next((tuple(points) for points in courses_of_cells if len(points) > 1), ())


def area(points: dict[int, dict[str, Any]], outcome: Outcome) -> dict[str, Any]:
    """Return the area under one course as a metric: its mean over steps by the trapezoid rule.

    Without a value where the course was scored at other steps or lacks a figure.
    """
    if tuple(points) != outcome.steps:
        return {"value": None, "reason": f"scored at {_listed(points)} alone"}
    for step, metric in points.items():
        if metric.get("value") is None:
            return {"value": None, "reason": f"step {step}: {metric.get('reason', 'not computed')}"}
    values = [metric["value"] for metric in points.values()]
    mean = np.trapezoid(values, outcome.steps) / (outcome.steps[-1] - outcome.steps[0])
    end = points[outcome.steps[-1]]
    shared = {key: end[key] for key in _SHARED if key in end}
    return {"value": float(mean), "definition": definition_of(outcome), **shared}


def definition_of(outcome: Outcome) -> str:
    """Return what an area is."""
    return (
        f"Area under {metric_title(outcome.label)} over training steps, from {outcome.steps[0]} to "
        f"{outcome.steps[-1]} by the trapezoid rule, divided by the range of steps: the mean along "
        f"the training. Scored at {_listed(outcome.steps)}."
    )


def _last_step(folder: Path, entry: Entry) -> int | None:
    """Return how many steps a training had, as it says itself or as its log ends."""
    if steps := (entry.get("training") or {}).get("steps"):
        return int(steps)
    path = folder / entry.get("logs", {}).get("condition", "no log")
    if not path.is_file():
        return None
    log = pd.read_csv(path)
    return int(log["step"].max()) if "step" in log and len(log) else None


def _listed(steps: Sequence[int] | dict[int, Any]) -> str:
    *most, last = map(str, steps)
    return f"steps {', '.join(most)} and {last}" if most else f"step {last}"
