# ruff: noqa: ARG001
"""Toy select: the second half is the test split."""

from __future__ import annotations

import json

import numpy as np


def run(inputs, params, out, context):
    n = len(np.load(inputs["prepare"] / "eeg.npy"))
    np.savez(
        out / "select.npz",
        rows=np.arange(n),
        trial_id=np.array([f"t{i:02d}" for i in range(n)]),
        label=np.arange(n) % 2,
        split=np.where(np.arange(n) < n // 2, "train", "test"),
        trained_classes=np.arange(2),
        image_id=np.array(["i" * (1 + i % 3) for i in range(n)]),
        trial_key=np.arange(n, dtype=np.uint64),
        unit_key=np.arange(n, dtype=np.uint64) // 6,
    )
    shares = {"image": {"test_with_train": 0.5}, "run": {"test_with_train": 0.0}}
    shares["eeg"] = {"test_with_train": 0.0}
    about = {"independent": "run", "shares": shares, "same_eeg": {}}
    (out / "splits.json").write_text(json.dumps(about))
