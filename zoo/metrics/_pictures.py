"""Pictures as metrics of pixels compare them: resized all at once, or as luminance."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

#: Luminance of linear RGB, as scikit-image's ``rgb2gray`` weighs it.
GREY = (0.2125, 0.7154, 0.0721)


def resized(pictures_NCHW: Tensor, size: int) -> Tensor:
    """Return pictures (N, C, H, W) at ``size`` x ``size``: bilinear, smoothed where it shrinks."""
    import torch

    if tuple(pictures_NCHW.shape[2:]) == (size, size):
        return pictures_NCHW
    return torch.nn.functional.interpolate(
        pictures_NCHW, size=(size, size), mode="bilinear", antialias=True
    )


@lru_cache(maxsize=8)
def fold(side: int, size: int) -> np.ndarray:
    """Return the matrix (side, side) that stands for enlarging rows of `side` pixels to `size`.

    Enlarging is linear, a tall matrix E (size, side). The R of E = QR has the inner products of
    E, since Q turns and keeps lengths: where nothing but inner products count, nothing has to
    be enlarged.
    """
    import torch

    eye = torch.eye(side, dtype=torch.float64)[:, None, None]
    rows = torch.nn.functional.interpolate(eye, size=(1, size), mode="bilinear", antialias=True)
    return np.linalg.qr(rows[:, 0, 0].T.numpy(), mode="r")


def luminance(pictures_NCHW: np.ndarray, size: int) -> Tensor:
    """Return uint8 RGB pictures as luminance in [0, 1], float64 (N, size, size)."""
    import torch

    weights = torch.tensor(GREY, dtype=torch.float64) / 255
    out = torch.empty(len(pictures_NCHW), size, size, dtype=torch.float64)
    for start in range(0, len(out), 16):  # in blocks, to bound memory
        rgb = torch.from_numpy(np.ascontiguousarray(pictures_NCHW[start : start + 16])).double()
        grey = torch.einsum("nchw,c->nhw", rgb, weights)[:, None]
        out[start : start + 16] = resized(grey, size)[:, 0]
    return out
