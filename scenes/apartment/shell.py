"""The bare flat: rooms on a plan, walls with openings, floors, doors and windows."""

from dataclasses import dataclass, field

import numpy as np

from _worldgen.light import AreaLight
from _worldgen.products import dot

HEIGHT = 2.6
INNER, OUTER = 0.06, 0.25
"""Half of an inner wall, and an outer wall, metres."""
SIDES = ("south", "east", "north", "west")


@dataclass
class Opening:
    """A hole in walls: all wall parts within the box are cut away."""

    low: tuple
    """x, y, z."""
    high: tuple


@dataclass
class Room:
    """A rectangle of floor."""

    kind: str
    x0: float
    y0: float
    x1: float
    y1: float
    outer: set = field(default_factory=set)
    """Sides that are outer walls."""

    @property
    def size(self):
        return self.x1 - self.x0, self.y1 - self.y0

    @property
    def center(self):
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def wall(self, side):
        """Start (left when one stands in the room and faces the wall), length and the yaw of a frame at the wall.

        In that frame x runs along the wall from right to left of the viewer, y points into the room.
        """
        w, d = self.size
        return {
            "south": ((self.x0, self.y0), w, 0.0),
            "east": ((self.x1, self.y0), d, np.pi / 2),
            "north": ((self.x1, self.y1), w, np.pi),
            "west": ((self.x0, self.y1), d, -np.pi / 2),
        }[side]


@dataclass
class Plan:
    """Rooms, the doors between them and the windows."""

    rooms: list
    doors: list
    """(room, side, centre along the wall, width, has a leaf)."""
    windows: list
    """(room, side, centre along the wall, width, sill, head)."""

    @property
    def area(self):
        return sum(room.size[0] * room.size[1] for room in self.rooms)


def draw_plan(rng):
    """A corridor with three rooms north and two south of it, or turned over, of 80 to 120 square metres."""
    width, depth = rng.uniform(11.2, 12.6), rng.uniform(8.2, 9.2)
    hall = rng.uniform(1.35, 1.6)
    south = rng.uniform(3.9, 4.3)
    north0 = south + hall + 4 * INNER
    split = rng.uniform(0.54, 0.6) * width
    kitchen, bath = rng.uniform(3.5, 4.0), rng.uniform(2.3, 2.6)
    flip_x, flip_y = rng.random() < 0.5, rng.random() < 0.5
    cut = 2 * INNER
    rects = [
        ("living", 0, 0, split, south),
        ("bedroom", split + cut, 0, width, south),
        ("corridor", 0, south + cut, width, south + cut + hall),
        ("kitchen", 0, north0, kitchen, depth),
        ("bathroom", kitchen + cut, north0, kitchen + cut + bath, depth),
        ("study", kitchen + bath + 2 * cut, north0, width, depth),
    ]
    rooms = []
    for kind, x0, y0, x1, y1 in rects:
        if flip_x:
            x0, x1 = width - x1, width - x0
        if flip_y:
            y0, y1 = depth - y1, depth - y0
        at_edge = (y0 < 1e-6, x1 > width - 1e-6, y1 > depth - 1e-6, x0 < 1e-6)
        outer = {side for side, hit in zip(SIDES, at_edge, strict=True) if hit}
        rooms.append(Room(kind, x0, y0, x1, y1, outer))
    return Plan(rooms, *_openings(rooms, rng))


def _openings(rooms, rng):
    """Doors to the corridor and windows in the long outer walls."""
    doors, windows = [], []
    for room in rooms:
        if room.kind == "corridor":
            continue
        inner = "north" if "south" in room.outer else "south"
        outside = "south" if inner == "north" else "north"
        length = room.size[0]
        wide = room.kind == "living"
        width = 1.5 if wide else 0.9
        near_start = rng.random() < 0.5
        offset = width / 2 + (rng.uniform(0.5, 0.9) if wide else rng.uniform(0.18, 0.26))
        doors.append((room, inner, offset if near_start else length - offset, width, not wide))
        count = 2 if length > 5 else 1
        sill = 1.25 if room.kind == "bathroom" else (1.05 if room.kind == "kitchen" else 0.85)
        for k in range(count):
            size = 0.8 if room.kind == "bathroom" else rng.uniform(1.3, 1.7)
            windows.append((room, outside, length * (k + 0.5) / count + rng.uniform(-0.15, 0.15), size, sill, 2.25))
    return doors, windows


