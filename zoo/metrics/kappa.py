"""Cohen's kappa: agreement of decoded and seen class beyond what chance would give."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import cohen_kappa_score

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
class Kappa:
    """Cohen's kappa (1960), unweighted: (p_o - p_e) / (1 - p_e)."""

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return kappa, 1 at best and 0 by chance; it is no mean over trials: no ``per_sample``."""
        definition = (
            f"Cohen's kappa between the class seen and the class that the encoder's classifier "
            f"names on {inputs.split} trials: (agreement - chance agreement) / "
            "(1 - chance agreement)."
        )
        if why := unmet(self, inputs):
            return not_computed(inputs, definition, why)
        if len(np.unique(inputs.label)) < 2:
            name = inputs.class_names[inputs.label[0]]
            return not_computed(inputs, definition, f"all {inputs.split} trials show {name}")
        predicted = decoded(inputs)
        one_hot = np.eye(len(inputs.class_names))
        hits = (predicted == inputs.label).astype(float)
        return bootstrapped(
            inputs,
            np.column_stack([hits, one_hot[inputs.label], one_hot[predicted]]),
            definition,
            value=cohen_kappa_score(inputs.label, predicted),
            chance=0.0,
            statistic=_kappa,
        )


def _kappa(means: np.ndarray) -> np.ndarray:
    """Return kappa of each draw; NaN where a draw holds one class only and all of it is right."""
    observed = means[:, 0]
    seen, named = np.split(means[:, 1:], 2, axis=1)
    expected = (seen * named).sum(axis=1)
    undefined = np.isclose(expected, 1)
    return np.where(undefined, np.nan, (observed - expected) / np.where(undefined, 1, 1 - expected))
