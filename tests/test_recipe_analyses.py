"""`analyses` in a recipe: read, checked against the recipe, written out, asked of the run."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml
from recipe_toys import SMALL, Desk, desk_in

from zoo.recipe import dump, load_recipe

ASKED = (
    SMALL
    + """\
grid: {conditioner: [linear, clip_text], seed: [0, 1]}
analyses:
  - name: difference
    label: wrong_door
    params:
      metric: accuracy
      a: {conditioner: linear}
      b: {conditioner.name: clip_text}
"""
)
desk = pytest.fixture(desk_in)


def with_(old: str, new: str) -> str:
    assert old in ASKED
    return ASKED.replace(old, new)


def test_an_analysis_gets_its_defaults(desk: Desk):
    (block,) = desk.load(ASKED).analyses
    assert (block.name, block.label) == ("difference", "wrong_door")
    assert block.params["a"] == {"conditioner": "linear"}
    assert block.params["over"] == "end"
    assert desk.load().analyses == ()


def test_the_resolved_recipe_asks_the_same(desk: Desk, tmp_path: Path):
    recipe = desk.load(ASKED)
    (tmp_path / "again.yaml").write_text(dump(recipe.resolved))
    again = load_recipe(tmp_path / "again.yaml")
    assert again.analyses == recipe.analyses
    assert again.resolved == recipe.resolved


def test_analyses_move_no_cell(desk: Desk):
    without = ASKED.partition("analyses:")[0]
    assert desk.load(ASKED).cells == desk.load(without).cells


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: difference", "name: diference",
         "r.yaml:13 analyses[0].name: unknown analysis 'diference'. Did you mean 'difference'?"),
        ("metric: accuracy", "metric: acuracy",
         "r.yaml:16 analyses[0].params.metric: no metric of this recipe is called 'acuracy'. "
         "Did you mean 'accuracy'?"),
        ("metric: accuracy", "metrc: accuracy",
         "r.yaml:16 analyses[0].params.metrc: analysis 'difference' has no parameter 'metrc'. "
         "Did you mean 'metric'?"),
        ("conditioner.name: clip", "conditioner.nam: clip",
         "r.yaml:18 analyses[0].params.b.conditioner.nam: unknown path 'conditioner.nam': "
         "'conditioner' has no 'nam'. Did you mean 'name'?"),
        ("name: clip_text}", "name: lora}",
         "r.yaml:18 analyses[0].params.b: no cell of this recipe has conditioner.name = 'lora'; "
         "they have: 'clip_text', 'linear'"),
        ("{conditioner: linear}", "{conditioner: linear, seed: 5}",
         "r.yaml:17 analyses[0].params.a: no cell of this recipe has seed = 5; they have: 0, 1"),
        ("label: wrong_door", "labl: wrong_door",
         "r.yaml:14 analyses[0].labl: unknown key. Did you mean 'label'?"),
        ("metric: accuracy", "metric: accuracy\n      over: aera",
         "r.yaml:17 analyses[0].params.over: analysis 'difference' parameter 'over' is 'aera'. "
         "Did you mean 'area'?"),
    ],
    ids=["name", "metric", "parameter", "path", "value", "number", "key", "word"],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(desk: Desk, old: str, new: str, message: str):
    assert any(line.startswith(message) for line in desk.errors(with_(old, new))), desk.errors(
        with_(old, new)
    )


def test_a_missing_parameter_and_a_double_label_are_said(desk: Desk):
    twice = ASKED + "  - {name: difference, label: wrong_door}\n"
    found = "\n".join(desk.errors(twice))
    assert "analysis 'difference' needs 'metric'" in found
    assert "two analyses are called 'wrong_door'; give a 'label'" in found


def test_analyses_are_a_list(desk: Desk):
    (line,) = desk.errors(SMALL + "analyses: {name: difference}\n")
    assert line.startswith("r.yaml:11 analyses: must be a list of analyses, got")


def test_a_cell_set_away_leaves_the_question_to_its_answer(desk: Desk, tmp_path: Path):
    recipe = desk.load(ASKED, "conditioner=linear")
    assert len(recipe.analyses) == 1
    assert "analyses" not in recipe.resolved
    (tmp_path / "again.yaml").write_text(dump(recipe.resolved))
    assert load_recipe(tmp_path / "again.yaml").cells == recipe.cells


def test_validation_stays_quick(desk: Desk):
    desk.load(ASKED)
    start = time.process_time()
    desk.load(ASKED)
    assert time.process_time() - start < 0.5


def test_the_schema_of_results_is_plain(desk: Desk):
    json.dumps(desk.load(ASKED).resolved)
    assert yaml.safe_load(dump(desk.load(ASKED).resolved))["analyses"][0]["label"] == "wrong_door"
