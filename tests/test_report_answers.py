"""What the page says of the answers: their tables, the forest of an interaction."""

import base64
import re

import pytest
from report_toys import alts, entry, page, write

ANSWER = {
    "analysis": "difference", "label": "drift", "sentence": "Yes.", "value": 0.5,
    "ci95": [0.4, 0.6], "n": 170, "unit": "trial", "split": "test", "metric": "accuracy",
    "definition": "Mean.",
}  # fmt: skip


def arm(name, seeds=(0,), **changes):
    """An arm's row as results.json has it; the ceiling is of the first seeds alone."""
    by_seed = {str(seed): 0.625 + 0.125 * seed for seed in seeds}
    return {"row": "arm", "arm": "a", "name": name, "value": 0.75,
            "range_over_seeds": [0.625, 0.875], "by_seed": by_seed,
            "ceiling": {"value": 0.992, "seeds": [*seeds][:2], "cells": 3 * len([*seeds][:2])},
            "floor": None, "chance": 0.1} | changes  # fmt: skip


def level(**at):
    """A level's row: of encoders, with the parameters that some of them have."""
    place = {f"encoder.{key.replace('_', '.', 1)}": value for key, value in at.items()}
    return {"row": "level", "at": place, "value": 0.5, "ci95": [0.4, 0.6], "clear": True}


def answered(folder, *rows):
    """The page of a grid whose answer was made from some rows."""
    cells = [entry(None, cell=str(k), coords={"encoder.params.k": k}) for k in (1, 2)]
    write(folder, cells, answers=[{**ANSWER, "rows": list(rows)}])
    return page(folder)


def test_of_one_seed_nothing_is_repeated(tmp_path):
    text = answered(tmp_path, arm("fast"), arm("slow")).text
    columns = "arm arm name value ceiling chance"
    assert f"{columns} a fast 0.750 0.992 (seed 0, 3 cells) 0.100 a slow" in text
    text = answered(tmp_path, arm("fast", range(3)), arm("slow")).text
    columns = "arm arm name value range over seeds by seed ceiling chance"
    several = "0.750 [0.625, 0.875] 0: 0.625, 1: 0.750, 2: 0.875 0.992 (seeds 0, 1, 6 cells) 0.100"
    assert f"{columns} a fast {several} a slow 0.750 – – 0.992 (seed 0, 3 cells)" in text


@pytest.mark.parametrize(
    ("levels", "names"),
    [
        ([{"name": "lstm", "params_embed_dim": 128}, {"name": "eegnet", "params_embed_dim": 64}],
         ["lstm", "eegnet"]),
        # Where one name has several levels, its parameters tell them apart.
        ([{"name": "lstm", "params_k": 1}, {"name": "lstm", "params_k": 2}],
         ["lstm, k 1", "lstm, k 2"]),
        ([{"params_k": 1}, {"params_k": 2}], ["k 1", "k 2"]),
    ],
)  # fmt: skip
def test_levels_of_a_block_are_called_by_its_name(tmp_path, levels, names):
    found = answered(tmp_path, *(level(**one) for one in levels))
    first, second = (f"{name} 0.500 [0.400, 0.600] yes" for name in names)
    assert f"level at value 95 % interval clear {first} {second}" in found.text
    (alt,) = alts(found, "Difference in accuracy level by level. ")
    assert re.findall(r"(?:\. |; )([^:]*):", alt) == [*names, "all levels"]


def test_a_start_is_told_at_each_level_apart(tmp_path):
    def source(**changes):
        return {f"dataset.params.{k}": v for k, v in changes.items()}

    starts = [None, source(subjects=[1], limit=5), source(subjects=[1], limit=6)]
    found = answered(tmp_path, *(level(train_init_from=one) for one in starts))
    for name in ("from scratch", "from subject 1, limit 5", "from subject 1, limit 6"):
        assert f"{name} 0.500 [0.400, 0.600]" in found.text


def test_the_forest_of_an_interaction_says_that_it_is_one(tmp_path):
    arms = [arm(name, at=at) for at in ("with drift", "without drift") for name in ("low", "high")]
    found = answered(tmp_path, *arms, *(level(name=name) for name in ("lstm", "eegnet")))
    assert alts(found, "Difference of differences in accuracy level by level. lstm: +0.500 ")
    (plot,) = (i for i in found.images if i["alt"].startswith("Difference of differences"))
    drawn = base64.b64decode(plot["src"].partition("base64,")[2]).decode()
    assert "<!-- low minus high, with drift less without drift, 95 % interval -->" in drawn
