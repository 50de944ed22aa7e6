"""Arms, controls of some cells, axes of stand-ins: what a comparison needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from recipe_toys import SMALL, Desk, changed, desk_in

from zoo.recipe import dump, load_recipe
from zoo.recipe.where import ABSENT, matches, value_at

GRID = """\
grid:
  conditioner: [linear, {name: clip_text, params: {text_encoder: frozen}}]
  seed: [0, 1]
"""
ARMS = """\
arms:
  - where: {conditioner: linear}
    set: {conditioner.train.lr: 1e-2}
    trials: [{lr: 1e-2, val: 0.6}, {lr: 1e-3, val: 0.5}]
  - where: {conditioner.params.text_encoder: frozen, seed: 1}
    set: {conditioner.train.lr: 3e-3}
    trials: [{lr: 1e-3, val: 0.4}, {lr: 3e-3, val: 0.5}]
"""
#: The same where nothing was tried, so that cells may be of no arm.
UNTRIED = re.sub(r"    trials: .*\n", "", ARMS)
#: An arm for the other seed.
REST = """\
  - where: {conditioner.params.text_encoder: frozen, seed: 0}
    set: {conditioner.train.lr: 2e-3}
    trials: [{lr: 1e-3, val: 0.4}, {lr: 2e-3, val: 0.5}]
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return desk_in(tmp_path, monkeypatch)


def rates(desk: Desk, *overrides: str) -> dict[str, Any]:
    return {
        c.id: c.conditioner.train["lr"] for c in desk.load(SMALL + GRID + UNTRIED, *overrides).cells
    }


# ---- arms


def test_an_arm_lies_over_the_cells_it_is_about(desk: Desk) -> None:
    assert rates(desk) == {
        "conditioner=linear,seed=0": 1e-2,
        "conditioner=linear,seed=1": 1e-2,
        "conditioner=clip_text-frozen,seed=0": 1e-3,
        "conditioner=clip_text-frozen,seed=1": 3e-3,
    }


def test_an_arm_may_change_what_it_is_about(desk: Desk) -> None:
    arm = "arms:\n  - {where: {conditioner.train.steps: 20}, set: {conditioner.train.steps: 9}}\n"
    assert desk.load(SMALL + arm).cells[0].conditioner.train["steps"] == 9


def test_a_value_of_an_axis_counts_as_it_is_written(desk: Desk) -> None:
    grid = "grid: {conditioner.train: [{steps: 9}, {steps: 8, weight_decay: 0}]}\n"
    cells = desk.load(SMALL + grid).cells
    assert [matches(cell, {"conditioner.train": {"steps": 9}}) for cell in cells] == [True, False]
    assert [matches(cell, {"conditioner.train.steps": 8}) for cell in cells] == [False, True]


def test_the_command_line_lies_over_arms(desk: Desk) -> None:
    assert set(rates(desk, "conditioner.train.lr=5e-3").values()) == {5e-3}
    assert rates(desk, "conditioner=linear")["seed=0"] == 1e-2, "an arm may be left without cells"


def test_rates_are_looked_for_with_the_arms_in_the_file(desk: Desk) -> None:
    """The command that found an arm's rate finds it again: its axis is not laid under the arm."""
    found = rates(desk, "grid.conditioner.train.lr=[2e-2, 2e-3]", "seed=1")
    assert found == {
        "conditioner=linear,lr=0.02": 2e-2,
        "conditioner=linear,lr=0.002": 2e-3,
        "conditioner=clip_text-frozen,lr=0.02": 2e-2,
        "conditioner=clip_text-frozen,lr=0.002": 2e-3,
    }
    recipe = desk.load(SMALL + GRID + ARMS, "grid.conditioner.train.lr=[2e-2, 2e-3]")
    assert {cell.tuned for cell in recipe.cells} == {()}


def test_an_arm_cannot_set_what_the_grid_varies(desk: Desk) -> None:
    """Cells would be called after values that they do not have, or vanish as equal."""
    grid = GRID + "  conditioner.train.lr: [1e-2, 1e-3]\n"
    (found, *_) = desk.errors(SMALL + grid + ARMS)
    assert found.startswith("r.yaml:16 arms[0]: sets conditioner.train.lr, which the grid varies")


def test_a_later_arm_lies_over_an_earlier_one_whatever_its_path(desk: Desk) -> None:
    text = SMALL + (
        "arms: [{where: {seed: 0}, set: {conditioner.train.lr.attn2: 1e-2}}]\n"
        "seed: 0\n"
        "pocket: {weights: {arms: [{where: {seed: 0}, set: {conditioner.train.lr: 5e-3}}]}}\n"
    )
    assert desk.load(text).cells[0].conditioner.train["lr"] == 5e-3


