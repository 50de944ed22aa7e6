"""A run's encoder and conditioner as models of diffusers: one folder each, config and safetensors.

A configuration holds the component's *name*, literal parameters and shapes, never an import path:
what is built is what the registry knows under that name.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from registry.errors import UnknownComponent, UserError
from zoo.contracts import Conditioning, PipelineInfo, SignalInfo
from zoo.registries import CONDITIONERS
from zoo.stages._encoder import build_encoder, normalised, tokens_of_each

CONFIG = "config.json"
WEIGHTS = "diffusion_pytorch_model.safetensors"


class _Component(ModelMixin, ConfigMixin):
    """A component of the zoo in a folder. The file holds the component's own state, all of it."""

    component: nn.Module

    def save_pretrained(self, save_directory: str | Path, **_: Any) -> None:
        """Write ``config.json`` and the weights (always safetensors, float32)."""
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        self.save_config(folder)
        state = {k: v.detach().cpu().contiguous() for k, v in self.component.state_dict().items()}
        save_file(state, folder / WEIGHTS)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **_: Any) -> Self:
        """Read what `save_pretrained` or a run wrote; on the CPU, in float32, in evaluation mode.

        Raises
        ------
        UserError
            The folder holds something else, a component that is not known here, or weights that
            do not fit it.
        """
        folder = Path(pretrained_model_name_or_path)
        for name in (CONFIG, WEIGHTS):
            if not (folder / name).is_file():
                raise UserError(f"there is no {folder / name}; name a folder that a run wrote")
        config = read_json(folder / CONFIG)
        if config.get("_class_name") != cls.__name__:
            raise UserError(f"{folder} holds a {config.get('_class_name')}, not a {cls.__name__}")
        try:
            model = cls.from_config(config)
        except UnknownComponent as error:
            raise UserError(
                f"{folder}: {error}; if it is your own, make it known first (zoo.ENCODERS.add, "
                "--plugin FILE)"
            ) from error
        try:
            state = load_file(folder / WEIGHTS)
        except SafetensorError as error:
            raise UserError(
                f"{folder / WEIGHTS} cannot be read ({error}); copy it again"
            ) from error
        try:
            model.component.load_state_dict(state)
        except RuntimeError as error:
            name = config["name"]
            raise UserError(f"the weights in {folder} do not fit {name!r} ({error})") from error
        return model.requires_grad_(False).eval()


class EEGEncoder(_Component):
    """An encoder with what it was trained on: geometry, channels, normalisation, subjects.

    Parameters
    ----------
    name : str
        Of the encoder.
    params : dict
        Its own parameters.
    signal : dict
        `SignalInfo.to_json`.
    normalise : {"channel", "trial", "none"}
    mean, std : list of float
        Of each channel over the training trials, for "channel".
    trained_subjects : list of int
        Any other counts as unseen.
    window : [start, stop], optional
        Of the trials, in seconds from onset, where the data set was given one.

    Attributes
    ----------
    component : module
        The encoder itself, ``(eeg_BCT, subject_B) -> tokens_BLD`` on normalised EEG.
    signal : SignalInfo
    start : float or None
        Where the window begins.
    """

    @register_to_config
    def __init__(
        self,
        name: str,
        params: dict[str, Any],
        signal: dict[str, Any],
        normalise: str,
        mean: list[float],
        std: list[float],
        trained_subjects: list[int],
        window: list[float] | None = None,
    ):
        super().__init__()
        self.start = None if window is None else float(window[0])
        self.signal = SignalInfo.from_json(dict(signal))
        self.component = build_encoder({"name": name, "params": params}, self.signal, seed=0)

    @torch.no_grad()
    def forward(self, eeg_NCT: np.ndarray, subject_N: np.ndarray | None = None) -> Tensor:
        """Return the tokens (N, L, D) float32 of EEG as it was recorded, as a run stores them.

        Parameters
        ----------
        eeg_NCT : array (N, C, T)
            Not normalised, in the unit of the data set (`signal.scale`).
        subject_N : array (N,) of int, optional
            The data set's number of each trial's subject; one that was not trained on counts as
            unseen, as does leaving it out.
        """
        config = self.config
        mean_C, std_C = (np.asarray(config[name], np.float32) for name in ("mean", "std"))
        eeg = torch.from_numpy(normalised(eeg_NCT, config.normalise, mean_C, std_C))
        subjects = np.full(len(eeg), -1) if subject_N is None else np.asarray(subject_N)
        subjects = np.where(np.isin(subjects, config.trained_subjects), subjects, -1)
        subject = torch.from_numpy(subjects.astype(np.int64))
        tokens_NLD = tokens_of_each(self.component, eeg.to(self.device), subject.to(self.device))
        return tokens_NLD.half().float()  # a run keeps tokens in half precision


