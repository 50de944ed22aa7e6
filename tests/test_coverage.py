"""Coverage by simulation: what is called a 95 % interval holds the truth 93 to 97 times in 100.

With fewer resamples than the default: their quantiles are coarser, so the default covers a little
more.
"""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from zoo.metrics.balanced_accuracy import _mean_recall
from zoo.metrics.kappa import _kappa
from zoo.pairings import eeg_contribution, within_class_contribution
from zoo.statistics import Units, bootstrap, paired_difference, wilson

Interval = tuple[float, float]
RESAMPLES = 500


def covered(interval: Callable[[int], Interval], truth: float, times: int = 2000) -> float:
    """Return the share of intervals, one a seed, that hold the truth, to within a point."""
    ends = np.array([interval(seed) for seed in range(times)])
    return float(np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])))


def nominal(share: float) -> bool:
    return 0.93 <= share <= 0.97


@pytest.mark.parametrize("n", [80, 200, 330])
def test_wilson(n):
    """Exactly, from the binomial; over the shares that a metric may have, as is usual."""
    hits = np.arange(n + 1)
    ends = np.array([wilson(k, n) for k in hits])
    shares = np.linspace(0.05, 0.95, 181)[:, None]
    inside = (ends[:, 0] <= shares) & (shares <= ends[:, 1])
    each = (inside * stats.binom.pmf(hits, n, shares)).sum(axis=1)
    assert nominal(each.mean())
    assert each.min() > 0.90
    assert (np.abs(each - 0.95) <= 0.02).mean() > 0.9


SCORES = {
    "normal": (lambda rng, n: rng.normal(size=n), 0.0),
    # Skewness 1.4, as of squared errors or distances.
    "skewed": (lambda rng, n: rng.gamma(2.0, size=n), 2.0),
}


@pytest.mark.parametrize(("kind", "n"), [("normal", 80), ("skewed", 80), ("skewed", 330)])
def test_mean_of_trials(kind, n):
    draw, truth = SCORES[kind]
    rng = np.random.default_rng(n)
    times = 2000 if n < 100 else 1000
    share = covered(lambda s: bootstrap(draw(rng, n), seed=s, resamples=600), truth, times)
    assert nominal(share), share


@pytest.mark.parametrize("g", [12, 40])
def test_mean_over_clusters(g):
    rng = np.random.default_rng(g)
    clusters = np.repeat(np.arange(g), 8)

    def interval(seed):
        values = rng.normal(size=g)[clusters] + rng.normal(size=len(clusters))
        return bootstrap(values, seed=seed, clusters=clusters, resamples=RESAMPLES)

    share = covered(interval, 0.0)
    assert nominal(share), share


@pytest.mark.parametrize("spread", [(1.0, 0.5), (0.3, 0.3)])
def test_mean_over_subjects_crossed_with_images(spread):
    """A bootstrap over images alone covers far less."""
    rng = np.random.default_rng(3)
    subject, image = (way.ravel() for way in np.indices((8, 40)))

    def values():
        own = spread[0] * rng.normal(size=8)[subject] + spread[1] * rng.normal(size=40)[image]
        return own + rng.normal(size=320)

    def interval(seed, clusters=(subject, image)):
        return bootstrap(values(), seed=seed, clusters=clusters, resamples=300)

    share = covered(interval, 0.0, times=1000)
    assert nominal(share), share
    assert covered(lambda seed: interval(seed, image), 0.0, times=100) < 0.85


def test_paired_difference():
    rng = np.random.default_rng(4)
    clusters = np.repeat(np.arange(30), 4)
    alarms = []

    def interval(seed):
        hard = 3 * rng.normal(size=120)
        apart = 0.5 + rng.normal(size=30)[clusters] + rng.normal(size=120)
        found = paired_difference(
            hard + apart, hard, seed=seed, clusters=clusters, resamples=RESAMPLES
        )
        null = paired_difference(
            hard + apart - 0.5, hard, seed=seed, clusters=clusters, resamples=200
        )
        alarms.append(null.p < 0.05)
        return found.ci95

    share = covered(interval, 0.5)
    assert nominal(share), share
    assert 0.03 <= np.mean(alarms) <= 0.07


