# ruff: noqa: ARG001
"""Toy generate: one grey picture a test trial."""

from __future__ import annotations

import numpy as np
from PIL import Image


def run(inputs, params, out, context):
    with np.load(inputs["select"] / "select.npz") as select:
        trials = [str(i) for i in select["trial_id"][select["split"] == "test"]]
    (out / "images").mkdir()
    rows = ["trial_id,source_trial_id"]
    for trial, source in zip(trials, trials[1:] + trials[:1], strict=True):
        Image.new("RGB", (8, 8)).save(out / "images" / f"{trial}_0.png")
        rows.append(f"{trial},{source if params['control'] == 'shuffled_eeg' else trial}")
    (out / "index.csv").write_text("\n".join(rows) + "\n")
