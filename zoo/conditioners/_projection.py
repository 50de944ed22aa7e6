"""The front that all conditioners share: standardised tokens to the denoiser's tokens.

One front for all, so that an ablation compares the paths of the tokens and not their projections.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.conditioners._size import JOINT_RANK

#: Spread of the untrained projection's output, in units of the spread of what it stands in for.
INITIAL_SPREAD = 0.3
#: A feature that varies less than this share of the average one is not blown up to unit variance.
LEAST_STD = 1e-2


class Projection(nn.Module):
    """Tokens (B, L, D) to (B, M, width).

    One token: ``Linear(D, M * width)``. Several: each in its place, ``Linear(D, width)`` and then
    ``Linear(L, M)`` where L differs from M, plus what they say together, ``Linear(L * D, 64)`` and
    ``Linear(64, M * width)``. Encoders are trained with a head on all tokens at once, and no single
    one need say much: the first term alone loses a third of what such a head decodes.

    An offset (M, width) is added that starts at `neutral_Mw`: an untrained conditioner says "a
    photo of a" and the EEG only has to change it. All weights are in units of the neutral's
    spread, so that one learning rate means the same for token embeddings (small numbers) and for
    text states (large ones), whatever the text encoder.

    Parameters
    ----------
    n_tokens, embed_dim : int
        Shape of the encoder's tokens, L and D.
    neutral_Mw : Tensor (M, width)
        What the output starts from: token embeddings or text states of a neutral caption.
    """

    def __init__(self, n_tokens: int, embed_dim: int, neutral_Mw: Tensor):
        super().__init__()
        max_tokens, width = neutral_Mw.shape
        self.n_tokens, self.embed_dim = n_tokens, embed_dim
        self.max_tokens, self.width = max_tokens, width
        self.register_buffer("token_mean", torch.zeros(n_tokens, embed_dim))
        self.register_buffer("token_std", torch.ones(n_tokens, embed_dim))
        self.register_buffer("scale", neutral_Mw.std())
        self.offset = nn.Parameter(neutral_Mw / self.scale)
        everything = max_tokens * width
        if n_tokens == 1:
            self.features = _linear(embed_dim, everything, INITIAL_SPREAD)
            return
        self.features = _linear(embed_dim, width, INITIAL_SPREAD)
        self.across = _linear(n_tokens, max_tokens) if n_tokens != max_tokens else nn.Identity()
        self.joint = nn.Sequential(
            _linear(n_tokens * embed_dim, JOINT_RANK),
            _linear(JOINT_RANK, everything, INITIAL_SPREAD),
        )

    @torch.no_grad()
    def set_statistics(self, mean_LD: Tensor, std_LD: Tensor) -> None:
        """Store the train mean and standard deviation of the tokens."""
        least = (LEAST_STD * std_LD.mean()).clamp_min(1e-12)
        self.token_mean.copy_(mean_LD)
        self.token_std.copy_(std_LD.clamp_min(least))

    def forward(self, tokens_BLD: Tensor) -> Tensor:
        """Return (B, M, width).

        Raises
        ------
        ValueError
            The tokens have another shape than the projection was built for.
        """
        if tokens_BLD.shape[1:] != self.token_mean.shape:
            built, got = tuple(self.token_mean.shape), tuple(tokens_BLD.shape[1:])
            raise ValueError(f"the conditioner was built for tokens {built}, got {got}")
        tokens_BLD = (tokens_BLD - self.token_mean) / self.token_std
        shape = (-1, self.max_tokens, self.width)
        if self.n_tokens == 1:
            return self.scale * (self.features(tokens_BLD).view(shape) + self.offset)
        in_place = self.across(self.features(tokens_BLD).transpose(1, 2)).transpose(1, 2)
        together = self.joint(tokens_BLD.flatten(1)).view(shape)
        return self.scale * (in_place + together + self.offset)


def _linear(inputs: int, outputs: int, spread: float = 1.0) -> nn.Linear:
    """Return a linear map that makes numbers of deviation `spread` of standard normal ones."""
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, std=spread * inputs**-0.5)
    return layer
