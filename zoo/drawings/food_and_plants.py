"""Objects one can eat or pick: banana, pizza, daisy, bolete, jack-o'-lantern."""

from __future__ import annotations

import math

import numpy as np

from zoo.drawings.canvas import RGB, Pen, closed_curve, jitter, oval, shade

PI = math.pi


def banana(pen: Pen, colour: RGB, rng: np.random.Generator) -> None:
    bend, fat = rng.uniform(0.5, 0.72), rng.uniform(0.24, 0.31)
    outer, inner, ridge = [], [], []
    for t in np.linspace(0, 1, 25):
        angle = PI * (0.06 + 0.88 * t)
        girth = fat * math.sin(PI * t) ** 0.55 + 0.035
        x, y = -math.cos(angle), math.sin(angle) * (bend + 0.35) - 0.5
        outer.append((x, y + girth * 0.55))
        inner.append((x * 0.88, y - girth * 0.95))
        ridge.append((x * 0.95, y - girth * 0.1))
    pen.polygon(outer + inner[::-1], shade(colour, 0.55))
    squeeze = [(x * 0.965, y - 0.035) for x, y in outer]
    pen.polygon(squeeze + [(x * 0.99, y + 0.03) for x, y in inner[::-1]], colour)
    pen.polygon(ridge + [(x * 0.99, y + 0.03) for x, y in inner[::-1]], shade(colour, 1.35))
    tip = (92, 64, 34)
    pen.stroke([inner[0], (outer[0][0] * 1.02, outer[0][1] - 0.18)], 0.15, tip)
    pen.stroke([inner[-1], outer[-1]], 0.1, tip)


def pizza(pen: Pen, colour: RGB, rng: np.random.Generator) -> None:
    missing = rng.random() < 0.4
    start = rng.uniform(0, 2 * PI)
    stop = start + 2 * PI - (PI / 4 if missing else 0)

    def disc(radius: float, fill: RGB) -> None:
        rim = oval(0, 0, radius, radius, start, stop, n=48)
        pen.polygon([*rim, (0, 0)] if missing else rim, fill)

    crust = jitter((206, 142, 66), rng)
    disc(1.0, shade(crust, 0.62))
    disc(0.96, crust)
    disc(0.8, (176, 50, 30))
    disc(0.76, shade(colour, 1.12))
    pepperoni, ring = jitter((178, 36, 30), rng), rng.integers(5, 8)
    for k in range(ring + 2):
        turn = start + (k + 0.5) * (stop - start) / ring
        reach = 0.54 if k < ring else 0.2
        x, y = reach * math.cos(turn), reach * math.sin(turn)
        pen.ellipse(x, y, 0.165, 0.165, shade(pepperoni, 0.62), n=18)
        pen.ellipse(x, y, 0.13, 0.13, shade(pepperoni, 1.12), n=18)
    for _ in range(rng.integers(3, 7)):
        turn, reach = rng.uniform(start + 0.2, stop - 0.2), rng.uniform(0.25, 0.65)
        pen.ellipse(
            reach * math.cos(turn),
            reach * math.sin(turn),
            0.13,
            0.06,
            (54, 128, 50),
            tilt=rng.uniform(0, PI),
            n=12,
        )


def daisy(pen: Pen, colour: RGB, rng: np.random.Generator) -> None:
    stem = jitter((56, 132, 54), rng)
    sway = rng.uniform(-0.25, 0.25)
    pen.stroke([(0, 0), (sway * 0.6, 0.7), (sway, 1.7)], 0.11, stem)
    pen.ellipse(sway * 0.6 + 0.26, 0.98, 0.3, 0.1, shade(stem, 1.15), tilt=-0.5)
    petals, turn = rng.integers(10, 15), rng.uniform(0, PI)
    for ring, tone in ((0, 0.72), (1, 1.0)):
        for k in range(petals):
            t = turn + 2 * PI * (k + 0.5 * ring) / petals
            x, y = 0.5 * math.cos(t), 0.5 * math.sin(t)
            width = 1.35 / petals
            pen.ellipse(x, y, 0.44, width + 0.02, shade(colour, 0.62), tilt=t, n=18)
            pen.ellipse(x, y, 0.42, width - 0.012, shade(colour, tone), tilt=t, n=18)
    heart = (236, 176, 30) if min(colour) > 120 or colour[2] > 110 else (128, 76, 34)
    pen.ellipse(0, 0, 0.29, 0.29, shade(heart, 0.7))
    pen.ellipse(-0.02, -0.03, 0.24, 0.24, heart)


