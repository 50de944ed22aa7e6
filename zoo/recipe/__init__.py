"""Recipes: text to checked cells. Light: imports neither torch nor any component."""

from __future__ import annotations

from zoo.recipe.cells import Block, Cell, Recipe
from zoo.recipe.deep import deep_check
from zoo.recipe.errors import RecipeError
from zoo.recipe.find import shipped_recipes
from zoo.recipe.load import load_recipe
from zoo.recipe.yaml_strict import dump

__all__ = [
    "Block",
    "Cell",
    "Recipe",
    "RecipeError",
    "deep_check",
    "dump",
    "load_recipe",
    "shipped_recipes",
]
