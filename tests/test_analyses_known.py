"""Spread and difference against other libraries and closed forms; what they may speak of."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from analysis_toys import ARMS, failed, grid
from scipy import stats

from zoo.analyses._crossed import crossed, variance
from zoo.analyses.difference import Difference
from zoo.analyses.spread import Spread, _profile
from zoo.grid_scores import GridScores, NotAnswered

# ---- spread


def crossed_table(seeds: int, trials: int, seed_sd: float, trial_sd: float) -> pd.DataFrame:
    rng = np.random.default_rng(seeds)
    score = rng.normal(0, 1, (seeds, trials)) + rng.normal(0, seed_sd, (seeds, 1))
    score += rng.normal(0, trial_sd, trials)
    return pd.DataFrame({
        "seed": np.repeat(np.arange(seeds), trials),
        "cluster": np.tile(np.arange(trials).astype(str), seeds),
        "image_id": "", "cluster_subject": "", "subject": "", "unit": "trial",
        "score": score.ravel(),
    })  # fmt: skip


def test_the_variance_of_a_crossed_mean_is_statsmodels():
    table = crossed_table(seeds=6, trials=30, seed_sd=0.5, trial_sd=0.8)
    groups = np.stack([table["seed"], table["cluster"].astype(int)], axis=1)
    fit = sm.OLS(table["score"], np.ones(len(table))).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": True}
    )
    # Theirs takes g / (g - 1) of the fewest for all three parts.
    assert variance(table) == pytest.approx(float(fit.cov_params().iloc[0, 0]), rel=0.1)


def test_the_spread_is_that_of_an_analysis_of_variance():
    """Balanced trials and one seed: the estimate is the method of moments'."""
    rng = np.random.default_rng(3)
    levels, n = 6, 50
    score_KN = rng.normal(0, 1, (levels, n)) + rng.normal(0, 0.6, (levels, 1))
    made = grid({f"e{k}": score_N[None] for k, score_N in enumerate(score_KN)})
    found = Spread(metric="score", axis="encoder.name").answer(made)
    between, within = n * score_KN.mean(1).var(ddof=1), score_KN.var(axis=1, ddof=1).mean()
    assert stats.f_oneway(*score_KN).statistic == pytest.approx(between / within)
    assert found.value == pytest.approx(np.sqrt((between - within) / n))
    assert found.ci95[0] < found.value < found.ci95[1]


def test_a_spread_smaller_than_its_noise_is_zero_and_not_told():
    same_SN = np.random.default_rng(0).random((5, 40))
    made = grid({f"e{k}": np.roll(same_SN, k, axis=1) for k in range(4)})
    found = Spread(metric="score", axis="encoder.name", ask="Do they differ?").answer(made)
    assert (found.value, found.ci95[0]) == (0.0, 0.0)
    assert found.sentence.startswith("Do they differ? Not told: 4 levels")


def test_of_one_training_each_trainings_are_not_taken_out():
    rng = np.random.default_rng(0)
    one = grid({f"e{k}": rng.random((1, 40)) for k in range(4)})
    found = Spread(metric="score", axis="encoder.name").answer(one)
    assert "beyond the noise of trials (" in found.sentence
    assert "of one training each: how trainings differ is left in" in found.sentence
    two = grid({f"e{k}": rng.random((2, 40)) for k in range(4)})
    found = Spread(metric="score", axis="encoder.name").answer(two)
    assert "beyond the noise of trials and trainings (" in found.sentence
    assert "2 seeds tell little of how trainings differ" in found.sentence


def test_equal_levels_are_found_to_differ_no_more_often_than_promised():
    """In few seeds the noise of a level is itself poorly known, which must not find a spread."""
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(150):
        score_KSN = rng.normal(0, 1, (6, 3, 60)) + rng.normal(0, 0.3, (6, 3, 1))
        tables = [crossed_table(3, 60, 0, 0).assign(score=one.ravel()) for one in score_KSN]
        means = np.array([table["score"].mean() for table in tables])
        wrong += _profile(means, float(np.mean([variance(table) for table in tables])))[0] > 0
    assert wrong / 150 <= 0.1


def test_a_spread_names_its_split_and_goes_on_without_a_failed_cell():
    rng = np.random.default_rng(0)
    made = grid({f"e{k}": rng.random((6, 40)) for k in range(4)})
    made = replace(made, scores=tuple(replace(s, split="val") for s in made.scores))
    question = Spread(metric="score", axis="encoder.name")
    found = question.answer(failed(made, "encoder=e1,seed=2"))
    assert "differ in score over 40 validation trials by a standard deviation" in found.sentence
    assert "for want of a score: encoder=e1,seed=2;" in found.sentence
    kept = replace(made, cells=tuple(cell for cell in made.cells if cell.seed != 2))
    assert found.value == question.answer(kept).value
    with pytest.raises(NotAnswered, match="out of memory; without it fewer than 5 seeds"):
        question.answer(
            failed(grid({f"e{k}": rng.random((5, 40)) for k in range(4)}), "encoder=e1,seed=2")
        )


