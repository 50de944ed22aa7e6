"""Write a cell's trained parts as ``EEGToImagePipeline`` reads them; nothing is imported or loaded.

What was trained is linked from the store (copied where the file system cannot link); the frozen
weights, gigabytes at full size, are named by name, revision and content hash.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from zoo.engine.graph import CellPlan
from zoo.engine.roots import Roots
from zoo.engine.store import Store
from zoo.pipelines import _weights
from zoo.pipelines._schedulers import DEFAULT, SCHEDULERS
from zoo.registries import PIPELINES

MODEL = "diffusion_pytorch_model.safetensors"
#: Pipelines of the zoo that `EEGToImagePipeline` can draw with.
DRAWN = ("stable_diffusion",)


def write_pipeline(folder: Path, cell: CellPlan, store: Store, roots: Roots) -> bool:
    """Write ``pipeline/<cell>`` of a run folder; return whether there was anything to write.

    Parameters
    ----------
    folder : Path
        Must not exist yet.
    cell : CellPlan
        Its real variant at the end of training is what is written.
    store : Store
        Without the encoder's and the conditioner's results nothing is written.
    roots : Roots
        Where the frozen weights are.
    """
    real = cell.variants[0]
    block = cell.cell.pipeline
    if real.condition is None or block.name not in DRAWN:
        return False
    if not (store.valid(cell.encode) and store.valid(real.condition)):
        return False
    encode, condition = store.path(cell.encode), store.path(real.condition)
    encoder = json.loads((encode / "encoder.json").read_text("utf-8"))
    trained = json.loads((condition / "condition.json").read_text("utf-8"))
    source = _weights.resolve(block.params["weights"], roots.weights)
    configs = {
        part: json.loads((source / part / name).read_text("utf-8"))
        for part, name in (
            ("unet", "config.json"),
            ("text_encoder", "config.json"),
            ("scheduler", "scheduler_config.json"),
        )
    }
    kept = ("name", "params", "signal", "normalise", "mean", "std", "trained_subjects")
    _write_json(
        folder / "encoder" / "config.json",
        {
            "_class_name": "EEGEncoder",
            **{key: encoder[key] for key in kept},
            "window": cell.cell.dataset.params.get("window"),
        },
    )
    _link(encode / "encoder.safetensors", folder / "encoder" / MODEL)
    _write_json(folder / "conditioner" / "config.json", _conditioner(trained, configs))
    _link(condition / "conditioner.safetensors", folder / "conditioner" / MODEL)
    adapter = trained["opens"].endswith("_lora")
    if trained["opens"] != "none":
        name = (
            "lora/pytorch_lora_weights.safetensors" if adapter else "denoiser/trained.safetensors"
        )
        _link(condition / "denoiser.safetensors", folder / name)
    scheduler, settings = SCHEDULERS[block.sample["scheduler"] or DEFAULT]
    _write_json(folder / "scheduler" / "scheduler_config.json", configs["scheduler"] | settings)
    _write_json(folder / "model_index.json", _index(cell, trained, scheduler, roots))
    return True


def _conditioner(trained: dict[str, Any], configs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    n_tokens, embed_dim = trained["tokens"]
    return {
        "_class_name": "EEGConditioner",
        **trained["conditioner"],
        "n_tokens": n_tokens,
        "embed_dim": embed_dim,
        "pipeline": {
            "width": configs["unet"]["cross_attention_dim"],
            "max_tokens": configs["text_encoder"]["max_position_embeddings"],
            "accepts": list(PIPELINES.spec(trained["pipeline"]["name"]).meta["accepts"]),
            "prediction_type": configs["scheduler"].get("prediction_type", "epsilon"),
        },
        "text_encoder": configs["text_encoder"],
    }


def _index(cell: CellPlan, trained: dict[str, Any], scheduler: str, roots: Roots) -> dict[str, Any]:
    params, sample = cell.cell.pipeline.params, cell.cell.pipeline.sample
    name = params["weights"]
    named = _weights.NAMED.get(name)
    return {
        "_class_name": "EEGToImagePipeline",
        "encoder": ["zoo.export.models", "EEGEncoder"],
        "conditioner": ["zoo.export.models", "EEGConditioner"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", scheduler],
        "image_size": params["image_size"],
        "num_inference_steps": sample["steps"],
        "guidance_scale": sample["guidance_scale"],
        "images_per_trial": sample["images_per_trial"],
        "batch_size": sample["batch_size"],
        "precision": trained["precision"],
        "seed": cell.cell.seed,
        "opens": trained["opens"],
        "weights": {
            "name": name,
            "repository": getattr(named, "repository", None),
            "revision": getattr(named, "revision", None),
            "licence": getattr(named, "licence", None),
            "sha256": _weights.fingerprint(name, roots.weights),
        },
    }


def _link(source: Path, target: Path) -> None:
    """Give a file of the store a second name; copy it where that is another file system."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
