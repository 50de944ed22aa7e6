"""Class metrics: top-k and F1 against scikit-learn, and what each would score for other classes."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, top_k_accuracy_score

from registry import BadParameters
from zoo.checks import metric as battery
from zoo.metrics.accuracy import Accuracy
from zoo.metrics.balanced_accuracy import BalancedAccuracy
from zoo.metrics.decoded_class_agreement import DecodedClassAgreement
from zoo.metrics.f1 import F1, _mean_f1
from zoo.metrics.image_class_accuracy import ImageClassAccuracy
from zoo.metrics.kappa import Kappa
from zoo.metrics.top_k import TopK
from zoo.statistics import wilson


def scored(logits, label):
    """Inputs with these class scores."""
    inputs = battery.example(perfect=True, n=len(label), n_classes=logits.shape[1])
    return replace(inputs, logits=logits, label=label)


def random_case(n=60, n_classes=10, seed=0):
    rng = np.random.default_rng(seed)
    return scored(rng.normal(size=(n, n_classes)), rng.integers(n_classes, size=n))


@pytest.mark.parametrize("k", [1, 3, 5])
def test_top_k_is_scikit_learn_s_without_ties(k):
    inputs = random_case()
    result = TopK(k=k).compute(inputs)
    expected = top_k_accuracy_score(inputs.label, inputs.logits, k=k, labels=np.arange(10))
    assert result.value == pytest.approx(expected, abs=1e-12)
    assert result.chance == k / 10
    assert set(result.per_sample) <= {0, 1}


def test_equal_scores_are_at_chance():
    inputs = random_case()
    constant = replace(inputs, logits=np.zeros_like(inputs.logits))
    assert TopK(k=3).compute(constant).value == pytest.approx(0.3)
    # Own score tied with one other for the last of two places.
    one = scored(np.tile([3.0, 2.0, 2.0, 0.0], (4, 1)), np.array([0, 1, 2, 3]))
    assert TopK(k=2).compute(one).per_sample.tolist() == [1, 0.5, 0.5, 0]


def test_top_k_ranks_trained_classes_alone():
    inputs = random_case(n_classes=4)
    some = replace(inputs, label=np.arange(60) % 2 * 2, trained_classes=(0, 2, 3))
    some.logits[:, 1] = 99
    result = TopK(k=2).compute(some)
    expected = top_k_accuracy_score(some.label, some.logits[:, [0, 2, 3]], k=2, labels=[0, 2, 3])
    assert result.value == pytest.approx(expected)
    assert (result.pairs.scores_NT[:, 1] == 0).all()
    refused = TopK(k=3).compute(some)
    assert refused.reason == "not computed: needs more than k = 3 trained classes, there are 3"
    with pytest.raises(BadParameters, match="at least 1"):
        TopK(k=0)


def test_f1_golden_and_scikit_learn_s():
    # Precisions 2/3, 1/2, 2/3 and the same recalls: F1 2/3, 1/2, 2/3.
    named, label = [0, 0, 1, 1, 2, 2, 2, 0], [0, 0, 0, 1, 1, 2, 2, 2]
    result = F1().compute(scored(np.eye(3)[named], np.array(label)))
    assert result.value == pytest.approx(11 / 18)
    assert result.per_sample is None
    assert result.pairs is None
    # A class that is named but not shown counts, with 0; one that is neither does not.
    partly = F1().compute(scored(np.eye(4)[[0, 1, 2, 0]], np.array([0, 1, 1, 0])))
    assert partly.value == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_the_bootstrap_s_f1_is_scikit_learn_s():
    rng = np.random.default_rng(0)
    label, named = rng.integers(5, size=(2, 30))
    seen, said = np.eye(7)[label], np.eye(7)[named]  # classes 5 and 6 are not drawn
    means = np.stack([seen * said, seen, said], axis=1).mean(axis=0)
    assert _mean_f1(means[None])[0] == pytest.approx(f1_score(label, named, average="macro"))


def test_the_chance_of_f1_is_that_of_even_guesses():
    rng = np.random.default_rng(0)
    label = rng.choice(4, size=4000, p=[0.6, 0.2, 0.1, 0.1])
    result = F1().compute(scored(np.eye(4)[rng.integers(4, size=4000)], label))
    assert result.value == pytest.approx(result.chance, abs=0.02)


def by_hand(metric, inputs):
    """`per_sample` of `metric` had every trial seen class c, for each c, (N, T)."""
    n, classes = len(inputs.label), range(len(inputs.class_names))
    columns = [metric.compute(replace(inputs, label=np.full(n, c))).per_sample for c in classes]
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("metric", [Accuracy(), TopK(k=2), ImageClassAccuracy()])
def test_pairs_are_the_scores_for_every_class(metric):
    rng = np.random.default_rng(3)
    inputs = battery.example(perfect=False, n=50, k=3, n_classes=5)
    inputs = replace(inputs, judge_logits=rng.normal(size=(50, 3, 5)))
    pairs = metric.compute(inputs).pairs
    assert pairs.of == "class"
    assert np.array_equal(pairs.target_N, inputs.label)
    assert pairs.scores_NT == pytest.approx(by_hand(metric, inputs), abs=1e-6)


def test_balanced_accuracy_pairs_are_it_with_trials_shuffled():
    rng = np.random.default_rng(0)
    label = rng.choice(3, size=80, p=[0.7, 0.2, 0.1])
    inputs = scored(rng.normal(size=(80, 3)) + 2 * np.eye(3)[label], label)
    pairs = BalancedAccuracy().compute(inputs).pairs
    named = inputs.logits.argmax(axis=1)
    for _ in range(5):
        order = rng.permutation(80)
        shuffled = pairs.scores_NT[np.arange(80), pairs.target_N[order]].mean()
        assert shuffled == pytest.approx(balanced_accuracy_score(label[order], named))


def test_agreement_with_the_encoder_has_no_pairs():
    assert DecodedClassAgreement().compute(battery.example(perfect=True)).pairs is None


@pytest.mark.parametrize("right", [True, False])
def test_hits_alone_leave_no_interval_of_width_zero(right):
    """40 images seen six times each: resamples are all alike, and other images may still differ."""
    inputs = battery.example(perfect=True, k=2)
    wrong = inputs if right else replace(inputs, label=(inputs.label + 1) % 4)
    images = np.array([f"image{i // 6}" for i in range(240)])
    for metric in (ImageClassAccuracy(), Accuracy()):
        result = metric.compute(replace(wrong, image_id=images))
        assert result.value == right
        ends = wilson(40 * right, 40)
        assert result.ci95 == pytest.approx(ends)
        assert "Wilson over 40 images" in result.definition


def test_kappa_of_hits_alone_has_no_interval():
    for metric in (Kappa(), BalancedAccuracy(), F1()):
        result = metric.compute(battery.example(perfect=True))
        assert (result.value, result.ci95) == (1, None)
        assert "No interval: resamples of 240 trials are all alike." in result.definition
