"""Runs held against each other: `zoo compare`, from nothing but their run folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.compare.result import RunComparison


def compare_runs(folders: Sequence[Path | str], metrics: Sequence[str] = ()) -> RunComparison:
    """Return figures, paired differences and what differs in the recipes of some runs.

    Parameters
    ----------
    folders : sequence of Path
        Run folders; links such as ``runs/latest`` are followed. Cells that differ in their seed
        alone are one setting; all settings of all folders are compared with one another, of
        folders of one grid each setting with its namesakes.
    metrics : sequence of str, optional
        As results call them; left out: all.

    Returns
    -------
    RunComparison

    Raises
    ------
    UserError
        A folder that is missing, named twice or no run folder; a metric of none of them; nothing
        to compare.
    """
    from zoo.compare.figures import chosen_metrics, figures
    from zoo.compare.paired import differences
    from zoo.compare.recipes import beyond_recipes, recipe_changes
    from zoo.compare.result import RunComparison
    from zoo.compare.settings import settings_of

    settings = settings_of([Path(folder) for folder in folders])
    labels = chosen_metrics(settings, metrics)
    found, notes = differences(settings, labels)
    return RunComparison(
        settings=settings,
        figures={label: figures(settings, label) for label in labels},
        differences=found,
        notes=notes,
        recipes=recipe_changes(settings),
        beyond=beyond_recipes(settings),
    )
