"""The projection that NICE and UBP end in: linear, a residual block, layer norm."""

from __future__ import annotations

from torch import Tensor, nn


class ResidualProjection(nn.Module):
    """``Linear``, then ``x + Dropout(Linear(GELU(x)))``, then ``LayerNorm``.

    Parameters
    ----------
    in_features, out_features : int
    drop_prob : float
        Dropout inside the residual block.
    """

    def __init__(self, in_features: int, out_features: int, drop_prob: float):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)
        self.block = nn.Sequential(
            nn.GELU(), nn.Linear(out_features, out_features), nn.Dropout(drop_prob)
        )
        self.norm = nn.LayerNorm(out_features)

    def forward(self, x_BF: Tensor) -> Tensor:
        """Return ``(B, out_features)``."""
        hidden = self.linear(x_BF)
        return self.norm(hidden + self.block(hidden))
