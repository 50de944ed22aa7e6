"""Condition: train conditioner and opened denoiser on the training trials, through the noise."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from zoo.checkpoints import load_checkpoint
from zoo.contracts import Conditioner, Pipeline, PipelineInfo
from zoo.seeds import torch_generator
from zoo.stages._context import Context, Inputs
from zoo.stages._drawing import build, class_names, restore, save, tokens_of_trials
from zoo.stages._selected import Selected
from zoo.training import fit


def run(inputs: Inputs, params: dict[str, Any], out: Path, context: Context) -> None:
    """Train, publish weights.

    Parameters
    ----------
    inputs : mapping
        "prepare", "select", "features" (latents), "encode" (not in the control ``class_label``),
        and "init" (another condition folder) where training starts from it.
    params : dict
        "conditioner" and "pipeline" ({"name", "params"}), "train" (resolved block), "seed",
        "control" (None or "class_label"), "tokens" ([L, D], for the control).
    out : Path
        Receives conditioner.safetensors, denoiser.safetensors (what was opened; an adapter alone
        for LoRA), condition.json, log.csv, and snapshots/<step>/ with the two weight files.
    context : Context

    Raises
    ------
    TrainingDiverged
        The loss or the weights became NaN.
    """
    trials = Selected.read(inputs["select"])
    tokens_NLD = tokens_of_trials(inputs, params, trials)
    train_rows = trials.positions("train")
    batches = _Batches.read(inputs, params, trials, tokens_NLD, train_rows, context.device)
    conditioner, pipeline, groups = build(
        params, context, n_tokens=tokens_NLD.shape[1], embed_dim=tokens_NLD.shape[2]
    )
    conditioner.set_token_statistics(batches.mean_LD, batches.std_LD)
    if "init" in inputs:
        restore(conditioner, pipeline, inputs["init"])

    train = params["train"]
    summary = fit(
        groups=groups,
        loss=_loss(conditioner, pipeline, batches, train, class_names(inputs)),
        n_items=len(train_rows),
        train=train,
        seed=params["seed"],
        state={"conditioner": conditioner, "denoiser": _Opened(pipeline)},
        checkpoint=context.work,
        description="train conditioner",
        log=out / "log.csv",
    )

    save(conditioner.state_dict(), pipeline.trainable_state(), out)
    for step, file in summary["snapshots"].items():
        state = load_checkpoint(Path(file))
        save(state["conditioner"], state["denoiser"], out / "snapshots" / str(step))
    report = {
        "conditioner": params["conditioner"],
        "pipeline": params["pipeline"],
        "control": params["control"],
        "opens": conditioner.opens,
        "tokens": list(tokens_NLD.shape[1:]),
        "trials": len(train_rows),
        "parameters": {name: sum(p.numel() for p in group) for name, group in groups.items()},
        "steps": summary["steps"],
        "epochs": summary["epochs"],
        "final_loss": summary["final_loss"],
        "precision": train["precision"],
        "snapshots": sorted(int(step) for step in summary["snapshots"]),
        "seconds": summary["seconds"],
    }
    (out / "condition.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class _Batches:
    """The training trials' tokens, the latents of their pictures, and every draw of a batch."""

    tokens_NLD: Tensor
    label_N: Tensor
    image_N: Tensor
    latent_mean_Ichw: Tensor
    latent_std_Ichw: Tensor
    mean_LD: Tensor
    std_LD: Tensor
    seed: int
    device: str

    @classmethod
    def read(
        cls,
        inputs: Inputs,
        params: dict[str, Any],
        trials: Selected,
        tokens_NLD: Tensor,
        rows: np.ndarray,
        device: str,
    ) -> _Batches:
        """Keep the rows given, which are the training trials: no other row gets in here."""
        assert (trials.split[rows] == "train").all()
        features = inputs["features"]
        latents = load_file(features / "features.safetensors")
        place = {image_id: i for i, image_id in enumerate(json.loads(
            (features / "image_ids.json").read_text()
        ))}  # fmt: skip
        tokens_NLD = tokens_NLD[torch.from_numpy(rows)]
        return cls(
            tokens_NLD=tokens_NLD,
            label_N=torch.from_numpy(trials.label[rows]),
            image_N=torch.tensor([place[str(image_id)] for image_id in trials.image_id[rows]]),
            latent_mean_Ichw=latents["mean"],
            latent_std_Ichw=latents["std"],
            mean_LD=tokens_NLD.mean(0),
            std_LD=tokens_NLD.std(0, unbiased=False),
            seed=params["seed"],
            device=device,
        )

    def draw(self, indices: np.ndarray, batch: int, train: dict[str, Any]) -> dict[str, Tensor]:
        """Return tokens, latents, noise, timesteps and what is kept of a batch.

        All draws come from the seed and the batch's number: two conditioners (or a control) see
        the same noise. Timesteps are stratified, one from each equal share of their range.
        """
        generator = torch_generator(self.seed, "noise", batch)
        at = torch.from_numpy(indices)
        image = self.image_N[at]
        mean, std = self.latent_mean_Ichw[image], self.latent_std_Ichw[image]
        low, high = train["timesteps"]
        size = len(at)
        spread = torch.randn(mean.shape, generator=generator)
        noise = torch.randn(mean.shape, generator=generator)
        share = (torch.arange(size) + torch.rand(size, generator=generator)) / size
        keep = torch.rand(size, generator=generator) >= train["cond_dropout"]
        tokens = self.tokens_NLD[at]
        jitter = torch.randn(tokens.shape, generator=generator) * self.std_LD
        drawn = {
            "tokens": tokens + train["token_noise"] * jitter,
            "label": self.label_N[at],
            "latents": mean + std * spread,
            "noise": noise,
            "timesteps": (low + share * (high - low)).long().clamp(low, high - 1),
            "keep": keep,
        }
        return {name: value.to(self.device) for name, value in drawn.items()}


