# ruff: noqa: ARG001
"""Toy prepare: counts to n."""

from __future__ import annotations

import json

import numpy as np


def run(inputs, params, out, context):
    n = params["params"]["n"]
    if context.data_root is not None and (context.data_root / "broken").exists():
        from zoo.contracts import DataError

        raise DataError(f"{context.data_root / 'eeg.txt'}: is broken; mend it")
    np.save(out / "eeg.npy", np.arange(n, dtype=np.float32).reshape(n, 1, 1))
    rows = [f"t{i},i{i}" for i in range(n)]
    (out / "trials.csv").write_text("\n".join(["trial_id,image_id", *rows]) + "\n")
    (out / "signal.json").write_text(json.dumps({"class_names": ["cat", "mug"]}))
    (out / "notes.json").write_text(json.dumps(["toy trials"]))
