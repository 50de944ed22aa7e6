"""Metrics that compare pictures: parity with references, all pairings, what degenerates."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial import distance
from skimage.color import rgb2gray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchvision.transforms.functional import InterpolationMode, resize

from registry import BadParameters
from zoo.checks import metric as battery
from zoo.contracts import TowerOutput
from zoo.drawings import draw, sample_factors
from zoo.metrics import _pairs, clip_similarity, correlation_distance, lpips, pixcorr, psnr, ssim
from zoo.metrics.clip_similarity import ClipSimilarity
from zoo.metrics.correlation_distance import CorrelationDistance
from zoo.metrics.lpips import Lpips
from zoo.metrics.pixcorr import Pixcorr
from zoo.metrics.psnr import CEILING, Psnr
from zoo.metrics.ssim import Ssim

CLOSE = 1e-5
OF_PIXELS = (Pixcorr, Psnr, Ssim)
OF_FEATURES = (ClipSimilarity, CorrelationDistance, Lpips)


def drawings(n, side=64, seed=0):
    """Drawings, one of them darkened: uint8 (n, 3, side, side)."""
    rng = np.random.default_rng(seed)
    pictures = np.stack([draw(sample_factors(i % 10, rng), side) for i in range(n)])
    pictures[-1] //= 3
    return pictures


def as_papers_resize(pictures_NCHW, size):
    """torchvision's resizing of pictures in [0, 1], float64."""
    unit = torch.from_numpy(pictures_NCHW).double() / 255
    return resize(unit, [size, size], InterpolationMode.BILINEAR, antialias=True).numpy()


def every_pair(reference, drawn, seen):
    """A reference for two pictures, pair by pair."""
    return np.array([[reference(a, b) for b in seen] for a in drawn])


@pytest.mark.parametrize(("side", "size"), [(64, 425), (64, 64), (64, 40)])
def test_pixcorr_is_the_correlation_of_resized_pixels(side, size):
    drawn, seen = drawings(4, side), drawings(3, side, seed=1)
    reference = every_pair(
        lambda a, b: np.corrcoef(a.ravel(), b.ravel())[0, 1],
        as_papers_resize(drawn, size),
        as_papers_resize(seen, size),
    )
    ours = pixcorr.scores(drawn, seen, size=size)
    assert np.abs(ours - reference).max() < CLOSE
    assert np.ptp(reference) > 0.1


@pytest.mark.parametrize(("size", "rows"), [(3, [2, 5]), (11, [2, 5])])
def test_pixcorr_takes_out_the_mean_of_the_resized_picture(size, rows):
    # Resizing weighs some rows of pixels more than others: the mean of a striped picture moves.
    striped, plain = np.zeros((1, 3, 8, 8), np.uint8), drawings(2, 8)[:1]
    striped[..., rows, :] = 200
    small = [as_papers_resize(pictures, size)[0].ravel() for pictures in (striped, plain)]
    assert abs(small[0].mean() * 255 - striped.mean()) > 3
    expected = np.corrcoef(*small)[0, 1]
    assert pixcorr.scores(striped, plain, size=size)[0, 0] == pytest.approx(expected, abs=CLOSE)


@pytest.mark.parametrize(("side", "size"), [(32, 160), (64, 64), (64, 40)])
def test_ssim_is_scikit_image_s(side, size):
    drawn, seen = drawings(4, side), drawings(3, side, seed=1)

    def reference(a, b):
        return structural_similarity(
            rgb2gray(a, channel_axis=0),
            rgb2gray(b, channel_axis=0),
            data_range=1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )

    whole = every_pair(reference, as_papers_resize(drawn, size), as_papers_resize(seen, size))
    assert np.abs(ssim.scores(drawn, seen, size=size) - whole).max() < CLOSE
    assert np.ptp(whole) > 0.1


def test_ssim_has_the_data_range_of_its_values():
    # With the constants for 255 on values in [0, 1], unlike pictures score nearly 1.
    drawn, seen = drawings(3), drawings(3, seed=1)
    grey = [
        rgb2gray(p, channel_axis=0) for p in as_papers_resize(np.stack([drawn[0], seen[1]]), 64)
    ]
    assert structural_similarity(*grey, data_range=255, gaussian_weights=True) > 0.95
    assert ssim.scores(drawn, seen, size=64)[0, 1] < 0.5


def test_psnr_is_scikit_image_s():
    drawn, seen = drawings(4), drawings(3, seed=1)
    reference = every_pair(lambda a, b: peak_signal_noise_ratio(a, b, data_range=255), drawn, seen)
    assert np.abs(psnr.scores(drawn, seen) - reference).max() < CLOSE


