"""LPIPS on AlexNet, with the linear layers that torchmetrics ships inside its package."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zoo.towers.imagenet import architecture, resized, with_weights
from zoo.towers.lpips import vectors

SIZE = 256
#: Where each of AlexNet's five convolutions ends, after its ReLU.
SLICES = ((0, 2), (2, 5), (5, 8), (8, 10), (10, 12))
#: The linear layers of LPIPS (version 0.1) inside torchmetrics.
LINEAR = Path("functional", "image", "lpips_models", "alex.pth")
#: How LPIPS prepares pictures in [-1, 1].
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


def build(path: Path, device: str) -> Callable[[np.ndarray], dict[str, Tensor]]:
    """Return the forward pass of LPIPS on AlexNet, whose weights are the file `path`."""
    features = with_weights(partial(architecture, "alexnet"), path).features.to(device)
    weights = [weight.to(device) for weight in linear_weights()]
    shift = torch.tensor(SHIFT).view(3, 1, 1)
    scale = torch.tensor(SCALE).view(3, 1, 1)

    def forward(images_BCHW: np.ndarray) -> dict[str, Tensor]:
        pixels = resized(torch.from_numpy(images_BCHW).float() / 127.5 - 1, SIZE)
        values, layers = ((pixels - shift) / scale).to(device), []
        for start, stop in SLICES:
            values = features[start:stop](values)
            layers.append(values)
        return {"lpips-alex": vectors(layers, weights)}

    return forward


def linear_weights() -> list[Tensor]:
    """Return the weights of the channels of each layer, (c,), none below zero."""
    import torchmetrics

    folder = Path(torchmetrics.__file__).parent
    state = torch.load(folder / LINEAR, map_location="cpu", weights_only=True)
    weights = [state[f"lin{i}.model.1.weight"].flatten() for i in range(len(SLICES))]
    assert all((weight >= 0).all() for weight in weights)
    return weights
