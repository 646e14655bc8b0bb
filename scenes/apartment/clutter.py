"""Small things: books, crockery, plants, papers, boxes. They stand at the origin of the present frame."""

import numpy as np

SIZES = {
    "magazine": 0.15,
    "mug": 0.055,
    "bowl": 0.13,
    "book_pile": 0.14,
    "remote": 0.09,
    "vase": 0.09,
    "plant": 0.13,
    "speaker": 0.1,
    "frame": 0.1,
    "table_lamp": 0.12,
    "box": 0.18,
    "basket": 0.17,
    "paper": 0.15,
    "pens": 0.05,
    "packet": 0.09,
    "bottle": 0.045,
    "jar": 0.06,
    "pot": 0.13,
    "toaster": 0.15,
    "soap": 0.04,
    "towel_pile": 0.15,
}
"""Radius of the footprint, metres."""


def spread(b, looks, area, z, count, kinds, tallest=9.0):
    """Up to `count` things of these kinds on a rectangle (x0, y0, x1, y1) at height z, none touching another."""
    placed = []
    for _ in range(count):
        kind = looks.pick(kinds)
        radius = SIZES[kind]
        for _ in range(12):
            if area[2] - area[0] < 2 * radius or area[3] - area[1] < 1.2 * radius:
                break
            x = looks.rng.uniform(area[0] + radius, area[2] - radius)
            low, high = area[1] + 0.8 * radius, area[3] - 0.8 * radius
            y = looks.rng.uniform(low, high) if high > low else (area[1] + area[3]) / 2
            if all(np.hypot(x - px, y - py) > radius + pr for px, py, pr in placed):
                placed.append((x, y, radius))
                with b.place(x, y, z, looks.rng.uniform(-0.5, 0.5)):
                    THINGS[kind](b, looks)
                break


def shelf_row(b, looks, x0, x1, depth, z, height):
    """A compartment: books, leaning books, now and then objects."""
    x = x0
    while x < x1 - 0.03:
        if looks.rng.random() < 0.09 and x < x1 - 0.3:
            kind = looks.pick(("vase", "frame", "bowl", "jar", "packet"))
            with b.place(
                x + SIZES[kind] + 0.01, depth * 0.5, z, looks.rng.uniform(-0.3, 0.3), scale=min(1, height / 0.3)
            ):
                THINGS[kind](b, looks)
            x += 2 * SIZES[kind] + 0.03
            continue
        run = int(looks.rng.integers(3, 10))
        for _ in range(run):
            thick = looks.rng.uniform(0.014, 0.045)
            if x + thick > x1:
                return
            book(b, looks, x, z, thick, depth, height)
            x += thick + 0.0008
        x += looks.rng.uniform(0, 0.05)


def book(b, looks, x, z, thick, depth, height):
    """An upright book whose back faces +y."""
    tall = looks.rng.uniform(0.6, 0.95) * height
    deep = min(depth - 0.05, looks.rng.uniform(0.14, 0.22))
    cover = looks.spine()
    front = depth - 0.03 - looks.rng.uniform(0, 0.03)
    with b.part("book"):
        b.box((x, front - deep, z), (x + thick, front, z + tall), cover, {5: looks.paper()})


def book_pile(b, looks):
    """Two to four lying books."""
    z = 0.0
    for _ in range(int(looks.rng.integers(2, 5))):
        thick = looks.rng.uniform(0.015, 0.04)
        w, d = looks.rng.uniform(0.13, 0.17), looks.rng.uniform(0.19, 0.24)
        with b.part("book"), b.place(0, 0, z, looks.rng.uniform(-0.4, 0.4)):
            cover = looks.spine()
            b.box((-w / 2, -d / 2, 0), (w / 2, d / 2, thick), cover, {5: looks.picture(), 1: looks.paper()})
        z += thick + 0.0005


def magazine(b, looks):
    """A magazine, open or closed."""
    with b.part("book", "magazine"):
        b.box((-0.105, -0.14, 0), (0.105, 0.14, 0.006), looks.paper(), {5: looks.label()})


def paper(b, looks):
    """Loose sheets."""
    for k in range(3):
        with b.part("clutter", "paper"), b.place(0.02 * k, 0.01 * k, 0.0015 * k, looks.rng.uniform(-0.4, 0.4)):
            b.box((-0.105, -0.148, 0), (0.105, 0.148, 0.001), looks.paper())


def mug(b, looks):
    """A mug with a handle."""
    glaze = looks.bright()
    with b.part("crockery", "mug"):
        b.lathe([(0.034, 0), (0.04, 0.02), (0.04, 0.095), (0.036, 0.095), (0.035, 0.012)], glaze)
        for a, c in (
            ((0.038, 0, 0.08), (0.066, 0, 0.07)),
            ((0.066, 0, 0.07), (0.066, 0, 0.035)),
            ((0.066, 0, 0.035), (0.038, 0, 0.025)),
        ):
            b.rod(a, c, 0.005, glaze, 6)


