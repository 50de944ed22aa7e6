"""What a cell's contributions make of it: the verdict, and the differences from controls."""

import csv
from pathlib import Path

import numpy as np
import pytest

from zoo.engine.contribution import _difference, verdict
from zoo.pairings import Gain
from zoo.stages._contribution import _told


def gain(value, p, **more):
    return {"value": value, "ci95": [value - 0.05, value + 0.05], "p": p, "n": 300} | more


def scores(**within):
    """Contributions of picture scores whose within-class part is given."""
    return {
        k: {"of": "image", "eeg": gain(0.4, 0.001), "within_class": w} for k, w in within.items()
    }


def over(smallest_p=0.00025, **found):
    about = {"smallest_p": smallest_p}
    return {"predicted_label": {k: gain(v, p, p_holm=p, **about) for k, (v, p) in found.items()}}


CLASSES = {"image_class_accuracy": {"of": "class", "eeg": gain(0.8, 0.001)}}


def test_a_classifier_with_a_caption_is_named():
    """High class scores, nothing within the class, nothing over the prompt of the decoded class."""
    found = verdict(
        {**CLASSES, **scores(pixcorr=gain(0.01, 0.4), ssim=gain(-0.01, 0.5))},
        over(image_class_accuracy=(-0.02, 0.3), pixcorr=(0.00, 0.9)),
    )
    assert found["kind"] == "a classifier with a caption"
    assert found["sentence"].startswith("This is a classifier with a caption: no picture score")
    assert "of 2 scores the best is pixcorr, +0.000 [-0.050, +0.050]" in found["sentence"]
    assert "of 2 the nearest is pixcorr, +0.010 [-0.040, +0.060]" in found["sentence"]


def test_what_arrives_beyond_the_class_is_said_with_its_interval():
    found = verdict(scores(pixcorr=gain(0.10, 0.001), ssim=gain(0.0, 0.9)), over(pixcorr=(0, 0.9)))
    assert found["kind"] == "beyond the class"
    assert "pixcorr is +0.100 [+0.050, +0.150] better" in found["sentence"]
    assert "1 of 2 picture scores, Holm-corrected" in found["sentence"]


def test_many_scores_are_corrected():
    """One in ten at p = 0.03 is what chance gives."""
    many = {f"score{i}": gain(0.02, 0.03 if i == 0 else 0.5) for i in range(10)}
    assert verdict(scores(**many), over(score0=(0.0, 0.9)))["kind"] == "a classifier with a caption"


def test_worse_within_the_class_is_not_beyond_it():
    found = verdict(scores(pixcorr=gain(-0.10, 0.0005)), over(pixcorr=(0, 0.9)))
    assert found["kind"] == "a classifier with a caption"


def test_agreement_with_the_decoder_is_no_gain_over_its_own_word():
    """`decoded_class_agreement` is not about what was seen; it cannot lift a captioner."""
    found = verdict(scores(pixcorr=gain(0.0, 0.9)), over(pixcorr=(0.0, 0.9), agreement=(0.3, 0.0)))
    assert found["kind"] == "a classifier with a caption"


def test_a_gain_over_the_prompt_alone_is_the_class():
    found = verdict(scores(pixcorr=gain(0.0, 0.9)), over(pixcorr=(0.2, 0.001)))
    assert found["kind"] == "class only"
    assert "it gains in pixcorr" in found["sentence"]


def test_a_gain_whose_interval_holds_zero_is_none():
    """Eight subjects agree on these images, other images might turn it: p speaks of subjects."""
    found = over(pixcorr=(0.2, 0.001))
    found["predicted_label"]["pixcorr"]["ci95"] = [-0.01, 0.41]
    assert verdict(scores(pixcorr=gain(0.0, 0.9)), found)["kind"] != "class only"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (CLASSES, "no score that compares pictures was computed"),
        ({}, "no score that compares pictures was computed"),
        (scores(pixcorr={"reason": "pictures are paired by category"}), "paired by category"),
    ],
)
def test_what_cannot_be_told_says_why(given, said):
    found = verdict(given, over(pixcorr=(0, 0.9)))
    assert found["kind"] == "not told"
    assert said in found["sentence"]


def test_without_the_prompted_control_a_captioner_cannot_be_told():
    found = verdict(scores(pixcorr=gain(0.0, 0.9)), {"shuffled_eeg": {}})
    assert found["kind"] == "not told"
    assert "without the control predicted_label" in found["sentence"]


def test_where_no_test_can_find_a_gain_nobody_is_called_a_captioner():
    """Six subjects: a gain in all of them has p = 0.031, after Holm over two scores 0.062."""
    nothing = scores(pixcorr=gain(0.0, 0.9), ssim=gain(0.0, 0.9))
    found = verdict(nothing, over(2**-5, pixcorr=(0.3, 0.062), ssim=(0.3, 0.062)))
    assert found["kind"] == "not told"
    assert "no gain can be supported (smallest p after Holm: 0.062)" in found["sentence"]
    reached = verdict(nothing, over(2**-7, pixcorr=(0.0, 0.9), ssim=(0.0, 0.9)))
    assert reached["kind"] == "a classifier with a caption"


def test_without_any_interval_within_the_class_nothing_is_told():
    few = gain(0.3, 1.0) | {"ci95": None}
    found = verdict(scores(pixcorr=few), over(pixcorr=(0.0, 0.9)))
    assert found["kind"] == "not told"
    assert "too few independent units" in found["sentence"]


@pytest.mark.parametrize(("low", "high"), [(0.001, 0.9), (-0.001, 0.5), (-0.9, -0.001)])
def test_p_is_below_a_twentieth_where_the_interval_excludes_zero(low, high):
    """Skew intervals too; value and interval lie as a percentile bootstrap may leave them."""
    value = 0.2 if high > 0 else -0.2
    told = _told(Gain(value, (low, high), 40, "image", 12, "x"))
    assert (told["p"] < 0.05) == (low > 0 or high < 0)
    assert told["p"] == pytest.approx(0.05, abs=0.01)


def test_few_units_need_more_than_the_normal_law():
    """Twice as far off as the interval reaches: p = 0.005 by t with 4 units left, not 0.0001."""
    assert _told(Gain(0.2, (0.1, 0.3), 40, "run", 5, "x"))["p"] == pytest.approx(0.00515, rel=0.01)


def table(path: Path, score, **columns) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["trial_id", "score", *columns])
        writer.writerows(
            zip([f"t{i}" for i in range(len(score))], score, *columns.values(), strict=True)
        )
    return path


def test_a_difference_says_what_was_resampled_and_what_flipped(tmp_path):
    subject, image = np.repeat(np.arange(6), 40), np.tile(np.arange(40), 6)
    rng = np.random.default_rng(0)
    columns = {"cluster": image, "cluster_subject": subject}
    real = table(tmp_path / "real.csv", 0.5 + 0.1 * rng.normal(size=240), **columns)
    control = table(tmp_path / "control.csv", 0.1 * rng.normal(size=240), **columns)
    found = _difference({"higher_is_better": True, "split": "test"}, real, control, 0)
    assert "bootstrap over 6 subjects x 40 images" in found["definition"]
    assert "flipping the signs of 6 subjects (smallest possible: 0.031)" in found["definition"]
    assert found["smallest_p"] == 2**-5
    assert found["value"] == pytest.approx(0.5, abs=0.03)
    worse = _difference({"higher_is_better": False, "split": "test"}, real, control, 0)
    assert worse["value"] == -found["value"]
