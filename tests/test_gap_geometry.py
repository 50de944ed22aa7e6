"""The text gap on arrays: closed forms of its measures, their intervals, the probe."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifierCV

from zoo.stages._gap_geometry import (
    Clouds,
    alignment,
    angle_of,
    minus_cosine,
    pair_angle,
    relative_change,
    share,
    spread,
    squared_centroid_distance,
)
from zoo.stages._gap_jackknife import jackknife
from zoo.stages._gap_probe import PENALTIES, probe
from zoo.statistics import Units, bootstrap

RNG = np.random.default_rng(0)


def at_all(statistic, n: int) -> float:
    return float(statistic(np.ones((1, n)))[0])


def between(found: Clouds, n: int) -> float:
    return angle_of(at_all(minus_cosine(found), n))


def clouds(eeg_NF, text_KF, class_N) -> Clouds:
    return Clouds.of(np.asarray(eeg_NF, float), np.asarray(text_KF, float), np.asarray(class_N))


# ---- geometry


def test_equal_states_have_no_gap():
    class_N, text = np.arange(20) % 4, RNG.normal(size=(4, 30))
    same = clouds(text[class_N], text, class_N)
    assert at_all(squared_centroid_distance(same), 20) == pytest.approx(0, abs=1e-12)
    assert between(same, 20) == pytest.approx(0, abs=1e-5)
    assert at_all(alignment(same), 20) == pytest.approx(1)


def test_distance_counts_in_spreads_of_the_text():
    # Text at 1 and -1 on the first axis: spread 1. EEG four away on the second, without noise.
    class_N, text = np.arange(10) % 2, np.array([[1.0, 0], [-1, 0]])
    eeg = text[class_N] + [0, 4]
    assert at_all(squared_centroid_distance(clouds(eeg, text, class_N)), 10) == pytest.approx(16)
    # The text's spread is the unit, whatever the scale.
    scaled = clouds(7 * eeg, 7 * text, class_N)
    assert at_all(squared_centroid_distance(scaled), 10) == pytest.approx(16)


def test_noise_of_a_mean_adds_no_distance():
    """With as many features as here the plain distance would be 60 / 10 = 6, not 0."""
    class_N, text = np.arange(10) % 2, np.eye(2, 60)
    squared = [
        at_all(squared_centroid_distance(clouds(noise + text[class_N], text, class_N)), 10)
        for noise in np.random.default_rng(1).normal(size=(400, 10, 60))
    ]
    spread_of_text = 0.5
    assert np.mean(squared) * spread_of_text == pytest.approx(0, abs=0.2)


def test_angles_of_known_cones():
    assert at_all(pair_angle(np.eye(5)), 5) == pytest.approx(90)
    assert at_all(pair_angle(np.ones((5, 5))), 5) == pytest.approx(0, abs=1e-5)
    class_N, text = np.arange(8) % 2, np.array([[1.0, 0.1, 0], [1, -0.1, 0]])
    turned = np.tile([0.0, 0, 3], (8, 1))
    assert between(clouds(turned, text, class_N), 8) == pytest.approx(90)
    assert between(clouds(-text[class_N], text, class_N), 8) == pytest.approx(180)


def test_an_angle_that_noise_hides_is_not_certain():
    """Few wild states, whose mean is lost in their noise: 0 degrees, and anything."""
    rng, wild = np.random.default_rng(0), []
    text = np.eye(4) + 1
    class_N = np.arange(40) % 4
    for _ in range(30):
        states = text[class_N] + rng.normal(0, 30, (40, 4))
        found = jackknife(
            minus_cosine(clouds(states, text, class_N)), Units(np.arange(40), "trial"),
            bounds=(-1, 1), shown=angle_of,
        )  # fmt: skip
        wild += [found] if found[0] == 0 and found[1] is not None else []
    assert len(wild) >= 2
    assert all(ends[1] > 30 for _, ends in wild)


def test_cka_sees_through_rotation_and_scale():
    class_N, text = np.arange(30) % 5, RNG.normal(size=(5, 6))
    rotation = np.linalg.qr(RNG.normal(size=(6, 6)))[0]
    turned = clouds(3 * text[class_N] @ rotation + 2, text, class_N)
    assert at_all(alignment(turned), 30) == pytest.approx(1)


def test_cka_of_independent_states_is_zero_on_average():
    class_N, text = np.arange(20) % 4, RNG.normal(size=(4, 400))
    found = [
        at_all(alignment(clouds(RNG.normal(size=(20, 400)), text, class_N)), 20) for _ in range(100)
    ]
    plain = []
    for eeg in RNG.normal(size=(5, 20, 400)):
        centred = eeg - eeg.mean(0), text[class_N] - text[class_N].mean(0)
        k, other = (x @ x.T for x in centred)
        plain.append((k * other).sum() / np.sqrt((k * k).sum() * (other * other).sum()))
    assert abs(np.mean(found)) < 0.05
    assert np.mean(plain) > 0.3


def test_hsic_is_the_mean_over_quadruples():
    """Song et al.'s estimate against its definition on six trials."""
    from itertools import permutations

    from zoo.stages._gap_geometry import _hsic

    k, other = (x @ x.T for x in RNG.normal(size=(2, 6, 3)))
    for gram in (k, other):
        np.fill_diagonal(gram, 0)
    terms = [
        k[i, j] * (other[i, j] + other[q, r] - 2 * other[i, q])
        for i, j, q, r in permutations(range(6), 4)
    ]
    assert _hsic(np.ones((1, 6)), k, other)[0] == pytest.approx(np.mean(terms))


