"""What each setting of a grid was given for itself, and whether rates were tuned arm by arm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo.report.axes import place_name
from zoo.report.recipes import Recipe, value_in, words_of
from zoo.report.starts import KEY

if TYPE_CHECKING:
    from zoo.report.grid import Grid

#: Blocks that are trained.
_TRAINED = ("encoder", "conditioner")
#: How long a training goes on is part of what it starts from, and no tuning.
_LENGTHS = ("train.steps", "train.epochs")


def given_to_arms(grid: Grid) -> list[str]:
    """Return what arms with trials have set of each setting: "lr projection 0.03"; "" for nothing.

    What a training starts from is told by the setting's name.
    """
    return [place_name(_given(setting.recipe)) for setting in grid.settings]


def tuning_told(grid: Grid) -> str:
    """Return one sentence on learning rates; "" where the recipe is not known or none matters.

    A difference between settings can be one of rates that suit the one better than the other.
    """
    recipes = [setting.recipe for setting in grid.settings if setting.recipe]
    if not recipes or not any(_is_trained_apart(grid, block) for block in _TRAINED):
        return ""
    given = [_given(recipe) for recipe in recipes]
    rates = list(dict.fromkeys(path for one in given for path in one if _is_rate(path)))
    if rates:
        told = "; ".join(_rate(grid, path, given) for path in rates)
        return f"Learning rates tuned arm by arm: {told}. No other rate was."
    if any(_is_rate(leaf) for axis in grid.axes for leaf in axis.leaves):
        return ""
    return (
        "Learning rates were not tuned arm by arm: a difference may be that one rate suits one "
        "setting better than another."
    )


def _is_trained_apart(grid: Grid, block: str) -> bool:
    """Say whether the settings that train a block at all, not for 0 steps, differ in it."""
    lengths = [f"{block}.{length}" for length in _LENGTHS]
    trained = [
        i
        for i, setting in enumerate(grid.settings)
        if all(value_in(setting.recipe, length) != 0 for length in lengths)
    ]
    axes = [axis for axis in grid.axes if axis.leaves[0].partition(".")[0] == block]
    return any(len({axis.values[i] for i in trained}) > 1 for axis in axes)


def _rate(grid: Grid, path: str, given: list[dict[str, Any]]) -> str:
    """Return "conditioner lr projection (0.001 | 0.03, chosen on val)"."""
    having = [one[path] for one in given if path in one]
    parts = [" | ".join(words_of(value) for value in sorted(set(having)))]
    if len(having) < len(given):
        parts.append(f"in {len(having)} of {len(given)} settings")
    chosen_on = {
        group["chosen_on"]
        for setting in grid.settings
        for cell in setting.cells
        for group in (cell.get("ledger") or {}).get("settings", [])
        if path in group["paths"]
    }
    if chosen_on:
        parts.append(f"chosen on {' and '.join(sorted(chosen_on))}")
    title = path.replace(".train.", " ").replace(".", " ").replace("_", " ")
    return f"{title} ({', '.join(parts)})"


def _given(recipe: Recipe) -> dict[str, Any]:
    """Return dotted path -> value of what arms with trials have set, one value or a block."""
    tuned = [
        one for path in recipe.get("tuned", []) for one in _leaves(path, value_in(recipe, path))
    ]
    return {
        leaf: value
        for leaf, value in tuned
        if KEY not in leaf.split(".") and leaf.partition(".")[2] not in _LENGTHS
    }


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}", inner)
    elif value is not None:
        yield path, value


def _is_rate(path: str) -> bool:
    return ".train.lr." in f"{path}."
