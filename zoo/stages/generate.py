"""Generate: draw K pictures for every trial of a split, each from its own named noise."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from zoo.contracts import Conditioning, DataError, Pipeline
from zoo.controls import CONTROLS
from zoo.precision import HALF
from zoo.progress import bar
from zoo.registries import PIPELINES
from zoo.seeds import named_seed
from zoo.stages._context import Context, Inputs
from zoo.stages._controls import derangement, zero_tokens
from zoo.stages._drawing import build, class_names, restore, tokens_of_trials
from zoo.stages._prompts import class_prompt, text_states
from zoo.stages._selected import Selected

#: Rows of the trials -> what they are drawn from, and what stands for nothing.
Given = Callable[[np.ndarray], tuple[Conditioning, Conditioning]]


def run(inputs: Inputs, params: dict[str, Any], out: Path, context: Context) -> None:
    """Draw the pictures of the trials that are scored: those of the test, or of validation.

    Parameters
    ----------
    inputs : mapping
        "prepare", "select"; "condition" but for prompts; "encode" but where the control does
        without (``class_label``, ``class_prompt``).
    params : dict
        "conditioner" (None for prompts), "pipeline" ({"name", "params"}), "sample" (steps,
        guidance_scale, scheduler, images_per_trial, batch_size), "seed", "control" (None or one of
        `zoo.controls.CONTROLS`), "tokens" ([L, D], for class_label), "precision" (the
        conditioner's), "snapshot" (a step, or None for the end of training), "split" (whose
        trials are drawn).
    out : Path
        Receives images.npy, uint8 (N, K, 3, H, W); index.csv (trial_id, label, image_id,
        source_trial_id: whose EEG it was, prompt), row i for row i of the array;
        images/<trial_id>_<k>.png, which carry what made them as a text chunk called "eegzoo".
    context : Context

    Raises
    ------
    DataError
        There is no trial to score, or no second one to swap the EEG with.
    """
    trials = Selected.read(inputs["select"])
    split = params["split"]
    scored = trials.positions(split)
    if not len(scored):
        raise DataError(f"there is no {split} trial to draw a picture for; choose another split")
    control = params["control"]
    if control is not None and CONTROLS[control].prompted:
        source = _from_prompts(inputs, params, trials, scored, context)
    else:
        source = _from_tokens(inputs, params, trials, scored, context)

    k = params["sample"]["images_per_trial"]
    ids = trials.trial_id[scored]
    seeds = [named_seed(params["seed"], "image", str(name), i) for name in ids for i in range(k)]
    images = _draw_all(source, np.repeat(np.arange(len(scored)), k), seeds, params, context)
    images_NKCHW = images.reshape(len(scored), k, *images.shape[1:])
    index = pd.DataFrame(
        {
            "trial_id": ids,
            "label": trials.true_label[scored],
            "image_id": trials.image_id[scored],
            "source_trial_id": source.trial_ids,
            "prompt": source.prompts,
        }
    )
    np.save(out / "images.npy", images_NKCHW)
    index.to_csv(out / "index.csv", index=False)
    _write_pictures(images_NKCHW, index, seeds, params, out / "images")


@dataclass(frozen=True)
class _Source:
    """What the pictures of N trials are drawn from.

    Parameters
    ----------
    given : callable
    pipeline : Pipeline
    trial_ids : array of str (N,)
        Whose EEG each is drawn from; empty where it is nobody's.
    prompts : array of str (N,)
        The text each is drawn from; empty where it is none.
    guided : bool
        False where there is nothing to be guided towards.
    """

    given: Given
    pipeline: Pipeline
    trial_ids: np.ndarray
    prompts: np.ndarray
    guided: bool = True


def _from_tokens(
    inputs: Inputs, params: dict[str, Any], trials: Selected, scored: np.ndarray, context: Context
) -> _Source:
    """Return the trained conditioner and denoiser on the tokens that the control asks for."""
    control = params["control"]
    tokens_NLD = tokens_of_trials(inputs, params, trials)
    whose = trials.trial_id[scored]
    if control == "shuffled_eeg":
        other = scored[derangement(trials.subject[scored], params["seed"])]
        tokens_NLD, whose = tokens_NLD[torch.from_numpy(other)], trials.trial_id[other]
    elif control == "zero_eeg":
        tokens_NLD = zero_tokens(inputs["encode"], trials.subject[scored], device=context.device)
    elif control == "mean_embedding":
        mean_LD = tokens_NLD[torch.from_numpy(trials.positions("train"))].mean(0)
        tokens_NLD = mean_LD.expand(len(scored), -1, -1)
    else:
        tokens_NLD = tokens_NLD[torch.from_numpy(scored)]
    own = control in (None, "shuffled_eeg")
    conditioner, pipeline, _ = build(
        params,
        context,
        n_tokens=tokens_NLD.shape[1],
        embed_dim=tokens_NLD.shape[2],
        precision=params["precision"],
    )
    snapshot = params["snapshot"]
    folder = inputs["condition"]
    restore(conditioner, pipeline, folder / "snapshots" / str(snapshot) if snapshot else folder)
    conditioner.eval()

    def given(rows: np.ndarray) -> tuple[Conditioning, Conditioning]:
        nothing = conditioner.unconditional(len(rows))
        if control == "unconditional":
            return nothing, nothing
        return conditioner(tokens_NLD[torch.from_numpy(rows)].to(context.device)), nothing

    nobody = np.full(len(scored), "")
    whose = whose if own else nobody
    return _Source(given, pipeline, whose, nobody, guided=control != "unconditional")


def _from_prompts(
    inputs: Inputs, params: dict[str, Any], trials: Selected, scored: np.ndarray, context: Context
) -> _Source:
    """Return the denoiser as it came, on the stock prompts of the true or the decoded classes."""
    pipeline = PIPELINES.create(params["pipeline"]["name"], **params["pipeline"]["params"])
    pipeline.load(context.weights_root, device=context.device)
    pipeline.open("none")
    if HALF[params["precision"]] is not None:
        pipeline.keep_frozen_in(HALF[params["precision"]])
    prompts = [class_prompt(name) for name in class_names(inputs)]
    label_N, whose = trials.true_label[scored], np.full(len(scored), "")
    if CONTROLS[params["control"]].answers:
        label_N, whose = _decoded(inputs["encode"], trials)[scored], trials.trial_id[scored]
    states_KMw = text_states(pipeline.info(), [*prompts, ""]).to(context.device)

    def given(rows: np.ndarray) -> tuple[Conditioning, Conditioning]:
        states_BMw = states_KMw[torch.from_numpy(label_N[rows])]
        nothing_BMw = states_KMw[-1:].expand(len(rows), -1, -1)
        return (
            Conditioning(encoder_hidden_states=states_BMw),
            Conditioning(encoder_hidden_states=nothing_BMw),
        )

    return _Source(given, pipeline, whose, np.array(prompts)[label_N])


def _decoded(encode: Path, trials: Selected) -> np.ndarray:
    """Return the trained class that the encoder names for every selected trial, (N,) int64."""
    ids = np.load(encode / "trial_ids.npy", allow_pickle=False)
    assert (ids == trials.trial_id).all(), "encode and select disagree about the trials"
    trained = np.unique(trials.label[trials.positions("train")])
    logits_NC = np.load(encode / "logits.npy", allow_pickle=False)
    return trained[logits_NC[:, trained].argmax(axis=1)]


@torch.no_grad()
def _draw_all(
    source: _Source,
    rows_P: np.ndarray,
    seeds: list[int],
    params: dict[str, Any],
    context: Context,
) -> np.ndarray:
    """Return one picture for each row, uint8 (P, 3, H, W)."""
    sample = params["sample"]
    dtype = HALF[params["precision"]]
    device = torch.device(context.device)
    pictures: list[Tensor] = []
    with bar("draw pictures", len(seeds), unit="picture") as progress:
        for start in range(0, len(seeds), sample["batch_size"]):
            part = slice(start, start + sample["batch_size"])
            with torch.autocast(device.type, dtype, enabled=dtype is not None):
                given, nothing = source.given(rows_P[part])
                pictures.append(
                    source.pipeline.generate(
                        given,
                        nothing,
                        seeds=seeds[part],
                        steps=sample["steps"],
                        guidance_scale=sample["guidance_scale"] if source.guided else 1.0,
                        scheduler=sample["scheduler"],
                    )
                )
            progress.update(len(seeds[part]))
    return torch.cat(pictures).numpy()


def _write_pictures(
    images_NKCHW: np.ndarray,
    index: pd.DataFrame,
    seeds: list[int],
    params: dict[str, Any],
    folder: Path,
) -> None:
    folder.mkdir()
    k = images_NKCHW.shape[1]
    for n, trial in enumerate(index.itertuples()):
        for i in range(k):
            made = {
                "generated": True,
                "trial_id": str(trial.trial_id),
                "source_trial_id": str(trial.source_trial_id),
                "control": params["control"],
                "prompt": str(trial.prompt),
                "picture": i,
                "seed": seeds[n * k + i],
            }
            info = PngInfo()
            info.add_text("eegzoo", json.dumps(made))
            picture = Image.fromarray(images_NKCHW[n, i].transpose(1, 2, 0))
            picture.save(folder / f"{trial.trial_id}_{i}.png", pnginfo=info)
