"""Furniture that stands on the floor. Every piece has its back at y = 0, its front towards +y, its middle at x = 0."""

import numpy as np

import clothes
import clutter


def legs(b, w, d, z, finish, inset=0.04, radius=0.022, y0=0.0):
    """Four round legs under a top of this size."""
    for x in (-w / 2 + inset, w / 2 - inset):
        for y in (y0 + inset, y0 + d - inset):
            b.rod((x, y, 0), (x, y, z), radius, finish)


def sofa(b, looks, w=2.1, d=0.92):
    """A sofa with seat and back cushions, pillows and maybe a throw."""
    cloth = looks.cloth()
    with b.part("sofa"):
        b.box((-w / 2 + 0.02, 0.06, 0.09), (w / 2 - 0.02, d - 0.04, 0.28), cloth)
        b.cushion((0, 0.14, 0.45), (w - 0.02, 0.24, 0.78), cloth, 0.22)
        for x in (-1, 1):
            b.cushion((x * (w / 2 - 0.09), d / 2, 0.36), (0.18, d, 0.56), cloth, 0.28)
        n = 3 if w > 1.9 else (2 if w > 1.3 else 1)
        seat = (w - 0.38) / n
        for k in range(n):
            x = (k + 0.5 - n / 2) * seat
            b.cushion((x, d / 2 + 0.1, 0.36), (seat - 0.005, d - 0.26, 0.2), cloth, 0.25)
            b.cushion((x, 0.3, 0.62), (seat - 0.02, 0.2, 0.42), cloth, 0.35)
        legs(b, w - 0.1, d - 0.12, 0.1, looks.wood(), y0=0.06)
    for x in (-w / 2 + 0.36, w / 2 - 0.4)[: 1 if w < 1.3 else 2]:
        with b.part("textile", "pillow"), b.place(x, 0.44, 0.62, looks.rng.uniform(-0.3, 0.3), 0, -1.15):
            b.cushion((0, 0, 0), (0.42, 0.42, 0.14), looks.striped() if looks.rng.random() < 0.6 else looks.rug(), 0.5)


def coffee_table(b, looks, w=1.1, d=0.6):
    """A low table with magazines, a bowl and cups."""
    top = looks.wood()
    with b.part("table", "coffee table"):
        b.box((-w / 2, 0, 0.36), (w / 2, d, 0.40), top)
        b.box((-w / 2 + 0.05, 0.05, 0.14), (w / 2 - 0.05, d - 0.05, 0.16), top)
        legs(b, w, d, 0.36, top)
    clutter.spread(b, looks, (-w / 2, 0, w / 2, d), 0.40, 5, ("magazine", "mug", "bowl", "book_pile", "remote", "vase"))
    clutter.spread(
        b, looks, (-w / 2 + 0.05, 0.05, w / 2 - 0.05, d - 0.05), 0.16, 3, ("magazine", "book_pile", "packet"), 0.18
    )


def tv_unit(b, looks, w=1.7, d=0.42):
    """A low board with a television and boxes."""
    wood = looks.wood()
    with b.part("cabinet", "tv unit"):
        b.box((-w / 2, 0, 0.08), (w / 2, d, 0.46), wood)
        fronts(b, looks, -w / 2, w / 2, 0.1, 0.44, d, 3, looks.white())
        b.box((-w / 2 + 0.04, 0.04, 0), (w / 2 - 0.04, d - 0.06, 0.08), looks.black())
    with b.part("tv"):
        b.box((-0.55, 0.14, 0.54), (0.55, 0.17, 1.18), looks.black())
        b.box((-0.2, 0.08, 0.46), (0.2, 0.26, 0.475), looks.black())
        b.box((-0.04, 0.14, 0.47), (0.04, 0.16, 0.6), looks.black())
        b.box((-0.535, 0.17, 0.555), (0.535, 0.172, 1.165), looks.picture())
    for x in (-w / 2 + 0.14, w / 2 - 0.14):
        clutter.spread(b, looks, (x - 0.12, 0.05, x + 0.12, d - 0.05), 0.46, 1, ("plant", "vase", "speaker"))


