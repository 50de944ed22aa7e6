"""What condition and generate share: the tokens of the trials, the conditioner, the denoiser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from registry.errors import UserError
from zoo.contracts import Conditioner, DataError, Pipeline
from zoo.precision import HALF
from zoo.registries import CONDITIONERS, PIPELINES
from zoo.seeds import named_seed
from zoo.stages._context import Context, Inputs
from zoo.stages._controls import TRAINED, class_codes
from zoo.stages._selected import Selected

Groups = dict[str, list[nn.Parameter]]


def class_names(inputs: Inputs) -> list[str]:
    """Return the names of the classes; the index is the label."""
    return json.loads((inputs["prepare"] / "signal.json").read_text())["class_names"]


def tokens_of_trials(inputs: Inputs, params: dict[str, Any], trials: Selected) -> Tensor:
    """Return the tokens (N, L, D) float32 of every selected trial.

    They are the encoder's, or, in the control ``class_label``, the code of the trial's class: of
    the one that its picture shows, so that the control stays a ceiling where labels are shuffled.

    Raises
    ------
    DataError
        The codes of some test classes would never be trained: what they draw is no ceiling.
    """
    if params["control"] in TRAINED:
        names, trained = class_names(inputs), trials.label[trials.split == "train"]
        if len(new := np.setdiff1d(trials.label[trials.split == "test"], trained)):
            more = f" and {len(new) - 1} more" if len(new) > 1 else ""
            raise DataError(
                f"control {params['control']!r} draws from a code of the class, and the test class "
                f"{names[new[0]]!r}{more} is never trained; leave the control out, 'class_prompt' "
                "takes its place"
            )
        codes_KLD = class_codes(len(names), *params["tokens"])
        return codes_KLD[torch.from_numpy(trials.label)]
    ids = np.load(inputs["encode"] / "trial_ids.npy", allow_pickle=False)
    assert (ids == trials.trial_id).all(), "encode and select disagree about the trials"
    tokens_NLD = np.load(inputs["encode"] / "tokens.npy", allow_pickle=False)
    return torch.from_numpy(tokens_NLD.astype(np.float32))


def build(
    params: dict[str, Any],
    context: Context,
    *,
    n_tokens: int,
    embed_dim: int,
    precision: str = "fp32",
) -> tuple[Conditioner, Pipeline, Groups]:
    """Return conditioner, denoiser opened as the conditioner wants it, and what can be trained.

    First weights are named by the seed. A group that both bring (adapters) is one group. Under
    half precision the denoiser's frozen weights are held in it.
    """
    pipeline = PIPELINES.create(params["pipeline"]["name"], **params["pipeline"]["params"])
    pipeline.load(context.weights_root, device=context.device)
    block = params["conditioner"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(named_seed(params["seed"], "conditioner"))
        conditioner = CONDITIONERS.create(
            block["name"],
            n_tokens=n_tokens,
            embed_dim=embed_dim,
            pipeline=pipeline.info(),
            **block["params"],
        )
        opened = pipeline.open(conditioner.opens, lora_rank=conditioner.lora_rank)
    half = HALF[precision]
    if half is not None:
        pipeline.keep_frozen_in(half)
    conditioner.to(context.device)
    groups = {name: list(parameters) for name, parameters in opened.items()}
    for name, parameters in conditioner.parameter_groups().items():
        groups[name] = [*parameters, *groups.get(name, [])]
    return conditioner, pipeline, groups


def save(conditioner: dict[str, Tensor], denoiser: dict[str, Tensor], folder: Path) -> None:
    """Write ``conditioner.safetensors`` and ``denoiser.safetensors`` (may be empty)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, state in (("conditioner", conditioner), ("denoiser", denoiser)):
        whole = {key: value.detach().cpu().contiguous() for key, value in state.items()}
        save_file(whole, folder / f"{name}.safetensors")


def restore(conditioner: nn.Module, pipeline: Pipeline, folder: Path) -> None:
    """Load what `save` wrote.

    Raises
    ------
    UserError
        The weights are those of another conditioner, encoder or opening.
    """
    try:
        conditioner.load_state_dict(load_file(folder / "conditioner.safetensors"))
        pipeline.load_trainable_state(load_file(folder / "denoiser.safetensors"))
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"the weights in {folder} do not fit ({error}); a conditioner starts only from one of "
            "the same kind, parameters and token shape"
        ) from error
