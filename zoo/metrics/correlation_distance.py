"""Correlation distance: 1 - Pearson's r of the features of the picture drawn and the one seen."""

from __future__ import annotations

import numpy as np

from registry import component
from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._pairs import compare_features, correlations, the_picture_seen, the_tower


@component(
    "metric",
    paper="10.48550/arXiv.2403.11207",
    license="BSD-3-Clause",
    needs=("generated", "features"),
    level="trial",
    higher_is_better=False,
    min_n=1,
)
class CorrelationDistance:
    """MindEye2's distance of EfficientNet-B1 features; with another tower its SwAV distance.

    Parameters
    ----------
    tower : str
        The image tower whose features are compared.
    """

    def __init__(self, *, tower: str = "efficientnet-b1"):
        self.tower = tower

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the mean; ``per_sample`` is the mean over a trial's pictures."""
        definition = (
            f"1 - Pearson's correlation of the features ({the_tower(inputs, self.tower)}) of "
            f"the picture drawn and of {the_picture_seen(inputs)}, averaged over a "
            f"trial's pictures, then over the {inputs.split} trials. Constant features correlate "
            "with nothing: 1. Lower is better."
        )
        return compare_features(self, inputs, definition, scores)


def scores(drawn_NF: np.ndarray, seen_TF: np.ndarray) -> np.ndarray:
    """Return the correlation distance of every row to every row, (N, T)."""
    return 1 - correlations(drawn_NF, seen_TF)
