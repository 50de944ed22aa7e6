"""The sentences that a wrong recipe deserves, word for word, each at its line, all at once."""

from __future__ import annotations

import pytest
from recipe_toys import SMALL, Desk, changed, desk_in, registered

from registry import component
from zoo.recipe import RecipeError, load_recipe
from zoo.registries import CONDITIONERS, METRICS

KNOWN_ENCODERS = (
    "Known encoders: eeg_channel_net, eeg_conv_net, eegnet, linear_projection, lstm, nice, "
    "shallow_conv_net"
)


desk = pytest.fixture(desk_in)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "lr: 1e-3}\ncond",
            "lr: 1e-3, objectve: classify}\ncond",
            "r.yaml:7 encoder.train.objectve: unknown key. Did you mean 'objective'?",
        ),
        ("name: small", "name: small\nsed: 1", "r.yaml:3 sed: unknown key. Did you mean 'seed'?"),
        (
            "name: small",
            "name: small\nworkers: 4",
            "r.yaml:3 workers: unknown key. Known here: schema, name, summary, seed, dataset, "
            "encoder, conditioner, pipeline, metrics, controls, score_on, grid, cells, pocket, "
            "arms, analyses, published, sources",
        ),
        ("metrics: [accuracy]", "", "r.yaml:1 metrics: is required"),
        ("schema: 1", "schema: 2", "r.yaml:1 schema: must be 1, got 2"),
        (
            "name: small",
            "name: a/b",
            "r.yaml:2 name: names a folder: letters, digits and _ . @ - only, got 'a/b'",
        ),
        (
            "name: eegnet",
            "name: egnet",
            f"r.yaml:5 encoder.name: unknown encoder 'egnet'. Did you mean 'eegnet'? "
            f"{KNOWN_ENCODERS}",
        ),
        (
            "name: eegnet",
            "name: lora",
            "r.yaml:5 encoder.name: 'lora' is a conditioner, not an encoder",
        ),
        (
            "params: {drop_prob: 0.5}",
            "params: {embed_dims: 3}",
            "r.yaml:6 encoder.params.embed_dims: encoder 'eegnet' has no parameter 'embed_dims'. "
            "Did you mean 'embed_dim'? It takes: ",
        ),
        (
            "params: {drop_prob: 0.5}",
            "params: {n_chans: 3}",
            "r.yaml:6 encoder.params.n_chans: encoder 'eegnet': 'n_chans' is supplied by the "
            "engine; leave it out",
        ),
        (
            "params: {drop_prob: 0.5}",
            "params: {drop_prob: high}",
            "r.yaml:6 encoder.params.drop_prob: encoder 'eegnet' parameter 'drop_prob' must be "
            "float, got 'high' (str)",
        ),
        (
            "epochs: 5",
            "epochs: 5, objective: clasify",
            "r.yaml:7 encoder.train.objective: unknown objective 'clasify'. Did you mean "
            "'classify'? Known objectives: ",
        ),
        (
            "params: {drop_prob: 0.5}",
            "params: {embed_dim: -4}",
            "r.yaml:6 encoder.params.embed_dim: must be >= 1, got -4",
        ),
        (
            "epochs: 5, batch_size: 32, lr: 1e-3",
            "epochs: 5, batch_size: 32, lr: .inf",
            "r.yaml:7 encoder.train.lr: .inf is not a finite number",
        ),
        (
            "metrics: [accuracy]",
            "metrics: [accuracy]\nsources: {encoder.params.drop_prb: ours}",
            "r.yaml:11 sources.encoder.params.drop_prb: encoder 'eegnet' has no parameter "
            "'drop_prb'. Did you mean 'drop_prob'?",
        ),
        ("epochs: 5", "epochs: 0", "r.yaml:7 encoder.train.epochs: must be >= 1, got 0"),
        (
            "epochs: 5",
            "epochs: true",
            "r.yaml:7 encoder.train.epochs: must be a whole number, got true",
        ),
        (
            "epochs: 5",
            "epochs: 5.5",
            "r.yaml:7 encoder.train.epochs: must be a whole number, got 5.5",
        ),
        (
            "epochs: 5",
            "epochs: 5, steps: 9",
            "r.yaml:7 encoder.train: give 'epochs' or 'steps', not both",
        ),
        (
            "epochs: 5, batch_size: 32, lr: 1e-3",
            "epochs: 5, batch_size: 32, lr: -1",
            "r.yaml:7 encoder.train.lr: must be > 0, got -1",
        ),
        (
            "epochs: 5, batch_size: 32, lr: 1e-3",
            "epochs: 5, batch_size: 32, lr: '1e-3'",
            "r.yaml:7 encoder.train.lr: must be a number, got '1e-3'",
        ),
        (
            "epochs: 5, batch_size: 32, lr: 1e-3",
            "epochs: 5, batch_size: 32, lr: {attn2: 1}",
            "r.yaml:7 encoder.train.lr: must be one number: an encoder has no groups",
        ),
        (
            "epochs: 5",
            "epochs: 5, schedule: cosin",
            "r.yaml:7 encoder.train.schedule: must be 'cosine' or 'constant', got 'cosin'. "
            "Did you mean 'cosine'?",
        ),
        (
            "epochs: 5",
            "epochs: 5, precision: fp8",
            "r.yaml:7 encoder.train.precision: must be 'fp32', 'bf16' or 'fp16', got 'fp8'",
        ),
        (
            "epochs: 5",
            "epochs: 5, warmup: 1.0",
            "r.yaml:7 encoder.train.warmup: must be < 1, got 1.0",
        ),
        (
            "epochs: 5",
            "epochs: 5, token_noise: 0.1",
            "r.yaml:7 encoder.train.token_noise: has no effect on an encoder; set it for "
            "conditioner",
        ),
        (
            "batch_size: 8, lr: 1e-3",
            "batch_size: 8, lr: {projection: 1e-3, atn2: 1e-3}",
            "r.yaml:8 conditioner.train.lr.atn2: unknown key. Did you mean 'attn2'?",
        ),
        (
            "steps: 20",
            "steps: 0",
            "r.yaml:8 conditioner.train: steps 0 trains nothing; it needs 'init_from'",
        ),
        (
            "steps: 20",
            "steps: 20, select: best",
            "r.yaml:8 conditioner.train.select: must be 'last', got 'best'",
        ),
        (
            "steps: 20",
            "steps: 20, timesteps: [500, 200]",
            "r.yaml:8 conditioner.train.timesteps: must be [first, end] with first < end, "
            "got [500, 200]",
        ),
        (
            "steps: 20",
            "steps: 20, timesteps: [0, 2000]",
            "r.yaml:8 conditioner.train.timesteps[1]: must be <= 1000, got 2000",
        ),
        (
            "steps: 20",
            "steps: 20, timesteps: [0]",
            "r.yaml:8 conditioner.train.timesteps: must have 2 entries, got [0]",
        ),
        (
            "steps: 20",
            "steps: 20, snapshots: [10, 30]",
            "r.yaml:8 conditioner.train: snapshot 30 lies after the last of 20",
        ),
        (
            "steps: 20",
            "steps: 20, init_from: {dataset.parms.subjects: [2]}",
            "r.yaml:8 conditioner.train.init_from.dataset.parms.subjects: unknown path "
            "'dataset.parms.subjects': 'dataset' has no 'parms'. Did you mean 'params'?",
        ),
        (
            "steps: 20",
            "steps: 20, init_from: {encoder: eegnet}",
            "r.yaml:8 conditioner.train.init_from.encoder: 'encoder' names a whole block; "
            "init_from changes single values, such as dataset.params.subjects",
        ),
        (
            "steps: 20",
            "steps: 20, init_from: {dataset.params.subjets: [2]}",
            "r.yaml:8 conditioner.train.init_from.dataset.params.subjets: dataset 'pocket' has no "
            "parameter 'subjets'. Did you mean 'subjects'? ",
        ),
        *(
            (
                "steps: 20",
                f"steps: 20, init_from: {{{change}}}",
                f"r.yaml:8 conditioner.train.init_from.{message}",
            )
            for change, message in [
                ("encoder.train.epochs: -5", "encoder.train.epochs: must be >= 1, got -5"),
                ("encoder.train.lr: -1", "encoder.train.lr: must be > 0, got -1"),
                ("seed: x", "seed: must be a whole number, got 'x'"),
                (
                    "encoder.train.schedule: foo",
                    "encoder.train.schedule: must be 'cosine' or 'constant', got 'foo'",
                ),
                (
                    "encoder.train.lr.all: 1",
                    "encoder.train.lr.all: write encoder.train.lr: it is the one rate for "
                    "everything",
                ),
                (
                    "conditioner.train.lr.attn2: 1e-3",
                    "conditioner.train.lr.attn2: has no rate for 'projection', which conditioner "
                    "'linear' trains",
                ),
                (
                    "dataset.params.band: [9, 5]",
                    "dataset.params.band: must be [low, high] with low < high, got [9, 5]",
                ),
            ]
        ),
        (
            "steps: 20",
            "steps: 0, init_from: {dataset.params.subjects: [2]}",
            "r.yaml:8 conditioner.train.init_from: starts from 0 steps; add their number: "
            "conditioner.train.steps: 250",
        ),
        (
            "name: small",
            "name: latest",
            "r.yaml:2 name: 'latest' is the link to the last run; choose another name",
        ),
        (
            "image_size: 64",
            "image_size: 60",
            "r.yaml:9 pipeline.params.image_size: must be a multiple of 8 pixels, got 60",
        ),
        (
            "image_size: 64}",
            "image_size: 64}, sample: {guidance_scale: 0.5}",
            "r.yaml:9 pipeline.sample.guidance_scale: must be >= 1, got 0.5",
        ),
        (
            "image_size: 64}",
            "image_size: 64}, sample: {scheduler: dimm}",
            "r.yaml:9 pipeline.sample.scheduler: unknown scheduler 'dimm'. Did you mean 'ddim'? ",
        ),
        (
            "image_size: 64}",
            "image_size: 64}, sample: {batch_size: 0}",
            "r.yaml:9 pipeline.sample.batch_size: must be >= 1, got 0",
        ),
        (
            "[accuracy]",
            "[acuracy]",
            "r.yaml:10 metrics[0]: unknown metric 'acuracy'. Did you mean 'accuracy'? ",
        ),
        (
            "[accuracy]",
            "[accuracy, accuracy]",
            "r.yaml:10 metrics[1]: two metrics are called 'accuracy'; give one a 'label'",
        ),
        (
            "[accuracy]",
            "[accuracy]\ncontrols: [shufled_eeg]",
            "r.yaml:11 controls[0]: unknown control 'shufled_eeg'. Did you mean 'shuffled_eeg'? "
            "Known controls: shuffled_eeg, class_label, class_prompt, predicted_label, zero_eeg, "
            "mean_embedding, unconditional",
        ),
        (
            "[accuracy]",
            "[accuracy]\ncontrols: [class_label, class_label]",
            "r.yaml:11 controls[1]: 'class_label' is listed twice",
        ),
        (
            "subjects: [1]",
            "subjects: []",
            "r.yaml:3 dataset.params.subjects: is empty; leave it out to take every subject",
        ),
        (
            "subjects: [1]",
            "band: [95, 5]",
            "r.yaml:3 dataset.params.band: must be [low, high] with low < high, got [95, 5]",
        ),
        ("subjects: [1]", "limit: 0", "r.yaml:3 dataset.params.limit: must be > 0, got 0"),
        (
            "subjects: [1]",
            "limit: {trian: 9}",
            "r.yaml:3 dataset.params.limit: has no split 'trian'. Did you mean 'train'? It takes: "
            "train, val, test",
        ),
        (
            "subjects: [1]",
            "limit: {train: 0}",
            "r.yaml:3 dataset.params.limit: is 0 for 'train'; it takes a number of trials, at "
            "least 1",
        ),
        (
            "subjects: [1]",
            "split: {by: rn, test: ['6']}",
            "r.yaml:3 dataset.params.split.by: must be one of run, session, subject, image, block, "
            "got 'rn'. Did you mean 'run'?",
        ),
        (
            "subjects: [1]",
            "split: {by: run, test: ['6'], val: ['6']}",
            "r.yaml:3 dataset.params.split.val: '6' is in test, too; splits must not share it",
        ),
        (
            "weights: pocket",
            "weights: /models/sd",
            "r.yaml:9 pipeline.params.weights: absolute path '/models/sd': folders are named on "
            "the command line (--data-root, --weights-root), so that a recipe runs anywhere",
        ),
        (
            "weights: pocket",
            "weights: C:\\models",
            "r.yaml:9 pipeline.params.weights: absolute path 'C:\\\\models': ",
        ),
        (
            "weights: pocket",
            "weights: '${SD}'",
            "r.yaml:9 pipeline.params.weights: '${SD}': recipes have no interpolation; "
            "write the value",
        ),
        ("linear", "os.system", "r.yaml:8 conditioner.name: unknown conditioner 'os.system'. "),
        (
            "schema: 1",
            "- schema",
            "r.yaml:2: not valid YAML: ",
        ),
    ],
)
def test_one_mistake_one_sentence(desk: Desk, old: str, new: str, message: str) -> None:
    (found,) = desk.errors(changed((old, new)))
    assert found.startswith(message)
    if not message.endswith(" "):
        assert found == message


