"""What a comparison of runs found, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoo.compare.figures import Figure
from zoo.compare.paired import Difference
from zoo.compare.recipes import Change
from zoo.compare.settings import STAMP, Setting


@dataclass(frozen=True)
class RunComparison:
    """Runs held against each other.

    Parameters
    ----------
    settings : list of Setting
        What was compared, named A, B and so on.
    figures : dict
        Metric -> setting's name -> figure; None where the setting was not asked for it.
    differences : list of Difference
        Of settings with the same test trials; p after Holm over all of them.
    notes : list of str
        What could not be paired, and what to keep in mind.
    recipes : list of Change
        Where the resolved recipes differ.
    beyond : list of Change
        What else differs: stand-ins, recordings, versions, source.
    """

    settings: list[Setting]
    figures: dict[str, dict[str, Figure | None]]
    differences: list[Difference]
    notes: list[str]
    recipes: list[Change]
    beyond: list[Change]

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON takes it."""
        return {
            "settings": [_setting(setting) for setting in self.settings],
            "metrics": {
                label: {name: figure and figure.to_json() for name, figure in found.items()}
                for label, found in self.figures.items()
            },
            "differences": [difference.to_json() for difference in self.differences],
            "notes": self.notes,
            "recipes": [change.to_json() for change in self.recipes],
            "beyond_recipes": [change.to_json() for change in self.beyond],
        }


def _setting(setting: Setting) -> dict[str, Any]:
    return {
        "name": setting.name,
        "run": str(setting.folder),
        "recipe": setting.results.get("recipe"),
        "cells": [cell["id"] for cell in setting.cells],
        "coords": setting.coords,
        "seeds": setting.seeds,
        **{key: setting.results.get(key) for key in STAMP},
        "leakage": leakage_of(setting),
    }


def leakage_of(setting: Setting) -> str | None:
    """Return what the test shares with training: clean, contested or leaking, where known."""
    found = [(cell.get("leakage") or {}).get("verdict") for cell in setting.cells]
    return next((word for word in ("leaking", "contested", "clean") if word in found), None)
