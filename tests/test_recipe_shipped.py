"""Every recipe that ships is valid, as a text and built tiny; reading one imports no torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from recipe_toys import registered
from torch import Tensor, nn

from registry import component
from zoo.checks.tiny_stable_diffusion import write_tiny_stable_diffusion
from zoo.engine.init_from import source_cell
from zoo.engine.run import run
from zoo.engine.store import Store
from zoo.recipe import Recipe, RecipeError, deep_check, dump, load_recipe, shipped_recipes
from zoo.recipe.cells import Cell
from zoo.registries import DATASETS, ENCODERS

FOLDER = Path(__file__).resolve().parent.parent / "recipes"
RECIPES = sorted(FOLDER.rglob("*.yaml"))


@pytest.fixture(scope="module")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("weights")
    write_tiny_stable_diffusion(root / "tiny")
    return root


def test_there_are_recipes() -> None:
    asked = {"bands", "cross_subject", "encoders", "subjects"}
    assert {"paper", "n170"} | asked <= {path.stem for path in RECIPES}
    assert sorted(shipped_recipes().values()) == RECIPES


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_is_valid(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert recipe.cells
    assert recipe.summary
    assert recipe.sources
    assert recipe.text.startswith("#"), "a recipe says in its first lines what it is for"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_is_valid_deep(path: Path, tiny_weights: Path) -> None:
    deep_check(load_recipe(path), weights="tiny", weights_root=tiny_weights)


@pytest.mark.parametrize(
    ("encoder", "conditioner"), [("eegnet", "lora"), ("shallow_conv_net", "linear")]
)
def test_the_paper_s_parts_can_be_exchanged(
    encoder: str, conditioner: str, tiny_weights: Path
) -> None:
    overrides = [f"encoder={encoder}", f"conditioner={conditioner}"]
    deep_check(load_recipe("paper", overrides=overrides), weights="tiny", weights_root=tiny_weights)


@component("encoder", tokens=(1, "embed_dim"), train={"epochs": 1, "batch_size": 4, "lr": 1e-3})
class TooFew(nn.Module):
    """An encoder that returns fewer tokens than it says."""

    def __init__(self, *, n_chans: int, n_times: int, sfreq: float, embed_dim: int = 8) -> None:
        super().__init__()
        self.n_tokens, self.embed_dim = 2, embed_dim
        self.weight = nn.Linear(n_times, embed_dim)

    def forward(self, eeg_BCT: Tensor, subject_B: Tensor) -> Tensor:
        return self.weight(eeg_BCT).mean(1, keepdim=True)


def test_deep_check_names_the_part_that_fails(tiny_weights: Path) -> None:
    with registered(ENCODERS, "too_few", TooFew):
        recipe = load_recipe("paper", overrides=["encoder=too_few"])
        with pytest.raises(RecipeError) as caught:
            deep_check(recipe, weights="tiny", weights_root=tiny_weights)
    assert str(caught.value).endswith(
        "paper.yaml encoder 'too_few': returned tokens (4, 1, 8), not (4, 2, 8)"
    )


def test_deep_check_asks_the_constructors(tiny_weights: Path) -> None:
    recipe = load_recipe(
        "paper", overrides=["grid.dataset.params.n_classes=[3, 99]", "encoder=eegnet"]
    )
    with pytest.raises(RecipeError) as caught:
        deep_check(recipe, weights="tiny", weights_root=tiny_weights)
    (found,) = caught.value.problems
    assert " [n_classes=99] dataset 'pocket' parameter 'n_classes' is 99; " in found


def test_paper_is_what_the_design_says() -> None:
    recipe = load_recipe("paper")
    (cell,) = recipe.cells
    assert (recipe.scale, recipe.data, recipe.weights) == ("pocket", "simulated", "pocket")
    assert recipe.stand_ins == ("data", "weights")
    assert cell.dataset.params["window"] == [0.02, 0.46]
    labels = {metric.label for metric in cell.metrics}
    assert {"accuracy", "kappa", "image_class_accuracy", "inception_score@pocket_judge"} <= labels
    # Every network of photographs has a stand-in at this scale, and its name says so.
    towers = {label.partition("@")[2] for label in labels if "@" in label}
    assert towers
    assert all("pocket" in tower for tower in towers)
    assert cell.controls == ("shuffled_eeg", "class_label", "class_prompt", "predicted_label")
    assert cell.conditioner.params["text_encoder"] == "trained"
    assert cell.pipeline.params == {"weights": "pocket", "image_size": 64}


def test_paper_at_full_scale_says_what_is_missing() -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("paper", scale="full")
    text = str(caught.value)
    assert "weights 'sd-1.5'" in text
    assert "--weights-root" in text
    if "eeg_imagenet40" in DATASETS.names():
        assert "--data-root" in text
    else:
        assert "unknown dataset 'eeg_imagenet40'" in text


def test_n170_is_six_folds_on_real_recordings() -> None:
    recipe = load_recipe("n170")
    splits = [cell.coords["dataset.params.split"] for cell in recipe.cells]
    assert [split["test"] for split in splits] == [[str(run)] for run in range(1, 7)]
    assert all(set(split["test"]).isdisjoint(split.get("val", [])) for split in splits)
    assert (recipe.scale, recipe.data, recipe.stand_ins) == ("mixed", "real", ("weights",))
    with pytest.raises(RecipeError, match="name their folder with --data-root"):
        load_recipe("n170", for_run=True)


def on_recordings(name: str, folder: Path) -> Recipe:
    """Return a recipe without its stand-ins, as if `folder` held recordings and weights."""
    return load_recipe(name, data_root=folder, weights_root=folder)


@pytest.mark.parametrize("given", ["", "data_root", "weights_root", "data_root weights_root"])
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_is_read_again_as_it_was_written_out(path: Path, given: str, tmp_path: Path) -> None:
    """What `zoo run runs/latest/recipe.yaml` reads gives the same cells, questions and notes."""
    roots = dict.fromkeys(given.split(), tmp_path)
    recipe = load_recipe(path, **roots)
    (tmp_path / "again.yaml").write_text(dump(recipe.resolved))
    again = load_recipe(tmp_path / "again.yaml", **roots)
    assert again.cells == recipe.cells
    assert again.analyses == recipe.analyses
    assert again.published == recipe.published
    assert again.sources == recipe.sources
    assert again.resolved == recipe.resolved


def test_clip_gap_s_search_tries_every_rate_of_its_log() -> None:
    """Its arms are in the file by now; the command in its comment finds their rates again."""
    text = (FOLDER / "clip_gap.yaml").read_text()
    command = text[text.index("zoo run clip_gap --set") :].partition("arms:")[0].split()
    overrides = [word for word in command if "=" in word]
    recipe = load_recipe("clip_gap", overrides=overrides)
    tried = {
        (str(cell.coords["conditioner"]), str(cell.coords["conditioner.params.opens"])): []
        for cell in recipe.cells
    }
    for cell in recipe.cells:
        arm = str(cell.coords["conditioner"]), str(cell.coords["conditioner.params.opens"])
        tried[arm].append(cell.conditioner.train["lr"]["projection"])
    arms = yaml.safe_load(text)["pocket"]["weights"]["arms"]
    assert len(tried) == len(arms) == 9
    logged = {tuple(sorted(float(one["lr"]) for one in arm["trials"])) for arm in arms}
    assert {tuple(sorted(rates)) for rates in tried.values()} == logged


def test_encoders_leaves_out_none(tmp_path: Path) -> None:
    full = [cell.encoder.name for cell in on_recordings("encoders", tmp_path).cells]
    here = [cell.encoder.name for cell in load_recipe("encoders").cells]
    assert sorted(set(full)) == sorted(ENCODERS.names())
    assert set(here) == set(full)
    assert {full.count(name) for name in full} == {3}


def test_encoders_gives_each_the_best_rate_of_its_log() -> None:
    text = (FOLDER / "encoders.yaml").read_text()
    cells = load_recipe("encoders").cells
    arms = yaml.safe_load(text)["pocket"]["data"]["arms"]
    assert len(arms) == len({cell.encoder.name for cell in cells})
    for arm in arms:
        highest = max(trial["val"] for trial in arm["trials"])
        best = {float(trial["lr"]) for trial in arm["trials"] if trial["val"] == highest}
        mine = [cell for cell in cells if cell.encoder.name == arm["where"]["encoder"]]
        (rate,) = {cell.encoder.train["lr"] for cell in mine}
        assert rate in best
        assert min(tried := [float(one["lr"]) for one in arm["trials"]]) < rate < max(tried)
    assert load_recipe("encoders").sources["encoder.train.lr"]["chosen_on"] == "val"


def test_bands_shows_drift_where_it_is_simulated_and_six_subjects_where_not(tmp_path: Path) -> None:
    here, full = load_recipe("bands"), on_recordings("bands", tmp_path)
    assert {cell.dataset.params["drift"] for cell in here.cells} == {0, 1}
    assert (full.scale, full.weights, len(full.cells)) == ("full", "none", 2 * 4 * 6)
    for recipe in (here, full):
        assert {tuple(cell.dataset.params["band"]) for cell in recipe.cells} == {(5, 95), (1, 70)}
        names = {cell.encoder.name for cell in recipe.cells}
        assert names == {"lstm", "eegnet", "eeg_channel_net", "eeg_conv_net"}
        assert not any(cell.draws for cell in recipe.cells)


def test_subjects_leaves_each_out_once(tmp_path: Path) -> None:
    everyone = {1, 2, 3, 4, 5, 6}
    for recipe in (load_recipe("subjects"), on_recordings("subjects", tmp_path)):
        sources: dict[str, list[set[int]]] = {"own": [], "pooled": [], "left out": []}
        for cell in recipe.cells:
            (subject,) = cell.dataset.params["subjects"]
            assert cell.dataset.params["split"] == "all"
            assert cell.dataset.params["normalise"] == "trial"
            known = cell.encoder.train["init_from"]
            if known is None:
                sources["own"].append({subject})
                assert cell.conditioner.train["init_from"] is None
                continue
            assert cell.encoder.train["steps"] == cell.conditioner.train["steps"] == 0
            encoder, conditioner = (source_cell(cell, k) for k in ("encoder", "conditioner"))
            assert encoder.dataset == conditioner.dataset
            assert encoder.encoder == conditioner.encoder
            trained = set(encoder.dataset.params["subjects"])
            sources["pooled" if trained == everyone else "left out"].append(trained)
            assert trained in (everyone, everyone - {subject})
            assert encoder.encoder.train["steps"] == recipe.cells[0].encoder.train["steps"]
            ours, theirs = conditioner.conditioner.train, recipe.cells[0].conditioner.train
            assert ours["steps"] == theirs["steps"]
        assert {len(found) for found in sources.values()} == {6}


def test_cross_subject_treats_its_three_ways_alike(tmp_path: Path) -> None:
    for recipe in (load_recipe("cross_subject"), on_recordings("cross_subject", tmp_path)):
        ways: dict[str, list[Cell]] = {"scratch": [], "fine-tuned": [], "zero-shot": []}
        for cell in recipe.cells:
            for kind in ("encoder", "conditioner"):
                train = getattr(cell, kind).train
                known = train["init_from"] is not None
                way = "scratch" if not known else "fine-tuned" if train["steps"] else "zero-shot"
                ways[way].append(cell)
                if known:
                    source = source_cell(cell, kind)
                    assert source.dataset.params["subjects"] == [1]
                    assert source.dataset.params["limit"] is None
                    assert source.encoder.train["init_from"] is None
                    assert source.encoder.train["steps"] > 0
                    assert getattr(source, kind).train["steps"] > 0
        assert {len(cells) for cells in ways.values()} == {2 * len(recipe.cells) // 3}
        for one, other in zip(ways["scratch"], ways["fine-tuned"], strict=True):
            assert one.encoder.train["select"] == "last"  # no validation split is looked at
            assert one.encoder.train | {"init_from": 0} == other.encoder.train | {"init_from": 0}
            assert one.dataset == other.dataset
            for kind in ("encoder", "conditioner"):
                ours, theirs = getattr(one, kind).train, getattr(other, kind).train
                assert ours | {"init_from": 0} == theirs | {"init_from": 0}


def test_bands_runs_without_a_denoiser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = {"n_classes": 2, "images_per_class": 12}
    overrides = [f"dataset.params.{name}={value}" for name, value in small.items()]
    overrides += ["encoder=eegnet", "encoder.train.epochs=1", "seed=0", "dataset.params.drift=1"]
    recipe = load_recipe("bands", overrides=overrides, for_run=True)
    result = run(recipe, store=Store(tmp_path / "store"))
    found = json.loads((result.folder / "results.json").read_text())
    assert not result.failures
    assert [cell["metrics"]["accuracy"]["n"] for cell in found["cells"]] == [4, 4]
    assert found["weights"] == "none"


def test_loading_imports_nothing_heavy() -> None:
    code = (
        "import sys; from zoo.recipe import load_recipe; load_recipe('paper')\n"
        "print(sorted({m.partition('.')[0] for m in sys.modules} & "
        "{'torch', 'numpy', 'diffusers', 'transformers', 'mne', 'pandas', 'scipy'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