def test_squared_errors_of_eight_bit_pictures_are_exact_whole_numbers():
    drawn, seen = drawings(4), drawings(3, seed=1)
    whole = every_pair(lambda a, b: int(((a.astype(int) - b.astype(int)) ** 2).sum()), drawn, seen)
    assert (_pairs.squared_distances(drawn, seen) == whole).all()


def test_differences_of_eight_bit_pictures_do_not_wrap_around():
    grey, white = np.full((1, 3, 16, 16), 200, np.uint8), np.full((1, 3, 16, 16), 255, np.uint8)
    assert ((grey - white) ** 2).mean() == 55**2 % 256  # what eight bits make of 3025
    assert psnr.scores(grey, white)[0, 0] == pytest.approx(10 * np.log10(255**2 / 55**2))
    assert psnr.scores(white, grey)[0, 0] == pytest.approx(10 * np.log10(255**2 / 55**2))


def test_psnr_of_equal_pictures_is_the_ceiling():
    pictures = drawings(3)
    assert np.diag(psnr.scores(pictures, pictures)) == pytest.approx([CEILING] * 3)
    assert pytest.approx(10 * np.log10(12 * 255**2)) == CEILING
    assert f"{CEILING:.1f} dB" in Psnr().compute(battery.example(perfect=True)).definition


def test_distances_and_similarities_of_features_are_scipy_s():
    rng = np.random.default_rng(0)
    drawn = rng.normal(3, 1, (5, 4096)).astype(np.float32)
    seen = rng.normal(3, 1, (4, 4096)).astype(np.float32)
    for ours, reference in (
        (correlation_distance.scores(drawn, seen), distance.correlation),
        (1 - clip_similarity.scores(drawn, seen), distance.cosine),
        (lpips.scores(drawn, seen) / 4096, lambda a, b: distance.sqeuclidean(a, b) / 4096),
    ):
        whole = every_pair(reference, drawn.astype(float), seen.astype(float))
        assert np.abs(ours - whole).max() < CLOSE


def test_lpips_keeps_small_distances_of_long_vectors():
    seen = np.random.default_rng(0).normal(10, 1, (3, 50_000)).astype(np.float32)
    drawn = seen.copy()
    drawn[:, 0] += 0.01
    assert np.diag(lpips.scores(drawn, seen)) == pytest.approx([1e-4] * 3, abs=CLOSE / 10)


def test_lpips_is_not_the_name_of_any_other_distance():
    with pytest.raises(BadParameters, match="'clip-vit-l-14', whose vectors are no LPIPS; choose"):
        Lpips(tower="clip-vit-l-14")


def test_a_vector_of_weighted_activations_gives_lpips():
    # Its definition: activations of length 1 over channels, squared differences weighted by
    # channel, averaged over places, summed over layers.
    rng = np.random.default_rng(0)
    layers = [rng.random((2, 6, 5, 5)), rng.random((2, 8, 3, 3))]
    weights = [rng.random(6), rng.random(8)]
    distances, vectors = 0.0, []
    for activation, weight in zip(layers, weights, strict=True):
        unit = activation / np.linalg.norm(activation, axis=1, keepdims=True)
        distances += ((unit[0] - unit[1]) ** 2 * weight[:, None, None]).sum(axis=0).mean()
        places = unit.shape[2] * unit.shape[3]
        vectors.append((unit * np.sqrt(weight / places)[:, None, None]).reshape(2, -1))
    both = np.concatenate(vectors, axis=1).astype(np.float32)
    assert lpips.scores(both[:1], both[1:])[0, 0] == pytest.approx(distances, abs=CLOSE)


def small(k=2, side=16):
    """Six trials that saw four pictures, `k` pictures drawn for each."""
    rng = np.random.default_rng(3)
    inputs = battery.take(battery.example(perfect=False, k=k), np.arange(6))
    target = np.array([2, 0, 0, 3, 1, 2])
    return replace(
        inputs,
        generated=rng.integers(0, 256, (6, k, 3, side, side), dtype=np.uint8),
        seen=rng.integers(0, 256, (4, 3, side, side), dtype=np.uint8),
        target=target,
        image_id=np.array([f"image{t}" for t in target]),
        features=TowerOutput(
            name="example",
            definition="an example",
            drawn=rng.normal(size=(6, k, 8)).astype(np.float32),
            seen=rng.normal(size=(4, 8)).astype(np.float32),
        ),
    )


