"""Pictures as unit vectors of contrast-normalised pixels, so that distances ignore exposure."""

from __future__ import annotations

import numpy as np

SIDE = 32


def unit_pixels(images_NCHW: np.ndarray) -> np.ndarray:
    """Return each picture at 32x32 as a vector of mean 0 and length 1, (N, 3072) float32.

    Pearson's correlation r of two pictures is the product of their vectors, their distance is
    sqrt(2 - 2 r). A flat picture becomes the zero vector.

    Parameters
    ----------
    images_NCHW : uint8 array (N, 3, H, W)
        Any size; shrunk by averaging areas.
    """
    import torch

    blocks = []
    for start in range(0, len(images_NCHW), 256):  # in blocks, to bound memory
        block = torch.from_numpy(np.ascontiguousarray(images_NCHW[start : start + 256])).float()
        small = torch.nn.functional.interpolate(block, size=(SIDE, SIDE), mode="area")
        vectors = small.flatten(1) - small.flatten(1).mean(dim=1, keepdim=True)
        length = vectors.norm(dim=1, keepdim=True)
        blocks.append(torch.where(length > 1e-3, vectors / length.clamp(min=1e-3), 0.0).numpy())
    return np.concatenate(blocks)


def nearest_two(a_NP: np.ndarray, b_MP: np.ndarray) -> np.ndarray:
    """Return the distances from every vector of `a_NP` to its two nearest of `b_MP`, (N, 2)."""
    squares_M = (b_MP**2).sum(axis=1)
    blocks = []
    for start in range(0, len(a_NP), 1024):  # in blocks, to bound memory
        block = a_NP[start : start + 1024]
        squares = (block**2).sum(axis=1)[:, None] + squares_M - 2 * block @ b_MP.T
        blocks.append(np.sqrt(np.maximum(np.partition(squares, 1, axis=1)[:, :2], 0)))
    return np.concatenate(blocks)
