"""From noise to pictures: the sampling loop of latent diffusion, in stock diffusers' arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo.contracts import Conditioning

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DConditionModel

#: Pixels that the autoencoder handles at once (four pictures of 512 x 512).
PIXELS = 2**20


def at_once(image_size: int) -> int:
    """Return how many pictures of this side the autoencoder is given together."""
    return max(1, PIXELS // image_size**2)


def start_noise(seeds: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """Return standard normal noise (B, *shape), each sample from a generator of its own seed."""
    return torch.cat(
        [torch.randn((1, *shape), generator=torch.Generator().manual_seed(s)) for s in seeds]
    )


@torch.no_grad()
def draw(
    unet: UNet2DConditionModel,
    vae: AutoencoderKL,
    sampler: Any,
    conditioning: Conditioning,
    unconditional: Conditioning,
    *,
    noise_BChw: Tensor,
    steps: int,
    guidance_scale: float,
) -> Tensor:
    """Return uint8 images (B, 3, H, W) on the CPU.

    Parameters
    ----------
    unet, vae : models
    sampler : scheduler of diffusers
        Its timesteps are set here.
    conditioning, unconditional : Conditioning
        Of B samples each.
    noise_BChw : Tensor
        Standard normal noise to start from.
    steps : int
    guidance_scale : float
        Classifier-free guidance; 1 is none, and then the denoiser runs once a step.
    """
    guided = guidance_scale != 1
    given = conditioning.present()
    assert all(len(value) == len(noise_BChw) for value in given.values())
    if guided:
        empty = unconditional.present()
        given = {name: torch.cat([empty[name], value]) for name, value in given.items()}
    sampler.set_timesteps(steps, device=noise_BChw.device)
    latents_BChw = noise_BChw * sampler.init_noise_sigma
    for timestep in sampler.timesteps:
        twice = torch.cat([latents_BChw, latents_BChw]) if guided else latents_BChw
        scaled = sampler.scale_model_input(twice, timestep)
        predicted = unet(scaled, timestep, **given).sample.float()
        if guided:
            without, with_ = predicted.chunk(2)
            predicted = without + guidance_scale * (with_ - without)
        latents_BChw = sampler.step(predicted, timestep, latents_BChw).prev_sample
    return _decode(vae, latents_BChw)


def _decode(vae: AutoencoderKL, latents_BChw: Tensor) -> Tensor:
    scale, shift = vae.config.scaling_factor, vae.config.shift_factor or 0.0
    side = latents_BChw.shape[-1] * 2 ** (len(vae.config.block_out_channels) - 1)
    images = []
    with torch.autocast(latents_BChw.device.type, enabled=False):
        for part in (latents_BChw / scale + shift).split(at_once(side)):
            pixels = (vae.decode(part).sample * 0.5 + 0.5).clamp(0, 1)
            images.append((pixels * 255).round().byte())
    return torch.cat(images).cpu()
