"""Analyses: the battery, a planted and a null difference, coverage, words, what they refuse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from analysis_toys import ARMS, arms, failed, grid, levels, row

from zoo.analyses._crossed import crossed
from zoo.analyses._words import blocks
from zoo.analyses.difference import Difference
from zoo.checks import analysis as battery
from zoo.checks import promises
from zoo.checks._case import Case
from zoo.grid_scores import AnalysisResult, GridScores, NotAnswered


def test_the_battery_is_not_empty():
    assert len(promises("analysis")) >= 3 * len(battery.CHECKS)


@pytest.mark.parametrize("promise", [pytest.param(p, id=i) for i, p in promises("analysis")])
def test_battery(promise):
    promise()


class Boastful(Difference):
    """An analysis that breaks a promise: it finds something everywhere."""

    def answer(self, scores: GridScores) -> AnalysisResult:
        found = super().answer(scores)
        return replace(found, value=1.0, ci95=(0.9, 1.1))


def test_the_battery_catches_a_boast():
    case = Case.of("analysis", Boastful, {"metric": "score", **ARMS})
    with pytest.raises(AssertionError, match="nothing is there, and found"):
        battery.finds_nothing_where_nothing_is(case)


# ---- the interval


@pytest.mark.parametrize(("seeds", "cluster"), [(5, 1), (8, 4)])
def test_the_interval_covers_what_it_says(seeds: int, cluster: int):
    rng = np.random.default_rng(seeds)
    covered, repetitions = 0, 200
    for _ in range(repetitions):
        made = arms(rng, shift=0.2, seeds=seeds, trials=20 * cluster, cluster=cluster)
        difference_SN = made["good"] - made["poor"]
        n = difference_SN.shape[1]
        image = np.arange(n) // cluster
        table = pd.DataFrame({
            "seed": np.repeat(np.arange(seeds), n),
            "cluster": np.tile([f"i{i:04d}" for i in image], seeds),
            "cluster_subject": "",
            "subject": "",
            "unit": "image",
            "score": difference_SN.ravel(),
        })  # fmt: skip
        low, high = crossed(table, seed=0, bounded=False, resamples=500).ci95
        covered += low <= 0.2 <= high
    assert 0.92 <= covered / repetitions <= 0.98


def test_an_interval_over_trials_alone_would_cover_too_little():
    """The seeds have to be drawn, too: that is what the crossed bootstrap is for."""
    rng = np.random.default_rng(0)
    covered, repetitions = 0, 100
    for _ in range(repetitions):
        made = arms(rng, shift=0.2)
        table = pd.DataFrame({"seed": 0, "cluster": [f"t{i:03d}" for i in range(40)],
                              "cluster_subject": "", "subject": "", "unit": "trial",
                              "score": (made["good"] - made["poor"]).mean(axis=0)})  # fmt: skip
        low, high = crossed(table, seed=0, bounded=False, resamples=500).ci95
        covered += low <= 0.2 <= high
    assert covered / repetitions < 0.9


# ---- difference


def test_a_planted_difference_is_found():
    found = Difference(
        metric="score", **ARMS, a_name="linear", b_name="clip_text", yes="a",
        ask="Is the text encoder the wrong door?",
    ).answer(grid(arms(np.random.default_rng(1), shift=0.5, cluster=2), cluster=2))  # fmt: skip
    assert found.ci95[0] > 0
    assert found.value == pytest.approx(0.5, abs=0.25)
    assert found.sentence == (
        "Is the text encoder the wrong door? Yes: linear is better than clip_text: a difference "
        f"(linear minus clip_text) of {found.value:+.3f} in score over 40 test trials (95 % "
        f"interval {found.ci95[0]:+.3f} to {found.ci95[1]:+.3f}, bootstrap crossed over 5 seeds "
        "and 20 images); learning rates were not tuned arm by arm; over 5 seeds the interval errs "
        "a little more often than 1 in 20, and no test can confirm it (smallest p: 0.062); this "
        "speaks of the text encoder of the pocket weights (2 layers, 128 wide), and of simulated "
        "EEG."
    )
    outcome, a, b, tuning = found.rows
    assert tuning["tuned"] is False
    assert (outcome["outcome"], outcome["p"]) == ("a", None)
    assert outcome["test"] == "no test over 5 seeds can reach 0.05 (smallest p: 0.062)"
    assert a["value"] - b["value"] == pytest.approx(found.value)
    assert len(a["by_seed"]) == 5
    assert a["range_over_seeds"] == [min(a["by_seed"].values()), max(a["by_seed"].values())]


def test_a_lower_score_may_be_the_better_one():
    made = grid(arms(np.random.default_rng(1), shift=0.5))
    made = replace(made, scores=tuple(replace(s, higher_is_better=False) for s in made.scores))
    found = Difference(metric="score", **ARMS).answer(made)
    assert found.rows[0]["outcome"] == "b"
    assert "ncoder = poor is better than encoder = good" in found.sentence


def test_no_difference_is_found_where_none_is():
    wrong = 0
    for seed in range(8):
        made = grid(arms(np.random.default_rng(seed), shift=0.0))
        wrong += Difference(metric="score", **ARMS).answer(made).rows[0]["outcome"] != "not told"
    assert wrong <= 2


def test_what_would_be_missed_is_said():
    found = Difference(metric="score", **ARMS, yes="a", ask="Is it?").answer(
        grid(arms(np.random.default_rng(3), shift=0.0))
    )
    half = (found.ci95[1] - found.ci95[0]) / 2
    assert found.sentence.startswith("Is it? Not told: no difference between")
    assert f"a true one of {half:.3f} would be missed half of the time" in found.sentence


def test_identical_arms_say_so():
    same = np.random.default_rng(0).random((5, 30))
    found = Difference(metric="score", **ARMS).answer(grid({"good": same, "poor": same}))
    assert found.value == 0.0
    assert found.ci95[0] < 0 < found.ci95[1]
    assert "the very same scores, trial by trial" in found.sentence
    assert found.rows[0]["outcome"] == "not told"


def test_a_margin_tells_equal_from_unknown():
    noise = np.random.default_rng(0).normal(0, 0.01, (5, 60))
    base = np.random.default_rng(1).random((5, 60))
    near = grid({"good": base + noise, "poor": base})
    found = Difference(metric="score", **ARMS, margin=0.02, yes="a", ask="Is it?").answer(near)
    assert found.sentence.startswith("Is it? No: no difference larger than 0.02 between")
    far = Difference(metric="score", **ARMS, margin=0.0001, yes="a").answer(near)
    assert far.sentence.startswith("Not told")


def test_all_hits_against_none_keep_a_width():
    found = Difference(metric="score", **ARMS).answer(
        grid({"good": np.ones((5, 40)), "poor": np.zeros((5, 40))})
    )
    assert found.value == 1.0
    assert 0 < found.ci95[0] < 1
    assert found.ci95[1] == 1.0


def test_few_seeds_are_said_to_be_few():
    found = Difference(metric="score", **ARMS).answer(
        grid(arms(np.random.default_rng(0), shift=1.0, seeds=2))
    )
    assert "bootstrap over 40 trials, for 2 seeds alone" in found.sentence
    assert "errs a little more often" not in found.sentence


def test_six_seeds_are_tested():
    found = Difference(metric="score", **ARMS).answer(
        grid(arms(np.random.default_rng(0), shift=1.0, seeds=6))
    )
    assert found.rows[0]["p"] == pytest.approx(2 / 64)
    assert "sign flips over 6 seeds: p = 0.031" in found.sentence
    assert "errs a little more often" not in found.sentence


def test_the_area_is_a_mean_over_training_steps():
    course_T = np.array([0.1, 0.3, 0.5, 0.6])
    steps = [25, 50, 100, 200]
    made = {
        "good": np.broadcast_to(course_T, (5, 30, 4)),
        "poor": np.broadcast_to(course_T / 2, (5, 30, 4)),
    }
    found = Difference(metric="score", **ARMS, over="area").answer(grid(made, steps=steps))
    area = np.trapezoid(course_T, steps) / 175
    assert found.rows[1]["value"] == pytest.approx(area)
    assert found.value == pytest.approx(area / 2)
    assert "score (mean over training steps 25 to 200)" in found.sentence


def test_an_area_needs_snapshots_and_the_same_steps():
    made = {name: np.ones((5, 30, 2)) for name in ("good", "poor")}
    question = Difference(metric="score", **ARMS, over="area")
    with pytest.raises(NotAnswered, match="conditioner.train.snapshots"):
        question.answer(grid({name: s[..., 0] for name, s in made.items()}))
    whole = grid(made, steps=[50, 200])
    other = tuple(
        replace(s, step=25) if s.step and s.cell.encoder.name == "poor" else s for s in whole.scores
    )
    with pytest.raises(NotAnswered, match=r"was scored at \[50, 200\], .* at \[25, 200\]"):
        question.answer(replace(whole, scores=other))


def test_other_axes_count_equally_and_are_listed():
    whole = battery.example()
    found = Difference(metric="score", **ARMS).answer(whole)
    levels = [row for row in found.rows if row["row"] == "level"]
    assert [row["at"] for row in levels] == [
        {"dataset.params.subjects": [s]} for s in battery.SUBJECTS
    ]
    assert found.value == pytest.approx(np.mean([row["value"] for row in levels]))
    assert all(row["clear"] for row in levels)
    assert "mean over 3 levels of dataset.params.subjects" in found.sentence
    null = Difference(metric="score", **ARMS).answer(battery.example(planted=False))
    assert not any(row.get("clear") for row in null.rows)


def test_a_cell_without_a_partner_is_named():
    whole = battery.example()
    lost = "encoder=poor,subjects=3,seed=2"
    kept = replace(whole, cells=tuple(cell for cell in whole.cells if cell.id != lost))
    found = Difference(metric="score", **ARMS).answer(kept)
    partner = "encoder=good,subjects=3,seed=2"
    assert {"row": "unpaired", "cell": partner, "why": "no partner"} in found.rows
    assert f"left out for want of a partner: {partner}" in found.sentence


def test_a_failed_cell_is_left_out_while_five_seeds_are_left():
    lost, partner = (f"encoder={name},subjects=3,seed=2" for name in ("poor", "good"))
    found = Difference(metric="score", **ARMS).answer(failed(battery.example(), lost))
    unpaired = {r["cell"]: r["why"] for r in found.rows if r["row"] == "unpaired"}
    assert unpaired.keys() == {
        f"encoder={name},subjects={k},seed=2" for name in ("good", "poor") for k in (1, 2, 3)
    }
    assert unpaired[lost].endswith("has no score: not computed: out of memory")
    assert unpaired[partner] == "another cell of its seed has no score"
    assert f"left out with every cell of the same seed, for want of a score: {lost};" in (
        found.sentence
    )
    assert "want of a partner" not in found.sentence
    # What is left is weighted as if the seed had never been.
    whole = battery.example()
    kept = replace(whole, cells=tuple(cell for cell in whole.cells if cell.seed != 2))
    assert found.value == Difference(metric="score", **ARMS).answer(kept).value
    a, b = (r["value"] for r in found.rows if r["row"] == "arm")
    assert a - b == pytest.approx(found.value)


def test_a_failed_cell_does_not_make_draws_of_seeds_another_mix_of_levels():
    """Far ahead at one level, behind at the other: seeds of one level would scatter between."""
    rng = np.random.default_rng(1)
    whole = levels("opens", {"none": grid(arms(rng, shift=2.0, seeds=8)),
                             "lora": grid(arms(rng, shift=-1.5, seeds=8))})  # fmt: skip
    question = Difference(metric="score", **ARMS)
    all_eight = question.answer(whole)
    found = question.answer(failed(whole, "encoder=good,seed=2,opens=none"))
    widths = [ci95[1] - ci95[0] for ci95 in (found.ci95, all_eight.ci95)]
    assert widths[0] < 1.3 * widths[1]
    kept = replace(whole, cells=tuple(cell for cell in whole.cells if cell.seed != 2))
    without = question.answer(kept)
    assert (found.value, found.ci95, found.rows[0]) == (
        without.value, without.ci95, without.rows[0]
    )  # fmt: skip


def test_failed_cells_of_two_seeds_of_six_leave_the_question_open():
    lost = [f"encoder={name},subjects={k},seed={k}" for name, k in (("poor", 2), ("good", 3))]
    question = Difference(metric="score", **ARMS)
    with pytest.raises(
        NotAnswered, match=r"out of memory \(and 1 more\); without it fewer than 5 seeds"
    ):
        question.answer(failed(battery.example(), *lost))
    of_one_seed = [lost[0], "encoder=good,subjects=1,seed=2"]
    assert question.answer(failed(battery.example(), *of_one_seed)).value is not None


def test_a_failed_snapshot_costs_an_area_its_pair():
    made = {name: np.random.default_rng(0).random((6, 30, 2)) for name in ("good", "poor")}
    whole = grid(made, steps=[50, 200])
    lost = tuple(
        replace(s, value=None) if (s.step, s.cell.id) == (50, "encoder=good,seed=0") else s
        for s in whole.scores
    )
    found = Difference(metric="score", **ARMS, over="area").answer(replace(whole, scores=lost))
    assert "0" not in found.rows[1]["by_seed"]
    ends = Difference(metric="score", **ARMS).answer(replace(whole, scores=lost))
    assert "0" in ends.rows[1]["by_seed"]


@pytest.mark.parametrize(
    ("a", "message"),
    [
        ({"encoder": "grand"}, "no cell of this run has encoder = grand"),
        ({"seed": 0}, "is in both arms"),
        ({"conditioner": "linear"}, "is in both arms"),
    ],
)
def test_arms_that_cannot_be_compared(a: dict, message: str):
    with pytest.raises(NotAnswered, match=message):
        Difference(metric="score", a=a, b=ARMS["b"]).answer(battery.example())


def test_controls_stand_beside_the_arms():
    whole = grid(arms(np.random.default_rng(0), shift=0.0))
    first = whole.cells[0]
    ceiling = row(first, np.full(40, 0.9), control="class_label")
    found = Difference(metric="score", **ARMS).answer(
        replace(whole, scores=(*whole.scores, ceiling))
    )
    assert found.rows[1]["ceiling"] == {"value": pytest.approx(0.9), "seeds": [0], "cells": 1}
    assert found.rows[2]["ceiling"] is None


def test_a_metric_without_trials_is_compared_over_seeds():
    whole = grid(arms(np.random.default_rng(0), shift=1.0))
    without = tuple(replace(score, read=lambda: None) for score in whole.scores)
    found = Difference(metric="score", **ARMS).answer(replace(whole, scores=without))
    assert (found.n, found.unit) == (5, "seed")
    assert "in score over the test split (95 %" in found.sentence
    assert "bootstrap over 5 seeds" in found.sentence


def test_the_split_is_named():
    whole = grid(arms(np.random.default_rng(0), shift=1.0))
    val = replace(whole, scores=tuple(replace(score, split="val") for score in whole.scores))
    found = Difference(metric="score", **ARMS).answer(val)
    assert "in score over 40 validation trials (95 %" in found.sentence
    assert found.split == "val"


def test_a_block_that_is_exchanged_whole_is_one_axis():
    paths = ["encoder.name", "encoder.params.embed_dim", "conditioner.params.opens"]
    assert blocks(paths) == ["encoder", "conditioner.params.opens"]
    assert blocks(paths[1:]) == paths[1:]
