"""Put the trained parts together as a folder that StableDiffusionPipeline loads, with the judge."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from zoo.pipelines.pocket.architecture import sampling_scheduler


def assemble(out: Path) -> Path:
    """Write ``out/weights`` from the parts in `out`, all of it fp16; return the folder."""
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(out / "vae", dtype=torch.float16),
        text_encoder=CLIPTextModel.from_pretrained(out / "text_encoder", dtype=torch.float16),
        tokenizer=PreTrainedTokenizerFast.from_pretrained(out / "tokenizer"),
        unet=UNet2DConditionModel.from_pretrained(out / "unet", dtype=torch.float16),
        scheduler=sampling_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    weights = out / "weights"
    shutil.rmtree(weights, ignore_errors=True)
    pipeline.save_pretrained(weights, safe_serialization=True)
    shutil.copytree(out / "judge", weights / "judge")
    for config in weights.rglob("*.json"):
        _forget_folders(config)
    return weights


def _forget_folders(config: Path) -> None:
    """Drop the line in which diffusers notes the folder that a part was loaded from."""
    lines = config.read_text().splitlines()
    kept = [line for line in lines if '"_name_or_path"' not in line]
    if kept != lines:
        config.write_text("\n".join(kept) + "\n")
