"""Machines of the pit: trucks, excavators, cars. Front is +x, the ground is z = 0."""

import numpy as np

from _worldgen.finish import Finish
from _worldgen.products import length
from paint import PAINTS
from things import heap


def wheel(b, paint, x, y, radius, width, tread):
    """A wheel whose axle runs along y."""
    b.enter([[1, 0, 0, x], [0, 0, 1, y - width / 2], [0, -1, 0, radius], [0, 0, 0, 1.0]])
    b.lathe([(radius * 0.93, 0), (radius, width * 0.12), (radius, width * 0.88), (radius * 0.93, width)], tread, 22)
    for z in (-0.01, width - 0.03):
        b.lathe([(radius * 0.5, z), (radius * 0.46, z + 0.04)], paint.steel(0.35), 16)
    b.frames.pop()


def haul_truck(b, paint, scale=1.0, kind="truck"):
    """A rigid dump truck, about 9 m long."""
    with b.place(scale=scale), b.part(kind):
        body, dark, tread = paint.body(), paint.dark(), paint.tyre()
        for x, ys in ((2.6, (-1.75, 1.75)), (-2.1, (-1.9, -1.05, 1.05, 1.9))):
            for y in ys:
                wheel(b, paint, x, y, 1.05, 0.75, tread)
        b.box((-3.6, -0.7, 1.0), (4.1, 0.7, 1.5), paint.steel(0.15))
        b.box((1.5, -1.9, 1.9), (4.4, 1.9, 2.15), body)
        b.box((3.6, -1.2, 1.0), (4.5, 1.2, 2.6), body)
        for k in range(7):
            b.box((4.5, -1.0 + k * 0.3, 1.2), (4.54, -0.85 + k * 0.3, 2.4), dark)
        b.box((1.9, 0.2, 2.15), (3.4, 1.7, 3.7), body)
        b.box((3.4, 0.35, 2.75), (3.43, 1.55, 3.55), dark)
        b.box((2.1, 1.7, 2.75), (3.2, 1.73, 3.55), dark)
        b.box((2.1, 0.17, 2.75), (3.2, 0.2, 3.55), dark)
        for y in (-1.8, 1.75):
            for a, c in (
                ((4.3, y, 2.15), (4.3, y, 3.1)),
                ((1.6, y, 2.15), (1.6, y, 3.1)),
                ((4.3, y, 3.1), (1.6, y, 3.1)),
            ):
                b.rod(a, c, 0.03, paint.steel(0.4))
        b.box((4.45, -1.85, 1.5), (4.55, -1.4, 1.8), Finish("plain", (0.8, 0.8, 0.7)))
        b.box((4.45, 1.4, 1.5), (4.55, 1.85, 1.8), Finish("plain", (0.8, 0.8, 0.7)))
        _bed(b, body)
        b.box((-4.4, -1.9, 1.3), (-4.3, 1.9, 1.75), paint.hazard())
    with b.place(scale=scale), b.part("rock", "load"):
        heap(b, paint, (-1.6, 0, 2.6), (2.3, 1.5, 1.4))


def _bed(b, body):
    """The dump body: floor, sides, canopy over the cab."""
    b.box((-4.3, -1.95, 1.95), (1.4, 1.95, 2.2), body)
    for y in (-1.95, 1.8):
        b.box((-4.2, y, 2.2), (1.4, y + 0.15, 3.5), body)
        for x in np.arange(-3.8, 1.4, 0.85):
            outer = y - 0.1 if y < 0 else y + 0.15
            b.box((x, outer, 2.0), (x + 0.16, outer + 0.1, 3.5), body)
    b.box((1.4, -1.95, 2.2), (1.55, 1.95, 3.85), body)
    b.box((1.4, -1.95, 3.75), (3.9, 1.95, 3.9), body)


