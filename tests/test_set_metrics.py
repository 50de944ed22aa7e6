"""Inception score, FID and KID: parity, fewest pictures, figures beside them, intervals."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.metrics.pairwise import polynomial_kernel

from registry import BadParameters
from zoo.checks import metric as battery
from zoo.contracts import TowerOutput
from zoo.metrics import fid, kid
from zoo.metrics._sets import jackknife, read_sets
from zoo.metrics.fid import FID, frechet_distance
from zoo.metrics.inception_score import InceptionScore
from zoo.metrics.kid import KID, kernel_distance


class Same(torch.nn.Module):
    """Stands where a reference library expects a network: features in, features out."""

    num_features = 16

    def forward(self, x):
        return x


def reference(name, a, b=None, **params):
    """Return what torchmetrics makes of two sets of features."""
    import torchmetrics.image as tm

    with warnings.catch_warnings():  # about memory, and the deviation of one part
        warnings.simplefilter("ignore")
        metric = getattr(tm, name)(feature=Same(), **params)
        if name == "InceptionScore":
            metric.update(torch.from_numpy(a))
        else:
            metric.set_dtype(torch.float64)
            metric.update(torch.from_numpy(b), real=True)
            metric.update(torch.from_numpy(a), real=False)
        result = metric.compute()
    return float(result[0] if isinstance(result, tuple) else result)


def features(n, f, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(n, f)) @ np.random.default_rng(9).normal(size=(f, f)) / np.sqrt(f)
    return np.maximum(0, mixed + shift)


def inputs_of(drawn, seen, of="features", **changes):
    """Return inputs in which trial i saw picture i and drew `drawn[i]`, (F,) or (K, F)."""
    drawn = drawn if drawn.ndim == 3 else drawn[:, None]
    tower = TowerOutput(name="made up", definition="a made-up tower", drawn=drawn, seen=seen)
    inputs = battery.example(perfect=False, n=len(drawn))
    other = "scores" if of == "features" else "features"
    return replace(inputs, **{of: tower, other: None}, **changes)


def repeated(inputs, times):
    """Return `inputs` with every image shown `times` times in a row."""
    image = np.arange(len(inputs.trial_id)) // times
    names = np.array([f"image{i:04d}" for i in image])
    tower = replace(inputs.features, seen=inputs.features.seen[::times])
    return replace(inputs, image_id=names, target=image, features=tower)


@pytest.mark.parametrize(("n_drawn", "n_seen"), [(60, 60), (200, 45), (20, 17), (10, 12)])
def test_fid_is_that_of_torchmetrics(n_drawn, n_seen):
    drawn, seen = features(n_drawn, 16, 0), features(n_seen, 16, 1, shift=0.3)
    expected = reference("FrechetInceptionDistance", drawn, seen)
    assert frechet_distance(drawn, seen) == pytest.approx(expected, rel=1e-5)


def test_fid_is_the_formula_with_a_matrix_root():
    drawn, seen = features(300, 40, 0), features(150, 40, 1, shift=0.3)
    s_drawn, s_seen = np.cov(drawn.T), np.cov(seen.T)
    root = scipy.linalg.sqrtm(s_drawn @ s_seen).real
    formula = ((drawn.mean(0) - seen.mean(0)) ** 2).sum() + np.trace(s_drawn + s_seen - 2 * root)
    value = FID().compute(inputs_of(drawn, seen, target=np.arange(300) // 2)).value
    assert value == pytest.approx(formula, rel=1e-9)


def test_fid_of_sets_that_lie_apart_by_a_vector(monkeypatch):
    x, by = features(50, 16, 0), np.arange(16) / 8
    assert frechet_distance(x, x + by) == pytest.approx((by**2).sum(), rel=1e-9)
    whole = frechet_distance(x, features(70, 16, 1))
    monkeypatch.setattr(fid, "BLOCK", 7)
    assert frechet_distance(x, features(70, 16, 1)) == pytest.approx(whole, rel=1e-12)


def test_kid_is_that_of_torchmetrics():
    drawn, seen = features(80, 16, 0), features(80, 16, 1, shift=0.3)
    expected = reference("KernelInceptionDistance", drawn, seen, subsets=1, subset_size=80)
    result = KID().compute(inputs_of(drawn, seen))
    assert result.value == pytest.approx(expected, rel=1e-5)


def test_kid_of_unequal_sets_without_each_group_and_without_own_pairs(monkeypatch):
    monkeypatch.setattr(kid, "BLOCK", 13)
    inputs = repeated(inputs_of(features(120, 16, 0), features(120, 16, 1, shift=0.3)), 2)
    sets = read_sets(inputs, inputs.features, groups=7)
    value, without_G, apart = kernel_distance(sets)
    drawn, seen = sets.drawn_MF, sets.seen_TF
    assert (len(drawn), len(seen)) == (120, 60)
    assert value == pytest.approx(squared_mmd(drawn, seen), rel=1e-9)
    for group in (0, 6):
        rest = squared_mmd(drawn[sets.group_M != group], seen[sets.group_T != group])
        assert without_G[group] == pytest.approx(rest, rel=1e-9)
    own_MM = sets.own_M[:, None] == sets.own_M
    own_MT = sets.own_M[:, None] == np.arange(60)
    assert apart == pytest.approx(squared_mmd(drawn, seen, ~own_MM, ~own_MT), rel=1e-9)


def squared_mmd(x, y, xx=None, xy=None):
    """Return the unbiased squared MMD; `xx` and `xy` mark the pairs that count."""
    k_xx, k_yy, k_xy = (polynomial_kernel(a, b) for a, b in ((x, x), (y, y), (x, y)))
    xx = ~np.eye(len(x), dtype=bool) if xx is None else xx
    xy = np.ones_like(k_xy, dtype=bool) if xy is None else xy
    return k_xx[xx].mean() + k_yy[~np.eye(len(y), dtype=bool)].mean() - 2 * k_xy[xy].mean()


def test_a_copy_of_what_was_seen_has_a_kid_below_zero_and_none_apart():
    seen = features(60, 16, 0)
    result = KID().compute(inputs_of(seen, seen))
    assert result.value < -0.01
    assert result.beside["without pairs that belong to one picture seen"] == pytest.approx(0)


def logits(n, n_classes, seed, sharp=3.0):
    rng = np.random.default_rng(seed)
    named = rng.integers(n_classes, size=n)
    return sharp * np.eye(n_classes)[named] + rng.normal(size=(n, n_classes))


def test_inception_score_is_that_of_torchmetrics():
    drawn = logits(330, 12, 0)
    result = InceptionScore().compute(inputs_of(drawn, logits(330, 12, 1), "scores"))
    expected = reference("InceptionScore", drawn, splits=1)
    assert result.value == pytest.approx(expected, rel=1e-5)
    assert "330 pictures, in one part" in result.definition


def test_from_5000_pictures_on_the_inception_score_is_a_mean_over_parts():
    drawn, seen = logits(5000, 4, 0), logits(5000, 4, 1)
    ten = InceptionScore().compute(inputs_of(drawn, seen, "scores"))
    one = InceptionScore(splits=1).compute(inputs_of(drawn, seen, "scores"))
    assert "mean of 10 parts" in ten.definition
    assert 0 < one.value - ten.value < 0.05  # fewer pictures a part: a lower score
    few = InceptionScore().compute(inputs_of(drawn[:4999], seen[:4999], "scores"))
    assert few.value == pytest.approx(one.value, rel=1e-3)
    with pytest.raises(BadParameters, match="'splits' is 0; it takes at least 1"):
        InceptionScore(splits=0)


def test_beside_the_inception_score_stand_the_seen_pictures_and_the_class_accuracy():
    drawn, seen = logits(300, 4, 0, sharp=9.0), logits(300, 4, 1, sharp=1.0)
    result = InceptionScore().compute(inputs_of(drawn, seen, "scores"))
    assert result.beside == {
        "seen pictures, same n": pytest.approx(reference("InceptionScore", seen, splits=1)),
        "class accuracy": (drawn.argmax(1) == seen.argmax(1)).mean(),
    }
    # Wrong classes score as high as right ones: that is why the accuracy stands beside.
    right = InceptionScore().compute(inputs_of(seen, seen, "scores"))
    wrong = InceptionScore().compute(inputs_of(np.roll(seen, 1, axis=1), seen, "scores"))
    assert right.value == pytest.approx(wrong.value, rel=1e-9)
    assert right.beside["class accuracy"] == 1
    assert wrong.beside["class accuracy"] < 0.5


def test_scores_are_weighed_by_how_often_a_picture_was_seen():
    drawn, seen = logits(100, 3, 0), logits(20, 3, 1)
    target = np.minimum(np.arange(100), 19)
    result = InceptionScore().compute(inputs_of(drawn, seen, "scores", target=target))
    often = reference("InceptionScore", seen[target], splits=1)
    assert result.beside["seen pictures, same n"] == pytest.approx(often, rel=1e-6)
    assert "20 distinct ones" in result.definition


def test_too_few_pictures_for_a_fid_are_named():
    for n, said in ((96, "97 pictures drawn, there are 96"), (97, None)):
        result = FID().compute(inputs_of(features(n, 96, 0), features(n, 96, 1)))
        assert (result.value is None) == (said is not None)
        assert said is None or said in result.reason
    # Three pictures a trial are pictures, but 60 images shown twice are 60 pictures.
    thrice = np.repeat(features(60, 96, 0)[:, None], 3, axis=1)
    reason = FID().compute(inputs_of(thrice, features(60, 96, 1))).reason
    assert "needs at least 97 distinct pictures seen, there are 60" in reason
    assert "kid has no such bound" in reason


def test_the_pocket_test_split_has_a_fid_with_its_floor_beside():
    """330 pictures and 96 features; the sets do not differ, and the figure is far from 0."""
    result = FID().compute(inputs_of(features(330, 96, 0), features(330, 96, 1)))
    floor = result.beside["two halves of the pictures seen, 165 each"]
    assert 0.5 * floor < result.value < floor
    assert f"165 each, are {floor:.4g} apart" in result.definition
    unbiased = result.beside["without what so few pictures add, by jackknife"]
    assert abs(unbiased) < 0.05 * result.value


def test_the_correction_of_a_fid_finds_the_distance_of_very_many_pictures():
    many = frechet_distance(features(40_000, 16, 0), features(40_000, 16, 1, shift=0.2))
    result = FID().compute(inputs_of(features(400, 16, 2), features(400, 16, 3, shift=0.2)))
    unbiased = result.beside["without what so few pictures add, by jackknife"]
    assert result.value - many > 3 * abs(unbiased - many)


def test_too_few_pictures_for_a_kid_are_named():
    drawn, seen = features(100, 16, 0), features(100, 16, 1)
    reason = KID().compute(inputs_of(drawn[:49], seen[:49])).reason
    assert reason == "not computed: needs at least 50 test trials, there are 49"
    reason = KID().compute(repeated(inputs_of(drawn, seen), 4)).reason
    assert reason == "not computed: needs at least 50 distinct pictures seen, there are 25"


def test_too_few_pictures_for_an_inception_score_are_named():
    each = 12 * np.eye(40)[np.arange(399) % 40]  # 40 classes: 400 pictures
    reason = InceptionScore().compute(inputs_of(each, each, "scores")).reason
    assert re.search(r"needs at least 400 pictures drawn, there are 399: .* 40 classes", reason)
    # One class is little variety, and 60 pictures show that; what was seen takes more.
    single = np.tile(each[:1], (60, 1))
    assert InceptionScore().compute(inputs_of(single, single, "scores")).value == pytest.approx(1)
    assert InceptionScore().compute(inputs_of(single, each[:60], "scores")).value is None


def test_the_definition_says_by_how_much_few_pictures_lower_an_inception_score():
    population = InceptionScore().compute(inputs_of(*[logits(4999, 12, 7, 6.0)] * 2, "scores"))
    rows = [logits(200, 12, seed, 6.0) for seed in range(40)]
    results = [InceptionScore().compute(inputs_of(r, r, "scores")) for r in rows]
    lowered = 1 - np.exp(np.mean([np.log(r.value) for r in results])) / population.value
    said = [float(re.search(r"by about ([\d.]+) %", r.definition)[1]) / 100 for r in results]
    assert 0.01 < lowered < 0.05
    assert 0.5 < np.mean(said) / lowered < 2


def test_repeated_images_are_left_out_together():
    """Trials of one image say the same: as many independent pictures are fewer."""
    inputs = inputs_of(np.repeat(features(60, 16, 0), 4, axis=0), features(240, 16, 1))
    known = repeated(inputs, 4)
    guessed = replace(known, image_known=False)
    for metric in (KID(), FID()):
        one, other = metric.compute(known), metric.compute(guessed)
        assert one.value == other.value
        assert "over 60 images" in one.definition
        assert "over 240 trials" in other.definition
        assert np.diff(one.ci95) > 1.3 * np.diff(other.ci95)
    # Nobody knows whose picture it is: it stays while one of its trials does.
    assert (read_sets(guessed, guessed.features, groups=240).group_T == -1).all()


def test_trials_are_counted_and_few_runs_are_still_trials():
    twice = np.repeat(features(60, 8, 0)[:, None], 2, axis=1)
    result = FID().compute(inputs_of(twice, features(60, 8, 1)))
    assert (result.n, result.unit, result.per_sample) == (60, "trial", None)
    assert "120 drawn, 60 seen" in result.definition
    inputs = inputs_of(features(60, 2, 0), features(60, 2, 1), run=np.arange(60) % 5)
    assert "over 5 runs" in FID().compute(inputs).definition
    assert "over 5 runs" in KID().compute(inputs).definition


def test_without_an_interval_the_definition_says_why():
    few = repeated(inputs_of(features(12, 2, 0), features(12, 2, 1)), 3)
    result = FID().compute(few)
    assert result.value is not None
    assert result.ci95 is None
    assert "No interval: 4 images are too few" in result.definition


def test_the_jackknife_of_a_mean_is_its_standard_error():
    rng = np.random.default_rng(0)
    values, size_G = rng.normal(size=600), rng.integers(1, 6, size=200)
    group = np.repeat(np.arange(200), size_G)[:500]
    values, size_G = values[: len(group)], np.bincount(group)
    without = (values.sum() - np.bincount(group, weights=values)) / (len(group) - size_G)
    low, high = jackknife(values.mean(), without, size_G)
    expected = 2 * 1.972 * values.std() / np.sqrt(len(values))
    assert high - low == pytest.approx(expected, rel=0.1)


def score_inputs(rng):
    shares = np.arange(1, 9) / 36
    drawn = 4 * np.eye(8)[rng.choice(8, size=150, p=shares)] * rng.uniform(0.3, 1, size=(150, 1))
    drawn += rng.normal(size=(150, 8))
    return inputs_of(drawn, drawn, "scores", image_known=False, run=np.zeros(150, dtype=np.int64))


def feature_inputs(rng):
    seen = rng.normal(size=(120, 6))
    drawn = 0.8 * (rng.normal(size=(120, 6)) + 0.5 * seen) + 0.5
    return inputs_of(drawn, seen, image_known=False)


@pytest.mark.parametrize(
    ("metric", "draw", "repeats"),
    [
        (InceptionScore(), score_inputs, 250),
        (KID(), feature_inputs, 250),
        (FID(), feature_inputs, 250),
    ],
    ids=["inception_score", "kid", "fid"],
)
def test_intervals_cover_what_as_many_other_trials_give(metric, draw, repeats):
    rng = np.random.default_rng(3)
    results = [metric.compute(draw(rng)) for _ in range(repeats)]
    truth = np.mean([result.value for result in results])
    low, high = np.array([result.ci95 for result in results]).T
    # 95 % with a simulation error of 1.4 %.
    assert 0.92 <= ((low <= truth) & (truth <= high)).mean() <= 0.985


def crossed_inputs(rng, subjects=8, images=60, of_subject=1.0, of_image=0.0):
    """Return inputs in which every subject saw every image; both leave their mark on the drawn."""
    image, subject = np.tile(np.arange(images), subjects), np.repeat(np.arange(subjects), images)
    seen = rng.normal(size=(images, 4))
    drawn = rng.normal(size=(len(image), 4)) + of_subject * rng.normal(size=(subjects, 4))[subject]
    drawn += of_image * seen[image]
    tower = TowerOutput(name="x", definition="x", drawn=drawn[:, None], seen=seen)
    example = battery.example(perfect=False, n=len(image))
    names = np.array([f"image{i:04d}" for i in image])
    return replace(
        example, subject=subject, image_id=names, target=image, features=tower, scores=tower
    )


@pytest.mark.parametrize("metric", [FID(), KID(), InceptionScore()], ids=["fid", "kid", "is"])
def test_where_subjects_and_images_cross_both_are_left_out(metric):
    """Subjects differ: leaving out images alone, or subjects renamed, would hide it."""
    inputs = crossed_inputs(np.random.default_rng(0))
    result = metric.compute(inputs)
    assert "jackknife over 8 subjects x 60 images" in result.definition
    alone = metric.compute(replace(inputs, subject=np.zeros(480, np.int64)))
    assert result.value == pytest.approx(alone.value)
    assert "over 60 images" in alone.definition
    assert np.diff(result.ci95) > 2 * np.diff(alone.ci95)
    order = np.random.default_rng(1).permutation(480)
    tower = replace(inputs.features, drawn=inputs.features.drawn[order])
    changes = {"subject": inputs.subject[order], "image_id": inputs.image_id[order]}
    changes |= {"target": inputs.target[order], "trial_id": inputs.trial_id[order]}
    mixed = metric.compute(replace(inputs, **changes, features=tower, scores=tower))
    assert mixed.ci95 == pytest.approx(result.ci95)


def test_intervals_cover_other_subjects_and_other_images():
    rng = np.random.default_rng(5)
    results = [
        KID().compute(crossed_inputs(rng, images=50, of_subject=0.4, of_image=0.7))
        for _ in range(120)
    ]
    truth = np.mean([result.value for result in results])
    low, high = np.array([result.ci95 for result in results]).T
    # 95 % with a simulation error of 2 %.
    assert 0.89 <= ((low <= truth) & (truth <= high)).mean() <= 1
