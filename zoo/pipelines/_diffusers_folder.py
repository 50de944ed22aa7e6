"""A folder in diffusers' layout: its configurations, whether it fits, its models read as fp32."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from registry.errors import BadParameters, UserError
from zoo.pipelines import _weights

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, PreTrainedTokenizerBase


class DiffusersFolder:
    """Stable Diffusion's parts; each is read from disk when it is first used.

    Parameters
    ----------
    path : Path
    device : torch.device
        Where autoencoder and denoiser are put.
    """

    def __init__(self, path: Path, device: torch.device):
        self.path, self.device = path, device
        self.unet_config = self._json("unet/config.json")
        self.vae_config = self._json("vae/config.json")
        self.text_config = self._json("text_encoder/config.json")
        self.scheduler_config = self._json("scheduler/scheduler_config.json")

    def check(self, weights: str, image_size: int) -> None:
        """Raise where the folder cannot be what the recipe calls `weights`.

        Raises
        ------
        UserError
            It holds another kind of model, or another width or prediction than the named weights.
        BadParameters
            `image_size` does not fit the models.
        """
        width, named = self.unet_config["cross_attention_dim"], _weights.NAMED.get(weights)
        if named is not None and width != named.width:
            raise UserError(
                f"weights {weights!r} are {named.width} wide, those in {self.path} {width}: "
                "another model; give it its own name"
            )
        if named is not None and self.prediction_type != named.prediction_type:
            raise UserError(
                f"weights {weights!r} predict {named.prediction_type}, those in {self.path} "
                f"{self.prediction_type}: another model; give it its own name"
            )
        index = self._json(_weights.INDEX)
        latent_channels = self.vae_config.get("latent_channels", 4)
        if self.unet_config["in_channels"] != latent_channels or "text_encoder_2" in index:
            raise UserError(
                f"{self.path} holds a {index.get('_class_name')}; pipeline 'stable_diffusion' "
                "reads text-to-image models of Stable Diffusion 1.x and 2.x"
            )
        if self.prediction_type not in ("epsilon", "v_prediction"):
            raise UserError(
                f"{self.path}: prediction type {self.prediction_type!r} is not supported; "
                "epsilon and v_prediction are"
            )
        step = self.vae_factor * 2 ** (len(self.unet_config["block_out_channels"]) - 1)
        if image_size < step or image_size % step:
            raise BadParameters(
                f"pipeline 'stable_diffusion' with weights {weights!r} makes pictures whose "
                f"side is a multiple of {step}; image_size is {image_size}"
            )

    @property
    def prediction_type(self) -> str:
        """What the denoiser predicts; old folders leave it out."""
        return self.scheduler_config.get("prediction_type", "epsilon")

    @property
    def vae_factor(self) -> int:
        """Pixels per latent, along each side."""
        return 2 ** (len(self.vae_config["block_out_channels"]) - 1)

    @property
    def latent_scale(self) -> tuple[float, float]:
        """Factor and shift: what the denoiser sees is (latent - shift) * factor."""
        config = self.vae_config
        return config.get("scaling_factor", 0.18215), config.get("shift_factor") or 0.0

    @cached_property
    def unet(self) -> UNet2DConditionModel:
        from diffusers import UNet2DConditionModel

        return self._read(UNet2DConditionModel, "unet").to(self.device)

    @cached_property
    def vae(self) -> AutoencoderKL:
        from diffusers import AutoencoderKL

        return self._read(AutoencoderKL, "vae").to(self.device)

    @cached_property
    def text_encoder(self) -> CLIPTextModel:
        """Always on the CPU: conditioners copy it or ask it for a few prompts."""
        from transformers import CLIPTextModel

        return self._read(CLIPTextModel, "text_encoder")

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.path / "tokenizer", local_files_only=True)

    def _json(self, name: str) -> dict[str, Any]:
        return json.loads((self.path / name).read_text(encoding="utf-8"))

    def _read(self, kind: type, part: str) -> Any:
        with _no_progress_bars():
            model = kind.from_pretrained(
                self.path / part,
                variant=_weights.variant(self.path, part),
                use_safetensors=True,
                local_files_only=True,
            )
        # Saved as fp16 or not, everything here is fp32; half precision is autocast's business.
        return model.float().requires_grad_(False).eval()


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Keep transformers from drawing a bar for every model it reads."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
