"""Image class accuracy: share of generated pictures that show the class that was seen."""

from __future__ import annotations

from registry import component
from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._classes import (
    about_the_judge,
    named_pairs,
    not_computed,
    seen_by_judge,
    unmet,
)
from zoo.metrics._intervals import share


@component(
    "metric",
    license="BSD-3-Clause",
    needs=("label", "generated", "judge"),
    level="trial",
    higher_is_better=True,
    min_n=1,
)
class ImageClassAccuracy:
    """Does the picture drawn for a trial show what the subject saw, by a judge of pictures.

    The pictures of a trial are averaged first: n counts trials, not pictures.
    """

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the share; ``per_sample`` is the share of a trial's pictures that are right."""
        definition = (
            f"Share of the pictures drawn for {inputs.split} trials in which a judge sees the "
            f"class that was shown, among {len(inputs.class_names)} classes; pictures of a trial "
            f"are averaged first. {about_the_judge(inputs.judge)}"
        )
        if why := unmet(self, inputs):
            return not_computed(inputs, definition, why)
        seen_NK = seen_by_judge(inputs)
        right_NK = seen_NK == inputs.label[:, None]
        return share(
            inputs,
            right_NK.mean(axis=1),
            definition,
            chance=1 / len(inputs.trained_classes),
            pairs=named_pairs(inputs, seen_NK),
        )
