"""The grid: which cells, what they are called, and the resolved recipe that gives them again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from recipe_toys import SMALL, Desk, desk_in

from zoo.recipe import Recipe, RecipeError, dump, load_recipe
from zoo.recipe.grid import cell_ids

desk = pytest.fixture(desk_in)


def grid(text: str) -> str:
    return f"{SMALL}grid: {text}\n"


def test_without_a_grid_there_is_one_cell(desk: Desk) -> None:
    for text in (SMALL, grid("{}")):
        (cell,) = desk.load(text).cells
        assert (cell.id, cell.coords) == ("cell", {})


def test_cartesian_product_of_blocks_and_values(desk: Desk) -> None:
    text = grid("{encoder: [eegnet, {name: shallow_conv_net, train: {epochs: 9}}], seed: [0, 1]}")
    cells = desk.load(text).cells
    assert [(c.encoder.name, c.encoder.train["epochs"], c.seed) for c in cells] == [
        ("eegnet", 5, 0),
        ("eegnet", 5, 1),
        ("shallow_conv_net", 9, 0),
        ("shallow_conv_net", 9, 1),
    ]
    assert cells[0].coords == {"encoder": "eegnet", "seed": 0}
    assert cells[0].id == "encoder=eegnet,seed=0"
    assert cells[3].coords["encoder"] == {"name": "shallow_conv_net", "train": {"epochs": 9}}
    assert cells[3].id == "encoder=shallow_conv_net-9,seed=1"


def test_a_block_and_one_of_its_values(desk: Desk) -> None:
    text = grid("{encoder.train.lr: [1e-3, 1e-4], encoder: [eegnet, shallow_conv_net]}")
    cells = desk.load(text).cells
    assert [(c.encoder.train["lr"], c.encoder.name) for c in cells] == [
        (1e-3, "eegnet"),
        (1e-3, "shallow_conv_net"),
        (1e-4, "eegnet"),
        (1e-4, "shallow_conv_net"),
    ]
    assert cells[0].encoder.params["drop_prob"] == 0.5


def test_folds_have_readable_names(desk: Desk) -> None:
    folds = "[{by: run, test: ['6'], val: ['5']}, {by: run, test: ['1'], val: ['2']}]"
    cells = desk.load(grid(f"{{dataset.params.split: {folds}}}")).cells
    assert [c.id for c in cells] == ["split=run-6-5", "split=run-1-2"]


def test_axes_that_end_alike_keep_what_tells_them_apart(desk: Desk) -> None:
    text = grid("{encoder.train.lr: [1e-3, 1e-4], conditioner.train.lr: [1e-3]}")
    assert [c.id for c in desk.load(text).cells] == [
        "encoder.train.lr=0.001,conditioner.train.lr=0.001",
        "encoder.train.lr=0.0001,conditioner.train.lr=0.001",
    ]


def test_ids_are_unique_short_and_safe_as_folders() -> None:
    values = [f"{'long ' * 30}{i}" for i in range(3)] + ["a/b", "a b", "A b", None, True, 1.5, "ü"]
    ids = cell_ids([{"dataset.params.split": v, "seed": 0} for v in values])
    assert len({name.lower() for name in ids}) == len(values)
    assert all(re.fullmatch(r"[A-Za-z0-9_.,=+-]{1,107}", name) for name in ids), ids
    assert cell_ids([{"seed": 1}, {"seed": 2}]) == ["seed=1", "seed=2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{seed: []}", "grid.seed: is empty: the grid would have no cell"),
        ("{seed: 3}", "grid.seed: must be a list of the values to run"),
        ("{seed: [0, 1, 1]}", "grid.seed[2]: the value 1 is listed twice"),
        ("{sed: [0]}", "grid.sed: unknown path 'sed': a recipe has no 'sed'. Did you mean 'seed'?"),
        (
            "{encoder.train.lrr: [0]}",
            "grid.encoder.train.lrr: unknown path 'encoder.train.lrr': 'encoder.train' has no "
            "'lrr'. Did you mean 'lr'?",
        ),
        (
            "{metrics: [[kappa], [accuracy]]}",
            "grid.metrics: cells can differ in seed, dataset, encoder, conditioner, pipeline, not "
            "in 'metrics'",
        ),
        ("{encoder: [eegnet, egnet]}", "grid.encoder[1]: unknown encoder 'egnet'. "),
        (
            "{encoder: [{name: eegnet, train: {epoch: 3}}]}",
            "grid.encoder[0].train.epoch: unknown key. Did you mean 'epochs'?",
        ),
        ("{encoder.train.epochs: [1, 0]}", "grid.encoder.train.epochs[1]: must be >= 1, got 0"),
        ("[seed]", "grid: must be a mapping"),
        (
            "{encoder: [eegnet, nice], encoder.name: [nice, eegnet]}",
            "grid.encoder.name[0]: sets encoder.name, and so does the axis encoder: vary it in one "
            "of them, or cells are called after values that they do not have",
        ),
        (
            "{encoder.train: [{steps: 1}, {steps: 2}], encoder.train.epochs: [1, 2]}",
            "grid.encoder.train.epochs[0]: sets encoder.train.steps, and so does the axis "
            "encoder.train: ",
        ),
        (
            "{conditioner.train.lr.projection: [1, 2], conditioner.train.lr: [1e-3, 1e-4]}",
            "grid.conditioner.train.lr[0]: sets conditioner.train.lr.projection, and so does the "
            "axis conditioner.train.lr.projection: ",
        ),
    ],
)
def test_wrong_grids(desk: Desk, text: str, message: str) -> None:
    (found,) = desk.errors(grid(text))
    assert found.startswith(f"r.yaml:11 {message}")


@pytest.mark.parametrize(
    ("axes", "overrides", "coords"),
    [
        ("{seed: [0, 1]}", ["seed=7"], [{}]),
        ("{encoder: [eegnet, shallow_conv_net], seed: [0, 1]}", ["encoder=eegnet"],
         [{"seed": 0}, {"seed": 1}]),
        ("{encoder.train.lr: [1, 2]}", ["encoder=shallow_conv_net"],
         [{"encoder.train.lr": 1}, {"encoder.train.lr": 2}]),
        ("{encoder.params.embed_dim: [8, 9]}", ["encoder=shallow_conv_net"], [{}]),
        ("{encoder.params.embed_dim: [8, 9]}", ["encoder=eegnet"],
         [{"encoder.params.embed_dim": 8}, {"encoder.params.embed_dim": 9}]),
        ("{encoder.train.epochs: [1, 2]}", ["encoder.train.steps=5"], [{}]),
        ("{dataset.params.split.test: [['1'], ['2']]}",
         ["dataset.params.split={by: run, test: ['3']}"], [{}]),
        ("{encoder.train: [{lr: 1}, {lr: 2}]}", ["encoder.train.lr=3"],
         [{"encoder.train": {"lr": 3}}]),
        ("{seed: [0, 1]}", ["grid.seed=[5]"], [{"seed": 5}]),
        ("{}", ["grid.seed=[5, 6]"], [{"seed": 5}, {"seed": 6}]),
    ],
)  # fmt: skip
def test_set_wins_over_an_axis_and_collapses_it(
    desk: Desk, axes: str, overrides: list[str], coords: list[dict[str, object]]
) -> None:
    assert [c.coords for c in desk.load(grid(axes), *overrides).cells] == coords


#: An override that reaches into an axis: what the cell is called, and what it holds.
REACHES = [
    ("{dataset.params.split: [{by: run, test: ['1']}, {by: run, test: ['2']}]}",
     ["dataset.params.split.test=['3']"],
     [("split=run-3", {"dataset.params.split": {"by": "run", "test": ["3"]}})]),
    ("{encoder: [{name: shallow_conv_net, params: {embed_dim: 8}}, eegnet]}",
     ["encoder.params.embed_dim=5"],
     [("encoder=shallow_conv_net-5",
       {"encoder": {"name": "shallow_conv_net", "params": {"embed_dim": 5}}}),
      ("encoder=eegnet", {"encoder": "eegnet"})]),
    ("{encoder: [{name: eegnet, train: {epochs: 9}}, eegnet]}",
     ["encoder.train.steps=4"],
     [("encoder=eegnet", {"encoder": {"name": "eegnet"}})]),
    ("{encoder.train: [{epochs: 1}, {epochs: 2}]}", ["encoder.train.steps=4"], [("cell", {})]),
    ("{conditioner.train.lr: [1, 2]}", ["conditioner.train.lr={projection: 3, attn2: 4}"],
     [("lr=3-4", {"conditioner.train.lr": {"projection": 3, "attn2": 4}})]),
]  # fmt: skip


@pytest.mark.parametrize(("axes", "overrides", "called"), REACHES)
def test_cells_are_called_after_what_runs(
    desk: Desk,
    axes: str,
    overrides: list[str],
    called: list[tuple[str, dict[str, object]]],
) -> None:
    recipe = desk.load(grid(axes), *overrides)
    assert [(c.id, c.coords) for c in recipe.cells] == called
    again(desk.load(grid(axes)), desk.folder)  # the same of the recipe that a run writes
    listed = load_recipe("recipe.yaml", overrides=overrides).cells
    assert [(c.id, c.coords) for c in listed] == called


@pytest.mark.parametrize("name", ["eegnet", "shallow_conv_net"])
def test_naming_the_encoder_does_not_hide_what_else_is_set(desk: Desk, name: str) -> None:
    overrides = [f"encoder={name}", "encoder.params.embed_dim=5"]
    (cell,) = desk.load(grid("{encoder.params.embed_dim: [8, 9]}"), *overrides).cells
    assert (cell.coords, cell.encoder.params["embed_dim"]) == ({}, 5)


def test_a_listed_cell_is_judged_by_its_own_encoder(desk: Desk) -> None:
    axes = "{encoder: [eegnet, shallow_conv_net], encoder.params.embed_dim: [8, 9]}"
    again(desk.load(grid(axes)), desk.folder)
    cells = load_recipe("recipe.yaml", overrides=["encoder=shallow_conv_net"]).cells
    sizes = [(c.coords.get("encoder.params.embed_dim"), c.encoder.params["embed_dim"])
             for c in cells]  # fmt: skip
    default = desk.load(SMALL, "encoder=shallow_conv_net").cells[0].encoder.params["embed_dim"]
    assert sizes == [(None, default), (8, 8), (9, 9)]


def test_a_recipe_that_lists_its_cells_takes_no_axis(desk: Desk) -> None:
    again(desk.load(grid("{seed: [0, 1]}")), desk.folder)
    with pytest.raises(RecipeError, match=r"^--set grid.seed=\[5\]: this recipe lists its cells"):
        load_recipe("recipe.yaml", overrides=["grid.seed=[5]"])


def again(recipe: Recipe, folder: Path) -> Recipe:
    (folder / "recipe.yaml").write_text(dump(recipe.resolved), encoding="utf-8")
    return load_recipe(folder / "recipe.yaml")


@pytest.mark.parametrize(
    ("text", "overrides"),
    [
        (SMALL, []),
        (SMALL, ["encoder.train.steps=9", "conditioner=lora", "encoder.train.ema=0.5"]),
        (SMALL, ["metrics=[{name: accuracy, label: acc}, kappa]", "controls=[class_label]"]),
        (SMALL, ["conditioner.train.lr={projection: 1e-05, attn2: 1}"]),
        (grid("{seed: [3]}"), []),
        (grid("{encoder: [shallow_conv_net, eegnet], encoder.train.lr: [1e-3, 1], seed: [0, 1]}"),
         ["encoder.train.steps=4"]),
        (grid("{conditioner: [linear, clip_text], conditioner.train.epochs: [1, 2]}"), []),
        (grid("{dataset.params.split: [{by: run, test: ['6']}, {by: run, test: ['012']}]}"), []),
    ],
)  # fmt: skip
def test_the_resolved_recipe_gives_the_same_cells(
    desk: Desk, text: str, overrides: list[str]
) -> None:
    recipe = desk.load(text, *overrides)
    reloaded = again(recipe, desk.folder)
    assert reloaded.cells == recipe.cells
    assert reloaded.resolved == recipe.resolved
    assert (reloaded.name, reloaded.scale) == (recipe.name, recipe.scale)


def test_a_resolved_recipe_takes_overrides(desk: Desk) -> None:
    recipe = desk.load(grid("{encoder: [eegnet, shallow_conv_net], seed: [0, 1]}"))
    again(recipe, desk.folder)
    cells = load_recipe("recipe.yaml", overrides=["seed=5", "encoder.train.lr=1e-5"]).cells
    assert [(c.coords, c.seed) for c in cells] == [
        ({"encoder": "eegnet"}, 5),
        ({"encoder": "shallow_conv_net"}, 5),
    ]
    assert {c.encoder.train["lr"] for c in cells} == {1e-5}


def test_wrong_cells(desk: Desk) -> None:
    text = SMALL + (
        "cells:\n"
        "  - {coords: {seed: 0}, seed: 0}\n"
        "  - {coords: {sed: 1}, sead: 1}\n"
        "  - {seed: 2}\n"
        "grid: {seed: [1]}\n"
    )
    assert desk.errors(text) == [
        "r.yaml:11 cells: give 'cells' or 'grid', not both",
        "r.yaml:13 cells[1].coords.sed: unknown path 'sed': a recipe has no 'sed'. Did you mean "
        "'seed'?",
        "r.yaml:13 cells[1].sead: unknown key. Did you mean 'seed'? A cell has: coords, tuned, "
        "given, seed, dataset, encoder, conditioner, pipeline",
        "r.yaml:14 cells[2]: needs 'coords', a mapping of axes to values",
    ]


def test_axes_that_set_other_values_of_one_block_go_together(desk: Desk) -> None:
    blocks = "[{name: clip_text, params: {text_encoder: frozen}}, {name: linear}]"
    axes = f"{{conditioner: {blocks}, conditioner.params.opens: [none, attn2]}}"
    assert len(desk.load(grid(axes)).cells) == 4
    split = "{dataset.params.split.by: [run, block], dataset.params.split.test: [['1'], ['2']]}"
    assert len(desk.load(grid(split)).cells) == 4


def test_an_axis_of_the_command_line_takes_no_other_s_values(desk: Desk) -> None:
    text = grid("{encoder: [eegnet, {name: nice, train: {lr: 1e-2}}]}")
    (found,) = desk.errors(text, "grid.encoder.train.lr=[1e-3, 1e-4]")
    assert found.startswith(
        "--set grid.encoder.train.lr=[1e-3, 1e-4] [0]: sets encoder.train.lr, and so does the axis "
        "encoder: "
    )
