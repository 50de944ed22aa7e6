"""Intervals: golden numbers, what is resampled, independence of the order of trials."""

import numpy as np
import pytest
from scipy import stats

from zoo.statistics import bootstrap, independent_units, paired_difference, wilson


def test_wilson_equals_scipy():
    for successes, n in [(0, 1), (1, 1), (0, 20), (7, 20), (93, 100), (300, 300)]:
        theirs = stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
        assert wilson(successes, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_golden_number():
    # Newcombe 1998, table I: 81 of 263.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_bootstrap_golden_numbers():
    """Figures that were reported must not move."""
    values = np.random.default_rng(0).exponential(size=60)
    assert bootstrap(values, seed=3) == pytest.approx(
        (0.8104001545297309, 1.3673322432657544), abs=1e-12
    )
    clusters = np.arange(60) % 9
    assert bootstrap(values, seed=3, clusters=clusters) == pytest.approx(
        (0.8117789903691591, 1.4010585529474677), abs=1e-12
    )


def test_a_bootstrap_of_trials_misses_what_clusters_share():
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(12), 10)
    held = 0
    for i in range(200):
        values = rng.normal(size=12)[clusters] + rng.normal(size=120)
        low, high = bootstrap(values, seed=i, resamples=400)
        held += low <= 0 <= high
    assert held < 160


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


def units(subjects, images, image_known=True, runs=1, times=1):
    """Return what is resampled where each subject sees each image so many times."""
    subject, image, _ = (way.ravel() for way in np.indices((subjects, images, times)))
    return independent_units(
        trial_id=np.arange(len(subject)),
        image_id=np.array([f"image{i}" for i in image]),
        subject=np.array([f"sub{s}" for s in subject]),
        run=np.arange(len(subject)) % runs,
        image_known=image_known,
    )


def test_what_is_resampled():
    assert units(1, 8).name == "trial"
    assert units(1, 8, times=2).name == "image"
    assert units(2, 8).name == "image"
    assert units(2, 8, image_known=False).name == "trial"
    assert units(2, 8, image_known=False, runs=4).name == "run"
    assert units(5, 8).name == "subject x image"
    assert units(5, 8, image_known=False, runs=4).name == "subject"
    clusters, name = units(1, 8, times=2)
    assert name == "image" and len(clusters) == 16


def test_subjects_with_images_of_their_own_do_not_cross():
    subject = np.repeat(np.arange(6), 4)
    found = independent_units(
        trial_id=np.arange(24),
        image_id=np.arange(24) // 2,
        subject=subject,
        run=np.zeros(24),
        image_known=True,
    )
    assert found.name == "subject"
    assert np.array_equal(found.clusters, subject)


def test_units_describe_count_take_and_name_their_columns():
    crossed = units(6, 8)
    assert crossed.describe() == "6 subjects x 8 images"
    assert crossed.count() == 6
    columns = crossed.columns()
    assert list(columns) == ["cluster", "cluster_subject"]
    assert set(columns["cluster_subject"]) == {f"sub{s}" for s in range(6)}
    assert list(units(1, 8).columns()) == ["cluster"]
    half = crossed.take(np.arange(48) < 24)
    assert half.describe() == "3 subjects x 8 images"


def test_crossed_draws_follow_both_ways():
    """Against the variance of the mean of crossed effects, known in closed form."""
    rng = np.random.default_rng(9)
    subject, image = (way.ravel() for way in np.indices((60, 80)))
    values = rng.normal(size=60)[subject] + rng.normal(size=80)[image] + rng.normal(size=4800)
    low, high = bootstrap(values, seed=0, clusters=(subject, image))
    sd = np.sqrt(1 / 60 + 1 / 80 + 1 / 4800)
    assert high - low == pytest.approx(2 * 2.0 * sd, rel=0.15)
    for way in (subject, image):
        alone = bootstrap(values, seed=0, clusters=way)
        assert np.diff(alone) < 0.9 * (high - low)


def test_crossed_draws_of_a_constant_or_of_too_few():
    subject, image = (way.ravel() for way in np.indices((6, 8)))
    assert bootstrap(np.ones(48), seed=0, clusters=(subject, image)) == (1, 1)
    assert bootstrap(np.arange(48.0), seed=0, clusters=(subject % 4, image)) is None


def test_crossed_draws_with_holes_and_in_any_order():
    rng = np.random.default_rng(10)
    subject, image = (way.ravel() for way in np.indices((6, 30)))
    kept = rng.permutation(180)[:60]
    values, ways = rng.normal(size=180), (subject, image)
    one = bootstrap(values[kept], seed=0, clusters=tuple(way[kept] for way in ways))
    kept.sort()
    other = bootstrap(values[kept], seed=0, clusters=tuple(way[kept] for way in ways))
    assert one == pytest.approx(other, abs=1e-12)


def test_a_level_beyond_the_draws_widens_all_the_same():
    values = np.random.default_rng(11).normal(size=80)
    clusters = np.arange(80) % 6
    ends = [bootstrap(values, seed=0, clusters=clusters, level=x) for x in (0.9, 0.95, 0.999)]
    widths = np.diff(ends, axis=1).ravel()
    assert (np.diff(widths) > 0).all()
    assert widths[2] > 2 * widths[1]
    assert bootstrap(values, seed=0) == bootstrap(values, seed=0, level=0.95)


def test_few_clusters_are_flipped_in_every_way():
    """Drawn flips miss the smallest p by chance, and a correction for several scores with it."""
    gains = np.array([0.3, 0.1, 0.2, 0.4, 0.2, 0.1])
    values = {paired_difference(gains, np.zeros(6), seed=seed).p for seed in range(5)}
    assert values == {2 / 2**6}
    one_worse = gains * [1, -1, 1, 1, 1, 1]
    assert paired_difference(one_worse, np.zeros(6), seed=0).p == 6 / 2**6
