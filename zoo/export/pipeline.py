"""`EEGToImagePipeline`: a trained run as one pipeline of diffusers, EEG in, pictures out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from diffusers import AutoencoderKL, DiffusionPipeline, ImagePipelineOutput, UNet2DConditionModel
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from registry.errors import UserError
from zoo.export.folder import ADAPTER, frozen, load_trained, read_index
from zoo.export.models import EEGConditioner, EEGEncoder
from zoo.export.signals import trials_of
from zoo.pipelines._drawing import draw
from zoo.pipelines._opening import opened_parameters
from zoo.precision import HALF
from zoo.seeds import named_seed

OUTPUTS = ("pil", "np", "pt")


class EEGToImagePipeline(DiffusionPipeline):
    """Draw what a person saw from their EEG.

    All that a run does between the two is inside: normalisation by the training trials, the
    encoder in evaluation mode, the conditioner, guidance, the sampler, and noise named by trial.
    Given the run's own test trials it draws the run's own pictures.

    Parameters
    ----------
    encoder : EEGEncoder
    conditioner : EEGConditioner
    unet : UNet2DConditionModel
        With what was trained in it.
    vae : AutoencoderKL
    scheduler : scheduler of diffusers
        The run's sampler.
    image_size : int
        Side of the pictures in pixels.
    num_inference_steps, guidance_scale, images_per_trial, batch_size
        The run's, which calls may change.
    precision : {"fp32", "bf16", "fp16"}
        Of conditioner and denoiser, by autocast; the models stay in float32.
    seed : int
        The run's; with a trial's id it names the noise of its pictures.
    opens : str
        What was trained in the denoiser.
    weights : dict, optional
        ``name, repository, revision, licence, sha256`` of the frozen weights.

    Examples
    --------
    >>> pipeline = EEGToImagePipeline.from_pretrained("runs/latest/pipeline/cell")
    >>> pipeline(epochs["face"]).images[0].save("face.png")
    """

    def __init__(
        self,
        encoder: EEGEncoder,
        conditioner: EEGConditioner,
        unet: UNet2DConditionModel,
        vae: AutoencoderKL,
        scheduler: Any,
        image_size: int = 512,
        num_inference_steps: int = 50,
        guidance_scale: float = 7.5,
        images_per_trial: int = 1,
        batch_size: int = 32,
        precision: str = "fp32",
        seed: int = 0,
        opens: str = "none",
        weights: dict[str, Any] | None = None,
    ):
        super().__init__()
        self.register_modules(
            encoder=encoder, conditioner=conditioner, unet=unet, vae=vae, scheduler=scheduler
        )
        self.register_to_config(
            image_size=image_size,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            images_per_trial=images_per_trial,
            batch_size=batch_size,
            precision=precision,
            seed=seed,
            opens=opens,
            weights=weights,
        )

    # ---- files

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        weights_root: str | Path | None = None,
        **kwargs: Any,
    ) -> Self:
        """Read a folder that a run or `save_pretrained` wrote; on the CPU, in float32.

        A run's folder names the frozen weights instead of holding them: the pocket weights come
        with the package, others are looked for in `weights_root` and have to be the very same.

        Parameters
        ----------
        pretrained_model_name_or_path : path
        weights_root : path, optional
            A diffusers folder, or a folder that holds one called as the weights.
        **kwargs
            Settings of the constructor to change, as in diffusers.

        Raises
        ------
        UserError
            The folder is no such pipeline, or the frozen weights are missing or others.
        """
        folder = Path(pretrained_model_name_or_path)
        index = read_index(folder)
        root = None if weights_root is None else Path(weights_root)
        unet, vae = frozen(folder, index, root)
        load_trained(unet, folder, index)
        given = {"unet": unet, "vae": vae, **kwargs}
        return super().from_pretrained(str(folder), **given)

    def save_pretrained(self, save_directory: str | Path, safe_serialization: bool = True) -> None:
        """Write everything, frozen weights included, so that no other folder is needed.

        An adapter stays one (``lora/``); any other training becomes part of ``unet/``.
        """
        if not safe_serialization:
            raise UserError("weights are written as safetensors only; leave safe_serialization")
        folder = Path(save_directory)
        for name in ("encoder", "conditioner", "vae", "scheduler"):
            getattr(self, name).save_pretrained(folder / name)
        self.unet.save_config(folder / "unet")
        plain = {
            name.replace(".base_layer.", "."): value.detach().cpu().contiguous()
            for name, value in self.unet.state_dict().items()
            if ".lora_" not in name
        }
        save_file(plain, folder / "unet" / "diffusion_pytorch_model.safetensors")
        if self.config.opens.endswith("_lora"):
            adapter = opened_parameters(self.unet, self.config.opens)
            (folder / ADAPTER).parent.mkdir(exist_ok=True)
            save_file({k: v.detach().cpu() for k, v in adapter.items()}, folder / ADAPTER)
        self.save_config(folder)

    # ---- EEG to pictures

    @torch.no_grad()
    def encode_eeg(
        self, eeg: Any, *, subject: int | Sequence[int] | None = None, sfreq: float | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return ``prompt_embeds`` and ``negative_prompt_embeds`` (N, M, width).

        They are what a stock ``StableDiffusionPipeline`` takes under these names.
        """
        eeg_NCT, _ = trials_of(eeg, self.encoder.signal, sfreq, self.encoder.start)
        tokens_NLD = self.encoder(eeg_NCT, _subjects(subject, len(eeg_NCT)))
        with self._precision():
            given = self.conditioner(tokens_NLD).encoder_hidden_states
            empty = self.conditioner.unconditional(len(eeg_NCT)).encoder_hidden_states
        return given, empty

    @torch.no_grad()
    def __call__(
        self,
        eeg: Any,
        *,
        subject: int | Sequence[int] | None = None,
        trial_ids: Sequence[str] | None = None,
        sfreq: float | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        images_per_trial: int | None = None,
        seed: int | None = None,
        seeds: Sequence[int] | None = None,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        batch_size: int | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> ImagePipelineOutput | tuple[Any]:
        """Draw the pictures of each trial.

        Parameters
        ----------
        eeg : array (N, C, T), or mne.Epochs
            Arrays: not normalised, channels and unit as in training. Epochs: channels are taken by
            name, volts are converted, ids come from a column ``trial_id`` of the metadata.
        subject : int or sequence of int, optional
            The data set's number of each trial's subject; left out, or not trained on: unseen.
        trial_ids : sequence of str, optional
            Names of the trials; with `seed` they name the noise. Without: "0", "1" ...
        sfreq : float, optional
            Of an array, to be checked.
        num_inference_steps, guidance_scale, images_per_trial, seed, batch_size
            Left out: the run's.
        seeds : sequence of int, optional
            One for each picture (trial after trial) in place of `seed` and `trial_ids`.
        generator : torch.Generator or one for each picture, optional
            In place of seeds, as in diffusers.
        output_type : {"pil", "np", "pt"}
            Pictures, array (P, H, W, 3) or tensor (P, 3, H, W) in [0, 1].
        return_dict : bool
            False: a tuple.

        Returns
        -------
        ImagePipelineOutput
            ``images``: the pictures of the first trial, then those of the second ...

        Raises
        ------
        UserError
            The EEG does not fit the encoder, or the request contradicts itself.
        """
        if output_type not in OUTPUTS:
            raise UserError(f"output_type must be one of {', '.join(OUTPUTS)}, got {output_type!r}")
        config = self.config
        steps = _or(num_inference_steps, config.num_inference_steps)
        scale, k = (
            _or(guidance_scale, config.guidance_scale),
            _or(images_per_trial, config.images_per_trial),
        )
        size = _or(batch_size, config.batch_size)
        if min(steps, k, size) < 1 or scale < 1:
            raise UserError(
                "num_inference_steps, images_per_trial, batch_size and guidance_scale must be at "
                f"least 1 (guidance 1 is none), got {steps}, {k}, {size} and {scale}"
            )
        eeg_NCT, own_ids = trials_of(eeg, self.encoder.signal, sfreq, self.encoder.start)
        n = len(eeg_NCT)
        if generator is None and seeds is None:
            ids = _ids(own_ids if trial_ids is None else trial_ids, n)
            seeds = picture_seeds(ids, k, _or(seed, config.seed))
        noise_PChw = self._noise(seeds, generator, n * k)
        tokens_NLD = self.encoder(eeg_NCT, _subjects(subject, n))
        tokens_PLD = tokens_NLD.repeat_interleave(k, dim=0)
        pictures = []
        with self.progress_bar(total=n * k) as progress:
            for tokens, noise in zip(tokens_PLD.split(size), noise_PChw.split(size), strict=True):
                pictures.append(self._draw(tokens, noise, steps, scale))
                progress.update(len(tokens))
        images = _as(torch.cat(pictures), output_type)
        return ImagePipelineOutput(images=images) if return_dict else (images,)

    def _draw(self, tokens: Tensor, noise: Tensor, steps: int, scale: float) -> Tensor:
        """Return one picture for each row of tokens and noise, uint8 (B, 3, H, W)."""
        with self._precision():
            return draw(
                self.unet,
                self.vae,
                type(self.scheduler).from_config(self.scheduler.config),
                self.conditioner(tokens),
                self.conditioner.unconditional(len(tokens)),
                noise_BChw=noise,
                steps=steps,
                guidance_scale=scale,
            )

    def _precision(self) -> Any:
        if self.unet.dtype != torch.float32:
            raise UserError(
                f"the models must stay in float32, they are {self.unet.dtype}; for half precision "
                'load with precision="bf16"'
            )
        half = HALF[self.config.precision]
        return nullcontext() if half is None else torch.autocast(self.device.type, half)

    def _noise(
        self,
        seeds: Sequence[int] | None,
        generator: torch.Generator | Sequence[torch.Generator] | None,
        pictures: int,
    ) -> Tensor:
        """Return standard normal noise (P, C, h, w) from one generator for each picture."""
        if seeds is not None and generator is not None:
            raise UserError("give seeds or a generator, not both")
        side = self.config.image_size // 2 ** (len(self.vae.config.block_out_channels) - 1)
        shape = (1, self.unet.config.in_channels, side, side)
        if isinstance(generator, torch.Generator):
            generators = [generator] * pictures
        else:
            made = [torch.Generator().manual_seed(int(s)) for s in seeds or ()]
            generators = made if generator is None else list(generator)
        if len(generators) != pictures:
            raise UserError(
                f"{pictures} pictures need {pictures} seeds or generators, got {len(generators)}"
            )
        noises = [torch.randn(shape, generator=g, device=g.device) for g in generators]
        return torch.cat([noise.to(self.device) for noise in noises])


def picture_seeds(trial_ids: Sequence[str], images_per_trial: int, seed: int) -> list[int]:
    """Return the seed of each picture, trial after trial, as the stage generate names them."""
    return [
        named_seed(seed, "image", str(t), i) for t in trial_ids for i in range(images_per_trial)
    ]


def _ids(given: Sequence[str] | None, n: int) -> list[str]:
    ids = [str(i) for i in (range(n) if given is None else given)]
    if len(ids) != n:
        raise UserError(f"{n} trials need {n} trial_ids, got {len(ids)}")
    return ids


def _subjects(subject: int | Sequence[int] | None, n: int) -> np.ndarray | None:
    if subject is None:
        return None
    subjects = np.full(n, subject) if isinstance(subject, int) else np.asarray(subject)
    if subjects.shape != (n,) or subjects.dtype.kind not in "iu":
        raise UserError(f"subject must be one whole number or {n}, one for each trial")
    return subjects


def _or(given: Any, default: Any) -> Any:
    return default if given is None else given


def _as(images_PCHW: Tensor, output_type: str) -> Any:
    """Return uint8 pictures as PIL images, or as numbers in [0, 1]."""
    if output_type == "pt":
        return images_PCHW.float() / 255
    images_PHWC = images_PCHW.permute(0, 2, 3, 1).numpy()
    if output_type == "np":
        return images_PHWC.astype(np.float32) / 255
    return [Image.fromarray(image) for image in images_PHWC]
