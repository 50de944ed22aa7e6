"""`score_on: val`: settings are chosen by validation trials, and the test stays unseen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from leak_toys import RECIPE

from zoo.checks.tiny_stable_diffusion import write_tiny_stable_diffusion
from zoo.engine.plan import plan as make_plan
from zoo.engine.roots import Roots
from zoo.engine.run import run
from zoo.engine.store import Store
from zoo.recipe import Recipe, load_recipe


def loaded(folder: Path, *overrides: str) -> Recipe:
    if not (folder / "tiny").exists():
        write_tiny_stable_diffusion(folder / "tiny")
    (folder / "tiny.yaml").write_text(RECIPE)
    metrics = "metrics=[accuracy, image_class_accuracy, psnr]"
    return load_recipe(folder / "tiny.yaml", overrides=[metrics, *overrides], weights_root=folder)


def test_validation_trials_are_drawn_and_scored(tmp_path: Path) -> None:
    recipe = loaded(tmp_path, "score_on=val", "controls=[shuffled_eeg, predicted_label]")
    store = Store(tmp_path / "store")
    done = run(recipe, weights_root=tmp_path, store=store, out=tmp_path / "runs", threads=1)
    assert not done.failures
    found = json.loads((done.folder / "results.json").read_text())
    figures = [
        m for cell in found["cells"] for m in cell["metrics"].values() if m["value"] is not None
    ]
    assert {figure["split"] for figure in figures} == {"val"}
    (select,) = store.root.glob("entries/*/select.npz")
    with np.load(select) as chosen:
        validation = set(chosen["trial_id"][chosen["split"] == "val"].tolist())
    assert len(validation) > 0
    for cell in found["cells"]:
        name = cell["control"] or "real"
        pictures = (done.folder / cell["gallery"] / name).iterdir()
        assert {path.stem.rpartition("_")[0] for path in pictures} == validation
    scores = pd.read_csv(done.folder / "scores" / "cell" / "psnr.csv", dtype=str)
    assert set(scores["trial_id"]) == validation
    assert not (store.root / "looks").exists(), "the test was looked at"
    assert found["cells"][0]["leakage"] is None
    assert any("Scored on validation" in note for note in found["cells"][0]["notes"])


def test_trainings_are_shared_with_the_test(tmp_path: Path) -> None:
    def planned(*overrides: str) -> dict[str, set[str]]:
        roots = Roots.resolve(None, None, tmp_path)
        plan = make_plan(loaded(tmp_path, *overrides), roots, Store(tmp_path / "store"))
        stages: dict[str, set[str]] = {}
        for key, node in plan.nodes.items():
            stages.setdefault(node.stage, set()).add(key)
        return stages

    test, val = planned(), planned("score_on=val")
    for stage in ("prepare", "select", "encode", "condition"):
        assert test[stage] == val[stage], stage
    for stage in ("generate", "evaluate"):
        assert not test[stage] & val[stage], stage


def test_the_last_snapshot_is_the_end(tmp_path: Path) -> None:
    """What is drawn at the last step is not drawn twice."""
    steps = ["conditioner.train.steps=3", "conditioner.train.snapshots=[1, 3]"]
    roots = Roots.resolve(None, None, tmp_path)
    plan = make_plan(loaded(tmp_path, *steps), roots, Store(tmp_path / "store"))
    (cell,) = plan.cells
    drawn = {variant.step: variant.generate for variant in cell.variants}
    assert set(drawn) == {None, 1, 3}
    assert drawn[None] == drawn[3] != drawn[1]
