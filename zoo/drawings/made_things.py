"""Objects people make: coffee mug, airliner, canoe, parachute, electric guitar."""

from __future__ import annotations

import math

import numpy as np

from zoo.drawings.canvas import RGB, Pen, closed_curve, jitter, oval, shade

PI = math.pi


def coffee_mug(pen: Pen, colour: RGB, rng: np.random.Generator) -> None:
    wide, high = rng.uniform(0.5, 0.6), rng.uniform(0.58, 0.72)
    edge = shade(colour, 0.55)
    loop = oval(wide * 0.9, 0.02, 0.4, 0.38, -PI * 0.5, PI * 0.5)
    pen.stroke(loop, 0.22, edge)
    pen.stroke(loop, 0.14, shade(colour, 0.85))

    def body(grow: float, fill: RGB) -> None:
        w, foot = wide + grow, wide * 0.88 + grow
        pen.polygon([(-w, -high), *oval(0, high, foot, 0.14 + grow, PI, 0), (w, -high)], fill)

    body(0.04, edge)
    body(0, colour)
    pen.polygon(
        [
            (-wide * 0.86, -high),
            (-wide * 0.5, -high),
            (-wide * 0.46, high + 0.09),
            (-wide * 0.76, high + 0.05),
        ],
        shade(colour, 1.3),
    )
    if rng.random() < 0.5:
        y, w = rng.uniform(-0.1, 0.25), wide * 0.96
        band = [*oval(0, y, w, 0.12, PI, 0), *oval(0, y + 0.2, w * 0.98, 0.12, 0, PI)]
        pen.polygon(band, shade(colour, 1.75) if sum(colour) < 560 else (70, 110, 190))
    pen.ellipse(0, -high, wide + 0.04, 0.2, edge)
    pen.ellipse(0, -high, wide, 0.165, shade(colour, 1.45))
    pen.ellipse(0, -high + 0.03, wide * 0.86, 0.115, (78, 48, 30))


def airliner(pen: Pen, colour: RGB, rng: np.random.Generator) -> None:
    """Seen from above and a little behind, nose to the right."""
    sweep, span = rng.uniform(0.42, 0.62), rng.uniform(0.9, 1.05)
    grey = jitter((196, 202, 212), rng, 10)
    edge = shade(colour, 0.42)
    wing_edge = shade(grey, 0.45)
    for side in (-1, 1):
        wing = [(0.34, 0), (0.16 - sweep, side * span), (-0.1 - sweep, side * span), (-0.2, 0)]
        tail = [(-0.66, 0), (-0.98, side * 0.42), (-1.14, side * 0.42), (-0.96, 0)]
        for shape in (wing, tail):
            pen.stroke([*shape, shape[0]], 0.07, wing_edge)
            pen.polygon(shape, grey if side < 0 else shade(grey, 0.86))
        tip = [
            (0.22 - sweep * 0.8, side * span * 0.8),
            (0.16 - sweep, side * span),
            (-0.1 - sweep, side * span),
            (-0.09 - sweep * 0.85, side * span * 0.8),
        ]
        pen.polygon(tip, shade(colour, 0.9))
        for reach in (0.42, 0.68)[: rng.integers(1, 3)]:
            x = 0.28 - sweep * reach
            pen.ellipse(x, side * span * reach, 0.15, 0.075, (70, 74, 88), n=16)
    hull = closed_curve(
        [
            (1.12, 0),
            (0.95, -0.14),
            (0.6, -0.19),
            (-0.5, -0.18),
            (-1.12, -0.06),
            (-1.16, 0),
            (-1.12, 0.06),
            (-0.5, 0.18),
            (0.6, 0.19),
            (0.95, 0.14),
        ]
    )
    pen.polygon([(x * 1.03, y * 1.22) for x, y in hull], edge)
    pen.polygon(hull, colour)
    pen.polygon([(0.7, -0.13), (0.7, -0.03), (-0.75, -0.02), (-0.75, -0.1)], shade(colour, 1.5))
    pen.polygon([(0.99, -0.09), (0.86, -0.13), (0.82, 0), (0.86, 0.13), (0.99, 0.09)], (42, 58, 92))
    pen.polygon(
        [(-0.62, -0.035), (-1.14, -0.05), (-1.2, 0), (-1.14, 0.05), (-0.62, 0.035)],
        shade(colour, 0.5),
    )


def canoe(pen: Pen, colour: RGB, rng: np.random.Generator) -> None:
    lift, depth = rng.uniform(0.26, 0.38), rng.uniform(0.42, 0.52)
    rim = [(x, -lift * abs(x / 1.12) ** 2.2) for x in np.linspace(-1.12, 1.12, 25).tolist()]
    far = [(x * 0.97, y - 0.2 * (1 - (x / 1.12) ** 2)) for x, y in rim]
    keel = [
        (x * 0.97, depth * max(0.0, 1 - (x / 1.12) ** 4) ** 0.6 - lift * (x / 1.12) ** 8)
        for x, _ in rim
    ]
    edge = shade(colour, 0.5)
    pen.stroke(far, 0.12, edge)
    pen.polygon(rim + far[::-1], shade(colour, 0.42))
    for x in (-0.42, 0.38):
        pen.stroke([(x, -0.2), (x + 0.03, 0.02)], 0.11, (214, 176, 116))
    pen.polygon(rim + keel[::-1], edge)
    pen.polygon([(x * 0.97, y * 0.9 + 0.01) for x, y in rim + keel[::-1]], colour)
    lower = [(x * 0.95, 0.45 * r[1] + 0.55 * y) for (x, y), r in zip(keel, rim, strict=True)]
    pen.polygon([(x * 0.95, y * 0.9) for x, y in lower + keel[::-1]], shade(colour, 0.78))
    pen.stroke(rim, 0.085, shade(colour, 1.55))
    if rng.random() < 0.6:
        wood = (190, 138, 74)
        top, foot = rng.uniform(-0.45, -0.2), rng.uniform(0.35, 0.55)
        pen.stroke([(top, -0.72), (foot, 0.55)], 0.09, wood)
        pen.ellipse(
            foot + 0.06, 0.68, 0.24, 0.11, shade(wood, 1.15), tilt=math.atan2(1.27, foot - top)
        )


