"""Metrics: the battery over the registry, golden numbers, intervals, what they refuse."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score

from zoo.checks import metric as battery
from zoo.checks import promises
from zoo.metrics.accuracy import Accuracy
from zoo.metrics.balanced_accuracy import BalancedAccuracy
from zoo.metrics.copy_share import CopyShare
from zoo.metrics.decoded_class_agreement import DecodedClassAgreement
from zoo.metrics.image_class_accuracy import ImageClassAccuracy
from zoo.metrics.kappa import Kappa
from zoo.registries import METRICS
from zoo.statistics import wilson

OURS = METRICS.names()


def test_the_battery_is_not_empty():
    assert {"accuracy", "copy_share", "image_class_accuracy"} <= set(OURS)
    assert len(OURS) >= 6
    assert len(battery.CHECKS) >= 9
    assert len(promises("metric")) >= len(OURS) * len(battery.CHECKS)


@pytest.mark.parametrize("promise", [pytest.param(p, id=i) for i, p in promises("metric")])
def test_battery(promise):
    promise()


class Careless(Accuracy):
    """A metric that breaks a promise: its value depends on the order of the trials."""

    def compute(self, inputs):
        return replace(super().compute(inputs), value=float(inputs.label[0]))


def test_the_battery_catches_a_careless_metric():
    with pytest.raises(AssertionError, match="order_does_not_matter"):
        battery.check(Careless)


def small(named, label, n_classes=3):
    """Inputs in which the encoder names `named` where `label` was seen."""
    inputs = battery.example(perfect=True, n=len(label), n_classes=n_classes)
    return replace(inputs, label=np.array(label), logits=np.eye(n_classes)[named])


GOLDEN = small(named=[0, 0, 1, 1, 2, 2, 2, 0], label=[0, 0, 0, 1, 1, 2, 2, 2])


def test_golden_numbers():
    assert Accuracy().compute(GOLDEN).value == pytest.approx(5 / 8)
    # Recalls 2/3, 1/2, 2/3.
    assert BalancedAccuracy().compute(GOLDEN).value == pytest.approx(11 / 18)
    # p_o = 5/8; seen (3, 2, 3)/8, named (3, 2, 3)/8: p_e = 22/64.
    assert Kappa().compute(GOLDEN).value == pytest.approx((5 / 8 - 22 / 64) / (1 - 22 / 64))


def test_accuracy_has_wilson_s_interval():
    result = Accuracy().compute(GOLDEN)
    assert result.ci95 == pytest.approx(wilson(5, 8))
    assert "Wilson" in result.definition
    assert result.chance == pytest.approx(1 / 3)
    assert result.per_sample.tolist() == [1, 1, 0, 1, 0, 1, 1, 0]


def test_balanced_accuracy_weights_average_to_the_value():
    result = BalancedAccuracy().compute(GOLDEN)
    assert result.per_sample.mean() == pytest.approx(result.value)


def test_bootstrap_statistics_equal_scikit_learn_on_a_resample():
    from zoo.metrics.balanced_accuracy import _mean_recall
    from zoo.metrics.kappa import _kappa

    rng = np.random.default_rng(0)
    label, named = rng.integers(3, size=(2, 50))
    one_hot = np.eye(3)
    hits = (label == named).astype(float)[:, None]
    for_kappa = np.column_stack([hits, one_hot[label], one_hot[named]]).mean(axis=0)
    assert _kappa(for_kappa[None])[0] == pytest.approx(cohen_kappa_score(label, named))
    for_recall = np.stack([one_hot[label] * hits, one_hot[label]], axis=1).mean(axis=0)
    expected = balanced_accuracy_score(label, named)
    assert _mean_recall(for_recall[None])[0] == pytest.approx(expected)


def test_the_decoded_class_is_a_trained_one():
    inputs = replace(GOLDEN, label=np.array([0, 1] * 4), trained_classes=(0, 1))
    always_the_third = replace(inputs, logits=np.tile([1.0, 0.0, 9.0], (8, 1)))
    assert Accuracy().compute(always_the_third).value == 0.5


def test_repeated_images_widen_the_interval():
    inputs = battery.example(perfect=False, n=240, n_classes=2)
    images = np.array([f"image{i // 20}" for i in range(240)])
    right = np.repeat(np.arange(12) % 3 > 0, 20)  # an image is read rightly always or never
    named = np.where(right, inputs.label, 1 - inputs.label)
    inputs = replace(inputs, image_id=images, logits=np.eye(2)[named])
    known = Accuracy().compute(inputs)
    guessed = Accuracy().compute(replace(inputs, image_known=False))
    assert known.value == guessed.value
    assert "bootstrap over 12 images" in known.definition
    assert "Wilson" in guessed.definition
    assert np.diff(known.ci95) > 2 * np.diff(guessed.ci95)


def test_five_runs_are_resampled_as_runs_and_four_are_not():
    inputs = battery.example(perfect=False, n=240)
    five = BalancedAccuracy().compute(replace(inputs, run=np.arange(240) % 5))
    four = BalancedAccuracy().compute(replace(inputs, run=np.arange(240) % 4))
    assert "over 5 runs" in five.definition
    assert "over 240 trials" in four.definition
    # Trials that are not independent for one metric are not so for another.
    assert "over 5 runs" in Accuracy().compute(replace(inputs, run=np.arange(240) % 5)).definition
    assert "Wilson" in Accuracy().compute(replace(inputs, run=np.arange(240) % 4)).definition


def test_too_few_images_give_a_figure_without_an_interval():
    inputs = battery.example(perfect=True, n=40)
    result = Accuracy().compute(replace(inputs, image_id=np.array(["a", "b"] * 20)))
    assert result.value == 1
    assert result.ci95 is None
    assert "too few" in result.definition


def test_pictures_of_a_trial_are_averaged_first():
    inputs = battery.example(perfect=True, n=60, k=2, n_classes=2)
    half = inputs.judge_logits.copy()
    half[:, 1] = half[:, 1, ::-1]  # the second picture of every trial shows the other class
    for metric in (ImageClassAccuracy(), DecodedClassAgreement()):
        result = metric.compute(replace(inputs, judge_logits=half))
        assert result.value == 0.5
        assert result.n == 60
        assert result.per_sample.tolist() == [0.5] * 60
        assert "bootstrap over 60 trials" in result.definition


def test_the_definition_names_the_judge_and_how_good_it_is():
    inputs = battery.example(perfect=True)
    judge = {"definition": "a line through pixels", "tested_on": "photographs left out"}
    result = ImageClassAccuracy().compute(
        replace(inputs, judge=judge | {"accuracy": 23 / 24, "n": 24})
    )
    assert "a line through pixels" in result.definition
    assert "its accuracy on photographs left out is 0.958 (n = 24)" in result.definition


def test_agreement_tells_misreading_from_misdrawing():
    inputs = battery.example(perfect=True, n=60, n_classes=2)
    wrong = np.eye(2)[1 - inputs.label]
    misread = replace(inputs, logits=wrong, judge_logits=wrong[:, None])
    assert ImageClassAccuracy().compute(misread).value == 0
    assert DecodedClassAgreement().compute(misread).value == 1


def test_untrained_classes_are_named():
    result = Accuracy().compute(replace(GOLDEN, trained_classes=(0, 1)))
    assert result.reason == ("not computed: test classes were never trained: class 2")


@pytest.fixture(scope="module")
def photographs():
    """24 smooth pictures in two families, 64 pixels."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    family = gaussian_filter(rng.normal(size=(2, 3, 64, 64)), (0, 0, 8, 8))
    own = gaussian_filter(rng.normal(size=(24, 3, 64, 64)), (0, 0, 4, 4))
    pictures = np.repeat(family, 12, axis=0) / family.std() + own / own.std()
    return np.clip(128 + 40 * pictures, 0, 255).astype(np.uint8)