def test_what_an_arm_of_a_stand_in_sets_is_said_by_the_stand_in_s_note(desk: Desk) -> None:
    text = SMALL + (
        "grid: {encoder: [eegnet, nice]}\n"
        "pocket:\n"
        "  data:\n"
        "    encoder.train.batch_size: 16\n"
        "    arms: [{where: {encoder: nice}, set: {encoder.train.lr: 1e-2}}]\n"
        "sources:\n"
        "  encoder.train: {from: authors, chosen_on: none}\n"
        "  pocket.data.encoder.train: {from: ours, chosen_on: val}\n"
    )
    assert desk.load(text).sources["encoder.train.lr"] == {"from": "ours", "chosen_on": "val"}
    assert "encoder.train.lr" not in desk.load(text, data_root=desk.folder).sources


def test_what_an_arm_sets_is_no_axis(desk: Desk) -> None:
    for cell in desk.load(SMALL + GRID + UNTRIED).cells:
        assert set(cell.coords) == {"conditioner", "seed"}
        has_arm = cell.conditioner.name == "linear" or cell.seed == 1
        assert cell.given == (("conditioner.train.lr",) if has_arm else ())
        assert cell.tuned == (), "nothing was tried"


def test_a_recipe_written_out_has_the_same_cells(desk: Desk) -> None:
    recipe = desk.load(
        SMALL + "controls: [{name: class_label, only: {seed: 0}}]\n" + GRID + UNTRIED
    )
    again = desk.load(dump(recipe.resolved))
    assert [c.conditioner for c in again.cells] == [c.conditioner for c in recipe.cells]
    assert [c.controls for c in again.cells] == [c.controls for c in recipe.cells]
    assert [c.id for c in again.cells] == [c.id for c in recipe.cells]
    assert [c.given for c in again.cells] == [c.given for c in recipe.cells]
    text = dump(recipe.resolved).replace("[conditioner.train.lr]", "[conditioner.train.rl]", 1)
    assert "must list the paths that arms have set" in desk.errors(text)[0]


def test_where_settings_were_tried_every_cell_has_an_arm(desk: Desk) -> None:
    """A side that was left as it came is no equal of one that was tuned."""
    assert desk.errors(SMALL + GRID + ARMS) == [
        "r.yaml:15 arms[0]: was given 2 trials, but cell conditioner=clip_text-frozen,seed=0 is of "
        "no arm that was given any: write one for it with as many, or those tuned win for that "
        "alone"
    ]
    assert len(desk.load(SMALL + GRID + ARMS + REST).cells) == 4
    assert len(desk.load(SMALL + GRID + UNTRIED).cells) == 4
    # The command line may add cells, to look for rates or to look around.
    assert len(desk.load(SMALL + GRID + ARMS, "grid.seed=[0, 2]").cells) == 4


def test_arms_of_a_stand_in_cover_its_cells(desk: Desk) -> None:
    stand_in = "pocket:\n  weights:\n" + re.sub("^", "    ", ARMS, flags=re.MULTILINE).rstrip(" ")
    (found,) = desk.errors(SMALL + GRID + stand_in)
    assert found.startswith("r.yaml:17 pocket.weights.arms[0]: was given 2 trials, but cell ")
    (same,) = desk.errors(SMALL + GRID + stand_in, weights_root=desk.folder)
    assert same == found, "said where the stand-in is not in use, too"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "trials: [{lr: 1e-3, val: 0.4}, {lr: 3e-3, val: 0.5}]",
            "trials: [{lr: 1e-3, val: 0.4}]",
            "r.yaml:14 arms: arms were given 1 and 2 trials: try as many settings for each",
        ),
        (
            "{conditioner: linear}",
            "{conditioner: lora}",
            "r.yaml:15 arms[0]: is about no cell: none has conditioner.name = 'lora'; they have: "
            "'linear', 'clip_text'",
        ),
        (
            "where: {conditioner: linear}",
            "where: {conditioner.params.opens: attn2}",
            "r.yaml:15 arms[0]: is about no cell: none has conditioner.params.opens written "
            "(defaults do not count: write the value)",
        ),
        (
            "where: {conditioner: linear}",
            "where: {conditoner: linear}",
            "r.yaml:15 arms[0].where.conditoner: unknown path 'conditoner'",
        ),
        (
            "set: {conditioner.train.lr: 1e-2}",
            "set: {conditioner.train.rate: 1e-2}",
            "r.yaml:16 arms[0].set.conditioner.train.rate: unknown path",
        ),
        ("    set: {conditioner.train.lr: 1e-2}\n", "", "r.yaml:15 arms[0].set: needs 'set'"),
        (
            "set: {conditioner.train.lr: 1e-2}",
            "set: {metrics: [kappa]}",
            "r.yaml:16 arms[0].set.metrics: cells can differ in seed, dataset, encoder, ",
        ),
        (
            "trials: [{lr: 1e-2, val: 0.6}, {lr: 1e-3, val: 0.5}]",
            "trails: []",
            "r.yaml:17 arms[0].trails: unknown key. Did you mean 'trials'?",
        ),
    ],
)  # fmt: skip
def test_wrong_arms(desk: Desk, old: str, new: str, message: str) -> None:
    found = desk.errors(changed((old, new), text=SMALL + GRID + ARMS))
    assert any(line.startswith(message) for line in found), found


