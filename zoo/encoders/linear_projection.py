"""LinearProjection: the flattened trial through one linear layer and a residual block (UBP).

Wu et al. (2025), Bridging the Vision-Brain Gap with an Uncertainty-Aware Blur Prior (CVPR), where
it is the encoder of the best results: strong and cheap on EEG averaged over repetitions. It knows
nothing of time or of electrodes, so it needs trials that are aligned and, best, averaged.

As published, the token leaves through a layer norm with learned scale. Loss and temperature, which
the published module holds, belong to the objective here.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from registry import component
from zoo.encoders._residual import ResidualProjection
from zoo.encoders._shape import require_shape


@component(
    "encoder",
    paper="10.48550/arXiv.2503.04207",
    license="BSD-3-Clause",
    tokens=(1, "embed_dim"),
    tiny={"embed_dim": 16},
    train={"epochs": 50, "batch_size": 1024, "lr": 1e-4, "weight_decay": 1e-4},
)
class LinearProjection(nn.Module):
    """One linear layer from all samples of all channels, a residual block, layer norm.

    Parameters
    ----------
    n_chans, n_times : int
        Size of a trial.
    sfreq : float
        Not used.
    n_subjects : int
        Not used; all subjects share the weights.
    ch_names : sequence of str, optional
        Not used.
    embed_dim : int
        Width of the token, D; published: that of the image features.
    drop_prob : float
        Dropout inside the residual block.

    Attributes
    ----------
    n_tokens, embed_dim : int
        Shape of the tokens; one token.
    """

    def __init__(
        self,
        *,
        n_chans: int,
        n_times: int,
        sfreq: float,
        n_subjects: int = 1,
        ch_names: Sequence[str] | None = None,
        embed_dim: int = 1024,
        drop_prob: float = 0.3,
    ):
        super().__init__()
        self.n_chans, self.n_times = n_chans, n_times
        self.n_tokens, self.embed_dim = 1, embed_dim
        self.projection = ResidualProjection(n_chans * n_times, embed_dim, drop_prob)

    def forward(self, eeg_BCT: Tensor, subject_B: Tensor) -> Tensor:
        """Return ``tokens_BLD`` with L = 1; `subject_B` is not used."""
        name = "linear_projection"
        require_shape(eeg_BCT, name=name, n_chans=self.n_chans, n_times=self.n_times)
        return self.projection(eeg_BCT.flatten(1)).unsqueeze(1)
