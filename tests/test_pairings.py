"""Contributions over all pairings: the double loop, what drops out, what cannot be measured."""

import json

import numpy as np
import pytest

from zoo import pairings
from zoo.pairings import eeg_contribution, pairs_only_classes, within_class_contribution
from zoo.statistics import Units

N, T = 41, 19


@pytest.fixture
def case():
    """Trials whose targets repeat unevenly; one target has a class of its own, one no trial."""
    rng = np.random.default_rng(0)
    target = np.concatenate([np.arange(T - 1), rng.integers(T - 1, size=N - T + 1)])
    label = np.append(rng.integers(5, size=T - 2), [5, 6])
    return rng.normal(size=(N, T)), target, label


def trials(n):
    return Units(np.arange(n), "trial")


def loop(scores, target, partners):
    """Return the mean over trials of own score less the mean score with their partners' targets."""
    gains = [
        scores[i, target[i]] - np.mean([scores[i, target[j]] for j in found])
        for i in range(len(target))
        if (found := [j for j in range(len(target)) if partners(i, j)])
    ]
    return np.mean(gains), len(gains)


def test_eeg_contribution_is_the_double_loop(case, monkeypatch):
    scores, target, _ = case
    monkeypatch.setattr(pairings, "ROWS", 7)
    found = eeg_contribution(scores, target, units=trials(N), seed=0, resamples=100)
    value, n = loop(scores, target, lambda i, j: i != j)
    assert found.value == pytest.approx(value, abs=1e-12)
    assert (found.n, found.n_units, found.unit) == (n, N, "trial")
    assert found.value == pytest.approx(
        np.mean([scores[i, target[i]] for i in range(N)])
        - np.mean([scores[i, target[j]] for i in range(N) for j in range(N) if j != i]),
        abs=1e-12,
    )


def test_within_class_contribution_is_the_double_loop(case, monkeypatch):
    scores, target, label = case
    monkeypatch.setattr(pairings, "ROWS", 7)
    found = within_class_contribution(scores, target, label, units=trials(N), seed=0, resamples=100)
    value, n = loop(
        scores,
        target,
        lambda i, j: label[target[i]] == label[target[j]] and target[i] != target[j],
    )
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.n == n < N  # the class of one image takes no part


def test_the_interval_is_that_of_the_derivative_of_the_figure(case):
    """An influence value is how the figure moves as the weight of its trial does."""
    scores, target, _ = case
    group = np.zeros(T, dtype=int)
    gain, influence, _ = pairings._influence(scores, target, group, same_target=True)

    def figure(weight):
        pair = np.outer(weight, weight)
        np.fill_diagonal(pair, 0)
        gains = scores[np.arange(N), target][:, None] - scores[:, target]
        return (pair * gains).sum() / pair.sum()

    step = 1e-6 * np.eye(N)
    slopes = [(figure(1 + s) - figure(1 - s)) / 2e-6 for s in step]
    assert figure(np.ones(N)) == pytest.approx(gain.mean(), abs=1e-12)
    assert N * np.array(slopes) == pytest.approx(influence - gain.mean(), abs=1e-6)


@pytest.mark.parametrize("repeats", [1, 3])
def test_what_a_picture_or_a_target_adds_to_all_its_scores_drops_out(repeats):
    rng = np.random.default_rng(1)
    target, label = np.repeat(np.arange(24), repeats), np.repeat(np.arange(6), 4)
    scores = rng.normal(size=(len(target), 24))
    other = scores + 50 * rng.normal(size=(len(target), 1)) + 50 * rng.normal(size=24)
    units = Units(target, "image")
    for measure in (
        lambda s: eeg_contribution(s, target, units=units, seed=0),
        lambda s: within_class_contribution(s, target, label, units=units, seed=0),
    ):
        assert measure(other).value == pytest.approx(measure(scores).value, abs=1e-9)
        assert measure(other).ci95 == pytest.approx(measure(scores).ci95, abs=1e-9)


def test_a_gain_is_positive_where_own_is_better(case):
    scores, target, label = case
    up = scores.copy()
    up[np.arange(N), target] += 2
    options = {"units": trials(N), "seed": 0, "resamples": 500}
    for sign, better in ((1, True), (-1, False)):
        for found in (
            eeg_contribution(sign * up, target, higher_is_better=better, **options),
            within_class_contribution(sign * up, target, label, higher_is_better=better, **options),
        ):
            assert found.value > 1
            assert 0 < found.ci95[0] < found.value < found.ci95[1]


