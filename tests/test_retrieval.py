"""Retrieval: greedy ranking, fewer candidates in closed form, and one-to-one matching beside it."""

from dataclasses import replace

import numpy as np
import pytest
from metric_loops import retrieval_by_trials, side_by_side

from registry import BadParameters
from zoo.checks import metric as battery
from zoo.metrics._ranks import hits
from zoo.metrics.accuracy import Accuracy
from zoo.metrics.image_class_accuracy import ImageClassAccuracy
from zoo.metrics.kappa import Kappa
from zoo.metrics.retrieval import Retrieval
from zoo.metrics.retrieval_hungarian import RetrievalHungarian
from zoo.statistics import wilson


def retrieved(similarity, image_id=None):
    """Inputs in which trial i saw candidate i, or the candidates named."""
    similarity = np.array(similarity, float)
    names = np.array([f"image{i}" for i in range(similarity.shape[1])])
    inputs = battery.example(perfect=True, n=len(similarity))
    shown = names[: len(similarity)] if image_id is None else names[image_id]
    return replace(inputs, image_id=shown, similarity=similarity, candidates=names)


@pytest.mark.parametrize("params", [{"k": 3}, {"n_candidates": 50}, {"k": 5, "n_candidates": 240}])
def test_battery_with_other_parameters(params):
    battery.check("retrieval", **params)


def test_retrieval_is_greedy():
    similarity = [[0.9, 0.8, 0.1], [0.9, 0.8, 0.1], [0.9, 0.8, 0.1]]
    first, second = (Retrieval(k=k).compute(retrieved(similarity)) for k in (1, 2))
    assert first.per_sample.tolist() == [1, 0, 0]  # one-to-one matching could name all three
    assert second.per_sample.tolist() == [1, 1, 0]
    assert first.chance == pytest.approx(1 / 3)
    assert second.chance == pytest.approx(2 / 3)
    assert "ranked first of 3 candidates" in first.definition
    assert "among the first 2 of 3" in second.definition
    assert first.ci95 == pytest.approx(wilson(1, 3))


def test_tied_pictures_share_the_hit():
    result = Retrieval().compute(retrieved([[1, 1, 0], [0, 0, 0], [0, 0, 1]]))
    assert result.per_sample == pytest.approx([1 / 2, 1 / 3, 1])


def test_repetitions_of_a_picture_are_resampled_together():
    rng = np.random.default_rng(0)
    shown = np.repeat(np.arange(10), 8)
    similarity = rng.normal(size=(80, 10))
    similarity[np.arange(80), shown] += np.where(shown % 2, 20, -20)  # by picture, all or none
    result = Retrieval().compute(retrieved(similarity, shown))
    assert "bootstrap over 10 images" in result.definition
    assert np.diff(result.ci95) > 2 * np.diff(wilson(40, 80))


def test_retrieval_says_why_it_cannot_be_computed():
    inputs = retrieved(np.eye(3))
    assert "at least 4 candidate" in Retrieval(k=3).compute(inputs).reason
    few = Retrieval(n_candidates=4).compute(inputs).reason
    assert few == "not computed: needs at least 4 candidate pictures, there are 3"
    unknown = Retrieval().compute(replace(inputs, image_known=False))
    assert unknown.reason == "not computed: needs to know which picture was shown"
    untrained = replace(inputs, trained_classes=(8, 9), class_names=tuple("abcdefghij"))
    assert Retrieval().compute(untrained).value == 1
    reason = "not computed: test classes were never trained: a, b, c"
    for metric in (Accuracy(), Kappa(), ImageClassAccuracy()):
        assert metric.compute(untrained).reason == reason
    no_judge = replace(untrained, judge={"reason": "not computed: no judge"}, logits=None)
    assert ImageClassAccuracy().compute(no_judge).reason == reason


@pytest.mark.parametrize("params", [{"k": 0}, {"k": 5, "n_candidates": 5}])
def test_impossible_parameters_are_refused(params):
    with pytest.raises(BadParameters, match="retrieval"):
        Retrieval(**params)