def parachute(pen: Pen, colour: RGB, rng: np.random.Generator) -> None:
    high, gores = rng.uniform(0.72, 0.86), int(rng.choice([5, 7]))
    rim_y, load_y = -0.1, 0.86
    second = shade(colour, 1.8) if rng.random() < 0.6 else shade(colour, 0.62)
    cord = (64, 60, 66)
    seams = [-math.cos(PI * k / gores) for k in range(gores + 1)]
    for x in (seams[0], seams[gores // 2], seams[gores // 2 + 1], seams[-1]):
        pen.stroke([(x, rim_y), (0, load_y - 0.18)], 0.05, cord)

    def gore(left: float, right: float, grow: float, fill: RGB) -> None:
        def meridian(x: float) -> list[tuple[float, float]]:
            return [
                (x * math.sin(t), rim_y - (high + grow) * math.cos(t))
                for t in np.linspace(0, PI / 2, 14).tolist()
            ]

        middle, half = (left + right) / 2, (right - left) / 2
        scallop = oval(middle, rim_y + grow, half, 0.09, PI, 0, n=8)
        pen.polygon(meridian(left) + scallop + meridian(right)[::-1], fill)

    pen.polygon(
        [
            *oval(0, rim_y, 1.04, high + 0.04, PI, 2 * PI),
            (1.04, rim_y + 0.04),
            (-1.04, rim_y + 0.04),
        ],
        shade(colour, 0.45),
    )
    for k in range(gores):
        gore(seams[k], seams[k + 1], 0, colour if k % 2 == 0 else second)
    suit = jitter([(60, 66, 84), (170, 60, 50), (60, 110, 80)][rng.integers(3)], rng)
    for x in (-0.09, 0.09):
        pen.stroke([(x * 0.6, load_y), (x * 1.4, load_y + 0.32)], 0.12, shade(suit, 0.7))
    pen.ellipse(0, load_y - 0.02, 0.16, 0.2, suit)
    pen.ellipse(0, load_y - 0.26, 0.12, 0.12, (232, 188, 150))


def electric_guitar(pen: Pen, colour: RGB, rng: np.random.Generator) -> None:
    """Head up; the body is the two-horned solid shape."""
    maple = jitter((206, 158, 96), rng)
    head = [(-0.1, -0.98), (-0.13, -1.34), (0.1, -1.42), (0.2, -1.26), (0.1, -0.98)]
    pen.stroke([*head, head[0]], 0.07, shade(maple, 0.45))
    pen.polygon(head, maple)
    horn, waist = rng.uniform(0.0, 0.1), rng.uniform(0.3, 0.36)
    body = closed_curve(
        [
            (-0.1, 0.16),
            (-0.3, -0.08 - horn),
            (-0.5, -0.14 - horn),
            (-0.5, 0.1),
            (-waist - 0.03, 0.4),
            (-0.56, 0.78),
            (-0.4, 1.06),
            (0.02, 1.12),
            (0.44, 1.02),
            (0.56, 0.72),
            (waist, 0.42),
            (0.46, 0.16),
            (0.46, 0.0),
            (0.3, 0.02),
            (0.12, 0.2),
        ]
    )
    pen.polygon([(x * 1.08, (y - 0.5) * 1.07 + 0.5) for x, y in body], shade(colour, 0.4))
    pen.polygon(body, colour)
    pen.stroke([(-0.44, 0.72), (-0.32, 0.95), (0.0, 1.02)], 0.07, shade(colour, 1.35))
    guard = (244, 240, 228) if sum(colour) < 640 else (60, 56, 60)
    pen.polygon(
        closed_curve(
            [(-0.2, 0.24), (0.2, 0.24), (0.3, 0.5), (0.4, 0.78), (0.18, 0.84), (-0.2, 0.66)]
        ),
        guard,
    )
    for y in (0.38, 0.6):
        pen.stroke([(-0.14, y), (0.14, y)], 0.1, (46, 44, 50))
    pen.stroke([(-0.16, 0.84), (0.12, 0.84)], 0.1, (150, 152, 160))
    pen.stroke([(0, 0.3), (0, -1.0)], 0.21, shade(maple, 0.4))
    pen.stroke([(0, 0.3), (0, -1.0)], 0.15, (96, 62, 40))
    for y in (-0.15, -0.4, -0.62, -0.82):
        pen.stroke([(-0.06, y), (0.06, y)], 0.045, (226, 214, 190))
    pen.stroke([(0, 0.82), (0, -1.0)], 0.03, (226, 222, 214))
