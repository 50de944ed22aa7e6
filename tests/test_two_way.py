"""Two-way identification: the published loops, ties, repeated pictures, and how much faster."""

import statistics
import time
from dataclasses import replace

import numpy as np
import pytest

from zoo.checks import metric as battery
from zoo.contracts import TowerOutput
from zoo.metrics import two_way
from zoo.metrics.two_way import TwoWay

GAIN = 10


def features(n, width=64, noise=1.5, seed=0):
    """Features of `n` pictures drawn, each like the one seen: two arrays (n, width), float32."""
    rng = np.random.default_rng(seed)
    seen = rng.normal(size=(n, width))
    return (seen + noise * rng.normal(size=(n, width))).astype(np.float32), seen.astype(np.float32)


def pair_by_pair(drawn, seen):
    """The definition read aloud: one correlation a pair, one comparison a pair."""
    shares = []
    for i, picture in enumerate(drawn):
        own = np.corrcoef(picture, seen[i])[0, 1]
        others = [np.corrcoef(picture, seen[j])[0, 1] for j in range(len(seen)) if j != i]
        shares.append(np.mean([own > other for other in others]))
    return np.array(shares)


def one_correlation_matrix(drawn, seen):
    """All pictures, drawn and seen, in one matrix of correlations; a quarter of it is read."""
    n = len(drawn)
    r_NT = np.corrcoef(np.concatenate([drawn, seen]).astype(np.float64))[:n, n:]
    return (r_NT < r_NT.diagonal()[:, None]).sum(axis=1) / (n - 1)


def own(drawn, seen):
    """Ours, of drawing i against picture i."""
    return two_way.scores(drawn, seen).diagonal()


@pytest.mark.parametrize("reference", [pair_by_pair, one_correlation_matrix])
@pytest.mark.parametrize("noise", [0.5, 1.5, 20.0])
def test_it_is_exactly_the_count_of_the_loops(reference, noise):
    drawn, seen = features(30, noise=noise)
    assert own(drawn, seen) * 29 == pytest.approx(reference(drawn, seen) * 29, abs=1e-9)
    if noise == 20:
        assert 0.3 < own(drawn, seen).mean() < 0.8


def test_every_pairing_is_the_share_beaten_by_that_picture():
    drawn, seen = features(12)
    r_NT = np.corrcoef(drawn, seen)[:12, 12:]
    shares = [[np.mean(np.delete(row, t) < row[t]) for t in range(12)] for row in r_NT]
    assert two_way.scores(drawn, seen) == pytest.approx(np.array(shares))


def test_ties_count_half():
    drawn, seen = features(1), features(4)[1]
    seen[1:3] = seen[0]
    beaten = two_way.scores(drawn[0], seen)[0]
    worse = np.corrcoef(drawn[0][0], seen[3])[0, 1] < np.corrcoef(drawn[0][0], seen[0])[0, 1]
    assert beaten[:3] == pytest.approx([(1.0 + worse) / 3] * 3)


def test_constant_features_are_at_chance():
    _, seen = features(5)
    assert two_way.scores(np.full((2, 64), 0.1, np.float32), seen) == pytest.approx(
        np.full((2, 5), 0.5)
    )


def test_a_picture_seen_often_counts_once():
    drawn, seen = features(40)
    target = np.arange(40) % 4
    inputs = replace(
        battery.take(battery.example(perfect=False), np.arange(40)),
        target=target,
        image_id=np.array([f"image{t}" for t in target]),
        features=TowerOutput(
            name="example", definition="an example", drawn=drawn[:, None], seen=seen[:4]
        ),
    )
    result = TwoWay().compute(inputs)
    r_NT = np.corrcoef(drawn, seen[:4])[:40, 40:]
    beaten = (r_NT < r_NT[np.arange(40), target][:, None]).sum(axis=1) / 3
    assert result.per_sample == pytest.approx(beaten)
    assert "Share of the 3 other pictures" in result.definition
    assert "bootstrap over 4 image" not in result.definition  # too few to resample
    assert result.ci95 is None
    assert result.chance == 0.5


def test_a_single_picture_has_nothing_to_be_told_from():
    inputs = battery.example(perfect=False)
    alone = replace(inputs.features, seen=inputs.features.seen[:1])
    result = TwoWay().compute(replace(inputs, features=alone, target=np.zeros(240, dtype=int)))
    assert result.reason == "not computed: needs two distinct pictures, there is one"


def test_it_is_ten_times_as_fast_as_the_loop():
    drawn, seen = features(50, width=20_000)
    assert own(drawn, seen) == pytest.approx(pair_by_pair(drawn, seen), abs=1e-9)
    assert seconds(pair_by_pair, drawn, seen) > GAIN * seconds(own, drawn, seen)


def seconds(compute, *arguments):
    """Median wall time of three calls."""
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        compute(*arguments)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)