def fronts(b, looks, x0, x1, z0, z1, y, count, finish, gap=0.004, handles=True):
    """Cupboard doors or drawers on a front, with handles."""
    steel = looks.metal(0.4)
    width = (x1 - x0) / count
    for k in range(count):
        a, c = x0 + k * width + gap, x0 + (k + 1) * width - gap
        b.box((a, y, z0 + gap), (c, y + 0.018, z1 - gap), finish)
        if handles and z1 - z0 > 0.12:
            high = z1 - 0.07 if z0 < 0.9 else z0 + 0.07
            b.rod(((a + c) / 2 - 0.07, y + 0.04, high), ((a + c) / 2 + 0.07, y + 0.04, high), 0.006, steel, 6)


def bookshelf(b, looks, w=0.9, d=0.32, h=2.0):
    """Shelves full of books, boxes, plants and bits."""
    wood = looks.wood() if looks.rng.random() < 0.6 else looks.white()
    shelves = max(3, round(h / 0.36))
    step = (h - 0.08) / shelves
    with b.part("shelf"):
        for x in (-w / 2, w / 2 - 0.022):
            b.box((x, 0, 0), (x + 0.022, d, h), wood)
        b.box((-w / 2, 0, 0.02), (w / 2, 0.008, h), wood)
        for k in range(shelves + 1):
            z = 0.06 + k * step
            b.box((-w / 2 + 0.022, 0, z - 0.02), (w / 2 - 0.022, d - 0.01, z), wood)
    for k in range(shelves):
        clutter.shelf_row(b, looks, -w / 2 + 0.03, w / 2 - 0.03, d, 0.06 + k * step, step - 0.03)
    clutter.spread(b, looks, (-w / 2, 0.03, w / 2, d), h, 2, ("box", "basket", "plant"))


def sideboard(b, looks, w=1.4, d=0.42):
    """A chest of drawers with things on it."""
    wood = looks.wood()
    with b.part("cabinet", "sideboard"):
        b.box((-w / 2, 0, 0.12), (w / 2, d - 0.02, 0.82), wood)
        for z0, z1 in ((0.13, 0.36), (0.36, 0.59), (0.59, 0.81)):
            fronts(b, looks, -w / 2, w / 2, z0, z1, d - 0.02, 2, wood)
        b.box((-w / 2 - 0.01, 0, 0.82), (w / 2 + 0.01, d, 0.845), wood)
        legs(b, w, d, 0.12, wood)
    clutter.spread(
        b, looks, (-w / 2, 0.02, w / 2, d), 0.845, 6, ("vase", "frame", "plant", "book_pile", "bowl", "table_lamp")
    )


def floor_lamp(b, looks):
    """A lamp on a pole."""
    steel = looks.metal(0.3)
    with b.part("lamp"):
        b.cylinder(0.14, 0, 0.03, steel)
        b.rod((0, 0, 0.03), (0, 0, 1.5), 0.012, steel)
        b.lathe([(0.2, 1.42), (0.13, 1.72), (0.12, 1.72), (0.19, 1.425)], looks.glow(1.6))


