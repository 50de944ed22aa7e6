"""The features that a named image tower gives every picture of a data set, computed once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from registry.errors import UserError
from zoo.progress import bar
from zoo.registries import DATASETS
from zoo.stages._context import Context, Inputs
from zoo.stages._vae_features import seen
from zoo.towers.table import TOWERS, missing

#: Pictures read and encoded at once.
BATCH = 64
#: Mean and deviation of RGB that every CLIP tower was trained with (Radford et al. 2021).
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

Encode = Callable[[np.ndarray], Tensor]


def run(inputs: Inputs, params: dict[str, Any], out: Path, context: Context) -> None:
    """Run the tower over each distinct picture of the prepared or selected trials.

    Parameters
    ----------
    inputs : mapping
        "prepare"; "select" too where only the pictures of its trials are wanted.
    params : dict
        "name" (of the tower), "dataset" and "dataset_params".
    out : Path
        Receives features.safetensors ("image", (I, F) float32), image_ids.json, entry i for row
        i, and tower.json (name, definition).
    context : Context

    Raises
    ------
    UserError
        The tower is not known or its files are missing.
    """
    # Plain strings: whoever draws pictures by the seed of a name tells numpy's strings apart.
    image_ids = [str(name) for name in seen(inputs)]
    dataset = DATASETS.create(params["dataset"], **params["dataset_params"])
    encode = load(params["name"], context.weights_root, device=context.device)
    parts = []
    with bar("encode pictures", len(image_ids), unit="picture") as progress:
        for start in range(0, len(image_ids), BATCH):
            part = image_ids[start : start + BATCH]
            parts.append(encode(dataset.images(part, context.data_root, context.image_root)))
            progress.update(len(part))
    save_file({"image": torch.cat(parts).contiguous()}, out / "features.safetensors")
    (out / "image_ids.json").write_text(json.dumps(image_ids))
    facts = {"name": params["name"], "definition": TOWERS[params["name"]].definition}
    (out / "tower.json").write_text(json.dumps(facts))


def load(name: str, weights_root: Path | None, *, device: str) -> Encode:
    """Return the function from pictures (B, 3, H, W) uint8 to features (B, F) float32, on the CPU.

    Raises
    ------
    UserError
        The tower is not known or its files are missing.
    """
    if problems := missing(name, weights_root):
        raise UserError("\n".join(problems))
    if name == "pocket_judge":
        return _pocket_judge(device)
    assert weights_root is not None
    return _clip(weights_root / name, device)


def _pocket_judge(device: str) -> Encode:
    from zoo.stages._pocket_judge import SHIPPED, network, scaled

    config = json.loads((SHIPPED / "config.json").read_text(encoding="utf-8"))
    judge = network(
        {"n_classes": config["n_classes"], "width": config["width"]},
        SHIPPED / "model.safetensors",
        device=device,
    )

    @torch.no_grad()
    def encode(images_BCHW: np.ndarray) -> Tensor:
        return judge.features(scaled(images_BCHW, device)).cpu()

    return encode


def _clip(folder: Path, device: str) -> Encode:
    from transformers import CLIPVisionModelWithProjection

    model = CLIPVisionModelWithProjection.from_pretrained(
        folder, use_safetensors=True, local_files_only=True, dtype=torch.float32
    )
    model = model.eval().to(device)
    size = model.config.image_size
    mean = torch.tensor(CLIP_MEAN).view(3, 1, 1)
    std = torch.tensor(CLIP_STD).view(3, 1, 1)

    @torch.no_grad()
    def encode(images_BCHW: np.ndarray) -> Tensor:
        pixels = torch.from_numpy(np.stack([_bicubic(image, size) for image in images_BCHW]))
        normal = (pixels.float() / 255 - mean) / std
        return model(pixel_values=normal.to(device)).image_embeds.float().cpu()

    return encode


def _bicubic(image_CHW: np.ndarray, size: int) -> np.ndarray:
    """Return a square picture at `size` pixels, by the filter that CLIP's own preparation uses."""
    if image_CHW.shape[-1] == size:
        return image_CHW
    picture = Image.fromarray(image_CHW.transpose(1, 2, 0))
    return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
