"""A judge made from the stimuli themselves: logistic regression on coarse grey and edges.

Few photographs must suffice and generated pictures are blurrier than photographs, so it looks at
what survives blur (16x16 grey values, 8x8 cells of edge orientation) and is trained on shifted,
scaled, mirrored, blurred, noisy and re-exposed copies. It is tested on photographs left out with
all their copies.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneOut, StratifiedKFold

from zoo.seeds import numpy_rng

SIDE = 64
ORIENTATIONS = 8
#: Up to this many photographs each is left out by itself; above, in folds, each with some of every
#: class: ten, or as many as the smallest class has photographs.
LEAVE_ONE_OUT = 100
FOLDS = 10
#: Disturbed copies of all photographs together, at most 16 of each.
COPIES = 400


def train(images_IHW: np.ndarray, labels: np.ndarray) -> tuple[dict[str, np.ndarray], dict]:
    """Train the judge, and test it on photographs left out.

    Parameters
    ----------
    images_IHW : uint8 array (I, 3, H, W)
        The distinct stimuli; at least two of each class.
    labels : array (I,)
        Class of each, from 0 without gaps.

    Returns
    -------
    arrays : dict
        ``weight`` (classes, features) and ``bias`` (classes,), for `scores`.
    facts : dict
        accuracy, accuracy_disturbed (on disturbed copies of the photographs left out), n,
        definition, tested_on.
    """
    rng = numpy_rng(0, "photograph judge")  # one ruler for all seeds of a recipe
    small = shrink(images_IHW)
    copies = int(np.clip(COPIES // len(small), 1, 16))
    sets = [small, *(disturb(small, rng) for _ in range(copies))]
    x, y = np.concatenate([features(images) for images in sets]), np.tile(labels, 1 + copies)
    photograph = np.tile(np.arange(len(small)), 1 + copies)
    right = np.zeros((1 + copies, len(small)), dtype=bool)
    alone = len(small) <= LEAVE_ONE_OUT
    n_folds = min(FOLDS, int(np.bincount(labels).min()))
    folds = LeaveOneOut() if alone else StratifiedKFold(n_folds, shuffle=True, random_state=0)
    for _, left_out in folds.split(small, labels):
        held = np.isin(photograph, left_out)
        named = _fit(x[~held], y[~held]).predict(x[held])
        right[:, left_out] = (named == y[held]).reshape(1 + copies, len(left_out))
    weight, bias = _linear(_fit(x, y))
    facts = {
        "accuracy": float(right[0].mean()),
        "accuracy_disturbed": float(right[1:].mean()),
        "n": len(small),
        "definition": (
            "a logistic regression on coarse grey values and edge orientations, trained on the "
            f"{len(small)} stimuli and disturbed copies of them"
        ),
        "tested_on": f"photographs left out {'one at a time' if alone else f'in {n_folds} folds'}",
    }
    return {"weight": weight, "bias": bias}, facts


def scores(arrays: dict[str, np.ndarray], images_NCHW: np.ndarray) -> np.ndarray:
    """Return log-odds (N, classes) float32 of pictures (N, 3, H, W) uint8."""
    x = features(shrink(images_NCHW))
    return (x @ arrays["weight"].T + arrays["bias"]).astype(np.float32)


def shrink(images_NCHW: np.ndarray) -> np.ndarray:
    """Return the pictures at 64x64 as floats, by averaging areas; larger ones only."""
    import torch

    if images_NCHW.shape[2:] == (SIDE, SIDE):
        return images_NCHW.astype(np.float32)
    images = torch.from_numpy(np.ascontiguousarray(images_NCHW)).float()
    return torch.nn.functional.interpolate(images, size=(SIDE, SIDE), mode="area").numpy()


def features(images_N3SS: np.ndarray) -> np.ndarray:
    """Return features (N, 768): contrast-normalised 16x16 grey values, 8x8 cells of 8 edges."""
    grey = ndimage.gaussian_filter(images_N3SS.mean(axis=1), (0, 1, 1))
    grey = grey - grey.mean(axis=(1, 2), keepdims=True)
    grey = grey / (grey.std(axis=(1, 2), keepdims=True) + 1)  # + 1: flat stays flat
    down, across = np.gradient(grey, axis=(1, 2))
    strength = np.hypot(down, across)
    angle = np.arctan2(down, across) % np.pi  # an edge and its negative are one
    bins = np.minimum(angle / np.pi * ORIENTATIONS, ORIENTATIONS - 1).astype(int)
    edges = np.stack([_pool(strength * (bins == k), 8) for k in range(ORIENTATIONS)], axis=1)
    return np.hstack([_unit(_pool(grey, 16)), _unit(edges)]).astype(np.float32)


def disturb(images_N3SS: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return one disturbed copy of each picture: what a small denoiser might make of it."""
    out = np.empty_like(images_N3SS)
    for i, image in enumerate(images_N3SS):
        zoom = rng.uniform(0.85, 1.15)
        offset = (1 - zoom) * SIDE / 2 + rng.uniform(-6, 6, size=2)
        sigma, contrast, noise = rng.uniform(0, 3), rng.uniform(0.4, 1.4), rng.uniform(0, 30)
        shade = rng.uniform(-40, 40) + rng.uniform(-20, 20, size=(3, 1, 1))
        picture = image[:, :, :: rng.choice([1, -1])]
        moved = [
            ndimage.affine_transform(c, [zoom, zoom], offset, order=1, mode="nearest")
            for c in picture
        ]
        soft = ndimage.gaussian_filter(np.stack(moved), (0, sigma, sigma))
        exposed = (soft - 128) * contrast + 128 + shade
        out[i] = np.clip(exposed + rng.normal(0, noise, size=image.shape), 0, 255)
    return out


def save(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Write the linear weights as safetensors."""
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def load(path: Path) -> dict[str, np.ndarray]:
    """Read what `save` wrote."""
    from safetensors.numpy import load_file

    return load_file(path)


def _fit(x: np.ndarray, y: np.ndarray) -> LogisticRegression:
    return LogisticRegression(C=1.0, max_iter=1000, tol=1e-3).fit(x, y)


def _linear(model: LogisticRegression) -> tuple[np.ndarray, np.ndarray]:
    """Return one row of weights a class; scikit-learn keeps a single row for two classes."""
    weight, bias = model.coef_, model.intercept_
    if len(weight) == 1:
        weight, bias = np.vstack([-weight, weight]) / 2, np.hstack([-bias, bias]) / 2
    return weight.astype(np.float32), bias.astype(np.float32)


def _pool(images_NSS: np.ndarray, side: int) -> np.ndarray:
    n, cell = len(images_NSS), SIDE // side
    return images_NSS.reshape(n, side, cell, side, cell).mean(axis=(2, 4))


def _unit(values: np.ndarray) -> np.ndarray:
    flat = values.reshape(len(values), -1)
    length: Any = np.linalg.norm(flat, axis=1, keepdims=True)
    return flat / np.maximum(length, 1e-3)
