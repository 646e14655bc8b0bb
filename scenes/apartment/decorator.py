"""A room being furnished: which floor and which wall is taken, and how pieces find a place."""

from functools import partial

import numpy as np

import fittings
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
