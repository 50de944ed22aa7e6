"""What a cell's contributions make of it: the verdict, and the differences from controls."""

import pytest

from zoo.engine.contribution import verdict


def gain(value, p, **more):
    return {"value": value, "ci95": [value - 0.05, value + 0.05], "p": p, "n": 300} | more


def scores(**within):
    """Contributions of picture scores whose within-class part is given."""
    return {
        k: {"of": "image", "eeg": gain(0.4, 0.001), "within_class": w} for k, w in within.items()
    }


def over(**found):
    return {"predicted_label": {k: gain(v, p, p_holm=p) for k, (v, p) in found.items()}}


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