def test_a_bare_block_of_the_wrong_type(desk: Desk) -> None:
    text = "\n".join([*SMALL.splitlines()[:3], "encoder: 5", *SMALL.splitlines()[7:]])
    assert desk.errors(text) == ["r.yaml:4 encoder: must be a name or a mapping, got 5"]


def test_a_recipe_is_a_mapping(desk: Desk) -> None:
    assert desk.errors("- a\n- b\n") == ["r.yaml:1: a recipe is a mapping of keys to values"]


def test_all_mistakes_at_once_in_the_order_of_the_file(desk: Desk) -> None:
    text = changed(
        ("name: small", "nam: small"),
        ("name: eegnet", "name: egnet"),
        ("epochs: 5", "epoch: 5"),
        ("image_size: 64", "image_size: 63"),
        ("[accuracy]", "[accuracy, kapa]\ncontrols: [shuffled]\ngrid: {sed: [1], seed: []}"),
    )
    found = desk.errors(text, "encoder.trian.lr=1")
    assert [line.partition(": ")[0] for line in found] == [
        "r.yaml:1 name",
        "r.yaml:2 nam",
        "r.yaml:5 encoder.name",
        "r.yaml:7 encoder.train.epoch",
        "r.yaml:9 pipeline.params.image_size",
        "r.yaml:10 metrics[1]",
        "r.yaml:11 controls[0]",
        "r.yaml:12 grid.sed",
        "r.yaml:12 grid.seed",
        "--set encoder.trian.lr=1",
    ]


