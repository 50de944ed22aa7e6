"""The judge that ships with the pocket weights: a small network trained on drawings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

    from zoo.judge_net import JudgeNet

#: Where the shipped judge lies: model.safetensors (fp16) and config.json.
SHIPPED = Path(__file__).parents[1] / "pipelines" / "pocket" / "weights" / "judge"
SIDE = 64


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


def network(shape: dict[str, int], weights: Path, *, device: str) -> JudgeNet:
    """Return the judge with the weights of a safetensors file, in evaluation mode.

    Parameters
    ----------
    shape : dict
        ``n_classes`` and ``width``.
    weights : Path
    device : str
    """
    from safetensors.torch import load_file

    from zoo.judge_net import JudgeNet

    network = JudgeNet(**shape)
    state = {name: tensor.float() for name, tensor in load_file(weights).items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    # Counters of batches seen are not stored; nothing else may be absent.
    assert not unexpected, unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing), missing
    return network.eval().to(device)


def scaled(images_NCHW: np.ndarray, device: str) -> torch.Tensor:
    """Return uint8 pictures as the judge wants them: 64x64, in [-1, 1]."""
    import torch

    images = torch.from_numpy(np.ascontiguousarray(images_NCHW)).to(device).float()
    if images.shape[2:] != (SIDE, SIDE):
        images = torch.nn.functional.interpolate(images, size=(SIDE, SIDE), mode="area")
    return images / 127.5 - 1
