"""Cells and recipes of toy parts, for the engine's tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from toy_parts import PARTS

from zoo.recipe.cells import Block, Cell, Recipe
from zoo.registries import REGISTRIES

TRAIN = {"steps": 6, "lr": {"all": 0.001}, "precision": "fp32", "snapshots": [], "init_from": None}

CELL = Cell(
    id="cell",
    coords={},
    seed=0,
    dataset=Block("toy_data", {"band": None, "n": 12, "subjects": [1], "split": "half",
                               "limit": None, "normalise": "channel", "shuffle_labels": False}),
    encoder=Block("toy_encoder", {"n_tokens": 2, "rate": 0.5, "power": 1},
                  {**TRAIN, "objective": {"name": "toy_objective", "params": {}}}),
    conditioner=Block("toy_conditioner", {}, TRAIN),
    pipeline=Block("toy_pipeline", {"image_size": 8}, sample={"steps": 2, "guidance_scale": 3.0}),
    metrics=(Block("toy_accuracy", {"top": 1}, label="accuracy"),
             Block("image_class_accuracy_of_toys", label="image_class_accuracy")),
    controls=("shuffled_eeg", "class_label"),
)  # fmt: skip


def add_parts(monkeypatch: Any) -> None:
    """Register the toy components for one test."""
    for kind, parts in PARTS.items():
        for name, cls in parts.items():
            monkeypatch.setitem(REGISTRIES[kind]._added, name, cls)


def recipe(*cells: Cell, name: str = "toys") -> Recipe:
    """Return a checked recipe of these cells (by default `CELL` alone)."""
    return Recipe(
        name=name, summary="toys", path=Path("toys.yaml"), text="", sources={}, seed=0,
        scale="pocket", data="simulated", weights="pocket", stand_ins=("data", "weights"),
        simulated=frozenset({"toy"}), cells=cells or (CELL,), resolved={"schema": 1, "name": name},
    )  # fmt: skip


def with_(cell: Cell, kind: str, **changes: Any) -> Cell:
    """Return `cell` with values changed in one block: ``with_(cell, "dataset", params={"n": 6})``
    updates, ``name="x"`` replaces.
    """
    block = getattr(cell, kind)
    new = {k: {**getattr(block, k), **v} if isinstance(v, dict) else v for k, v in changes.items()}
    return replace(cell, **{kind: replace(block, **new)})
