"""Figures of papers in a recipe: beside which cells they stand, and which never compare."""

from __future__ import annotations

from pathlib import Path

import pytest
from recipe_toys import SMALL, Desk, changed, desk_in

from zoo.recipe import dump, load_recipe
from zoo.recipe.published import beside
from zoo.registries import METRICS

GRID = """\
grid:
  conditioner: [linear, {name: clip_text, params: {text_encoder: frozen}}]
  seed: [0, 1]
"""
desk = pytest.fixture(desk_in)


PUBLISHED = """\
published:
  - {metric: accuracy, value: 0.374, where: {encoder: eegnet, seed: 1}, source: "Table 1"}
  - {metric: accuracy, value: 0.2, where: {encoder: nice}, source: "Table 1"}
"""
#: Another encoder stands in, so that each figure is about some cell.
STAND_IN = "pocket: {data: {encoder: nice}}\n"


def test_published_figures_stand_beside_their_cells(desk: Desk) -> None:
    recipe = desk.load(SMALL + GRID + PUBLISHED + STAND_IN, data_root=desk.folder)
    (told,) = beside(recipe.published, recipe.cells, recipe.simulated)
    assert told["cells"] == ["conditioner=linear,seed=1", "conditioner=clip_text-frozen,seed=1"]
    assert (told["value"], told["comparable"]) == (0.374, False)
    assert told["why_not"] == "not comparable: simulated EEG stands in"
    (full,) = beside(recipe.published, recipe.cells, ())
    assert (full["comparable"], full["why_not"]) == (True, None)
    for override, why in (
        ("score_on=val", "ours is of the validation split"),
        ("dataset.params.limit={train: 90}", "of ours, only a part of the trials took part"),
        ("dataset.params.shuffle_labels=true", "the labels of ours were shuffled"),
    ):
        other = desk.load(SMALL + PUBLISHED, override, "seed=1")
        (told,) = beside(other.published, other.cells, ())
        assert (told["comparable"], told["why_not"]) == (False, f"not comparable: {why}")


def test_what_stands_in_for_what_a_figure_is_about(desk: Desk) -> None:
    """The encoder alone makes an accuracy; pictures come of the denoiser as well."""
    about_pictures = PUBLISHED.replace("accuracy", "image_class_accuracy")
    metric = "metrics=[accuracy, image_class_accuracy]"
    for text, simulated, why in (
        (about_pictures, {"pocket"}, "simulated EEG and a small denoiser stand in"),
        (about_pictures, (), "a small denoiser stands in"),
        (PUBLISHED, {"pocket"}, "simulated EEG stands in"),
        (PUBLISHED, (), None),
    ):
        recipe = desk.load(SMALL + text, "seed=1", metric)
        (told,) = beside(recipe.published, recipe.cells, simulated)
        assert told["why_not"] == (why and f"not comparable: {why}")
    assert recipe.simulated == {"pocket"}


def test_a_figure_that_is_not_computed_here_is_about_the_encoder_all_the_same(desk: Desk) -> None:
    recipe = desk.load(SMALL + PUBLISHED, "seed=1", "metrics=[kappa]")
    (told,) = beside(recipe.published, recipe.cells, ())
    assert told["why_not"] is None
    pictures = SMALL + PUBLISHED.replace("accuracy", "image_class_accuracy")
    for drawn, why in (("1", "not comparable: a small denoiser stands in"), ("0", None)):
        override = f"pipeline.sample.images_per_trial={drawn}"
        recipe = desk.load(pictures, "seed=1", "metrics=[kappa]", override)
        (told,) = beside(recipe.published, recipe.cells, ())
        assert told["why_not"] == why
    unknown = SMALL + PUBLISHED.replace("accuracy", "acuracy")
    recipe = desk.load(unknown, "seed=1")  # with --set figures are not judged
    (told,) = beside(recipe.published, recipe.cells, ())
    assert told["why_not"] == "not comparable: a small denoiser stands in"


def test_with_recordings_and_a_small_denoiser_accuracies_are_comparable(tmp_path: Path) -> None:
    """A mixed scale: the EEG is real, and the denoiser has no part in an accuracy."""
    recipe = load_recipe("encoders", data_root=tmp_path)
    assert (recipe.scale, recipe.simulated) == ("mixed", frozenset())
    told = beside(recipe.published, recipe.cells, recipe.simulated)
    assert [figure["comparable"] for figure in told] == [True] * 4
    here = load_recipe("encoders", weights_root=tmp_path)
    assert (here.scale, here.simulated) == ("mixed", {"pocket"})
    told = beside(here.published, here.cells, here.simulated)
    assert {figure["why_not"] for figure in told} == {"not comparable: simulated EEG stands in"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("value: 0.374", "value: high", "published[0].value: must be a number, got 'high'"),
        ("value: 0.374, ", "", "published[0].value: is required"),
        (
            "metric: accuracy, value: 0.374",
            "metric: acuracy, value: 0.374",
            "published[0].metric: no metric is called 'acuracy'. Did you mean 'accuracy'?",
        ),
        (
            "encoder: eegnet, seed: 1",
            "encoder: egnet, seed: 1",
            "published[0].where: no cell of this recipe has encoder = 'egnet'; they have: "
            "'eegnet', 'nice'",
        ),
        ("seed: 1}", "sed: 1}", "published[0].where.sed: unknown path 'sed'"),
        (
            "value: 0.374",
            "val: 1, value: 0.4",
            "published[0].val: unknown key. Did you mean 'value'?",
        ),
    ],
)  # fmt: skip
def test_wrong_published_figures(desk: Desk, old: str, new: str, message: str) -> None:
    found = desk.errors(changed((old, new), text=SMALL + GRID + PUBLISHED + STAND_IN))
    assert any(message in line for line in found), found


