"""What is fixed to the flat: kitchen, bathroom, radiators, curtains, lamps, pictures on walls."""

import numpy as np

import clutter
from _worldgen.light import AreaLight
from furniture import fronts
from shell import HEIGHT


def kitchen_run(b, looks, w, hob_at=0.3, sink_at=-0.6):
    """Base cabinets of this width with worktop, hob, oven, sink and tap; the middle is x = 0."""
    front, top = looks.white() if looks.rng.random() < 0.5 else looks.wood(), looks.worktop()
    with b.part("cabinet", "base"):
        b.box((-w / 2, 0, 0.1), (w / 2, 0.57, 0.87), front)
        b.box((-w / 2, 0, 0), (w / 2, 0.52, 0.1), looks.black())
        count = max(2, round(w / 0.6))
        fronts(b, looks, -w / 2, w / 2, 0.1, 0.68, 0.57, count, front)
        fronts(b, looks, -w / 2, w / 2, 0.68, 0.87, 0.57, count, front)
        b.box((-w / 2, 0, 0.87), (w / 2, 0.62, 0.91), top)
    with b.part("appliance", "oven"):
        b.box((hob_at - 0.29, 0.55, 0.14), (hob_at + 0.29, 0.592, 0.84), looks.black())
        b.box((hob_at - 0.25, 0.592, 0.25), (hob_at + 0.25, 0.594, 0.62), looks.metal(0.12))
        b.rod((hob_at - 0.24, 0.63, 0.68), (hob_at + 0.24, 0.63, 0.68), 0.009, looks.metal())
        for k in range(5):
            b.rod((hob_at - 0.2 + k * 0.1, 0.59, 0.77), (hob_at - 0.2 + k * 0.1, 0.615, 0.77), 0.018, looks.metal(), 12)
        b.box((hob_at - 0.28, 0.06, 0.91), (hob_at + 0.28, 0.56, 0.917), looks.black())
        for x in (-0.14, 0.14):
            for y in (0.19, 0.43):
                with b.place(hob_at + x, y, 0.917):
                    b.lathe([(0.09, 0), (0.09, 0.004), (0.075, 0.004), (0.075, 0.002)], looks.metal(0.2), 20)
    with b.part("sanitary", "sink"):
        b.box((sink_at - 0.3, 0.1, 0.909), (sink_at + 0.3, 0.54, 0.916), looks.metal(0.55))
        b.box((sink_at - 0.26, 0.15, 0.9155), (sink_at + 0.1, 0.5, 0.9175), looks.metal(0.22))
        b.rod((sink_at, 0.12, 0.91), (sink_at, 0.12, 1.2), 0.014, looks.metal(0.6))
        b.rod((sink_at, 0.12, 1.2), (sink_at, 0.32, 1.17), 0.012, looks.metal(0.6))
    with b.place(hob_at + 0.14, 0.43, 0.92):
        clutter.pot(b, looks)
    kinds = ("jar", "bottle", "packet", "toaster", "mug", "bowl", "jar", "soap")
    for x0, x1 in ((-w / 2, sink_at - 0.32), (sink_at + 0.32, hob_at - 0.3), (hob_at + 0.3, w / 2)):
        clutter.spread(b, looks, (x0, 0.06, x1, 0.5), 0.91, int(2 + (x1 - x0) * 5), kinds)


def wall_cabinets(b, looks, w, low=1.45, high=2.15):
    """Hanging cupboards and, on the left, open shelves."""
    front = looks.white() if looks.rng.random() < 0.5 else looks.wood()
    half = -w / 2 + max(0.5, w * 0.35)
    with b.part("cabinet", "hanging"):
        b.box((half, 0, low), (w / 2, 0.33, high), front)
        fronts(b, looks, half, w / 2, low, high, 0.33, max(1, round((w / 2 - half) / 0.5)), front)
    for z in (low, low + 0.33, high - 0.02):
        with b.part("shelf", "kitchen shelf"):
            b.box((-w / 2, 0, z), (half - 0.03, 0.26, z + 0.022), looks.wood())
        if z < high - 0.1:
            clutter.spread(
                b,
                looks,
                (-w / 2, 0.02, half - 0.05, 0.25),
                z + 0.022,
                6,
                ("jar", "jar", "mug", "packet", "bottle"),
                0.3,
            )


def splashback(b, looks, w):
    """Tiles behind a kitchen run."""
    with b.part("wall", "tiles"):
        b.box((-w / 2, 0, 0.91), (w / 2, 0.008, 1.45), looks.wet_wall())


