"""A recipe small enough to run in a test, with real parts, and the plans of grids over it."""

from __future__ import annotations

from pathlib import Path

from zoo.engine.graph import Plan
from zoo.engine.plan import plan
from zoo.engine.roots import Roots
from zoo.engine.store import Store
from zoo.recipe import Recipe, load_recipe

SMALL = (
    "controls=[]",
    "metrics=[accuracy, image_class_accuracy, psnr]",
)
#: Two classes, a handful of steps.
TINY = (
    *SMALL,
    "encoder=eegnet",
    "dataset.params.n_classes=2",
    "dataset.params.images_per_class=18",
    "encoder.train.epochs=2",
    "conditioner.train.steps=2",
    "conditioner.train.batch_size=4",
    "pipeline.sample.steps=1",
)


def loaded(*overrides: str) -> Recipe:
    """Return the paper's recipe with these changes."""
    return load_recipe("paper", overrides=overrides, for_run=True)


def planned(*overrides: str, store: Path | None = None) -> Plan:
    """Return the plan of the paper's recipe with these changes."""
    return plan(loaded(*overrides), Roots(), Store(store or "/no/store"))