def local_to_world(room, side, x, y):
    """World x, y of a point in the frame of a wall."""
    (ox, oy), _, yaw = room.wall(side)
    return ox + x * np.cos(yaw) - y * np.sin(yaw), oy + x * np.sin(yaw) + y * np.cos(yaw)


def _hole(room, side, center, width, low, high, depth):
    a = local_to_world(room, side, center - width / 2, -depth)
    b = local_to_world(room, side, center + width / 2, 0.02)
    return Opening((min(a[0], b[0]), min(a[1], b[1]), low), (max(a[0], b[0]), max(a[1], b[1]), high))


def build_shell(builder, plan, looks):
    """Walls, floors, ceilings, skirting, doors, windows. Gives the lights that stand for the windows."""
    holes = [_hole(room, side, c, w, -1, 2.08, 0.3) for room, side, c, w, _ in plan.doors]
    panes = [_hole(room, side, c, w, sill, head, 0.4) for room, side, c, w, sill, head in plan.windows]
    for room in plan.rooms:
        _room(builder, room, holes, panes, looks)
    trim = looks.white()
    for door in plan.doors:
        _door(builder, *door, trim, looks)
    return [_window(builder, *window, trim, looks) for window in plan.windows]


def _room(builder, room, holes, panes, looks):
    finish = looks.wall()
    wet = looks.wet_wall() if room.kind in ("bathroom",) else None
    accent = looks.brick() if room.kind in ("living", "study") else looks.wall()
    accent_side = SIDES[int(looks.rng.integers(4))]
    with builder.part("floor"):
        floor = looks.floor(room.kind)
        builder.box((room.x0 - INNER, room.y0 - INNER, -0.12), (room.x1 + INNER, room.y1 + INNER, 0.0), floor)
    with builder.part("ceiling"):
        top = looks.ceiling()
        builder.box((room.x0 - INNER, room.y0 - INNER, HEIGHT), (room.x1 + INNER, room.y1 + INNER, HEIGHT + 0.12), top)
    thick = {side: OUTER if side in room.outer else INNER for side in SIDES}
    for side in SIDES:
        look = wet or (accent if side == accent_side else finish)
        with builder.part("wall"):
            for low, high in _cut(_slab(room, side, thick), side, holes + panes):
                builder.box(low, high, look)
        if not wet:
            with builder.part("wall", "skirting"):
                for low, high in _cut(_skirting(room, side), side, holes):
                    builder.box(low, high, looks.white())


def _slab(room, side, thick):
    x0, x1 = room.x0 - thick["west"], room.x1 + thick["east"]
    y0, y1 = room.y0 - thick["south"], room.y1 + thick["north"]
    return {
        "south": ((x0, y0, 0.0), (x1, room.y0, HEIGHT)),
        "north": ((x0, room.y1, 0.0), (x1, y1, HEIGHT)),
        "west": ((x0, y0, 0.0), (room.x0, y1, HEIGHT)),
        "east": ((room.x1, y0, 0.0), (x1, y1, HEIGHT)),
    }[side]


def _skirting(room, side, height=0.08, thick=0.014):
    x0, x1, y0, y1 = room.x0, room.x1, room.y0, room.y1
    return {
        "south": ((x0, y0, 0.0), (x1, y0 + thick, height)),
        "north": ((x0, y1 - thick, 0.0), (x1, y1, height)),
        "west": ((x0, y0, 0.0), (x0 + thick, y1, height)),
        "east": ((x1 - thick, y0, 0.0), (x1, y1, height)),
    }[side]