def copies(photographs, pictures):
    """Copy share of `pictures`, one a trial."""
    inputs = battery.example(perfect=True, n=len(pictures))
    result = CopyShare().compute(
        replace(inputs, generated=pictures[:, None], train_images=photographs)
    )
    return result.value


def test_copies_are_found_behind_blur_noise_and_exposure(photographs):
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(1)
    changed = {
        "as it is": photographs,
        "blur": gaussian_filter(photographs, (0, 0, 2, 2)),
        "noise": np.clip(photographs + rng.normal(0, 20, photographs.shape), 0, 255),
        "exposure": photographs * 0.6 + 30,
    }
    for name, pictures in changed.items():
        assert copies(photographs, pictures.astype(np.uint8)) == 1, name


def test_new_pictures_and_averages_are_no_copies(photographs):
    left_out = [copies(np.delete(photographs, i, axis=0), photographs[[i]]) for i in range(24)]
    assert np.mean(left_out) <= 1 / 24
    means = np.stack([photographs[:12].mean(axis=0), photographs[12:].mean(axis=0)])
    assert copies(photographs, means.astype(np.uint8)) == 0


def test_repeated_training_images_count_once(photographs):
    twice = np.concatenate([photographs, photographs])
    assert copies(twice, photographs) == 1


def test_copy_share_needs_training_images_to_compare(photographs):
    inputs = replace(battery.example(perfect=True), train_images=photographs[:2])
    assert "three distinct training images" in CopyShare().compute(inputs).reason
