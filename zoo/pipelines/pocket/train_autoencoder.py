"""Train the autoencoder: first whole, then its decoder alone while the latents stay put.

Once the encoder is frozen the denoiser can be trained, whatever the decoder still does.
"""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL

from zoo.pipelines.pocket.architecture import build_autoencoder
from zoo.pipelines.pocket.loop import SEED, train_steps
from zoo.pipelines.pocket.pictures import to_float, training_drawings, training_textures
from zoo.progress import bar

STEPS = 3_000
DECODER_STEPS = 2_500
DRAWINGS_PER_BATCH, TEXTURES_PER_BATCH = 9, 7
KL_WEIGHT = 2e-6


def train_whole(out: Path) -> None:
    """Train encoder and decoder; write ``out/autoencoder`` with its `scaling_factor`."""
    torch.manual_seed(SEED)
    autoencoder = build_autoencoder().train()
    drawings, textures = training_drawings(out), training_textures(out)

    def loss(generator: torch.Generator) -> torch.Tensor:
        images = _batch(drawings, textures, generator)
        with torch.autocast("cpu", torch.bfloat16):
            posterior = autoencoder.encode(images).latent_dist
            noise = torch.randn(posterior.mean.shape, generator=generator)
            drawn = autoencoder.decode(posterior.mean + posterior.std * noise).sample
        mean, log_variance = posterior.mean.float(), posterior.logvar.float()
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum((1, 2, 3)).mean()
        return _difference(drawn.float(), images) + KL_WEIGHT * divergence

    averaged = train_steps(
        "autoencoder",
        {"autoencoder": autoencoder},
        loss,
        out=out,
        steps=STEPS,
        lr=3e-3,
        weight_decay=1e-4,
        average=0.995,
    )["autoencoder"]
    mean, _ = encode(averaged, drawings[:1000])
    averaged.register_to_config(scaling_factor=round(1 / mean.std().item(), 4))
    averaged.save_pretrained(out / "autoencoder")


def train_decoder(out: Path) -> None:
    """Train the decoder of ``out/autoencoder`` further; write ``out/vae`` in fp16."""
    autoencoder = AutoencoderKL.from_pretrained(out / "autoencoder").requires_grad_(False)
    autoencoder.decoder.requires_grad_(True)
    autoencoder.post_quant_conv.requires_grad_(True)
    pictures = torch.cat([training_drawings(out), training_textures(out)])
    means, stds = encode(autoencoder, pictures)
    blur = 0.03 * means.std()  # the denoiser's latents are never quite exact
    drawings = len(pictures) * 2 // 3

    def loss(generator: torch.Generator) -> torch.Tensor:
        rows = torch.cat(
            [
                torch.randint(drawings, (DRAWINGS_PER_BATCH,), generator=generator),
                torch.randint(drawings, len(pictures), (TEXTURES_PER_BATCH,), generator=generator),
            ]
        )
        noise = torch.randn(means[rows].shape, generator=generator)
        with torch.autocast("cpu", torch.bfloat16):
            drawn = autoencoder.decode(means[rows] + (stds[rows] + blur) * noise).sample
        return _difference(drawn.float(), to_float(pictures[rows]))

    averaged = train_steps(
        "decoder",
        {"autoencoder": autoencoder},
        loss,
        out=out,
        steps=DECODER_STEPS,
        lr=1.5e-3,
        weight_decay=1e-4,
        average=0.998,
    )
    averaged["autoencoder"].half().save_pretrained(out / "vae")


@torch.no_grad()
def encode(autoencoder: AutoencoderKL, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the posterior's mean and standard deviation of uint8 pictures, (N, 4, 16, 16) each."""
    means, stds = [], []
    with bar("encode", len(pictures), unit="picture") as progress:
        for rows in pictures.split(100):
            posterior = autoencoder.encode(to_float(rows)).latent_dist
            means.append(posterior.mean)
            stds.append(posterior.std)
            progress.update(len(rows))
    return torch.cat(means), torch.cat(stds)


def _batch(
    drawings: torch.Tensor, textures: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    picks = [
        source[torch.randint(len(source), (count,), generator=generator)]
        for source, count in ((drawings, DRAWINGS_PER_BATCH), (textures, TEXTURES_PER_BATCH))
    ]
    return to_float(torch.cat(picks))


def _difference(drawn: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """L1 + L2 + half the L1 of the gradients: the last keeps edges crisp."""
    error = drawn - images
    edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    return error.abs().mean() + error.square().mean() + 0.5 * edges
