"""The log of an arm's trials: what was tried, each once, and the arm has what was best."""

from __future__ import annotations

import pytest
from recipe_toys import SMALL, Desk, desk_in

from zoo.recipe import RecipeError

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
        "r.yaml:14 arms[0].set.conditioner.train.lr: no trial of this arm has projection 0.01, "
        "attn2 0.001; they have: projection 0.01, attn2 0.0003; projection 0.01, attn2 0.0001"
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
         "r.yaml:14 arms[0].set.conditioner.train.lr: lr 0.01 reached 0.6 in its trial and lr "
         "0.1 reached 0.7: set what was best"),
        ("lr: 1e-2, val", "lr: 2e-2, val",
         "r.yaml:14 arms[0].set.conditioner.train.lr: no trial of this arm has lr 0.01; they "
         "have: lr 0.1; lr 0.02; lr 0.001"),
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


# ---- what of an arm its trials are about


def tried(desk: Desk, given: str, trials: str) -> set[str] | str:
    """Return the ends of the paths that were tuned, or the error."""
    text = arm(trials, given)
    try:
        (cell,) = desk.load(text).cells
    except RecipeError as error:
        (line,) = str(error).splitlines()
        return line.partition(": ")[2]
    return {path.rpartition(".")[2] for path in cell.tuned}


RATES = "[{lr: 1e-2, val: 0.6}, {lr: 1e-3, val: 0.5}]"
PAIRS = "[{projection: 1e-2, attn2: 1e-3, val: 0.6}, {projection: 1e-4, attn2: 1e-3, val: 0.2}]"


@pytest.mark.parametrize(
    "fixed",
    [
        "conditioner.train.batch_size: 4",
        "conditioner.train.init_from: {dataset.params.subjects: [2]}",
        "conditioner.train.init_from: {conditioner.train.lr: 1e-3}",
        "dataset.params.limit: {train: 60}",
    ],
)
@pytest.mark.parametrize("name", ["lr", "projection", "rate"])
def test_what_was_not_tried_is_fixed(desk: Desk, fixed: str, name: str) -> None:
    trials = RATES.replace("lr", name)
    given = f"{{conditioner.train.lr.projection: 1e-2, {fixed}}}"
    assert tried(desk, given, trials) == {"projection"}
    worse = tried(desk, given.replace("1e-2", "1e-3", 1), trials)
    assert (
        worse == f"projection 0.001 reached 0.5 in its trial and {name} 0.01 reached 0.6: set "
        "what was best"
    )
    none = tried(desk, given.replace("1e-2", "1e-4", 1), trials)
    assert (
        none == f"no trial of this arm has projection 0.0001; they have: {name} 0.01; {name} 0.001"
    )


def test_what_was_tried_beside_the_rate_is_looked_for(desk: Desk) -> None:
    given = "{conditioner.train.lr: 1e-2, conditioner.train.batch_size: 4}"
    trials = "[{lr: 1e-2, batch_size: 4, val: 2}, {lr: 1e-2, batch_size: 8, val: 1}]"
    assert tried(desk, given, trials) == {"lr", "batch_size"}
    assert tried(desk, given.replace("4}", "16}"), trials) == (
        "no trial of this arm has lr 0.01, batch_size 16; they have: lr 0.01, batch_size 4; "
        "lr 0.01, batch_size 8"
    )


def test_values_are_looked_for_under_their_names(desk: Desk) -> None:
    """As a bag, what was tried the other way round would pass."""
    given = "{conditioner.train.lr.projection: %s, conditioner.train.lr.attn2: %s}"
    assert tried(desk, given % ("1e-2", "1e-3"), PAIRS) == {"projection", "attn2"}
    assert tried(desk, given % ("1e-3", "1e-2"), PAIRS) == (
        "no trial of this arm has projection 0.001, attn2 0.01; they have: projection 0.01, "
        "attn2 0.001; projection 0.0001, attn2 0.001"
    )
    named_otherwise = PAIRS.replace("projection", "one").replace("attn2", "other")
    assert "no trial of this arm has projection" in str(
        tried(desk, given % ("1e-2", "1e-3"), named_otherwise)
    )


