"""Made-up pictures with the statistics of photographs, to teach the autoencoder more than drawings.

Dead leaves (occluding discs with sizes by a power law, Lee, Mumford & Huang 2001) give edges,
1/f noise gives texture, and smooth fields give shading; a third of the pictures are grey.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

Field = np.ndarray


def texture(rng: np.random.Generator, size: int = 64) -> np.ndarray:
    """Return one picture, uint8 (3, size, size)."""
    kind = rng.random()
    if kind < 0.6:
        picture = _dead_leaves(size, rng)
    elif kind < 0.8:
        picture = _coloured(_cloud(size, rng.uniform(1.2, 2.4), rng), rng)
    else:
        picture = _blend(size, rng)
    if rng.random() < 0.5:
        shading = _cloud(size, rng.uniform(2.0, 3.0), rng)[..., None]
        picture = picture * (1 + rng.uniform(0.05, 0.4) * shading)
    picture = _stretch(picture, rng)
    if rng.random() < 0.33:
        picture = np.repeat(picture @ np.array([[0.299], [0.587], [0.114]]), 3, axis=2)
    return np.ascontiguousarray(np.clip(picture, 0, 255).astype(np.uint8).transpose(2, 0, 1))


def _cloud(size: int, slope: float, rng: np.random.Generator, channels: int = 0) -> Field:
    """Return noise with amplitude 1/f**slope, zero mean and unit variance."""
    shape = (size, size, channels) if channels else (size, size)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None]) * size
    frequency[0, 0] = 1
    gain = frequency**-slope
    gain[0, 0] = 0
    spectrum = np.fft.fft2(rng.standard_normal(shape), axes=(0, 1))
    field = np.fft.ifft2(spectrum * (gain[..., None] if channels else gain), axes=(0, 1)).real
    return field / (field.std() + 1e-9)


def _coloured(field: Field, rng: np.random.Generator) -> Field:
    """Run a field through a random colour axis, with a little independent colour noise."""
    size = len(field)
    axis = 0.8 + 0.4 * rng.standard_normal(3)
    tint = 0.25 * _cloud(size, 1.8, rng, channels=3)
    return rng.uniform(60, 190, 3) + rng.uniform(20, 60) * (field[..., None] * axis + tint)


def _blend(size: int, rng: np.random.Generator) -> Field:
    """Two textures either side of a curved border."""
    border = _cloud(size, rng.uniform(2.5, 3.5), rng)[..., None]
    side = 1 / (1 + np.exp(-border * rng.uniform(4, 40)))
    one, other = (_coloured(_cloud(size, rng.uniform(1.3, 2.8), rng), rng) for _ in range(2))
    return one * side + other * (1 - side)


def _dead_leaves(size: int, rng: np.random.Generator) -> Field:
    big = size * 3
    tone = rng.uniform(70, 180, 3)
    spread = rng.uniform(20, 70)
    image = Image.new("RGB", (big, big), tuple(int(v) for v in tone))
    pen = ImageDraw.Draw(image)
    smallest, largest = rng.uniform(2, 8) * 3, rng.uniform(24, 50) * 3
    count = int(rng.integers(20, 140))
    # Radii by r**-3 between the two limits: the scale-invariant choice.
    u = rng.random(count)
    radii = (smallest**-2 + u * (largest**-2 - smallest**-2)) ** -0.5
    radii = radii[np.argsort(-radii * rng.uniform(0.3, 2.5, count))]
    for radius, (x, y) in zip(radii, rng.uniform(0, big, (count, 2)), strict=True):
        colour = tone + spread * (rng.standard_normal() + 0.5 * rng.standard_normal(3))
        fill = tuple(int(v) for v in np.clip(colour, 0, 255))
        if rng.random() < 0.6:
            stretch = rng.uniform(0.4, 1.0)
            pen.ellipse((x - radius, y - radius * stretch, x + radius, y + radius * stretch), fill)
        else:
            turns = rng.uniform(0, 2 * np.pi) + np.sort(
                rng.uniform(0, 2 * np.pi, rng.integers(3, 6))
            )
            pen.polygon([(x + radius * np.cos(t), y + radius * np.sin(t)) for t in turns], fill)
    leaves = np.asarray(image.reduce(3), float)
    return leaves + rng.uniform(0, 14) * _cloud(size, rng.uniform(1.0, 2.0), rng)[..., None]


def _stretch(picture: Field, rng: np.random.Generator) -> Field:
    """Give a picture a random brightness and contrast."""
    picture = (picture - picture.mean()) / (picture.std() + 1e-6)
    return rng.uniform(80, 170) + rng.uniform(18, 70) * picture
