"""Furnishing: what goes where. Pieces are drawn to walls; nothing stands in a door's way or in another piece."""

from functools import partial

import numpy as np

import clutter
import fittings
import furniture
from shell import SIDES, local_to_world


class Decorator:
    """One room being furnished: knows which floor and which wall is taken."""

    def __init__(self, builder, plan, room, looks):
        self.b, self.room, self.looks, self.rng = builder, room, looks, looks.rng
        self.taken = []
        self.wall_taken = {side: [] for side in SIDES}
        for door in plan.doors:
            self._keep_door_clear(*door)
        self.windows = [window for window in plan.windows if window[0] is room]
        for _, side, center, width, sill, _ in self.windows:
            self.wall_taken[side].append((center - width / 2 - 0.36, center + width / 2 + 0.36, sill))

    def _keep_door_clear(self, room, side, center, width, leaf):
        if room is self.room:
            self.wall_taken[side].append((center - width / 2 - 0.12, center + width / 2 + 0.12, 0.0))
            reach = 1.05 if leaf else 0.8
            self._take(
                side, center - width / 2 - (0.3 if leaf else 0.05), center + width / 2 + (0.3 if leaf else 0.05), reach
            )
        elif self.room.kind == "corridor":
            other = {"south": "north", "north": "south"}[side]
            x, _ = local_to_world(room, side, center, 0)
            origin, _, yaw = self.room.wall(other)
            along = (x - origin[0]) * np.cos(yaw)
            self.wall_taken[other].append((along - width / 2 - 0.12, along + width / 2 + 0.12, 0.0))
            self._take(other, along - width / 2, along + width / 2, 9.0)

    def _rectangle(self, side, x0, x1, depth, start=0.0):
        a, c = local_to_world(self.room, side, x0, start), local_to_world(self.room, side, x1, depth)
        return min(a[0], c[0]), min(a[1], c[1]), max(a[0], c[0]), max(a[1], c[1])

    def _take(self, side, x0, x1, depth, start=0.0):
        self.taken.append(self._rectangle(side, x0, x1, depth, start))

    def _free(self, rect, gap=0.0):
        r = self.room
        if rect[0] < r.x0 - 1e-6 or rect[1] < r.y0 - 1e-6 or rect[2] > r.x1 + 1e-6 or rect[3] > r.y1 + 1e-6:
            return False
        return all(
            rect[0] - gap >= t[2] or rect[2] + gap <= t[0] or rect[1] - gap >= t[3] or rect[3] + gap <= t[1]
            for t in self.taken
        )

    def at_wall(self, make, width, depth, height, sides=SIDES, front=0.35, align=None, gap=0.03):
        """Stand a piece with its back to one of these walls, where it fits; gives (side, centre) or None.

        Args:
            front: metres that stay clear before it.
            align: "start" or "end" pushes it into a corner.
        """
        for side in self.rng.permutation(list(sides)):
            length = self.room.wall(side)[1]
            if length < width + 0.04:
                continue
            spots = self.rng.uniform(width / 2 + 0.02, length - width / 2 - 0.02, 24)
            if align:
                spots = np.array([width / 2 + 0.02, length - width / 2 - 0.02])
            for x in spots:
                low, high = x - width / 2, x + width / 2
                blocked = any(a < high and c > low and height > bottom - 0.02 for a, c, bottom in self.wall_taken[side])
                ends = max(low - gap, 0.0), min(high + gap, length)
                if blocked or not self._free(self._rectangle(side, *ends, depth + front)):
                    continue
                self._build(side, x, make)
                self._take(side, low, high, depth)
                self.wall_taken[side].append((low, high, 0.0 if height > 1.2 else height + 0.25))
                if height <= 1.2:
                    self.wall_taken[side][-1] = (low, high, -height)
                return side, x
        return None

    def _build(self, side, x, make, y=0.012):
        yaw = self.room.wall(side)[2]
        wx, wy = local_to_world(self.room, side, x, y)
        with self.b.place(wx, wy, 0, yaw):
            make(self.b, self.looks)

    def in_front(self, side, x, make, width, depth, distance):
        """Stand a piece before a wall at this distance, if free."""
        rect = self._rectangle(side, x - width / 2, x + width / 2, distance + depth, distance)
        if self._free(rect):
            self._build(side, x, make, distance)
            self.taken.append(rect)
            return True
        return False

    def on_wall(self, make, width, low, high, count=1, sides=SIDES):
        """Hang things on free wall."""
        for _ in range(count):
            for _ in range(20):
                side = self.looks.pick(sides)
                length = self.room.wall(side)[1]
                if length < width + 0.3:
                    continue
                x = self.rng.uniform(width / 2 + 0.1, length - width / 2 - 0.1)
                left, right = x - width / 2 - 0.06, x + width / 2 + 0.06
                clash = False
                for a, c, bottom in self.wall_taken[side]:
                    # A negative bottom is the height of a low piece that leaves the wall above it free.
                    free_above = bottom < 0 and low > -bottom + 0.1
                    clash |= a < right and c > left and not free_above
                if not clash:
                    self._build(side, 0, partial(_hang, make=make, x=x), 0.0)
                    self.wall_taken[side].append((left, right, 0.0))
                    break

    def on_floor(self, make, radius, count):
        """Drop small things along the walls and in corners."""
        for _ in range(count):
            for _ in range(25):
                x = self.rng.uniform(self.room.x0 + radius, self.room.x1 - radius)
                y = self.rng.uniform(self.room.y0 + radius, self.room.y1 - radius)
                edge = min(x - self.room.x0, self.room.x1 - x, y - self.room.y0, self.room.y1 - y)
                rect = (x - radius, y - radius, x + radius, y + radius)
                if edge < radius + 0.12 and self._free(rect, 0.02):
                    with self.b.place(x, y, 0, self.rng.uniform(0, 6.28)):
                        make(self.b, self.looks)
                    self.taken.append(rect)
                    break

    def rug(self, cx, cy, w, d):
        """A rug around a place, kept inside the room (it may lie under furniture)."""
        r = self.room
        x0, x1 = max(cx - w / 2, r.x0 + 0.12), min(cx + w / 2, r.x1 - 0.12)
        y0, y1 = max(cy - d / 2, r.y0 + 0.12), min(cy + d / 2, r.y1 - 0.12)
        fittings.rug(self.b, self.looks, x0, y0, x1, y1)

    def windows_dressed(self, curtains=True):
        """Radiators under windows and curtains beside them."""
        for _, side, center, width, sill, _ in self.windows:
            bottom = 0.05 if sill < 0.95 else sill - 0.1
            if curtains:
                self._build(side, 0, partial(_curtain, center=center, width=width, bottom=bottom), 0.0)
            if sill < 1.0:
                self._build(side, 0, partial(_radiator, center=center, width=width * 0.8, top=sill - 0.12), 0.0)
                self._take(side, center - width / 2 - 0.36, center + width / 2 + 0.36, 0.16)

    def pictures(self, count, sides=SIDES):
        """Pictures of several sizes."""
        for _ in range(count):
            w, h = self.looks.pick(((0.5, 0.7), (0.9, 0.6), (0.35, 0.45), (0.7, 0.7), (1.2, 0.8)))
            z = self.rng.uniform(1.5, 1.65)
            self.on_wall(partial(fittings.wall_picture, w=w, h=h, z=z), w, z - h / 2, z + h / 2, 1, sides)


def _hang(b, looks, make, x):
    make(b, looks, x)


def _curtain(b, looks, center, width, bottom):
    fittings.curtains(b, looks, center, width, bottom)


def _radiator(b, looks, center, width, top):
    fittings.radiator(b, looks, center, width, top)


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
    d.pictures(7)


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
    d.pictures(8, ("north", "south"))


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
