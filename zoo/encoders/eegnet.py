"""EEGNet: compact temporal, depthwise spatial and separable convolutions (braindecode).

Lawhern et al. (2018), Journal of Neural Engineering 15(5), 056013. The layers are braindecode's.

The paper states its kernels in samples at 128 Hz. Here they are durations: a temporal kernel of
half a second, a first pool to about 32 Hz, a separable kernel of half a second there, a second
pool to about 4 Hz. In windows too short for that the temporal kernel spans half of the window,
and the second pool leaves at least four columns. The classification layer is replaced by a linear
embedding (ours), without the paper's norm constraint: head and loss belong to the objective.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from registry import component
from zoo.encoders._braindecode import braindecode_models, embed, one_token, samples
from zoo.encoders._shape import require_shape


@component(
    "encoder",
    paper="10.1088/1741-2552/aace8c",
    license="BSD-3-Clause",
    tokens=(1, "embed_dim"),
    tiny={"embed_dim": 8},
    train={"epochs": 40, "batch_size": 64, "lr": 4e-3, "weight_decay": 0.01},
)
class EEGNet(nn.Module):
    """EEGNet with a linear embedding in place of its classification layer.

    Parameters
    ----------
    n_chans, n_times : int
        Size of a trial.
    sfreq : float
        Samples per second; kernels and pools are durations.
    n_subjects : int
        Not used; all subjects share the weights.
    ch_names : sequence of str, optional
        Not used.
    embed_dim : int
        Width of the token, D.
    temporal_filters : int
        Temporal filters, the paper's F1.
    spatial_filters : int
        Spatial filters for each temporal one, the paper's D.
    kernel_seconds : float
        Duration of the temporal kernel, cut to half of the window.
    drop_prob : float
        Dropout after each pool.

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
        embed_dim: int = 128,
        temporal_filters: int = 8,
        spatial_filters: int = 2,
        kernel_seconds: float = 0.5,
        drop_prob: float = 0.25,
    ):
        super().__init__()
        self.n_chans, self.n_times = n_chans, n_times
        self.n_tokens, self.embed_dim = 1, embed_dim

        first_pool = min(samples(1 / 32, sfreq), n_times)
        columns = n_times // first_pool
        second_pool = max(1, min(8, columns // 4))
        network = braindecode_models().EEGNet(
            n_chans=n_chans,
            n_times=n_times,
            sfreq=sfreq,
            n_outputs=embed_dim,
            F1=temporal_filters,
            D=spatial_filters,
            kernel_length=min(samples(kernel_seconds, sfreq), max(1, n_times // 2)),
            depthwise_kernel_length=min(16, columns),
            pool1_kernel_size=first_pool,
            pool2_kernel_size=second_pool,
            drop_prob=drop_prob,
            final_layer_with_constraint=True,
        )
        n_features = network.final_layer.linearconstraint.in_features
        self.network = embed(network, n_features, embed_dim)

    def forward(self, eeg_BCT: Tensor, subject_B: Tensor) -> Tensor:
        """Return ``tokens_BLD`` with L = 1; `subject_B` is not used."""
        require_shape(eeg_BCT, name="eegnet", n_chans=self.n_chans, n_times=self.n_times)
        return one_token(self.network, eeg_BCT)
