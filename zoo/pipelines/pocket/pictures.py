"""Pictures to train and measure on: drawings with their factors, made-up textures, photographs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from zoo.drawings import CLASSES, Factors, draw, sample_factors
from zoo.pipelines.pocket.loop import SEED
from zoo.pipelines.pocket.textures import texture
from zoo.progress import bar
from zoo.seeds import numpy_rng

TRAINING_DRAWINGS = 12_000
TRAINING_TEXTURES = 6_000

# Bundled in scikit-image's wheel, so that no download is needed.
PHOTOGRAPHS = ("astronaut", "camera", "chelsea", "coffee", "rocket")


def drawing_factors(name: str, count: int) -> list[Factors]:
    """Return the factors of the drawings of the set `name`; classes take turns."""
    rng = numpy_rng(SEED, "drawings", name)
    return [sample_factors(i % len(CLASSES), rng) for i in range(count)]


def training_drawings(out: Path) -> torch.Tensor:
    """Return the training drawings as uint8 (N, 3, 64, 64), kept in `out` once made."""
    factors = drawing_factors("train", TRAINING_DRAWINGS)
    return _kept(out / "drawings.npy", lambda i: draw(factors[i]), len(factors))


def training_textures(out: Path) -> torch.Tensor:
    """Return the training textures as uint8 (N, 3, 64, 64), kept in `out` once made."""
    rng = numpy_rng(SEED, "textures")
    return _kept(out / "textures.npy", lambda _: texture(rng), TRAINING_TEXTURES)


def photographs() -> dict[str, torch.Tensor]:
    """Return scikit-image's bundled photographs, cropped square, float (3, 64, 64) in [-1, 1]."""
    import skimage.data

    return {name: _square(getattr(skimage.data, name)()) for name in PHOTOGRAPHS}


def to_float(images: torch.Tensor | np.ndarray) -> torch.Tensor:
    """Turn uint8 pictures into float in [-1, 1]."""
    return torch.as_tensor(images).float() / 127.5 - 1


def _square(photograph: np.ndarray) -> torch.Tensor:
    image = Image.fromarray(photograph).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side)).resize((64, 64), Image.LANCZOS)
    return to_float(np.asarray(image).transpose(2, 0, 1).copy())


def _kept(path: Path, make: Callable[[int], np.ndarray], count: int) -> torch.Tensor:
    if not path.exists():
        with bar(path.stem, count, unit="picture") as progress:
            pictures = []
            for i in range(count):
                pictures.append(make(i))
                progress.update()
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.stack(pictures), allow_pickle=False)
    return torch.from_numpy(np.load(path, allow_pickle=False))
