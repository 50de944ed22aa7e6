"""NICE: temporal filters, averaged, then spatial filters (TSConv), and a residual projection.

Song et al. (2024), Decoding Natural Images from EEG for Object Recognition (ICLR), its encoder and
EEG projector with the sizes of the published code: for 63 channels and 250 samples at 250 Hz, 36
columns of 40 features, 1440 values, one token of 768.

Written after the paper; braindecode has no such network. Lengths are durations here, the
published samples at 250 Hz; in windows too short for them they shrink. Nothing lies between the
temporal convolution and the average, both linear, so one convolution with the composed kernel
takes their place: the same numbers in a fraction of the time, with the published weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from registry import component
from zoo.encoders._braindecode import samples
from zoo.encoders._residual import ResidualProjection
from zoo.encoders._shape import require_shape


class AveragedTemporalConv(nn.Module):
    """``Conv2d(1, F, (1, kernel))`` followed by ``AvgPool2d((1, pool), (1, stride))``, as one.

    The weights are those of the convolution. ``(B, C, T) -> (B, F, C, W)``.
    """

    def __init__(self, n_filters: int, kernel: int, pool: int, stride: int):
        super().__init__()
        self.conv = nn.Conv2d(1, n_filters, (1, kernel))
        self.pool, self.stride = pool, stride

    def forward(self, eeg_BCT: Tensor) -> Tensor:
        box = self.conv.weight.new_full((1, 1, self.pool), 1 / self.pool)
        kernel_F1K = F.conv1d(self.conv.weight.squeeze(2), box, padding=self.pool - 1)
        n_batch, n_chans, _ = eeg_BCT.shape
        out = F.conv1d(eeg_BCT.flatten(0, 1).unsqueeze(1), kernel_F1K, self.conv.bias, self.stride)
        return out.unflatten(0, (n_batch, n_chans)).transpose(1, 2)


@component(
    "encoder",
    paper="10.48550/arXiv.2308.13234",
    license="BSD-3-Clause",
    tokens=(1, "embed_dim"),
    tiny={"embed_dim": 16, "n_filters": 8},
    train={"epochs": 200, "batch_size": 1000, "lr": 2e-4, "weight_decay": 0.0},
)
class NICE(nn.Module):
    """TSConv encoder and EEG projector of NICE.

    Parameters
    ----------
    n_chans, n_times : int
        Size of a trial.
    sfreq : float
        Samples per second; kernel and average are durations.
    n_subjects : int
        Not used; all subjects share the weights.
    ch_names : sequence of str, optional
        Not used.
    embed_dim : int
        Width of the token, D; published: that of the image features.
    n_filters : int
        Temporal filters, and as many spatial ones.
    kernel_seconds : float
        Duration of the temporal kernel, cut to half of the window.
    pool_seconds : float
        Duration of the average, cut to a third of what the kernel leaves.
    stride_seconds : float
        Between two averages.
    drop_prob : float
        Dropout after the spatial filters and inside the projector's residual block.

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
        embed_dim: int = 768,
        n_filters: int = 40,
        kernel_seconds: float = 0.1,
        pool_seconds: float = 0.204,
        stride_seconds: float = 0.02,
        drop_prob: float = 0.5,
    ):
        super().__init__()
        self.n_chans, self.n_times = n_chans, n_times
        self.n_tokens, self.embed_dim = 1, embed_dim
        kernel = min(samples(kernel_seconds, sfreq), max(1, n_times // 2))
        left = n_times - kernel + 1
        pool = min(samples(pool_seconds, sfreq), max(1, left // 3))
        stride = min(samples(stride_seconds, sfreq), pool)
        columns = (left - pool) // stride + 1

        self.temporal = AveragedTemporalConv(n_filters, kernel, pool, stride)
        self.temporal_norm = nn.BatchNorm2d(n_filters)
        self.spatial = nn.Conv2d(n_filters, n_filters, (n_chans, 1))
        self.spatial_norm = nn.BatchNorm2d(n_filters)
        self.dropout = nn.Dropout(drop_prob)
        self.mix = nn.Conv2d(n_filters, n_filters, 1)
        self.projection = ResidualProjection(columns * n_filters, embed_dim, drop_prob)
        self.apply(_published_init)

    def forward(self, eeg_BCT: Tensor, subject_B: Tensor) -> Tensor:
        """Return ``tokens_BLD`` with L = 1; `subject_B` is not used."""
        require_shape(eeg_BCT, name="nice", n_chans=self.n_chans, n_times=self.n_times)
        x = F.elu(self.temporal_norm(self.temporal(eeg_BCT)))  # (B, F, C, W)
        x = F.elu(self.spatial_norm(self.spatial(x)))  # (B, F, 1, W)
        x = self.mix(self.dropout(x)).squeeze(2)
        return self.projection(x.transpose(1, 2).flatten(1)).unsqueeze(1)


def _published_init(module: nn.Module) -> None:
    """Draw first weights as the published training does."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        with torch.no_grad():
            module.bias.zero_()