def excavator(b, paint):
    """A crawler excavator with its arm stretched."""
    body, steel, dark = paint.body(), paint.steel(0.14), paint.dark()
    swing, reach = paint.rng.uniform(-0.9, 0.9), paint.rng.uniform(0.8, 1.1)
    with b.part("excavator"):
        for y in (-1.55, 0.95):
            outline = [
                (-2.1, 0.35),
                (-1.75, 0),
                (1.75, 0),
                (2.1, 0.35),
                (2.1, 0.6),
                (1.75, 0.95),
                (-1.75, 0.95),
                (-2.1, 0.6),
            ]
            b.enter([[1, 0, 0, 0], [0, 0, -1, y + 0.6], [0, 1, 0, 0], [0, 0, 0, 1.0]])
            b.prism(outline, 0, 0.6, steel)
            b.frames.pop()
            for x in np.arange(-1.8, 1.8, 0.3):
                b.box((x, y - 0.03, 0.95), (x + 0.2, y + 0.63, 1.0), paint.tyre())
        b.cylinder(0.9, 0.7, 1.2, steel)
        with b.place(yaw=swing):
            b.box((-2.4, -1.3, 1.2), (1.3, 1.3, 2.1), body)
            b.box((-2.5, -1.25, 1.3), (-2.4, 1.25, 2.0), paint.hazard((0.6, 0.45, 0.02), (0.03, 0.03, 0.03)))
            b.box((-1.9, -1.1, 2.1), (-0.2, 0.2, 2.5), body)
            b.box((0.0, 0.25, 2.1), (1.4, 1.25, 3.2), body)
            b.box((1.4, 0.33, 2.3), (1.43, 1.17, 3.1), dark)
            b.box((0.15, 1.25, 2.3), (1.25, 1.28, 3.1), dark)
            b.cylinder(0.09, 2.1, 2.9, dark)
            _arm(b, paint, body, reach)


