"""The folder of an `EEGToImagePipeline`: what it may name, and how the denoiser is read from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors import SafetensorError
from safetensors.torch import load_file

from registry.errors import UserError
from zoo.export.models import read_json
from zoo.pipelines import _weights
from zoo.pipelines._diffusers_folder import DiffusersFolder
from zoo.pipelines._opening import OPENS, load_opened, open_denoiser
from zoo.precision import HALF

INDEX = "model_index.json"
PIPELINE = "EEGToImagePipeline"
#: Component -> where its class is; nothing else is imported, whatever a folder says.
CLASSES = {
    "encoder": ("zoo.export.models", "EEGEncoder"),
    "conditioner": ("zoo.export.models", "EEGConditioner"),
    "unet": ("diffusers", "UNet2DConditionModel"),
    "vae": ("diffusers", "AutoencoderKL"),
}
#: What was trained in the denoiser, beside its frozen weights: full parameters, or an adapter
#: under the name that ``StableDiffusionPipeline.load_lora_weights`` looks for.
TRAINED = Path("denoiser/trained.safetensors")
ADAPTER = Path("lora/pytorch_lora_weights.safetensors")


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 1


#: Settings in the index -> whether a value can be used, and what it has to be.
SETTINGS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "image_size": (_is_count, "a whole number from 1"),
    "num_inference_steps": (_is_count, "a whole number from 1"),
    "images_per_trial": (_is_count, "a whole number from 1"),
    "batch_size": (_is_count, "a whole number from 1"),
    "guidance_scale": (lambda value: type(value) in (int, float), "a number"),
    "seed": (lambda value: type(value) is int, "a whole number"),
    "precision": (lambda value: value in list(HALF), f"one of {', '.join(HALF)}"),
    "opens": (lambda value: value in ["none", *OPENS], f"one of none, {', '.join(OPENS)}"),
}


def read_index(folder: Path) -> dict[str, Any]:
    """Return ``model_index.json``, having made sure that it names our classes alone."""
    if not (folder / INDEX).is_file():
        raise UserError(
            f"there is no {folder / INDEX}; name the folder pipeline/<cell> of a run, or one that "
            "save_pretrained wrote"
        )
    index = read_json(folder / INDEX)
    if index.get("_class_name") != PIPELINE:
        raise UserError(f"{folder} holds a {index.get('_class_name')}, not an EEGToImagePipeline")
    for name, expected in CLASSES.items():
        if index.get(name) != list(expected):
            raise UserError(f"{folder / INDEX}: {name} must be {list(expected)}")
    if not _is_scheduler(index.get("scheduler")):
        raise UserError(f"{folder / INDEX}: scheduler must be one of diffusers")
    for name, (good, takes) in SETTINGS.items():
        if not good(index.get(name)):
            raise UserError(f"{folder / INDEX}: {name} must be {takes}, got {index.get(name)!r}")
    return index


def _is_scheduler(named: Any) -> bool:
    if not isinstance(named, list) or len(named) != 2 or named[0] != "diffusers":
        return False
    name = str(named[1])
    return name.endswith("Scheduler") and hasattr(diffusers, name)


def frozen(
    folder: Path, index: dict[str, Any], root: Path | None
) -> tuple[UNet2DConditionModel, AutoencoderKL]:
    """Return denoiser and autoencoder: those of the folder, else those that it names."""
    if (folder / "unet").is_dir():
        models = [
            kind.from_pretrained(folder / part, use_safetensors=True, local_files_only=True)
            for part, kind in (("unet", UNet2DConditionModel), ("vae", AutoencoderKL))
        ]
        unet, vae = (model.float().requires_grad_(False).eval() for model in models)
        return unet, vae
    weights = index.get("weights")
    if not isinstance(weights, dict) or not all(
        isinstance(weights.get(key), str) for key in ("name", "sha256")
    ):
        raise UserError(f"{folder / INDEX}: weights must hold the name and sha256 of the denoiser")
    name = weights["name"]
    source = DiffusersFolder(_weights.resolve(name, root), torch.device("cpu"))
    source.check(name, index["image_size"])
    if _weights.fingerprint(name, root) != weights["sha256"]:
        raise UserError(
            f"the weights {name!r} in {source.path} are not those that {folder} was trained on "
            f"(sha256 {weights['sha256'][:12]} ...); name those with --weights-root (weights_root=)"
        )
    return source.unet, source.vae


def load_trained(unet: UNet2DConditionModel, folder: Path, index: dict[str, Any]) -> None:
    """Put what was trained into the denoiser, where it does not already hold it."""
    adapter = index["opens"].endswith("_lora")
    file = folder / (ADAPTER if adapter else TRAINED)
    if index["opens"] == "none" or not (file.is_file() or adapter):
        return
    if not file.is_file():
        raise UserError(f"there is no {file}, the adapter of this pipeline")
    try:
        state = load_file(file)
    except SafetensorError as error:
        raise UserError(f"{file} cannot be read ({error}); copy it again") from error
    rank = next((len(value) for name, value in state.items() if ".lora_A." in name), 0)
    with torch.random.fork_rng(devices=[]):
        open_denoiser(unet, index["opens"], rank)
    try:
        load_opened(unet, index["opens"], state)
    except ValueError as error:
        raise UserError(f"{file} does not fit ({error})") from error