def bowl(b, looks):
    """A bowl with fruit."""
    with b.part("crockery", "bowl"):
        b.lathe(
            [(0.05, 0), (0.09, 0.03), (0.125, 0.075), (0.118, 0.075), (0.08, 0.035), (0.02, 0.012)], looks.bright(), 24
        )
    for k in range(5):
        a = k * 1.4
        with b.part("clutter", "fruit"), b.place(0.05 * np.cos(a), 0.05 * np.sin(a), 0.065 + 0.012 * (k % 2)):
            b.cushion((0, 0, 0), (0.07, 0.07, 0.066), looks.bright(), 1.0, (14, 8))


def plate(b, looks):
    """A plate with a napkin."""
    with b.part("crockery", "plate"):
        b.lathe([(0.07, 0), (0.12, 0.018), (0.118, 0.02), (0.07, 0.006)], looks.enamel(), 28)
    with b.part("textile", "napkin"):
        b.box((0.14, -0.08, 0), (0.2, 0.08, 0.006), looks.striped())


def vase(b, looks):
    """A vase with dry twigs."""
    h, r = looks.rng.uniform(0.16, 0.3), looks.rng.uniform(0.045, 0.075)
    with b.part("crockery", "vase"):
        z = np.linspace(0, 1, 10)
        radius = r * (0.6 + 0.55 * np.sin(np.pi * (0.1 + z * looks.rng.uniform(0.8, 1.1))))
        outside = list(zip(radius, z * h, strict=True))
        b.lathe(
            [*outside, (radius[-1] * 0.85, h), (radius[-1] * 0.8, h * 0.8)],
            looks.bright() if looks.rng.random() < 0.7 else looks.clay(),
            20,
        )
    with b.part("plant", "twigs"):
        for _ in range(7):
            lean = looks.rng.normal(0, 0.09, 2)
            tip = (lean[0], lean[1], h + looks.rng.uniform(0.1, 0.28))
            b.rod((lean[0] * 0.1, lean[1] * 0.1, h * 0.8), tip, 0.003, looks.wood(2), 5)
            with b.place(*tip):
                b.cushion((0, 0, 0), (0.03, 0.03, 0.04), looks.bright(), 1.0, (8, 6))


def plant(b, looks, height=0.35, leaves=22):
    """A potted plant."""
    pot = 0.32 * height
    with b.part("plant", "pot"):
        b.lathe(
            [(pot * 0.7, 0), (pot, 0.3 * height), (pot, 0.36 * height), (pot * 0.88, 0.36 * height)], looks.clay(), 24
        )
        b.cylinder(
            pot * 0.88, 0.3 * height, 0.335 * height, looks._make("shag", (0.10, 0.07, 0.05), (0.03, 0.02, 0.015)), 20
        )
    with b.part("plant"):
        green = looks.leaf()
        for k in range(leaves):
            a = k * 2.4 + looks.rng.uniform(-0.2, 0.2)
            reach = looks.rng.uniform(0.35, 0.75) * height * 0.9
            lift = looks.rng.uniform(0.25, 1.0) * height
            leaf(b, a, reach, 0.34 * height, lift, looks.rng.uniform(0.1, 0.2) * height, green)


def leaf(b, angle, reach, base, lift, width, finish):
    """A bent leaf from the pot outwards."""
    t = np.linspace(0, 1, 6)
    along = reach * t
    up = base + lift * (t - 0.45 * t**3)
    half = width * np.sin(np.pi * np.clip(t * 0.93 + 0.05, 0, 1)) * 0.5
    rows = [np.stack([along, side * half, up + np.abs(side) * half * 0.25], -1) for side in (-1, 0, 1)]
    with b.place(yaw=angle):
        b.slab(np.stack(rows, axis=1), 0.003, finish)


def big_plant(b, looks):
    """A plant that stands on the floor."""
    plant(b, looks, looks.rng.uniform(0.75, 1.05), 34)


def frame(b, looks):
    """A small picture in a standing frame."""
    with b.part("picture", "photo"), b.place(roll=-0.2):
        b.box((-0.085, -0.006, 0), (0.085, 0.006, 0.23), looks.wood())
        b.box((-0.07, 0.006, 0.02), (0.07, 0.008, 0.21), looks.picture())


def table_lamp(b, looks):
    """A small lamp with a shade."""
    with b.part("lamp"):
        b.lathe([(0.07, 0), (0.07, 0.015), (0.02, 0.04), (0.035, 0.12), (0.012, 0.2)], looks.bright(), 18)
        b.lathe([(0.11, 0.2), (0.07, 0.36), (0.062, 0.36), (0.1, 0.205)], looks.glow(1.3), 20)


