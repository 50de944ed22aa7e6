"""What the tests of recipes share: a small valid recipe, and how to load a changed one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from registry import Registry, component
from zoo.recipe import Recipe, RecipeError, load_recipe

SMALL = """\
schema: 1
name: small
dataset: {name: pocket, params: {subjects: [1]}}
encoder:
  name: eegnet
  params: {drop_prob: 0.5}
  train: {epochs: 5, batch_size: 32, lr: 1e-3}
conditioner: {name: linear, train: {steps: 20, batch_size: 8, lr: 1e-3}}
pipeline: {name: stable_diffusion, params: {weights: pocket, image_size: 64}}
metrics: [accuracy]
"""


class Desk:
    """A folder with one recipe file in it, called r.yaml in messages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, text: str = SMALL, *overrides: str, **options: Any) -> Recipe:
        """Load a recipe text."""
        (self.folder / "r.yaml").write_text(text, encoding="utf-8")
        return load_recipe("r.yaml", overrides=overrides, **options)

    def errors(self, text: str = SMALL, *overrides: str, **options: Any) -> list[str]:
        """Return the lines of the RecipeError that the text deserves."""
        try:
            self.load(text, *overrides, **options)
        except RecipeError as error:
            return str(error).splitlines()
        raise AssertionError("the recipe is valid")


def changed(*changes: tuple[str, str], text: str = SMALL) -> str:
    """Return the text with pieces replaced, each of which must occur."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def desk_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk in an empty folder, which is the working folder (made a fixture by each file)."""
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path)


@contextmanager
def registered(registry: Registry, name: str, cls: type) -> Iterator[None]:
    """Know a component by hand for a while."""
    registry.add(name, cls)
    try:
        yield
    finally:
        registry._added.pop(name)


@component("dataset", needs_root=True)
class Recordings:
    """A data set that reads recordings."""

    def __init__(self, *, split: str = "single", subjects: list[int] | None = None) -> None: ...
