"""Furnishing: what goes where. Pieces are drawn to walls; nothing stands in a door's way or in another piece."""

from functools import partial

import clutter
import fittings
import furniture
from decorator import Decorator
from shell import SIDES, local_to_world


def furnish(builder, plan, looks):
    """Furnish all rooms; gives the lights of the lamps."""
    lights = []
    for room in plan.rooms:
        decorator = Decorator(builder, plan, room, looks)
        ROOMS[room.kind](decorator)
        lights += _lamps(builder, room, looks)
    return lights


def _lamps(b, room, looks):
    cx, cy = room.center
    if room.kind == "corridor":
        spots = [(room.x0 + room.size[0] * t, cy) for t in (0.16, 0.5, 0.84)]
        return [fittings.ceiling_lamp(b, looks, x, y, 8.0, 0.3) for x, y in spots]
    if room.kind == "living":
        return [fittings.ceiling_lamp(b, looks, room.x0 + room.size[0] * t, cy, 9.0) for t in (0.28, 0.74)]
    return [fittings.ceiling_lamp(b, looks, cx, cy, 11.0)]


def living(d):
    """Sofa corner, television, dining table, books."""
    d.windows_dressed()
    walls = [side for side in ("east", "west") if side in d.room.outer] or ["west"]
    spot = d.at_wall(furniture.sofa, 2.1, 0.92, 0.85, walls, front=1.5)
    if spot:
        side, x = spot
        d.in_front(side, x, furniture.coffee_table, 1.1, 0.6, 1.3)
        px, py = local_to_world(d.room, side, x, 1.5)
        d.rug(px, py, 2.3, 2.6)
        opposite = "east" if side == "west" else "west"
        d.in_front(side, x + d.rng.choice([-1.45, 1.45]), partial(furniture.sofa, w=0.9, d=0.85), 0.9, 0.85, 0.25)
        d.at_wall(furniture.tv_unit, 1.7, 0.42, 0.6, [opposite], front=0.9)
    _dining(d)
    for _ in range(2):
        d.at_wall(furniture.bookshelf, 0.9, 0.32, 2.1, front=0.5)
    d.at_wall(furniture.sideboard, 1.4, 0.42, 0.85, front=0.5)
    d.on_floor(furniture.floor_lamp, 0.2, 1)
    d.on_floor(clutter.big_plant, 0.32, 2)
    d.on_floor(clutter.basket, 0.17, 2)
    d.on_wall(_shelf_on_wall(1.0, 1.75), 1.0, 1.75, 2.1, 1)
    d.pictures(10)


def _dining(d):
    for _ in range(60):
        x = d.rng.uniform(d.room.x0 + 1.4, d.room.x1 - 1.4)
        y = d.rng.uniform(d.room.y0 + 1.1, d.room.y1 - 1.1)
        rect = (x - 0.8, y - 0.95, x + 0.8, y + 0.95)
        if d._free(rect, 0.45):
            d.rug(x, y, 2.2, 2.0)
            with d.b.place(x, y):
                furniture.table(d.b, d.looks)
            d.taken.append(rect)
            return


def _shelf_on_wall(width, z):
    return lambda b, looks, x: fittings.wall_shelf(b, looks, x, width, z)


def bedroom(d):
    """Bed, nightstands, wardrobe, a chest."""
    d.windows_dressed()
    sides = ["east", "west"]
    spot = d.at_wall(furniture.bed, 1.66, 2.1, 1.0, sides, front=0.5, gap=0.55)
    if spot:
        side, x = spot
        for offset in (-1.12, 1.12):
            d.in_front(side, x + offset, furniture.nightstand, 0.44, 0.36, 0.012)
        px, py = local_to_world(d.room, side, x, 1.5)
        d.rug(px, py, 2.4, 2.4)
    d.at_wall(furniture.wardrobe, 1.8, 0.6, 2.15, front=0.6)
    d.at_wall(furniture.sideboard, 1.4, 0.42, 0.85, front=0.55)
    d.at_wall(furniture.bookshelf, 0.7, 0.32, 1.9, front=0.5)
    d.on_floor(clutter.big_plant, 0.3, 1)
    d.on_floor(clutter.basket, 0.17, 2)
    d.on_floor(clutter.box, 0.2, 1)
    d.pictures(6)


def study(d):
    """Desk, books, an armchair, moving boxes."""
    d.windows_dressed()
    d.at_wall(furniture.desk, 1.5, 0.75, 1.2, front=0.75)
    for _ in range(3):
        d.at_wall(furniture.bookshelf, 0.9, 0.32, 2.05, front=0.5)
    d.at_wall(partial(furniture.sofa, w=0.95, d=0.85), 0.95, 0.85, 0.85, front=0.6)
    d.rug(*d.room.center, 2.0, 1.6)
    d.on_floor(clutter.box, 0.2, 3)
    d.on_floor(clutter.big_plant, 0.3, 1)
    d.on_floor(clutter.book_pile, 0.15, 2)
    d.on_wall(_shelf_on_wall(0.9, 1.8), 0.9, 1.8, 2.1, 1)
    d.pictures(6)