def test_changes_of_init_from_are_judged_beside_other_mistakes(desk: Desk) -> None:
    text = changed(
        ("epochs: 5", "epochs: 0"),
        ("steps: 20", "steps: 20, snapshots: [9], init_from: {conditioner.train.steps: 5}"),
    )
    assert desk.errors(text) == ["r.yaml:7 encoder.train.epochs: must be >= 1, got 0"]
    init = "encoder.train.init_from={encoder.train.epochs: -5, dataset.params.limit: 0}"
    assert desk.errors(text, init)[1:] == [
        f"--set {init} encoder.train.epochs: must be >= 1, got -5",
        f"--set {init} dataset.params.limit: must be > 0, got 0",
    ]


def test_without_pictures_nothing_may_ask_for_them(desk: Desk) -> None:
    none = "pipeline.sample.images_per_trial=0"
    assert not desk.load(SMALL, none).cells[0].draws
    assert desk.errors(SMALL, none, "metrics=[accuracy, copy_share]", "controls=[zero_eeg]") == [
        "--set metrics=[accuracy, copy_share] [1]: metric 'copy_share' looks at pictures, and "
        "pipeline.sample.images_per_trial is 0: nothing is drawn",
        "--set controls=[zero_eeg]: controls are of pictures, and "
        "pipeline.sample.images_per_trial is 0: nothing is drawn",
    ]


