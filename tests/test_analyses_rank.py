"""Rank correlation: against scipy, draws that leave the order, which score is the better."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analysis_toys import failed, grid, row
from scipy import stats

from zoo.analyses.rank_correlation import RankCorrelation
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
