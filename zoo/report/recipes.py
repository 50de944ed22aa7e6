"""The recipe of a run, and of each of its cells, as the run folder keeps it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo.recipe.errors import Problems
from zoo.recipe.nodes import plain
from zoo.recipe.yaml_strict import parse
from zoo.report.tables import Entry

#: The recipe of a run, of a cell: blocks by name.
Recipe = dict[str, Any]


def recipe_of(folder: Path) -> Recipe:
    """Return ``recipe.yaml`` of a run folder as plain data; empty where there is none.

    Raises
    ------
    RecipeError
        A file that cannot be read as YAML.
    """
    path = folder / "recipe.yaml"
    if not path.is_file():
        return {}
    problems = Problems()
    node = parse(path.read_text(encoding="utf-8"), str(path), problems)
    problems.raise_if_any()
    assert node is not None
    found = plain(node)
    return found if isinstance(found, dict) else {}


def recipes_of_cells(recipe: Recipe, entries: Sequence[Entry]) -> list[Recipe]:
    """Return the recipe of each entry: the first cell's, with the entry's own blocks.

    Empty where an entry is not among the cells of the recipe: of such a run nothing is known.
    """
    shared = {key: value for key, value in recipe.items() if key != "cells"}
    by_place = {
        _place(cell.get("coords", {})): {**shared, **cell} for cell in recipe.get("cells", [])
    }
    found = [by_place.get(_place(entry["coords"])) for entry in entries]
    return [one for one in found if one is not None] if None not in found else []


def value_in(recipe: Recipe, path: str) -> Any:
    """Return what a recipe has at a dotted path; None where it has nothing."""
    found: Any = recipe
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def words_of(value: Any) -> str:
    """Return a recipe's value as a person would say it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(map(words_of, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _place(coords: dict[str, Any]) -> str:
    return json.dumps(coords, sort_keys=True)
