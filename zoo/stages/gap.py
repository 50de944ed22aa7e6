"""Gap: how far what a conditioner makes of EEG lies from what its text encoder makes of words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.contracts import Conditioner
from zoo.seeds import numpy_rng
from zoo.stages._context import Context, Inputs
from zoo.stages._drawing import build, class_names, restore, tokens_of_trials
from zoo.stages._gap_rows import Row, Scored, mask_rows, rows_at
from zoo.stages._gap_states import (
    FINAL,
    UNMASKED,
    Place,
    by_memory,
    made,
    places,
    products,
    real_text,
    without_mask,
)
from zoo.stages._prompts import class_prompt
from zoo.stages._selected import Selected
from zoo.statistics import independent_units

#: Trials that fit the probe, and that are scored, at most: of more, so many are drawn.
MOST_FITTED, MOST_SCORED = 800, 2000
#: The unbiased HSIC divides by n - 3.
FEWEST = 4


def run(inputs: Inputs, params: dict[str, Any], out: Path, context: Context) -> None:
    """Measure the gap before and after training, on the trials of one split.

    Parameters
    ----------
    inputs : mapping
        "prepare", "select", "encode", "condition" (the trained weights), and "init" (another
        condition folder) where training started from it.
    params : dict
        "conditioner" and "pipeline" ({"name", "params"}), "seed", "control" (None), "split".
    out : Path
        Receives gap.json: "text_encoder", in words, and "rows" (as `MetricResult.table` takes
        them); or "reason" where there is nothing to compare.
    context : Context
    """
    found = _measured(inputs, params, context)
    text = json.dumps(found, indent=1, allow_nan=False)
    (out / "gap.json").write_text(text + "\n", encoding="utf-8")


def _measured(inputs: Inputs, params: dict[str, Any], context: Context) -> dict[str, Any]:
    trials = Selected.read(inputs["select"])
    train = _some(trials.positions("train"), MOST_FITTED, params["seed"], "train")
    test = _some(trials.positions(params["split"]), MOST_SCORED, params["seed"], params["split"])
    classes_K, class_N = np.unique(trials.true_label[test], return_inverse=True)
    if len(test) < FEWEST or len(classes_K) < 2:
        why = f"needs {FEWEST} {params['split']} trials of two classes"
        return {"reason": f"not computed: {why}, there are {len(test)} of {len(classes_K)}"}

    tokens_NLD = tokens_of_trials(inputs, params, trials)
    conditioner, pipeline, _ = build(
        params, context, n_tokens=tokens_NLD.shape[1], embed_dim=tokens_NLD.shape[2]
    )
    conditioner.eval()  # type: ignore[attr-defined]
    every = tokens_NLD[torch.from_numpy(trials.positions("train"))]
    conditioner.set_token_statistics(every.mean(0), every.std(0, unbiased=False))
    if "init" in inputs:
        restore(conditioner, pipeline, inputs["init"])
    names = class_names(inputs)
    text = real_text(pipeline.info(), [class_prompt(names[c]) for c in classes_K])
    if why := _nothing_to_compare(conditioner, tokens_NLD[:1].to(context.device), text, params):
        return {"reason": f"not computed: {why}"}

    _, n_states, width = text[FINAL].shape
    weights = params["pipeline"]["params"].get("weights", params["pipeline"]["name"])
    words = (
        f"the stock text encoder of the weights {weights!r} ({len(text) - 2} layers, {n_states} "
        f"states of {width})"
    )
    scored = Scored(
        class_N=class_N,
        label_N=trials.true_label[test],
        label_P=trials.label[train],
        units=_units(inputs, test),
        split=params["split"],
        text=words,
        seed=params["seed"],
    )
    parts = tuple(tokens_NLD[torch.from_numpy(rows)] for rows in (train, test))
    rows = _of_tokens(*parts, scored)
    rows += _at_one_time(conditioner, parts, text, scored, "before", context.device)
    restore(conditioner, pipeline, inputs["condition"])
    rows += _at_one_time(conditioner, parts, text, scored, "after", context.device)
    return {"text_encoder": words, "rows": rows}


def _of_tokens(train_PLD: Tensor, test_NLD: Tensor, scored: Scored) -> list[Row]:
    """Return the rows of the encoder's tokens, which training leaves as they are."""
    # They stand where the states of a depth stand, without a text to compare with.
    nothing = np.empty((0, *test_NLD.shape[1:]))
    found = products(train_PLD.numpy(), test_NLD.numpy(), nothing)
    rows = scored.probed("probe_accuracy_tokens", "before", FINAL, found.train, found.test)
    return [*rows, *({**row, "when": "after"} for row in rows)]


def _at_one_time(
    conditioner: Conditioner,
    parts: tuple[Tensor, Tensor],
    text: dict[Place, np.ndarray],
    scored: Scored,
    when: str,
    device: str,
) -> list[Row]:
    """Return the rows of a conditioner as it is; `parts` are the tokens to train and to score."""
    train, test = parts
    rows: list[Row] = []
    wanted = places(conditioner, test[:1].to(device), text)
    first = None
    for group in by_memory(wanted, len(train) + len(test), text[FINAL][0].size):
        fit, score = (made(conditioner, part, group, device) for part in parts)
        for place in group:
            # Real text has its mask: there is none to compare unmasked states with.
            beside = text[FINAL if place == UNMASKED else place]
            found = products(fit.pop(place), score.pop(place), beside)
            first = found if place == 0 else first
            rows += rows_at(place, found, scored, when, first)
    if first is not None:
        moved_N, energy_N = without_mask(conditioner, test, device)
        rows += mask_rows(text[FINAL].shape[1], first, moved_N, energy_N, scored, when)
    return rows


@torch.no_grad()
def _nothing_to_compare(
    conditioner: Conditioner,
    one_1LD: Tensor,
    text: dict[Place, np.ndarray],
    params: dict[str, Any],
) -> str | None:
    """Return why the states cannot be held against those of text; None where they can."""
    name = params["conditioner"]["name"]
    states = conditioner(one_1LD).encoder_hidden_states  # type: ignore[operator]
    if states is None:
        return f"conditioner {name!r} makes no encoder_hidden_states"
    if states.shape[1:] != text[FINAL].shape[1:]:
        made_of, real = ("x".join(map(str, s[1:])) for s in (states.shape, text[FINAL].shape))
        return f"conditioner {name!r} makes states of {made_of}, real text has {real}"
    if np.ptp(text[FINAL], axis=0).max() == 0:
        tokens = text[FINAL].shape[1]
        return f"the prompts of the classes are all alike in the {tokens} tokens that are read"
    return None


def _some(rows: np.ndarray, most: int, seed: int, part: str) -> np.ndarray:
    """Return the rows, or as many as are used of them, in order."""
    if len(rows) <= most:
        return rows
    return np.sort(numpy_rng(seed, "gap", part).choice(rows, most, replace=False))


def _units(inputs: Inputs, rows: np.ndarray) -> Any:
    """Return what is independent among the trials of these rows."""
    with np.load(inputs["select"] / "select.npz", allow_pickle=False) as stored:
        columns = ("trial_id", "image_id", "subject", "session", "run")
        of = {name: stored[name][rows] for name in columns}
    session = of.pop("session")
    of["run"] = np.array([f"{s}/{r}" for s, r in zip(session, of["run"], strict=True)])
    known = json.loads((inputs["prepare"] / "pairing.json").read_text())["image_known"]
    return independent_units(**of, image_known=known)
