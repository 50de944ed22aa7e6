"""Generate: draw K pictures for every test trial, each from its own named noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from zoo.contracts import Conditioner, DataError, Pipeline
from zoo.progress import bar
from zoo.seeds import named_seed
from zoo.stages._context import Context, Inputs
from zoo.stages._controls import derangement
from zoo.stages._drawing import HALF, build, restore, tokens_of_trials
from zoo.stages._selected import Selected


def run(inputs: Inputs, params: dict[str, Any], out: Path, context: Context) -> None:
    """Draw the pictures of the test trials.

    Parameters
    ----------
    inputs : mapping
        "prepare", "select", "condition", and "encode" (not in the control ``class_label``).
    params : dict
        "conditioner", "pipeline" ({"name", "params"}), "sample" (steps, guidance_scale, scheduler,
        images_per_trial, batch_size), "seed", "control" (None, "shuffled_eeg" or "class_label"),
        "tokens" ([L, D], for class_label), "precision" (the conditioner's), "snapshot" (a step,
        or None for the end of training).
    out : Path
        Receives images.npy, uint8 (N, K, 3, H, W); index.csv (trial_id, label, image_id,
        source_trial_id), row i for row i of the array; images/<trial_id>_<k>.png, which carry
        what made them as a text chunk called "eegzoo".
    context : Context

    Raises
    ------
    DataError
        There is no test trial, or no second one to swap the EEG with.
    """
    trials = Selected.read(inputs["select"])
    test = trials.positions("test")
    if not len(test):
        raise DataError("the split holds no test trial to draw a picture for; choose another split")
    tokens_NLD = tokens_of_trials(inputs, params, trials)
    source = test
    if params["control"] == "shuffled_eeg":
        source = test[derangement(trials.subject[test], params["seed"])]

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

    k = params["sample"]["images_per_trial"]
    ids = trials.trial_id[test]
    seeds = [named_seed(params["seed"], "image", str(name), i) for name in ids for i in range(k)]
    tokens_PLD = tokens_NLD[torch.from_numpy(source)].repeat_interleave(k, dim=0)
    images = _draw_all(conditioner, pipeline, tokens_PLD, seeds, params, context)
    images_NKCHW = images.reshape(len(test), k, *images.shape[1:])
    index = pd.DataFrame(
        {
            "trial_id": ids,
            "label": trials.true_label[test],
            "image_id": trials.image_id[test],
            "source_trial_id": trials.trial_id[source],
        }
    )
    np.save(out / "images.npy", images_NKCHW)
    index.to_csv(out / "index.csv", index=False)
    _write_pictures(images_NKCHW, index, seeds, params, out / "images")


@torch.no_grad()
def _draw_all(
    conditioner: Conditioner,
    pipeline: Pipeline,
    tokens_PLD: Tensor,
    seeds: list[int],
    params: dict[str, Any],
    context: Context,
) -> np.ndarray:
    """Return one picture for each row of tokens, uint8 (P, 3, H, W)."""
    sample = params["sample"]
    dtype = HALF[params["precision"]]
    device = torch.device(context.device)
    pictures = []
    with bar("draw pictures", len(seeds), unit="picture") as progress:
        for start in range(0, len(seeds), sample["batch_size"]):
            part = slice(start, start + sample["batch_size"])
            with torch.autocast(device.type, dtype, enabled=dtype is not None):
                given = conditioner(tokens_PLD[part].to(device))
                pictures.append(
                    pipeline.generate(
                        given,
                        conditioner.unconditional(len(seeds[part])),
                        seeds=seeds[part],
                        steps=sample["steps"],
                        guidance_scale=sample["guidance_scale"],
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
                "picture": i,
                "seed": seeds[n * k + i],
            }
            info = PngInfo()
            info.add_text("eegzoo", json.dumps(made))
            picture = Image.fromarray(images_NKCHW[n, i].transpose(1, 2, 0))
            picture.save(folder / f"{trial.trial_id}_{i}.png", pnginfo=info)
