"""Questions that no run could answer are refused before it: two arms, an area, a margin."""

from __future__ import annotations

from pathlib import Path

import pytest
from recipe_toys import SMALL, Desk, changed, desk_in, registered

from registry import component
from zoo.grid_scores import MetricLabel, Where
from zoo.recipe import dump, load_recipe, shipped_recipes
from zoo.registries import ANALYSES

CLIP = "{name: clip_text, params: {text_encoder: %s}}"
ASKED = (
    SMALL.replace("steps: 20,", "steps: 20, snapshots: [5, 10],").replace(
        "[accuracy]", "[accuracy, image_class_accuracy]"
    )
    + """\
grid:
  conditioner: [linear, FROZEN, TRAINED]
  seed: [0, 1]
analyses:
  - name: difference
    label: wrong_door
    params:
      metric: image_class_accuracy
      over: area
      margin: 0.02
      a: {conditioner: linear}
      b: {conditioner: clip_text, conditioner.params.text_encoder: trained}
""".replace("FROZEN", CLIP % "frozen").replace("TRAINED", CLIP % "trained")
)
desk = pytest.fixture(desk_in)

FROZEN = "conditioner=clip_text-frozen,seed=0"
TRAINED = "conditioner=clip_text-trained,seed=0"


def test_a_question_that_can_be_answered_is_asked(desk: Desk) -> None:
    assert [block.label for block in desk.load(ASKED).analyses] == ["wrong_door"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("margin: 0.02", "margin: -1", "r.yaml:20 analyses[0].params.margin: must be > 0, got -1"),
        ("margin: 0.02", "margin: 0", "r.yaml:20 analyses[0].params.margin: must be > 0, got 0"),
        ("a: {conditioner: linear}", "a: linear",
         "r.yaml:21 analyses[0].params.a: must be a mapping of paths to values, got 'linear'"),
        ("a: {conditioner: linear}", "a: null",
         "r.yaml:21 analyses[0].params.a: must be a mapping of paths to values, got null"),
        ("a: {conditioner: linear}", "a: {conditioner.params.text_encoder: trained}",
         f"r.yaml:17 analyses[0].params: {TRAINED} is in both arms ("),
        ("b: {conditioner: clip_text, conditioner.params.text_encoder: trained}",
         "b: {conditioner: clip_text}",
         "r.yaml:17 analyses[0].params: conditioner = clip_text leaves open which of "
         f"{FROZEN} and {TRAINED} is meant; add what they differ in"),
        ("a: {conditioner: linear}", "a: {conditioner: linear, seed: 0}", None),
        ("trained}\n", "trained, seed: 1}\n", None),
        ("a: {conditioner: linear}\n      b: {",
         "a: {conditioner: linear, seed: 0}\n      b: {seed: 1, ",
         "r.yaml:17 analyses[0].params: no cell with conditioner = linear, seed = 0 agrees with "),
        (", snapshots: [5, 10]", "",
         "r.yaml:17 analyses[0].params: over: area needs scores before the end of the training; "
         "give conditioner.train.snapshots before step 20 (conditioner=linear,seed=0)"),
        ("[5, 10]", "[20]",
         "r.yaml:17 analyses[0].params: over: area needs scores before the end of the training; "
         "give conditioner.train.snapshots before step 20 (conditioner=linear,seed=0)"),
        ("steps: 20,", "epochs: 20,",
         "r.yaml:17 analyses[0].params: over: area needs the length of the training in steps; "
         "give conditioner.train.steps, not epochs (conditioner=linear,seed=0)"),
        ("[linear,", "[{name: linear, train: {snapshots: [5]}},",
         "r.yaml:17 analyses[0].params: over: area needs the same snapshots in both arms: "),
        ("metric: image_class_accuracy", "metric: accuracy",
         "r.yaml:17 analyses[0].params: over: area needs a metric of pictures: 'accuracy' is the "
         "same at all snapshots"),
    ],
    ids=["negative margin", "no margin at all", "text", "null", "the same arm", "ambiguous",
         "one seed of a", "one seed of b", "no pair", "no snapshot", "only the last", "epochs",
         "other snapshots", "of the encoder"],
)  # fmt: skip
def test_what_cannot_be_answered(desk: Desk, old: str, new: str, message: str | None) -> None:
    text = changed((old, new), text=ASKED)
    if message is None:
        assert desk.load(text).analyses
        return
    found = desk.errors(text)
    assert len(found) == 1, found
    assert found[0].startswith(message)