def table(b, looks, w=1.6, d=0.9, chairs=4):
    """A laid dining table with chairs; here the origin is the middle of the table."""
    wood = looks.wood()
    with b.part("table"):
        b.box((-w / 2, -d / 2, 0.715), (w / 2, d / 2, 0.75), wood)
        b.box((-w / 2 + 0.06, -d / 2 + 0.06, 0.64), (w / 2 - 0.06, d / 2 - 0.06, 0.715), wood)
        legs(b, w, d, 0.66, wood, radius=0.03, y0=-d / 2)
    with b.part("textile", "runner"):
        b.box((-w * 0.42, -0.18, 0.75), (w * 0.42, 0.18, 0.754), looks.striped())
    kind = (looks.wood(), looks.cloth())
    for k in range(chairs):
        side = 1 if k % 2 else -1
        x = (k // 2 + 0.5 - chairs / 4) * 0.62
        jitter = looks.rng.uniform(-0.04, 0.08)
        with b.place(x, side * (d / 2 + 0.22 + jitter), 0, (0 if side < 0 else np.pi) + looks.rng.uniform(-0.25, 0.25)):
            chair(b, looks, *kind)
        with b.place(x, side * (d / 2 - 0.2), 0.75):
            clutter.plate(b, looks)
    clutter.spread(b, looks, (-w / 2 + 0.1, -0.15, w / 2 - 0.1, 0.15), 0.754, 4, ("vase", "bowl", "bottle", "mug"))


def chair(b, looks, wood, cloth):
    """A chair that faces +y; its seat is centred."""
    with b.part("chair"):
        b.cushion((0, 0, 0.455), (0.42, 0.42, 0.06), cloth, 0.3, (16, 6))
        for x in (-0.18, 0.18):
            b.rod((x, 0.18, 0), (x * 0.95, 0.17, 0.44), 0.018, wood)
            b.rod((x, -0.2, 0), (x * 0.95, -0.19, 0.44), 0.018, wood)
            b.rod((x * 0.95, -0.19, 0.44), (x * 0.95, -0.25, 0.9), 0.016, wood)
        for z in (0.62, 0.74, 0.86):
            b.board((0, -0.205 - (z - 0.44) * 0.12, z), (0.36, 0.02, 0.06), wood)


def office_chair(b, looks):
    """A swivel chair that faces +y."""
    black, cloth = looks.black(), looks.cloth()
    with b.part("chair", "office chair"):
        for k in range(5):
            a = k * 2 * np.pi / 5 + 0.3
            b.rod((0, 0, 0.1), (0.28 * np.cos(a), 0.28 * np.sin(a), 0.06), 0.02, black)
            with b.place(0.28 * np.cos(a), 0.28 * np.sin(a), 0.028):
                b.cushion((0, 0, 0), (0.05, 0.05, 0.055), black, 1.0, (10, 6))
        b.rod((0, 0, 0.09), (0, 0, 0.45), 0.025, looks.metal())
        b.cushion((0, 0, 0.48), (0.5, 0.48, 0.1), cloth, 0.4)
        b.cushion((0, -0.24, 0.82), (0.46, 0.09, 0.55), cloth, 0.4)
        b.rod((0, -0.2, 0.46), (0, -0.25, 0.7), 0.025, black)


def desk(b, looks, w=1.5, d=0.7):
    """A desk with a screen, a keyboard, a lamp, papers and a chair."""
    wood = looks.wood()
    with b.part("table", "desk"):
        b.box((-w / 2, 0, 0.715), (w / 2, d, 0.745), wood)
        b.box((w / 2 - 0.44, 0.03, 0.1), (w / 2 - 0.03, d - 0.06, 0.7), wood)
        for z0, z1 in ((0.11, 0.3), (0.3, 0.5), (0.5, 0.7)):
            fronts(b, looks, w / 2 - 0.44, w / 2 - 0.03, z0, z1, d - 0.06, 1, looks.white())
        for y in (0.05, d - 0.05):
            b.rod((-w / 2 + 0.05, y, 0), (-w / 2 + 0.05, y, 0.715), 0.022, looks.metal(0.3))
            b.rod((w / 2 - 0.06, y, 0), (w / 2 - 0.06, y, 0.715), 0.022, looks.metal(0.3))
    with b.part("tv", "screen"):
        b.box((-0.3, 0.2, 0.85), (0.3, 0.225, 1.2), looks.black())
        b.box((-0.29, 0.225, 0.86), (0.29, 0.227, 1.19), looks.paper())
        b.box((-0.12, 0.12, 0.745), (0.12, 0.3, 0.757), looks.metal())
        b.rod((0, 0.2, 0.75), (0, 0.2, 0.95), 0.02, looks.metal())
    with b.part("clutter", "keyboard"):
        b.box((-0.22, 0.42, 0.745), (0.22, 0.55, 0.763), looks.black())
        for row in range(4):
            for k in range(13):
                b.board((-0.195 + k * 0.0325, 0.445 + row * 0.029, 0.766), (0.027, 0.023, 0.007), looks.metal(0.2))
    left, right = (-w / 2, 0.05, -0.32, d - 0.05), (0.34, 0.05, w / 2, d - 0.05)
    clutter.spread(b, looks, left, 0.745, 4, ("paper", "mug", "book_pile", "table_lamp", "magazine"))
    clutter.spread(b, looks, right, 0.745, 4, ("paper", "pens", "book_pile", "frame", "packet"))
    with b.place(looks.rng.uniform(-0.15, 0.15), d + 0.12, 0, np.pi + looks.rng.uniform(-0.5, 0.5)):
        office_chair(b, looks)


def bed(b, looks, w=1.6, d=2.05):
    """A bed with its head at the wall: mattress, pillows, a folded blanket."""
    wood = looks.wood()
    with b.part("bed"):
        b.box((-w / 2 - 0.03, 0, 0), (w / 2 + 0.03, 0.06, 1.0), wood)
        b.box((-w / 2 - 0.03, 0.06, 0.1), (w / 2 + 0.03, d + 0.03, 0.28), wood)
        legs(b, w, d, 0.12, wood, radius=0.03)
        b.cushion((0, d / 2 + 0.05, 0.38), (w, d - 0.04, 0.22), looks.cloth(), 0.14, (28, 10))
    with b.part("textile", "duvet"):
        sheet = looks.striped()
        u, v = np.meshgrid(np.linspace(-w / 2 - 0.08, w / 2 + 0.08, 25), np.linspace(0.62, d + 0.1, 25))
        drop = np.clip(np.abs(u) - w / 2 + 0.05, 0, 1) * 2.2 + np.clip(v - d + 0.02, 0, 1) * 1.6
        wave = 0.02 * np.sin(u * 7 + looks.rng.uniform(0, 6)) * np.sin(v * 5) + 0.012 * np.sin(v * 13 + u * 4)
        b.slab(np.stack([u, v, 0.535 + wave - drop], -1), 0.05, sheet)
    for x in (-w / 4, w / 4):
        with b.part("textile", "pillow"), b.place(x, 0.32, 0.55, looks.rng.uniform(-0.15, 0.15), 0, -0.3):
            b.cushion((0, 0, 0), (0.62, 0.42, 0.16), looks.cloth() if looks.rng.random() < 0.4 else sheet, 0.5)
    with b.part("textile", "blanket"), b.place(0, d - 0.35, 0.58, looks.rng.uniform(-0.1, 0.1)):
        b.cushion((0, 0, 0), (w * 0.8, 0.4, 0.07), looks.rug(), 0.3)


def nightstand(b, looks):
    """A small chest with a lamp and books."""
    wood = looks.wood()
    with b.part("cabinet", "nightstand"):
        b.box((-0.22, 0, 0.1), (0.22, 0.36, 0.5), wood)
        fronts(b, looks, -0.22, 0.22, 0.11, 0.3, 0.36, 1, wood)
        fronts(b, looks, -0.22, 0.22, 0.3, 0.49, 0.36, 1, wood)
        legs(b, 0.44, 0.38, 0.1, wood)
    with b.place(0, 0.12, 0.5):
        clutter.table_lamp(b, looks)
    clutter.spread(b, looks, (-0.2, 0.2, 0.2, 0.36), 0.5, 1, ("book_pile", "mug"))


def wardrobe(b, looks, w=1.8, d=0.6, h=2.15):
    """A wardrobe with boxes on top."""
    wood, front = looks.wood(), looks.wood() if looks.rng.random() < 0.6 else looks.white()
    with b.part("cabinet", "wardrobe"):
        b.box((-w / 2, 0, 0.06), (w / 2, d - 0.02, h), wood)
        fronts(b, looks, -w / 2, w / 2, 0.08, h - 0.02, d - 0.02, 3, front)
        b.box((-w / 2 + 0.03, 0.03, 0), (w / 2 - 0.03, d - 0.06, 0.06), looks.black())
    clutter.spread(b, looks, (-w / 2, 0.03, w / 2, d - 0.05), h, 3, ("box", "basket", "box"), 0.4)


def shoe_rack(b, looks, w=0.8, d=0.3):
    """Shelves with shoes, hooks with coats above."""
    wood = looks.wood()
    with b.part("shelf", "shoe rack"):
        for z in (0.12, 0.32, 0.52):
            b.box((-w / 2, 0, z), (w / 2, d, z + 0.018), wood)
        for x in (-w / 2, w / 2 - 0.02):
            b.box((x, 0, 0), (x + 0.02, d, 0.54), wood)
        b.box((-w / 2, 0, 1.66), (w / 2, 0.02, 1.76), wood)
    for z in (0.138, 0.338):
        for x in np.arange(-w / 2 + 0.08, w / 2 - 0.2, 0.25):
            clothes.shoes(b, looks, x, 0.05, z)
    for x in np.arange(-w / 2 + 0.12, w / 2, 0.2):
        with b.part("clutter", "hook"):
            b.rod((x, 0.02, 1.7), (x, 0.08, 1.72), 0.008, looks.metal())
        if looks.rng.random() < 0.8:
            clothes.coat(b, looks, x)
