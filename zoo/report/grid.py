"""The grid of a run: its settings (cells in all their seeds), axes, primary metric and figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.compare.settings import Setting
from zoo.report.axes import APART, Axis, setting_names, varying_axes
from zoo.report.estimate import Estimate, estimate
from zoo.report.tables import Entry
from zoo.statistics import RESAMPLES

#: What a grid is read by, where no analysis says it: the first of these that was computed.
PRIMARY = ("image_class_accuracy", "accuracy")
#: Draws for the intervals of all metrics but the primary one.
FEWER = RESAMPLES // 4


@dataclass(frozen=True)
class Grid:
    """What the report says of all cells together.

    Parameters
    ----------
    settings : list of Setting
        Their names are what a reader calls them; entries under `cells` are the real EEG's at the
        end of training, one a seed.
    axes : list of Axis
        Without the seed.
    labels : list of str
        The metrics that have a value somewhere, the primary one first.
    entries : list of dict
        Of each setting: all its entries of ``results.json``, controls and snapshots included.
    published : list of dict
        Figures of papers, as ``results.json`` has them.
    """

    settings: list[Setting]
    axes: list[Axis]
    labels: list[str]
    entries: list[list[Entry]]
    published: list[dict[str, Any]]
    _known: dict[Any, Estimate] = field(default_factory=dict)

    @property
    def primary(self) -> str:
        """The metric that the grid is read by."""
        return self.labels[0]

    @property
    def names(self) -> list[str]:
        """What a reader calls each setting."""
        return [setting.name for setting in self.settings]

    @property
    def seeds(self) -> list[int]:
        """All seeds."""
        return list(dict.fromkeys(seed for setting in self.settings for seed in setting.seeds))

    @property
    def controls(self) -> list[str]:
        """The controls that some setting was given."""
        found = (entry["control"] for group in self.entries for entry in group)
        return [control for control in dict.fromkeys(found) if control is not None]

    def finals(self, i: int, control: str | None) -> list[Entry]:
        """Return the entries of a setting at the end of training, one a seed."""
        return [e for e in self.entries[i] if e["control"] == control and not at_step(e)]

    def at(self, i: int, label: str, control: str | None = None) -> Estimate:
        """Return a metric of a setting at the end of training."""
        key = (i, label, control)
        if key not in self._known:
            finals = self.finals(i, control)
            metrics = [entry["metrics"][label] for entry in finals if label in entry["metrics"]]
            several = control is None and len(metrics) > 1
            scores = self.settings[i].scores(label) if several else None
            draws = RESAMPLES if label == self.primary else FEWER
            self._known[key] = estimate(metrics, scores, resamples=draws)
        return self._known[key]

    def chance(self, label: str) -> float | None:
        """Return what chance gives, where it is the same in every setting."""
        found = {
            metric["chance"]
            for setting in self.settings
            for metric in setting.metrics(label)
            if metric.get("chance") is not None
        }
        return found.pop() if len(found) == 1 else None

    def beside(self, i: int, label: str) -> list[dict[str, Any]]:
        """Return the published figures of a metric that stand beside a setting."""
        ids = {cell["id"] for cell in self.settings[i].cells}
        return [p for p in self.published if p["metric"] == label and ids & set(p["cells"])]


def grid_of(folder: Path, results: dict[str, Any]) -> Grid | None:
    """Return the grid of a run; None where there is one cell only, or no figure at all."""
    groups: dict[str, list[Entry]] = {}
    for entry in results["cells"]:
        coords = {axis: v for axis, v in entry["coords"].items() if axis not in APART}
        groups.setdefault(json.dumps(coords, sort_keys=True), []).append(entry)
    finals = [[e for e in g if e["control"] is None and not at_step(e)] for g in groups.values()]
    kept = [(ends, group) for ends, group in zip(finals, groups.values(), strict=True) if ends]
    labels = _labels([ends for ends, _ in kept], results)
    if sum(len(ends) for ends, _ in kept) < 2 or not labels:
        return None
    coords = [
        {axis: value for axis, value in ends[0]["coords"].items() if axis not in APART}
        for ends, _ in kept
    ]
    axes = varying_axes(coords)
    names = setting_names(axes, len(kept)) if len(kept) > 1 else ["all seeds"]
    settings = [
        Setting(name, folder, results, {}, place, tuple(ends), {})
        for name, place, (ends, _) in zip(names, coords, kept, strict=True)
    ]
    published = results.get("published") or []
    return Grid(settings, axes, labels, [group for _, group in kept], published)


def at_step(entry: Entry) -> bool:
    """Say whether an entry is a snapshot of a training that went on."""
    return "step" in entry["coords"]


def _labels(finals: Sequence[Sequence[Entry]], results: dict[str, Any]) -> list[str]:
    """Return the metrics that have a value somewhere, the primary one first."""
    given = [
        label
        for ends in finals
        for entry in ends
        for label, metric in entry["metrics"].items()
        if metric.get("value") is not None
    ]
    labels = list(dict.fromkeys(given))
    asked = [answer.get("metric") for answer in (results.get("answers") or [])[:1]]
    first = next((label for label in (*asked, *PRIMARY) if label in labels), None)
    return labels if first is None else [first, *(label for label in labels if label != first)]
