"""The judge that ships with the pocket weights: a small network trained on drawings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from zoo.towers.pocket import network, scaled
from zoo.towers.table import SHIPPED as SHIPPED


def facts(class_names: list[str], folder: Path) -> dict[str, Any]:
    """Return what ``judge.json`` says of the shipped judge for a data set of `class_names`.

    ``columns`` picks the judge's outputs in the order of `class_names`. Where the judge is not
    there or does not know a class, the dictionary holds the ``reason`` instead.
    """
    if not (folder / "config.json").is_file():
        return {"reason": "not computed: needs the pocket weights, which hold the judge"}
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    known = config["class_names"]
    unknown = [name for name in class_names if name not in known]
    if unknown:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        named = ", ".join(unknown[:3])
        return {"reason": f"not computed: needs a judge that knows {named}{more}"}
    accuracy = config["accuracy"]
    return {
        "accuracy": accuracy["held_out_drawings"],
        "n": accuracy["n"],
        "definition": "the classifier that ships with the pocket weights, trained on drawings",
        "tested_on": "drawings that it was not trained on",
        "columns": [known.index(name) for name in class_names],
        "network": {"n_classes": config["n_classes"], "width": config["width"]},
    }


def scorer(
    judge: dict[str, Any], weights: Path, *, device: str
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from pictures (n, 3, H, W) uint8 to logits (n, classes) float32.

    Parameters
    ----------
    judge : dict
        What `facts` returned.
    weights : Path
        The judge's safetensors file.
    device : str
    """
    import torch

    judge_net = network(judge["network"], weights, device=device)

    def score(images_NCHW: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            logits = judge_net(scaled(images_NCHW, device))
        return logits.cpu().numpy()[:, judge["columns"]]

    return score
