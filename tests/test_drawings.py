"""The picture world: deterministic, varied, and no background that gives a class away."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from zoo.drawings import CLASSES, caption, draw, sample_factors
from zoo.drawings.backgrounds import BACKGROUNDS
from zoo.seeds import numpy_rng


@pytest.fixture(scope="module")
def factors():
    rng = numpy_rng(0, "test drawings")
    return [sample_factors(i % len(CLASSES), rng) for i in range(1000)]


def test_ten_classes_of_the_forty_with_distinct_names_and_synsets():
    assert len(CLASSES) == 10
    assert len({c.name for c in CLASSES}) == len({c.synset for c in CLASSES}) == 10
    assert {"coffee mug": "n03063599", "jack-o'-lantern": "n03590841"}.items() <= {
        c.name: c.synset for c in CLASSES
    }.items()


def test_a_picture_is_decided_by_its_factors(factors):
    for f in factors[:10]:
        picture = draw(f)
        assert picture.shape == (3, 64, 64)
        assert picture.dtype == np.uint8
        np.testing.assert_array_equal(picture, draw(f))


def test_factors_are_decided_by_the_generator(factors):
    rng = numpy_rng(0, "test drawings")
    assert [sample_factors(i % len(CLASSES), rng) for i in range(30)] == factors[:30]


@pytest.mark.parametrize("class_index", range(10))
def test_pictures_of_one_class_differ_from_each_other(factors, class_index):
    pictures = np.stack([draw(f) for f in factors[class_index:120:10]]).astype(float)
    gaps = np.abs(pictures[:, None] - pictures[None]).mean((2, 3, 4))
    assert gaps[~np.eye(len(gaps), dtype=bool)].min() > 8


def test_every_class_stands_on_every_background(factors):
    seen = defaultdict(Counter)
    for f in factors:
        seen[f.background][f.class_index] += 1
    assert len(BACKGROUNDS) >= 6
    assert set(seen) == set(BACKGROUNDS)
    for name, classes in seen.items():
        assert len(classes) == len(CLASSES), name
        assert max(classes.values()) / sum(classes.values()) < 0.25, name


def test_the_background_alone_does_not_give_the_class_away(factors):
    """The picture's rim, where objects seldom reach, predicts the class hardly above chance."""
    rims = []
    for f in factors[:500]:
        picture = draw(f).astype(float) / 255
        rims.append(np.concatenate([picture[:, 0].ravel(), picture[:, -1].ravel()]))
    rims, labels = np.stack(rims), np.array([f.class_index for f in factors[:500]])
    train, test = np.arange(500) < 300, np.arange(500) >= 300
    means = np.stack([rims[train & (labels == k)].mean(0) for k in range(10)])
    guesses = ((rims[test][:, None] - means) ** 2).sum(2).argmin(1)
    assert (guesses == labels[test]).mean() < 0.25


def test_colour_and_pose_vary_and_fill_the_vector(factors):
    vectors = np.stack([f.vector for f in factors])
    assert vectors.dtype == np.float32
    assert vectors.shape == (1000, 8)
    assert np.abs(vectors).max() <= 1.0
    assert vectors.std(0).min() > 0.3
    for k, kind in enumerate(CLASSES):
        assert {f.colour for f in factors[k::10]} == set(kind.colours)


def test_captions_name_the_class_and_on_demand_the_colour(factors):
    for f in factors[:50]:
        name = CLASSES[f.class_index].name
        assert caption(f).endswith(f"{f.colour} {name}")
        assert f.colour not in caption(f, with_colour=False)
    by_class = {CLASSES[f.class_index].name: caption(f, with_colour=False) for f in factors}
    assert by_class["airliner"] == "a photo of an airliner"
    assert by_class["coffee mug"] == "a photo of a coffee mug"


def test_any_size_can_be_drawn(factors):
    assert draw(factors[0], size=32).shape == (3, 32, 32)