class EEGConditioner(_Component):
    """A conditioner with the shape of the denoiser it was trained for.

    Everything it looked up in the denoiser's text encoder is in its own state, so it is built on a
    blank text encoder of the same shape and then loaded.

    Parameters
    ----------
    name : str
        Of the conditioner.
    params : dict
        Its own parameters.
    n_tokens, embed_dim : int
        Shape of the encoder's tokens.
    pipeline : dict
        ``width, max_tokens, accepts, prediction_type`` of `PipelineInfo`.
    text_encoder : dict
        Configuration of the denoiser's CLIP text model.

    Attributes
    ----------
    component : module
        The conditioner itself.
    """

    @register_to_config
    def __init__(
        self,
        name: str,
        params: dict[str, Any],
        n_tokens: int,
        embed_dim: int,
        pipeline: dict[str, Any],
        text_encoder: dict[str, Any],
    ):
        super().__init__()
        blank = cache(lambda: _blank_text_encoder(text_encoder))
        info = PipelineInfo(
            width=pipeline["width"],
            max_tokens=pipeline["max_tokens"],
            pooled_width=None,
            accepts=tuple(pipeline["accepts"]),
            prediction_type=pipeline["prediction_type"],
            text_encoder=blank,
            tokenizer=lambda: _blank_ids,
        )
        with torch.random.fork_rng(devices=[]):
            self.component = CONDITIONERS.create(
                name, n_tokens=n_tokens, embed_dim=embed_dim, pipeline=info, **params
            )

    def forward(self, tokens_BLD: Tensor) -> Conditioning:
        """Return what the denoiser is given for these tokens."""
        return self.component(tokens_BLD)

    def unconditional(self, batch: int) -> Conditioning:
        """Return the same fields and shapes, carrying no EEG."""
        return self.component.unconditional(batch)


def _blank_text_encoder(config: dict[str, Any]) -> nn.Module:
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.random.fork_rng(devices=[]):
        return CLIPTextModel(CLIPTextConfig.from_dict(dict(config))).requires_grad_(False).eval()


def _blank_ids(prompts: list[str], *, max_length: int, **_: Any) -> SimpleNamespace:
    """Stand in for the tokenizer: what it would look up is in the state that is loaded."""
    return SimpleNamespace(input_ids=torch.zeros(len(prompts), max_length, dtype=torch.long))


def read_json(file: Path) -> dict[str, Any]:
    """Return the mapping in a JSON file; raise UserError where it holds none."""
    try:
        content = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise UserError(f"{file} is damaged ({error}); copy it again") from error
    if not isinstance(content, dict):
        raise UserError(f"{file} is damaged (it holds no mapping); copy it again")
    return content


def load_encoder(folder: str | Path) -> EEGEncoder:
    """Return the encoder that a run wrote to ``pipeline/<cell>/encoder``.

    Called with EEG as recorded it gives tokens; ``.component`` is the plain encoder.

    Raises
    ------
    UserError
        There is no encoder in `folder`, or one that is not known here.
    """
    return EEGEncoder.from_pretrained(folder)
