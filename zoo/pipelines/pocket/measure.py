"""Measure the assembled weights, write TRAINING.json beside them, and draw the sample sheet."""

from __future__ import annotations

import json
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from PIL import Image, ImageDraw
from safetensors.torch import load_file

from zoo.drawings import CLASSES, Factors, caption, draw
from zoo.judge_net import JudgeNet
from zoo.pipelines.pocket import train_autoencoder, train_denoiser, train_judge
from zoo.pipelines.pocket.assemble import assemble
from zoo.pipelines.pocket.loop import SEED
from zoo.pipelines.pocket.pictures import (
    TRAINING_DRAWINGS,
    TRAINING_TEXTURES,
    drawing_factors,
    photographs,
    to_float,
)

SAMPLING = {"num_inference_steps": 10, "guidance_scale": 3.0}
PROMPTS = 500
HELD_OUT = 1000


def measure(out: Path) -> None:
    """Assemble ``out/weights``, measure them, write their TRAINING.json and the sample sheet."""
    weights = assemble(out)
    pipeline, judge = load_pipeline(weights), load_judge(weights / "judge")
    factors = drawing_factors("held out", HELD_OUT)
    drawings = to_float(np.stack([draw(f) for f in factors]))
    labels = torch.tensor([f.class_index for f in factors])
    photos = photographs()
    photo_images = torch.stack(list(photos.values()))
    rebuilt = reconstruct(pipeline.vae, drawings)
    photo_db = psnr(photo_images, reconstruct(pipeline.vae, photo_images))

    started = time.perf_counter()
    generated, seen = [], labels[:PROMPTS]
    for k in range(0, PROMPTS, 50):
        prompts = [caption(f) for f in factors[k : k + 50]]
        generated.append(generate(pipeline, prompts, seeds=range(k, k + len(prompts))))
    generated = torch.cat(generated)
    seconds = time.perf_counter() - started
    right = judged(judge, generated) == seen
    figures = {
        "reconstruction_psnr_db": {
            "held_out_drawings": round(psnr(drawings, rebuilt).mean().item(), 2),
            "n_drawings": HELD_OUT,
            "photographs_never_trained_on": round(photo_db.mean().item(), 2),
            **{name: round(db.item(), 2) for name, db in zip(photos, photo_db, strict=True)},
        },
        "judge_accuracy": {
            "held_out_drawings": _share(judged(judge, drawings) == labels),
            "held_out_drawings_rebuilt": _share(judged(judge, rebuilt) == labels),
            "n": HELD_OUT,
        },
        "text_to_image_class_accuracy": {
            "value": _share(right),
            "n": PROMPTS,
            **SAMPLING,
            "by_class": {c.name: _share(right[seen == k]) for k, c in enumerate(CLASSES)},
        },
        "seconds_per_100_pictures": {
            "value": round(100 * seconds / PROMPTS, 2),
            "threads": torch.get_num_threads(),
        },
    }
    _write_record(weights, pipeline, judge, figures)
    sheet(
        factors, drawings, rebuilt, generated, photo_images, reconstruct(pipeline.vae, photo_images)
    ).save(out / "pocket-samples.png", optimize=True)
    print(json.dumps(figures, indent=2))


