"""A Stable Diffusion of full size with random weights, from configurations alone: for measuring.

    python -m zoo.checks.random_stable_diffusion CONFIGS OUT

CONFIGS is a diffusers folder without its weights; OUT becomes the same folder with random ones in
fp16 (2.1 GB for Stable Diffusion 1.5). It draws noise, and takes the time and the memory of the
real one.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")


def write_random_stable_diffusion(configs: Path, folder: Path, *, seed: int = 0) -> Path:
    """Write models of the shapes in `configs` with random fp16 weights into `folder`; return it.

    Parameters
    ----------
    configs : Path
        A diffusers folder: ``model_index.json``, the configurations, the tokenizer.
    folder : Path
    seed : int
        The same seed gives the same weights.
    """
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    for source in [
        configs / "model_index.json",
        *(f for p in PARTS for f in (configs / p).glob("*")),
    ]:
        target = folder / source.relative_to(configs)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    for part, kind in (("unet", UNet2DConditionModel), ("vae", AutoencoderKL)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = kind.from_config(kind.load_config(configs / part, local_files_only=True))
        model.half().save_pretrained(folder / part, safe_serialization=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text = CLIPTextModel(CLIPTextConfig.from_pretrained(configs / "text_encoder"))
    text.half().save_pretrained(folder / "text_encoder", safe_serialization=True)
    return folder


if __name__ == "__main__":
    print(write_random_stable_diffusion(Path(sys.argv[1]), Path(sys.argv[2])))
