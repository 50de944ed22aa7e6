"""What wins over what: component defaults < recipe < stand-ins < grid < --set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recipe_toys import SMALL, Desk, Recordings, changed, desk_in, registered

from zoo.recipe import Cell, load_recipe
from zoo.registries import CONDITIONERS, DATASETS, ENCODERS

desk = pytest.fixture(desk_in)

POCKET = """\
pocket:
  data:
    dataset: {name: pocket, params: {n_classes: 4}}
    encoder.train: {epochs: 2}
  weights:
    pipeline.params: {weights: pocket, image_size: 64}
    pipeline.sample.steps: 10
    conditioner.train: {steps: 7, lr: {projection: 3e-3, attn2: 3e-4}}
"""
FULL = (
    changed(
        ("dataset: {name: pocket", "dataset: {name: recordings"),
        ("steps: 20, batch_size: 8", "epochs: 9, batch_size: 8"),
        (
            "{weights: pocket, image_size: 64}",
            "{weights: sd-1.5, image_size: 512}, sample: {steps: 50}",
        ),
    )
    + POCKET
)


def only(cells: tuple[Cell, ...]) -> Cell:
    (cell,) = cells
    return cell


def test_schema_defaults_are_written_out(desk: Desk) -> None:
    cell = only(desk.load(changed(("lr: 1e-3}\n", "lr: 1e-3}\nseed: 3\n"))).cells)
    assert cell.seed == 3
    assert cell.encoder.train == {
        "epochs": 5,
        "steps": None,
        "batch_size": 32,
        "lr": 1e-3,
        "weight_decay": 0.01,
        "schedule": "cosine",
        "warmup": 0.05,
        "grad_clip": 1.0,
        "accumulate": 1,
        "ema": None,
        "precision": "fp32",
        "cond_dropout": 0.1,
        "timesteps": [0, 1000],
        "snr_gamma": None,
        "token_noise": 0.0,
        "align": 0.0,
        "checkpointing": False,
        "snapshots": [],
        "init_from": None,
        "objective": {"name": "classify", "params": {"label_smoothing": 0.0}},
        "select": "best",
    }
    assert cell.conditioner.train["select"] == "last"
    assert cell.pipeline.sample == {
        "steps": 50,
        "guidance_scale": 7.5,
        "scheduler": None,
        "images_per_trial": 1,
        "batch_size": 32,
    }


def test_signature_defaults_are_written_out_without_what_the_engine_supplies(desk: Desk) -> None:
    cell = only(desk.load().cells)
    assert cell.encoder.params["drop_prob"] == 0.5
    own = [p.name for p in ENCODERS.spec("eegnet").parameters if p.name not in ENCODERS.supplied]
    assert list(cell.encoder.params) == own
    assert "pipeline" not in cell.conditioner.params
    assert cell.dataset.params["window"] == [0.02, 0.46]


def test_component_train_defaults_lie_below_the_recipe(desk: Desk) -> None:
    defaults = ENCODERS.spec("eegnet").meta["train"]
    bare = changed(("train: {epochs: 5, batch_size: 32, lr: 1e-3}", "train: {batch_size: 7}"))
    train = only(desk.load(bare).cells).encoder.train
    assert train["batch_size"] == 7
    assert train["epochs"] == defaults["epochs"]
    assert train["lr"] == defaults["lr"]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], {"epochs": 5, "steps": None}),
        (["encoder.train.epochs=9"], {"epochs": 9, "steps": None}),
        (["encoder.train.steps=30"], {"epochs": None, "steps": 30}),
        (["encoder.train={steps: 30, lr: 2e-3}"], {"epochs": None, "steps": 30, "lr": 2e-3}),
        (["encoder.train={lr: 2e-3}"], {"epochs": 5, "lr": 2e-3, "batch_size": 32}),
        (["encoder.train.grad_clip=null"], {"grad_clip": None}),
        (["encoder.train.lr=1e-4"], {"lr": 1e-4}),
        (["encoder=shallow_conv_net"], {"epochs": 5, "lr": 1e-3, "batch_size": 32}),
    ],
)
def test_overrides_of_train(desk: Desk, overrides: list[str], expected: dict[str, Any]) -> None:
    train = only(desk.load(SMALL, *overrides).cells).encoder.train
    assert {key: train[key] for key in expected} == expected


def test_another_name_drops_params_and_keeps_train(desk: Desk) -> None:
    default = ENCODERS.spec("shallow_conv_net").parameter("drop_prob")
    assert default is not None
    text = changed(("drop_prob: 0.5", "drop_prob: 0.75, embed_dim: 32"))
    block = only(desk.load(text, "encoder=shallow_conv_net").cells).encoder
    assert block.params["drop_prob"] == default.default
    assert block.params["embed_dim"] != 32
    assert block.train["epochs"] == 5


def test_the_same_name_keeps_params(desk: Desk) -> None:
    text = changed(("drop_prob: 0.5", "drop_prob: 0.75"))
    assert only(desk.load(text, "encoder=eegnet").cells).encoder.params["drop_prob"] == 0.75


def test_name_and_its_params_in_any_order(desk: Desk) -> None:
    for overrides in (
        ["encoder=shallow_conv_net", "encoder.params.embed_dim=8"],
        ["encoder.params.embed_dim=8", "encoder=shallow_conv_net"],
        ["encoder={name: shallow_conv_net, params: {embed_dim: 8}}"],
    ):
        block = only(desk.load(SMALL, *overrides).cells).encoder
        assert (block.name, block.params["embed_dim"]) == ("shallow_conv_net", 8)


def test_a_parameter_is_replaced_whole_unless_the_path_reaches_into_it(desk: Desk) -> None:
    text = changed(("subjects: [1]", "split: {by: run, test: ['6'], val: ['5']}"))
    whole = only(desk.load(text, "dataset.params.split={by: run, test: ['2']}").cells)
    assert whole.dataset.params["split"] == {"by": "run", "test": ["2"]}
    part = only(desk.load(text, "dataset.params.split.test=['2']").cells)
    assert part.dataset.params["split"] == {"by": "run", "test": ["2"], "val": ["5"]}


def test_rates_by_group_merge_and_a_number_replaces_them(desk: Desk) -> None:
    text = changed(
        ("batch_size: 8, lr: 1e-3", "batch_size: 8, lr: {projection: 1e-3, attn2: 1e-4}")
    )
    own = CONDITIONERS.spec("linear").meta["train"]["lr"]
    some = only(desk.load(text, "conditioner.train.lr.attn2=5e-4").cells)
    assert some.conditioner.train["lr"] == {**own, "projection": 1e-3, "attn2": 5e-4}
    one = only(desk.load(text, "conditioner.train.lr=5e-4").cells)
    assert one.conditioner.train["lr"] == 5e-4


def test_recipe_rates_merge_over_the_conditioner_s_own(desk: Desk) -> None:
    own = CONDITIONERS.spec("clip_text").meta["train"]["lr"]
    text = changed(("linear", "clip_text"), ("batch_size: 8, lr: 1e-3", "lr: {attn2: 0.5}"))
    train = only(desk.load(text).cells).conditioner.train
    assert train["lr"] == {**own, "attn2": 0.5}


def test_objective_shorthand_in_every_layer(desk: Desk) -> None:
    text = changed(
        (
            "lr: 1e-3}\ncond",
            "lr: 1e-3, objective: {name: classify, params: {label_smoothing: 0.1}}}\ncond",
        )
    )
    kept = only(desk.load(text, "encoder.train.objective=classify").cells)
    assert kept.encoder.train["objective"]["params"] == {"label_smoothing": 0.1}


@pytest.mark.parametrize(
    ("roots", "data", "weights", "stamps"),
    [
        ({}, "pocket", "pocket", ("pocket", "simulated", "pocket", ("data", "weights"))),
        ({"data_root"}, "recordings", "pocket", ("mixed", "real", "pocket", ("weights",))),
        ({"weights_root"}, "pocket", "sd-1.5", ("mixed", "simulated", "sd-1.5", ("data",))),
        ({"data_root", "weights_root"}, "recordings", "sd-1.5", ("full", "real", "sd-1.5", ())),
    ],
)
def test_stand_ins_give_way_to_roots(
    desk: Desk, roots: set[str], data: str, weights: str, stamps: tuple[Any, ...]
) -> None:
    with registered(DATASETS, "recordings", Recordings):
        recipe = desk.load(FULL, **dict.fromkeys(roots, Path()))
    cell = only(recipe.cells)
    assert cell.dataset.name == data
    assert cell.encoder.train["epochs"] == (2 if data == "pocket" else 5)
    assert cell.pipeline.params["weights"] == weights
    assert cell.pipeline.sample["steps"] == (10 if weights == "pocket" else 50)
    conditioner = cell.conditioner.train
    assert (conditioner["epochs"], conditioner["steps"]) == (
        (None, 7) if weights == "pocket" else (9, None)
    )
    assert (recipe.scale, recipe.data, recipe.weights, recipe.stand_ins) == stamps


@pytest.mark.parametrize("roots", [{}, {"data_root": Path()}])
def test_no_stand_in_hides_a_data_set_that_does_not_exist(desk: Desk, roots: dict) -> None:
    assert desk.errors(FULL, **roots) == [
        "r.yaml:3 dataset.name: unknown dataset 'recordings'. Known datasets: "
        + ", ".join(DATASETS.names())
    ]


def test_grid_lies_above_stand_ins_and_below_set(desk: Desk) -> None:
    text = FULL + "grid: {encoder.train.epochs: [3, 4], pipeline.sample.steps: [5, 6]}\n"
    with registered(DATASETS, "recordings", Recordings):
        cells = desk.load(text, "pipeline.sample.steps=8").cells
    assert [c.encoder.train["epochs"] for c in cells] == [3, 4]
    assert {c.pipeline.sample["steps"] for c in cells} == {8}
    assert [c.coords for c in cells] == [{"encoder.train.epochs": 3}, {"encoder.train.epochs": 4}]


def test_mistakes_in_a_layer_that_is_not_in_use(desk: Desk) -> None:
    text = changed(
        ("n_classes: 4", "n_clases: 4"), ("image_size: 512", "image_size: 500"), text=FULL
    )
    with registered(DATASETS, "recordings", Recordings):
        for roots in ({}, {"data_root": Path(), "weights_root": Path()}):
            found = desk.errors(text, **roots)
            assert [line.partition(": ")[0] for line in found] == [
                "r.yaml:9 pipeline.params.image_size",
                "r.yaml:13 pocket.data.dataset.params.n_clases",
            ]


def test_unknown_paths_in_a_stand_in(desk: Desk) -> None:
    text = SMALL + "pocket: {data: {encoder.trian: {}}, weigths: {}}\n"
    assert desk.errors(text) == [
        "r.yaml:11 pocket.weigths: unknown key. Did you mean 'weights'? It holds: data, weights",
        "r.yaml:11 pocket.data.encoder.trian: unknown path 'encoder.trian': 'encoder' has no "
        "'trian'. Did you mean 'train'?",
    ]


def test_lists_of_a_stand_in_are_suggested(desk: Desk) -> None:
    """Axes, arms and questions stand beside its dotted paths."""
    for wrong, right in (("arm", "arms"), ("grids", "grid"), ("analysis", "analyses")):
        (found,) = desk.errors(SMALL + f"pocket: {{weights: {{{wrong}: []}}}}\n")
        assert found == (
            f"r.yaml:11 pocket.weights.{wrong}: unknown path '{wrong}': it has no '{wrong}'. Did "
            f"you mean '{right}'?"
        )
    (found,) = desk.errors(SMALL + "pocket: {weights: {x: 1}}\n")
    assert found.endswith("score_on, grid, arms, analyses")
    (found,) = desk.errors(SMALL + "pocket: {weights: [1]}\n")
    assert found == "r.yaml:11 pocket.weights: must be a mapping of dotted paths to values"


def test_full_names_every_stand_in_and_missing_piece(desk: Desk) -> None:
    found = desk.errors(scale="full")
    assert found == [
        "r.yaml:3 dataset.name: dataset 'pocket' is simulated, a stand-in that --scale full "
        "forbids; name a data set of recordings and its folder with --data-root",
        "r.yaml:9 pipeline.params.weights: weights 'pocket' are a stand-in that --scale full "
        "forbids; name real ones, for example sd-1.5",
    ]
    with registered(DATASETS, "recordings", Recordings):
        missing = desk.errors(FULL, scale="full")
    assert missing[0] == (
        "r.yaml:3 dataset.name: dataset 'recordings' reads recordings from disk; name their folder "
        "with --data-root ('zoo show datasets recordings' says what must be in it)"
    )
    assert missing[1].startswith("r.yaml:9 pipeline.params.weights: weights 'sd-1.5' are not part")
    assert len(missing) == 2


def test_recordings_are_needed_to_run_and_never_to_validate(desk: Desk) -> None:
    text = changed(("dataset: {name: pocket", "dataset: {name: recordings"))
    with registered(DATASETS, "recordings", Recordings):
        recipe = desk.load(text)
        assert (recipe.scale, recipe.data) == ("mixed", "real")
        (found,) = desk.errors(text, for_run=True)
        assert found.startswith("r.yaml:3 dataset.name: dataset 'recordings' reads recordings")
        desk.load(text, for_run=True, data_root=Path())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("encoder", "must be PATH=VALUE, for example --set encoder=eegnet"),
        ("=1", "must be PATH=VALUE, for example --set encoder=eegnet"),
        ("encoder.train.ema=", "has no value; for none write encoder.train.ema=null"),
        ("seed=# one", "is empty"),
        ("encoder.train.lr=[", "not valid YAML: while parsing a flow node, "),
        ("encoder.trian.lr=1", "unknown path 'encoder.trian.lr': 'encoder' has no 'trian'. Did you "
         "mean 'train'?"),
        ("x=1", "unknown path 'x': a recipe has no 'x'. It has: name, summary, seed, dataset, "),
        ("pocket.data=1", "'pocket' cannot be set on the command line; write it in the file"),
        ("arms=[]", "'arms' cannot be set on the command line; write it in the file"),
        ("analyses=[]", "'analyses' cannot be set on the command line; write it in the file"),
        ("published=[]", "'published' cannot be set on the command line; write it in the file"),
        ("schema=1", "'schema' cannot be set on the command line; write it in the file"),
        ("grid={seed: [0]}", "'grid' is set axis by axis, for example --set grid.seed=[0,1]"),
        ("grid.arms=[1]", "unknown path 'arms': 'arms' is a part of the file, no setting of a "
         "cell"),
        ("metrics.name=kappa", "unknown path 'metrics.name': 'metrics' holds a value, not keys"),
        ("encoder.train.epochs=yes", "must be a whole number, got 'yes'"),
        ("encoder.train.epochs={a: 1}", "must be a whole number, got {'a': 1}"),
        ("encoder=egnet", "unknown encoder 'egnet'. Did you mean 'eegnet'? "),
        ("encoder.params.embed_dims=3", "encoder 'eegnet' has no parameter 'embed_dims'. "),
        ("encoder.params.=3", "unknown path 'encoder.params.': "),
    ],
)  # fmt: skip
def test_wrong_overrides(desk: Desk, override: str, message: str) -> None:
    (found,) = desk.errors(SMALL, override)
    assert found.startswith(f"--set {override}: {message}")


def test_an_override_given_twice(desk: Desk) -> None:
    assert desk.errors(SMALL, "seed=1", "seed=2") == ["--set seed=2: 'seed' is set twice"]


def test_an_override_is_split_at_the_first_equals_sign(desk: Desk) -> None:
    assert desk.load(SMALL, "summary=a=b").summary == "a=b"


def test_init_from_is_kept_as_written_with_its_alternative_cleared(desk: Desk) -> None:
    text = changed(
        (
            "steps: 20",
            "steps: 0, init_from: {dataset.params.subjects: [2], conditioner.train.steps: 9}",
        )
    )
    train = only(desk.load(text).cells).conditioner.train
    assert train["init_from"] == {
        "dataset.params.subjects": [2],
        "conditioner.train.steps": 9,
        "conditioner.train.epochs": None,
    }


def test_nothing_in_the_environment_changes_a_recipe(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = desk.load().cells
    for name in ("ZOO_DATA_ROOT", "ZOO_WEIGHTS_ROOT", "ZOO_SCALE", "ZOO_SEED"):
        monkeypatch.setenv(name, "/elsewhere")
    assert load_recipe("r.yaml").cells == before


@pytest.mark.parametrize("for_run", [False, True])
def test_weights_of_an_unknown_name_are_a_mistake_of_the_recipe(desk: Desk, for_run: bool) -> None:
    text = SMALL.replace("weights: pocket", "weights: pockt")
    (found,) = desk.errors(text, for_run=for_run)
    assert found.startswith(
        "r.yaml:9 pipeline.params.weights: unknown weights 'pockt'. Did you mean 'pocket'? "
    )


def test_weights_in_a_folder_of_the_users_may_have_any_name(desk: Desk) -> None:
    text = SMALL.replace("weights: pocket", "weights: ours")
    (desk.folder / "w").mkdir()
    assert desk.load(text, weights_root=desk.folder / "w").weights == "ours"
    (found,) = desk.errors(text, weights_root=desk.folder / "w", for_run=True)
    assert found.startswith("r.yaml:9 pipeline.params.weights: weights 'ours': there is no ")


def test_turbo_is_drawn_with_its_own_settings_alone(desk: Desk) -> None:
    text = SMALL.replace("weights: pocket, image_size: 64}", "weights: sd-turbo}")
    assert desk.errors(text) == [
        f"r.yaml:9 pipeline.sample.{key}: weights 'sd-turbo' draw with {key} {wanted} alone, "
        f"got {got}; --set pipeline.sample.{key}={best}"
        for key, wanted, got, best in (
            ("steps", "1 to 4", "50", 4),
            ("guidance_scale", 1, "7.5", 1),
            ("scheduler", "euler", "null", "euler"),
        )
    ]
    sample = "sample: {steps: 2, guidance_scale: 1, scheduler: euler}"
    assert desk.load(text.replace("sd-turbo}", f"sd-turbo}}, {sample}")).weights == "sd-turbo"


def test_known_weights_are_asked_for_by_a_run_only(desk: Desk) -> None:
    text = SMALL.replace("weights: pocket", "weights: sd-1.5")
    assert desk.load(text).weights == "sd-1.5"
    (found,) = desk.errors(text, for_run=True)
    assert "hf download" in found
