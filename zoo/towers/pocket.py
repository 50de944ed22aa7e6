"""Towers of the pocket judge, which ships: features, class scores, activations of its stages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.judge_net import JudgeNet

SIDE = 64
N_STAGES = 4


def build(
    network_name: str, folder: Path, device: str
) -> Callable[[np.ndarray], dict[str, Tensor]]:
    """Return the forward pass of one of the three networks that are made of the judge."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    shape = {"n_classes": config["n_classes"], "width": config["width"]}
    judge = network(shape, folder / "model.safetensors", device=device)
    outputs = {
        "pocket_judge": _features,
        "pocket_judge-stages": _first_stages,
        "lpips-pocket": _lpips,
    }[network_name]
    return lambda images_BCHW: outputs(judge, scaled(images_BCHW, device))


def _features(judge: JudgeNet, pixels_BCHW: Tensor) -> dict[str, Tensor]:
    features = judge.features(pixels_BCHW)
    return {"pocket_judge": features, "pocket_judge:logits": judge.head(features)}


def _first_stages(judge: JudgeNet, pixels_BCHW: Tensor) -> dict[str, Tensor]:
    first, second, *_ = stages(judge, pixels_BCHW)
    return {"pocket_judge-1": first.flatten(1), "pocket_judge-2": second.flatten(1)}


def _lpips(judge: JudgeNet, pixels_BCHW: Tensor) -> dict[str, Tensor]:
    from zoo.towers.lpips import vectors  # here, as what only plans loads no torch

    return {"lpips-pocket": vectors(stages(judge, pixels_BCHW))}


def stages(judge: JudgeNet, pixels_BCHW: Tensor) -> list[Tensor]:
    """Return the activations at the end of each stage, (B, c, h, w)."""
    layers = list(judge.stages)
    per_stage = len(layers) // N_STAGES
    found, values = [], pixels_BCHW
    for start in range(0, len(layers), per_stage):
        values = judge.stages[start : start + per_stage](values)
        found.append(values)
    return found


def network(shape: dict[str, int], weights: Path, *, device: str) -> JudgeNet:
    """Return the judge with the weights of a safetensors file, in evaluation mode.

    Parameters
    ----------
    shape : dict
        ``n_classes`` and ``width``.
    weights : Path
    device : str
    """
    from safetensors.torch import load_file

    from zoo.judge_net import JudgeNet

    network = JudgeNet(**shape)
    state = {name: tensor.float() for name, tensor in load_file(weights).items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    # Counters of batches seen are not stored; nothing else may be absent.
    assert not unexpected, unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing), missing
    return network.eval().to(device)


def scaled(images_NCHW: np.ndarray, device: str) -> Tensor:
    """Return uint8 pictures as the judge wants them: 64x64, in [-1, 1]."""
    import torch

    images = torch.from_numpy(np.ascontiguousarray(images_NCHW)).to(device).float()
    if images.shape[2:] != (SIDE, SIDE):
        images = torch.nn.functional.interpolate(images, size=(SIDE, SIDE), mode="area")
    return images / 127.5 - 1
