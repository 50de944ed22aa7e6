"""Balanced accuracy: the mean over classes of the share of their trials named rightly."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import recall_score

from registry import component
from zoo.contracts import MetricInputs, MetricResult, Pairs
from zoo.metrics._classes import decoded, named_pairs, not_computed, unmet
from zoo.metrics._intervals import bootstrapped


@component(
    "metric",
    license="BSD-3-Clause",
    needs=("logits", "label"),
    level="trial",
    higher_is_better=True,
    min_n=2,
)
class BalancedAccuracy:
    """Mean recall of the classes that occur, each counted alike (scikit-learn's definition)."""

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the mean recall; ``per_sample`` weighs hits so that their mean is the value."""
        definition = (
            f"Mean over the classes of the share of their {inputs.split} trials that the "
            "encoder's classifier names rightly."
        )
        if why := unmet(self, inputs):
            return not_computed(inputs, definition, why)
        classes, index, counts = np.unique(inputs.label, return_inverse=True, return_counts=True)
        if len(classes) < 2:
            name = inputs.class_names[classes[0]]
            return not_computed(inputs, definition, f"all {inputs.split} trials show {name}")
        predicted = decoded(inputs)
        hits = (predicted == inputs.label).astype(float)
        shown = np.eye(len(classes))[index]
        # A trial weighs by the class it is scored against: whichever trials saw which class, each
        # class counts alike.
        weight_C = np.zeros(len(inputs.class_names))
        weight_C[classes] = len(hits) / (len(classes) * counts)
        named = named_pairs(inputs, predicted[:, None])
        return bootstrapped(
            inputs,
            np.stack([shown * hits[:, None], shown], axis=1),  # (N, 2, classes)
            definition,
            # scikit-learn's balanced_accuracy_score, which warns where other classes are named.
            value=recall_score(inputs.label, predicted, labels=classes, average="macro"),
            chance=1 / len(inputs.trained_classes),
            statistic=_mean_recall,
            per_sample=hits * weight_C[inputs.label],
            pairs=Pairs(named.scores_NT * weight_C, inputs.label, of="class"),
        )


def _mean_recall(means: np.ndarray) -> np.ndarray:
    """Return the balanced accuracy of each draw; classes not drawn are left out."""
    hit, shown = means[:, 0], means[:, 1]
    recall = np.divide(hit, shown, out=np.zeros_like(hit), where=shown > 0)
    return recall.sum(axis=1) / (shown > 0).sum(axis=1)
