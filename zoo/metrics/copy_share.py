"""Copy share: share of generated pictures that nearly copy one training image."""

from __future__ import annotations

import numpy as np

from registry import component
from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._classes import not_computed, unmet
from zoo.metrics._intervals import share
from zoo.metrics._pixels import nearest_two, unit_pixels

#: A copy is nearer to its original than 99 % of the training images are to another ...
PERCENTILE = 1.0
#: ... and clearly nearer to it than to any other (a blend of several is no copy of one).
RATIO = 2 / 3


@component(
    "metric",
    license="BSD-3-Clause",
    needs=("generated", "train_images"),
    level="trial",
    higher_is_better=False,
    min_n=1,
)
class CopyShare:
    """How many pictures repeat a training image rather than draw a new one.

    With few training images (24 photographs) a high share is expected: it says that the
    denoiser stores photographs and the EEG chooses among them.
    """

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the share; ``per_sample`` is the share of a trial's pictures that are copies."""
        definition = (
            f"Share of the pictures drawn for {inputs.split} trials that nearly copy a training "
            "image: by the correlation distance of pixels at 32x32, nearer to it than 99 % of "
            "the training images are to their nearest neighbour, and at most 2/3 as far from it "
            "as from the second nearest. Lower is better."
        )
        if why := unmet(self, inputs):
            return not_computed(inputs, definition, why)
        distinct = {image.tobytes(): image for image in inputs.train_images}
        if len(distinct) < 3:
            return not_computed(
                inputs,
                definition,
                f"needs three distinct training images, there are {len(distinct)}",
            )
        train = unit_pixels(np.stack([distinct[key] for key in sorted(distinct)]))
        # The nearest to a training image is the image itself.
        limit = np.percentile(nearest_two(train, train)[:, 1], PERCENTILE)
        n, k = inputs.generated.shape[:2]
        pictures = unit_pixels(inputs.generated.reshape(n * k, *inputs.generated.shape[2:]))
        first, second = nearest_two(pictures, train).T
        copies_NK = ((first <= limit) & (first <= RATIO * second)).reshape(n, k)
        about = f"{definition} Limit here: {limit:.3f}, from {len(train)} distinct training images."
        return share(inputs, copies_NK.mean(axis=1), about, chance=None)