def bolete(pen: Pen, colour: RGB, rng: np.random.Generator) -> None:
    girth, dome, broad = rng.uniform(0.25, 0.36), rng.uniform(0.62, 0.8), rng.uniform(0.8, 0.98)
    stem = jitter((232, 214, 176), rng)
    right = [(girth * 0.8, -0.1), (girth * 1.05, 0.35), (girth * 1.45, 0.72), (girth * 1.1, 0.92)]
    outline = right + [(-x, y) for x, y in right[::-1]]
    pen.polygon(closed_curve([(x * 1.1, y * 1.03) for x, y in outline]), shade(stem, 0.6))
    pen.polygon(closed_curve(outline), stem)
    pen.polygon(
        closed_curve([(0.35 * girth, -0.05), *right, (0.5 * girth, 0.85)]), shade(stem, 0.84)
    )
    pores = jitter((222, 190, 92), rng)
    pen.ellipse(0, -0.02, broad * 0.93, 0.24, shade(pores, 0.72))
    pen.ellipse(0, -0.04, broad * 0.86, 0.17, pores)
    cap = [*oval(0, -0.08, broad, dome, PI, 2 * PI), *oval(0, -0.08, broad, 0.1, 0, PI)]
    pen.polygon(cap, shade(colour, 0.6))
    pen.polygon([(x * 0.95, y * 0.96 - 0.015) for x, y in cap], colour)
    pen.ellipse(
        -0.3 * broad, -0.08 - 0.55 * dome, 0.3 * broad, 0.2 * dome, shade(colour, 1.28), tilt=-0.5
    )


def jack_o_lantern(pen: Pen, colour: RGB, rng: np.random.Generator) -> None:
    tall = rng.uniform(0.7, 0.84)
    lit = rng.random() < 0.6 and min(colour) < 180
    face = (255, 226, 92) if lit else (58, 32, 18)
    pen.polygon(
        [(-0.13, -tall * 0.85), (0.13, -tall * 0.85), (0.24, -tall - 0.3), (0.02, -tall - 0.3)],
        jitter((84, 116, 48), rng),
    )
    edge = shade(colour, 0.55)
    for x, wide, tone in (
        (-0.52, 0.5, 0.78),
        (0.52, 0.5, 0.78),
        (-0.28, 0.46, 0.92),
        (0.28, 0.46, 0.92),
        (0, 0.33, 1.0),
    ):
        high = tall * (0.9 if abs(x) > 0.4 else 1)
        pen.ellipse(x, 0, wide + 0.03, high + 0.03, edge)
        pen.ellipse(x, 0, wide, high, shade(colour, tone))
    eye, slant = rng.uniform(0.17, 0.23), rng.uniform(-0.08, 0.1)
    for side in (-1, 1):
        pen.polygon(
            [
                (side * (0.38 - eye), -0.06),
                (side * (0.38 + eye), -0.06 - slant),
                (side * 0.38, -0.48),
            ],
            face,
        )
    pen.polygon([(-0.1, 0.16), (0.1, 0.16), (0, -0.04)], face)
    grin = rng.uniform(0.55, 0.7)
    pen.polygon(
        [
            (-grin, 0.18),
            (-grin * 0.6, 0.32),
            (-grin * 0.4, 0.22),
            (-grin * 0.15, 0.36),
            (grin * 0.15, 0.36),
            (grin * 0.4, 0.22),
            (grin * 0.6, 0.32),
            (grin, 0.18),
            (grin * 0.72, 0.5),
            (grin * 0.3, 0.64),
            (-grin * 0.3, 0.64),
            (-grin * 0.72, 0.5),
        ],
        face,
    )
