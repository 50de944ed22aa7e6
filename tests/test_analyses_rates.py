"""Equal treatment: where an answer says that learning rates were not tuned arm by arm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analysis_toys import ARMS, arms, grid, levels

from zoo.analyses.difference import Difference
from zoo.checks import analysis as battery
from zoo.grid_scores import GridScores


def tuned(whole: GridScores, *paths: str, arm: str = "") -> GridScores:
    """Return the grid with what `arms` set in its cells, or in those of one arm."""
    by_id = {
        cell.id: replace(cell, tuned=paths) if arm in cell.id else cell for cell in whole.cells
    }
    scores = tuple(replace(score, cell=by_id[score.cell.id]) for score in whole.scores)
    return replace(whole, cells=tuple(by_id.values()), scores=scores)


UNTUNED = "learning rates were not tuned arm by arm"


@pytest.mark.parametrize(
    ("paths", "arm", "told"),
    [
        (("encoder.train.lr",), "", True),
        (("encoder.train.lr.head", "encoder.train.steps"), "", True),
        (("encoder.train.lr",), "good", False),
        (("conditioner.train.lr",), "", False),
        (("encoder.train.steps", "encoder.train.init_from"), "", False),
        (("encoder.train.init_from.encoder.train.lr",), "", False),
    ],
)
def test_arms_without_rates_of_their_own_are_said_to_have_none(paths, arm, told):
    whole = grid(arms(np.random.default_rng(0), shift=1.0))
    found = Difference(metric="score", **ARMS).answer(tuned(whole, *paths, arm=arm))
    assert (UNTUNED not in found.sentence) == told
    (row,) = (row for row in found.rows if row["row"] == "tuning")
    assert row == {"row": "tuning", "tuned": told, "about": "learning rates of encoder"}


def test_arms_that_differ_in_nothing_trained_need_no_rates_of_their_own():
    found = Difference(
        metric="score",
        a={"dataset.params.subjects": ["1"], "encoder": "good"},
        b={"dataset.params.subjects": ["1"], "encoder": "poor"},
    ).answer(battery.example())
    assert UNTUNED in found.sentence
    two = {name: np.random.default_rng(k).random((5, 30)) for k, name in enumerate(["x", "y"])}
    whole = levels("band", {name: grid({"good": score}) for name, score in two.items()})
    found = Difference(
        metric="score", a={"dataset.params.band": "x"}, b={"dataset.params.band": "y"}
    ).answer(whole)
    assert UNTUNED not in found.sentence
    assert next(row for row in found.rows if row["row"] == "tuning")["tuned"] is None


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        ({"conditioner.train.lr": 1e-3}, {"conditioner.train.lr": 1e-2}, None),
        ({"conditioner.train": {"lr": 1e-3}}, {"conditioner.train": {"lr": 1e-2}}, None),
        ({"conditioner.train.steps": 0}, {"conditioner.train.steps": 200}, None),
        ({"conditioner.train.steps": 100}, {"conditioner.train.steps": 200}, False),
    ],
)
def test_no_rate_is_missed_where_it_is_asked_for_or_one_arm_is_not_trained(a, b, told):
    rng = np.random.default_rng(0)
    cells, scores = [], []
    for name, where in (("one", a), ("other", b)):
        ((path, value),) = where.items()
        train = value if path == "conditioner.train" else {path.rpartition(".")[2]: value}
        part = grid({"good": rng.random((5, 30))})
        moved = {
            cell.id: replace(
                cell, id=f"{name},{cell.id}", coords={path: value, "seed": cell.seed},
                conditioner=replace(cell.conditioner, train={"steps": 200, **train}),
            )
            for cell in part.cells
        }  # fmt: skip
        cells += moved.values()
        scores += [replace(score, cell=moved[score.cell.id]) for score in part.scores]
    whole = replace(part, cells=tuple(cells), scores=tuple(scores))
    found = Difference(metric="score", a=a, b=b).answer(whole)
    assert next(row for row in found.rows if row["row"] == "tuning")["tuned"] is told
    assert (UNTUNED in found.sentence) == (told is False)
