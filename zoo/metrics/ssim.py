"""SSIM: structural similarity of the picture drawn and the picture seen, on luminance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from registry import BadParameters, component
from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._classes import not_computed, unmet
from zoo.metrics._intervals import bootstrapped
from zoo.metrics._pairs import blocks, flattened, result, the_picture_seen
from zoo.metrics._pictures import luminance

if TYPE_CHECKING:
    from torch import Tensor

SIGMA = 1.5
#: Of the Gaussian window: 3.5 standard deviations, rounded.
RADIUS = 5
WINDOW = 2 * RADIUS + 1
#: Wang's constants for values in [0, 1].
C1, C2 = 0.01**2, 0.03**2
#: Pixels worked on at once: what stays in a processor's cache.
CHUNK = 2**17


@component(
    "metric",
    paper="10.1109/TIP.2003.819861",
    license="BSD-3-Clause",
    needs=("generated", "seen"),
    level="trial",
    higher_is_better=True,
    min_n=1,
)
class Ssim:
    """Local agreement of luminance, contrast and structure, in the form that papers report.

    Luminance in [0, 1] with the data range that belongs to it, 1: the constants for 255 on such
    values push every score towards 1.

    Parameters
    ----------
    size : int
        Pictures are brought to this side first (bilinear, smoothed where it shrinks).
    enlarge : bool
        True: smaller pictures are enlarged to `size`, as in the papers, which smooths what the
        window sees. False: they are compared at their own size.
    pairings : bool
        True: pictures are also scored against what other trials saw, from which the zoo works
        out what the EEG contributes. One pairing takes about 3 ms of one processor core at 425
        pixels (200 trials and pictures: 2 minutes) and 0.04 ms at 64. False: only the own ones.
    """

    def __init__(self, *, size: int = 425, enlarge: bool = False, pairings: bool = True):
        if size < WINDOW:
            raise BadParameters(
                f"metric 'ssim' parameter 'size' is {size}; it takes at least {WINDOW}, the window"
            )
        self.size = size
        self.enlarge = enlarge
        self.pairings = pairings

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the mean; ``per_sample`` is the mean over a trial's pictures."""
        native = None if inputs.generated is None else min(inputs.generated.shape[3:])
        side = self.size if native is None or self.enlarge else min(self.size, native)
        definition = (
            f"Structural similarity of the picture drawn and {the_picture_seen(inputs)}, "
            f"brought to the size of the drawn one: luminance in [0, 1] at {side}x{side}, data "
            f"range 1, Gaussian window of sigma 1.5 ({WINDOW} pixels) that lies wholly within the "
            "picture, population covariance; "
            f"averaged over a trial's pictures, then over the {inputs.split} trials."
        )
        if why := unmet(self, inputs):
            return not_computed(inputs, definition, why)
        if side < WINDOW:
            why = f"needs pictures of at least {WINDOW} pixels, these have {side}"
            return not_computed(inputs, definition, why)
        n, k = inputs.generated.shape[:2]
        drawn = flattened(inputs.generated)
        if self.pairings:
            scores_NT = scores(drawn, inputs.seen, size=side)
            return result(inputs, scores_NT.reshape(n, k, -1), definition)
        own = np.repeat(inputs.target, k)
        own_N = _own_scores(drawn, inputs.seen, own, size=side).reshape(n, k).mean(axis=1)
        return bootstrapped(inputs, own_N, definition, value=own_N.mean(), chance=None)


def scores(drawn_NCHW: np.ndarray, seen_TCHW: np.ndarray, *, size: int = 425) -> np.ndarray:
    """Return the SSIM of every picture drawn with every picture seen, (N, T).

    What depends on one picture alone is worked out once a picture and block; a pairing costs
    one product, one separable filter and the formula.

    Parameters
    ----------
    drawn_NCHW, seen_TCHW : uint8 arrays (N, 3, H, W) and (T, 3, H, W)
    size : int
        Side to which both are resized.
    """
    import torch

    out_NT = torch.empty(len(drawn_NCHW), len(seen_TCHW), dtype=torch.float64)
    nbytes = 8 * 8 * size**2  # of a picture: what `_local` keeps, and what it takes to make it
    chunk = max(1, CHUNK // size**2)
    for columns in blocks(len(seen_TCHW), nbytes):
        seen = _local(seen_TCHW[columns], size)
        for rows in blocks(len(drawn_NCHW), nbytes):
            drawn = _local(drawn_NCHW[rows], size)
            for i in range(len(drawn[0])):
                one = [field[i] for field in drawn]
                for start in range(0, len(seen[0]), chunk):
                    many = [field[start : start + chunk] for field in seen]
                    into = out_NT[rows.start + i, columns][start : start + chunk]
                    into.copy_(_similarity(one, many))
    return out_NT.numpy()


def _own_scores(
    drawn_NCHW: np.ndarray, seen_TCHW: np.ndarray, own_N: np.ndarray, *, size: int
) -> np.ndarray:
    """Return the SSIM of every picture drawn with the one of `seen_TCHW` that is its own, (N,)."""
    out_N = np.empty(len(drawn_NCHW))
    rows = max(1, CHUNK // size**2)
    for start in range(0, len(out_N), rows):
        here = slice(start, start + rows)
        drawn, seen = _local(drawn_NCHW[here], size), _local(seen_TCHW[own_N[here]], size)
        out_N[here] = _similarity(drawn, seen).numpy()
    return out_N


def _local(pictures_NCHW: np.ndarray, size: int) -> list[Tensor]:
    """Return the luminance, its local mean, and both terms of the denominator, by picture.

    The terms carry half of Wang's constants each, so that those of two pictures add up.
    """
    x = luminance(pictures_NCHW, size)
    mean = _filtered(x)
    square = mean * mean
    return [x, mean, square + C1 / 2, _filtered(x * x) - square + C2 / 2]


def _similarity(one: list[Tensor], many: list[Tensor]) -> Tensor:
    """Return the SSIM of a picture with each of some others, or of two lists in turn, (n,)."""
    means = 2 * one[1] * many[1] + C1
    both = 2 * _filtered(one[0] * many[0]) + (C1 + C2) - means
    return (means * both / ((one[2] + many[2]) * (one[3] + many[3]))).mean(dim=(1, 2))


def _filtered(x_NHW: Tensor) -> Tensor:
    """Return the Gaussian mean about every place whose window lies within the picture.

    As shifted sums: twice as fast here as a convolution, and four times at 425 pixels.
    """
    weights = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
    weights /= weights.sum()
    for axis in (1, 2):
        kept = x_NHW.shape[axis] - 2 * RADIUS
        total = x_NHW.narrow(axis, 0, kept) * weights[0]
        for shift in range(1, WINDOW):
            total.add_(x_NHW.narrow(axis, shift, kept), alpha=weights[shift])
        x_NHW = total
    return x_NHW
