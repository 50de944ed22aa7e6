"""Stable Diffusion 1.x and 2.x: diffusers' own autoencoder, denoiser and samplers.

Rombach et al. (2022), "High-Resolution Image Synthesis with Latent Diffusion Models". All models
are diffusers' and transformers' classes, read from a folder in diffusers' layout; what is ours is
the order of the calls. Weights: ``pocket`` (a small one that ships), ``sd-1.4``, ``sd-1.5``,
``sd-2.1``, ``sd-turbo`` (Sauer et al. 2023, "Adversarial Diffusion Distillation"), or any folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from registry import component
from zoo.contracts import Conditioning, PipelineInfo
from zoo.pipelines import _weights
from zoo.pipelines._diffusers_folder import DiffusersFolder
from zoo.pipelines._drawing import at_once, draw, start_noise
from zoo.pipelines._opening import load_opened, open_denoiser, opened_parameters
from zoo.pipelines._schedulers import sampling_scheduler, training_scheduler

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel


@component(
    "pipeline",
    paper="10.1109/CVPR52688.2022.01042",
    license="Apache-2.0",
    accepts=("encoder_hidden_states", "encoder_attention_mask"),
    widths={"pocket": 128, "sd-1.4": 768, "sd-1.5": 768, "sd-2.1": 1024, "sd-turbo": 1024},
    sampling={"sd-turbo": {"steps": (1, 4), "guidance_scale": 1, "scheduler": "euler"}},
    schedulers=("ddim", "dpmsolver++", "euler", "pndm", "unipc"),
    tiny={"weights": "tiny", "image_size": 16},
)
class StableDiffusion:
    """Latent diffusion with a cross-attention denoiser.

    Parameters
    ----------
    weights : str
        ``pocket``, ``sd-1.4``, ``sd-1.5``, ``sd-2.1``, ``sd-turbo`` or the name of a folder under
        the weights root.
    image_size : int
        Side of the pictures in pixels.

    Raises
    ------
    BadParameters
        The picture's side does not fit the models (raised by `load`).
    """

    def __init__(self, *, weights: str = "sd-1.5", image_size: int = 512):
        self.weights, self.image_size = weights, image_size
        self.device = torch.device("cpu")
        self.opened: str | None = None
        self._folder: DiffusersFolder | None = None

    def load(self, weights_root: Path | None, *, device: str = "cpu") -> None:
        """Find and check the weights; each model is read when it is first used.

        Parameters
        ----------
        weights_root : Path or None
            A diffusers folder, or a folder that holds one called as `weights`; not needed for
            ``pocket``.
        device : str
            Where the models are put, in fp32.

        Raises
        ------
        UserError
            Something is missing, or the folder holds another kind of model.
        """
        self.device = torch.device(device)
        self._folder = DiffusersFolder(_weights.resolve(self.weights, weights_root), self.device)
        self._folder.check(self.weights, self.image_size)

    def info(self) -> PipelineInfo:
        """Return what conditioners may know; reads configurations only."""
        return PipelineInfo(
            width=self.folder.unet_config["cross_attention_dim"],
            max_tokens=self.folder.text_config["max_position_embeddings"],
            pooled_width=None,
            accepts=("encoder_hidden_states", "encoder_attention_mask"),
            prediction_type=self.folder.prediction_type,
            text_encoder=lambda: self.folder.text_encoder,
            tokenizer=lambda: self.folder.tokenizer,
        )

    def open(self, opens: str, *, lora_rank: int = 8) -> dict[str, list[nn.Parameter]]:
        """Make part of the denoiser trainable, everything else not.

        Adapters draw their first weights from torch's global generator and start as no change.

        Parameters
        ----------
        opens : {"none", "attn2", "attn2_lora", "unet", "unet_lora"}
        lora_rank : int
            Rank of adapters; their scale is 1.

        Returns
        -------
        dict
            The opened parameters by ``train.lr`` group; empty for "none".

        Raises
        ------
        BadParameters
            `opens` is none of these.
        """
        assert self.opened is None, "a pipeline is opened once"
        if opens == "none":
            self.opened = opens
            return {}
        group = open_denoiser(self.unet, opens, lora_rank)
        self.opened = opens
        return group

    def checkpoint_gradients(self) -> None:
        """Keep the inputs of the denoiser's blocks only; the rest is computed again backwards."""
        self.unet.enable_gradient_checkpointing()

    def keep_frozen_in(self, dtype: torch.dtype) -> None:
        """Hold the frozen maps of the denoiser in `dtype`, as autocast casts them on every call.

        Norms stay in fp32: autocast leaves them there. So results are the same, the weights take
        half the memory, and neither is the cast repeated nor are its copies kept for the gradients.

        Parameters
        ----------
        dtype : torch.dtype
            That of autocast; afterwards the denoiser only works under it.
        """
        for module in self.unet.modules():
            frozen = not any(p.requires_grad for p in module.parameters(recurse=False))
            if isinstance(module, nn.Linear | nn.Conv2d) and frozen:
                module.to(dtype)

    @torch.no_grad()
    def encode_images(self, images_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation (B, c, h, w) of the scaled latents of uint8 images.

        Raises
        ------
        ValueError
            The pictures are not of the side the pipeline was built for.
        """
        if images_BCHW.shape[-2:] != (self.image_size, self.image_size):
            got = tuple(images_BCHW.shape[-2:])
            raise ValueError(f"the pipeline was built for {self.image_size} pixels, got {got}")
        scale, shift = self.folder.latent_scale
        means, stds = [], []
        for part_BCHW in images_BCHW.split(at_once(self.image_size)):
            pixels = part_BCHW.to(self.device).float() / 127.5 - 1
            posterior = self.vae.encode(pixels).latent_dist
            means.append((posterior.mean - shift) * scale)
            stds.append(posterior.std * scale)
        return torch.cat(means).cpu(), torch.cat(stds).cpu()

    def denoising_loss(
        self,
        conditioning: Conditioning,
        latents_BChw: Tensor,
        *,
        noise_BChw: Tensor,
        timesteps_B: Tensor,
        snr_gamma: float | None = None,
    ) -> Tensor:
        """Return the squared error of the denoiser, (B,).

        Parameters
        ----------
        conditioning : Conditioning
        latents_BChw, noise_BChw : Tensor
            Scaled latents, standard normal noise.
        timesteps_B : Tensor, int64
        snr_gamma : float, optional
            Min-SNR weighting (Hang et al. 2023): min(snr, gamma) / snr for epsilon prediction,
            min(snr, gamma) / (snr + 1) for v prediction.
        """
        noise = self._noise
        noisy_BChw = noise.add_noise(latents_BChw, noise_BChw, timesteps_B)
        target_BChw = noise_BChw
        if self.folder.prediction_type == "v_prediction":
            target_BChw = noise.get_velocity(latents_BChw, noise_BChw, timesteps_B)
        predicted_BChw = self.unet(noisy_BChw, timesteps_B, **conditioning.present()).sample
        loss_B = (predicted_BChw.float() - target_BChw).square().mean((1, 2, 3))
        if snr_gamma is None:
            return loss_B
        kept_B = noise.alphas_cumprod.to(loss_B.device)[timesteps_B]
        snr_B = kept_B / (1 - kept_B)
        below_B = snr_B + 1 if self.folder.prediction_type == "v_prediction" else snr_B
        return loss_B * snr_B.clamp_max(snr_gamma) / below_B

    def generate(
        self,
        conditioning: Conditioning,
        unconditional: Conditioning,
        *,
        seeds: Sequence[int],
        steps: int,
        guidance_scale: float,
        scheduler: str | None = None,
    ) -> Tensor:
        """Return uint8 images (B, 3, H, W); image i depends on seed i and sample i alone.

        Parameters
        ----------
        conditioning, unconditional : Conditioning
            Of B samples each.
        seeds : sequence of int
            One per image; each starts a generator of its own.
        steps : int
        guidance_scale : float
            Classifier-free guidance; 1 is none, and then the denoiser runs once a step.
        scheduler : str, optional
            ``ddim``, ``dpmsolver++``, ``euler``, ``pndm`` or ``unipc``; the default is
            DPM-Solver++ of second order.

        Raises
        ------
        BadParameters
            There is no scheduler of this name.
        """
        side = self.image_size // self.folder.vae_factor
        noise_BChw = start_noise(seeds, (self.folder.unet_config["in_channels"], side, side))
        return draw(
            self.unet,
            self.vae,
            sampling_scheduler(scheduler, self.folder.scheduler_config),
            conditioning,
            unconditional,
            noise_BChw=noise_BChw.to(self.device),
            steps=steps,
            guidance_scale=guidance_scale,
        )

    def trainable_state(self) -> dict[str, Tensor]:
        """Return what `open` made trainable, by name.

        Adapters carry the names that ``StableDiffusionPipeline.load_lora_weights`` reads, full
        parameters those of the denoiser's own ``load_state_dict``.
        """
        return {name: p.detach() for name, p in opened_parameters(self.unet, self.opened).items()}

    def load_trainable_state(self, state: dict[str, Tensor]) -> None:
        """Copy `state` into the parameters that `open` made trainable.

        Raises
        ------
        ValueError
            `state` holds other parameters than were opened.
        """
        load_opened(self.unet, self.opened, state)

    # ---- the models

    @property
    def unet(self) -> UNet2DConditionModel:
        """The denoiser."""
        return self.folder.unet

    @property
    def vae(self) -> AutoencoderKL:
        """The autoencoder."""
        return self.folder.vae

    @property
    def text_encoder(self) -> CLIPTextModel:
        """The stock text encoder, always on the CPU."""
        return self.folder.text_encoder

    @property
    def folder(self) -> DiffusersFolder:
        """What `load` found."""
        assert self._folder is not None, "load() comes first"
        return self._folder

    # ---- small parts

    @cached_property
    def _noise(self) -> Any:
        return training_scheduler(self.folder.scheduler_config)
