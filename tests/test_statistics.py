"""Intervals: golden numbers, coverage by simulation, independence of the order of trials."""

import numpy as np
import pytest
from scipy import stats

from zoo.statistics import bootstrap, paired_difference, wilson


def test_wilson_equals_scipy():
    for successes, n in [(0, 1), (1, 1), (0, 20), (7, 20), (93, 100), (300, 300)]:
        theirs = stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
        assert wilson(successes, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_golden_number():
    # Newcombe 1998, table I: 81 of 263.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_wilson_covers():
    rng = np.random.default_rng(0)
    hits = rng.binomial(120, 0.8, size=2000)
    ends = {k: wilson(k, 120) for k in np.unique(hits)}
    covered = np.mean([ends[k][0] <= 0.8 <= ends[k][1] for k in hits])
    assert 0.93 <= covered <= 0.97


def test_bootstrap_covers_the_mean_of_independent_trials():
    rng = np.random.default_rng(1)
    covered = [
        low <= 1.0 <= high
        for i in range(300)
        for low, high in [bootstrap(rng.exponential(size=80), seed=i)]
    ]
    assert 0.91 <= np.mean(covered) <= 0.98


def test_bootstrap_covers_with_clusters_where_a_plain_one_does_not():
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(12), 10)
    plain, clustered = [], []
    for i in range(250):
        values = rng.normal(size=12)[clusters] + rng.normal(size=120)
        low, high = bootstrap(values, seed=i)
        plain.append(low <= 0 <= high)
        low, high = bootstrap(values, seed=i, clusters=clusters)
        clustered.append(low <= 0 <= high)
    assert 0.92 <= np.mean(clustered) <= 0.98
    assert np.mean(plain) < 0.8


def test_bootstrap_agrees_with_scipy_on_many_trials():
    values = np.random.default_rng(3).normal(size=500)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    assert bootstrap(values, seed=0) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_bootstrap_repeats_and_ignores_the_order_of_trials():
    rng = np.random.default_rng(4)
    values, names = rng.normal(size=60), np.array([f"trial{i:03d}" for i in range(60)])
    order = rng.permutation(60)
    first = bootstrap(values, seed=5, clusters=names)
    assert first == bootstrap(values, seed=5, clusters=names)
    assert first == pytest.approx(bootstrap(values[order], seed=5, clusters=names[order]))
    assert first != bootstrap(values, seed=6, clusters=names)


def test_bootstrap_of_a_function_of_means():
    rng = np.random.default_rng(6)
    values = rng.normal([1.0, 2.0], 0.1, size=(200, 2))
    low, high = bootstrap(values, seed=0, statistic=lambda means: means[:, 1] / means[:, 0])
    assert low < 2.0 < high
    assert high - low < 0.1


def test_bootstrap_gives_nothing_for_too_few_clusters():
    assert bootstrap(np.arange(40.0), seed=0, clusters=np.arange(40) % 4) is None


def test_bootstrap_leaves_undefined_draws_out():
    def undefined_below_the_middle(means):
        return np.where(means > 4.5, means, np.nan)

    low, high = bootstrap(np.arange(10.0), seed=0, statistic=undefined_below_the_middle)
    assert 4.5 < low < high


def test_paired_difference_finds_a_difference_and_its_absence():
    rng = np.random.default_rng(7)
    trials = rng.normal(size=200)
    better = paired_difference(trials + 0.3 + 0.1 * rng.normal(size=200), trials, seed=0)
    assert better.p < 0.001
    assert better.ci95[0] > 0.2
    same = paired_difference(trials, trials, seed=0)
    assert same.value == 0
    assert same.p == 1


def test_paired_difference_false_alarms():
    rng = np.random.default_rng(8)
    alarms = [
        paired_difference(rng.normal(size=40), rng.normal(size=40), seed=i).p <= 0.05
        for i in range(200)
    ]
    assert np.mean(alarms) <= 0.09


def test_paired_difference_needs_the_same_trials():
    with pytest.raises(ValueError, match="same trials"):
        paired_difference(np.ones(3), np.ones(4), seed=0)