def test_the_end_needs_no_snapshots(desk: Desk) -> None:
    text = changed((", snapshots: [5, 10]", ""), ("over: area", "over: end"), text=ASKED)
    assert desk.load(text).analyses


def test_what_the_command_line_took_is_left_to_the_answer(desk: Desk, tmp_path: Path) -> None:
    recipe = desk.load(ASKED, "conditioner.train.snapshots=[]")
    assert len(recipe.analyses) == 1
    assert "analyses" not in recipe.resolved
    (tmp_path / "again.yaml").write_text(dump(recipe.resolved))
    assert load_recipe(tmp_path / "again.yaml").cells == recipe.cells


def test_the_layers_not_in_use_are_asked_too(desk: Desk) -> None:
    """Snapshots of the stand-in alone: at full scale the question could not be answered."""
    text = changed((", snapshots: [5, 10]", ""), text=ASKED) + (
        "pocket: {weights: {conditioner.train.snapshots: [5, 10]}}\n"
    )
    (found,) = desk.errors(text)
    assert found.startswith("r.yaml:17 analyses[0].params: over: area needs scores before the end")
    own = "pocket: {weights: {conditioner.train.snapshots: [], analyses: []}}\n"
    assert desk.load(ASKED + own).analyses == ()


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_every_question_that_ships_can_be_answered_at_each_scale(name: str, tmp_path: Path) -> None:
    here = load_recipe(name)
    full = load_recipe(name, data_root=tmp_path, weights_root=tmp_path)
    for recipe in (here, full):
        asked = recipe.resolved.get("analyses", [])
        assert [block["label"] for block in asked] == [block.label for block in recipe.analyses]


# ---- differences of differences


HALVES = (
    SMALL
    + """\
grid: {conditioner: [linear, lora], encoder: [eegnet, nice], seed: [0, 1]}
analyses:
  - name: difference
    params:
      metric: accuracy
      a: {conditioner: linear}
      b: {conditioner: lora}
      when: {encoder: eegnet}
      than: {encoder: nice}
"""
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("      than: {encoder: nice}\n", "", "'when' needs 'than' beside it"),
        ("      when: {encoder: eegnet}\n", "", "'than' needs 'when' beside it"),
        ("than: {encoder: nice}", "than: {encoder: eegnet}",
         "'when' and 'than' name the same paths, with other values"),
        ("than: {encoder: nice}", "than: {seed: 0}",
         "'when' and 'than' name the same paths, with other values"),
        ("a: {conditioner: linear}", "a: {conditioner: linear, encoder: nice}",
         "'encoder' stands in 'when' and in an arm; leave it to one"),
        ("b: {conditioner: lora}", "b: {conditioner: lora, encoder: nice}",
         "'encoder' stands in 'when' and in an arm; leave it to one"),
        ("when: {encoder: eegnet}\n      than: {encoder: nice}",
         "when: {seed: 0}\n      than: {seed: 1}",
         "'when' and 'than' choose other seeds, and what is compared agrees in the seed; leave "
         "'seed' out"),
    ],
    ids=["when alone", "than alone", "equal", "other paths", "in a", "in b", "seeds"],
)  # fmt: skip
def test_halves_that_part_nothing(desk: Desk, old: str, new: str, message: str) -> None:
    assert desk.load(HALVES).analyses
    text = changed((old, new), text=HALVES)
    assert desk.errors(text) == [f"r.yaml:14 analyses[0].params: {message}"]
    assert desk.errors(text, "encoder.train.epochs=9") == [
        f"r.yaml:14 analyses[0].params: {message}"
    ], "no override mends it"