def _cut(slab, side, holes):
    """The boxes that are left of a wall when the holes are cut out of it."""
    low, high = slab
    along = 0 if side in ("south", "north") else 1
    across = 1 - along
    mine = [
        hole
        for hole in holes
        if hole.low[across] < high[across] - 1e-6
        and hole.high[across] > low[across] + 1e-6
        and hole.low[along] < high[along]
        and hole.high[along] > low[along]
        and hole.low[2] < high[2]
    ]
    parts, cursor = [], low[along]
    for hole in sorted(mine, key=lambda hole: hole.low[along]):
        start, end = max(hole.low[along], low[along]), min(hole.high[along], high[along])
        spans = [
            (cursor, start, low[2], high[2]),
            (start, end, low[2], hole.low[2]),
            (start, end, hole.high[2], high[2]),
        ]
        parts += [span for span in spans if span[1] - span[0] > 1e-6 and span[3] - span[2] > 1e-6]
        cursor = end
    if high[along] - cursor > 1e-6:
        parts.append((cursor, high[along], low[2], high[2]))
    boxes = []
    for a, b, z0, z1 in parts:
        first, last = [low[0], low[1], z0], [high[0], high[1], z1]
        first[along], last[along] = a, b
        boxes.append((first, last))
    return boxes


def _door(builder, room, side, center, width, leaf, trim, looks):
    (x, y), _, yaw = room.wall(side)
    length = room.wall(side)[1]
    depth = 2 * INNER
    with builder.place(x, y, 0, yaw), builder.part("door", "frame"):
        for face in (-depth - 0.012, 0.0):
            for edge in (center - width / 2 - 0.07, center + width / 2):
                builder.box((edge, face, 0), (edge + 0.07, face + 0.012, 2.15), trim)
            builder.box((center - width / 2 - 0.07, face, 2.08), (center + width / 2 + 0.07, face + 0.0121, 2.15), trim)
        for edge in (center - width / 2, center + width / 2 - 0.02):
            builder.box((edge, -depth, 0), (edge + 0.02, 0, 2.08), trim)
        builder.box((center - width / 2, -depth, 2.06), (center + width / 2, 0, 2.08), trim)
        builder.box((center - width / 2, -depth, 0), (center + width / 2, 0, 0.006), looks.wood(0))
    if not leaf:
        return
    at_start = center < length / 2
    hinge = center - width / 2 + 0.03 if at_start else center + width / 2 - 0.03
    wx, wy = local_to_world(room, side, hinge, 0.015)
    # The leaf stands open along the near side wall: its own x axis points into the room.
    turn = yaw + np.pi / 2 + (0.05 if at_start else -0.05)
    with builder.place(wx, wy, 0, turn), builder.part("door", "leaf"):
        body = looks.white() if looks.rng.random() < 0.6 else looks.wood()
        builder.box((0, -0.02, 0.01), (width - 0.06, 0.02, 2.04), body)
        for z0, z1 in ((0.15, 0.85), (1.05, 1.9)):
            for face in (-0.026, 0.02):
                builder.box((0.1, face, z0), (width - 0.18, face + 0.006, z1), body)
        steel = looks.metal(0.45)
        for face in (-1, 1):
            builder.rod((width - 0.12, face * 0.02, 1.02), (width - 0.12, face * 0.07, 1.02), 0.01, steel)
            builder.rod((width - 0.12, face * 0.07, 1.02), (width - 0.25, face * 0.07, 1.02), 0.009, steel)


def _window(builder, room, side, center, width, sill, head, trim, looks):
    (x, y), _, yaw = room.wall(side)
    a, b = center - width / 2, center + width / 2
    with builder.place(x, y, 0, yaw), builder.part("window"):
        bar, d0, d1 = 0.055, -0.14, -0.07
        builder.box((a, d0, sill), (b, d1, sill + bar), trim)
        builder.box((a, d0, head - bar), (b, d1, head), trim)
        for edge in (a, b - bar, center - bar / 2):
            builder.box((edge, d0, sill + bar), (edge + bar, d1, head - bar), trim)
        builder.box((a - 0.04, -0.25, sill - 0.03), (b + 0.04, 0.14, sill), looks.worktop())
        builder.rod((center + 0.0, -0.05, sill + 0.5), (center + 0.0, -0.05, sill + 0.62), 0.012, looks.metal())
    inside = np.array([-np.sin(yaw), np.cos(yaw), 0.0])
    run = np.array([np.cos(yaw), np.sin(yaw), 0.0])
    middle = np.array([*local_to_world(room, side, center, -0.16), (sill + head) / 2])
    edge_u, edge_v = run * width / 2, np.array([0, 0, (head - sill) / 2])
    if dot(np.cross(edge_u, edge_v), inside) < 0:
        edge_u = -edge_u
    return AreaLight(middle, edge_u, edge_v, np.zeros(3), window=True)