# ---- stand-ins with axes and arms of their own


def test_a_stand_in_has_axes_and_arms_of_its_own(desk: Desk) -> None:
    text = SMALL + (
        "grid: {seed: [0, 1, 2]}\n"
        "pocket:\n"
        "  data: {grid: {seed: [7], dataset.params.drift: [0.0, 1.0]}}\n"
        "  weights:\n"
        "    arms: [{where: {seed: 7}, set: {conditioner.train.lr: 1e-2}}]\n"
    )
    cells = desk.load(text, weights_root=desk.folder).cells
    assert [(c.seed, c.dataset.params["drift"]) for c in cells] == [(7, 0.0), (7, 1.0)]
    assert {c.conditioner.train["lr"] for c in cells} == {1e-3}
    assert {c.conditioner.train["lr"] for c in desk.load(text).cells} == {1e-2}


def test_axes_of_a_stand_in_are_a_mapping(desk: Desk) -> None:
    (found,) = desk.errors(SMALL + "pocket: {data: {grid: [seed]}}\n")
    assert found == "r.yaml:11 pocket.data.grid: must be a mapping"


def test_a_stand_in_asks_its_own_questions(desk: Desk) -> None:
    """Drift is an axis of simulated EEG alone."""
    text = SMALL + (
        "analyses: [{name: spread, params: {metric: accuracy, axis: seed}}]\n"
        "grid: {seed: [0, 1, 2]}\n"
        "pocket:\n"
        "  data:\n"
        "    grid: {dataset.params.drift: [0.0, 1.0, 2.0]}\n"
        "    analyses: [{name: spread, params: {metric: accuracy, axis: dataset.params.drift}}]\n"
    )
    own, theirs = desk.load(text, data_root=desk.folder), desk.load(text)
    assert [a.params["axis"] for a in own.analyses] == ["seed"]
    assert [a.params["axis"] for a in theirs.analyses] == ["dataset.params.drift"]


# ---- controls of some cells


def test_a_control_of_some_cells(desk: Desk) -> None:
    text = SMALL + "controls: [shuffled_eeg, {name: class_label, only: {seed: 1}}]\n" + GRID
    assert [(c.seed, c.controls) for c in desk.load(text).cells][:2] == [
        (0, ("shuffled_eeg",)),
        (1, ("shuffled_eeg", "class_label")),
    ]
    wrong = changed(("only: {seed: 1}", "only: {sede: 1}"), text=text)
    assert desk.errors(wrong)[0].startswith(
        "r.yaml:11 controls[1].only.sede: unknown path 'sede': a recipe has no 'sede'."
    )


def test_a_control_of_no_cell_is_a_mistake(desk: Desk) -> None:
    text = SMALL + "controls: [{name: class_label, only: {conditioner: clip_txt}}]\n" + GRID
    assert desk.errors(text) == [
        "r.yaml:11 controls[0].only: no cell of this recipe has conditioner = 'clip_txt'; they "
        "have: 'clip_text', 'linear'"
    ]
    seeded = text.replace("conditioner: clip_txt", "seed: 0")
    assert desk.load(seeded, "seed=5").cells[0].controls == (), "the command line took its cells"


def test_a_control_of_the_command_line_has_a_cell(desk: Desk) -> None:
    given = "controls=[{name: class_label, only: {seed: [0, 1]}}]"
    assert desk.errors(SMALL + GRID, given) == [
        f"--set {given} [0].only: no cell of this recipe has seed = [0, 1]; they have: 0, 1"
    ]
    one = "controls=[{name: class_label, only: {seed: 1}}]"
    assert {c.seed for c in desk.load(SMALL + GRID, one).cells if c.controls} == {1}


# ---- where


def test_where_compares_as_recipes_do(desk: Desk) -> None:
    (cell,) = desk.load(changed(("{subjects: [1]}", "{subjects: [1], band: [5, 95]}"))).cells
    assert matches(cell, {"dataset.params.band": [5.0, 95], "encoder": "eegnet", "seed": 0})
    assert not matches(cell, {"dataset.params.band": [5]})
    assert not matches(cell, {"seed": False})
    assert value_at(cell, "conditioner.params.text_encoder") is ABSENT
    assert not matches(cell, {"conditioner.params.text_encoder": None})


def test_the_recipes_that_ship_can_be_tuned() -> None:
    recipe = load_recipe("clip_gap", overrides=["score_on=val", "grid.seed=[100]"])
    assert {cell.score_on for cell in recipe.cells} == {"val"}
    assert len(recipe.cells) == 9
