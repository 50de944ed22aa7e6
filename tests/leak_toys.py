"""Real, tiny recipes whose trainings run but nothing is drawn: what the leak tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.checks.tiny_stable_diffusion import write_tiny_stable_diffusion
from zoo.engine.graph import CellPlan, Plan
from zoo.engine.plan import plan as make_plan
from zoo.engine.roots import Roots
from zoo.engine.store import Store
from zoo.engine.task import Setting, run_locked
from zoo.recipe import load_recipe

RECIPE = """
schema: 1
name: tiny
dataset:
  name: pocket
  params:
    {n_classes: 2, images_per_class: 12, subjects: [1], blocks_per_class: 3,
     split: {by: run, test: ["3"], val: ["2"]}}
encoder:
  name: eegnet
  params: {embed_dim: 8}
  train: {steps: 2, batch_size: 8, lr: 1e-3}
conditioner: {name: linear, train: {steps: 1, batch_size: 4, lr: 1e-3}}
pipeline:
  name: stable_diffusion
  params: {weights: tiny, image_size: 16}
  sample: {steps: 1, guidance_scale: 1}
metrics: [accuracy]
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture
def ran(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, store: Store
) -> Callable[..., tuple[Plan, CellPlan]]:
    """Run what trains of a recipe's only cell, with overrides; return its plan and the cell."""
    weights = tmp_path_factory.mktemp("weights")
    write_tiny_stable_diffusion(weights / "tiny")

    def run(*overrides: str, text: str = RECIPE) -> tuple[Plan, CellPlan]:
        (tmp_path / "tiny.yaml").write_text(text)
        recipe = load_recipe(tmp_path / "tiny.yaml", overrides=overrides, weights_root=weights)
        roots = Roots.resolve(None, None, weights)
        setting = Setting(store=store.root, roots=roots, threads=1)
        plan = make_plan(recipe, roots, store)
        for node in plan.nodes.values():
            if node.stage not in ("judge", "generate", "evaluate"):
                run_locked(node, store, setting)
        return plan, plan.cells[0]

    return run


INIT = "encoder.train.init_from={{encoder.train.steps: 2, {}}}"
SPLIT = "dataset.params.split: {{by: run, test: {}, val: {}}}"


def started_from(test: str, val: str) -> str:
    return INIT.format(SPLIT.format(test, val))