def _arm(b, paint, body, reach):
    """Boom, stick and bucket."""
    points = [(1.1, 0, 1.7), (3.0, 0, 4.3), (5.2, 0, 4.4), (6.4 * reach, 0, 1.7)]
    for (x0, _, z0), (x1, _, z1), thick in zip(points[:-1], points[1:], (0.30, 0.26, 0.2), strict=True):
        d = np.array([x1 - x0, z1 - z0])
        n = np.array([-d[1], d[0]]) / length(d) * thick
        start, end = np.array([x0, z0]), np.array([x1, z1])
        outline = np.array([start - n, end - n * 0.8, end + n * 0.8, start + n])
        b.enter([[1, 0, 0, 0], [0, 0, -1, 0.2], [0, 1, 0, 0], [0, 0, 0, 1.0]])
        b.prism(outline, 0, 0.4, body)
        b.frames.pop()
    b.rod((1.4, 0.35, 1.8), (2.9, 0.35, 3.7), 0.08, paint.steel(0.6))
    b.rod((3.6, 0, 4.7), (5.3, 0, 4.75), 0.08, paint.steel(0.6))
    x, z = points[-1][0], points[-1][2]
    bucket = [(x + 0.25, z + 0.1), (x - 0.5, z + 0.1), (x - 0.95, z - 0.6), (x - 0.6, z - 1.1), (x + 0.1, z - 1.0)]
    b.enter([[1, 0, 0, 0], [0, 0, -1, 0.6], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    b.prism(bucket[::-1] if _area(bucket) < 0 else bucket, 0, 1.2, paint.steel(0.2))
    b.frames.pop()


def _area(outline):
    p = np.asarray(outline)
    q = np.roll(p, -1, axis=0)
    return 0.5 * (p[:, 0] * q[:, 1] - q[:, 0] * p[:, 1]).sum()


def pickup(b, paint):
    """A pickup with a flag, about 5 m."""
    body, dark = paint.body(PAINTS[3:]), paint.dark()
    with b.part("car"):
        for x in (-1.55, 1.6):
            for y in (-0.85, 0.85):
                wheel(b, paint, x, y, 0.4, 0.26, paint.tyre())
        b.box((-2.6, -0.92, 0.5), (2.6, 0.92, 0.95), body)
        b.box((0.9, -0.9, 0.95), (2.5, 0.9, 1.12), body)
        outline = [(-0.6, 0.95), (1.1, 0.95), (0.55, 1.72), (-0.5, 1.72)]
        b.enter([[1, 0, 0, 0], [0, 0, -1, 0.82], [0, 1, 0, 0], [0, 0, 0, 1.0]])
        b.prism(outline, 0, 1.64, body)
        b.frames.pop()
        for y in (-0.835, 0.82):
            b.box((-0.4, y, 1.15), (0.55, y + 0.015, 1.6), dark)
        for y in (-0.92, 0.84):
            b.box((-2.6, y, 0.95), (-0.6, y + 0.08, 1.3), body)
        b.box((-2.6, -0.84, 0.95), (-2.52, 0.84, 1.3), body)
        b.box((2.6, -0.8, 0.7), (2.63, -0.45, 0.85), Finish("plain", (0.8, 0.8, 0.7)))
        b.box((2.6, 0.45, 0.7), (2.63, 0.8, 0.85), Finish("plain", (0.8, 0.8, 0.7)))
        b.box((-0.3, -0.5, 1.72), (0.1, 0.5, 1.84), Finish("plain", (0.7, 0.35, 0.02)))
        b.rod((-2.4, 0.8, 0.95), (-2.4, 0.8, 3.4), 0.015, paint.steel())
        b.box((-2.9, 0.795, 3.0), (-2.4, 0.805, 3.35), paint.hazard(scale=0.2))


def bulldozer(b, paint):
    """A bulldozer with its blade down."""
    body, steel = paint.body(), paint.steel(0.14)
    with b.part("machinery", "bulldozer"):
        for y in (-1.3, 0.75):
            outline = [(-1.7, 0.3), (-1.4, 0), (1.4, 0), (1.7, 0.3), (1.3, 1.0), (-1.4, 1.0)]
            b.enter([[1, 0, 0, 0], [0, 0, -1, y + 0.55], [0, 1, 0, 0], [0, 0, 0, 1.0]])
            b.prism(outline, 0, 0.55, steel)
            b.frames.pop()
        b.box((-1.5, -0.7, 0.5), (1.7, 0.7, 1.7), body)
        b.box((-1.2, -0.8, 1.7), (0.2, 0.8, 2.8), body)
        for y in (-0.83, 0.8):
            b.box((-1.05, y, 1.95), (0.05, y + 0.03, 2.65), paint.dark())
        b.box((0.2, -0.65, 1.95), (0.23, 0.65, 2.65), paint.dark())
        b.box((2.3, -1.7, 0.02), (2.5, 1.7, 1.25), paint.steel(0.3))
        for y in (-1.1, 1.1):
            b.rod((0.5, y, 0.6), (2.3, y, 0.5), 0.1, body)
        b.cylinder(0.07, 1.7, 2.5, paint.dark())


def light_tower(b, paint):
    """A light mast on a trailer."""
    with b.part("machinery", "light tower"):
        b.box((-0.9, -0.6, 0.4), (0.9, 0.6, 1.4), paint.body())
        for y in (-0.7, 0.7):
            wheel(b, paint, 0, y, 0.35, 0.2, paint.tyre())
        b.rod((0, 0, 1.4), (0, 0, 6.0), 0.06, paint.steel(0.4))
        for y in (-0.6, -0.2, 0.2, 0.6):
            b.board((0.05, y, 6.0), (0.15, 0.32, 0.26), paint.steel(0.6))


def container(b, paint):
    """An office container with a door and windows."""
    with b.part("machinery", "container"):
        body = paint.body(PAINTS[3:])
        b.box((-3, -1.2, 0.1), (3, 1.2, 2.6), body)
        for x in np.arange(-2.9, 2.9, 0.3):
            b.box((x, -1.24, 0.2), (x + 0.15, -1.2, 2.5), body)
        b.box((-2.0, 1.2, 0.2), (-1.1, 1.23, 2.2), paint.steel(0.5))
        for x in (0.0, 1.5):
            b.box((x, 1.2, 1.1), (x + 1.0, 1.22, 2.0), paint.dark())
        b.box((-0.9, 1.2, 1.2), (-0.2, 1.23, 1.9), paint.sign())
