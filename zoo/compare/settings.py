"""What is compared: the settings of run folders, each a cell in all its seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from registry.errors import UserError
from zoo.recipe.errors import Problems
from zoo.recipe.nodes import plain
from zoo.recipe.yaml_strict import parse

#: What of results.json says on what a run stands.
STAMP = ("data", "weights", "scale")
#: What a table of scores by trial has to have.
COLUMNS = ("trial_id", "subject", "image_id", "score", "cluster")


@dataclass(frozen=True)
class Setting:
    """A cell in all its seeds.

    Parameters
    ----------
    name : str
        A letter: what tables and sentences call it.
    folder : Path
        Of its run.
    results : dict
        ``results.json``.
    provenance : dict
        ``provenance.json``; empty where the run could not write it.
    coords : dict
        Its place in the grid, without the seed.
    cells : tuple of dict
        The entries of ``results.json``, real EEG at the end of training, one a seed.
    recipe : dict
        The resolved recipe of the first of them, the seeds of all under ``seed``.
    """

    name: str
    folder: Path
    results: dict[str, Any]
    provenance: dict[str, Any]
    coords: dict[str, Any]
    cells: tuple[dict[str, Any], ...]
    recipe: dict[str, Any]

    @property
    def seeds(self) -> list[int]:
        """The seeds, in the order of the cells."""
        return [cell["seed"] for cell in self.cells]

    @property
    def keeps_scores(self) -> bool:
        """False where the run is older than scores in run folders."""
        return (self.folder / "scores").is_dir()

    @cached_property
    def labels(self) -> list[str]:
        """The metrics, in their order."""
        return list(dict.fromkeys(label for cell in self.cells for label in cell["metrics"]))

    def metrics(self, label: str) -> list[dict[str, Any]]:
        """Return a metric's figure of each cell that has a value."""
        found = [cell["metrics"].get(label) for cell in self.cells]
        return [metric for metric in found if metric and metric.get("value") is not None]

    def scores(self, label: str) -> pd.DataFrame | None:
        """Return the scores by trial, all seeds: `COLUMNS` and ``seed``; None without any.

        Raises
        ------
        UserError
            A file that is no such table.
        """
        tables = []
        for cell in self.cells:
            path = self.folder / "scores" / cell["id"] / f"{label}.csv"
            if cell["metrics"].get(label, {}).get("value") is not None and path.is_file():
                tables.append(_table(path).assign(seed=cell["seed"]))
        return pd.concat(tables, ignore_index=True) if tables else None


def settings_of(folders: Sequence[Path]) -> list[Setting]:
    """Return the settings of all run folders, in order, named A, B, C and so on.

    Raises
    ------
    UserError
        A folder that is missing, named twice or no run folder; fewer than two settings.
    """
    read: dict[Path, Path] = {}
    found: list[Setting] = []
    for folder in folders:
        real = folder.resolve()
        if real in read:
            raise UserError(f"{read[real]} and {folder} are the same run; name each once")
        read[real] = folder
        found += _settings(folder, real, len(found))
    if len(found) < 2:
        seeds = len(found[0].cells) if found else 0
        several = f" in {seeds} seeds, which are averaged" if seeds > 1 else ""
        raise UserError(
            f"{' '.join(map(str, folders))}: there is one cell only{several}; name another run to "
            "compare it with"
        )
    return found


def _settings(given: Path, folder: Path, n_before: int) -> list[Setting]:
    results = _results(given)
    finals = [
        entry
        for entry in results["cells"]
        if entry["control"] is None and "step" not in entry["coords"]
    ]
    try:
        text = (folder / "recipe.yaml").read_text("utf-8")
    except OSError as error:
        raise UserError(f"{given} is not a whole run folder: it has no recipe.yaml") from error
    recipes = _cell_recipes(given, text)
    if len(recipes) != len(finals):
        raise UserError(
            f"{given}: recipe.yaml has {len(recipes)} cells and results.json {len(finals)}; "
            "the folder was changed, run the recipe again"
        )
    about = folder / "provenance.json"
    provenance = json.loads(about.read_text("utf-8")) if about.is_file() else {}
    groups: dict[str, list[int]] = {}
    for i, entry in enumerate(finals):
        groups.setdefault(json.dumps(_unseeded(entry["coords"]), sort_keys=True), []).append(i)
    found = []
    for number, members in enumerate(groups.values(), n_before):
        cells = tuple(finals[i] for i in members)
        seeds = [cell["seed"] for cell in cells]
        found.append(
            Setting(
                name=_letters(number),
                folder=folder,
                results=results,
                provenance=provenance,
                coords=_unseeded(cells[0]["coords"]),
                cells=cells,
                recipe={**recipes[members[0]], "seed": seeds if len(seeds) > 1 else seeds[0]},
            )
        )
    return found


def _results(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise UserError(
            f"{folder}: there is no such folder; a run is at runs/<recipe>/<time>-<hash>, the last "
            "one at runs/latest"
        )
    path = folder / "results.json"
    if not path.is_file():
        inside = sorted(p.parent for p in folder.glob("*/results.json"))
        name = f"name one inside it, such as {inside[-1]}" if inside else "it has no results.json"
        raise UserError(f"{folder} is not a run folder: {name}")
    try:
        results: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise UserError(f"{path} cannot be read: {error}; run the recipe again") from error
    return results


def _cell_recipes(folder: Path, text: str) -> list[dict[str, Any]]:
    """Return the recipe of every cell, in order: the first one's, with the cell's own blocks."""
    problems = Problems()
    node = parse(text, str(folder / "recipe.yaml"), problems)
    problems.raise_if_any()
    assert node is not None
    first = plain(node)
    cells = first.pop("cells", [{"coords": {}}])
    return [{**first, **{k: v for k, v in cell.items() if k != "coords"}} for cell in cells]


def _unseeded(coords: dict[str, Any]) -> dict[str, Any]:
    return {axis: value for axis, value in coords.items() if axis != "seed"}


def _letters(number: int) -> str:
    """Return A to Z, then AA, AB as spreadsheets count."""
    left, last = divmod(number, 26)
    return (_letters(left - 1) if left else "") + chr(ord("A") + last)


def _table(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except ValueError as error:
        raise UserError(f"{path} cannot be read: {error}; run the recipe again") from error
    if lacking := set(COLUMNS) - set(table.columns):
        raise UserError(f"{path} lacks the column '{min(lacking)}'; run the recipe again")
    # A score that is missing is an empty field; whoever pairs the scores says so.
    return table.assign(score=pd.to_numeric(table["score"], errors="coerce"))
