# ruff: noqa: ARG001
"""Toy evaluate: a perfect score, half of it where the EEG is shuffled."""

from __future__ import annotations

import json

import numpy as np


def run(inputs, params, out, context):
    with np.load(inputs["select"] / "select.npz") as select:
        test = select["split"] == "test"
        trials = [str(i) for i in select["trial_id"][test]]
        images = [str(i) for i in select["image_id"][test]]
    metric = {"value": 1.0, "n": len(trials), "split": "test", "definition": "a toy"}
    metric |= {"higher_is_better": True}
    (out / "metric.json").write_text(json.dumps(metric))
    drawn = (inputs["generate"] / "index.csv").read_text() if "generate" in inputs else ""
    shuffled = "t06,t07" in drawn
    score = 1.0 if shuffled else 0.5
    rows = [
        f"{t},0,{im},{score},{i // 3}" for i, (t, im) in enumerate(zip(trials, images, strict=True))
    ]
    header = "trial_id,subject,image_id,score,cluster\n"
    (out / "per_sample.csv").write_text(header + "\n".join(rows) + "\n")
