"""Small things and people of the pit: cones, barriers, signs, workers, boulders. Front is +x, the ground is z = 0."""

import numpy as np

from _worldgen.finish import Finish
from _worldgen.products import dot, length
from _worldgen.shapes import cells
from paint import DUST, PAINTS


def heap(b, paint, center, half):
    """A heap of loose rock."""
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 25), np.linspace(0, 1, 9))
    bump = 1 + 0.12 * np.sin(5 * u + 3 * v) + 0.08 * np.cos(9 * u - 7 * v)
    x = center[0] + half[0] * v * np.cos(u) * bump
    y = center[1] + half[1] * v * np.sin(u) * np.where(v < 1, bump, 1)
    z = center[2] + half[2] * (1 - v**1.5) * (0.9 + 0.1 * np.cos(7 * u))
    top = np.stack([x, y, z], -1)[::-1]
    top[0, :, 2] = center[2]
    finish = paint.rock()
    b.add(cells(top), cells(top)[..., :2] + 0.7 * cells(top)[..., 2:], finish)
    base = top[0, :-1]
    middle = np.broadcast_to(np.array([center[0], center[1], center[2]]), base.shape)
    following = np.roll(base, -1, axis=0)
    b.add(
        np.stack([following, base, middle, middle], axis=1),
        np.stack([following, base, middle, middle], axis=1)[..., :2],
        finish,
    )


def cone(b, paint):
    """A traffic cone."""
    with b.part("traffic_cone"):
        b.box((-0.2, -0.2, 0), (0.2, 0.2, 0.04), paint.dark())
        orange, white = (
            Finish("paint", (0.70, 0.16, 0.03), DUST, seed=paint._seed()),
            Finish("plain", (0.75, 0.75, 0.72)),
        )
        b.lathe([(0.15, 0.04), (0.11, 0.3)], orange, 16)
        b.lathe([(0.11, 0.3), (0.075, 0.5)], white, 16)
        b.lathe([(0.075, 0.5), (0.03, 0.75)], orange, 16)


def barrier(b, paint):
    """A concrete or plastic barrier, 2 m."""
    finish = paint.concrete() if paint.rng.random() < 0.6 else paint.hazard(scale=0.7)
    outline = [(-0.3, 0), (0.3, 0), (0.3, 0.12), (0.13, 0.35), (0.09, 0.85), (-0.09, 0.85), (-0.13, 0.35), (-0.3, 0.12)]
    with b.part("barrier"):
        b.enter([[0, 0, 1, -1.0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]])
        # The outline is not convex: three convex pieces make the same solid.
        b.prism(outline[:3] + outline[-1:], 0, 2.0, finish)
        b.prism([outline[-1], outline[2], outline[3], outline[-2]], 0, 2.0, finish)
        b.prism([outline[-2], outline[3], outline[4], outline[5]], 0, 2.0, finish)
        b.frames.pop()


def sign(b, paint):
    """A board on posts."""
    with b.part("sign"):
        for y in (-0.5, 0.5):
            b.rod((0, y, 0), (0, y, 2.2), 0.035, paint.steel())
        b.box((0.03, -0.75, 1.2), (0.06, 0.75, 2.2), paint.sign())


def tyres(b, paint):
    """A stack of old tyres."""
    for k in range(int(paint.rng.integers(2, 5))):
        with b.part("barrier", "tyre"), b.place(paint.rng.normal(0, 0.06), paint.rng.normal(0, 0.06), k * 0.42):
            b.lathe([(0.6, 0), (0.8, 0.1), (0.8, 0.32), (0.6, 0.42), (0.4, 0.36), (0.4, 0.06)], paint.tyre(), 22)


def barrel(b, paint):
    """A steel drum."""
    with b.part("barrier", "barrel"):
        b.lathe([(0.29, 0), (0.3, 0.28), (0.29, 0.3), (0.3, 0.58), (0.29, 0.6), (0.3, 0.88)], paint.body(PAINTS), 20)


def person(b, paint):
    """A standing worker with helmet and vest."""
    stride, vest, trousers = (
        paint.rng.uniform(0.05, 0.2),
        paint.vest(),
        paint.cloth([(0.10, 0.13, 0.22), (0.22, 0.19, 0.13)]),
    )
    with b.place(scale=paint.rng.uniform(0.93, 1.07)), b.part("pedestrian"):
        for side in (-1, 1):
            foot = side * stride
            b.rod((foot, side * 0.1, 0.08), (0, side * 0.09, 0.88), 0.075, trousers, 12)
            with b.place(foot + 0.05, side * 0.1, 0.05):
                b.cushion((0, 0, 0), (0.28, 0.1, 0.1), Finish("plain", (0.08, 0.06, 0.04)), 0.6, (12, 6))
            elbow = (0.04 - side * stride * 0.6, side * 0.27, 1.12)
            b.rod((0, side * 0.2, 1.42), elbow, 0.052, vest, 10)
            b.rod(elbow, (0.22, side * 0.25, 0.98 + 0.2 * (side > 0)), 0.042, vest, 10)
            with b.place(0.24, side * 0.25, 0.98 + 0.2 * (side > 0)):
                b.cushion((0, 0, 0), (0.1, 0.07, 0.09), paint.skin(), 1.0, (10, 6))
        b.cushion((0, 0, 1.16), (0.26, 0.4, 0.62), vest, 0.6)
        b.cushion((0, 0, 0.9), (0.25, 0.34, 0.22), trousers, 0.7)
        b.cylinder(0.055, 1.42, 1.54, paint.skin(), 10)
        b.cushion((0.01, 0, 1.62), (0.2, 0.16, 0.24), paint.skin(), 1.0, (16, 10))
        helmet = Finish("plain", paint.pick([(0.75, 0.55, 0.03), (0.8, 0.8, 0.78), (0.6, 0.08, 0.04)]))
        b.lathe([(0.15, 1.655), (0.125, 1.67), (0.12, 1.72), (0.09, 1.77), (0.03, 1.79)], helmet, 18)


def boulder(b, paint, radius):
    """A rough rock, half sunk."""
    rng = paint.rng
    u, v = np.meshgrid(np.linspace(-np.pi, np.pi, 17), np.linspace(-np.pi / 2, np.pi / 2, 10))
    direction = np.stack([np.cos(v) * np.cos(u), np.cos(v) * np.sin(u), np.sin(v)], -1)
    size = np.ones(u.shape)
    for _ in range(9):
        facet = rng.normal(size=3)
        facet /= length(facet)
        # A plane cuts off a cap: that is what makes a block of a ball.
        depth = rng.uniform(0.55, 0.85)
        reach = dot(direction, facet)
        size = np.minimum(size, np.where(reach > 0.1, depth / np.maximum(reach, 0.1), 9))
    points = direction * size[..., None] * radius * rng.uniform(0.7, 1.2, 3)
    points[:, -1] = points[:, 0]
    points += (0, 0, 0.35 * radius)
    with b.part("rock"):
        around = u * radius
        uv = np.stack([around, v * radius], -1)
        b.add(cells(points), cells(uv), paint.rock())
