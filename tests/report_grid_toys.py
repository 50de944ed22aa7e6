"""The run folder of a grid, made by hand: three paths by three openings by seeds."""

import numpy as np
import pandas as pd
from report_toys import entry, figure, write

from zoo.recipe.yaml_strict import dump

PATHS = [
    {"name": "clip_text", "params": {"text_encoder": "trained"}, "train": {"lr": 0.001}},
    {"name": "clip_text", "params": {"text_encoder": "frozen"}, "train": {"lr": 0.003}},
    {"name": "linear", "train": {"lr": 0.01}},
]
OPENS = ["none", "attn2_lora", "attn2"]
STEPS = [25, 50, 100, 200]
SEEDS = 5


def value_of(path, opens, seed, step=200):
    """The figure of a made-up cell: every setting has one of its own, and so has every seed."""
    return round(0.32 + 0.15 * path + 0.05 * opens + 0.01 * seed + 0.0004 * step, 4)


def layers(path, seed):
    """Rows of a metric's table: two measures, one with layers."""
    about = {"ci95": None, "n": 40, "unit": "trial", "split": "test"}
    rows = [
        {"measure": "cka", "layer": layer, "when": when, "value": 0.1 * layer + up + 0.01 * seed}
        | about | {"definition": "Linear CKA of EEG-made and real text. 95 % interval: jackknife."}
        for layer in range(3)
        for when, up in (("before", 0.05), ("after", 0.25 + 0.1 * path))
    ]  # fmt: skip
    single = {"measure": "centroid_distance", "layer": None, "when": "after", "value": 1.5 + path}
    return [*rows, single | about | {"definition": "Distance of the centroids."}]


def clip_gap(folder, *, seeds=SEEDS, scores=True, **changes):
    """Three paths by three openings by seeds, with snapshots, controls, tables and papers."""
    entries, rng = [], np.random.default_rng(0)
    for p, path in enumerate(PATHS):
        for o, opens in enumerate(OPENS):
            for seed in range(seeds):
                cell = f"{p}-{o}-{seed}"
                coords = {"conditioner": path, "conditioner.params.opens": opens, "seed": seed}
                final = value_of(p, o, seed)
                table = layers(p, seed) if path["name"] == "clip_text" else None
                metrics = {
                    "accuracy": figure(0.9),
                    "image_class_accuracy": figure(final),
                    "gap": figure(0.5, table=table, chance=None),
                }
                if scores:
                    hits = rng.permutation(np.arange(400) < round(400 * final))
                    metrics["image_class_accuracy"]["value"] = hits.mean()
                    write_scores(folder / "scores" / cell / "image_class_accuracy.csv", hits)
                training = {"parameters": {"projection": 4567, "text_encoder": 1230000 + p},
                            "total": 1234567 + p, "steps": 200,
                            "seconds_per_step": 0.5 + 0.1 * seed}  # fmt: skip
                about = {"cell": cell, "coords": coords, "seed": seed}
                entries.append(entry(None, **about, metrics=metrics, training=training))
                entries.append(entry("shuffled_eeg", **about, value=0.111))
                if seed == 0:
                    entries.append(entry("class_label", **about, value=0.98, training=training))
                for step in STEPS:
                    at = {**coords, "step": step}
                    short = {"image_class_accuracy": figure(value_of(p, o, seed, step))}
                    entries.append(entry(None, **about | {"coords": at}, metrics=short))
    published = [
        {"metric": "accuracy", "value": 0.374, "sd": 0.02, "n": None, "note": None,
         "where": {"conditioner.name": "clip_text"}, "source": "Yang & Liu 2024, Table 1",
         "cells": [f"0-0-{seed}" for seed in range(seeds)], "comparable": False,
         "why_not": "not comparable: simulated EEG, small denoiser"},
        {"metric": "image_class_accuracy", "value": 0.512, "sd": None, "n": 50, "note": "mean of 4",
         "where": {}, "source": "Yang & Liu 2024, Table 9",
         "cells": ["1-2-0"], "comparable": True, "why_not": None},
        {"metric": "fid", "value": 88.0, "sd": None, "n": None, "note": None, "where": {},
         "source": "Yang & Liu 2024, Table 3", "cells": [], "comparable": False,
         "why_not": "simulated EEG"},
    ]  # fmt: skip
    answers = [
        {"analysis": "area_under_curve", "label": "trained against linear",
         "sentence": "The pocket text encoder is the slower door: 0.300 less area.",
         "value": -0.3, "ci95": [-0.35, -0.25], "n": 400, "unit": "trial", "split": "test",
         "metric": "image_class_accuracy", "definition": "Area under accuracy over steps.",
         "rows": [{"row": "outcome", "p": None, "test": "none"},
                  {"row": "arm", "name": "trained", "area": 0.41, "ci95": [0.4, 0.42]},
                  {"row": "arm", "name": "linear", "area": 0.71, "ci95": None}]},
        {"analysis": "rank_correlation", "label": None, "value": None, "reason": "two encoders",
         "sentence": "Whether better classifiers draw better cannot be told.",
         "definition": "", "rows": []},
    ]  # fmt: skip
    write(folder, entries, **{"published": published, "answers": answers} | changes)


def recipe_of_gap(*, over="area", tuned=("conditioner.train.lr.projection",)):
    """The resolved recipe of the grid: rates by arm, and a first question about the area."""
    cells = [
        {"coords": {"conditioner": path, "conditioner.params.opens": opens, "seed": seed},
         "tuned": list(tuned), "seed": seed,
         "conditioner": {**path, "train": {"lr": {"projection": path["train"]["lr"], "lora": 0.5}}}}
        for path in PATHS for opens in OPENS for seed in range(SEEDS)
    ]  # fmt: skip
    asked = {"metric": "image_class_accuracy", "over": over, "a": {"conditioner": "linear"}}
    analyses = [{"name": "difference", "params": asked, "label": "wrong_door"}]
    return {"schema": 1, "name": "synthetic", "cells": cells, "analyses": analyses}


def write_recipe(folder, recipe):
    """Write the recipe of a run folder."""
    (folder / "recipe.yaml").write_text(dump(recipe))


def write_scores(path, hits):
    """Write the scores of one cell as a run folder keeps them."""
    path.parent.mkdir(parents=True)
    trials = [f"t{i}" for i in range(len(hits))]
    table = pd.DataFrame({"trial_id": trials, "subject": 1, "image_id": trials})
    table.assign(score=hits.astype(float), cluster=trials).to_csv(path, index=False)
