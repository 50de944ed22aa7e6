"""Decoded class agreement: share of pictures that show the class which the encoder decoded."""

from __future__ import annotations

from registry import component
from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._classes import about_the_judge, decoded, not_computed, seen_by_judge, unmet
from zoo.metrics._intervals import share


@component(
    "metric",
    license="BSD-3-Clause",
    needs=("logits", "generated", "judge"),
    level="trial",
    higher_is_better=True,
    min_n=1,
)
class DecodedClassAgreement:
    """Does the picture carry what the encoder decoded, right or wrong.

    It separates the two ways to fail: pictures can be wrong because the EEG was read wrongly
    (this figure stays high) or because the denoiser does not follow (it falls).
    """

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the share; ``per_sample`` is the share of a trial's pictures that agree."""
        definition = (
            f"Share of the pictures drawn for {inputs.split} trials in which a judge sees the "
            f"class that the encoder's classifier names from the trial's own EEG, right or wrong, "
            f"among {len(inputs.trained_classes)} trained classes. {about_the_judge(inputs.judge)}"
        )
        if why := unmet(self, inputs):
            return not_computed(inputs, definition, why)
        agree_NK = seen_by_judge(inputs) == decoded(inputs)[:, None]
        return share(
            inputs, agree_NK.mean(axis=1), definition, chance=1 / len(inputs.trained_classes)
        )