def test_pairs_are_the_pictures_seen_in_the_order_of_their_ids():
    rng = np.random.default_rng(0)
    shown = rng.integers(12, size=30)
    inputs = retrieved(rng.normal(size=(30, 12)), shown)
    pairs = Retrieval(k=2).compute(inputs).pairs
    ids = sorted(set(inputs.image_id))  # "image10" before "image2"
    assert [ids[t] for t in pairs.target_N] == inputs.image_id.tolist()
    for column, name in enumerate(ids):
        as_if = replace(inputs, image_id=np.full(30, name))
        assert np.array_equal(pairs.scores_NT[:, column], Retrieval(k=2).compute(as_if).per_sample)


def signal(n, *, strength, hubs, seed=0):
    """Noise, pictures that resemble every trial, and more for each trial's own picture."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n)) + strength * np.eye(n) + hubs * rng.normal(size=n)


def test_fewer_candidates_are_the_mean_over_all_choices():
    inputs = retrieved(signal(40, strength=1.5, hubs=0))
    exact = Retrieval(k=2, n_candidates=10).compute(inputs)
    rows, own = inputs.similarity, np.arange(40)
    drawn = retrieval_by_trials(rows, np.eye(40), own, n=10, k=2, draws=400)
    share = exact.per_sample
    assert (np.abs(drawn - share) <= 4.5 * np.sqrt(share * (1 - share) / 400) + 1e-9).all()
    assert exact.chance == 0.2
    assert "10 candidates, itself and 9 others drawn from the 40" in exact.definition
    assert "bootstrap" in exact.definition
    every = Retrieval(k=2, n_candidates=40).compute(inputs)
    assert np.array_equal(every.per_sample, Retrieval(k=2).compute(inputs).per_sample)


def test_ten_times_faster_than_trial_by_trial_with_the_same_numbers():
    rng = np.random.default_rng(0)
    pictures, own = rng.normal(size=(200, 512)), np.arange(200)
    eeg = pictures + 8 * rng.normal(size=pictures.shape)

    def batched(k):
        return hits((eeg @ pictures.T)[:, None], own, n=200, k=k)

    for k in (1, 5):
        assert np.array_equal(batched(k), retrieval_by_trials(eeg, pictures, own, n=200, k=k))
    assert 0.2 < batched(1).mean() < 0.8
    ours, loop = side_by_side(
        [lambda: batched(1), lambda: retrieval_by_trials(eeg, pictures, own, n=200, k=1)]
    )
    assert loop / ours >= 10


def test_matching_inflates_the_same_similarities():
    found = [
        RetrievalHungarian().compute(retrieved(signal(200, strength=3.9, hubs=0.8, seed=seed)))
        for seed in range(4)
    ]
    greedy = np.mean(
        [result.beside["retrieval (greedy, the same similarities)"] for result in found]
    )
    assert greedy == pytest.approx(0.67, abs=0.04)
    assert np.mean([result.value for result in found]) == pytest.approx(0.96, abs=0.03)
    assert "no single-trial decoding" in found[0].definition
    assert "not comparable with retrieval" in found[0].definition
    assert found[0].ci95 is None
    assert found[0].per_sample is None
    assert found[0].chance == 1 / 200


def test_matching_is_scipy_s_and_needs_every_picture_once():
    from scipy.optimize import linear_sum_assignment

    inputs = retrieved(signal(50, strength=1, hubs=1))
    given = linear_sum_assignment(inputs.similarity, maximize=True)[1]
    assert RetrievalHungarian().compute(inputs).value == (given == np.arange(50)).mean()
    twice = replace(inputs, image_id=inputs.image_id[[0, *range(49)]])
    assert "seen by exactly one trial" in RetrievalHungarian().compute(twice).reason
    unknown = RetrievalHungarian().compute(replace(inputs, image_known=False))
    assert unknown.reason == "not computed: needs to know which picture was shown"


def test_equal_similarities_match_at_chance():
    inputs = retrieved(np.zeros((50, 50)))
    inputs = replace(inputs, trial_id=inputs.image_id)  # the solver alone: all right
    values = [RetrievalHungarian().compute(replace(inputs, seed=seed)).value for seed in range(20)]
    assert np.mean(values) == pytest.approx(1 / 50, abs=0.015)
