"""Two-way identification: how often a picture resembles the one seen more than another one."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from registry import component
from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._classes import not_computed
from zoo.metrics._pairs import compare_features, correlations, the_picture_seen, the_tower


@component(
    "metric",
    paper="10.48550/arXiv.2403.11207",
    license="BSD-3-Clause",
    needs=("generated", "features"),
    level="trial",
    higher_is_better=True,
    min_n=1,
)
class TwoWay:
    """Two-way identification by the correlation of features, as MindEye2 reports it.

    Every picture drawn is compared with the picture seen and with every other picture that the
    trials saw. It is a ranking among few pictures: pictures of other classes are easily told
    from the own one, so a class that was decoded is enough for a high value.

    Parameters
    ----------
    tower : str
        The image tower whose features are compared: the papers show alexnet-2, alexnet-5,
        inception-v3 and clip-vit-l-14.
    """

    def __init__(self, *, tower: str = "alexnet-5"):
        self.tower = tower

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the share; ``per_sample`` is the share of other pictures that are beaten."""
        t = 0 if inputs.features is None else len(inputs.features.seen)
        definition = (
            f"Share of the {max(t - 1, 0)} other pictures of the {inputs.split} split with which "
            f"the features ({the_tower(inputs, self.tower)}) of the picture drawn correlate less "
            f"(Pearson) than with those of {the_picture_seen(inputs)}, averaged over a "
            "trial's pictures, then over the trials. Pictures count once however often they were "
            "seen; ties count half."
        )
        if t == 1:
            return not_computed(inputs, definition, "needs two distinct pictures, there is one")
        return compare_features(self, inputs, definition, scores, chance=0.5)


def scores(drawn_NF: np.ndarray, seen_TF: np.ndarray) -> np.ndarray:
    """Return the share of the other pictures beaten, were each picture seen the own one, (N, T).

    One row of correlations, ranked, holds the answer for every picture that could be the own:
    the rank, ties averaged, less one, over T - 1.

    Parameters
    ----------
    drawn_NF, seen_TF : arrays (N, F) and (T, F)
        Features of what was drawn and of T >= 2 distinct pictures.
    """
    return (rankdata(correlations(drawn_NF, seen_TF), axis=1) - 1) / (len(seen_TF) - 1)
