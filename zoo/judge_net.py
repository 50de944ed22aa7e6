"""The judge: a small convolutional classifier that says which class a picture shows."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn


class JudgeNet(nn.Module):
    """Four halving stages of 3x3 convolutions, global average, one linear layer.

    Parameters
    ----------
    n_classes : int
        Number of classes.
    width : int
        Channels of the first stage; the stages have 1, 2, 4 and 6 times as many.

    Attributes
    ----------
    n_features : int
        Width of `features`.
    """

    def __init__(self, n_classes: int, width: int = 16) -> None:
        super().__init__()
        widths = [3, width, 2 * width, 4 * width, 6 * width]
        self.n_classes, self.n_features = n_classes, widths[-1]
        stages = []
        for before, after in pairwise(widths):
            stages += [*_conv(before, after, stride=2), *_conv(after, after, stride=1)]
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(self.n_features, n_classes)

    def features(self, images_BCHW: torch.Tensor) -> torch.Tensor:
        """Return features (B, n_features) of RGB pictures in [-1, 1], 16x16 or larger."""
        return self.stages(images_BCHW).mean((2, 3))

    def forward(self, images_BCHW: torch.Tensor) -> torch.Tensor:
        """Return logits (B, n_classes) of RGB pictures in [-1, 1]."""
        return self.head(self.features(images_BCHW))


def _conv(before: int, after: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
