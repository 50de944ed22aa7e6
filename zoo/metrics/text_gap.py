"""Gap to text: how far what the EEG becomes lies from what the text encoder makes of real words."""

from __future__ import annotations

from typing import Any

from registry import component
from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._classes import not_computed, unmet


@component(
    "metric",
    paper="10.48550/arXiv.2203.02053",
    license="BSD-3-Clause",
    needs=("gap",),
    level="set",
    higher_is_better=False,
    min_n=4,
)
class TextGap:
    """Distance between the mean EEG-made and the mean real-text state, after training.

    "Mind the gap" (Liang et al. 2022) found the embeddings of two modalities in cones apart from
    each other. Here one cloud is what the denoiser is given for the EEG of the scored trials, the
    other what the stock text encoder makes of the prompts of their classes. The figure belongs to
    that text encoder alone, and lower is nearer, which need not be better: the denoiser may have
    been trained to read another place.

    The table holds the rest, before and after training: angles of the cones, CKA with real text
    and the accuracy of a linear probe at every depth of the text transformer, how much of the
    variance between trials survives to there, and what the causal mask hides. A conditioner that
    has no text transformer has the rows of its final states alone.
    """

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the distance; it is one of two means, so there is none of a single trial."""
        if why := unmet(self, inputs):
            return not_computed(inputs, _definition(inputs), why)
        rows = inputs.gap["rows"]
        after, before = (_distance(rows, when) for when in ("after", "before"))
        if after is None:
            return not_computed(
                inputs, _definition(inputs), "the distance is not defined for these trials"
            )
        return MetricResult(
            value=after["value"],
            definition=f"After training. {after['definition']} Lower is nearer.",
            n=after["n"],
            split=after["split"],
            ci95=None if after["ci95"] is None else tuple(after["ci95"]),
            beside={} if before is None else {"before training": before["value"]},
            table=tuple(rows),
        )


def _distance(rows: list[dict[str, Any]], when: str) -> dict[str, Any] | None:
    """Return the row of the distance of the final states."""
    for row in rows:
        if (row["measure"], row["layer"], row["when"]) == ("centroid_distance", None, when):
            return row
    return None


def _definition(inputs: MetricInputs) -> str:
    return (
        "Distance, after training, between the mean of the final states made of the EEG of "
        f"{inputs.split} trials and the mean of what the stock text encoder makes of the prompts "
        "of their classes, over the root mean square distance of the latter from their mean."
    )