def load_pipeline(weights: Path) -> StableDiffusionPipeline:
    """Load the weights as stock diffusers does, in fp32 for a CPU."""
    pipeline = StableDiffusionPipeline.from_pretrained(
        weights, dtype=torch.float32, safety_checker=None, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_judge(folder: Path) -> JudgeNet:
    """Load the judge, ready to judge."""
    config = json.loads((folder / "config.json").read_text())
    judge = JudgeNet(config["n_classes"], config["width"])
    state = {k: v.float() for k, v in load_file(folder / "model.safetensors").items()}
    missing, unexpected = judge.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    return judge.eval()


@torch.no_grad()
def reconstruct(autoencoder: AutoencoderKL, images: torch.Tensor) -> torch.Tensor:
    """Return pictures in [-1, 1] after a trip through the autoencoder."""
    rebuilt = [
        autoencoder.decode(autoencoder.encode(rows).latent_dist.mean).sample
        for rows in images.split(100)
    ]
    return torch.cat(rebuilt).clamp(-1, 1)


def psnr(images: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return the peak signal-to-noise ratio of each pair of pictures in [-1, 1], in dB."""
    return -10 * ((images - others) / 2).square().mean((1, 2, 3)).log10()


def generate(pipeline: StableDiffusionPipeline, prompts: list[str], seeds: range) -> torch.Tensor:
    """Draw one picture a prompt; return them as float (N, 3, 64, 64) in [-1, 1]."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    images = pipeline(prompts, generator=generators, output_type="pt", **SAMPLING).images
    return images * 2 - 1


@torch.no_grad()
def judged(judge: JudgeNet, images: torch.Tensor) -> torch.Tensor:
    """Return the class the judge sees in each picture."""
    return torch.cat([judge(rows).argmax(1) for rows in images.split(200)])


def sheet(
    factors: list[Factors],
    drawings: torch.Tensor,
    rebuilt: torch.Tensor,
    generated: torch.Tensor,
    photos: torch.Tensor,
    photos_rebuilt: torch.Tensor,
) -> Image.Image:
    """Lay out rows of pictures, one column a class: drawn, rebuilt, from text; photographs last."""
    columns = len(CLASSES)
    first = [[i for i, f in enumerate(factors) if f.class_index == k] for k in range(columns)]
    rows = [("drawn", [drawings[i[0]] for i in first])]
    rows += [("the same, through the autoencoder", [rebuilt[i[0]] for i in first])]
    title = "from text (10 steps, guidance 3): the first five captions of each class, none left out"
    rows += [(title, [generated[i[r]] for i in first]) for r in range(5)]
    pairs = torch.stack([photos, photos_rebuilt], 1).flatten(0, 1)
    rows.append(("photographs never trained on, each beside its reconstruction", list(pairs)))
    zoom, strip, cell = 2, 16, 128
    heads = [title for k, (title, _) in enumerate(rows) if k == 0 or rows[k - 1][0] != title]
    page = Image.new("RGB", (columns * cell, len(rows) * cell + len(heads) * strip), "white")
    pen, y, last = ImageDraw.Draw(page), 0, None
    for title, pictures in rows:
        if title != last:
            pen.text((4, y + 2), title, fill="black")
            y, last = y + strip, title
        for k, picture in enumerate(pictures):
            pixels = ((picture.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
            tile = Image.fromarray(pixels).resize((64 * zoom, 64 * zoom), Image.NEAREST)
            page.paste(tile, (k * cell, y))
        y += cell
    return page


def _share(right: torch.Tensor) -> float:
    return round(right.float().mean().item(), 4)


def _write_record(
    weights: Path, pipeline: StableDiffusionPipeline, judge: JudgeNet, figures: dict
) -> None:
    config = weights / "judge" / "config.json"
    accuracy = figures["judge_accuracy"]
    config.write_text(
        json.dumps(json.loads(config.read_text()) | {"accuracy": accuracy}, indent=2) + "\n"
    )
    parts = {
        "vae": pipeline.vae,
        "unet": pipeline.unet,
        "judge": judge,
        "text_encoder": pipeline.text_encoder,
    }
    record = {
        "command": "python -m zoo.pipelines.pocket.train OUT",
        "seed": SEED,
        "steps": {
            "autoencoder": train_autoencoder.STEPS,
            "decoder": train_autoencoder.DECODER_STEPS,
            "denoiser": train_denoiser.STEPS,
            "judge": train_judge.STEPS,
        },
        "pictures": {"drawings": TRAINING_DRAWINGS, "textures": TRAINING_TEXTURES},
        "parameters": {k: sum(p.numel() for p in m.parameters()) for k, m in parts.items()},
        "figures": figures,
        "versions": {
            p: version(p) for p in ("torch", "diffusers", "transformers", "numpy", "pillow")
        },
    }
    (weights / "TRAINING.json").write_text(json.dumps(record, indent=2) + "\n")
