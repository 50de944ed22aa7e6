"""The picture world: classes, the factors that decide a picture, drawing, captions.

Backgrounds are drawn independently of the class, so a picture's class can be told from its
object only. A picture is decided by its `Factors` and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from zoo.drawings import food_and_plants, made_things
from zoo.drawings.backgrounds import BACKGROUNDS, paint
from zoo.drawings.canvas import COLOURS, RGB, SUPERSAMPLE, Pen, jitter

SHIFT = 0.09  # largest move of the centre, as a share of the picture's side
SCALES = (0.34, 0.43)  # half an object's size, as a share of the picture's side
MAX_ANGLE = 0.55  # radians


@dataclass(frozen=True)
class DrawnClass:
    """One class: its ImageNet name, its synset and the colours it comes in."""

    name: str
    synset: str
    colours: tuple[str, ...]


@dataclass(frozen=True)
class _Look:
    """How a class is drawn: painter, usual heading, tilt on either side of it, size, centre."""

    painter: Callable[[Pen, RGB, np.random.Generator], None]
    heading: float = 0.0
    tilt: float = 0.15
    size: float = 1.0
    rise: float = 0.0


CLASSES: tuple[DrawnClass, ...] = (
    DrawnClass("coffee mug", "n03063599", ("red", "blue", "green", "yellow", "white", "purple")),
    DrawnClass("banana", "n07753592", ("yellow", "green")),
    DrawnClass("daisy", "n11939491", ("white", "pink", "yellow", "purple")),
    DrawnClass("pizza", "n07873807", ("yellow", "orange")),
    DrawnClass("airliner", "n02690373", ("white", "silver", "blue", "red")),
    DrawnClass("canoe", "n02951358", ("red", "green", "blue", "brown", "yellow")),
    DrawnClass("parachute", "n03888257", ("red", "blue", "orange", "purple", "green")),
    DrawnClass("electric guitar", "n03272010", ("red", "blue", "black", "orange", "green")),
    DrawnClass("jack-o'-lantern", "n03590841", ("orange", "white", "green")),
    DrawnClass("bolete", "n13054560", ("brown", "red", "orange")),
)

_LOOKS: dict[str, _Look] = {
    "coffee mug": _Look(made_things.coffee_mug, size=1.1),
    "banana": _Look(food_and_plants.banana, tilt=0.5, size=1.05),
    "daisy": _Look(food_and_plants.daisy, tilt=0.35, size=0.95, rise=0.06),
    "pizza": _Look(food_and_plants.pizza, tilt=0.5, size=1.0),
    "airliner": _Look(made_things.airliner, heading=-0.55, tilt=0.45, size=1.0),
    "canoe": _Look(made_things.canoe, tilt=0.2, size=1.05),
    "parachute": _Look(made_things.parachute, tilt=0.25, size=0.95),
    "electric guitar": _Look(made_things.electric_guitar, heading=0.5, tilt=0.4, size=0.92),
    "jack-o'-lantern": _Look(food_and_plants.jack_o_lantern, tilt=0.15, size=1.0),
    "bolete": _Look(food_and_plants.bolete, tilt=0.2, size=1.05),
}


@dataclass(frozen=True)
class Factors:
    """Everything that decides one picture.

    Attributes
    ----------
    class_index : int
        Index into `CLASSES`.
    colour, background : str
        Names.
    x, y : float
        Centre of the object relative to the middle, as a share of the picture's side.
    scale : float
        Half the object's size, as a share of the picture's side.
    angle : float
        Turn away from the class's usual heading, radians.
    flip : bool
        Mirrored left to right.
    seed : int
        Decides what is left: shape details, shades, the background's details, noise.
    """

    class_index: int
    colour: str
    background: str
    x: float
    y: float
    scale: float
    angle: float
    flip: bool
    seed: int

    @property
    def vector(self) -> np.ndarray:
        """Colour and pose as eight float32 numbers in about [-1, 1].

        In order: red, green, blue, x, y, scale, angle, flip.
        """
        red, green, blue = (v / 127.5 - 1 for v in COLOURS[self.colour])
        middle, half = sum(SCALES) / 2, (SCALES[1] - SCALES[0]) / 2
        return np.array(
            [
                red,
                green,
                blue,
                self.x / SHIFT,
                self.y / SHIFT,
                (self.scale - middle) / half,
                self.angle / MAX_ANGLE,
                1.0 if self.flip else -1.0,
            ],
            np.float32,
        )


def sample_factors(class_index: int, rng: np.random.Generator) -> Factors:
    """Draw the factors of one picture of a class; the background never depends on the class."""
    kind = CLASSES[class_index]
    tilt = _LOOKS[kind.name].tilt
    return Factors(
        class_index=class_index,
        colour=kind.colours[rng.integers(len(kind.colours))],
        background=tuple(BACKGROUNDS)[rng.integers(len(BACKGROUNDS))],
        x=float(rng.uniform(-SHIFT, SHIFT)),
        y=float(rng.uniform(-SHIFT, SHIFT)),
        scale=float(rng.uniform(*SCALES)),
        angle=float(rng.uniform(-tilt, tilt)),
        flip=bool(rng.integers(2)),
        seed=int(rng.integers(2**31)),
    )


def draw(factors: Factors, size: int = 64) -> np.ndarray:
    """Draw one picture.

    Parameters
    ----------
    factors : Factors
    size : int
        Side in pixels.

    Returns
    -------
    ndarray of uint8, shape (3, size, size)
        The same factors always give the same picture.
    """
    rng = np.random.default_rng(factors.seed)
    look = _LOOKS[CLASSES[factors.class_index].name]
    ground = paint(factors.background, size, rng)
    big = size * SUPERSAMPLE
    layer = Image.new("RGBA", (big, big))
    heading = -look.heading if factors.flip else look.heading
    pen = Pen(
        ImageDraw.Draw(layer),
        centre=((0.5 + factors.x) * big, (0.5 + factors.y - look.rise) * big),
        scale=factors.scale * look.size * big,
        angle=heading + factors.angle,
        flip=factors.flip,
    )
    look.painter(pen, jitter(COLOURS[factors.colour], rng), rng)
    picture = _compose(ground, layer.reduce(SUPERSAMPLE), rng)
    return np.ascontiguousarray(picture.transpose(2, 0, 1))


def _compose(ground: np.ndarray, layer: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """Lay the object over its soft shadow and the ground; light from above; add a little noise."""
    size = layer.width
    cover = layer.getchannel("A")
    shade = Image.new("L", cover.size)
    shade.paste(cover, (size // 32, size // 24))
    shadow = np.asarray(shade.filter(ImageFilter.GaussianBlur(size / 32)), np.float32)
    alpha = np.asarray(cover, np.float32)[..., None] / 255
    light = (1.07 - 0.16 * np.linspace(0, 1, size, dtype=np.float32))[:, None, None]
    objects = np.asarray(layer.convert("RGB"), np.float32) * light
    picture = ground * (1 - 0.3 * shadow[..., None] / 255) * (1 - alpha) + objects * alpha
    picture = picture * rng.uniform(0.92, 1.06) + rng.normal(0, 1.5, (size, size, 1))
    return np.clip(picture, 0, 255).astype(np.uint8)


def caption(factors: Factors, *, with_colour: bool = True) -> str:
    """Describe a picture in words, e.g. "a photo of a red coffee mug"."""
    name = CLASSES[factors.class_index].name
    words = f"{factors.colour} {name}" if with_colour else name
    return f"a photo of {'an' if words[0] in 'aeiou' else 'a'} {words}"
