"""The features that a named image tower gives every picture of a data set, computed once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from zoo.progress import bar
from zoo.registries import DATASETS
from zoo.stages._context import Context, Inputs
from zoo.stages._vae_features import seen
from zoo.towers.load import load
from zoo.towers.table import TOWERS

#: Pictures read and encoded at once.
BATCH = 64


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
        The tower's files are missing.
    """
    # Plain strings: whoever draws pictures by the seed of a name tells numpy's strings apart.
    image_ids = [str(name) for name in seen(inputs)]
    dataset = DATASETS.create(params["dataset"], **params["dataset_params"])
    tower = TOWERS[params["name"]]
    encode = load(tower.network, context.weights_root, device=context.device)
    parts = []
    with bar("encode pictures", len(image_ids), unit="picture") as progress:
        for start in range(0, len(image_ids), BATCH):
            part = image_ids[start : start + BATCH]
            images_BCHW = dataset.images(part, context.data_root, context.image_root)
            parts.append(encode(images_BCHW)[params["name"]])
            progress.update(len(part))
    save_file({"image": torch.cat(parts).contiguous()}, out / "features.safetensors")
    (out / "image_ids.json").write_text(json.dumps(image_ids))
    facts = {"name": params["name"], "definition": tower.definition}
    (out / "tower.json").write_text(json.dumps(facts))