def fridge(b, looks):
    """A tall refrigerator with notes on it."""
    body = looks.metal(0.4) if looks.rng.random() < 0.5 else looks.lacquer()
    with b.part("appliance", "fridge"):
        b.box((-0.3, 0, 0.03), (0.3, 0.6, 1.85), body)
        b.box((-0.295, 0.6, 0.04), (0.295, 0.64, 0.72), body)
        b.box((-0.295, 0.6, 0.73), (0.295, 0.64, 1.84), body)
        for z0, z1 in ((0.45, 0.68), (0.78, 1.1)):
            b.rod((-0.25, 0.67, z0), (-0.25, 0.67, z1), 0.01, looks.metal(0.3))
    for _ in range(6):
        with b.part("clutter", "note"):
            x, z, s = looks.rng.uniform(-0.15, 0.2), looks.rng.uniform(1.0, 1.7), looks.rng.uniform(0.03, 0.07)
            b.box(
                (x - s, 0.64, z - s), (x + s, 0.643, z + s), looks.pick((looks.paper(), looks.picture(), looks.label()))
            )
    clutter.spread(b, looks, (-0.3, 0.1, 0.3, 0.55), 1.85, 2, ("basket", "box", "plant"), 0.5)


def bathtub(b, looks, w=1.7, d=0.75):
    """A bathtub along the wall with a shower rail and curtain."""
    enamel = looks.enamel()
    with b.part("sanitary", "bathtub"):
        b.box((-w / 2, 0, 0), (w / 2, 0.09, 0.56), enamel)
        b.box((-w / 2, d - 0.09, 0), (w / 2, d, 0.56), enamel)
        for x in (-w / 2, w / 2 - 0.12):
            b.box((x, 0.09, 0), (x + 0.12, d - 0.09, 0.56), enamel)
        b.box((-w / 2 + 0.12, 0.09, 0), (w / 2 - 0.12, d - 0.09, 0.16), enamel)
        b.rod((w / 2 - 0.1, 0.02, 1.0), (w / 2 - 0.1, 0.02, 1.95), 0.011, looks.metal(0.6))
        b.rod((w / 2 - 0.1, 0.02, 1.95), (w / 2 - 0.1, 0.22, 1.98), 0.011, looks.metal(0.6))
        b.rod((w / 2 - 0.16, 0.02, 0.8), (w / 2 - 0.16, 0.16, 0.78), 0.018, looks.metal(0.6))
    with b.place(-w / 2 + 0.25, d - 0.03, 0):
        drape(b, looks, 0.5, 0.12, 2.0, looks.striped())
    clutter.spread(b, looks, (-w / 2 + 0.3, d - 0.1, w / 2 - 0.2, d), 0.56, 3, ("soap", "bottle"))


def vanity(b, looks, w=0.9):
    """A washbasin on a cabinet under a framed mosaic, and bottles.

    No mirror hangs there, because all surfaces look the same from all sides.
    """
    wood = looks.wood()
    with b.part("cabinet", "vanity"):
        b.box((-w / 2, 0, 0.3), (w / 2, 0.46, 0.8), wood)
        fronts(b, looks, -w / 2, w / 2, 0.3, 0.8, 0.46, 2, wood)
        b.box((-w / 2 - 0.01, 0, 0.8), (w / 2 + 0.01, 0.49, 0.83), looks.worktop())
    with b.part("sanitary", "washbasin"), b.place(0, 0.26, 0.83):
        b.lathe([(0.14, 0), (0.2, 0.1), (0.2, 0.12), (0.185, 0.12), (0.12, 0.02)], looks.enamel(), 28)
        b.rod((0, -0.22, 0), (0, -0.22, 0.22), 0.014, looks.metal(0.6))
        b.rod((0, -0.22, 0.22), (0, -0.1, 0.2), 0.011, looks.metal(0.6))
    with b.part("picture", "mosaic"):
        b.box((-w / 2, 0, 1.1), (w / 2, 0.03, 1.85), wood)
        b.box((-w / 2 + 0.03, 0.03, 1.13), (w / 2 - 0.03, 0.033, 1.82), looks.mosaic())
    for x0, x1 in ((-w / 2, -0.22), (0.22, w / 2)):
        clutter.spread(b, looks, (x0, 0.04, x1, 0.44), 0.83, 3, ("soap", "bottle", "jar", "mug"))


def toilet(b, looks):
    """A toilet with a cistern and paper."""
    enamel = looks.enamel()
    with b.part("sanitary", "toilet"):
        b.box((-0.19, 0, 0.4), (0.19, 0.18, 0.8), enamel)
        b.cushion((0, 0.4, 0.22), (0.34, 0.5, 0.44), enamel, 0.55)
        b.cushion((0, 0.41, 0.43), (0.38, 0.5, 0.045), looks.wood() if looks.rng.random() < 0.5 else enamel, 0.6)
        b.cylinder(0.02, 0.8, 0.815, looks.metal())


