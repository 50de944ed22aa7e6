"""Classify: a linear head on all tokens, trained by cross-entropy.

The paper's head is this one, ``Linear(77 * 768, 40)``: Yang & Liu (2024), encoder figure, last row.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from registry import component


@component(
    "objective",
    paper="10.3390/brainsci14050478",
    license="BSD-3-Clause",
    target="label",
    tiny={},
)
class Classify(nn.Module):
    """Cross-entropy over the data set's classes.

    Parameters
    ----------
    n_tokens, embed_dim : int
        Shape of the tokens, L and D.
    n_outputs : int
        Classes of the data set.
    label_smoothing : float
        Share of the target probability that is spread over all classes.
    """

    def __init__(
        self, *, n_tokens: int, embed_dim: int, n_outputs: int, label_smoothing: float = 0.0
    ):
        super().__init__()
        self.label_smoothing = label_smoothing
        self.head = nn.Linear(n_tokens * embed_dim, n_outputs)

    def forward(self, tokens_BLD: Tensor, target: Tensor) -> Tensor:
        """Return the mean cross-entropy (scalar).

        Parameters
        ----------
        tokens_BLD : Tensor (B, L, D)
        target : Tensor (B,), int64
            Class indices.
        """
        return F.cross_entropy(
            self.predict(tokens_BLD), target, label_smoothing=self.label_smoothing
        )

    def predict(self, tokens_BLD: Tensor, candidates: Tensor | None = None) -> Tensor:
        """Return logits ``(B, n_outputs)``, or only those of the classes `candidates`."""
        logits = self.head(tokens_BLD.flatten(1))
        return logits if candidates is None else logits[:, candidates]
