"""Pictures of made-up files: drawings of the classes we can draw, cards with the name of others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo.datasets._imagenet40_classes import CLASSES
from zoo.drawings import CLASSES as DRAWN
from zoo.drawings import Factors, draw, sample_factors
from zoo.seeds import numpy_rng

SIDE = 256
NAMES = dict(CLASSES)
DRAWN_INDEX = {kind.synset: index for index, kind in enumerate(DRAWN)}
N_FACTORS = 8


def factors_of(name: str, seed: int) -> np.ndarray:
    """Return colour and pose of a drawing as eight numbers; a card has neither."""
    factors = _factors(name, seed)
    return np.zeros(N_FACTORS, np.float32) if factors is None else factors.vector


def write_picture(file: Path, name: str, seed: int) -> None:
    """Write the picture called ``<synset>_<number>`` as JPEG, 256 pixels a side."""
    file.parent.mkdir(parents=True, exist_ok=True)
    factors = _factors(name, seed)
    if factors is None:
        picture = _card(NAMES[name.partition("_")[0]], numpy_rng(seed, "card", name))
    else:
        picture = Image.fromarray(draw(factors, SIDE).transpose(1, 2, 0))
    picture.save(file, "JPEG", quality=90)


def _factors(name: str, seed: int) -> Factors | None:
    index = DRAWN_INDEX.get(name.partition("_")[0])
    return None if index is None else sample_factors(index, numpy_rng(seed, "picture", name))


def _card(text: str, rng: np.random.Generator) -> Image.Image:
    """Return the words in the middle of a plain, light ground; each card has its own shade."""
    card = Image.new("RGB", (SIDE, SIDE), tuple(rng.integers(190, 240, 3).tolist()))
    words = "\n".join(text.split())
    ImageDraw.Draw(card).multiline_text(
        (SIDE / 2, SIDE / 2), words, (40, 44, 52), ImageFont.load_default(34),
        anchor="mm", align="center",
    )  # fmt: skip
    return card
