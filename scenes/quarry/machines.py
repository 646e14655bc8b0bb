"""What stands in the pit: trucks, excavators, cars, people, cones, boulders. Front is +x, the ground is z = 0."""

import numpy as np

from _worldgen.finish import Finish
from _worldgen.shapes import cells

YELLOWS = [(0.62, 0.36, 0.03), (0.60, 0.25, 0.03), (0.55, 0.42, 0.08)]
PAINTS = [*YELLOWS, (0.60, 0.60, 0.58), (0.35, 0.05, 0.04), (0.05, 0.14, 0.30), (0.10, 0.22, 0.12)]
DUST = (0.40, 0.33, 0.25)


class Paint:
    """Finishes of the pit from a random generator."""

    def __init__(self, rng):
        self.rng = rng

    def _seed(self):
        return int(self.rng.integers(1, 60_000))

    def pick(self, choices):
        """One of the choices."""
        return choices[int(self.rng.integers(len(choices)))]

    def body(self, colors=YELLOWS):
        """Dusty, chipped machine paint."""
        return Finish("paint", self.pick(colors), DUST, seed=self._seed())

    def steel(self, tone=0.28):
        """Bare metal."""
        return Finish("metal", (tone, tone * 0.97, tone * 0.92), seed=self._seed())

    def dark(self):
        """Black plastic, glass."""
        return Finish("plain", (0.03, 0.033, 0.04), seed=self._seed())

    def tyre(self):
        """Rubber."""
        return Finish("tyre", (0.035, 0.034, 0.033), (0.30, 0.25, 0.19), seed=self._seed())

    def hazard(self, a=(0.6, 0.05, 0.03), b=(0.75, 0.74, 0.7), scale=0.3):
        """Warning stripes."""
        return Finish("hazard", a, b, scale, self._seed())

    def sign(self):
        """Printed boards."""
        return Finish(
            "print_page",
            self.pick([(0.75, 0.72, 0.62), (0.62, 0.45, 0.05), (0.05, 0.15, 0.40)]),
            (0.05, 0.05, 0.05),
            0.09,
            self._seed(),
        )

    def rock(self):
        """Boulders."""
        return Finish(
            "rubble",
            self.pick([(0.36, 0.31, 0.26), (0.29, 0.27, 0.25), (0.42, 0.34, 0.26)]),
            (0.48, 0.44, 0.40),
            seed=self._seed(),
        )

    def concrete(self):
        """Cast concrete."""
        return Finish("plaster", (0.46, 0.45, 0.42), seed=self._seed())

    def cloth(self, colors):
        """Work clothes."""
        return Finish("fabric", self.pick(colors), (0.12, 0.12, 0.12), 0.01, self._seed())

    def vest(self):
        """High-visibility cloth."""
        return Finish(
            "hazard", self.pick([(0.70, 0.25, 0.02), (0.60, 0.66, 0.05)]), (0.66, 0.66, 0.64), 0.24, self._seed()
        )

    def skin(self):
        """Skin."""
        return Finish(
            "plain", self.pick([(0.50, 0.32, 0.22), (0.28, 0.16, 0.10), (0.58, 0.40, 0.30)]), seed=self._seed()
        )


def wheel(b, paint, x, y, radius, width, tread):
    """A wheel whose axle runs along y."""
    b.frames.append(
        b.frames[-1] @ np.array([[1, 0, 0, x], [0, 0, 1, y - width / 2], [0, -1, 0, radius], [0, 0, 0, 1.0]])
    )
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
        _heap(b, paint, (-1.6, 0, 2.6), (2.3, 1.5, 1.4))


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


def _heap(b, paint, center, half):
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
            b.frames.append(b.frames[-1] @ np.array([[1, 0, 0, 0], [0, 0, -1, y + 0.6], [0, 1, 0, 0], [0, 0, 0, 1.0]]))
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
        n = np.array([-d[1], d[0]]) / np.linalg.norm(d) * thick
        start, end = np.array([x0, z0]), np.array([x1, z1])
        outline = np.array([start - n, end - n * 0.8, end + n * 0.8, start + n])
        b.frames.append(b.frames[-1] @ np.array([[1, 0, 0, 0], [0, 0, -1, 0.2], [0, 1, 0, 0], [0, 0, 0, 1.0]]))
        b.prism(outline, 0, 0.4, body)
        b.frames.pop()
    b.rod((1.4, 0.35, 1.8), (2.9, 0.35, 3.7), 0.08, paint.steel(0.6))
    b.rod((3.6, 0, 4.7), (5.3, 0, 4.75), 0.08, paint.steel(0.6))
    x, z = points[-1][0], points[-1][2]
    bucket = [(x + 0.25, z + 0.1), (x - 0.5, z + 0.1), (x - 0.95, z - 0.6), (x - 0.6, z - 1.1), (x + 0.1, z - 1.0)]
    b.frames.append(b.frames[-1] @ np.array([[1, 0, 0, 0], [0, 0, -1, 0.6], [0, 1, 0, 0], [0, 0, 0, 1.0]]))
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
        b.frames.append(b.frames[-1] @ np.array([[1, 0, 0, 0], [0, 0, -1, 0.82], [0, 1, 0, 0], [0, 0, 0, 1.0]]))
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
            b.frames.append(b.frames[-1] @ np.array([[1, 0, 0, 0], [0, 0, -1, y + 0.55], [0, 1, 0, 0], [0, 0, 0, 1.0]]))
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
        b.frames.append(b.frames[-1] @ np.array([[0, 0, 1, -1.0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]]))
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
        facet /= np.linalg.norm(facet)
        # A plane cuts off a cap: that is what makes a block of a ball.
        depth = rng.uniform(0.55, 0.85)
        reach = direction @ facet
        size = np.minimum(size, np.where(reach > 0.1, depth / np.maximum(reach, 0.1), 9))
    points = direction * size[..., None] * radius * rng.uniform(0.7, 1.2, 3)
    points[:, -1] = points[:, 0]
    points += (0, 0, 0.35 * radius)
    with b.part("rock"):
        around = u * radius
        uv = np.stack([around, v * radius], -1)
        b.add(cells(points), cells(uv), paint.rock())
