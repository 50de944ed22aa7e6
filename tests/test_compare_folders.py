"""`zoo compare`: what it reads of run folders, what differs in their recipes, what is damaged."""

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import made_runs
import pandas as pd
import pytest
from click.testing import CliRunner
from engine_toys import add_parts, recipe
from made_runs import BASE, figure, make, one_cell, trials

from cli import main
from registry.errors import UserError
from zoo.compare import compare_runs
from zoo.compare.text import comparison_text
from zoo.engine import plan as planning
from zoo.engine.run import run
from zoo.recipe import dump

noise = pytest.fixture(made_runs.noise)


def test_what_differs_in_the_recipes_and_beyond(tmp_path, noise):
    one = one_cell(tmp_path / "a", 0.5 + noise[0])
    encoder = {"name": "eegnet", "params": {"depth": 2}, "train": {"lr": 0.01}}
    asked = [*BASE["metrics"], {"name": "kappa", "params": {}, "label": "kappa"}]
    changes = {"encoder": encoder, "summary": "says nothing", "seed": 3, "metrics": asked}
    changes |= {"published": [{"metric": "kappa", "value": 0.5}], "analyses": [{"name": "spread"}]}
    changes |= {"tuned": ["encoder.train.lr"], "given": ["encoder.train.epochs"]}
    other = one_cell(tmp_path / "b", 0.5 + noise[1], changes=changes)
    for folder, torch, code in ((one, "2.1", "c0de"), (other, "2.2", "0dd")):
        about = {"versions": {"torch": torch, "numpy": "2"}, "code": code, "datasets": {}}
        (folder / "provenance.json").write_text(json.dumps(about))
    found = compare_runs([one, other])
    assert {change.path: change.values for change in found.recipes} == {
        "seed": {"A": 0, "B": 3},
        "encoder.params.depth": {"B": 2},
        "encoder.train.lr": {"A": 0.001, "B": 0.01},
    }
    assert {change.path: change.values for change in found.beyond} == {
        "versions.torch": {"A": "2.1", "B": "2.2"},
        "code": {"A": "c0de", "B": "0dd"},
    }
    lines = [line.split() for line in comparison_text(found).splitlines()]
    assert ["encoder.params.depth", "-", "2"] in lines
    assert ["versions.torch", "2.1", "2.2"] in lines


def test_other_components_are_other_source_anyhow(tmp_path, noise):
    encoder = {"name": "nice", "params": {}, "train": {"lr": 0.001}}
    one = one_cell(tmp_path / "a", 0.5 + noise[0])
    other = one_cell(tmp_path / "b", 0.5 + noise[1], changes={"encoder": encoder})
    for folder in (one, other):
        (folder / "provenance.json").write_text(json.dumps({"code": folder.name}))
    found = compare_runs([one, other])
    assert [change.path for change in found.recipes] == ["encoder.name"]
    assert found.beyond == []


def test_cells_of_a_grid_carry_their_own_blocks(tmp_path, noise):
    cells = [
        ({"encoder.train.lr": lr}, {"accuracy": (figure(0.5), trials(0.5 + noise[i]))})
        for i, lr in enumerate((0.001, 0.01))
    ]
    folder = make(tmp_path / "grid", cells)
    written = BASE | {
        "cells": [
            {"coords": {"encoder.train.lr": 0.001}},
            {"coords": {"encoder.train.lr": 0.01}, "encoder": {"name": "eegnet", "params": {},
                                                               "train": {"lr": 0.01}}},
        ]
    }  # fmt: skip
    (folder / "recipe.yaml").write_text(dump(written))
    (change,) = compare_runs([folder]).recipes
    assert (change.path, change.values) == ("encoder.train.lr", {"A": 0.001, "B": 0.01})