# ---- difference


def test_the_area_is_numpy_s_and_its_interval_that_of_the_averaged_scores():
    rng = np.random.default_rng(0)
    steps = [25, 50, 100, 200]
    made = {name: rng.random((5, 30, 4)) for name in ("good", "poor")}
    found = Difference(metric="score", **ARMS, over="area").answer(grid(made, steps=steps))
    area = {name: np.trapezoid(score, steps, axis=2) / 175 for name, score in made.items()}
    assert found.value == pytest.approx((area["good"] - area["poor"]).mean())
    ends = Difference(metric="score", **ARMS).answer(grid(area))
    assert found.ci95 == pytest.approx(ends.ci95)


def test_levels_of_one_seed_are_no_further_evidence():
    """Cells of a seed share encoder and noise: the same scores at three levels narrow nothing."""
    rng = np.random.default_rng(0)
    base, lead = rng.random((5, 40)), rng.normal(0.1, 0.3, (5, 40))
    whole = grid({"good": base + lead, "poor": base})

    def at(level: int) -> GridScores:
        cells = {
            cell.id: replace(
                cell, id=f"{cell.id},level={level}",
                coords={**cell.coords, "conditioner.params.level": level},
                conditioner=replace(cell.conditioner, params={"level": level}),
            )
            for cell in whole.cells
        }  # fmt: skip
        scores = tuple(replace(score, cell=cells[score.cell.id]) for score in whole.scores)
        return replace(whole, cells=tuple(cells.values()), scores=scores)

    parts = [at(level) for level in range(3)]
    three = replace(
        whole,
        cells=sum((part.cells for part in parts), ()),
        scores=sum((part.scores for part in parts), ()),
    )
    one, thrice = (Difference(metric="score", **ARMS).answer(part) for part in (whole, three))
    assert "mean over 3 levels" in thrice.sentence
    assert thrice.value == pytest.approx(one.value)
    assert thrice.ci95 == pytest.approx(one.ci95)


def test_equal_scores_are_no_proof_of_equal_arms():
    """Forty trials that agree do not show that no trial would differ."""
    same = (np.random.default_rng(0).random((5, 40)) < 0.5).astype(float)
    found = Difference(metric="score", **ARMS, margin=0.02, yes="a", ask="Is it?").answer(
        grid({"good": same, "poor": same})
    )
    assert found.sentence.startswith("Is it? Not told: ")
    assert "the very same scores, trial by trial" in found.sentence
    assert found.ci95[0] < -0.02 < 0.02 < found.ci95[1]


def test_an_unbounded_difference_that_is_always_the_same_has_no_interval():
    table = crossed_table(5, 20, 0, 0).assign(score=3.0)
    found = crossed(table, seed=0, bounded=False)
    assert found.ci95 is None
    assert found.how == "no interval: every draw over 5 seeds and 20 trials alike"


# ---- what is spoken of


def test_a_figure_of_the_encoder_does_not_speak_of_a_text_encoder():
    made = replace(
        grid({name: np.random.default_rng(0).random((5, 20)) for name in ("good", "poor")}),
        of_encoder=frozenset({"score"}),
    )
    found = Difference(metric="score", **ARMS).answer(made)
    assert found.sentence.endswith("; this speaks of simulated EEG.")


def test_without_pictures_there_is_no_text_encoder_to_speak_of():
    made = grid({name: np.random.default_rng(0).random((5, 20)) for name in ("good", "poor")})

    def undrawn(cell):
        return replace(cell, pipeline=replace(cell.pipeline, sample={"images_per_trial": 0}))

    made = replace(
        made,
        cells=tuple(undrawn(cell) for cell in made.cells),
        scores=tuple(replace(score, cell=undrawn(score.cell)) for score in made.scores),
        data="real",
    )
    found = Difference(metric="score", **ARMS).answer(made)
    assert found.sentence.endswith("; this speaks of recorded EEG.")


def test_weights_without_a_name_are_not_called_none():
    made = grid({name: np.random.default_rng(0).random((5, 20)) for name in ("good", "poor")})
    cells = tuple(replace(c, pipeline=replace(c.pipeline, params={})) for c in made.cells)
    assert made.spoken_of(cells, "score") == (
        "what pipeline 'stable_diffusion' reads, and of simulated EEG"
    )


def test_a_metric_s_own_interval_is_not_taken_for_the_answer_s():
    made = grid({name: np.random.default_rng(0).random((5, 20)) for name in ("good", "poor")})
    told = tuple(
        replace(s, definition="Share of trials. 95 % interval: Wilson.", read=partial(s.trials))
        for s in made.scores
    )
    found = Difference(metric="score", **ARMS).answer(replace(made, scores=told))
    assert "In one cell, score is: Share of trials. 95 % interval: Wilson." in found.definition
