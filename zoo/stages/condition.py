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
from zoo.contracts import Conditioner, Pipeline
from zoo.processes import Processes
from zoo.stages._context import Context, Inputs
from zoo.stages._drawing import build, class_names, restore, save, tokens_of_trials
from zoo.stages._draws import Draws
from zoo.stages._guard import Guarded, guarded, with_guarded
from zoo.stages._lineage import Lineage
from zoo.stages._prompts import class_prompt, text_states
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
        for LoRA), condition.json, log.csv, lineage.npz, and snapshots/<step>/ with the two weight
        files.
    context : Context
        With several processes each trains on its share of every batch; the first one publishes.

    Raises
    ------
    TrainingDiverged
        The loss or the weights became NaN.
    """
    trials, tokens_NLD = _training_trials(inputs, params)
    train_rows = trials.positions("train")
    batches = _Batches.read(inputs, params, trials, tokens_NLD, train_rows, context)
    train = params["train"]
    conditioner, pipeline, groups = build(
        params,
        context,
        n_tokens=tokens_NLD.shape[1],
        embed_dim=tokens_NLD.shape[2],
        precision=train["precision"],
    )
    conditioner.set_token_statistics(batches.mean_LD, batches.std_LD)
    if "init" in inputs:
        restore(conditioner, pipeline, inputs["init"])
    if train["checkpointing"]:
        checkpoint_gradients(conditioner, pipeline)
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
        processes=context.processes,
    )
    if not context.processes.first:
        return

    save(conditioner.state_dict(), pipeline.trainable_state(), out)
    for step, file in summary["snapshots"].items():
        state = load_checkpoint(Path(file))
        save(state["conditioner"], state["denoiser"], out / "snapshots" / str(step))
    own = Lineage.of(inputs["select"], trained=summary["steps"] > 0, chosen=False)
    before = [Lineage.read(inputs[role]) for role in ("encode", "init") if role in inputs]
    lineage = own.with_those(before)
    lineage.write(out)
    report = {
        "conditioner": params["conditioner"],
        "pipeline": params["pipeline"],
        "control": params["control"],
        "opens": conditioner.opens,
        "tokens": list(tokens_NLD.shape[1:]),
        "trials": len(train_rows),
        "depends_on": lineage.facts(own),
        "parameters": {name: sum(p.numel() for p in group) for name, group in groups.items()},
        "steps": summary["steps"],
        "epochs": summary["epochs"],
        "final_loss": summary["final_loss"],
        "precision": train["precision"],
        "snapshots": sorted(int(step) for step in summary["snapshots"]),
        "seconds": summary["seconds"],
    }
    (out / "condition.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _training_trials(inputs: Inputs, params: dict[str, Any]) -> tuple[Selected, Guarded]:
    """Return the selected trials and their tokens (N, L, D), those of train alone within reach.

    Nothing is chosen on validation here, so it is as shut as the test.
    """
    trials = Selected.read(inputs["select"])
    open_N = trials.split == "train"
    tokens_NLD = tokens_of_trials(inputs, params, trials)
    names = ("label", "true_label", "subject", "image_id")
    return with_guarded(trials, open_N, names), guarded(tokens_NLD, open_N, "tokens")


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
    draws: Draws
    processes: Processes
    device: str

    @classmethod
    def read(
        cls,
        inputs: Inputs,
        params: dict[str, Any],
        trials: Selected,
        tokens_NLD: Guarded,
        rows: np.ndarray,
        context: Context,
    ) -> _Batches:
        """Keep the rows given, which are the training trials, and what they saw: no other can be
        read.
        """
        features = inputs["features"]
        latents = load_file(features / "features.safetensors")
        place = {image_id: i for i, image_id in enumerate(json.loads(
            (features / "image_ids.json").read_text()
        ))}  # fmt: skip
        tokens = tokens_NLD[rows]
        shown_N = torch.tensor([place[str(image_id)] for image_id in trials.image_id[rows]])
        shown_I, image_N = shown_N.unique(return_inverse=True)
        return cls(
            tokens_NLD=tokens,
            label_N=torch.from_numpy(trials.label[rows]),
            image_N=image_N,
            latent_mean_Ichw=latents["mean"][shown_I],
            latent_std_Ichw=latents["std"][shown_I],
            mean_LD=tokens.mean(0),
            std_LD=tokens.std(0, unbiased=False),
            draws=Draws(params["seed"], trials.trial_id[rows]),
            processes=context.processes,
            device=context.device,
        )

    def draw(self, indices: np.ndarray, batch: int, train: dict[str, Any]) -> dict[str, Tensor]:
        """Return tokens, latents, noise, timesteps and what is kept of our share of a batch.

        All draws are named by seed, trial and batch: two conditioners (or a control) see the same
        noise, in however many processes. Timesteps are stratified, one from each equal share of
        their range.
        """
        part = self.processes.share(len(indices))
        at = torch.from_numpy(indices[part])
        image = self.image_N[at]
        mean, std = self.latent_mean_Ichw[image], self.latent_std_Ichw[image]
        tokens = self.tokens_NLD[at]
        jittered = tuple(tokens.shape[1:]) if train["token_noise"] else None
        drawn = self.draws.batch(
            indices, batch, part, latent=tuple(mean.shape[1:]), tokens=jittered
        )
        if drawn.jitter_BLD is not None:
            tokens = tokens + train["token_noise"] * drawn.jitter_BLD * self.std_LD
        low, high = train["timesteps"]
        given = {
            "tokens": tokens,
            "label": self.label_N[at],
            "latents": mean + std * drawn.spread_BChw,
            "noise": drawn.noise_BChw,
            "timesteps": (low + drawn.share_B * (high - low)).long().clamp(low, high - 1),
            "keep": drawn.uniform_B >= train["cond_dropout"],
        }
        return {name: value.to(self.device) for name, value in given.items()}


def _loss(
    conditioner: Conditioner,
    pipeline: Pipeline,
    batches: _Batches,
    train: dict[str, Any],
    names: list[str],
) -> Callable[[np.ndarray, int], Tensor]:
    """Return the loss of a batch: denoising, plus ``align`` times the distance to the caption."""
    align = train["align"]
    captions_KMw = None
    if align:
        captions = [class_prompt(name) for name in names]
        captions_KMw = text_states(pipeline.info(), captions).to(batches.device)

    def loss(indices: np.ndarray, batch: int) -> Tensor:
        drawn = batches.draw(indices, batch, train)
        if not len(drawn["label"]):  # fewer trials than processes: nothing for us
            return torch.zeros((), device=batches.device)
        given = conditioner(drawn["tokens"])
        value_B = pipeline.denoising_loss(
            given.where(drawn["keep"], conditioner.unconditional(len(drawn["label"]))),
            drawn["latents"],
            noise_BChw=drawn["noise"],
            timesteps_B=drawn["timesteps"],
            snr_gamma=train["snr_gamma"],
        )
        if captions_KMw is not None:
            off_BMw = given.encoder_hidden_states - captions_KMw[drawn["label"]]
            value_B = value_B + align * off_BMw.square().mean((1, 2))
        return value_B.sum() / len(indices)  # our part of the mean over the whole batch

    return loss


def checkpoint_gradients(conditioner: Conditioner, pipeline: Pipeline) -> None:
    """Keep fewer activations of the denoiser, and of what the conditioner can checkpoint itself."""
    pipeline.checkpoint_gradients()
    own = getattr(conditioner, "checkpoint_gradients", None)
    if own is not None:
        own()


class _Opened:
    """What is open in the denoiser, in the words of `fit`."""

    def __init__(self, pipeline: Pipeline):
        self.pipeline = pipeline

    def state_dict(self) -> dict[str, Tensor]:
        return self.pipeline.trainable_state()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.pipeline.load_trainable_state(state)
