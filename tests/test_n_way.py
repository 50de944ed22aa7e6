"""N-way: the closed form against draws, ties, the papers' protocol, what is refused, speed."""

from dataclasses import replace
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from metric_loops import n_way_by_trials, seconds, side_by_side

from registry import BadParameters
from zoo.checks import metric as battery
from zoo.contracts import TowerOutput
from zoo.metrics import _ranks
from zoo.metrics._ranks import chance_of_rank, every_hit, hits
from zoo.metrics.n_way import NWay

TRIALS = 200_000


@pytest.mark.parametrize(
    "params",
    [
        {"n": 3, "mode": "monte_carlo"},
        {"n": 3, "ties": "first", "mode": "monte_carlo"},
        {"n": 4, "k": 2, "ties": "first"},
        {"n": 4},
    ],
)
def test_battery_with_other_parameters(params):
    battery.check("n_way", **params)


def classified(drawn_NKC, true_N):
    """Inputs whose classifier scores the pictures drawn, and names `true_N` on those seen."""
    n, _, n_classes = drawn_NKC.shape
    seen = np.eye(n_classes, dtype=np.float32)[true_N]
    tower = TowerOutput(name="a tower", definition="tests", drawn=drawn_NKC, seen=seen)
    return replace(battery.example(perfect=False, n=n), scores=tower)


