"""Load a network of the table and run it over pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from registry.errors import UserError
from zoo.towers.table import NETWORKS, lacking

#: From exactly as many square pictures as a batch holds (B, 3, H, W) uint8 to named outputs.
Forward = Callable[[np.ndarray], dict[str, Tensor]]
Run = Callable[[np.ndarray], dict[str, Tensor]]

#: Pictures run at once, `BATCH` where not named: fixed, as another batch rounds otherwise.
BATCHES = {"pocket_judge": 64, "pocket_judge-stages": 64, "lpips-pocket": 64, "vit-h-14": 4}
BATCH = 16


def load(network: str, weights_root: Path | None, *, device: str) -> Run:
    """Return the function from pictures to the network's outputs.

    It takes square RGB pictures (B, 3, H, W) uint8, any number from one, and returns float32
    arrays on the CPU: ``<tower>`` (B, F) for features, ``<tower>:logits`` (B, C) for class scores.
    The network is in evaluation mode, computes in single precision without gradients, and always
    runs the same number of pictures at once, so that what it says of one depends on no other.

    Parameters
    ----------
    network : str
        A name of ``zoo.towers.table.NETWORKS``.
    weights_root : Path or None
        ``--weights-root``: the weights lie in its folder ``<network>``.
    device : str

    Raises
    ------
    UserError
        Files are missing or are not those that were published.
    """
    if problems := lacking(f"image network {network!r}", network, weights_root):
        raise UserError("\n".join(problems))
    forward = _forward(network, NETWORKS[network].where(weights_root), device)
    size = BATCHES.get(network, BATCH)

    def run(images_BCHW: np.ndarray) -> dict[str, Tensor]:
        n, channels, height, width = images_BCHW.shape
        assert images_BCHW.dtype == np.uint8 and channels == 3 and height == width and n > 0
        parts: dict[str, list[Tensor]] = {}
        for start in range(0, n, size):
            part = images_BCHW[start : start + size]
            whole = np.zeros((size, *part.shape[1:]), dtype=np.uint8)
            whole[: len(part)] = part
            with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                given = forward(whole)
            for output, values in given.items():
                parts.setdefault(output, []).append(values[: len(part)].float().cpu())
        return {output: torch.cat(values) for output, values in parts.items()}

    return run


def _forward(network: str, folder: Path, device: str) -> Forward:
    if NETWORKS[network].ships:
        from zoo.towers import pocket

        return pocket.build(network, folder, device)
    if NETWORKS[network].repository is not None:
        from zoo.towers import clip

        return clip.build(network, folder, device)
    (path,) = (folder / file for file in NETWORKS[network].files)
    if network == "inception-fid":
        from zoo.towers import inception_fid

        return inception_fid.build(path, device)
    if network == "lpips-alex":
        from zoo.towers import lpips_alex

        return lpips_alex.build(path, device)
    from zoo.towers import imagenet

    return imagenet.build(network, path, device)
