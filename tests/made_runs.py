"""Run folders made by hand: figures, scores by trial and recipes, as `zoo run` writes them."""

import json

import numpy as np
import pandas as pd

from zoo.recipe import dump

BASE = {
    "schema": 1,
    "name": "made",
    "seed": 0,
    "dataset": {"name": "pocket", "params": {"band": [5, 95]}},
    "encoder": {"name": "eegnet", "params": {}, "train": {"lr": 0.001}},
    "metrics": [{"name": "accuracy", "params": {}, "label": "accuracy"}],
}


def figure(value, **changes):
    about = {"n": 40, "unit": "trial", "split": "test", "definition": "Share of test trials."}
    return {"value": value, "ci95": [0.1, 0.9], "higher_is_better": True} | about | changes


def trials(scores, *, first=0, images=None):
    """A table of scores by trial as the run folder has it."""
    ids = [f"t{i:03d}" for i in range(first, first + len(scores))]
    shown = [f"p{i % images}" if images else f"p{i}" for i in range(len(scores))]
    table = {"trial_id": ids, "subject": 0, "image_id": shown, "score": scores}
    return pd.DataFrame(table | {"cluster": shown if images else ids})


def make(folder, cells, *, changes=None, **results):
    """Write a run folder; `cells` is a list of (coords, {metric: (figure, table or None)})."""
    entries, blocks = [], []
    seed = (changes or {}).get("seed", 0)
    for number, (coords, metrics) in enumerate(cells):
        name = f"cell{number}"
        entries.append(
            {"id": name, "coords": coords, "control": None, "seed": coords.get("seed", seed)}
            | {"metrics": {label: about for label, (about, _) in metrics.items()}}
        )
        entries.append(entries[-1] | {"control": "shuffled_eeg"})
        entries.append(entries[-2] | {"coords": coords | {"step": 5}})
        blocks.append({"coords": coords, **({"seed": coords["seed"]} if "seed" in coords else {})})
        (folder / "scores" / name).mkdir(parents=True)
        for label, (_, table) in metrics.items():
            if table is not None:
                table.to_csv(folder / "scores" / name / f"{label}.csv", index=False)
    about = {"recipe": "made", "data": "simulated", "weights": "pocket", "scale": "pocket"}
    (folder / "results.json").write_text(json.dumps(about | {"cells": entries} | results))
    written = BASE | (changes or {}) | ({"cells": blocks} if any(c for c, _ in cells) else {})
    (folder / "recipe.yaml").write_text(dump(written))
    return folder


def one_cell(folder, scores, *, label="accuracy", changes=None, first=0, images=None, **about):
    table = trials(scores, first=first, images=images)
    metrics = {label: (figure(float(np.mean(scores)), **about), table)}
    return make(folder, [({}, metrics)], changes=changes)


def noise():
    """Four rows of noise for 40 trials, a tenth wide."""
    return np.random.default_rng(0).normal(size=(4, 40)) * 0.1
