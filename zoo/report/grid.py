"""The grid of a run: its settings (cells in all their seeds), axes, primary outcome and figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.compare.settings import Setting
from zoo.report.axes import APART, Axis, setting_names, varying_axes
from zoo.report.course import Outcome, area, at_step, courses, steps_of_area
from zoo.report.estimate import Estimate, estimate
from zoo.report.recipes import Recipe, recipe_of, recipes_of_cells
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
        end of training, one a seed; the recipe is that of the first, or empty.
    axes : list of Axis
        Without the seed.
    outcomes : list of Outcome
        The figures that have a value somewhere, the primary one first.
    entries : list of dict
        Of each setting: all its entries of ``results.json``, controls and snapshots included.
    published : list of dict
        Figures of papers, as ``results.json`` has them.
    """

    settings: list[Setting]
    axes: list[Axis]
    outcomes: list[Outcome]
    entries: list[list[Entry]]
    published: list[dict[str, Any]]
    _known: dict[Any, Estimate] = field(default_factory=dict)

    @property
    def primary(self) -> Outcome:
        """What the grid is read by."""
        return self.outcomes[0]

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

    def courses(
        self, i: int, label: str, control: str | None
    ) -> dict[str, dict[int, dict[str, Any]]]:
        """Return a metric of a setting over the steps of each of its trainings."""
        return courses(self.entries[i], label, control, self.settings[i].folder)

    def at(self, i: int, outcome: Outcome, control: str | None = None) -> Estimate:
        """Return the figure of a setting, its seeds put together."""
        key = (i, outcome, control)
        if key not in self._known:
            metrics = self._metrics(i, outcome, control)
            # Run folders keep the scores by trial of the end of training.
            several = control is None and len(metrics) > 1 and not outcome.steps
            scores = self.settings[i].scores(outcome.label) if several else None
            draws = RESAMPLES if outcome.label == self.primary.label else FEWER
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

    def beside(self, i: int, outcome: Outcome) -> list[dict[str, Any]]:
        """Return the published figures that stand beside a setting: they are of trained models."""
        if outcome.steps:
            return []
        ids = {cell["id"] for cell in self.settings[i].cells}
        return [p for p in self.published if p["metric"] == outcome.label and ids & {*p["cells"]}]

    def _metrics(self, i: int, outcome: Outcome, control: str | None) -> list[dict[str, Any]]:
        label = outcome.label
        if outcome.steps:
            found = self.courses(i, label, control).values()
            return [area(points, outcome) for points in found]
        finals = [e for e in self.entries[i] if e["control"] == control and not at_step(e)]
        return [entry["metrics"][label] for entry in finals if label in entry["metrics"]]


def grid_of(folder: Path, results: dict[str, Any]) -> Grid | None:
    """Return the grid of a run; None where there is one cell only, or no figure at all."""
    groups: dict[str, list[Entry]] = {}
    for entry in results["cells"]:
        groups.setdefault(json.dumps(_unseeded(entry), sort_keys=True), []).append(entry)
    finals = [[e for e in g if e["control"] is None and not at_step(e)] for g in groups.values()]
    kept = [(ends, group) for ends, group in zip(finals, groups.values(), strict=True) if ends]
    labels = _labels([ends for ends, _ in kept], results)
    if sum(len(ends) for ends, _ in kept) < 2 or not labels:
        return None
    recipe = recipe_of(folder)
    recipes = recipes_of_cells(recipe, [ends[0] for ends, _ in kept])
    coords = [_unseeded(ends[0]) for ends, _ in kept]
    axes = varying_axes(coords, recipes)
    names = setting_names(axes, len(kept)) if len(kept) > 1 else ["all seeds"]
    settings = [
        Setting(name, folder, results, {}, place, tuple(ends), recipes[i] if recipes else {})
        for i, (name, place, (ends, _)) in enumerate(zip(names, coords, kept, strict=True))
    ]
    entries = [group for _, group in kept]
    outcomes = [*_area(recipe, labels, entries, folder), *map(Outcome, labels)]
    return Grid(settings, axes, outcomes, entries, results.get("published") or [])


def _unseeded(entry: Entry) -> dict[str, Any]:
    return {axis: value for axis, value in entry["coords"].items() if axis not in APART}


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


def _area(
    recipe: Recipe, labels: Sequence[str], entries: Sequence[Sequence[Entry]], folder: Path
) -> list[Outcome]:
    """Return the area, where the first question of the recipe is about one that can be had."""
    asked = [one["params"] for one in recipe.get("analyses", [])[:1] if one.get("params")]
    if not asked or asked[0].get("over") != "area" or asked[0].get("metric") != labels[0]:
        return []
    found = (c for group in entries for c in courses(group, labels[0], None, folder).values())
    steps = steps_of_area(found)
    return [Outcome(labels[0], steps)] if steps else []
