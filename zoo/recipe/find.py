"""Where a recipe is: a file of the user's, or one that ships."""

from __future__ import annotations

import os
from pathlib import Path

from registry.errors import did_you_mean
from zoo.recipe.errors import RecipeError

#: The recipes' folder of the installed package, and of a checkout.
_FOLDERS = (
    Path(__file__).resolve().parents[1] / "_recipes",
    Path(__file__).resolve().parents[2] / "recipes",
)


def shipped_recipes() -> dict[str, Path]:
    """Return the recipes that ship, by name ("paper"; in a folder below: "folder/name")."""
    found: dict[str, Path] = {}
    for folder in _FOLDERS:
        for path in sorted(folder.rglob("*.yaml")):
            found.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
    return found


def find_recipe(source: str | Path) -> tuple[Path, str]:
    """Return a recipe's file and how messages call it.

    Raises
    ------
    RecipeError
        There is no such file, nor a shipped recipe of this name.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return path, str(source)
    if path.is_dir():
        raise RecipeError(f"{source} is a folder; name a recipe file in it")
    shipped = shipped_recipes()
    name = str(source)
    if name in shipped:
        return shipped[name], _shown(shipped[name])
    if path.suffix:
        hint = did_you_mean(path.stem, shipped)
        raise RecipeError(f"{source} does not exist. {hint}".strip())
    raise RecipeError(
        f"no recipe {name!r}. {did_you_mean(name, shipped)}"
        f"Recipes that ship: {', '.join(shipped)}; or name a .yaml file"
    )


def _shown(path: Path) -> str:
    """Return the path from the working folder where it lies below, as a user would type it."""
    relative = os.path.relpath(path) if path.is_relative_to(Path.cwd()) else path
    return str(relative)
