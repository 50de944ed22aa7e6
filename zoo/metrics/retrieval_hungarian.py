"""Retrieval by matching all test trials and pictures one to one; not single-trial decoding."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from registry import component
from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._classes import not_computed, unmet
from zoo.metrics._ranks import hits
from zoo.seeds import numpy_rng


@component(
    "metric",
    license="BSD-3-Clause",
    needs=("similarity",),
    level="trial",
    higher_is_better=True,
    min_n=2,
)
class RetrievalHungarian:
    """Share of trials given their own picture by the best one-to-one matching (scipy).

    It is told that every picture was seen exactly once and solves all test trials together, which
    no decoder of a single trial can: on the same similarities it scores far above `retrieval`,
    whose figure is given beside it.
    """

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the share; answers depend on each other: no interval and no ``per_sample``."""
        n = len(inputs.trial_id)
        tower = f" ({inputs.tower})" if inputs.tower else ""
        definition = (
            f"Share of {inputs.split} trials that are given their own picture when all {n} trials "
            f"and the {n} pictures are matched jointly, one to one (Hungarian), by the similarity "
            f"of EEG embedding and image features{tower}. It is no single-trial decoding and is "
            "not comparable with retrieval, where each trial ranks by itself. No interval: no "
            "trial's answer is independent of the others."
        )
        if why := unmet(self, inputs):
            return not_computed(inputs, definition, why)
        if not inputs.image_known:
            return not_computed(inputs, definition, "needs to know which picture was shown")
        if not np.array_equal(np.sort(inputs.image_id), np.sort(inputs.candidates)):
            distinct = len(np.unique(inputs.image_id))
            why = (
                f"needs every candidate picture seen by exactly one trial; there are "
                f"{len(inputs.candidates)} candidates, and {n} trials saw {distinct} of them"
            )
            return not_computed(inputs, definition, why)
        column = {str(name): i for i, name in enumerate(inputs.candidates)}
        own_N = np.array([column[str(name)] for name in inputs.image_id])
        # Among equal similarities the solver goes by the order of rows and columns: pictures come
        # in a drawn order, so that ties favour no answer, and trials in a sorted one.
        rng = numpy_rng(inputs.seed, "retrieval_hungarian")
        rows = np.argsort(inputs.trial_id)
        columns = np.argsort(inputs.candidates)[rng.permutation(n)]
        of, given = linear_sum_assignment(inputs.similarity[np.ix_(rows, columns)], maximize=True)
        greedy = hits(inputs.similarity[:, None], own_N, n=n, k=1).mean()
        return MetricResult(
            value=float((columns[given] == own_N[rows[of]]).mean()),
            definition=definition,
            n=n,
            split=inputs.split,
            chance=1 / n,
            beside={"retrieval (greedy, the same similarities)": float(greedy)},
        )
