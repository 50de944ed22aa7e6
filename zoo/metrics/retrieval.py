"""Retrieval: share of trials whose own picture is among the k most similar of all test pictures."""

from __future__ import annotations

import numpy as np

from registry import BadParameters, component
from zoo.contracts import MetricInputs, MetricResult
from zoo.metrics._classes import not_computed, unmet
from zoo.metrics._intervals import share


@component(
    "metric",
    paper="10.48550/arXiv.2308.13234",
    license="BSD-3-Clause",
    needs=("similarity",),
    level="trial",
    higher_is_better=True,
    min_n=1,
)
class Retrieval:
    """Greedy top-k retrieval among the distinct pictures of the test split.

    Every trial ranks all pictures by itself. No trial's answer depends on another's: matching
    trials and pictures one to one scores far higher on the same similarities and is another task.

    Parameters
    ----------
    k : int
        A trial counts as right where its own picture is among the first so many.
    """

    def __init__(self, *, k: int = 1):
        if k < 1:
            raise BadParameters(f"metric 'retrieval' parameter 'k' is {k}; it takes at least 1")
        self.k = k

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the share; ``per_sample`` is 1 for a hit, 0 for a miss, between for a tie."""
        n_candidates = 0 if inputs.candidates is None else len(inputs.candidates)
        first = "ranked first" if self.k == 1 else f"among the first {self.k}"
        tower = f" ({inputs.tower})" if inputs.tower else ""
        definition = (
            f"Share of {inputs.split} trials whose own picture is {first} of {n_candidates} "
            f"candidates, all distinct pictures of the {inputs.split} split, by the similarity of "
            f"EEG embedding and image features{tower}. Each trial ranks by itself (greedy; no "
            "matching of trials to pictures); ties count by their share."
        )
        if why := unmet(self, inputs):
            return not_computed(inputs, definition, why)
        if not inputs.image_known:
            return not_computed(inputs, definition, "needs to know which picture was shown")
        if n_candidates <= self.k:
            why = f"needs more than {self.k} candidate pictures, there are {n_candidates}"
            return not_computed(inputs, definition, why)
        column = {str(name): i for i, name in enumerate(inputs.candidates)}
        own_N = np.array([column[str(name)] for name in inputs.image_id])
        own_N1 = np.take_along_axis(inputs.similarity, own_N[:, None], axis=1)
        ahead_N = (inputs.similarity > own_N1).sum(axis=1)
        tied_N = (inputs.similarity == own_N1).sum(axis=1)  # its own among them
        hits_N = np.clip((self.k - ahead_N) / tied_N, 0, 1)
        return share(inputs, hits_N, definition, chance=self.k / n_candidates)
