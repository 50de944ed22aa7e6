"""Towers of CLIP: the projected image embedding, by transformers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

#: Mean and deviation of RGB that every CLIP tower was trained with (Radford et al. 2021).
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def build(network: str, folder: Path, device: str) -> Callable[[np.ndarray], dict[str, Tensor]]:
    """Return the forward pass of the network whose weights and configuration are in `folder`."""
    from transformers import CLIPVisionModelWithProjection

    model = CLIPVisionModelWithProjection.from_pretrained(
        folder, use_safetensors=True, local_files_only=True, dtype=torch.float32
    )
    model = model.eval().to(device)
    size = model.config.image_size
    mean = torch.tensor(MEAN).view(3, 1, 1)
    std = torch.tensor(STD).view(3, 1, 1)

    def forward(images_BCHW: np.ndarray) -> dict[str, Tensor]:
        pixels = torch.from_numpy(np.stack([_bicubic(image, size) for image in images_BCHW]))
        normal = (pixels.float() / 255 - mean) / std
        return {network: model(pixel_values=normal.to(device)).image_embeds}

    return forward


def _bicubic(image_CHW: np.ndarray, size: int) -> np.ndarray:
    """Return a square picture at `size` pixels, by the filter that CLIP's own preparation uses."""
    if image_CHW.shape[-1] == size:
        return image_CHW
    picture = Image.fromarray(image_CHW.transpose(1, 2, 0))
    return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
