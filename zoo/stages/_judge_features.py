"""The judge's scores of every generated picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zoo.stages import _photograph_judge, _pocket_judge
from zoo.stages._context import Context, Inputs

#: Pictures scored at once.
BATCH = 256


def run(inputs: Inputs, params: dict[str, Any], out: Path, context: Context) -> None:
    """Publish ``judge_logits.npy`` (N, K, classes) float32 and ``trial_ids.npy`` (N,).

    Without a judge there are no classes: the array is (N, K, 0).

    Parameters
    ----------
    inputs : mapping
        ``generate``: images.npy (N, K, 3, H, W) and index.csv; ``judge``.
    """
    assert params["tower"] == "judge", params
    images = np.load(inputs["generate"] / "images.npy", mmap_mode="r")
    index = pd.read_csv(inputs["generate"] / "index.csv", dtype={"trial_id": str})
    trial_ids = index["trial_id"].to_numpy(dtype=str)
    assert len(trial_ids) == len(images), (len(trial_ids), images.shape)
    judge = json.loads((inputs["judge"] / "judge.json").read_text(encoding="utf-8"))
    n, k = images.shape[:2]
    logits = np.zeros((n, k, 0), dtype=np.float32)
    if "reason" not in judge:
        score = _scorer(judge, inputs["judge"] / "judge.safetensors", context.device)
        rows = max(1, BATCH // k)
        scores = [
            score(np.array(images[i : i + rows]).reshape(-1, *images.shape[2:]))
            for i in range(0, n, rows)
        ]
        logits = np.concatenate(scores).reshape(n, k, -1)
    np.save(out / "judge_logits.npy", logits)
    np.save(out / "trial_ids.npy", trial_ids)


def _scorer(
    judge: dict[str, Any], weights: Path, device: str
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from pictures (n, 3, H, W) uint8 to scores (n, classes)."""
    if judge["kind"] == "pocket":
        return _pocket_judge.scorer(judge, weights, device=device)
    arrays = _photograph_judge.load(weights)
    return lambda images: _photograph_judge.scores(arrays, images)