def test_a_rate_by_group_is_not_called_lr_among_other_values(desk: Desk) -> None:
    given = "{conditioner.train.lr.projection: 1e-2}"
    trials = "[{lr: 1e-2, batch_size: 4, val: 1}, {lr: 1e-3, batch_size: 8, val: 0}]"
    assert tried(desk, given, trials) == (
        "no trial of this arm has projection 0.01; they have: lr 0.01, batch_size 4; lr 0.001, "
        "batch_size 8"
    )
    assert tried(desk, given, trials.replace("lr:", "projection:")) == {"projection"}


def test_a_value_under_the_name_of_another_was_not_tried(desk: Desk) -> None:
    given = "{conditioner.train.lr: {projection: 1e-2, attn2: 1e-2}}"
    trials = "[{projection: 1e-2, val: 1}, {attn2: 1e-2, val: 1}]"
    assert str(tried(desk, given, trials)).startswith("no trial of this arm has projection 0.01, a")


def test_one_value_of_another_name_is_that_of_every_rate(desk: Desk) -> None:
    both = "{conditioner.train.lr.projection: 1e-2, encoder.train.lr: 1e-2}"
    assert tried(desk, both, RATES.replace("lr", "rate")) == {"projection", "lr"}
    without_a_rate = "{conditioner.train.batch_size: 4, conditioner.train.steps: 4}"
    sizes = RATES.replace("lr: 1e-2", "both: 4").replace("lr: 1e-3", "both: 8")
    assert tried(desk, without_a_rate, sizes) == {"batch_size", "steps"}
    assert "no trial of this arm has batch_size 5, steps 4" in str(
        tried(desk, without_a_rate.replace("batch_size: 4", "batch_size: 5"), sizes)
    )


def test_what_else_the_trials_name_is_no_matter(desk: Desk) -> None:
    """The better of two averages of weights stands in the recipe; one rate here is fixed."""
    given = "{conditioner.train.lr: {projection: 1e-2, attn2: 1e-4}}"
    trials = "[{projection: 1e-2, ema: 0.5, val: 1}, {projection: 1e-2, ema: 0.9, val: 0}]"
    assert tried(desk, given, trials) == {"projection"}


@pytest.mark.parametrize(
    ("encoder", "conditioner"),
    [("encoder.train.lr", "conditioner.train.lr"), ("encoder.lr", "conditioner.lr")],
)
def test_a_longer_name_tells_two_rates_apart(desk: Desk, encoder: str, conditioner: str) -> None:
    given = "{encoder.train.lr: 1e-2, conditioner.train.lr: 1e-3}"
    trials = f"[{{{encoder}: %s, {conditioner}: %s, val: 1}}]"
    assert tried(desk, given, trials % ("1e-2", "1e-3")) == {"lr"}
    assert str(tried(desk, given, trials % ("1e-3", "1e-2"))).startswith("no trial of this arm")


def test_a_mapping_is_a_value_too(desk: Desk) -> None:
    given = "{dataset.params.limit: {train: 60}}"
    trials = "[{limit: {train: 60}, val: 1}, {limit: {train: 30}, val: 0}]"
    assert tried(desk, given, trials) == {"limit"}
    assert "no trial of this arm has limit {'train': 50}" in str(
        tried(desk, given.replace("60", "50"), trials)
    )
    both = "{dataset.params.limit: {train: 60}, conditioner.train.lr: 1e-2}"
    pair = "[{limit: {train: 60}, lr: 1e-2, val: 1}]"
    assert tried(desk, both, pair) == {"limit", "lr"}


# ---- how many were tried


TWO = """\
grid: {seed: [0, 1]}
arms:
  - {where: {seed: 0}, set: {conditioner.train.lr: 1e-2}, trials: [{lr: 1e-2, val: 1}]}
  - {where: {seed: 1}, set: {conditioner.train.lr: 1e-3}, trials: [{lr: 1e-3, val: 1}]}
"""


def test_only_arms_with_trials_are_held_to_the_same_number(desk: Desk) -> None:
    fixed = "  - {where: {seed: 1}, set: {conditioner.train.batch_size: 4}}\n"
    cells = desk.load(SMALL + TWO + fixed).cells
    assert [(cell.tuned, cell.given) for cell in cells] == [
        (("conditioner.train.lr",), ()),
        (("conditioner.train.lr",), ("conditioner.train.batch_size",)),
    ]
    more = TWO.replace("{lr: 1e-3, val: 1}", "{lr: 1e-3, val: 1}, {lr: 1e-4, val: 0}")
    (found,) = desk.errors(SMALL + more + fixed)
    assert "arms were given 1 and 2 trials" in found
