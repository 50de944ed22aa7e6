"""EEGConvNet: temporal, spatial and deep convolutions with residual blocks, 77 tokens of 768.

The encoder of EEG-ConDiffusion: Yang & Liu (2024), Brain Sciences 14(5), 478, encoder figure.
At 128 channels x 440 samples every layer, stride and padding is as printed there; the width after
the temporal convolution is the 221 that the printed numbers compute to (the figure says 220).

What the figure leaves open, and what is chosen here (ours; parameters change it):

- a residual block ("Layers=2") is two 3x3 convolutions: conv, batch norm, ReLU, conv, batch norm,
  add, ReLU (`residual_blocks`, `residual_norm`);
- no activation after the temporal batch norm, as none is drawn (`temporal_activation`);
- convolutions inside residual blocks have no bias where a norm follows, all others have one
  (`bias`);
- nothing after the Linear and the 1x1 convolution: tokens are not squashed or scaled.

Windows shorter than the paper's keep its kernels, but are pooled less at the end: the last average
pool is the widest of 4, 3, 2, 1 columns that leaves at least four (`deep_pool`), and kernels wider
than what they act on are cut to it. So 440 samples give the paper's seven columns, 128 give four,
and there is always at least one.

The spatial convolution, whose kernel spans all channels, is computed as the matrix product that
it is; its parameters have the shape of the grouped convolution of the figure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from registry import component
from zoo.encoders._shape import require_shape


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a skip connection, ``(B, F, C, W) -> (B, F, C, W)``."""

    def __init__(self, n_filters: int, *, norm: bool):
        super().__init__()
        self.conv1 = nn.Conv2d(n_filters, n_filters, 3, padding=1, bias=not norm)
        self.norm1 = nn.BatchNorm2d(n_filters) if norm else nn.Identity()
        self.conv2 = nn.Conv2d(n_filters, n_filters, 3, padding=1, bias=not norm)
        self.norm2 = nn.BatchNorm2d(n_filters) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(x + self.norm2(self.conv2(hidden)))


