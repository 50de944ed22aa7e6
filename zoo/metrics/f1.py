"""F1: the mean over classes of the harmonic mean of precision and recall."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import f1_score

from registry import component
from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._classes import decoded, not_computed, unmet
from zoo.metrics._intervals import bootstrapped


@component(
    "metric",
    license="BSD-3-Clause",
    needs=("logits", "label"),
    level="trial",
    higher_is_better=True,
    min_n=2,
)
class F1:
    """Macro F1 of the classes that occur or are named (scikit-learn's definition).

    Chance is what guessing evenly among the trained classes gives over many trials: with p the
    share of trials that show a class and C classes, the mean of 2 p / (C p + 1).
    """

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the mean F1; it is no mean over trials: no ``per_sample``."""
        definition = (
            "Mean over the classes that occur or are named of F1, the harmonic mean of precision "
            f"and recall, of the encoder's classifier on {inputs.split} trials."
        )
        if why := unmet(self, inputs):
            return not_computed(inputs, definition, why)
        if len(np.unique(inputs.label)) < 2:
            name = inputs.class_names[inputs.label[0]]
            return not_computed(inputs, definition, f"all {inputs.split} trials show {name}")
        predicted = decoded(inputs)
        classes = np.union1d(inputs.label, predicted)
        seen_NC, named_NC = inputs.label[:, None] == classes, predicted[:, None] == classes
        shown_C = np.bincount(inputs.label, minlength=len(inputs.class_names)) / len(predicted)
        n_trained = len(inputs.trained_classes)
        return bootstrapped(
            inputs,
            np.stack([seen_NC & named_NC, seen_NC, named_NC], axis=1).astype(float),  # (N, 3, C)
            definition,
            value=f1_score(inputs.label, predicted, average="macro"),
            chance=(2 * shown_C / (n_trained * shown_C + 1)).sum() / n_trained,
            statistic=_mean_f1,
        )


def _mean_f1(means: np.ndarray) -> np.ndarray:
    """Return the macro F1 of each draw; classes neither drawn nor named are left out."""
    right, seen, named = means[:, 0], means[:, 1], means[:, 2]
    counts = seen + named
    f1 = np.divide(2 * right, counts, out=np.zeros_like(right), where=counts > 0)
    return f1.sum(axis=1) / (counts > 0).sum(axis=1)
