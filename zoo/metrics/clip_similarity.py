"""CLIP similarity: cosine of the features of the picture drawn and the picture seen."""

from __future__ import annotations

from registry import component
from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._pairs import compare_features, cosines, the_picture_seen, the_tower

#: Cosine of every row with every row, (N, T); for parity tests.
scores = cosines


@component(
    "metric",
    paper="10.48550/arXiv.2103.00020",
    license="BSD-3-Clause",
    needs=("generated", "features"),
    level="trial",
    higher_is_better=True,
    min_n=1,
)
class ClipSimilarity:
    """Nearness of meaning, as an image tower sees it.

    CLIP's features of any two photographs have a cosine of about a half: the value says little
    without what the same pictures score against the wrong ones.

    Parameters
    ----------
    tower : str
        The image tower whose features are compared.
    """

    def __init__(self, *, tower: str = "clip-vit-l-14"):
        self.tower = tower

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the mean; ``per_sample`` is the mean over a trial's pictures."""
        definition = (
            f"Cosine of the features ({the_tower(inputs, self.tower)}) of the picture drawn and of "
            f"{the_picture_seen(inputs)}, averaged over a trial's pictures, then over the "
            f"{inputs.split} trials."
        )
        return compare_features(self, inputs, definition, scores)
