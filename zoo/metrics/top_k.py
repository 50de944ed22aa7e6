"""Top-k: share of trials whose class is among the k that the encoder ranks first."""

from __future__ import annotations

import numpy as np

from registry import BadParameters, component
from zoo.contracts import MetricInputs, MetricResult, Pairs
from zoo.metrics._classes import not_computed, unmet
from zoo.metrics._intervals import share
from zoo.metrics._ranks import every_hit, hits


@component(
    "metric",
    license="BSD-3-Clause",
    needs=("logits", "label"),
    level="trial",
    higher_is_better=True,
    min_n=1,
    tiny={"k": 2},
)
class TopK:
    """Top-k accuracy of the encoder's own head among the trained classes.

    Equal scores count by their share of the first k places: an encoder that scores all classes
    alike is at chance, whatever their order.

    Parameters
    ----------
    k : int
        A trial counts as right where its class is among the first so many.
    """

    def __init__(self, *, k: int = 5):
        if k < 1:
            raise BadParameters(f"metric 'top_k' parameter 'k' is {k}; it takes at least 1")
        self.k = k

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the share; ``per_sample`` is 1 for a hit, 0 for a miss, between for a tie."""
        trained = np.asarray(inputs.trained_classes)
        first = "first" if self.k == 1 else f"among the first {self.k}"
        definition = (
            f"Share of {inputs.split} trials whose class the encoder's classifier ranks {first} of "
            f"the {len(trained)} trained classes; ties count by their share."
        )
        if why := unmet(self, inputs):
            return not_computed(inputs, definition, why)
        if len(trained) <= self.k:
            why = f"needs more than k = {self.k} trained classes, there are {len(trained)}"
            return not_computed(inputs, definition, why)
        how = {"n": len(trained), "k": self.k}
        logits_N1C = inputs.logits[:, None, trained]
        own_N = np.searchsorted(trained, inputs.label)
        hits_NC = np.zeros((len(inputs.label), len(inputs.class_names)))
        hits_NC[:, trained] = every_hit(logits_N1C, np.arange(len(trained)), **how)
        return share(
            inputs,
            hits(logits_N1C, own_N, **how),
            definition,
            chance=self.k / len(trained),
            pairs=Pairs(hits_NC, inputs.label, of="class"),
        )