@pytest.mark.parametrize("cls", [*OF_PIXELS, *OF_FEATURES])
def test_every_pairing_is_the_score_had_the_trial_seen_that_picture(cls):
    inputs = small()
    result = cls().compute(inputs)
    assert result.pairs.of == "image"
    assert result.pairs.scores_NT.shape == (6, 4)
    assert result.value == pytest.approx(result.per_sample.mean())
    for shift in range(1, 4):
        other = (inputs.target + shift) % 4
        swapped = cls().compute(replace(inputs, target=other)).per_sample
        assert result.pairs.scores_NT[np.arange(6), other] == pytest.approx(swapped)


@pytest.mark.parametrize("cls", [*OF_PIXELS, *OF_FEATURES])
def test_the_pictures_of_a_trial_are_averaged_first(cls):
    both = small(k=2)
    singly = [
        replace(
            both,
            generated=both.generated[:, k : k + 1],
            features=replace(both.features, drawn=both.features.drawn[:, k : k + 1]),
        )
        for k in range(2)
    ]
    alone = [cls().compute(inputs).per_sample for inputs in singly]
    assert cls().compute(both).per_sample == pytest.approx(np.mean(alone, axis=0))
    assert cls().compute(both).n == 6


@pytest.mark.parametrize("cls", [*OF_PIXELS, *OF_FEATURES])
def test_blocks_of_any_size_give_the_same_scores(cls, monkeypatch):
    whole = cls().compute(small()).pairs.scores_NT
    monkeypatch.setattr(_pairs, "BLOCK_BYTES", 5000)
    monkeypatch.setattr(ssim, "CHUNK", 300)
    assert len([*_pairs.blocks(6, 2000)]) == 3
    assert cls().compute(small()).pairs.scores_NT == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("cls", [*OF_PIXELS, *OF_FEATURES])
def test_a_picture_that_only_stands_for_its_class_is_called_that(cls):
    inputs = small()
    assert "the picture seen" in cls().compute(inputs).definition
    unsure = cls().compute(replace(inputs, image_known=False)).definition
    assert "which one was shown is not known" in unsure


def test_ssim_without_pairings_scores_the_own_pictures_alone():
    inputs = small()
    whole, own = Ssim().compute(inputs), Ssim(pairings=False).compute(inputs)
    assert own.pairs is None
    assert own.per_sample == pytest.approx(whole.per_sample)
    assert own.ci95 == whole.ci95


def test_ssim_enlarges_only_where_it_is_told_to():
    inputs = small(k=1)
    assert "at 16x16" in Ssim().compute(inputs).definition
    enlarged = Ssim(size=48, enlarge=True).compute(inputs)
    assert "at 48x48" in enlarged.definition
    drawn, seen = inputs.generated[:, 0], inputs.seen
    assert enlarged.pairs.scores_NT == pytest.approx(ssim.scores(drawn, seen, size=48))


def test_pictures_smaller_than_the_window_are_refused():
    result = Ssim().compute(small(side=8))
    assert result.value is None
    assert "at least 11 pixels, these have 8" in result.reason


@pytest.mark.parametrize(("cls", "size"), [(Ssim, 10), (Pixcorr, 1)])
def test_sizes_that_cannot_be_are_refused(cls, size):
    with pytest.raises(BadParameters, match=f"'size' is {size}; it takes at least"):
        cls(size=size)


@pytest.mark.parametrize("size", [8, 16, 425])
def test_a_flat_picture_correlates_with_nothing(size):
    flat, any_picture = np.full((1, 3, 16, 16), 77, np.uint8), small().seen
    assert (pixcorr.scores(flat, any_picture, size=size) == 0).all()
    assert (pixcorr.scores(any_picture, any_picture, size=size).diagonal() > 0.9999).all()


def test_constant_features_correlate_with_nothing():
    constant = np.full((1, 8), 0.1, np.float32)
    seen = small().features.seen
    assert (correlation_distance.scores(constant, seen) == 1).all()
    assert (clip_similarity.scores(np.zeros_like(constant), seen) == 0).all()


@pytest.mark.parametrize("cls", OF_FEATURES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_give_a_reason(cls, bad):
    inputs = small()
    seen = inputs.features.seen.copy()
    seen[1, 2] = bad
    result = cls().compute(replace(inputs, features=replace(inputs.features, seen=seen)))
    assert result.value is None
    assert result.reason == "not computed: the features by example are not finite"


@pytest.mark.parametrize("cls", OF_FEATURES)
def test_the_tower_is_named(cls):
    inputs = small()
    assert "(example: an example)" in cls(tower="lpips-pocket").compute(inputs).definition
    missing = replace(inputs, features=None, tower_missing="needs the tower that is not there")
    result = cls(tower="lpips-pocket").compute(missing)
    assert "(lpips-pocket)" in result.definition
    assert result.reason == "not computed: needs the tower that is not there"