def test_a_folder_without_scores_says_what_to_do(tmp_path, noise):
    one, other = (one_cell(tmp_path / n, 0.5 + noise[i]) for i, n in enumerate("ab"))
    shutil.rmtree(other / "scores")
    found = compare_runs([one, other])
    assert found.differences == []
    assert found.notes == [
        "B cannot be paired: made before run folders kept scores by trial. Run the recipe again; "
        "what the store still holds is not computed again"
    ]
    assert found.figures["accuracy"]["B"].value is not None


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["a", "nowhere"], "nowhere: there is no such folder"),
        (["a", "."], "is not a run folder: name one inside it, such as b"),
        (["a", "a/scores"], "a/scores is not a run folder: it has no results.json"),
        (["a", "../{here}/a"], "are the same run; name each once"),
        (["a"], "a: there is one cell only; name another run to compare it with"),
        (["a", "b", "--metric", "acuracy"], "Did you mean 'accuracy'? They have: accuracy"),
        ([], "Missing argument"),
    ],
)
def test_mistakes_are_told_in_one_sentence(tmp_path, noise, monkeypatch, args, said):
    for i, name in enumerate("ab"):
        one_cell(tmp_path / name, 0.5 + noise[i])
    monkeypatch.chdir(tmp_path)
    given = [arg.format(here=tmp_path.name) for arg in args]
    done = CliRunner().invoke(main, ["compare", *given])
    assert done.exit_code == 2
    assert said in done.output
    assert isinstance(done.exception, SystemExit)


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("results.json", "{", "results.json cannot be read"),
        ("recipe.yaml", "a: [", "recipe.yaml:1: not valid YAML"),
        ("recipe.yaml", "schema: 1\ncells: []", "has 0 cells and results.json 1"),
        ("scores/cell0/accuracy.csv", "trial_id,score\nt,1", "lacks the column 'cluster'"),
        ("scores/cell0/accuracy.csv", "", "cannot be read"),
    ],
)
def test_damaged_folders_are_named(tmp_path, noise, path, text, said):
    one, other = (one_cell(tmp_path / n, 0.5 + noise[i]) for i, n in enumerate("ab"))
    (other / path).write_text(text)
    with pytest.raises(UserError, match=str(other)) as caught:
        compare_runs([one, other])
    assert said in str(caught.value)


def test_json_holds_everything(tmp_path, noise):
    one = one_cell(tmp_path / "a", 0.8 + noise[0])
    other = one_cell(tmp_path / "b", 0.5 + noise[1])
    done = CliRunner().invoke(main, ["compare", str(one), str(other), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert [s["name"] for s in found["settings"]] == ["A", "B"]
    assert found["settings"][1]["run"] == str(other)
    assert found["metrics"]["accuracy"]["A"]["ci95"] == [0.1, 0.9]
    (difference,) = found["differences"]
    assert (difference["metric"], difference["supported"]) == ("accuracy", True)
    assert difference["sentence"].startswith("A is better than B")


def test_a_run_folder_is_enough(tmp_path, monkeypatch):
    """A real run of toys: the store is gone when the runs are compared."""
    add_parts(monkeypatch)
    monkeypatch.setattr(planning, "STAGES", "toy_stages")
    report = SimpleNamespace(write_report=lambda folder: folder)
    monkeypatch.setitem(sys.modules, "zoo.report", report)
    monkeypatch.chdir(tmp_path)
    first = run(recipe(), store=tmp_path / "store").folder
    again = run(recipe(name="again"), store=tmp_path / "store").folder
    shutil.rmtree(tmp_path / "store")
    assert {path.name for path in (first / "scores" / "cell").iterdir()} == {
        "accuracy.csv", "image_class_accuracy.csv", "image_class_accuracy.shuffled_eeg.csv",
        "image_class_accuracy.class_label.csv",
    }  # fmt: skip
    assert not (first / "failures").exists()
    table = pd.read_csv(first / "scores" / "cell" / "image_class_accuracy.shuffled_eeg.csv")
    assert (table["trial_id"].tolist(), set(table["score"])) == (
        [f"t{i:02d}" for i in range(6, 12)], {1.0},
    )  # fmt: skip
    monkeypatch.undo()
    found = compare_runs([tmp_path / first, tmp_path / again])
    same = "A and B have the very same scores, trial by trial, in accuracy, image_class_accuracy"
    assert found.notes == [same]
    assert found.figures["accuracy"]["A"].value == 1


def test_a_link_is_followed(tmp_path, noise):
    one = one_cell(tmp_path / "a", 0.5 + noise[0])
    other = one_cell(tmp_path / "b", 0.5 + noise[1])
    (tmp_path / "latest").symlink_to("b", target_is_directory=True)
    found = compare_runs([one, Path(tmp_path / "latest")])
    assert [setting.folder for setting in found.settings] == [one, other]
