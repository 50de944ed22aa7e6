"""Put the trained parts together as a folder that StableDiffusionPipeline loads, with the judge."""

from __future__ import annotations

import json
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
        _tidy(config)
    return weights


def _tidy(config: Path) -> None:
    """Drop the folder a part came from; call the tokenizer's class what all versions call it."""
    text = config.read_text().replace("TokenizersBackend", "PreTrainedTokenizerFast")
    settings = json.loads(text)
    settings.pop("_name_or_path", None)
    config.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n")