def test_a_published_metric_is_ours_by_whatever_tower(desk: Desk) -> None:
    tower = "metrics=[{name: inception_score, params: {tower: pocket_judge}}]"
    text = SMALL + PUBLISHED.replace("accuracy", "inception_score")
    recipe = desk.load(text, tower, "seed=1")
    (told,) = beside(recipe.published, recipe.cells, recipe.simulated)
    assert told["metric"] == "inception_score@pocket_judge"


# ---- what says itself that it is not comparable

UNLIKE = changed(
    ('source: "Table 1"}', 'source: "Table 1", not_comparable: a mean of six subjects}'),
    text=PUBLISHED,
)


def test_a_figure_says_itself_why_it_is_not_comparable(desk: Desk) -> None:
    recipe = desk.load(SMALL + GRID + UNLIKE + STAND_IN, data_root=desk.folder)
    (full,) = beside(recipe.published, recipe.cells, ())
    assert not full["comparable"]
    assert full["why_not"] == "not comparable: a mean of six subjects"
    assert "not_comparable" not in full, "said once"
    (here,) = beside(recipe.published, recipe.cells, recipe.simulated)
    assert here["why_not"] == "not comparable: simulated EEG stands in; a mean of six subjects"
    again = desk.load(dump(recipe.resolved), data_root=desk.folder)
    assert again.published == recipe.published


@pytest.mark.parametrize("name", ["paper", "bands", "subjects", "cross_subject", "encoders"])
def test_the_recipes_that_ship_hold_nothing_against_another_thing(
    name: str, tmp_path: Path
) -> None:
    """A mean of subjects beside one, another Inception, another split: never comparable."""
    recipe = load_recipe(name, data_root=tmp_path, weights_root=tmp_path)
    told = beside(recipe.published, recipe.cells, ())
    assert len(told) == len(recipe.published)
    for figure in told:
        by_subject = [cell for cell in recipe.cells if cell.id in figure["cells"]]
        assert {len(cell.dataset.params["subjects"]) for cell in by_subject} == {1}
        one_s = len({cell.dataset.params["subjects"][0] for cell in by_subject}) == 1
        alike = one_s and figure["metric"].partition("@")[0] in ("accuracy", "kappa")
        assert figure["comparable"] == (alike and name != "subjects"), figure


# ---- shares


def test_a_percentage_is_not_taken_for_a_share(desk: Desk) -> None:
    (found,) = desk.errors(
        changed(("value: 0.374", "value: 37.4"), text=SMALL + GRID + PUBLISHED + STAND_IN)
    )
    assert found == (
        "r.yaml:15 published[0].value: 'accuracy' is a share, from 0 to 1, got 37.4; a percentage "
        "is divided by 100"
    )
    scores = PUBLISHED.replace("accuracy, value: 0.374", "inception_score, value: 11.7")
    assert len(desk.load(SMALL + GRID + scores + STAND_IN).published) == 2


def test_a_label_of_ours_is_a_share_too(desk: Desk) -> None:
    text = SMALL.replace("[accuracy]", "[{name: accuracy, label: hits}]") + (
        "published: [{metric: hits, value: 37.4, source: Table 1}]\n"
    )
    assert "'hits' is a share" in desk.errors(text)[0]


@pytest.mark.parametrize(
    ("metric", "value", "bounds"),
    [
        ("kappa", 55, "at most 1"),
        ("f1", 55, "at most 1"),
        ("two_way", 93, "at most 1"),
        ("ssim", 35, "at most 1"),
        ("pixcorr", 15, "at most 1"),
        ("clip_similarity", 77, "at most 1"),
        ("retrieval_hungarian", 40, "at most 1"),
        ("n_way", 40, "a share, from 0 to 1"),
        ("accuracy", -0.1, "a share, from 0 to 1"),
        ("kappa", -0.1, None),
        ("kappa", 1, None),
        ("accuracy", 1, None),
        ("fid", 55, None),
        ("psnr", 20, None),
        ("inception_score", 11.7, None),
    ],
)
def test_what_is_never_above_one(desk: Desk, metric: str, value: float, bounds: str | None) -> None:
    text = SMALL + f"published: [{{metric: {metric}, value: {value}, source: Table 1}}]\n"
    if bounds is None:
        assert desk.load(text).published
        return
    assert desk.errors(text) == [
        f"r.yaml:11 published[0].value: {metric!r} is {bounds}, got {value:g}; a percentage is "
        "divided by 100"
    ]


def test_which_metrics_are_shares() -> None:
    """Told from the first line of each, since no mark says it."""
    from zoo.recipe.published import _is_share

    assert {name for name in METRICS.names() if _is_share(name)} == {
        "accuracy", "balanced_accuracy", "copy_share", "decoded_class_agreement",
        "image_class_accuracy", "n_way", "retrieval", "top_k",
    }  # fmt: skip
