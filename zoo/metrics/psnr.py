"""PSNR: peak signal-to-noise ratio of the picture drawn against the picture seen, in decibels."""

from __future__ import annotations

import numpy as np

from registry import component
from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._classes import not_computed, unmet
from zoo.metrics._pairs import flattened, result, squared_distances, the_picture_seen

PEAK = 255.0
#: Rounding to whole grey levels alone leaves this mean squared error; less cannot be told.
FLOOR = 1 / 12
CEILING = float(10 * np.log10(PEAK**2 / FLOOR))


@component(
    "metric",
    license="BSD-3-Clause",
    needs=("generated", "seen"),
    level="trial",
    higher_is_better=True,
    min_n=1,
)
class Psnr:
    """The mean squared error of pixels on a logarithmic scale.

    Worked out in whole numbers, never in eight bits: 200 - 210 is -10 here, not 246. It rewards
    the right brightness, so a grey smear can beat a sharp picture of the right thing.
    """

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the mean in dB; ``per_sample`` is the mean over a trial's pictures."""
        definition = (
            "Peak signal-to-noise ratio in dB, 10 log10(255^2 / mean squared error of the RGB "
            f"values), of the picture drawn against {the_picture_seen(inputs)} at the size of the "
            f"drawn one, averaged over a trial's pictures, then over the {inputs.split} trials. "
            f"At most {CEILING:.1f} dB: an error below 1/12, what rounding to whole grey levels "
            "leaves, counts as 1/12."
        )
        if why := unmet(self, inputs):
            return not_computed(inputs, definition, why)
        scores_NT = scores(flattened(inputs.generated), inputs.seen)
        return result(inputs, scores_NT.reshape(*inputs.generated.shape[:2], -1), definition)


def scores(drawn_NCHW: np.ndarray, seen_TCHW: np.ndarray) -> np.ndarray:
    """Return the PSNR of every picture drawn against every picture seen, in dB, (N, T).

    Parameters
    ----------
    drawn_NCHW, seen_TCHW : uint8 arrays (N, 3, H, W) and (T, 3, H, W)
    """
    errors_NT = squared_distances(drawn_NCHW, seen_TCHW) / drawn_NCHW[0].size
    return 10 * np.log10(PEAK**2 / np.maximum(errors_NT, FLOOR))
