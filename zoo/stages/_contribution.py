"""What the EEG contributes to one score: over another trial's, and over one of the same class."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._intervals import units_of
from zoo.pairings import Gain, eeg_contribution, within_class_contribution


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
        return {"eeg": _told(eeg)}
    label_T = np.zeros(pairs.scores_NT.shape[1], np.int64)
    label_T[pairs.target_N] = inputs.label
    within = within_class_contribution(
        pairs.scores_NT, pairs.target_N, label_T, image_known=inputs.image_known, **given
    )
    return {"eeg": _told(eeg), "within_class": _told(within)}


def _told(gain: Gain) -> dict[str, Any]:
    """Return the figure with a two-sided p that belongs to its interval; or why there is none.

    p is below 0.05 where the interval excludes 0. The end that lies towards 0 stands as many
    standard errors off as the t distribution of so many units says; without an interval nothing
    can be said, and p is 1.
    """
    told = {name: value for name, value in gain.to_json().items() if value is not None}
    if gain.value is None:
        return told
    if gain.ci95 is None:
        return told | {"p": 1.0}
    towards_zero = gain.ci95[0] if gain.value > 0 else gain.ci95[1]
    df = gain.n_units - 1
    error = abs(gain.value - towards_zero) / stats.t.ppf(0.975, df)
    t = abs(gain.value) / error if error else np.inf if gain.value else 0.0
    return told | {"p": float(2 * stats.t.sf(t, df))}