def kitchen(d):
    """A run of cabinets along the longest free wall, a second one, a fridge, a small table."""
    d.windows_dressed(curtains=False)
    sides = [side for side in SIDES if not any(w[1] == side for w in d.windows)]
    for width in (2.9, 2.6, 2.3, 2.0):
        spot = d.at_wall(partial(_kitchen_wall, w=width), width, 0.65, 2.2, sides, front=0.8, align="end")
        if spot:
            break
    d.at_wall(fittings.fridge, 0.62, 0.66, 1.9, front=0.7)
    d.at_wall(_counter, 1.6, 0.65, 0.92, front=0.7)
    d.at_wall(furniture.bookshelf, 0.6, 0.3, 1.8, front=0.5)
    for _ in range(30):
        x, y = d.rng.uniform(d.room.x0 + 0.8, d.room.x1 - 0.8), d.rng.uniform(d.room.y0 + 0.9, d.room.y1 - 0.9)
        rect = (x - 0.45, y - 0.75, x + 0.45, y + 0.75)
        if d._free(rect, 0.5):
            with d.b.place(x, y):
                furniture.table(d.b, d.looks, 0.85, 0.7, 2)
            d.taken.append(rect)
            break
    d.on_floor(clutter.basket, 0.17, 1)
    d.on_floor(clutter.box, 0.2, 1)
    d.pictures(5)


def _kitchen_wall(b, looks, w):
    fittings.splashback(b, looks, w)
    with b.place(0, 0.009):
        fittings.kitchen_run(b, looks, w, w * 0.22, -w * 0.22)
        fittings.wall_cabinets(b, looks, w)


def _counter(b, looks):
    furniture.sideboard(b, looks, 1.5, 0.5)


def bathroom(d):
    """Tub, washbasin, toilet, washing machine, towels."""
    long_sides = sorted(SIDES, key=lambda side: -d.room.wall(side)[1])
    d.at_wall(fittings.bathtub, 1.72, 0.78, 0.6, long_sides[:4], front=0.5, align="end")
    d.at_wall(fittings.vanity, 0.92, 0.5, 1.9, front=0.55)
    d.at_wall(fittings.toilet, 0.45, 0.68, 0.85, front=0.5)
    d.at_wall(fittings.washer, 0.62, 0.62, 0.9, front=0.5)
    d.at_wall(partial(furniture.bookshelf, w=0.45, d=0.28, h=1.6), 0.45, 0.28, 1.6, front=0.4)
    d.rug(*d.room.center, 0.9, 0.6)
    d.on_floor(clutter.basket, 0.17, 1)
    d.pictures(3)


def corridor(d):
    """Shoes, coats, a narrow chest, pictures, a runner."""
    d.at_wall(furniture.shoe_rack, 0.8, 0.3, 1.8, front=0.55)
    d.at_wall(partial(furniture.sideboard, w=1.0, d=0.3), 1.0, 0.3, 0.85, front=0.6)
    d.at_wall(partial(furniture.bookshelf, w=0.8, d=0.26, h=1.9), 0.8, 0.28, 1.9, front=0.6)
    cx, cy = d.room.center
    d.rug(cx, cy, d.room.size[0] * 0.55, 0.75)
    for end in ("west", "east"):
        d._build(
            end, d.room.wall(end)[1] / 2, _entrance if end == d.looks.pick(("west", "east")) else _end_picture, 0.0
        )
    d.pictures(14, ("north", "south"))


def _entrance(b, looks):
    with b.part("door", "entrance"):
        wood = looks.wood()
        b.box((-0.46, 0, 0), (0.46, 0.05, 2.08), wood)
        for z0, z1 in ((0.15, 0.9), (1.1, 1.95)):
            b.box((-0.34, 0.05, z0), (0.34, 0.062, z1), wood)
        b.rod((0.38, 0.05, 1.05), (0.38, 0.1, 1.05), 0.012, looks.metal())
        b.rod((0.38, 0.1, 1.05), (0.26, 0.1, 1.05), 0.01, looks.metal())


def _end_picture(b, looks):
    fittings.wall_picture(b, looks, 0, 0.7, 0.9, 1.55)


ROOMS = {
    "living": living,
    "bedroom": bedroom,
    "study": study,
    "kitchen": kitchen,
    "bathroom": bathroom,
    "corridor": corridor,
}
