"""LPIPS: learned perceptual distance of the picture drawn and the picture seen."""

from __future__ import annotations

from registry import BadParameters, component
from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._pairs import compare_features, squared_distances, the_picture_seen, the_tower
from zoo.towers.table import TOWERS

#: LPIPS of every row to every row, (N, T), from the vectors of an LPIPS tower; for parity tests.
scores = squared_distances


@component(
    "metric",
    paper="10.48550/arXiv.1801.03924",
    license="BSD-3-Clause",
    needs=("generated", "features"),
    level="trial",
    higher_is_better=False,
    min_n=1,
)
class Lpips:
    """How different two pictures look, by the layers of a network weighted by people's judgements.

    An LPIPS tower writes one vector a picture: its activations, of length 1 at every place,
    weighted and scaled such that LPIPS is the squared distance of two vectors. So the network
    runs once a picture, not once a pair.

    Parameters
    ----------
    tower : str
        The tower that makes such vectors.
    """

    def __init__(self, *, tower: str = "lpips-alex"):
        if tower in TOWERS and not tower.startswith("lpips-"):
            known = ", ".join(name for name in TOWERS if name.startswith("lpips-"))
            raise BadParameters(
                f"metric 'lpips' parameter 'tower' is {tower!r}, whose vectors are no LPIPS; "
                f"choose one of {known}"
            )
        self.tower = tower

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the mean; ``per_sample`` is the mean over a trial's pictures."""
        definition = (
            f"LPIPS distance ({the_tower(inputs, self.tower)}) of the picture drawn and "
            f"{the_picture_seen(inputs)}, averaged over a trial's pictures, then over the "
            f"{inputs.split} trials. Lower is better."
        )
        return compare_features(self, inputs, definition, scores)
