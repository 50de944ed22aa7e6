"""Drawing tools: named colours and a pen that draws in an object's own coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import ImageDraw

Point = tuple[float, float]
RGB = tuple[int, int, int]

SUPERSAMPLE = 4

COLOURS: dict[str, RGB] = {
    "red": (208, 44, 42),
    "orange": (238, 128, 32),
    "yellow": (244, 208, 52),
    "green": (58, 158, 74),
    "blue": (48, 92, 208),
    "purple": (136, 66, 172),
    "pink": (240, 132, 172),
    "brown": (138, 84, 46),
    "white": (240, 240, 236),
    "silver": (170, 176, 186),
    "black": (56, 56, 64),
}


def shade(colour: RGB, factor: float) -> RGB:
    """Return `colour` darkened (factor < 1) or lightened towards white (factor > 1)."""
    if factor <= 1:
        return tuple(int(v * factor) for v in colour)
    return tuple(int(v + (255 - v) * min(1.0, factor - 1)) for v in colour)


def jitter(colour: RGB, rng: np.random.Generator, amount: float = 12) -> RGB:
    """Return `colour` with every channel moved by up to `amount`."""
    return tuple(int(np.clip(v + rng.uniform(-amount, amount), 0, 255)) for v in colour)


def closed_curve(points: Sequence[Point], per_segment: int = 8) -> list[Point]:
    """Return a smooth closed curve (Catmull-Rom) through `points`."""
    p = np.asarray(points, float)
    before, after, beyond = np.roll(p, 1, 0), np.roll(p, -1, 0), np.roll(p, -2, 0)
    t = np.linspace(0, 1, per_segment, endpoint=False)[None, :, None]
    p, before, after, beyond = (a[:, None] for a in (p, before, after, beyond))
    curve = 0.5 * (
        2 * p
        + (after - before) * t
        + (2 * before - 5 * p + 4 * after - beyond) * t**2
        + (3 * p - before - 3 * after + beyond) * t**3
    )
    return [tuple(q) for q in curve.reshape(-1, 2)]


def oval(
    x: float, y: float, a: float, b: float, start: float = 0, stop: float = 2 * math.pi, n: int = 32
) -> list[Point]:
    """Return points on an ellipse from angle `start` to `stop` (y points down)."""
    return [
        (x + a * math.cos(t), y + b * math.sin(t)) for t in np.linspace(start, stop, n).tolist()
    ]


class Pen:
    """Draw shapes given in object coordinates, about [-1, 1] with y down, under one pose.

    Parameters
    ----------
    draw : PIL.ImageDraw.ImageDraw
    centre : (float, float)
        Where the object's origin lies, in pixels.
    scale : float
        Pixels per object unit.
    angle : float
        Rotation in radians, clockwise on the screen.
    flip : bool
        Mirror left and right before rotating.
    """

    def __init__(
        self, draw: ImageDraw.ImageDraw, centre: Point, scale: float, angle: float, flip: bool
    ) -> None:
        self.draw, self.centre, self.scale = draw, centre, scale
        self.cos, self.sin = math.cos(angle), math.sin(angle)
        self.side = -1.0 if flip else 1.0

    def place(self, x: float, y: float) -> Point:
        """Return the pixel position of a point in object coordinates."""
        x *= self.side
        return (
            self.centre[0] + self.scale * (x * self.cos - y * self.sin),
            self.centre[1] + self.scale * (x * self.sin + y * self.cos),
        )

    def polygon(self, points: Sequence[Point], fill: RGB) -> None:
        """Fill a polygon."""
        self.draw.polygon([self.place(*p) for p in points], fill=fill)

    def ellipse(
        self, x: float, y: float, a: float, b: float, fill: RGB, tilt: float = 0.0, n: int = 32
    ) -> None:
        """Fill an ellipse with half-axes `a`, `b`, tilted by `tilt` radians."""
        c, s = math.cos(tilt), math.sin(tilt)
        self.polygon(
            [(x + u * c - v * s, y + u * s + v * c) for u, v in oval(0, 0, a, b, n=n)], fill
        )

    def stroke(self, points: Sequence[Point], width: float, fill: RGB) -> None:
        """Draw a line with round joints and ends."""
        pixels = [self.place(*p) for p in points]
        thick = max(1, round(width * self.scale))
        self.draw.line(pixels, fill=fill, width=thick, joint="curve")
        if thick > 3:
            for x, y in (pixels[0], pixels[-1]):
                r = thick / 2 - 0.5
                self.draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)
