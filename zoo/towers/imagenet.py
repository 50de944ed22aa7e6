"""Towers of torchvision: networks trained on ImageNet, and how each wants its pictures.

AlexNet, Inception v3 and EfficientNet-B1 are prepared and read as MindEye2 (Scotti et al. 2024)
does for its identification scores and distances: brought to a size without cropping, which is not
how these networks classify, so they give features only. ViT-H/14 is prepared by the transforms of
its own weights, as the n-way scores of MinD-Vis (Chen et al. 2023) and its successors do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms import functional as transforms

#: Pixels of the shorter side.
SIZES = {"alexnet": 256, "inception-v3": 342, "efficientnet-b1": 255}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def build(network: str, path: Path, device: str) -> Callable[[np.ndarray], dict[str, Tensor]]:
    """Return the forward pass of a network whose weights are the file `path`."""
    net = with_weights(partial(architecture, network), path).to(device)
    if network == "inception-v3":
        net.fc = nn.Identity()  # what is left ends with the pooled features
    read = {
        "alexnet": _alexnet,
        "inception-v3": _inception,
        "efficientnet-b1": _efficientnet,
        "vit-h-14": _vit,
    }[network]
    return lambda images_BCHW: read(net, prepared(network, images_BCHW).to(device))


def architecture(network: str) -> nn.Module:
    """Return the network without its weights."""
    if network == "alexnet":
        return models.alexnet(weights=None)
    if network == "inception-v3":
        return models.inception_v3(weights=None, transform_input=True, init_weights=False)
    if network == "efficientnet-b1":
        return models.efficientnet_b1(weights=None)
    assert network == "vit-h-14", network
    return models.vit_h_14(weights=None, image_size=518)


def with_weights(make: Callable[[], nn.Module], path: Path) -> nn.Module:
    """Return the network with the weights of a file, in evaluation mode."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    with torch.device("meta"):  # no memory and no time for numbers that are overwritten
        net = make()
    net.load_state_dict(state, assign=True)
    return net.float().eval()


def prepared(network: str, images_BCHW: np.ndarray) -> Tensor:
    """Return uint8 pictures as the network wants them, float32 on the CPU."""
    if network == "vit-h-14":  # by Pillow, whose bicubic filter clips otherwise than torch's
        own = models.ViT_H_14_Weights.IMAGENET1K_SWAG_E2E_V1.transforms()
        return torch.stack([own(Image.fromarray(i.transpose(1, 2, 0))) for i in images_BCHW])
    pixels = resized(torch.from_numpy(images_BCHW).float() / 255, SIZES[network])
    return transforms.normalize(pixels, MEAN, STD)


def resized(pixels_BCHW: Tensor, size: int) -> Tensor:
    """Return pictures whose shorter side has `size` pixels, bilinear and antialiased."""
    return transforms.resize(pixels_BCHW, [size], antialias=True)


def _alexnet(net: nn.Module, pixels_BCHW: Tensor) -> dict[str, Tensor]:
    second = net.features[:5](pixels_BCHW)
    fifth = net.features[5:12](second)
    return {"alexnet-2": second.flatten(1), "alexnet-5": fifth.flatten(1)}


def _inception(net: nn.Module, pixels_BCHW: Tensor) -> dict[str, Tensor]:
    return {"inception-v3": net(pixels_BCHW)}


def _efficientnet(net: nn.Module, pixels_BCHW: Tensor) -> dict[str, Tensor]:
    return {"efficientnet-b1": net.avgpool(net.features(pixels_BCHW)).flatten(1)}


def _vit(net: nn.Module, pixels_BCHW: Tensor) -> dict[str, Tensor]:
    return {"vit-h-14:logits": net(pixels_BCHW)}