def box(b, looks):
    """A cardboard box with tape."""
    w, d, h = looks.rng.uniform(0.25, 0.34), looks.rng.uniform(0.2, 0.27), looks.rng.uniform(0.14, 0.26)
    with b.part("clutter", "box"):
        b.board((0, 0, h / 2), (w, d, h), looks.cardboard(), {3: looks.label()} if looks.rng.random() < 0.4 else None)
        b.board((0, 0, h + 0.0008), (w, 0.05, 0.0012), looks.wood(1))


def basket(b, looks):
    """A wicker basket with cloth."""
    with b.part("clutter", "basket"):
        b.lathe([(0.12, 0), (0.16, 0.2), (0.145, 0.2), (0.11, 0.02)], looks.wicker(), 24)
        b.cushion((0, 0, 0.16), (0.26, 0.26, 0.12), looks.striped(), 0.7)


def packet(b, looks):
    """A packet with a printed front."""
    h = looks.rng.uniform(0.14, 0.25)
    with b.part("clutter", "packet"):
        b.board((0, 0, h / 2), (looks.rng.uniform(0.08, 0.15), 0.06, h), looks.label())


def bottle(b, looks):
    """A bottle with a label."""
    with b.part("clutter", "bottle"):
        b.lathe([(0.036, 0), (0.037, 0.06)], looks.bright(), 16)
        b.lathe([(0.0375, 0.06), (0.0375, 0.15)], looks.label(), 16)
        b.lathe([(0.036, 0.15), (0.034, 0.19), (0.014, 0.23), (0.014, 0.28)], looks.bright(), 16)


def jar(b, looks):
    """A jar with a lid."""
    with b.part("crockery", "jar"):
        b.lathe([(0.045, 0), (0.052, 0.02), (0.052, 0.13), (0.04, 0.15)], looks.label(), 18)
        b.cylinder(0.045, 0.15, 0.17, looks.wood(), 18)


def pot(b, looks):
    """A cooking pot."""
    steel = looks.metal(0.45)
    with b.part("crockery", "pot"):
        b.lathe([(0.1, 0), (0.11, 0.01), (0.11, 0.13), (0.112, 0.135), (0.05, 0.16), (0.015, 0.165)], steel, 24)
        b.rod((-0.15, 0, 0.11), (0.15, 0, 0.11), 0.01, looks.black())


def toaster(b, looks):
    """A toaster."""
    with b.part("appliance", "toaster"):
        b.cushion((0, 0, 0.1), (0.28, 0.17, 0.19), looks.metal(0.5), 0.25)
        b.box((-0.1, -0.03, 0.19), (0.1, -0.005, 0.198), looks.black())
        b.box((-0.1, 0.015, 0.19), (0.1, 0.04, 0.198), looks.black())


def speaker(b, looks):
    """A loudspeaker."""
    with b.part("appliance", "speaker"):
        b.board((0, 0, 0.15), (0.18, 0.2, 0.3), looks.wood(), {3: looks.cloth()})


def remote(b, looks):
    """A remote control."""
    with b.part("clutter", "remote"):
        b.board((0, 0, 0.008), (0.05, 0.17, 0.016), looks.black())
        for k in range(10):
            b.board((-0.012 + 0.024 * (k % 2), -0.06 + 0.012 * k, 0.0175), (0.012, 0.008, 0.003), looks.bright())


def pens(b, looks):
    """Pens in a cup."""
    with b.part("clutter", "pens"):
        b.lathe([(0.035, 0), (0.035, 0.09), (0.031, 0.09), (0.03, 0.01)], looks.bright(), 16)
        for k in range(5):
            b.rod((0.008 * k - 0.016, 0, 0.02), (0.016 * k - 0.032, 0.012, 0.15), 0.004, looks.bright(), 6)


def soap(b, looks):
    """A soap dispenser."""
    with b.part("clutter", "soap"):
        b.lathe([(0.033, 0), (0.035, 0.12), (0.012, 0.14), (0.012, 0.16)], looks.label(), 14)
        b.rod((0, 0, 0.16), (0, 0.04, 0.165), 0.006, looks.metal(), 6)


def towel_pile(b, looks):
    """Folded towels."""
    for k in range(3):
        with b.part("textile", "towel"), b.place(0, 0, 0.035 + 0.065 * k, looks.rng.uniform(-0.08, 0.08)):
            b.cushion((0, 0, 0), (0.28, 0.2, 0.07), looks.striped() if k % 2 else looks.cloth(), 0.3)


THINGS = {
    "magazine": magazine,
    "mug": mug,
    "bowl": bowl,
    "book_pile": book_pile,
    "remote": remote,
    "vase": vase,
    "plant": plant,
    "speaker": speaker,
    "frame": frame,
    "table_lamp": table_lamp,
    "box": box,
    "basket": basket,
    "paper": paper,
    "pens": pens,
    "packet": packet,
    "bottle": bottle,
    "jar": jar,
    "pot": pot,
    "toaster": toaster,
    "soap": soap,
    "towel_pile": towel_pile,
}
