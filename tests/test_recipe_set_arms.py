"""Arms under ``--set``: whose rates a cell is given, and whether they were tuned for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recipe_toys import SMALL, Desk, changed, desk_in

from zoo.recipe import Recipe, dump, load_recipe
from zoo.recipe.cells import Cell
from zoo.recipe.replaced import replaced_text

RATE, ENCODER_RATE = "conditioner.train.lr", "encoder.train.lr"
#: Three encoders with their rates in one axis, one value in the other.
TUNED = (
    SMALL
    + """\
grid:
  encoder: [eegnet, nice, {name: shallow_conv_net, params: {embed_dim: 16}}]
  dataset.params.subjects: [[1], [2]]
arms:
  - where: {encoder: eegnet}
    set: {encoder.train.lr: 1e-2}
    trials: [{lr: 1e-2, val: 0.6}, {lr: 1e-3, val: 0.5}]
  - where: {encoder: nice}
    set: {encoder.train.lr: 2e-2}
    trials: [{lr: 2e-2, val: 0.6}, {lr: 1e-3, val: 0.5}]
  - where: {encoder: shallow_conv_net, encoder.params.embed_dim: 16}
    set: {encoder.train.lr: 3e-2}
    trials: [{lr: 3e-2, val: 0.6}, {lr: 1e-3, val: 0.5}]
"""
)
#: What one value of an axis is given without trials.
FOLDS = """\
  - where: {dataset.params.subjects: [1]}
    set: {conditioner.train.lr: 4e-3}
  - where: {dataset.params.subjects: [2]}
    set: {conditioner.train.lr: 5e-3}
"""
UNTUNED = TUNED.partition("arms:")[0] + "arms:\n" + FOLDS
desk = pytest.fixture(desk_in)


def rates(cells: tuple[Cell, ...]) -> dict[str, Any]:
    return {cell.id: cell.encoder.train["lr"] for cell in cells}


def told(recipe: Recipe) -> set[tuple[tuple[str, ...], tuple[str, ...], bool]]:
    return {(cell.tuned, cell.given, cell.lost_arm) for cell in recipe.cells}


def plain(cells: tuple[Cell, ...]) -> list[Cell]:
    """Cells without what is true of one command line alone."""
    return [replace(cell, replaced=(), lost_arm=False) for cell in cells]


def again(recipe: Recipe, folder: Path, *overrides: str) -> Recipe:
    (folder / "again.yaml").write_text(dump(recipe.resolved), encoding="utf-8")
    return load_recipe(folder / "again.yaml", overrides=overrides)


# ---- what replaces an axis


def test_what_replaces_an_axis_picks_the_arm_of_the_value_that_it_gives(desk: Desk) -> None:
    one = desk.load(TUNED, "encoder=nice")
    assert rates(one.cells) == {"subjects=1": 2e-2, "subjects=2": 2e-2}
    assert told(one) == {((ENCODER_RATE,), (), False)}
    assert replaced_text(one.cells) == []
    as_axis = desk.load(TUNED, "grid.encoder=[nice]")
    assert [cell.encoder for cell in one.cells] == [cell.encoder for cell in as_axis.cells]
    assert told(as_axis) == told(one)


def test_several_that_replace_axes_pick_it_together(desk: Desk) -> None:
    (cell,) = desk.load(TUNED + FOLDS, "dataset.params.subjects=[2]", "encoder.name=nice").cells
    assert (cell.encoder.train["lr"], cell.conditioner.train["lr"]) == (2e-2, 5e-3)
    assert (cell.tuned, cell.given) == ((ENCODER_RATE,), (RATE,))


def test_a_value_of_no_arm_is_given_no_rate_and_the_plan_says_so(desk: Desk) -> None:
    recipe = desk.load(TUNED, "encoder=lstm")
    assert set(rates(recipe.cells).values()) == {1e-3}
    assert told(recipe) == {((), (), True)}
    assert replaced_text(recipe.cells) == [
        "2 cells are of no arm with trials (--set): nothing was tuned for subjects=1, subjects=2"
    ]


def test_one_cell_that_has_lost_its_arm(desk: Desk) -> None:
    recipe = desk.load(TUNED, "grid.encoder=[nice, lstm]", "dataset.params.subjects=[1]")
    assert [cell.lost_arm for cell in recipe.cells] == [False, True]
    assert replaced_text(recipe.cells) == [
        "1 cell is of no arm with trials (--set): nothing was tuned for encoder=lstm"
    ]
    many = desk.load(TUNED, "grid.seed=[0, 1, 2, 3, 4]", "encoder=lstm")
    assert replaced_text(many.cells)[0].endswith(
        "nothing was tuned for subjects=1,seed=0, subjects=1,seed=1, subjects=1,seed=2, ..."
    )


def test_nothing_is_lost_where_nothing_was_tried(desk: Desk) -> None:
    untried = "\n".join(line for line in TUNED.splitlines() if "trials:" not in line) + "\n"
    recipe = desk.load(untried, "encoder=lstm")
    assert told(recipe) == {((), (), False)}


# ---- what reaches into a value


def test_what_reaches_into_a_value_leaves_arms_as_they_are(desk: Desk) -> None:
    whole = desk.load(TUNED)
    for override in ("encoder.train.epochs=9", "encoder.train.steps=9"):
        recipe = desk.load(TUNED, override)
        assert rates(recipe.cells) == rates(whole.cells)
        assert told(recipe) == told(whole) == {((ENCODER_RATE,), (), False)}


def test_a_rate_is_not_tuned_for_what_the_cell_becomes(desk: Desk) -> None:
    """The arm is that of 16 features and leaves its rate; nothing was tried with 32."""
    text = changed(("eegnet, nice, {name: s", "{name: s"), text=TUNED.replace("eegnet}", "lstm}"))
    text = (
        text[: text.index("  - where: {encoder: lstm}")]
        + text[text.index("  - where: {encoder: sh") :]
    )
    recipe = desk.load(text, "encoder.params.embed_dim=32")
    assert set(rates(recipe.cells).values()) == {3e-2}
    assert told(recipe) == {((), (ENCODER_RATE,), True)}


SIZES = (
    SMALL
    + """\