ANSWERS = np.array([[0.8, 0.15, 0.05], [0.1, 0.6, 0.3], [0.2, 0.3, 0.5]])  # of each class


@pytest.mark.parametrize("figure", ["kappa", "balanced accuracy"])
def test_figures_of_a_confusion(figure):
    rng = np.random.default_rng(5)
    label = np.repeat(np.arange(3), [60, 40, 20])
    shown = np.eye(3)[label]
    prior = shown.mean(axis=0)
    hit, chance = prior @ np.diag(ANSWERS), prior @ (prior @ ANSWERS)
    truth = np.diag(ANSWERS).mean() if figure != "kappa" else (hit - chance) / (1 - chance)

    def interval(seed):
        named = (rng.random((len(label), 1)) > ANSWERS[label].cumsum(axis=1)).sum(axis=1)
        named = named.clip(max=2)
        hits = (named == label).astype(float)[:, None]
        if figure == "kappa":
            values, statistic = np.hstack([hits, shown, np.eye(3)[named]]), _kappa
        else:
            values, statistic = np.stack([shown * hits, shown], axis=1), _mean_recall
        return bootstrap(values, seed=seed, statistic=statistic, resamples=RESAMPLES)

    share = covered(interval, truth)
    assert nominal(share), share


def scores(rng, target, n_targets, gain):
    """Return scores: of the picture drawn, of the target, of image on image, of the trial."""
    n = len(target)
    found = rng.normal(size=(n, 1)) + 2 * rng.normal(size=n_targets)
    found = found + rng.normal(size=(n_targets, n_targets))[target]
    found += 0.5 * rng.normal(size=(n, n_targets))
    found[np.arange(n), target] += gain
    return found


@pytest.mark.parametrize(("images", "repeats"), [(80, 1), (30, 3)])
def test_eeg_contribution(images, repeats):
    rng = np.random.default_rng(6)
    target = np.repeat(np.arange(images), repeats)
    units = Units(target, "image")
    truth = 0.4 * (1 - (repeats - 1) / (len(target) - 1))

    def interval(seed):
        score = scores(rng, target, images, 0.4)
        return eeg_contribution(score, target, units=units, seed=seed, resamples=RESAMPLES).ci95

    share = covered(interval, truth, times=1200)
    assert nominal(share), share


@pytest.mark.parametrize(("classes", "images", "repeats"), [(24, 2, 1), (12, 4, 1), (10, 8, 2)])
def test_within_class_contribution(classes, images, repeats):
    rng = np.random.default_rng(7)
    label = np.repeat(np.arange(classes), images)
    target = np.repeat(np.arange(len(label)), repeats)
    units = Units(target, "image")

    def interval(seed):
        score = scores(rng, target, len(label), 0.4)
        found = within_class_contribution(
            score, target, label, units=units, seed=seed, resamples=RESAMPLES
        )
        return found.ci95

    share = covered(interval, 0.4, times=1200)
    assert nominal(share), share


def test_resampling_pairs_and_recomputing_would_cover_too_much():
    """Why the contributions resample influence values: classes of two images."""
    rng = np.random.default_rng(8)
    classes = 40

    def interval(_):
        own, other = rng.normal(size=(2, classes, 2))
        weight = rng.multinomial(2 * classes, np.full(2 * classes, 0.5 / classes), size=400)
        weight = weight.reshape(400, classes, 2).prod(axis=2)
        drawn = weight @ (own - other).mean(axis=1) / weight.sum(axis=1)
        return tuple(np.quantile(drawn, [0.025, 0.975]))

    assert covered(interval, 0.0, times=500) > 0.98
