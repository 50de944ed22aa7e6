"""How many parameters the shared projection has, by formula: for plans, which import no torch."""

from __future__ import annotations

#: Numbers through which all tokens together reach all of the denoiser's tokens.
JOINT_RANK = 64


def projection_numbers(n_tokens: int, embed_dim: int, max_tokens: int, width: int) -> int:
    """Return the parameters of the projection from tokens (L, D) to (M, width)."""
    everything = max_tokens * width
    if n_tokens == 1:
        return embed_dim * everything + everything
    across = n_tokens * max_tokens if n_tokens != max_tokens else 0
    joint = JOINT_RANK * (n_tokens * embed_dim + everything)
    return embed_dim * width + across + joint + everything