def test_without_a_conditioner_nothing_may_ask_for_one(desk: Desk) -> None:
    """It would be trained after all, on weights that nobody was asked for."""
    none = "pipeline.sample.images_per_trial=0"
    assert desk.errors(SMALL, none, "metrics=[text_gap]") == [
        "--set metrics=[text_gap] [0]: metric 'text_gap' looks at a conditioner, and "
        "pipeline.sample.images_per_trial is 0: nothing is drawn, and no conditioner is trained"
    ]


def test_pictures_of_the_test_are_not_looked_for_on_validation(desk: Desk) -> None:
    aligned = "encoder.train.objective={name: align_image, params: {tower: pocket_judge}}"
    text = changed(("metrics: [accuracy]", "metrics: [retrieval]"))
    assert desk.load(text, aligned).cells
    (found,) = desk.errors(text, aligned, "score_on=val")
    assert "metric 'retrieval' looks for the pictures of the test, which score_on: val" in found


def test_weights_that_draw_nothing_are_not_asked_for(desk: Desk) -> None:
    text = changed(("weights: pocket", "weights: sd-1.5"))
    assert desk.errors(text, for_run=True)
    recipe = desk.load(text, "pipeline.sample.images_per_trial=0", for_run=True)
    assert (recipe.scale, recipe.stand_ins, recipe.weights) == ("pocket", ("data",), "none")


