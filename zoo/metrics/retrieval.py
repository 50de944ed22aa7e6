"""Retrieval: share of trials whose own picture is among the k most similar of all test pictures."""

from __future__ import annotations

import numpy as np

from registry import BadParameters, component
from zoo.contracts import MetricInputs, MetricResult, Pairs
from zoo.metrics._classes import not_computed, unmet
from zoo.metrics._intervals import bootstrapped, share
from zoo.metrics._ranks import every_hit, hits


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
    trials and pictures one to one is another task, `retrieval_hungarian`.

    Parameters
    ----------
    k : int
        A trial counts as right where its own picture is among the first so many.
    n_candidates : int, optional
        Among how many pictures a trial chooses: its own and others at random. The figure is the
        mean over all such choices, in closed form. By default all.
    """

    def __init__(self, *, k: int = 1, n_candidates: int | None = None):
        if k < 1:
            raise BadParameters(f"metric 'retrieval' parameter 'k' is {k}; it takes at least 1")
        if n_candidates is not None and n_candidates <= k:
            raise BadParameters(
                f"metric 'retrieval' parameter 'n_candidates' is {n_candidates}; it takes more "
                f"than k = {k}"
            )
        self.k, self.n_candidates = k, n_candidates

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the share; ``per_sample`` is 1 for a hit, 0 for a miss, between for a tie."""
        n_all = 0 if inputs.candidates is None else len(inputs.candidates)
        n = self.n_candidates or n_all
        definition = self._definition(inputs, n_all)
        if why := unmet(self, inputs):
            return not_computed(inputs, definition, why)
        if not inputs.image_known:
            return not_computed(inputs, definition, "needs to know which picture was shown")
        if n_all < n or n_all <= self.k:
            wanted = n if n_all < n else self.k + 1
            why = f"needs at least {wanted} candidate pictures, there are {n_all}"
            return not_computed(inputs, definition, why)
        shown, target_N = np.unique(inputs.image_id, return_inverse=True)
        column = {str(name): i for i, name in enumerate(inputs.candidates)}
        columns_T = np.array([column[str(name)] for name in shown])
        similarity_N1C = inputs.similarity[:, None]
        hits_N = hits(similarity_N1C, columns_T[target_N], n=n, k=self.k)
        hits_NT = every_hit(similarity_N1C, columns_T, n=n, k=self.k)
        found = {"chance": self.k / n, "pairs": Pairs(hits_NT, target_N, of="image")}
        if n < n_all:  # scores are probabilities, not hits or misses
            value = hits_N.mean()
            return bootstrapped(inputs, hits_N, definition, value=value, of_share=True, **found)
        return share(inputs, hits_N, definition, **found)

    def _definition(self, inputs: MetricInputs, n_all: int) -> str:
        first = "ranked first" if self.k == 1 else f"among the first {self.k}"
        among = f"{n_all} candidates, all distinct pictures of the {inputs.split} split,"
        if self.n_candidates is not None:
            among = (
                f"{self.n_candidates} candidates, itself and {self.n_candidates - 1} others drawn "
                f"from the {n_all} distinct pictures of the {inputs.split} split (the exact mean "
                "over all draws),"
            )
        tower = f" ({inputs.tower})" if inputs.tower else ""
        return (
            f"Share of {inputs.split} trials whose own picture is {first} of {among} by the "
            f"similarity of EEG embedding and image features{tower}. Each trial ranks by itself "
            "(greedy; no matching of trials to pictures); ties count by their share."
        )