def with_ties(n, n_classes, *, k=1, levels, seed=0):
    """Scores (n, k, n_classes) on few levels, and true classes."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(levels, size=(n, k, n_classes)).astype(np.float32)
    return scores, rng.integers(n_classes, size=n)


@pytest.mark.parametrize(("n", "k"), [(2, 1), (50, 1), (50, 5), (1000, 3)])
def test_the_chance_of_a_rank_is_the_hypergeometric_sum(n, k):
    chance = chance_of_rank(1000, n, k)
    for ahead in (0, 1, 2, 17, 400, 950, 999):
        ways = sum(comb(ahead, j) * comb(999 - ahead, n - 1 - j) for j in range(k))
        assert chance[ahead] == pytest.approx(float(Fraction(ways, comb(999, n - 1))), abs=1e-11)


@pytest.mark.parametrize(("n_classes", "n", "k", "levels"), [(12, 5, 2, 4), (40, 10, 1, 8)])
@pytest.mark.parametrize("ties", ["mean", "first"])
def test_exact_agrees_with_drawn_classes(n_classes, n, k, levels, ties):
    scores, true = with_ties(6, n_classes, levels=levels)
    scores[0] = 0  # all tied
    scores[1, 0, true[1]] = levels  # ahead of all
    exact = hits(scores, true, n=n, k=k, ties=ties)
    rng = np.random.default_rng(1)
    drawn = rng.random((TRIALS, n_classes - 1), np.float32).argpartition(n - 2)[:, : n - 1]
    for row, own, share in zip(scores[:, 0], true, exact, strict=True):
        others = np.delete(row, own)[drawn]
        place = (others > row[own]).sum(axis=1)
        if ties == "mean":
            place += rng.integers(0, (others == row[own]).sum(axis=1) + 1)
        within = 4.5 * np.sqrt(share * (1 - share) / TRIALS) + 1e-12
        assert abs((place < k).mean() - share) <= within, (share, within)
    assert exact[0] == pytest.approx(k / n if ties == "mean" else 1)


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("ties", ["mean", "first"])
def test_the_monte_carlo_mode_agrees_with_exact(ties, k):
    scores, true = with_ties(8, 1000, levels=60)
    scores[:, 0, :][np.arange(8), true] = 60 - 2 * np.arange(8)  # near the top
    inputs = classified(scores, true)
    params = {"k": k, "ties": ties}
    exact = NWay(**params).compute(inputs).per_sample
    drawn = NWay(**params, mode="monte_carlo", n_trials=TRIALS).compute(inputs).per_sample
    assert (np.abs(drawn - exact) <= 4.5 * np.sqrt(exact * (1 - exact) / TRIALS) + 1e-12).all()
    assert ((exact > 0.02) & (exact < 0.98)).sum() >= 2


def test_ties_first_is_what_the_papers_loop_does():
    scores, true = with_ties(5, 30, levels=3)
    scores[0] = 1
    expected = hits(scores, true, n=6, k=1, ties="first")
    drawn = n_way_by_trials(scores[:, 0], true, n=6, n_trials=300)
    assert drawn[0] == expected[0] == 1
    assert drawn == pytest.approx(expected, abs=0.12)
    assert abs(drawn - hits(scores, true, n=6, k=1)).max() > 0.2


@pytest.mark.parametrize("ties", ["mean", "first"])
def test_pairs_are_what_each_other_class_would_score(ties, monkeypatch):
    monkeypatch.setattr(_ranks, "BLOCK", 100)  # several blocks
    scores, true = with_ties(7, 20, k=3, levels=5)
    how = {"n": 6, "k": 2, "ties": ties}
    table = every_hit(scores, true, **how)
    for column, target in enumerate(true):
        assert table[:, column] == pytest.approx(hits(scores, np.full(7, target), **how), abs=1e-6)
    pairs = NWay(**how).compute(classified(scores, true)).pairs
    assert np.array_equal(pairs.scores_NT, table)
    assert pairs.of == "image"


def test_only_the_order_of_scores_counts_and_nothing_is_drawn():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20, 2, 100))
    true = rng.integers(100, size=20)
    inputs = classified(logits, true)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    one, other = NWay().compute(inputs), NWay().compute(classified(softmax, true))
    assert np.array_equal(one.per_sample, other.per_sample)
    assert one.value == NWay().compute(replace(inputs, seed=7)).value


def test_fifty_draws_scatter_where_exact_does_not():
    scores = np.arange(1000, dtype=np.float32)[None, None]
    true = np.array([985])  # 14 classes ahead: right in half of all draws
    inputs = classified(scores, true)
    exact = NWay().compute(inputs).value
    metric = NWay(mode="monte_carlo", n_trials=50)
    drawn = [metric.compute(replace(inputs, seed=seed)).value for seed in range(200)]
    assert 0.4 < exact < 0.6
    assert np.std(drawn) == pytest.approx(0.07, abs=0.015)
    assert np.mean(drawn) == pytest.approx(exact, abs=0.02)


def test_the_definition_says_what_was_compared():
    inputs = classified(*with_ties(6, 60, levels=9))
    text = NWay(n=40, k=3).compute(inputs).definition
    for words in ("a tower (tests)", "among the first 3 of 40", "60 classes", "exact", "mean over"):
        assert words in text
    drawn = NWay(n=40, mode="monte_carlo", n_trials=50, ties="first").compute(inputs)
    for words in ("ranked first of 40", "50 draws a picture", "before all that score the same"):
        assert words in drawn.definition
    assert drawn.chance == 1 / 40
    assert drawn.pairs is None


def test_more_ways_than_classes_are_refused():
    result = NWay(n=50, tower="vit-h-14").compute(classified(*with_ties(6, 40, levels=9)))
    assert result.reason == "not computed: n = 50 classes are more than the 40 that vit-h-14 scores"
    inputs = replace(battery.example(perfect=True), scores=None, tower_missing="needs weights")
    assert NWay().compute(inputs).reason == "not computed: needs weights"
    broken = classified(np.full((6, 1, 60), np.nan), np.zeros(6, np.int64))
    assert NWay().compute(broken).reason == "not computed: the scores by a tower are not finite"


@pytest.mark.parametrize("params", [{"n": 5, "k": 5}, {"k": 0}, {"n": 1}, {"n_trials": 0}])
def test_impossible_parameters_are_refused(params):
    with pytest.raises(BadParameters, match="n_way"):
        NWay(**params)


def test_more_ways_than_a_named_tower_has_classes_are_refused_before_anything_runs():
    with pytest.raises(BadParameters, match="the tower 'pocket_judge' scores 10 classes"):
        NWay(n=11, tower="pocket_judge")
    NWay(n=10, tower="pocket_judge")


def test_a_thousand_pictures_take_a_tenth_of_a_second_and_the_loop_300_times_longer():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(1000, 1, 1000)).astype(np.float32)
    true = rng.integers(1000, size=1000)
    # Fifty draws a picture, the fewest that papers use; its time grows with the pictures.
    few = 4
    ours, loop = side_by_side(
        [
            lambda: hits(scores, true, n=50, k=1),
            lambda: n_way_by_trials(scores[:few, 0], true[:few], n=50, n_trials=50),
        ]
    )
    assert ours <= 0.1
    assert (loop / few) / (ours / 1000) >= 300
    assert seconds(NWay().compute, classified(scores, true)) <= 1  # with pairs and interval
