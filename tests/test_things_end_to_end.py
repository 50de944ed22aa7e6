"""THINGS-EEG2 from files to figures: aligned with pictures, retrieved among unseen concepts."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import zoo
from registry import UserError
from zoo.checks.tiny_stable_diffusion import write_tiny_stable_diffusion
from zoo.recipe import load_recipe
from zoo.recipe.deep import deep_check
from zoo.simulate.things_eeg2 import Size, write

RECIPE = """
schema: 1
name: things
dataset:
  name: things_eeg2
  params: {subjects: [1]}
encoder:
  name: linear_projection
  params: {embed_dim: 32}
  train: {objective: {name: align_image, params: {tower: pocket_judge}}, epochs: 20,
          batch_size: 16, lr: 3e-3}
conditioner:
  name: linear
  train: {steps: 2, batch_size: 4, lr: 1e-3}
pipeline:
  name: stable_diffusion
  params: {weights: tiny, image_size: 16}
  sample: {steps: 2, guidance_scale: 2}
metrics: [retrieval, {name: retrieval, label: top2, params: {k: 2}}, image_class_accuracy]
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("things")
    write(folder, Size(1, 10, 4, 6, 4, 20, posterior=True))
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    write_tiny_stable_diffusion(folder / "tiny")
    return folder


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "things.yaml"
    path.write_text(RECIPE)
    return path


def test_a_recipe_retrieves_pictures_of_concepts_never_trained(
    recipe: Path, root: Path, weights: Path, tmp_path: Path
) -> None:
    roots = {"data_root": root, "weights_root": weights}
    done = zoo.run(recipe, **roots, out=tmp_path / "runs", threads=1)
    assert not done.failures
    found = json.loads((done.folder / "results.json").read_text())
    metrics = found["cells"][0]["metrics"]
    assert set(metrics) == {"retrieval@mean", "top2@mean", "image_class_accuracy@mean"}

    first = metrics["retrieval@mean"]
    assert first["n"] == 6
    assert first["chance"] == pytest.approx(1 / 6)
    assert first["selected_on"] == "val"
    assert "ranked first of 6 candidates" in first["definition"]
    assert "pocket judge" in first["definition"]
    assert "averaged over 20 repetitions" in first["definition"]
    assert first["value"] <= metrics["top2@mean"]["value"]
    assert metrics["top2@mean"]["chance"] == pytest.approx(2 / 6)

    picture = metrics["image_class_accuracy@mean"]
    assert picture["value"] is None
    assert picture["reason"].startswith("not computed: test classes were never trained: ")
    assert any("SIMULATED" in note or "simulated" in note for note in found["cells"][0]["notes"])

    again = zoo.run(recipe, **roots, out=tmp_path / "runs", threads=1)
    assert again.ran == 0
    resolved = zoo.run(done.folder / "recipe.yaml", **roots, out=tmp_path / "runs", threads=1)
    assert resolved.ran == 0, "the run folder's own recipe gives other stages or names"


def test_every_repetition_alone_is_resampled_by_picture(
    recipe: Path, root: Path, weights: Path, tmp_path: Path
) -> None:
    recipe.write_text(
        RECIPE.replace("subjects: [1]", "subjects: [1], repetitions: all, split: all")
        .replace("epochs: 20", "epochs: 1")
        .replace("metrics: [retrieval,", "metrics: [{name: retrieval},")
    )
    done = zoo.run(recipe, data_root=root, weights_root=weights, out=tmp_path / "runs", threads=1)
    assert not done.failures
    with (done.folder / "results.csv").open() as file:
        rows = {row["metric"]: row for row in csv.DictReader(file)}
    assert rows["retrieval@all"]["n"] == "120"
    cells = json.loads((done.folder / "results.json").read_text())["cells"]
    definition = cells[0]["metrics"]["retrieval@all"]["definition"]
    assert "bootstrap over 6 images" in definition
    assert "single presentation" in definition


def test_a_recipe_is_judged_by_its_target_before_anything_runs(recipe: Path, weights: Path) -> None:
    deep_check(load_recipe(recipe, weights_root=weights))
    labels = RECIPE.replace("{name: align_image, params: {tower: pocket_judge}}", "classify")
    wrong = {
        RECIPE.replace("pocket_judge", "pocket_juge"): "unknown image tower 'pocket_juge'. Did you",
        RECIPE.replace("[retrieval,", "[accuracy,"): "needs logits, which objective 'align_image'",
        labels: "metric 'retrieval' needs similarity, which objective 'classify' does not make",
    }
    for text, message in wrong.items():
        recipe.write_text(text)
        with pytest.raises(UserError) as caught:
            load_recipe(recipe, weights_root=weights)
        assert message in str(caught.value)


def test_a_tower_that_has_to_be_fetched_is_named_before_anything_runs(
    recipe: Path, root: Path, weights: Path
) -> None:
    recipe.write_text(RECIPE.replace("pocket_judge", "clip-vit-l-14"))
    with pytest.raises(UserError, match=r"hf download openai/clip-vit-large-patch14 --revision"):
        load_recipe(recipe, data_root=root, weights_root=weights, for_run=True)
    load_recipe(recipe, weights_root=weights)  # to validate it, no tower has to be there


def test_the_tower_that_ships_is_a_stand_in(recipe: Path, root: Path, weights: Path) -> None:
    with pytest.raises(UserError, match="image tower 'pocket_judge' is a stand-in that --scale"):
        load_recipe(recipe, scale="full", data_root=root, weights_root=weights, for_run=True)


def test_class_figures_on_classes_never_trained_say_so(
    recipe: Path, root: Path, weights: Path, tmp_path: Path
) -> None:
    labels = RECIPE.replace("{name: align_image, params: {tower: pocket_judge}}", "classify")
    recipe.write_text(labels[: labels.index("metrics:")] + "metrics: [accuracy, kappa]\n")
    done = zoo.run(recipe, data_root=root, weights_root=weights, out=tmp_path / "runs", threads=1)
    assert not done.failures
    found = json.loads((done.folder / "results.json").read_text())["cells"][0]["metrics"]
    for figure in found.values():
        assert figure["reason"].startswith("not computed: test classes were never trained: ")
