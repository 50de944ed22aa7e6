"""The report of a grid whose recipe asks for the area: its figures, levels, rates."""

import json

import pytest
from report_grid_toys import clip_gap, recipe_of_gap, write_recipe
from report_toys import alts, entry, figure, page, write

AREA = "area under image class accuracy (steps 25 to 200)"
LEVELS = [
    {"row": "level", "at": {"conditioner.params.opens": "none"}, "value": -0.3,
     "ci95": [-0.4, -0.2], "clear": True},
    {"row": "level", "at": {"conditioner.params.opens": "attn2"}, "value": 0.01,
     "ci95": [-0.05, 0.07], "clear": False},
    {"row": "level", "at": {"conditioner.params.opens": "attn2_lora"}, "value": 0.02,
     "ci95": None, "clear": False},
]  # fmt: skip
ANSWER = {
    "analysis": "difference", "label": "wrong_door", "sentence": "No.", "value": -0.1,
    "ci95": [-0.2, -0.05], "n": 400, "unit": "trial", "split": "test",
    "metric": "image_class_accuracy", "definition": "Mean.",
    "rows": [{"row": "arm", "arm": "a", "name": "straight"},
             {"row": "arm", "arm": "b", "name": "through text"}, *LEVELS],
}  # fmt: skip


@pytest.fixture(scope="module")
def gap(tmp_path_factory):
    """The page of the whole grid."""
    folder = tmp_path_factory.mktemp("area")
    clip_gap(folder, scores=False, answers=[ANSWER])
    write_recipe(folder, recipe_of_gap())
    return page(folder)


def test_the_table_has_the_area_first_and_keeps_the_end(gap):
    columns = "image class accuracy at the end of training image class accuracy, published accuracy"
    assert f"setting {AREA} {columns}" in gap.text
    row = gap.text[gap.text.index("linear, opens none set for it: lr projection 0.01 0.6") :]
    # The mean along the steps, not over them (0.677), nor the end (0.720).
    area = row[: row.index("0.720")]
    assert " 0.685 [0.6" in area
    assert (
        "n = 30 trials · test · mean of 5 seeds, SD 0.016, 0.665 to 0.705 · over seeds alone"
        in area
    )
    assert (
        "Read by: area under image class accuracy (steps 25 to 200), which the recipe" in gap.text
    )
    assert "Scored at steps 25, 50, 100 and 200." in gap.text


def test_forest_and_heat_map_are_of_the_area(gap):
    (own, *others) = alts(gap, "Forest plot of ")
    assert own.startswith(f"Forest plot of {AREA}. clip_text, text encoder trained, opens none: ")
    assert "linear, opens none: 0.685 [0.6" in own
    # Figures of papers are of trained models: they stand in a forest of the end.
    assert "the paper's" not in own
    assert "the paper's 0.512" in others[0]
    (alt, *_) = alts(gap, f"Heat map of {AREA}.")
    assert "linear, none: 0.685" in alt
    assert "linear, opens none: 0.650 at 25" in alts(gap, "Learning curves of image class")[0]


def test_levels_stand_beside_their_answer(gap):
    (alt,) = alts(gap, "Difference in image class accuracy level by level.")
    levels = "opens none: -0.300 [-0.400, -0.200], clear; opens attn2: +0.010 [-0.050, +0.070]; "
    levels += "opens attn2_lora: +0.020, no interval; all levels: -0.100 [-0.200, -0.050]."
    assert alt.endswith(levels)


def test_levels_that_are_no_differences_are_not_drawn(tmp_path):
    rows = [{"row": "level", "at": {"dataset.params.subjects": [s]}, "value": 0.5, "se": 0.1}
            for s in (1, 2)]  # fmt: skip
    cells = [entry(None, cell=str(k), coords={"encoder.params.k": k}) for k in (1, 2)]
    write(tmp_path, cells, answers=[{**ANSWER, "analysis": "spread", "rows": rows}])
    assert not alts(page(tmp_path), "Difference in")
    write(tmp_path, cells, answers=[{**ANSWER, "value": None, "reason": "failed"}])
    assert not alts(page(tmp_path), "Difference in")


def test_rates_are_told_beside_the_answers(gap):
    told = "Learning rates tuned arm by arm: conditioner lr projection (0.001 | 0.003 | 0.01). No"
    assert gap.text.count(told) == 1
    assert gap.text.index(told) < gap.text.index("Before you read")


@pytest.mark.parametrize("tuned", ["conditioner.train.lr.projection", "conditioner.train"])
def test_a_whole_block_is_read_value_by_value(tmp_path, tuned):
    places = [{"conditioner.params.k": k} for k in (1, 2)]
    start = {"dataset.params.subjects": [1]}
    cells = [
        {"coords": place, "tuned": [tuned],
         "conditioner": {"train": {"lr": {"projection": k / 100}, "steps": 5, "init_from": start}}}
        for k, place in enumerate(places, 1)
    ]  # fmt: skip
    write(tmp_path, [entry(None, cell=str(p), coords=p) for p in places])
    write_recipe(tmp_path, {"name": "x", "cells": cells})
    text = page(tmp_path).text
    assert "tuned arm by arm: conditioner lr projection (0.01 | 0.02). No other rate was." in text
    assert "k 1 set for it: lr projection 0.01 0." in text, "no length and no start"


@pytest.mark.parametrize(("steps", "told"), [((0, 5, 5), True), ((0, 0, 5), False)])
def test_rates_of_what_is_not_trained_are_not_told(tmp_path, steps, told):
    places = [{"conditioner.params.k": k, "conditioner.train.steps": n}
              for k, n in enumerate(steps)]  # fmt: skip
    cells = [{"coords": p, "conditioner": {"train": {"steps": n, "lr": 0.1}}}
             for p, n in zip(places, steps, strict=True)]  # fmt: skip
    write(tmp_path, [entry(None, cell=str(p), coords=p) for p in places])
    write_recipe(tmp_path, {"name": "x", "cells": cells})
    assert ("Learning rates were not tuned arm by arm" in page(tmp_path).text) == told


