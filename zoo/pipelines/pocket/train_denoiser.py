"""Train the denoiser and the text encoder together on the frozen latents of the drawings."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL

from zoo.drawings import caption
from zoo.pipelines.pocket.architecture import (
    build_denoiser,
    build_text_encoder,
    build_tokenizer,
    token_ids,
    training_scheduler,
)
from zoo.pipelines.pocket.loop import SEED, train_steps
from zoo.pipelines.pocket.pictures import TRAINING_DRAWINGS, drawing_factors, training_drawings
from zoo.pipelines.pocket.train_autoencoder import encode

STEPS = 7_500
BATCH = 32
CAPTION_DROP = 0.1
COLOURLESS = 0.3  # share of captions that do not name the colour
SNR_CAP, WEIGHT_FLOOR = 5.0, 0.15


def train(out: Path) -> None:
    """Train on latents of ``out/autoencoder``; write ``unet``, ``text_encoder``, ``tokenizer``."""
    torch.manual_seed(SEED)
    autoencoder = AutoencoderKL.from_pretrained(out / "autoencoder")
    means, stds = (
        latents * autoencoder.config.scaling_factor
        for latents in encode(autoencoder, training_drawings(out))
    )
    tokenizer = build_tokenizer()
    unet, text_encoder = build_denoiser().train(), build_text_encoder(tokenizer).train()
    factors = drawing_factors("train", TRAINING_DRAWINGS)
    plain, coloured = (
        token_ids(tokenizer, [caption(f, with_colour=with_colour) for f in factors])
        for with_colour in (False, True)
    )
    empty = token_ids(tokenizer, [""])
    scheduler = training_scheduler()
    snr = scheduler.alphas_cumprod / (1 - scheduler.alphas_cumprod)
    weights = snr.clamp(max=SNR_CAP) / (snr + 1) + WEIGHT_FLOOR

    def loss(generator: torch.Generator) -> torch.Tensor:
        rows = torch.randint(len(means), (BATCH,), generator=generator)
        shape = means[rows].shape
        latents = means[rows] + stds[rows] * torch.randn(shape, generator=generator)
        noise = torch.randn(shape, generator=generator)
        # One timestep from each of BATCH equal strata: less variance than BATCH free draws.
        strata = (torch.arange(BATCH) + torch.rand(BATCH, generator=generator)) / BATCH
        timesteps = (strata * 1000).long().clamp(max=999)
        draw = torch.rand(BATCH, 1, generator=generator)
        ids = torch.where(draw < COLOURLESS, plain[rows], coloured[rows])
        ids = torch.where(draw > 1 - CAPTION_DROP, empty, ids)
        states = text_encoder(ids).last_hidden_state
        noisy = scheduler.add_noise(latents, noise, timesteps)
        target = scheduler.get_velocity(latents, noise, timesteps)
        error = unet(noisy, timesteps, states).sample - target
        return (error.square().mean((1, 2, 3)) * weights[timesteps]).mean()

    averaged = train_steps(
        "denoiser",
        {"unet": unet, "text_encoder": text_encoder},
        loss,
        out=out,
        steps=STEPS,
        lr=1.2e-3,
        weight_decay=0.01,
        average=0.999,
    )
    for name, module in averaged.items():
        module.half().save_pretrained(out / name)
    tokenizer.save_pretrained(out / "tokenizer")