grid:
  encoder:
    - {name: shallow_conv_net, params: {embed_dim: 8}}
    - {name: shallow_conv_net, params: {embed_dim: 16}}
arms:
  - where: {encoder.params.embed_dim: 8}
    set: {encoder.train.lr: 1e-2}
    trials: [{lr: 1e-2, val: 0.6}, {lr: 1e-3, val: 0.5}]
  - where: {encoder.params.embed_dim: 16}
    set: {encoder.train.lr: 2e-2}
    trials: [{lr: 2e-2, val: 0.6}, {lr: 1e-3, val: 0.5}]
"""
)


def test_a_cell_moved_to_another_arm_s_place_is_not_tuned_by_that_arm(desk: Desk) -> None:
    (cell,) = desk.load(SIZES, "grid.encoder=[{name: shallow_conv_net, params: {embed_dim: 8}}]",
                        "encoder.params.embed_dim=16").cells  # fmt: skip
    assert (cell.encoder.train["lr"], cell.tuned, cell.given) == (1e-2, (), (ENCODER_RATE,))
    assert cell.lost_arm


def test_two_cells_that_only_their_arms_tell_apart_are_refused(desk: Desk) -> None:
    """They would have one name, and one of the two a rate that was chosen for another size."""
    (found,) = desk.errors(SIZES, "encoder.params.embed_dim=16")
    assert found.startswith("--set: makes 2 cells encoder=shallow_conv_net-16-")
    assert found.endswith(
        ", which differ in what suited each before; choose from the grid of the recipe instead: "
        "--set grid.PATH=[...]"
    )


def test_of_two_that_become_equal_the_one_with_its_arm_is_kept(desk: Desk) -> None:
    alike = SIZES.replace("1e-2", "2e-2")
    (cell,) = desk.load(alike, "encoder.params.embed_dim=16").cells
    assert (cell.tuned, cell.given, cell.lost_arm) == ((ENCODER_RATE,), (), False)
    assert replaced_text([cell]) == [
        "encoder.params.embed_dim=16 (--set) replaces 8 in 1 cell; 1 is left out, as equal to "
        "another"
    ]


# ---- tuned, and given


def test_a_rate_of_the_command_line_was_not_tuned(desk: Desk) -> None:
    two = changed(
        ("set: {encoder.train.lr: 1e-2}", "set: {encoder.train: {lr: 1e-2, weight_decay: 0.1}}"),
        ("{lr: 1e-2, val: 0.6}", "{lr: 1e-2, weight_decay: 0.1, val: 0.6}"),
        text=TUNED,
    )
    whole = {cell.encoder.name: cell.tuned for cell in desk.load(two).cells}
    assert whole["eegnet"] == (ENCODER_RATE, "encoder.train.weight_decay")
    recipe = desk.load(two, "encoder.train.lr=1e-2")
    found = {cell.encoder.name: (cell.tuned, cell.given) for cell in recipe.cells}
    assert found["eegnet"] == (("encoder.train.weight_decay",), ()), "the same value is not theirs"
    assert found["nice"] == ((), ())
    assert told(desk.load(two, "grid.encoder.train.lr=[1e-2]", "encoder=nice")) == {((), (), False)}


def test_rates_by_group_are_told_leaf_by_leaf(desk: Desk) -> None:
    text = SMALL + (
        "arms:\n"
        "  - where: {seed: 0}\n"
        "    set: {conditioner.train: {batch_size: 4, lr: {projection: 1e-2, attn2: 1e-4}}}\n"
        "    trials: [{projection: 1e-2, val: 2}, {projection: 1e-3, val: 1}]\n"
        "seed: 0\n"
    )
    (cell,) = desk.load(text).cells
    assert cell.tuned == ("conditioner.train.lr.projection",)
    assert cell.given == ("conditioner.train.batch_size", "conditioner.train.lr.attn2")
    (cell,) = desk.load(text, "conditioner.train.lr.projection=1e-3").cells
    assert (cell.tuned, len(cell.given)) == ((), 2)
    (cell,) = desk.load(text, "conditioner.train.lr=1e-3").cells
    assert (cell.tuned, cell.given) == ((), ("conditioner.train.batch_size",))


def test_what_was_set_without_trials_is_given(desk: Desk) -> None:
    untried = SMALL + "seed: 0\narms: [{where: {seed: 0}, set: {conditioner.train.lr: 1e-2}}]\n"
    (cell,) = desk.load(untried).cells
    assert (cell.tuned, cell.given) == ((), (RATE,))
    (cell,) = desk.load(untried.replace("1e-2}", "1e-2}, trials: []")).cells
    assert (cell.tuned, cell.given) == ((), (RATE,))


def test_a_later_arm_without_trials_takes_what_was_tuned(desk: Desk) -> None:
    text = TUNED + "  - {where: {encoder: nice}, set: {encoder.train.lr: 9e-2}}\n"
    found = {cell.encoder.name: (cell.tuned, cell.given) for cell in desk.load(text).cells}
    assert found["nice"] == ((), (ENCODER_RATE,))
    assert found["eegnet"] == ((ENCODER_RATE,), ())


def test_a_later_arm_takes_what_lies_below_its_path(desk: Desk) -> None:
    text = SMALL + (
        "arms:\n"
        "  - {where: {seed: 0}, set: {conditioner.train.lr: 1e-2}, trials: [{lr: 1e-2, val: 1}]}\n"
        "  - {where: {seed: 0}, set: {conditioner.train.lr.attn2: 1e-4}}\n"
        "seed: 0\n"
    )
    (cell,) = desk.load(text).cells
    assert (cell.tuned, cell.given) == ((), ("conditioner.train.lr.attn2",))


def test_what_another_component_does_not_have_is_not_given(desk: Desk) -> None:
    text = SMALL + (
        "seed: 0\n"
        "arms:\n"
        "  - where: {seed: 0}\n"
        "    set: {encoder.params.kernel_seconds: 0.2, encoder.train.lr: 1}\n"
    )
    (cell,) = desk.load(text).cells
    assert cell.given == ("encoder.params.kernel_seconds", ENCODER_RATE)
    (cell,) = desk.load(text, "encoder=lstm").cells
    assert cell.given == (ENCODER_RATE,)


# ---- written out and read again


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("encoder=nice",),
        ("encoder=lstm",),
        ("encoder.train.lr=1e-2",),
        ("encoder.train.steps=7",),
        ("grid.encoder.train.lr=[1e-2, 1e-3]",),
        ("dataset.params.subjects=[2]",),
    ],
)  # fmt: skip
def test_a_recipe_written_out_tells_what_was_tuned_and_given(
    desk: Desk, overrides: tuple[str, ...]
) -> None:
    recipe = desk.load(TUNED + FOLDS, *overrides)
    reloaded = again(recipe, desk.folder)
    assert list(reloaded.cells) == plain(recipe.cells)
    assert any(cell.given for cell in recipe.cells)
    assert reloaded.resolved == recipe.resolved


@pytest.mark.parametrize(
    "override",
    ["encoder.train.lr=1e-2", "encoder.train.steps=7", "seed=5", "conditioner.train.lr=1",
     "encoder.train={epochs: 3}", "dataset.params.subjects=[1]", "encoder=nice"],
)  # fmt: skip
def test_a_list_of_cells_takes_overrides_as_the_grid_does(desk: Desk, override: str) -> None:
    text = changed(("eegnet, nice, {name: shallow_conv_net, params: {embed_dim: 16}}", "nice"),
                   ("[[1], [2]]", "[[1]]\n  seed: [0]"), text=TUNED + FOLDS)  # fmt: skip
    start = text.index("  - where: {encoder: eegnet}")
    text = text[:start] + text[text.index("  - where: {encoder: nice}") :]
    start = text.index("  - where: {encoder: shallow")
    text = text[:start] + text[text.index("  - where: {dataset.params.subjects: [1]}") :]
    text = text[: text.index("  - where: {dataset.params.subjects: [2]}")]
    recipe = desk.load(text)
    assert told(recipe) == {((ENCODER_RATE,), (RATE,), False)}
    assert plain(again(recipe, desk.folder, override).cells) == plain(
        desk.load(text, override).cells
    )


def test_a_listed_cell_that_was_moved_is_no_longer_tuned(desk: Desk) -> None:
    recipe = desk.load(SIZES, "grid.encoder=[{name: shallow_conv_net, params: {embed_dim: 8}}]")
    assert told(recipe) == {((ENCODER_RATE,), (), False)}
    moved = again(recipe, desk.folder, "encoder.params.embed_dim=32")
    assert told(moved) == {((), (ENCODER_RATE,), True)}
    assert told(again(recipe, desk.folder, "encoder.params.embed_dim=8")) == told(recipe)


@pytest.mark.parametrize(
    ("override", "axis"),
    [("encoder=nice", "encoder"), ("dataset.params.subjects=[2]", "dataset.params.subjects")],
)
@pytest.mark.parametrize("text", [TUNED, UNTUNED], ids=["tuned", "given"])
def test_a_list_of_cells_does_not_give_one_the_arm_of_another(
    desk: Desk, text: str, override: str, axis: str
) -> None:
    """The list knows what arms set, not for whom: of subject 1 it would be trained on 2 to 6."""
    listed = dump(desk.load(text).resolved)
    assert desk.errors(listed, override) == [
        f"--set {override}: this recipe lists its cells, with what arms set in them for another "
        f"{axis}; take the recipe that it was made from"
    ]


def test_a_list_of_cells_without_arms_is_moved_as_before(desk: Desk) -> None:
    listed = dump(desk.load(TUNED.partition("arms:")[0]).resolved)
    assert len(desk.load(listed, "dataset.params.subjects=[2]").cells) == 3
    found = desk.errors(listed, "encoder=nice")  # each has the weight decay of the one it was
    assert len(found) == 2
    assert all(" makes 2 cells subjects=" in line for line in found)


def test_a_list_without_a_good_cell_is_refused_whatever_is_set(desk: Desk) -> None:
    assert desk.errors(SMALL + "cells: [{seed: 0}]\n", "controls=[class_label]") == [
        "r.yaml:11 cells[0]: needs 'coords', a mapping of axes to values"
    ]


# ---- the recipes that ship


def test_a_subject_that_is_left_out_is_never_trained_on() -> None:
    cells = load_recipe("subjects", overrides=["dataset.params.subjects=[2]"]).cells
    assert len(cells) == 3
    (left_out,) = (c for c in cells if c.coords["encoder.train"] == {
        "steps": 0, "init_from": {"dataset.params.subjects": []}})  # fmt: skip
    assert left_out.dataset.params["subjects"] == [2]
    for block in (left_out.encoder, left_out.conditioner):
        assert block.train["init_from"]["dataset.params.subjects"] == [1, 3, 4, 5, 6]
    as_axis = load_recipe("subjects", overrides=["grid.dataset.params.subjects=[[2]]"]).cells
    blocks = [(c.dataset, c.encoder, c.conditioner, c.given) for c in cells]
    assert blocks == [(c.dataset, c.encoder, c.conditioner, c.given) for c in as_axis]


def test_every_encoder_has_its_own_rate_when_it_runs_alone() -> None:
    whole = {c.encoder.name: c.encoder.train["lr"] for c in load_recipe("encoders").cells}
    for name, rate in (("eegnet", 3e-2), ("lstm", 1e-2), ("nice", 3e-3)):
        recipe = load_recipe("encoders", overrides=[f"encoder={name}"])
        assert {c.encoder.train["lr"] for c in recipe.cells} == {rate} == {whole[name]}
        assert told(recipe) == {((ENCODER_RATE,), (), False)}


def test_every_path_of_the_gap_keeps_its_rate_with_one_thing_opened() -> None:
    recipe = load_recipe("clip_gap", overrides=["conditioner.params.opens=none", "seed=0"])
    found = {c.id: c.conditioner.train["lr"]["projection"] for c in recipe.cells}
    assert found == {
        "conditioner=clip_text-trained": 3e-2,
        "conditioner=clip_text-frozen": 3e-2,
        "conditioner=linear": 1e-3,
    }
    assert told(recipe) == {(("conditioner.train.lr.projection",), (), False)}
    assert replaced_text(recipe.cells) == []
    one_rate = load_recipe("clip_gap", overrides=["conditioner.train.lr.projection=1e-3"])
    assert told(one_rate) == {((), (), False)}


@pytest.mark.parametrize("name", ["clip_gap", "encoders", "subjects", "cross_subject"])
def test_the_recipes_that_ship_are_written_out_with_their_arms(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    assert any(cell.tuned or cell.given for cell in recipe.cells)
    assert again(recipe, tmp_path).cells == recipe.cells
