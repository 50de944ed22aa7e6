"""EEGChannelNet: dilated temporal, then spatial convolutions of several heights, residual blocks.

Palazzo et al. (2020), Decoding Brain Representations by Multimodal Learning of Neural Activity and
Visual Features (IEEE TPAMI), with the sizes that the data set's authors release: at 128 channels x
440 samples, 200 maps of 64 x 220 after the spatial convolutions, 50 of 1 x 10 at the end, a token
of 1000. Yang & Liu (2024) compare with it. Written anew from those sizes; the class layer is that
of the objective ``classify``.

What differs, and only for other sizes of a trial (ours; the published network cannot be built for
all of them):

- with an odd number of channels the spatial kernels are of odd height, so that all reach the same
  number of rows;
- kernels higher or wider than what they act on are cut to it: few channels and short windows leave
  nothing to shrink before the last convolution.

Kernels are in samples and rows of channels, whatever the sampling rate and order of the channels;
neighbouring rows should be neighbouring electrodes. At the paper's size a trial takes 22 billion
multiplications, so train it on a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from registry import component
from zoo.encoders._shape import require_shape

TEMPORAL_KERNEL = 33
DILATIONS = (1, 2, 4, 8)
#: The spatial kernels span all channels, a half, a third and a quarter of them.
SPATIAL_PARTS = (1, 2, 3, 4)
RESIDUAL_BLOCKS = 4


def conv_layer(
    n_in: int, n_out: int, kernel: tuple[int, int], drop_prob: float, **how: tuple[int, int]
) -> nn.Sequential:
    """Return batch norm, ReLU, convolution (`how`: its stride, padding, dilation), dropout."""
    rows, columns = how.pop("padding", (0, 0))
    # Padded apart: where the kernel is as high as the maps, some of torch's kernels for CPUs take
    # the gradient of a convolution that pads from memory that nothing was written to.
    padding = [nn.ZeroPad2d((columns, columns, rows, rows))] if rows or columns else []
    return nn.Sequential(
        nn.BatchNorm2d(n_in),
        nn.ReLU(inplace=True),  # the maps are large
        *padding,
        nn.Conv2d(n_in, n_out, kernel, **how),
        nn.Dropout2d(drop_prob),
    )


class Branches(nn.ModuleList):
    """Layers side by side on one input, their maps one after another."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([layer(x) for layer in self], 1)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm around a skip connection, then ReLU."""

    def __init__(self, n_maps: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_maps, n_maps, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_maps),
            nn.ReLU(),
            nn.Conv2d(n_maps, n_maps, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_maps),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


def at_most(size: tuple[int, int]) -> tuple[int, int]:
    """Return a 3x3 kernel, cut to maps of `size`."""
    return min(3, size[0]), min(3, size[1])


@component(
    "encoder",
    paper="10.1109/TPAMI.2020.2995909",
    license="BSD-3-Clause",
    tokens=(1, "embed_dim"),
    tiny={"embed_dim": 16, "temporal_filters": 2, "spatial_filters": 4},
    train={"epochs": 200, "batch_size": 16, "lr": 1e-3, "weight_decay": 0.0},
)
class EEGChannelNet(nn.Module):
    """Convolutional encoder of EEG-ChannelNet with its embedding.

    Parameters
    ----------
    n_chans, n_times : int
        Size of a trial.
    sfreq : float
        Not used: the published kernels are in samples.
    n_subjects : int
        Not used; all subjects share the weights.
    ch_names : sequence of str, optional
        Not used.
    embed_dim : int
        Width of the token, D.
    temporal_filters : int
        Filters of each of the four dilations.
    spatial_filters : int
        Filters of each of the four heights, and of the last convolution.
    drop_prob : float
        Dropout of whole maps after every convolution outside residual blocks.

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
        embed_dim: int = 1000,
        temporal_filters: int = 10,
        spatial_filters: int = 50,
        drop_prob: float = 0.2,
    ):
        super().__init__()
        self.n_chans, self.n_times = n_chans, n_times
        self.n_tokens, self.embed_dim = 1, embed_dim
        n_temporal = temporal_filters * len(DILATIONS)
        n_maps = spatial_filters * len(SPATIAL_PARTS)

        self.temporal = Branches(
            conv_layer(
                1,
                temporal_filters,
                (1, TEMPORAL_KERNEL),
                drop_prob,
                stride=(1, 2),
                padding=(0, dilation * (TEMPORAL_KERNEL // 2)),
                dilation=(1, dilation),
            )
            for dilation in DILATIONS
        )
        heights = [max(1, n_chans // part) | n_chans % 2 for part in SPATIAL_PARTS]
        self.spatial = Branches(
            conv_layer(
                n_temporal,
                spatial_filters,
                (height, 1),
                drop_prob,
                stride=(2, 1),
                padding=((height - 1) // 2, 0),
            )
            for height in heights
        )
        size = (n_chans + 1) // 2, (n_times + 1) // 2
        shrinking: list[nn.Module] = []
        for _ in range(RESIDUAL_BLOCKS):
            kernel = at_most(size)
            down = conv_layer(n_maps, n_maps, kernel, drop_prob, stride=(2, 2))
            shrinking += [ResidualBlock(n_maps), down]
            size = (size[0] - kernel[0]) // 2 + 1, (size[1] - kernel[1]) // 2 + 1
        self.residual = nn.Sequential(*shrinking)
        kernel = at_most(size)
        self.final = conv_layer(n_maps, spatial_filters, kernel, drop_prob)
        n_features = spatial_filters * (size[0] - kernel[0] + 1) * (size[1] - kernel[1] + 1)
        self.embedding = nn.Linear(n_features, embed_dim)

    def forward(self, eeg_BCT: Tensor, subject_B: Tensor) -> Tensor:
        """Return ``tokens_BLD`` with L = 1, none negative; `subject_B` is not used."""
        require_shape(eeg_BCT, name="eeg_channel_net", n_chans=self.n_chans, n_times=self.n_times)
        x = self.temporal(eeg_BCT.unsqueeze(1))  # (B, 4 * temporal_filters, C, T / 2)
        x = self.spatial(x)  # (B, 4 * spatial_filters, C / 2, T / 2)
        x = self.final(self.residual(x))
        return torch.relu(self.embedding(x.flatten(1))).unsqueeze(1)
