"""The whole way with the real parts, tiny: recipe, stages, run folder, again, and killed."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

import zoo
from zoo.checks.tiny_stable_diffusion import write_tiny_stable_diffusion
from zoo.engine.store import Store

RECIPE = """
schema: 1
name: tiny
dataset:
  name: pocket
  params: {n_classes: 2, images_per_class: 12, subjects: [1], band: [5, 95], split: single}
encoder:
  name: eegnet
  params: {embed_dim: 16}
  train: {epochs: 3, batch_size: 8, lr: 1e-3}
conditioner:
  name: linear
  train: {steps: 4, batch_size: 4, lr: 1e-3, snapshots: [2]}
pipeline:
  name: stable_diffusion
  params: {weights: tiny, image_size: 16}
  sample: {steps: 2, guidance_scale: 2, images_per_trial: 2}
metrics: [accuracy, balanced_accuracy, kappa, image_class_accuracy, decoded_class_agreement,
          copy_share]
controls: [shuffled_eeg, class_label]
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    write_tiny_stable_diffusion(folder / "tiny")
    return folder


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE)
    return path


def test_a_recipe_runs_to_figures_pictures_and_report(
    recipe: Path, weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "runs"
    first = zoo.run(recipe, weights_root=weights, out=out, threads=1)
    assert not first.failures
    found = json.loads((first.folder / "results.json").read_text())
    assert (found["data"], found["weights"]) == ("simulated", "tiny")
    rows = {(c["control"], c["coords"].get("step")): c for c in found["cells"]}
    assert set(rows) == {(c, s) for c in (None, "shuffled_eeg", "class_label") for s in (None, 2)}
    accuracy = rows[None, None]["metrics"]["accuracy"]
    assert 0 <= accuracy["value"] <= 1
    assert accuracy["n"] == 4
    assert accuracy["split"] == "test"
    assert accuracy["selected_on"] == "val"
    assert accuracy["ci95"][0] <= accuracy["value"] <= accuracy["ci95"][1]
    gallery = first.folder / rows[None, None]["gallery"]
    with (gallery / "index.csv").open() as file:
        index = list(csv.DictReader(file))
    assert len(index) == 4
    for trial in index:
        with Image.open(gallery / "real" / f"{trial['trial_id']}_1.png") as drawn:
            assert drawn.size == (16, 16)
        with Image.open(gallery / "seen" / f"{trial['trial_id']}.png") as seen:
            assert seen.size == (64, 64)
        assert trial["source_shuffled_eeg"] != trial["trial_id"]
    report = (first.folder / "report.html").read_text()
    assert "Simulated EEG" in report
    assert "shuffled" in report

    second = zoo.run(recipe, weights_root=weights, out=out, threads=1)
    assert second.ran == 0
    assert (second.folder / "results.json").read_text() == json.dumps(
        found, indent=1, ensure_ascii=False
    ) + "\n"  # fmt: skip

    resolved = zoo.run(first.folder / "recipe.yaml", weights_root=weights, out=out, threads=1)
    assert resolved.ran == 0, "the run folder's own recipe gives other stages"


def test_killed_in_each_training_the_same_command_ends_the_same(
    recipe: Path, weights: Path, tmp_path: Path
) -> None:
    recipe.write_text(RECIPE.replace("epochs: 3", "epochs: 12").replace("steps: 4", "steps: 24"))

    def command(name: str) -> tuple[list[str], dict[str, str]]:
        script = (
            "import sys, zoo, zoo.training as t; t.CHECKPOINT_SECONDS = 0.0\n"
            "recipe, weights, out = sys.argv[1:]\n"
            "zoo.run(recipe, weights_root=weights, out=out, threads=1)"
        )
        arguments = [sys.executable, "-c", script, str(recipe), str(weights), str(tmp_path / name)]
        return arguments, {**os.environ, "ZOO_STORE": str(tmp_path / f"store-{name}")}

    for stage in ("encode", "condition"):
        arguments, environment = command("killed")
        process = subprocess.Popen(arguments, env=environment, stderr=subprocess.DEVNULL)
        _kill_when_checkpoint(process, tmp_path / "store-killed" / "work", stage)
    for name in ("killed", "whole"):
        arguments, environment = command(name)
        subprocess.run(arguments, env=environment, check=True, timeout=600)
    stores = [Store(tmp_path / f"store-{name}") for name in ("killed", "whole")]
    files = [{e.key: s.manifest(e.key)["files"] for e in s.entries()} for s in stores]
    assert set(files[0]) == set(files[1])
    for key in files[0]:
        same = [{n: f["sha256"] for n, f in of[key].items() if n not in TIMED} for of in files]
        assert same[0] == same[1], key


#: Files that hold seconds.
TIMED = {"log.csv", "encode.json", "condition.json"}


def _kill_when_checkpoint(process: subprocess.Popen[bytes], work: Path, stage: str) -> None:
    deadline = time.monotonic() + 600
    while not any(path.is_file() for path in work.glob(f"{stage}-*/**/*")):
        assert process.poll() is None, f"ended before {stage} kept a checkpoint"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