def test_spread_is_the_trace_of_the_covariance():
    states = RNG.normal(size=(12, 7))
    expected = np.trace(np.cov(states.T))
    assert at_all(spread(states @ states.T), 12) == pytest.approx(expected)
    half = share(spread(0.25 * states @ states.T), spread(states @ states.T))
    assert at_all(half, 12) == pytest.approx(0.25)


def test_relative_change_is_a_ratio_of_root_sums():
    assert at_all(relative_change(np.full(3, 4.0), np.full(3, 16.0)), 3) == pytest.approx(0.5)


# ---- intervals


def test_jackknife_of_a_mean_is_student_s_interval():
    values = RNG.normal(size=40)
    units = Units(np.arange(40), "trial")
    value, (low, high) = jackknife(lambda w: w @ values / w.sum(1), units)
    assert value == pytest.approx(values.mean())
    from scipy import stats

    expected = stats.t.interval(0.95, 39, values.mean(), stats.sem(values))
    assert (low, high) == pytest.approx(expected)


def test_jackknife_takes_clusters_whole_and_crossed_ones_as_the_bootstrap_does():
    subject, image = np.divmod(np.arange(60), 10)
    values = RNG.normal(size=6)[subject] + RNG.normal(size=10)[image] + RNG.normal(size=60)

    def mean(keep_RN):
        return keep_RN @ values / keep_RN.sum(1)

    def width(units):
        return np.diff(jackknife(mean, units)[1])[0]

    trials, crossed = (
        width(Units(np.arange(60), "trial")),
        width(Units((subject, image), "subject x image")),
    )
    assert crossed > 1.5 * trials
    low, high = bootstrap(values, seed=0, clusters=(subject, image))
    assert crossed == pytest.approx(high - low, rel=0.3)
    assert jackknife(mean, Units(np.arange(60) % 4, "run"))[1] is None


def test_an_undefined_figure_has_no_interval_and_bounds_hold():
    units = Units(np.arange(6), "trial")
    value, ci95 = jackknife(lambda w: np.full(len(w), np.nan), units, bounds=(0, 1))
    assert np.isnan(value)
    assert ci95 is None
    values = np.array([0, 0, 0, 0, 0, 1.0])
    low, high = jackknife(lambda w: w @ values / w.sum(1), units, bounds=(0, 1))[1]
    assert low == 0
    assert high < 1


# ---- the probe


def blobs(n: int, n_features: int, separation: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 3
    centres = rng.normal(size=(3, n_features)) * separation
    return centres[label] + rng.normal(size=(n, n_features)), label


@pytest.mark.parametrize("n_features", [5, 200])
def test_probe_is_scikit_learn_s_ridge(n_features):
    states, label = blobs(150, n_features, 0.5)
    fit, score = states[:90], states[90:]
    mean, std = fit.mean(0), fit.std(0)
    fit, score = (fit - mean) / std, (score - mean) / std
    gram = fit @ fit.T
    penalties = PENALTIES * np.trace(gram) / 90
    theirs = RidgeClassifierCV(penalties).fit(fit, label[:90]).predict(score)
    ours = probe(gram, score @ fit.T, label[:90], np.arange(3))
    assert np.mean(ours == theirs) > 0.97
    assert np.mean(ours == label[90:]) > 0.5


def test_probe_is_at_chance_on_noise_and_on_nothing():
    states, label = blobs(900, 20, 0.0)
    fit, score = states[:300], states[300:]
    hits = probe(fit @ fit.T, score @ fit.T, label[:300], np.arange(3)) == label[300:]
    assert 0.26 < hits.mean() < 0.41
    alike = probe(np.zeros((300, 300)), np.zeros((9, 300)), label[:300], np.arange(3))
    assert len(set(alike)) == 1