@pytest.mark.parametrize(
    ("tuned", "told"), [(None, False), ([], True), (["conditioner.train.steps"], True)]
)
def test_untuned_rates_are_told_once(tmp_path, tuned, told):
    places = [{"conditioner.params.k": k} for k in (1, 2)]
    write(tmp_path, [entry(None, cell=str(p), coords=p) for p in places])
    if tuned is not None:  # without a recipe nothing is known
        train = {"steps": 5, "lr": 0.1}
        cells = [{"coords": p, "tuned": tuned, "conditioner": {"train": train}} for p in places]
        write_recipe(tmp_path, {"name": "x", "cells": cells})
    text = page(tmp_path).text
    assert text.count("Learning rates were not tuned arm by arm") == told
    assert "set for it" not in text, "how long is no rate"


def test_rates_of_some_settings_are_told_as_such(tmp_path):
    recipe = recipe_of_gap()
    for cell in recipe["cells"][15:]:
        cell.pop("tuned")
    clip_gap(tmp_path, scores=False)
    write_recipe(tmp_path, recipe)
    ledger = {"settings": [{"from": "ours", "chosen_on": "val",
                            "paths": ["conditioner.train.lr.projection"]}],
              "stamp": None, "look": None, "checkpoints": []}  # fmt: skip
    results = json.loads((tmp_path / "results.json").read_text())
    results["cells"][0]["ledger"] = ledger
    (tmp_path / "results.json").write_text(json.dumps(results))
    assert "projection (0.001, in 3 of 9 settings, chosen on val)." in page(tmp_path).text


def test_only_a_first_question_about_the_area_changes_the_page(tmp_path):
    clip_gap(tmp_path, scores=False)
    write_recipe(tmp_path, recipe_of_gap(over="end"))
    text = page(tmp_path).text
    assert "area under image class" not in text
    assert "Read by: image class accuracy, at the end of training" in text


def curve(cell, steps, *, control=None, last=20, k=1, seed=0):
    """A cell with snapshots: its value is a hundredth of the step."""
    coords = {"conditioner.params.k": k, "seed": seed}
    training = {"parameters": {"all": 5}, "total": 5, "steps": last}
    about = {"cell": cell, "seed": seed, "training": training}
    points = [entry(control, coords={**coords, "step": s}, value=s / 100, **about) for s in steps]
    return [entry(control, coords=coords, value=last / 100, **about), *points]


def test_an_area_needs_all_its_steps(tmp_path):
    cells = [curve("a", [10, 15]), curve("b", [10, 15], k=2), curve("c", [10], k=3),
             curve("d", [10, 15], k=2, seed=1)]  # fmt: skip
    cells[3][1]["metrics"]["image_class_accuracy"] = {"value": None, "reason": "NaN"}
    entries = [one for cell in cells for one in cell]
    write(tmp_path, entries)
    asked = {"metric": "image_class_accuracy", "over": "area"}
    write_recipe(tmp_path, {"name": "x", "analyses": [{"name": "difference", "params": asked}]})
    text = page(tmp_path).text
    assert "k 1 0.150 no interval n = 30 trials · test · 1 seed" in text
    assert "k 2 0.150 no interval n = 30 trials · test · 1 seed" in text, "the other seed has none"
    assert "k 3 scored at steps 10 and 20 alone" in text
    entries[4]["metrics"]["image_class_accuracy"] = {"value": None, "reason": "NaN"}
    write(tmp_path, entries)
    assert "k 2 step 10: NaN" in page(tmp_path).text


def test_controls_have_areas_where_they_have_snapshots(tmp_path):
    cells = [curve("a", [10, 20]), curve("a", [10, 20], control="class_label"),
             curve("b", [10, 20], k=2), curve("b", [], k=2, control="shuffled_eeg")]  # fmt: skip
    write(tmp_path, [one for cell in cells for one in cell])
    asked = {"metric": "image_class_accuracy", "over": "area"}
    write_recipe(tmp_path, {"name": "x", "analyses": [{"name": "difference", "params": asked}]})
    found = page(tmp_path)
    (forest,) = alts(found, "Forest plot of area under image class accuracy (steps 10 to 20).")
    assert "k 1: 0.150 no interval, class label (ceiling) 0.150; k 2: 0.150 no interval." in forest
    said = "control: mean over the settings that have it"
    assert f"class label (ceiling) {said} 0.150 0.200" in found.text
    assert f"shuffled EEG {said} – 0.200" in found.text


@pytest.mark.parametrize(("tellings", "drawn"), [((10, 10), True), ((10, 40), False)])
def test_probes_have_a_line_at_chance(tmp_path, tellings, drawn):
    def row(layer, k):
        return {"measure": "probe", "layer": layer, "when": "after", "value": 0.5, "ci95": None,
                "n": 10, "unit": "trial", "split": "test",
                "definition": f"Share of trials (ridge, chance 1 / {k})."}  # fmt: skip

    table = [row(layer, k) for layer, k in enumerate(tellings)]
    cells = [
        entry(None, cell=f"{k}", coords={"encoder.params.k": k},
              metrics={"accuracy": figure(0.9), "gap": figure(0.5, table=table)})
        for k in (1, 2)
    ]  # fmt: skip
    write(tmp_path, cells)
    (alt,) = alts(page(tmp_path), "gap: probe over the layers")
    assert alt.endswith(" Chance: 0.100.") == drawn
