"""A difference of differences: is a further ahead of b here than there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from analysis_toys import failed, grid, levels

from registry import BadParameters
from zoo.analyses.difference import Difference
from zoo.grid_scores import AnalysisResult, GridScores, NotAnswered

WORDS = {
    "ask": "Is the gain larger with drift than without?",
    "yes": "a",
    "a_name": "1-70 Hz",
    "b_name": "5-95 Hz",
    "when_name": "with drift",
    "than_name": "without drift",
}
ASKED = {
    "metric": "score",
    "a": {"encoder": "good"},
    "b": {"encoder": "poor"},
    "when": {"dataset.params.drift": 1},
    "than": {"dataset.params.drift": 0},
}


def gains(rng, on: float, off: float, *, seeds: int = 5, trials: int = 60) -> dict[int, dict]:
    """Return drift -> arm -> scores (seeds, trials) of arms that are ahead by `on` and by `off`."""
    trial_N = rng.normal(0, 0.5, trials)
    made = {}
    for drift, shift in ((1, on), (0, off)):
        base_SN = trial_N + rng.normal(0, 0.3, (seeds, trials)) + 2 * drift
        noise_SN = rng.normal(0, 0.1, (seeds, 1)) + rng.normal(0, 0.3, (seeds, trials))
        made[drift] = {"good": base_SN + shift + noise_SN, "poor": base_SN}
    return made


def on_and_off(made: dict[int, dict], **more: Any) -> GridScores:
    """Return the grid of both; with ``prefix``, what ids of trials begin with where drift is on."""
    on = more.pop("prefix", "")
    return levels("drift", {
        drift: grid(part, prefix=on if drift else "", **more) for drift, part in made.items()
    })  # fmt: skip


def asked(whole: GridScores, **more: Any) -> AnalysisResult:
    return Difference(**{**ASKED, **more}).answer(whole)


def test_a_planted_interaction_is_found_and_said_in_plain_words():
    whole = on_and_off(gains(np.random.default_rng(0), on=0.8, off=0.2))
    found = asked(whole, **WORDS)
    parts = {row["at"]: row for row in found.rows if row["row"] == "difference"}
    on, off = parts["with drift"], parts["without drift"]
    assert found.value == pytest.approx(on["value"] - off["value"])
    assert found.value == pytest.approx(0.6, abs=0.2)
    assert found.ci95[0] > 0
    assert on["ci95"][0] < on["value"] < on["ci95"][1]
    assert found.sentence.startswith(
        "Is the gain larger with drift than without? Yes: 1-70 Hz minus 5-95 Hz is larger with "
        f"drift ({on['value']:+.3f}) than without drift ({off['value']:+.3f}): a difference of "
        f"differences of {found.value:+.3f} in score over 60 test trials (95 % interval "
        f"{found.ci95[0]:+.3f} to {found.ci95[1]:+.3f}, bootstrap crossed over 5 seeds and 60 "
        "trials); "
    )
    assert "1-70 Hz minus 5-95 Hz, with drift less the same without drift, over 5 pairs" in (
        found.definition
    )
    arms = [(row["arm"], row["name"], row["at"]) for row in found.rows if row["row"] == "arm"]
    assert arms == [
        ("a", "1-70 Hz", "with drift"), ("b", "5-95 Hz", "with drift"),
        ("a", "1-70 Hz", "without drift"), ("b", "5-95 Hz", "without drift"),
    ]  # fmt: skip


def test_the_reverse_answers_no():
    found = asked(on_and_off(gains(np.random.default_rng(0), on=0.2, off=0.8)), **WORDS)
    assert "? No: 1-70 Hz minus 5-95 Hz is smaller with drift (" in found.sentence
    assert found.rows[0]["outcome"] == "b"


def test_where_a_lower_score_is_better_the_lead_is_the_other_way():
    whole = on_and_off(gains(np.random.default_rng(0), on=0.2, off=0.8))
    lower = tuple(replace(score, higher_is_better=False) for score in whole.scores)
    found = asked(replace(whole, scores=lower), **WORDS)
    assert "Yes: 1-70 Hz minus 5-95 Hz is smaller with drift" in found.sentence


def test_equal_gains_are_not_told_apart_however_large_they_are():
    wrong = 0
    for seed in range(10):
        made = gains(np.random.default_rng(seed), on=1.0, off=1.0)
        found = asked(on_and_off(made), **WORDS)
        wrong += found.rows[0]["outcome"] != "not told"
    assert wrong <= 2
    found = asked(on_and_off(gains(np.random.default_rng(0), on=1.0, off=1.0)), **WORDS)
    half = (found.ci95[1] - found.ci95[0]) / 2
    assert "Not told: that 1-70 Hz minus 5-95 Hz is another with drift (" in found.sentence
    assert f"a true one of {half:.3f} would be missed half of the time" in found.sentence


def test_a_margin_tells_equal_gains_from_unknown_ones():
    noise = np.random.default_rng(0).normal(0, 0.01, (2, 5, 60))
    base = np.random.default_rng(1).random((5, 60))
    made = {drift: {"good": base + noise[drift], "poor": base} for drift in (1, 0)}
    found = asked(on_and_off(made), **WORDS, margin=0.02)
    assert "No: 1-70 Hz minus 5-95 Hz is the same to within 0.02 with drift (" in found.sentence


def test_trials_of_one_id_are_paired():
    """With the same trials it is the plain difference of the differences, draw by draw."""
    made = gains(np.random.default_rng(0), on=0.5, off=0.2)
    found = asked(on_and_off(made))
    gain = {drift: part["good"] - part["poor"] for drift, part in made.items()}
    plain = Difference(metric="score", a=ASKED["a"], b=ASKED["b"]).answer(
        grid({"good": gain[1], "poor": gain[0]})
    )
    assert found.value == pytest.approx(plain.value)
    assert found.ci95 == pytest.approx(plain.ci95)


def test_other_trials_are_drawn_apart_and_their_variances_add():
    rng = np.random.default_rng(0)
    trial_N = rng.normal(0, 1, 80)
    made = {
        drift: {
            "good": trial_N + rng.normal(0, 0.05, (5, 80)) + 0.5 * drift,
            "poor": rng.normal(0, 0.05, (5, 80)),
        }
        for drift in (1, 0)
    }
    alike, apart = asked(on_and_off(made)), asked(on_and_off(made, prefix="other-"))
    assert apart.value == pytest.approx(alike.value)
    near, far = (found.ci95[1] - found.ci95[0] for found in (alike, apart))
    # A trial's own ease cancels only where the same trial stands on both sides.
    assert near < 0.1
    assert far == pytest.approx(2 * 1.99 * np.sqrt(2 * trial_N.var() / 80), rel=0.25)
    assert "over 160 test trials" in apart.sentence


def test_shares_that_never_differ_keep_a_width_of_two():
    ones, zeros = np.ones((5, 40)), np.zeros((5, 40))
    made = {1: {"good": ones, "poor": zeros}, 0: {"good": zeros, "poor": ones}}
    found = asked(on_and_off(made))
    assert found.value == 2.0
    assert found.ci95[1] == 2.0
    assert 0 < found.ci95[0] < 2
    same = {drift: {"good": ones, "poor": zeros} for drift in (1, 0)}
    found = asked(on_and_off(same))
    assert found.value == 0.0
    assert found.ci95[0] < 0 < found.ci95[1]


def test_other_axes_count_equally():
    rng = np.random.default_rng(0)
    parts = {size: on_and_off(gains(rng, on=0.5 + size, off=0.5)) for size in (0, 1)}
    found = asked(levels("size", parts))
    rows = [row for row in found.rows if row["row"] == "level"]
    assert [row["at"] for row in rows] == [{"dataset.params.size": size} for size in (0, 1)]
    assert found.value == pytest.approx(np.mean([row["value"] for row in rows]))
    assert [row["clear"] for row in rows] == [False, True]
    assert "mean over 2 levels of dataset.params.size" in found.sentence


def test_a_failed_cell_takes_its_seed_from_both_sides():
    whole = on_and_off(gains(np.random.default_rng(0), on=0.8, off=0.2, seeds=6))
    lost = "encoder=poor,seed=3,drift=0"
    found = asked(failed(whole, lost))
    kept = tuple(cell for cell in whole.cells if cell.seed != 3)
    assert found.value == asked(replace(whole, cells=kept)).value
    unpaired = {row["cell"] for row in found.rows if row["row"] == "unpaired"}
    assert unpaired == {cell.id for cell in whole.cells if cell.seed == 3}
    assert f"for want of a score: {lost};" in found.sentence


def test_a_cell_without_a_partner_on_the_other_side_is_named():
    whole = on_and_off(gains(np.random.default_rng(0), on=0.8, off=0.2, seeds=6))
    lost = "encoder=poor,seed=3,drift=0"
    kept = replace(whole, cells=tuple(cell for cell in whole.cells if cell.id != lost))
    found = asked(kept)
    alone = {row["cell"]: row["why"] for row in found.rows if row["row"] == "unpaired"}
    assert alone == {
        f"encoder={name},seed=3,drift={drift}": "no partner"
        for name, drift in (("good", 0), ("good", 1), ("poor", 1))
    }
    assert "left out for want of a partner: " in found.sentence


def test_no_pairs_in_common_are_refused():
    whole = on_and_off(gains(np.random.default_rng(0), on=0.8, off=0.2, seeds=2))
    apart = tuple(c for c in whole.cells if c.seed == c.dataset.params["drift"])
    with pytest.raises(NotAnswered, match="agrees with one like"):
        asked(replace(whole, cells=apart))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"than": None}, "'when' needs 'than' beside it"),
        ({"when": None}, "'than' needs 'when' beside it"),
        ({"than": {"dataset.params.drift": 1}}, "the same paths, with other values"),
        ({"than": {"dataset.params.snr": 1}}, "the same paths, with other values"),
        ({"when": {"seed": 0}, "than": {"seed": 1}}, "choose other seeds, .*; leave 'seed' out"),
        ({"a": {"encoder": "good", "dataset.params.drift": 1}}, "leave it to one"),
        ({"when": "drift"}, "'when' maps dotted paths to values, it is 'drift'"),
        ({"a": "good"}, "'a' maps dotted paths to values, it is 'good'"),
    ],
)
def test_half_a_question_is_refused_when_it_is_built(more: dict, message: str):
    with pytest.raises(BadParameters, match=message):
        Difference(**{**ASKED, **more})