def washer(b, looks):
    """A washing machine with towels on it."""
    with b.part("appliance", "washer"):
        b.box((-0.3, 0.02, 0.01), (0.3, 0.58, 0.85), looks.enamel())
        b.box((-0.29, 0.58, 0.7), (0.29, 0.586, 0.83), looks.metal(0.4))
        b.box((-0.26, 0.586, 0.72), (-0.08, 0.588, 0.82), looks.label())
        b.enter([[1, 0, 0, 0], [0, 0, 1, 0.58], [0, -1, 0, 0.4], [0, 0, 0, 1.0]])
        b.lathe([(0.2, 0), (0.2, 0.02), (0.15, 0.025), (0.15, 0.015)], looks.metal(0.6), 28)
        b.cylinder(0.15, 0.01, 0.02, looks.metal(0.1), 28)
        b.frames.pop()
    clutter.spread(b, looks, (-0.3, 0.05, 0.3, 0.55), 0.85, 2, ("towel_pile", "basket", "packet"))


def drape(b, looks, w, z0, z1, finish, depth=0.035):
    """Hanging cloth in folds, around x = 0."""
    x = np.linspace(-w / 2, w / 2, max(12, int(w * 60)))
    waves = max(3, round(w / 0.085))
    phase = looks.rng.uniform(0, 6)
    z = np.linspace(z0, z1, 8)
    grid_x, grid_z = np.meshgrid(x, z)
    y = depth * np.sin(grid_x / w * waves * 2 * np.pi + phase) * (1.15 - 0.3 * (grid_z - z0) / (z1 - z0))
    y += 0.01 * np.sin(grid_x * 9 + grid_z * 2.0 + phase)
    with b.part("textile", "drape"):
        b.slab(np.stack([grid_x, y, grid_z], -1), 0.008, finish)


def curtains(b, looks, center, width, bottom):
    """A rail and two curtains beside a window."""
    cloth = looks.striped() if looks.rng.random() < 0.5 else looks.cloth()
    with b.part("clutter", "curtain rail"):
        b.rod((center - width / 2 - 0.35, 0.1, 2.36), (center + width / 2 + 0.35, 0.1, 2.36), 0.012, looks.metal())
    for side in (-1, 1):
        with b.place(center + side * (width / 2 + 0.12), 0.1, 0):
            drape(b, looks, 0.42, bottom, 2.35, cloth)


def radiator(b, looks, center, width, top):
    """A ribbed radiator under a window."""
    with b.part("appliance", "radiator"):
        white = looks.enamel()
        for x in np.arange(center - width / 2, center + width / 2, 0.05):
            b.box((x, 0.035, 0.14), (x + 0.04, 0.1, top), white)
        for z in (0.18, top - 0.06):
            b.rod((center - width / 2, 0.065, z), (center + width / 2, 0.065, z), 0.014, white)


def ceiling_lamp(b, looks, x, y, strength, size=0.42):
    """A lamp under the ceiling; gives its light."""
    with b.part("lamp"), b.place(x, y, 0):
        b.lathe([(size / 2, HEIGHT - 0.09), (size / 2 + 0.02, HEIGHT)], looks.metal(0.6), 28)
        b.cylinder(size / 2 - 0.015, HEIGHT - 0.096, HEIGHT - 0.08, looks.glow(0.9 * strength), 28)
    half = size * 0.44
    color = np.array([1.0, 0.83, 0.62]) * strength
    return AreaLight(np.array([x, y, HEIGHT - 0.1]), np.array([half, 0, 0]), np.array([0, -half, 0]), color)


def wall_picture(b, looks, x, w, h, z):
    """A framed picture on a wall."""
    border = looks.rng.uniform(0.0, 0.05)
    with b.part("picture"):
        wood = looks.wood() if looks.rng.random() < 0.6 else looks.black()
        b.box((x - w / 2 - 0.025, 0, z - h / 2 - 0.025), (x + w / 2 + 0.025, 0.022, z + h / 2 + 0.025), wood)
        b.box((x - w / 2, 0.022, z - h / 2), (x + w / 2, 0.024, z + h / 2), looks.white())
        inner = (w / 2 - border, h / 2 - border)
        b.box((x - inner[0], 0.024, z - inner[1]), (x + inner[0], 0.0255, z + inner[1]), looks.picture())


def wall_shelf(b, looks, x, w, z):
    """A board on the wall with books and things."""
    with b.part("shelf", "wall shelf"):
        b.box((x - w / 2, 0, z), (x + w / 2, 0.22, z + 0.025), looks.wood())
    clutter.shelf_row(b, looks, x - w / 2 + 0.02, x + w / 2 - 0.02, 0.22, z + 0.025, 0.26)


def rug(b, looks, x0, y0, x1, y1):
    """A rug with fringes on the floor."""
    with b.part("rug"):
        b.box((x0, y0, 0), (x1, y1, 0.011), looks.rug())
        fringe = looks.cloth()
        long_x = x1 - x0 > y1 - y0
        for k in np.arange(0.02, (y1 - y0 if long_x else x1 - x0) - 0.02, 0.03):
            if long_x:
                for x in (x0 - 0.06, x1):
                    b.box((x, y0 + k, 0), (x + 0.06, y0 + k + 0.012, 0.005), fringe)
            else:
                for y in (y0 - 0.06, y1):
                    b.box((x0 + k, y, 0), (x0 + k + 0.012, y + 0.06, 0.005), fringe)
