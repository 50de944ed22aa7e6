"""The log of an arm's trials: what was tried, each once, and the arm has what was best."""

from __future__ import annotations

import pytest
from recipe_toys import SMALL, Desk, desk_in

TRIALS = "[{lr: 1e-1, val: 0.5}, {lr: 1e-2, val: 0.6}, {lr: 1e-3, val: 0.4}]"
desk = pytest.fixture(desk_in)


def arm(trials: str = TRIALS, given: str = "{conditioner.train.lr: 1e-2}") -> str:
    log = f"    set: {given}\n    trials: {trials}\n"
    return SMALL + "seed: 0\narms:\n  - where: {seed: 0}\n" + log


def test_an_arm_has_the_best_of_its_trials(desk: Desk) -> None:
    assert desk.load(arm()).cells[0].conditioner.train["lr"] == 1e-2
    assert desk.load(arm("[]")).cells


@pytest.mark.parametrize("rate", ["1e-1", "1e-2"])
def test_of_two_that_are_as_good_either_may_be_taken(desk: Desk, rate: str) -> None:
    trials = TRIALS.replace("0.5", "0.6")
    cell = desk.load(arm(trials, f"{{conditioner.train.lr: {rate}}}")).cells[0]
    assert cell.conditioner.train["lr"] == float(rate)


def test_several_values_are_looked_for_in_one_trial(desk: Desk) -> None:
    given = "{conditioner.train.lr: {projection: 1e-2, attn2: 1e-3}}"
    trials = "[{projection: 1e-2, attn2: 1e-3, val: 1}, {projection: 1e-2, attn2: 1e-4, val: 0}]"
    assert desk.load(arm(trials, given)).cells
    nested = "[{lr: {projection: 1e-2, attn2: 1e-3}, val: 1}, {lr: {projection: 1e-2}, val: 0}]"
    assert desk.load(arm(nested, given)).cells
    (found,) = desk.errors(arm(trials.replace("1e-3, val: 1", "3e-4, val: 1"), given))
    assert found == (
        "r.yaml:14 arms[0].set.conditioner.train.lr: no trial of this arm has 0.01, 0.001; they "
        "have: projection 0.01, attn2 0.0003; projection 0.01, attn2 0.0001"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{lr: 1e-1, val: 0.5}", "hello",
         "r.yaml:15 arms[0].trials[0]: must be what was tried and its score, {lr: 1e-3, val: 0.61}"
         ", got 'hello'"),
        ("{lr: 1e-1, val: 0.5}", "{lr: 1e-1}",
         "r.yaml:15 arms[0].trials[0].val: needs 'val', its score on validation: a number, higher "
         "is better"),
        ("{lr: 1e-1, val: 0.5}", "{lr: 1e-1, val: good}",
         "r.yaml:15 arms[0].trials[0].val: needs 'val', its score on validation: a number, higher "
         "is better, got 'good'"),
        ("{lr: 1e-1, val: 0.5}", "{lr: 1e-1, val: true}",
         "r.yaml:15 arms[0].trials[0].val: needs 'val', its score on validation: a number, higher "
         "is better, got true"),
        ("{lr: 1e-1, val: 0.5}", "{val: 0.5}",
         "r.yaml:15 arms[0].trials[0]: does not say what was tried, as {lr: 1e-3, val: 0.61} does"),
        ("{lr: 1e-1, val: 0.5}", "{lr: 1e-2, val: 0.6}",
         "r.yaml:15 arms[0].trials[1]: lr 0.01 is listed twice"),
        ("{lr: 1e-1, val: 0.5}", "{lr: 0.01, val: 0.7}",
         "r.yaml:15 arms[0].trials[1]: lr 0.01 is listed twice"),
        ("val: 0.5", "val: 0.7",
         "r.yaml:14 arms[0].set.conditioner.train.lr: 0.01 reached 0.6 in its trial and lr 0.1 "
         "reached 0.7: set what was best"),
        ("lr: 1e-2, val", "lr: 2e-2, val",
         "r.yaml:14 arms[0].set.conditioner.train.lr: no trial of this arm has 0.01; they have: "
         "lr 0.1; lr 0.02; lr 0.001"),
        (TRIALS, "{lr: 1e-2, val: 0.6}",
         "r.yaml:15 arms[0].trials: must be a list, one entry for each setting that was tried"),
    ],
    ids=["text", "no score", "score is text", "score is true", "nothing tried", "twice",
         "twice, other score", "not the best", "not tried", "no list"],
)  # fmt: skip
def test_wrong_logs(desk: Desk, old: str, new: str, message: str) -> None:
    assert old in TRIALS
    found = desk.errors(arm(TRIALS.replace(old, new)))
    assert found == [message]
