"""Train the judge on drawings, as they are and through the autoencoder; never on generated ones."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from safetensors.torch import save_file

from zoo.drawings import CLASSES
from zoo.judge_net import JudgeNet
from zoo.pipelines.pocket.loop import SEED, train_steps
from zoo.pipelines.pocket.pictures import to_float, training_drawings
from zoo.progress import bar

STEPS = 2_000
BATCH = 64
WIDTH = 16
REBUILT = 3_000  # drawings that are also shown as the autoencoder rebuilds them


def train(out: Path) -> None:
    """Train on drawings and their reconstructions by ``out/autoencoder``; write ``out/judge``."""
    torch.manual_seed(SEED)
    drawings = training_drawings(out)
    labels = torch.arange(len(drawings)) % len(CLASSES)
    assert REBUILT % len(CLASSES) == 0  # so that a drawing and its stand-in share a class
    rebuilt = _rebuilt(out, drawings[:REBUILT])
    judge = JudgeNet(len(CLASSES), WIDTH).train()

    def loss(generator: torch.Generator) -> torch.Tensor:
        rows = torch.randint(len(drawings), (BATCH,), generator=generator)
        half = BATCH // 2
        images = to_float(torch.cat([drawings[rows[:half]], rebuilt[rows[half:] % REBUILT]]))
        logits = judge(_disturb(images, generator))
        return F.cross_entropy(logits, labels[rows], label_smoothing=0.05)

    averaged = train_steps(
        "judge",
        {"judge": judge},
        loss,
        out=out,
        steps=STEPS,
        lr=4e-3,
        weight_decay=0.01,
        average=0.99,
    )["judge"]
    folder = out / "judge"
    folder.mkdir(exist_ok=True)
    state = {k: v.half() for k, v in averaged.state_dict().items() if v.is_floating_point()}
    save_file(state, folder / "model.safetensors")
    config = {
        "n_classes": len(CLASSES),
        "width": WIDTH,
        "class_names": [kind.name for kind in CLASSES],
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


@torch.no_grad()
def _rebuilt(out: Path, drawings: torch.Tensor) -> torch.Tensor:
    """Return the drawings after a trip through the autoencoder, uint8."""
    autoencoder = AutoencoderKL.from_pretrained(out / "autoencoder")
    pictures = []
    with bar("rebuild", len(drawings), unit="picture") as progress:
        for rows in drawings.split(100):
            latents = autoencoder.encode(to_float(rows)).latent_dist.mean
            images = autoencoder.decode(latents).sample.clamp(-1, 1)
            pictures.append(((images + 1) * 127.5).round().byte())
            progress.update(len(rows))
    return torch.cat(pictures)


def _disturb(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Shift, blur, tint and add noise: the judge must not hang on crisp pixels."""
    count = len(images)

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    move = torch.zeros(count, 2, 3)
    zoom = uniform(0.9, 1.15)
    move[:, 0, 0], move[:, 1, 1] = zoom * torch.sign(uniform(-1, 1)), zoom
    move[:, :, 2] = uniform(-0.12, 0.12, 2)
    grid = F.affine_grid(move, list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    soft = F.avg_pool2d(F.pad(images, (2, 2, 2, 2), mode="reflect"), 5, 1)
    images = torch.lerp(images, soft, uniform(-0.3, 1, 1, 1, 1).clamp(min=0))
    images = images * uniform(0.8, 1.2, 3, 1, 1) + uniform(-0.12, 0.12, 3, 1, 1)
    noise = torch.randn(images.shape, generator=generator)
    return images + uniform(-0.1, 0.2, 1, 1, 1).clamp(min=0) * noise
