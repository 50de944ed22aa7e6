# ruff: noqa: ARG001
"""Toy evaluate: a perfect score, half of it where the EEG is shuffled."""

from __future__ import annotations

import json

import numpy as np


def run(inputs, params, out, context):
    with np.load(inputs["select"] / "select.npz") as select:
        trials = [str(i) for i in select["trial_id"][select["split"] == "test"]]
    metric = {"value": 1.0, "n": len(trials), "split": "test", "definition": "a toy"}
    metric |= {"higher_is_better": True}
    (out / "metric.json").write_text(json.dumps(metric))
    drawn = (inputs["generate"] / "index.csv").read_text() if "generate" in inputs else ""
    shuffled = "t06,t07" in drawn
    rows = [f"{trial},{1.0 if shuffled else 0.5},{i // 3}" for i, trial in enumerate(trials)]
    (out / "per_sample.csv").write_text("trial_id,score,cluster\n" + "\n".join(rows) + "\n")