def test_halves_that_agree_nowhere(desk: Desk) -> None:
    """Each half has its pairs, of a seed that the other does not have."""
    cells = "".join(
        f"  - {{coords: {{conditioner: {c}, encoder: {e}, seed: {s}}}, seed: {s}, encoder: "
        f"{{name: {e}, train: {{epochs: 1}}}}, conditioner: {{name: {c}, train: {{steps: 20}}}}}}\n"
        for e, s in (("eegnet", 0), ("nice", 1))
        for c in ("linear", "lora")
    )
    head, _, rest = HALVES.partition("grid:")
    (found,) = desk.errors(head + "cells:\n" + cells + rest.partition("\n")[2])
    assert found.endswith(
        "analyses[0].params: no pair like conditioner=linear,encoder=eegnet,seed=0 agrees with one "
        "like conditioner=linear,encoder=nice,seed=1 in the seed and every other axis"
    )


# ---- levels and settings


FEW = SMALL.replace("[accuracy]", "[accuracy, kappa]") + (
    "grid: {encoder: [eegnet, nice, lstm], seed: [0, 1]}\n"
    "analyses:\n"
    "  - {name: ANALYSIS, params: {metric: accuracy, WHAT}}\n"
)


@pytest.mark.parametrize(
    ("analysis", "what", "lacking"),
    [
        ("spread", "axis: encoder", None),
        ("spread", "axis: seed", "levels of seed, the cells have 2"),
        ("spread", "axis: encoder, where: {encoder: nice}", "levels of encoder, the cells have 1"),
        ("rank_correlation", "by: kappa", None),
        ("rank_correlation", "by: kappa, where: {encoder: lstm}",
         "settings beside the seed, the cells have 1"),
    ],
)  # fmt: skip
def test_three_levels_or_settings(
    desk: Desk, analysis: str, what: str, lacking: str | None
) -> None:
    text = FEW.replace("ANALYSIS", analysis).replace("WHAT", what)
    place = "r.yaml:13 analyses[0].params: needs at least 3 "
    if lacking is None:
        assert desk.load(text).analyses
        fewer = desk.load(text, "grid.encoder=[eegnet, nice]")
        assert fewer.analyses, "what the command line took is left to the answer"
        assert "analyses" not in fewer.resolved
        there = changed(("eegnet, nice, lstm", "eegnet, nice"), text=text)
        (found,) = desk.errors(there)
        assert found.startswith(place)
        assert found.endswith("the cells have 2")
    else:
        assert desk.errors(text) == [place + lacking]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("where: {encoder: nice}", "params.axis: analysis 'spread' needs 'axis'"),
        ("axis: encodr", "params.axis: unknown path 'encodr'"),
        ("axis: encoder, where: nice", "params.where: must be a mapping of paths to values"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_question_is_said_once(desk: Desk, what: str, message: str) -> None:
    (found,) = desk.errors(FEW.replace("ANALYSIS", "spread").replace("WHAT", what))
    assert message in found


@component("analysis")
class Interaction:
    """A question about two arms, here and there."""

    def __init__(
        self, *, metric: MetricLabel, a: Where, b: Where,
        when: Where | None = None, than: Where | None = None,
    ) -> None: ...  # fmt: skip


def test_arms_are_paired_here_and_there(desk: Desk) -> None:
    question = (
        "analyses: [{name: interaction, params: {metric: accuracy, a: {encoder: nice}, "
        "b: {encoder: eegnet}, when: {conditioner: linear}, than: {conditioner: clip_text}}}]\n"
    )
    axes = "grid: {encoder: [nice, eegnet], conditioner: [linear, clip_text]}\n"
    with registered(ANALYSES, "interaction", Interaction):
        assert desk.load(SMALL + axes + question).analyses
        two = changed(("eegnet]", "eegnet, {name: eegnet, train: {epochs: 9}}]"), text=axes)
        (found,) = desk.errors(SMALL + two + question)
        assert found.startswith(
            "r.yaml:12 analyses[0].params: encoder = eegnet, conditioner = linear leaves open which"
        )
