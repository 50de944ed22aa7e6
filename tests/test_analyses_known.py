"""Analyses against other libraries and closed forms; what they may and may not speak of."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from analysis_toys import ARMS, failed, grid, row
from scipy import stats

from zoo.analyses._crossed import crossed, variance
from zoo.analyses.difference import Difference
from zoo.analyses.rank_correlation import RankCorrelation
from zoo.analyses.spread import Spread, _profile
from zoo.grid_scores import GridScores, NotAnswered


def both(first: np.ndarray, second: np.ndarray) -> GridScores:
    """Return a grid with ``score`` and ``other`` (settings, seeds, trials)."""
    whole = grid({f"e{k}": score_SN for k, score_SN in enumerate(first)})
    names = {cell.id: int(cell.encoder.name[1:]) for cell in whole.cells}
    more = tuple(
        replace(row(cell, second[names[cell.id], cell.seed]), metric="other")
        for cell in whole.cells
    )
    return replace(whole, scores=(*whole.scores, *more))


def correlated(k: int, noise: float, seeds: int = 5, trials: int = 40) -> GridScores:
    rng = np.random.default_rng(k)
    level = np.linspace(0, 1, k)[:, None, None]
    return both(*(level + rng.normal(0, noise, (k, seeds, trials)) for _ in range(2)))


# ---- rank correlation


@pytest.mark.parametrize("k", [4, 6, 9])
def test_the_correlation_and_its_test_are_scipy_s(k):
    made = correlated(k, noise=3.0)
    found = RankCorrelation(metric="score", by="other").answer(made)
    about, *settings = found.rows
    x, y = ([r[name] for r in settings] for name in ("score", "other"))
    assert found.value == pytest.approx(stats.spearmanr(x, y).statistic)
    known = stats.permutation_test(
        (y,), lambda order: stats.spearmanr(x, order).statistic, permutation_type="pairings",
        n_resamples=np.inf if k < 8 else 2000, rng=0,
    )  # fmt: skip
    assert about["p"] == pytest.approx(known.pvalue, abs=1e-9 if k < 8 else 0.05)


def test_ties_are_averaged_and_raise_the_smallest_p():
    x, y = np.array([0.1, 0.5, 0.5, 0.9]), np.array([0.2, 0.3, 0.3, 0.8])
    made = both(*(np.broadcast_to(v[:, None, None], (4, 5, 20)) for v in (x, y)))
    found = RankCorrelation(metric="score", by="other").answer(made)
    assert found.value == pytest.approx(1.0)
    # 4 of the 24 orders are as extreme: the two that tie, on either side.
    assert found.rows[0]["smallest_p"] == pytest.approx(4 / 24)
    assert found.rows[0]["p"] == pytest.approx(4 / 24)
    assert "Not told" in found.sentence


@pytest.mark.parametrize("seed", range(3))
def test_the_interval_of_a_correlation_holds_it(seed):
    rng = np.random.default_rng(seed)
    level = np.linspace(0, 1, 8)[:, None, None]
    made = both(*(level + rng.normal(0, 2, (8, 5, 40)) for _ in range(2)))
    found = RankCorrelation(metric="score", by="other").answer(made)
    assert -1 <= found.ci95[0] <= found.value <= found.ci95[1] <= 1


def test_settings_that_are_all_alike_have_no_order():
    made = both(np.ones((4, 5, 20)), np.random.default_rng(0).random((4, 5, 20)))
    with pytest.raises(NotAnswered, match="all settings are alike"):
        RankCorrelation(metric="score", by="other").answer(made)


def test_an_order_that_no_draw_moves_has_no_interval():
    """Three settings far apart: an interval from +1 to +1 would be no interval."""
    found = RankCorrelation(metric="score", by="other", ask="Are they?").answer(
        correlated(3, noise=0.01)
    )
    assert (found.value, found.ci95) == (pytest.approx(1.0), None)
    assert "no interval: draws over 5 seeds and 40 units of trials leave the order as it is" in (
        found.sentence
    )
    assert found.sentence.startswith("Are they? Not told: over 3 settings and 40 test trials ")
    firm = RankCorrelation(metric="score", by="other", ask="Are they?").answer(
        correlated(6, noise=0.01)
    )
    assert firm.sentence.startswith("Are they? Yes: over 6 settings and 40 test trials ")


@pytest.mark.parametrize(("seed", "noise"), [(1, 0.33), (3, 0.22), (3, 0.27)])
def test_an_order_that_only_crossed_draws_move_has_no_interval(seed, noise):
    """Neither seeds nor trials by themselves move it: there is no variance to choose ends for."""
    rng = np.random.default_rng(seed)
    level = np.linspace(0, 1, 4)[:, None, None]
    made = both(*(level + rng.normal(0, noise, (4, 5, 12)) for _ in range(2)))
    found = RankCorrelation(metric="score", by="other").answer(made)
    assert (found.value, found.ci95) == (pytest.approx(1.0), None)
    assert "12 units of trials leave the order as it is" in found.sentence


@pytest.mark.parametrize(
    ("lower", "sign", "word"),
    [
        (("other",), 1, "The reverse"),
        (("other",), -1, "Yes"),
        (("score",), -1, "Yes"),
        (("score", "other"), 1, "Yes"),
        (("score", "other"), -1, "The reverse"),
        ((), -1, "The reverse"),
    ],
)
def test_where_a_lower_score_is_better_the_answer_is_about_better(lower, sign, word):
    level = np.linspace(0, 1, 6)[:, None, None]
    noise = np.random.default_rng(0).normal(0, 0.01, (2, 6, 5, 20))
    made = both(level + noise[0], sign * level + noise[1])
    scores = tuple(replace(s, higher_is_better=s.metric not in lower) for s in made.scores)
    found = RankCorrelation(metric="other", by="score", ask="Are they?").answer(
        replace(made, scores=scores)
    )
    assert found.value == pytest.approx(sign)
    assert found.sentence.startswith(f"Are they? {word}: ")
    first, second = (f"{m} (lower is better)" if m in lower else m for m in ("other", "score"))
    assert f"the rank correlation of {first} and {second} is {sign:+.2f} (" in found.sentence


@pytest.mark.parametrize("silent", [("other",), ("score", "other")])
def test_a_metric_without_trials_is_correlated_over_seeds(silent):
    made = correlated(5, noise=3.0)
    without = tuple(replace(s, read=lambda: None) if s.metric in silent else s for s in made.scores)
    found = RankCorrelation(metric="score", by="other").answer(replace(made, scores=without))
    assert found.value == pytest.approx(
        RankCorrelation(metric="score", by="other").answer(made).value
    )
    which = " and ".join(silent)
    assert f"bootstrap over 5 seeds alone ({which} scores no trials by themselves)" in (
        found.sentence
    )
    tested = "the test split" if len(silent) == 2 else "40 test trials"
    assert f"over 5 settings and {tested} the rank" in found.sentence


def test_two_seeds_of_a_metric_without_trials_are_too_few():
    made = correlated(5, noise=3.0, seeds=2)
    without = tuple(replace(s, read=lambda: None) for s in made.scores)
    found = RankCorrelation(metric="score", by="other").answer(replace(made, scores=without))
    assert (
        "no interval: 2 seeds alone (score and other scores no trials by themselves) are too"
        in (found.sentence)
    )


def test_a_failed_cell_takes_its_seed_from_every_setting():
    question = RankCorrelation(metric="score", by="other")
    made = correlated(5, noise=3.0, seeds=6)
    found = question.answer(failed(made, "encoder=e1,seed=2"))
    kept = replace(made, cells=tuple(cell for cell in made.cells if cell.seed != 2))
    assert (found.value, found.ci95) == (question.answer(kept).value, question.answer(kept).ci95)
    assert "for want of a score: encoder=e1,seed=2;" in found.sentence
    with pytest.raises(NotAnswered, match="fewer than 5 seeds are left"):
        question.answer(failed(made, "encoder=e1,seed=2", "encoder=e3,seed=0"))


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