class SpatialConv(nn.Module):
    """Grouped convolution over all channels at once, ``(B, G, C, W) -> (B, G * F, 1, W)``.

    Equals ``nn.Conv2d(G, G * F, (C, 1), groups=G)`` and has its parameters, but runs as a batched
    matrix product: several times faster on a CPU, and safe in bfloat16, where the convolution asks
    for a hundred gigabytes.
    """

    def __init__(self, n_groups: int, filters_per_group: int, n_chans: int, *, bias: bool):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_groups * filters_per_group, 1, n_chans, 1))
        self.bias = nn.Parameter(torch.empty(n_groups * filters_per_group)) if bias else None
        self.n_groups = n_groups
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # as nn.Conv2d
        if self.bias is not None:
            nn.init.uniform_(self.bias, -(n_chans**-0.5), n_chans**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        weight_GFC = self.weight.view(self.n_groups, -1, x.shape[2])
        out = torch.matmul(weight_GFC, x).flatten(1, 2).unsqueeze(2)
        return out if self.bias is None else out + self.bias.view(-1, 1, 1)


def halved(width: int, kernel: int) -> int:
    """Return the width after a convolution of stride 2 that pads by half its kernel."""
    return (width + 2 * (kernel // 2) - kernel) // 2 + 1


@component(
    "encoder",
    paper="10.3390/brainsci14050478",
    license="BSD-3-Clause",
    tokens=("n_tokens", "embed_dim"),
    tiny={"n_tokens": 6, "embed_dim": 16},
    train={"epochs": 15, "batch_size": 64, "lr": 1e-3, "weight_decay": 0.01},
)
class EEGConvNet(nn.Module):
    """Convolutional encoder of EEG-ConDiffusion.

    Parameters
    ----------
    n_chans, n_times : int
        Size of a trial.
    sfreq : float
        Samples per second. Not used: the paper's kernels are in samples.
    n_subjects : int
        Not used; all subjects share the weights.
    ch_names : sequence of str, optional
        Not used.
    n_tokens : int
        Tokens, L. The paper's 77 is the length of Stable Diffusion's prompts.
    embed_dim : int
        Token width, D.
    temporal_kernel : int
        Samples that the first convolution spans.
    deep_kernel : int
        Columns that the last convolution spans.
    spatial_pool : int
        Columns averaged after the spatial convolution.
    deep_pool : int or None
        Columns averaged after the deep convolution; None: 4, less for short windows.
    drop_prob : float
        Dropout after each pool.
    residual_blocks : int
        Blocks of two convolutions at each of the two places.
    residual_norm : bool
        Batch norm inside residual blocks.
    temporal_activation : {"none", "elu"}
        Activation after the temporal batch norm.
    bias : bool
        Biases of the temporal, spatial and deep convolutions.

    Attributes
    ----------
    n_tokens, embed_dim : int
        Shape of the tokens.
    """

    def __init__(
        self,
        *,
        n_chans: int,
        n_times: int,
        sfreq: float,
        n_subjects: int = 1,
        ch_names: Sequence[str] | None = None,
        n_tokens: int = 77,
        embed_dim: int = 768,
        temporal_kernel: int = 64,
        deep_kernel: int = 16,
        spatial_pool: int = 4,
        deep_pool: int | None = None,
        drop_prob: float = 0.5,
        residual_blocks: int = 1,
        residual_norm: bool = True,
        temporal_activation: Literal["none", "elu"] = "none",
        bias: bool = True,
    ):
        super().__init__()
        self.n_chans, self.n_times = n_chans, n_times
        self.n_tokens, self.embed_dim = n_tokens, embed_dim
        temporal_kernel = min(temporal_kernel, n_times)
        spatial_pool = min(spatial_pool, halved(n_times, temporal_kernel))
        pooled = halved(n_times, temporal_kernel) // spatial_pool
        deep_kernel = min(deep_kernel, pooled)
        deep_width = halved(pooled, deep_kernel)
        if deep_pool is None:
            deep_pool = max(1, min(4, deep_width // 4))
        width = deep_width // min(deep_pool, deep_width)

        self.temporal = nn.Sequential(
            nn.Conv2d(
                1,
                32,
                (1, temporal_kernel),
                stride=(1, 2),
                padding=(0, temporal_kernel // 2),
                bias=bias,
            ),
            nn.BatchNorm2d(32),
            nn.ELU() if temporal_activation == "elu" else nn.Identity(),
        )
        self.residual1 = nn.Sequential(
            *(ResidualBlock(32, norm=residual_norm) for _ in range(residual_blocks))
        )
        self.spatial = nn.Sequential(
            SpatialConv(32, 2, n_chans, bias=bias),
            nn.BatchNorm2d(64),
            nn.ELU(),
            nn.AvgPool2d((1, spatial_pool)),
            nn.Dropout(drop_prob),
        )
        self.residual2 = nn.Sequential(
            *(ResidualBlock(64, norm=residual_norm) for _ in range(residual_blocks))
        )
        self.deep = nn.Sequential(
            nn.Conv2d(
                64, 128, (1, deep_kernel), stride=(1, 2), padding=(0, deep_kernel // 2), bias=bias
            ),
            nn.BatchNorm2d(128),
            nn.ELU(),
            nn.AvgPool2d((1, min(deep_pool, deep_width))),
            nn.Dropout(drop_prob),
        )
        self.widen = nn.Linear(width, embed_dim)
        self.tokens = nn.Conv2d(128, n_tokens, 1)

    def forward(self, eeg_BCT: Tensor, subject_B: Tensor) -> Tensor:
        """Return ``tokens_BLD``; `subject_B` is not used."""
        require_shape(eeg_BCT, name="eeg_conv_net", n_chans=self.n_chans, n_times=self.n_times)
        x = self.temporal(eeg_BCT.unsqueeze(1))  # (B, 32, C, W)
        x = self.spatial(self.residual1(x))  # (B, 64, 1, W / 4)
        x = self.deep(self.residual2(x))  # (B, 128, 1, width)
        return self.tokens(self.widen(x)).squeeze(2)
