"""What the EEG contributes to one score: over another trial's, and over one of the same class."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._intervals import units_of
from zoo.pairings import eeg_contribution, within_class_contribution


def contributions(
    result: MetricResult, inputs: MetricInputs, higher_is_better: bool
) -> dict[str, Any]:
    """Return ``eeg`` and ``within_class``, JSON-able, of a metric that scored every pairing.

    A score of classes has no part within the class and gets none.
    """
    pairs = result.pairs
    assert pairs is not None
    given: dict[str, Any] = {
        "units": units_of(inputs),
        "seed": inputs.seed,
        "higher_is_better": higher_is_better,
    }
    eeg = eeg_contribution(pairs.scores_NT, pairs.target_N, **given)
    if pairs.of == "class":
        return {"eeg": eeg.to_json()}
    label_T = np.zeros(pairs.scores_NT.shape[1], np.int64)
    label_T[pairs.target_N] = inputs.label
    within = within_class_contribution(
        pairs.scores_NT, pairs.target_N, label_T, image_known=inputs.image_known, **given
    )
    return {"eeg": eeg.to_json(), "within_class": within.to_json()}