def test_a_metric_of_features_says_by_which_tower(desk: Desk) -> None:
    class Towerless:
        """A metric of features of nobody."""

        __component__ = ("metric", {"needs": ("generated", "features")})

        def __init__(self) -> None: ...

    with registered(METRICS, "towerless", Towerless):
        found = desk.errors(changed(("[accuracy]", "[towerless]")))
    assert found == [
        "r.yaml:10 metrics[0]: metric 'towerless' needs features, and has no parameter 'tower' "
        "that says by which image tower; add one to its constructor",
    ]


def test_a_component_that_needs_what_the_others_lack(desk: Desk) -> None:
    class Reference:
        """A metric of something that no recipe makes."""

        __component__ = ("metric", {"needs": ("reference",)})

        def __init__(self, *, top: int) -> None: ...

    with registered(METRICS, "reference_score", Reference):
        found = desk.errors(changed(("[accuracy]", "[reference_score]")))
    assert found == [
        "r.yaml:10 metrics[0]: metric 'reference_score' needs 'top'",
        "r.yaml:10 metrics[0]: metric 'reference_score' needs reference, which a recipe does not "
        "make",
    ]


@pytest.mark.usefixtures("desk")
def test_missing_files() -> None:
    for source, message in {
        "papr": "no recipe 'papr'. Did you mean 'paper'? Recipes that ship: ",
        "x/papr.yaml": "x/papr.yaml does not exist. Did you mean 'paper'?",
        ".": ". is a folder; name a recipe file in it",
    }.items():
        with pytest.raises(RecipeError) as caught:
            load_recipe(source)
        assert str(caught.value).startswith(message)


def test_a_file_that_is_not_text(desk: Desk) -> None:
    (desk.folder / "r.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="r.yaml: cannot be read as UTF-8 text: "):
        load_recipe("r.yaml")


def test_unknown_scale(desk: Desk) -> None:
    with pytest.raises(RecipeError, match="--scale big: must be auto or full"):
        desk.load(scale="big")


def test_a_group_without_a_rate_is_named(desk: Desk) -> None:
    @component("conditioner", provides=("encoder_hidden_states",), train={"lr": 1e-3})
    class Bare:
        """A conditioner without rates by group of its own."""

        def __init__(self, *, n_tokens: int, embed_dim: int, opens: str = "attn2") -> None: ...

    text = changed(
        ("linear", "bare"), ("batch_size: 8, lr: 1e-3", "batch_size: 8, lr: {projection: 1e-3}")
    )
    with registered(CONDITIONERS, "bare", Bare):
        assert desk.errors(text) == [
            "r.yaml:8 conditioner.train.lr: has no rate for 'attn2', which conditioner 'bare' "
            "trains"
        ]
