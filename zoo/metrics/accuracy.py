"""Accuracy: share of trials whose class the encoder names first."""

from __future__ import annotations

from registry import component
from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._classes import decoded, named_pairs, not_computed, unmet
from zoo.metrics._intervals import share


@component(
    "metric",
    license="BSD-3-Clause",
    needs=("logits", "label"),
    level="trial",
    higher_is_better=True,
    min_n=1,
)
class Accuracy:
    """Top-1 accuracy of the encoder's own head.

    Chance is guessing among the trained classes. Where the classes are unequal, naming the
    largest scores more: read `balanced_accuracy` or `kappa` then.
    """

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the share of right answers; ``per_sample`` is 1 for a hit, 0 for a miss."""
        k = len(inputs.trained_classes)
        definition = (
            f"Share of {inputs.split} trials whose class the encoder's classifier ranks first "
            f"among the {k} trained classes."
        )
        if why := unmet(self, inputs):
            return not_computed(inputs, definition, why)
        named = decoded(inputs)
        hits = (named == inputs.label).astype(float)
        pairs = named_pairs(inputs, named[:, None])
        return share(inputs, hits, definition, chance=1 / k, pairs=pairs)
