"""The tower of FID, KID and the inception score: the Inception v3 of 2015, by torch-fidelity."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


def build(path: Path, device: str) -> Callable[[np.ndarray], dict[str, Tensor]]:
    """Return the forward pass of the network whose weights are the file `path`."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    # The extractor unpickles whatever its file holds: it gets one that holds tensors alone.
    tensors = io.BytesIO()
    torch.save(torch.load(path, map_location="cpu", weights_only=True), tensors)
    tensors.seek(0)
    network = FeatureExtractorInceptionV3("fid", ["2048", "logits_unbiased"], tensors)
    network = network.eval().to(device)

    def forward(images_BCHW: np.ndarray) -> dict[str, Tensor]:
        features, logits = network(torch.from_numpy(images_BCHW).to(device))
        return {"inception-fid": features, "inception-fid:logits": logits}

    return forward
