"""PixCorr: Pearson correlation of the pixels of the picture drawn and the picture seen."""

from __future__ import annotations

from functools import partial

import numpy as np

from registry import BadParameters, component
from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._classes import not_computed, unmet
from zoo.metrics._pairs import (
    flattened,
    inner_products,
    reciprocal_lengths,
    result,
    the_picture_seen,
)
from zoo.metrics._pictures import fold, resized

#: A picture that varies less than this, in grey levels (root of the summed squares), is flat.
FLAT = 1e-3


@component(
    "metric",
    paper="10.48550/arXiv.2403.11207",
    license="BSD-3-Clause",
    needs=("generated", "seen"),
    level="trial",
    higher_is_better=True,
    min_n=1,
)
class Pixcorr:
    """Correlation of pixels, all three colours together.

    It rewards the right layout of light and dark and no more: the mean of many pictures scores
    well. Unrelated photographs correlate, since skies are bright and centres are not; what the
    score gains over other pictures is what counts.

    Parameters
    ----------
    size : int
        Side to which pictures are resized first (bilinear, smoothed where it shrinks).
    """

    def __init__(self, *, size: int = 425):
        if size < 2:
            raise BadParameters(f"metric 'pixcorr' parameter 'size' is {size}; it takes at least 2")
        self.size = size

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the mean; ``per_sample`` is the mean over a trial's pictures."""
        definition = (
            "Pearson correlation of the RGB values of the picture drawn and of "
            f"{the_picture_seen(inputs)} at the size of the drawn one, both resized to "
            f"{self.size}x{self.size} (bilinear), averaged over a trial's pictures, "
            f"then over the {inputs.split} trials. A flat picture correlates with nothing: 0."
        )
        if why := unmet(self, inputs):
            return not_computed(inputs, definition, why)
        scores_NT = scores(flattened(inputs.generated), inputs.seen, size=self.size)
        shape = (*inputs.generated.shape[:2], -1)
        return result(inputs, scores_NT.reshape(shape), definition)


def scores(drawn_NCHW: np.ndarray, seen_TCHW: np.ndarray, *, size: int = 425) -> np.ndarray:
    """Return the correlation of every picture drawn with every picture seen, (N, T).

    Parameters
    ----------
    drawn_NCHW, seen_TCHW : uint8 arrays (N, 3, H, W) and (T, 3, H, W)
    size : int
        Side to which both are resized.
    """
    enlarges = max(drawn_NCHW.shape[2:]) < size
    prepare = partial(_folded if enlarges else _shrunk, size=size)
    return np.clip(
        inner_products(drawn_NCHW, seen_TCHW, prepare, width=4 * drawn_NCHW[0].size), -1, 1
    )


def _shrunk(pictures_NCHW: np.ndarray, size: int) -> np.ndarray:
    """Return the resized pictures as vectors of mean 0 and length 1."""
    import torch

    small = resized(torch.from_numpy(_about_zero(pictures_NCHW)), size).numpy()
    return _unit(small.reshape(len(small), -1), np.ones(3 * size**2, dtype=np.float32))


def _folded(pictures_NCHW: np.ndarray, size: int) -> np.ndarray:
    """Return vectors with the inner products of `_shrunk`, for pictures that would be enlarged."""
    rows, columns = (fold(side, size).astype(np.float32) for side in pictures_NCHW.shape[2:])
    folded = rows @ _about_zero(pictures_NCHW) @ columns.T
    white = np.tile(np.outer(rows.sum(axis=1), columns.sum(axis=1)).ravel(), 3)
    return _unit(folded.reshape(len(folded), -1), white)


def _about_zero(pictures_NCHW: np.ndarray) -> np.ndarray:
    """Return float32 pictures less their mean, so that a flat one is exactly 0."""
    means_N = pictures_NCHW.mean(axis=(1, 2, 3), keepdims=True)
    return pictures_NCHW - means_N.astype(np.float32)


def _unit(vectors_NP: np.ndarray, white_P: np.ndarray) -> np.ndarray:
    """Return vectors of length 1 without their part along `white_P`, the vector of a flat picture.

    Resizing moves the mean a little, so that it is taken out again here.
    """
    white_P = white_P / np.linalg.norm(white_P)
    vectors = vectors_NP - np.outer(vectors_NP @ white_P, white_P)
    return vectors * reciprocal_lengths(vectors, FLAT)