def test_a_drawn_class_gains_over_all_and_nothing_within_classes():
    """A generator that draws the class, never the image."""
    rng = np.random.default_rng(2)
    target, label = np.arange(120), np.repeat(np.arange(12), 10)
    scores = (label[:, None] == label).astype(float) + 0.3 * rng.normal(size=(120, 120))
    options = {"units": trials(120), "seed": 0}
    assert eeg_contribution(scores, target, **options).ci95[0] > 0.7
    low, high = within_class_contribution(scores, target, label, **options).ci95
    assert low < 0 < high


def test_the_second_interval_has_its_own_level(case):
    scores, target, label = case
    options = {"units": trials(N), "seed": 0}
    usual = within_class_contribution(scores, target, label, **options)
    strict = within_class_contribution(scores, target, label, level=1 - 0.05 / 8, **options)
    assert usual.interval == usual.ci95 == strict.ci95
    assert strict.interval[0] < strict.ci95[0] < strict.ci95[1] < strict.interval[1]
    assert strict.level == 1 - 0.05 / 8


def test_the_interval_does_not_depend_on_the_order_of_trials(case):
    scores, target, label = case
    order = np.random.default_rng(3).permutation(N)
    names = np.array([f"trial{i:02d}" for i in range(N)])
    one, other = (
        within_class_contribution(
            scores[rows], target[rows], label, units=Units(names[rows], "trial"), seed=0
        )
        for rows in (np.arange(N), order)
    )
    assert one.ci95 == pytest.approx(other.ci95, abs=1e-12)


def test_the_only_two_images_of_a_class_are_one_unit():
    scores = np.random.default_rng(4).normal(size=(14, 14))
    label = np.repeat(np.arange(7), 2)
    found = within_class_contribution(scores, np.arange(14), label, units=trials(14), seed=0)
    assert found.n_units == 7
    runs = Units(np.arange(14) % 6, "run")  # of several classes each
    found = within_class_contribution(scores, np.arange(14), label, units=runs, seed=0)
    assert found.n_units == 6


def test_crossed_units():
    rng = np.random.default_rng(5)
    subject, image = (way.ravel() for way in np.indices((6, 20)))
    units = Units((subject, image), "subject x image")
    scores = rng.normal(size=(120, 20)) + np.eye(20)[image] * (1 + subject[:, None])
    found = eeg_contribution(scores, image, units=units, seed=0)
    assert (found.unit, found.n_units) == ("subject x image", 6)
    assert found.definition.endswith("bootstrap over 6 subjects x 20 images.")
    alone = eeg_contribution(scores, image, units=Units(image, "image"), seed=0)
    assert np.diff(found.ci95) > 2 * np.diff(alone.ci95)  # subjects differ


NOT_MEASURABLE = {
    "by category": (np.arange(8), np.repeat(np.arange(4), 2), {"image_known": False}),
    "one image a class": (np.arange(8), np.arange(8), {}),
    "alike for all images": (np.arange(8), None, {}),
    "at least two trials": (np.arange(1), np.zeros(8, dtype=int), {}),
}


@pytest.mark.parametrize("why", NOT_MEASURABLE)
def test_within_classes_not_measurable(why):
    target, label, options = NOT_MEASURABLE[why]
    scores = np.random.default_rng(6).normal(size=(len(target), 8))
    units = trials(len(target))
    found = within_class_contribution(scores, target, label, units=units, seed=0, **options)
    assert found.value is None and found.ci95 is None
    assert found.reason.startswith("not measurable: ") and why in found.reason
    json.dumps(found.to_json(), allow_nan=False)


def test_scores_of_classes_are_not_measurable_within_classes():
    rng = np.random.default_rng(7)
    label = np.repeat(np.arange(4), 3)
    of_classes = rng.normal(size=(12, 4))[:, label]
    assert pairs_only_classes(of_classes, label)
    found = within_class_contribution(
        of_classes, np.arange(12), label, units=trials(12), seed=0, resamples=100
    )
    assert "alike for all images of a class" in found.reason
    of_classes[3, 5] += 1e-6
    assert not pairs_only_classes(of_classes, label)


def test_eeg_contribution_not_measurable():
    one = eeg_contribution(np.ones((1, 3)), np.array([2]), units=trials(1), seed=0)
    same = eeg_contribution(np.ones((9, 3)), np.full(9, 2), units=trials(9), seed=0)
    assert one.reason == "not measurable: needs at least two trials"
    assert same.reason == "not measurable: all trials have the same target"


def test_too_few_units_have_a_value_and_no_interval(case):
    scores, target, _ = case
    found = eeg_contribution(scores, target, units=Units(target % 3, "run"), seed=0)
    assert found.value is not None and found.ci95 is None and found.interval is None
    assert found.definition.endswith("No interval: 3 runs are too few to resample.")
    assert found.to_json()["ci95"] is None