def _loss(
    conditioner: Conditioner,
    pipeline: Pipeline,
    batches: _Batches,
    train: dict[str, Any],
    names: list[str],
) -> Callable[[np.ndarray, int], Tensor]:
    """Return the loss of a batch: denoising, plus ``align`` times the distance to the caption."""
    align = train["align"]
    captions_KMw = _class_captions(pipeline.info(), names).to(batches.device) if align else None

    def loss(indices: np.ndarray, batch: int) -> Tensor:
        drawn = batches.draw(indices, batch, train)
        given = conditioner(drawn["tokens"])
        value = pipeline.denoising_loss(
            given.where(drawn["keep"], conditioner.unconditional(len(indices))),
            drawn["latents"],
            noise_BChw=drawn["noise"],
            timesteps_B=drawn["timesteps"],
            snr_gamma=train["snr_gamma"],
        ).mean()
        if captions_KMw is not None:
            wanted_BMw = captions_KMw[drawn["label"]]
            value = value + align * (given.encoder_hidden_states - wanted_BMw).square().mean()
        return value

    return loss


@torch.no_grad()
def _class_captions(info: PipelineInfo, names: list[str]) -> Tensor:
    """Return the stock text states (K, M, width) of "a photo of a <class>"."""
    captions = [f"a photo of {'an' if name[0] in 'aeiou' else 'a'} {name}" for name in names]
    ids = info.tokenizer()(
        captions,
        padding="max_length",
        truncation=True,
        max_length=info.max_tokens,
        return_tensors="pt",
    ).input_ids
    return info.text_encoder()(ids).last_hidden_state


class _Opened:
    """What is open in the denoiser, in the words of `fit`."""

    def __init__(self, pipeline: Pipeline):
        self.pipeline = pipeline

    def state_dict(self) -> dict[str, Tensor]:
        return self.pipeline.trainable_state()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.pipeline.load_trainable_state(state)
