"""ShallowConvNet: temporal and spatial filters, squared, averaged and logged (braindecode).

Schirrmeister et al. (2017), Human Brain Mapping 38(11), 5391-5420. The layers are braindecode's.

The paper states its lengths in samples at 250 Hz. Here they are durations: a temporal kernel of
0.1 s, power averaged over 0.3 s every 0.06 s. In windows too short to slide over, the average
spans a third of the window and moves by a fifth of that. The classification layer is replaced by
a linear embedding (ours): head and loss belong to the objective.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from registry import component
from zoo.encoders._braindecode import braindecode_models, embed, one_token, samples
from zoo.encoders._shape import require_shape


class MergedConv(nn.Module):
    """The temporal and the spatial convolution in one, as braindecode merges them, but over time.

    As a convolution of one map of time x channels it gets wrong gradients from some of torch's
    kernels for CPUs, with 14 to 19 channels; over time, with the channels as maps, right ones.

    Parameters
    ----------
    conv_time : Conv2d
        Kernels (n_filters, 1, samples, 1).
    conv_spat : Conv2d
        Kernels (n_filters, n_filters, 1, n_chans), no bias.
    """

    def __init__(self, conv_time: nn.Conv2d, conv_spat: nn.Conv2d):
        super().__init__()
        self.conv_time, self.conv_spat = conv_time, conv_spat
        assert conv_time.bias is not None and conv_spat.bias is None

    def forward(self, eeg_B1TC: Tensor) -> Tensor:
        """Return maps (B, n_filters, T - samples + 1, 1)."""
        time_FK, spat_SFC = self.conv_time.weight[:, 0, :, 0], self.conv_spat.weight[:, :, 0]
        weight_SCK = torch.einsum("fk,sfc->sck", time_FK, spat_SFC)
        bias_S = spat_SFC.sum(2) @ self.conv_time.bias
        eeg_BCT = eeg_B1TC[:, 0].transpose(1, 2)
        return nn.functional.conv1d(eeg_BCT, weight_SCK, bias_S).unsqueeze(-1)


@component(
    "encoder",
    paper="10.1002/hbm.23730",
    license="BSD-3-Clause",
    tokens=(1, "embed_dim"),
    tiny={"embed_dim": 8, "n_filters": 4},
    train={"epochs": 20, "batch_size": 64, "lr": 3e-3, "weight_decay": 0.01},
)
class ShallowConvNet(nn.Module):
    """ShallowFBCSPNet with a linear embedding in place of its classification layer.

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
    n_filters : int
        Temporal filters, and as many spatial ones.
    kernel_seconds : float
        Duration of the temporal kernel.
    pool_seconds : float
        Duration over which power is averaged, cut to a third of the window.
    drop_prob : float
        Dropout before the embedding.

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
        n_filters: int = 40,
        kernel_seconds: float = 0.1,
        pool_seconds: float = 0.3,
        drop_prob: float = 0.5,
    ):
        super().__init__()
        self.n_chans, self.n_times = n_chans, n_times
        self.n_tokens, self.embed_dim = 1, embed_dim

        kernel = min(samples(kernel_seconds, sfreq), max(1, n_times // 2))
        columns = n_times - kernel + 1
        pool = min(samples(pool_seconds, sfreq), max(1, columns // 3))
        network = braindecode_models().ShallowFBCSPNet(
            n_chans=n_chans,
            n_times=n_times,
            sfreq=sfreq,
            n_outputs=embed_dim,
            n_filters_time=n_filters,
            filter_time_length=kernel,
            n_filters_spat=n_filters,
            pool_time_length=pool,
            pool_time_stride=max(1, pool // 5),
            drop_prob=drop_prob,
        )
        merged = network.conv_time_spat
        network.conv_time_spat = MergedConv(merged.conv_time, merged.conv_spat)
        n_features = n_filters * network.final_conv_length
        self.network = embed(network, n_features, embed_dim)

    def forward(self, eeg_BCT: Tensor, subject_B: Tensor) -> Tensor:
        """Return ``tokens_BLD`` with L = 1; `subject_B` is not used."""
        require_shape(eeg_BCT, name="shallow_conv_net", n_chans=self.n_chans, n_times=self.n_times)
        return one_token(self.network, eeg_BCT)
