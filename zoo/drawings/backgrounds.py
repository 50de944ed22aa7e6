"""Eight backgrounds, each used with every class, so that no background gives a class away."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from zoo.drawings.canvas import RGB, SUPERSAMPLE, jitter, shade

Painter = Callable[[int, np.random.Generator], Image.Image]


def _gradient(size: int, top: RGB, bottom: RGB) -> Image.Image:
    ramp = np.linspace(0, 1, size)[:, None, None]
    column = (1 - ramp) * np.array(top) + ramp * np.array(bottom)
    return Image.fromarray(np.repeat(column, size, axis=1).astype(np.uint8))


def _lower(image: Image.Image, horizon: float, top: RGB, bottom: RGB) -> None:
    """Fill everything under `horizon` (share of the height) with a gradient."""
    size = image.width
    image.paste(
        _gradient(size, top, bottom).resize((size, size - int(horizon * size))),
        (0, int(horizon * size)),
    )


def studio(size: int, rng: np.random.Generator) -> Image.Image:
    tint = jitter(
        [(196, 206, 214), (214, 202, 188), (200, 212, 194), (212, 196, 208)][rng.integers(4)],
        rng,
        14,
    )
    axis = np.linspace(-1, 1, size)
    glow = 1.12 - 0.22 * (axis[:, None] ** 2 + axis[None, :] ** 2)
    return Image.fromarray(np.clip(glow[..., None] * np.array(tint), 0, 255).astype(np.uint8))


def room(size: int, rng: np.random.Generator) -> Image.Image:
    wall = jitter(
        [(150, 186, 190), (206, 178, 140), (190, 160, 176), (160, 176, 140)][rng.integers(4)],
        rng,
        14,
    )
    image = _gradient(size, wall, shade(wall, 0.9))
    horizon = rng.uniform(0.62, 0.8)
    floor = jitter((150, 112, 82), rng, 18)
    _lower(image, horizon, floor, shade(floor, 0.8))
    y = int(horizon * size)
    ImageDraw.Draw(image).rectangle((0, y - size // 40, size, y), fill=shade(wall, 1.6))
    return image


def table(size: int, rng: np.random.Generator) -> Image.Image:
    wall = jitter((214, 208, 196), rng, 16)
    image = _gradient(size, shade(wall, 0.92), wall)
    horizon = rng.uniform(0.4, 0.58)
    wood = jitter((176, 124, 76), rng, 20)
    _lower(image, horizon, wood, shade(wood, 0.82))
    draw = ImageDraw.Draw(image)
    shift = rng.uniform(-0.1, 0.1)
    for k in range(-4, 5):
        x = 0.5 + shift + k * 0.16
        foot = 0.5 + shift + k * 0.34
        draw.line(
            (x * size, horizon * size, foot * size, size),
            fill=shade(wood, 0.78),
            width=max(1, size // 90),
        )
    return image


def sky(size: int, rng: np.random.Generator) -> Image.Image:
    image = _gradient(size, jitter((92, 160, 228), rng, 16), jitter((190, 220, 244), rng, 10))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(2, 5)):
        x, y, r = rng.uniform(0, size), rng.uniform(0.05, 0.95) * size, rng.uniform(0.05, 0.09)
        for dx, dy, grow in ((-1.3, 0.2, 0.7), (0, 0, 1), (1.2, 0.15, 0.8)):
            w, h = r * grow * size * 1.4, r * grow * size
            cx, cy = x + dx * r * size, y + dy * r * size
            draw.ellipse((cx - w, cy - h, cx + w, cy + h), fill=(236, 244, 250))
    return image.filter(ImageFilter.BoxBlur(size / 100))


def dusk(size: int, rng: np.random.Generator) -> Image.Image:
    image = _gradient(size, jitter((104, 84, 150), rng, 14), jitter((246, 170, 112), rng, 12))
    draw = ImageDraw.Draw(image)
    x, y, r = rng.uniform(0.1, 0.9) * size, rng.uniform(0.62, 0.8) * size, 0.09 * size
    draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 222, 150))
    _hills(draw, size, rng, 0.8, jitter((96, 70, 96), rng, 10))
    return image


def night(size: int, rng: np.random.Generator) -> Image.Image:
    image = _gradient(size, jitter((26, 32, 78), rng, 8), jitter((62, 66, 124), rng, 10))
    draw = ImageDraw.Draw(image)
    for x, y in rng.uniform(0, size, (8, 2)):
        r = rng.uniform(0.01, 0.014) * size
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(232, 232, 206))
    x, y, r = rng.uniform(0.08, 0.92) * size, rng.uniform(0.08, 0.22) * size, 0.075 * size
    draw.ellipse((x - r, y - r, x + r, y + r), fill=(240, 236, 206))
    return image


def meadow(size: int, rng: np.random.Generator) -> Image.Image:
    image = _gradient(size, jitter((150, 202, 236), rng, 12), jitter((214, 232, 236), rng, 8))
    draw = ImageDraw.Draw(image)
    grass = jitter((110, 176, 84), rng, 16)
    _hills(draw, size, rng, rng.uniform(0.4, 0.5), shade(grass, 1.25))
    _hills(draw, size, rng, rng.uniform(0.55, 0.68), grass)
    for _ in range(6):
        x, y = rng.uniform(0, size), rng.uniform(0.72, 1) * size
        r = 0.014 * size
        draw.ellipse((x - r, y - r, x + r, y + r), fill=shade(grass, 1.7))
    return image


def lake(size: int, rng: np.random.Generator) -> Image.Image:
    image = _gradient(size, jitter((160, 200, 230), rng, 12), jitter((220, 228, 226), rng, 8))
    horizon = rng.uniform(0.34, 0.5)
    _hills(ImageDraw.Draw(image), size, rng, horizon - 0.07, jitter((96, 134, 120), rng, 12))
    water = jitter((54, 132, 170), rng, 14)
    _lower(image, horizon, shade(water, 1.2), shade(water, 0.75))
    draw = ImageDraw.Draw(image)
    for _ in range(9):
        x, y, w = (
            rng.uniform(0, size),
            rng.uniform(horizon + 0.05, 1) * size,
            rng.uniform(0.05, 0.14),
        )
        draw.line((x - w * size, y, x + w * size, y), fill=shade(water, 1.3), width=size // 64)
    return image


def _hills(
    draw: ImageDraw.ImageDraw, size: int, rng: np.random.Generator, level: float, colour: RGB
) -> None:
    phase, waves = rng.uniform(0, 2 * math.pi), rng.uniform(0.6, 1.4)
    crest = [
        (x * size / 16, (level + 0.05 * math.sin(phase + waves * 2 * math.pi * x / 16)) * size)
        for x in range(17)
    ]
    draw.polygon([*crest, (size, size), (0, size)], fill=colour)


BACKGROUNDS: dict[str, Painter] = {
    painter.__name__: painter for painter in (studio, room, table, sky, dusk, night, meadow, lake)
}


def paint(name: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return the background `name` as float32 (size, size, 3) in 0..255."""
    image = BACKGROUNDS[name](size * SUPERSAMPLE, rng).reduce(SUPERSAMPLE)
    return np.asarray(image, np.float32)
