"""N-way: share of pictures whose true class a classifier ranks among the first k of N."""

from __future__ import annotations

from typing import Literal

import numpy as np

from registry import BadParameters, component
from zoo.contracts import MetricInputs, MetricResult, Pairs
from zoo.metrics._classes import not_computed, unmet
from zoo.metrics._intervals import bootstrapped
from zoo.metrics._ranks import ahead_and_tied, every_hit, hits
from zoo.seeds import numpy_rng
from zoo.towers.table import TOWERS

#: Draws held in memory at once in the Monte-Carlo mode.
BLOCK = 1 << 21


@component(
    "metric",
    paper="10.48550/arXiv.2211.06956",
    license="BSD-3-Clause",
    needs=("generated", "scores"),
    level="trial",
    higher_is_better=True,
    min_n=1,
    tiny={"n": 3},
)
class NWay:
    """N-way top-k accuracy of the generated pictures, exact instead of drawn.

    The true class is the one that the same classifier names on the picture seen; N - 1 others of
    its C classes are drawn, and the picture counts as right where the true class is among the k
    that score highest on it. What the papers estimate from 40 to 1000 draws a picture has a closed
    form, see `zoo.metrics._ranks`. Only the order of the scores counts: logits and probabilities
    are the same, but probabilities that were rounded to 0 are tied.

    Parameters
    ----------
    n : int
        How many classes compete (N), the true one among them.
    k : int
        The picture is right where its true class is among the first so many.
    ties : str
        mean: over all orders of equal scores. first: the true class comes before all that score
        the same, as in the papers' code with k = 1, where it stands first in the row whose argmax
        is taken; a constant row is then always right. With k > 1 they call torch.topk, which
        promises no order of equal scores.
    mode : str
        exact; or monte_carlo, the papers' protocol: N - 1 other classes are drawn for each
        picture, n_trials times.
    n_trials : int
        Draws a picture of mode monte_carlo: MinD-Vis 1000; DreamDiffusion, BrainVis and GWIT 50.
    tower : str
        The classifier.
    """

    def __init__(
        self,
        *,
        n: int = 50,
        k: int = 1,
        ties: Literal["mean", "first"] = "mean",
        mode: Literal["exact", "monte_carlo"] = "exact",
        n_trials: int = 1000,
        tower: str = "vit-h-14",
    ):
        if not 1 <= k < n:
            raise BadParameters(
                f"metric 'n_way' parameters 'n' = {n}, 'k' = {k}: k is at least 1 and below n"
            )
        if n_trials < 1:
            raise BadParameters(f"metric 'n_way' parameter 'n_trials' is {n_trials}; at least 1")
        n_classes = TOWERS[tower].n_classes if tower in TOWERS else None
        if n_classes is not None and n > n_classes:
            raise BadParameters(
                f"metric 'n_way' parameter 'n' is {n}: the tower {tower!r} scores {n_classes} "
                f"classes; take at most as many, or another tower"
            )
        self.n, self.k, self.ties, self.mode = n, k, ties, mode
        self.n_trials, self.tower = n_trials, tower

    def compute(self, inputs: MetricInputs) -> MetricResult:
        """Return the share; ``per_sample`` is the mean over a trial's pictures.

        The Monte-Carlo mode has no ``pairs``: it is there to compare with what papers print.
        """
        if why := unmet(self, inputs):
            return not_computed(inputs, self._definition(inputs), why)
        drawn_NKC, n_classes = inputs.scores.drawn, inputs.scores.drawn.shape[2]
        if self.n > n_classes:
            why = f"n = {self.n} classes are more than the {n_classes} that {self.tower} scores"
            return not_computed(inputs, self._definition(inputs), why)
        true_T = inputs.scores.seen.argmax(axis=1)
        true_N = true_T[inputs.target]
        pairs = None
        if self.mode == "exact":
            how = {"n": self.n, "k": self.k, "ties": self.ties}
            hits_N = hits(drawn_NKC, true_N, **how)
            pairs = Pairs(every_hit(drawn_NKC, true_T, **how), inputs.target, of="image")
        else:
            hits_N = self._drawn(inputs, true_N)
        return bootstrapped(
            inputs,
            hits_N,
            self._definition(inputs),
            value=hits_N.mean(),
            chance=self.k / self.n,
            pairs=pairs,
            of_share=True,
        )

    def _definition(self, inputs: MetricInputs) -> str:
        scores = inputs.scores
        tower = self.tower if scores is None else f"{scores.name} ({scores.definition})"
        n_classes = "all" if scores is None else scores.drawn.shape[2]
        first = "ranked first" if self.k == 1 else f"among the first {self.k}"
        seen = "the picture seen" if inputs.image_known else "a picture of the class seen"
        if self.mode == "exact":
            how = "exact: the closed form, nothing is drawn"
        else:
            how = f"Monte Carlo: {self.n_trials} draws a picture"
        ties = {
            "mean": "equal scores count by the mean over their orders",
            "first": "the true class comes before all that score the same",
        }
        return (
            f"Share of the pictures drawn for {inputs.split} trials whose true class is {first} of "
            f"{self.n}: itself and {self.n - 1} others drawn from the {n_classes} classes of the "
            f"classifier {tower}, the true class being the one that it names on {seen}; "
            f"{ties[self.ties]}; {how}. Pictures of a trial are averaged first."
        )

    def _drawn(self, inputs: MetricInputs, true_N: np.ndarray) -> np.ndarray:
        """Return the share of draws won, (N,), without looking at the classes drawn.

        How many of those ahead, and of those tied, are among the N - 1 drawn is all that counts.
        """
        order = np.argsort(inputs.trial_id)  # no draw depends on the order of the trials
        ahead_NK, tied_NK = ahead_and_tied(inputs.scores.drawn, true_N)
        n_classes = inputs.scores.drawn.shape[2]
        rng = numpy_rng(inputs.seed, "n_way")
        won_N = np.empty(len(order))
        step = max(1, BLOCK // (self.n_trials * ahead_NK.shape[1]))
        for start in range(0, len(order), step):
            rows = order[start : start + step]
            ahead, tied = ahead_NK[rows], tied_NK[rows]
            size = (self.n_trials, *ahead.shape)
            place = rng.hypergeometric(ahead, n_classes - 1 - ahead, self.n - 1, size=size)
            if self.ties == "mean" and tied.max() > 1:
                others = n_classes - ahead - tied
                drawn = rng.hypergeometric(tied - 1, others, self.n - 1 - place)
                place += rng.integers(0, drawn + 1)
            won_N[rows] = (place < self.k).mean(axis=(0, 2))
        return won_N
