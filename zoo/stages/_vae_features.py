"""The latents of every picture of a data set: mean and deviation, computed once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from safetensors.torch import save_file

from zoo.progress import bar
from zoo.registries import DATASETS, PIPELINES
from zoo.stages._context import Context, Inputs

#: Pictures read and encoded at once.
BATCH = 64


def run(inputs: Inputs, params: dict[str, Any], out: Path, context: Context) -> None:
    """Encode each distinct picture of the prepared trials.

    Parameters
    ----------
    inputs : mapping
        "prepare"; "select" too where only the pictures of its trials are wanted.
    params : dict
        "dataset" and "dataset_params", "pipeline" and "params" (its build parameters).
    out : Path
        Receives features.safetensors (mean and std, (I, c, h, w) float32) and image_ids.json,
        entry i for row i.
    context : Context
    """
    image_ids = seen(inputs)
    dataset = DATASETS.create(params["dataset"], **params["dataset_params"])
    pipeline = PIPELINES.create(params["pipeline"], **params["params"])
    pipeline.load(context.weights_root, device=context.device)
    means, stds = [], []
    with bar("encode pictures", len(image_ids), unit="picture") as progress:
        for start in range(0, len(image_ids), BATCH):
            part = image_ids[start : start + BATCH]
            images_BCHW = dataset.images(part, context.data_root, context.image_root)
            mean, std = pipeline.encode_images(resized(images_BCHW, pipeline.image_size))
            means.append(mean)
            stds.append(std)
            progress.update(len(part))
    features = {"mean": torch.cat(means).contiguous(), "std": torch.cat(stds).contiguous()}
    save_file(features, out / "features.safetensors")
    (out / "image_ids.json").write_text(json.dumps(image_ids))


def seen(inputs: Inputs) -> list[str]:
    """Return the pictures of the selected trials where there is a selection, else of all."""
    if "select" in inputs:
        with np.load(inputs["select"] / "select.npz", allow_pickle=False) as select:
            return sorted(set(select["image_id"].astype(str).tolist()))
    table = pd.read_csv(
        inputs["prepare"] / "trials.csv", dtype={"image_id": str}, keep_default_na=False
    )
    return sorted(set(table["image_id"]))


def resized(images_BCHW: np.ndarray, size: int) -> torch.Tensor:
    """Return square uint8 pictures at `size` pixels, (B, 3, size, size), by Lanczos' filter."""
    assert images_BCHW.dtype == np.uint8 and images_BCHW.shape[2] == images_BCHW.shape[3]
    if images_BCHW.shape[-1] == size:
        return torch.from_numpy(images_BCHW)
    pictures = [
        Image.fromarray(image.transpose(1, 2, 0)).resize((size, size), Image.Resampling.LANCZOS)
        for image in images_BCHW
    ]
    return torch.from_numpy(np.stack([np.asarray(p).transpose(2, 0, 1) for p in pictures]))
