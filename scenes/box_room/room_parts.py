"""What stands in the room and hangs on its walls. Metres; z is up and the floor is z = 0; colours are sRGB."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from room_surfaces import THIN, Cell, Color, Room, Spot, frame_of

X, Y, Z = 2.5, 2.0, 2.6
"""Half the length, half the width, the height of the room."""
WINDOW = (-0.35, 0.85, 1.65, 2.2)
"""x0, z0, x1, z1 on the wall y = Y."""
DOOR = (0.4, 1.4, 2.06)
"""y0, y1 and height on the wall x = -X."""
PICTURE = (0.05, 1.25, 0.85, 1.95)
"""y0, z0, y1, z1 on the wall x = X."""
PRINT = (-0.5, 1.2, 0.1, 1.95)
"""x0, z0, x1, z1 on the wall y = -Y."""
SHELF = (-1.7, -0.5, 1.5)
"""y0, y1 and height, against the wall x = X."""
RUG = (-0.45, -0.5, 1.95, 1.25)
"""x0, y0, x1, y1; its sides lie between two rows of boards."""
TABLE = (0.75, 0.35)
LAMP = np.array([*TABLE, 1.62])
BOARD = 0.25
SKIRTING = 0.09
TUCK = 0.005
"""A surface goes on this far behind the rim of what is set into it."""

WALL, ACCENT, CEILING, WHITE = (0.87, 0.84, 0.78), (0.42, 0.55, 0.53), (0.94, 0.93, 0.91), (0.95, 0.94, 0.91)
OAK, WALNUT, STEEL, CREAM = (0.72, 0.52, 0.33), (0.42, 0.28, 0.19), (0.55, 0.55, 0.56), (0.88, 0.85, 0.76)
MUSTARD, TEAL, CLAY, SLATE = (0.87, 0.63, 0.18), (0.14, 0.35, 0.42), (0.74, 0.38, 0.26), (0.40, 0.52, 0.56)

FACES = [
    (np.array(corner), np.array(u), np.array(v))
    for corner, u, v in (
        ((-X, -Y, 0.0), (2 * X, 0.0, 0.0), (0.0, 2 * Y, 0.0)),
        ((-X, Y, Z), (2 * X, 0.0, 0.0), (0.0, -2 * Y, 0.0)),
        ((-X, Y, 0.0), (2 * X, 0.0, 0.0), (0.0, 0.0, Z)),
        ((X, Y, 0.0), (0.0, -2 * Y, 0.0), (0.0, 0.0, Z)),
        ((X, -Y, 0.0), (-2 * X, 0.0, 0.0), (0.0, 0.0, Z)),
        ((-X, -Y, 0.0), (0.0, 2 * Y, 0.0), (0.0, 0.0, Z)),
    )
]
"""Corner and two sides of the floor, the ceiling, and the walls at +y, +x, -y and -x, as seen from inside."""


def build(room: Room) -> None:
    """Everything."""
    for part in (floor, rug, walls, window, door, pictures, table, shelf, plant):
        part(room)


def floor(room: Room) -> None:
    """Boards of oak, each in its own tone, with a hole for the rug."""
    x0, y0, x1, y1 = RUG
    rows = round(2 * Y / BOARD)
    for row in range(rows):
        y = -Y + row * BOARD
        hole = (x0 + X + TUCK, 0.0, x1 + X - TUCK, BOARD)
        holes = (hole,) if y0 - 0.01 < y < y1 - 0.01 else ()
        tones, shift = room.rng.uniform(0.78, 1.12, 8), room.rng.uniform(0, 1.2)
        sharp = "xy" if row in (0, rows - 1) else "x"
        more: dict[str, Any] = {"holes": holes, "sharp": sharp, "gloss": 0.16}
        room.rect((-X, y, 0), (2 * X, 0, 0), (0, BOARD, 0), _boards(tones, shift), (0.65, BOARD), 0.12, 0.12, **more)


def _boards(tones: Any, shift: float) -> Callable[[float, float], Color]:
    def color(x: float, _: float) -> Color:
        tone = tones[int((x + shift) / 1.25)]
        return (OAK[0] * tone, OAK[1] * tone, OAK[2] * tone)

    return color


def rug(room: Room) -> None:
    """A rug with a light border, let into the floor."""
    x0, y0, x1, y1 = RUG
    inner = frame(room, (x0, y0, 0), (x1 - x0, 0, 0), (0, y1 - y0, 0), 0.15, CREAM)
    room.rect(*inner, TEAL, 0.45, 0.12)


def walls(room: Room) -> None:
    """The ceiling, and four walls with skirting and with holes for what is set into them."""
    corner, u, v = FACES[1]
    room.rect(corner, u, v, CEILING, 0.66, 0.08)
    x0, z0, x1, z1 = WINDOW
    holes: list[list[Cell]] = [[(x0 + X, z0, x1 + X, z1)]]
    holes += [[(Y - PICTURE[2], PICTURE[1], Y - PICTURE[0], PICTURE[3]), (Y - SHELF[1], 0.0, Y - SHELF[0], SHELF[2])]]
    holes += [[(X - PRINT[2], PRINT[1], X - PRINT[0], PRINT[3])]]
    holes += [[(Y + DOOR[0], 0.0, Y + DOOR[1], DOOR[2])]]
    for (corner, u, v), paint, cut in zip(FACES[2:], (WALL, ACCENT, WALL, WALL), holes, strict=True):
        length = float(np.linalg.norm(u))
        tucked = [(a + TUCK, b + TUCK if b else 0.0, c - TUCK, d - TUCK) for a, b, c, d in cut]
        fine = 0.07 if corner[1] > 0 else 0.13  # the walls with the window and the shelf are the face of the room
        room.rect(corner, u, v, paint, 0.66, fine, fine, holes=(*tucked, (0.0, 0.0, length, SKIRTING - TUCK)))
        front = np.cross(u, v) / (length * Z) * 0.012
        low = tuple((a, 0.0, c, SKIRTING) for a, b, c, _ in cut if b == 0)
        room.rect(corner + front, u, v / Z * SKIRTING, WHITE, (0.66, SKIRTING), 0.4, holes=low)


def frame(room: Room, corner: Any, u: Any, v: Any, bar: float, color: Color) -> tuple[Any, Any, Any]:
    """Four bars along the rectangle's sides; gives the rectangle inside."""
    corner, u, v = (np.asarray(a, float) for a in (corner, u, v))
    right, up = u / np.linalg.norm(u), v / np.linalg.norm(v)
    for start in (corner, corner + v - bar * up):
        room.rect(start, u, bar * up, color, (0.4, bar), 0.25)
    for start in (corner + bar * up, corner + u - bar * right + bar * up):
        room.rect(start, bar * right, v - 2 * bar * up, color, (bar, 0.4), 0.25)
    return corner + bar * (right + up), u - 2 * bar * right, v - 2 * bar * up


def window(room: Room) -> None:
    """Two panes set back in the wall, with a casing and a sill."""
    x0, z0, x1, z1 = WINDOW
    deep, bar = 0.06, 0.06
    for corner, u, v in (
        ((x0, Y, z0), (x1 - x0, 0, 0), (0, deep, 0)),
        ((x0, Y + deep, z1), (x1 - x0, 0, 0), (0, -deep, 0)),
        ((x0, Y + deep, z0), (0, 0, z1 - z0), (0, -deep, 0)),
        ((x1, Y, z0), (0, 0, z1 - z0), (0, deep, 0)),
    ):
        room.rect(corner, u, v, WHITE, (0.7, deep), 0.3)
    inner, u, v = frame(room, (x0, Y + deep, z0), (x1 - x0, 0, 0), (0, 0, z1 - z0), bar, WHITE)
    half = (u - [bar, 0, 0]) / 2
    room.rect(inner + half, (bar, 0, 0), v, WHITE, (bar, 0.4), 0.25)
    for pane in (inner, inner + half + [bar, 0, 0]):
        room.rect(pane, half, v, _view(v[2]), (0.5, 0.16), 0.12, glow=1.0)
    sill = ((x0 - 0.06, Y - 0.1, z0 - 0.04), (x1 + 0.06, Y - 0.002, z0))
    room.box(*sill, WHITE, 0.7, 0.3, skip="xXYz")


def _view(height: float) -> Callable[[float, float], Color]:
    """A meadow, a wood, and the sky."""

    def color(_: float, y: float) -> Color:
        rise = y / height
        if rise < 0.25:
            return (0.52, 0.66, 0.38) if rise < 0.15 else (0.36, 0.50, 0.38)
        return (0.97 - 0.37 * rise, 0.98 - 0.21 * rise, 0.97 + 0.03 * rise)

    return color


def door(room: Room) -> None:
    """A door with a casing and a handle."""
    y0, y1, top = DOOR
    rim = 0.09
    for y in (y0, y1 - rim):
        room.rect((-X, y, 0), (0, rim, 0), (0, 0, top), WHITE, (rim, 0.7), 0.3)
    room.rect((-X, y0 + rim, top - rim), (0, y1 - y0 - 2 * rim, 0), (0, 0, rim), WHITE, (0.7, rim), 0.3)
    start = np.array([-X, y0 + rim, 0.0])
    room.rect(start, (0, y1 - y0 - 2 * rim, 0), (0, 0, top - rim), (0.66, 0.71, 0.69), 0.55, 0.13)
    room.rod((0.05 - X, y0 + rim + 0.05, 1.0), (0.05 - X, y0 + rim + 0.16, 1.0), 0.012, STEEL, 1)


def pictures(room: Room) -> None:
    """A sunset by the shelf, a print on the wall across from the window."""

    def sunset(x: float, y: float) -> Color:
        if y < 0.17 + 0.05 * math.sin(8 * x):
            return (0.16, 0.25, 0.36)
        if math.hypot(x - 0.44, y - 0.36) < 0.12:
            return (0.99, 0.88, 0.52)
        return (0.95 - 0.35 * y, 0.55 - 0.2 * y, 0.36 + 0.45 * y)

    def blocks(x: float, y: float) -> Color:
        return (CREAM, CLAY, TEAL, MUSTARD)[2 * (x > 0.2) + (y > 0.28)]

    y0, z0, y1, z1 = PICTURE
    inner = frame(room, (X - 0.01, y1, z0), (0, y0 - y1, 0), (0, 0, z1 - z0), 0.04, WALNUT)
    room.rect(*inner, sunset, 0.11, 0.08)
    x0, z0, x1, z1 = PRINT
    inner = frame(room, (x1, -Y + 0.01, z0), (x0 - x1, 0, 0), (0, 0, z1 - z0), 0.04, WALNUT)
    room.rect(*inner, blocks, 0.2, 0.12)


def table(room: Room) -> None:
    """A table, four chairs, and the lamp over it."""
    x, y = TABLE
    room.box((x - 0.7, y - 0.42, 0.70), (x + 0.7, y + 0.42, 0.74), OAK, 0.3, 0.09, skip="zxXyY")
    for dy, way in ((-0.42, 1), (0.42, -1)):
        room.rect((x - 0.7 * way, y + dy, 0.70), (1.4 * way, 0, 0), (0, 0, 0.04), OAK, (0.4, 0.04), 0.2)
    for dx, way in ((-0.7, -1), (0.7, 1)):
        room.rect((x + dx, y - 0.42 * way, 0.70), (0, 0.84 * way, 0), (0, 0, 0.04), OAK, (0.4, 0.04), 0.2)
    for dx in (-0.62, 0.62):
        for dy in (-0.34, 0.34):
            room.rod((x + dx, y + dy, 0.0), (x + dx, y + dy, 0.70), 0.02, OAK)
    for dx, dy, way in ((-0.35, -0.55, 1), (0.35, -0.6, 1), (-0.3, 0.56, -1), (0.36, 0.6, -1)):
        chair(room, x + dx, y + dy, way)
    room.rod((x, y, Z), (x, y, LAMP[2] + 0.16), 0.005, (0.15, 0.15, 0.15), 3)
    room.cone(TABLE, (0.09, LAMP[2] + 0.17), (0.24, LAMP[2] - 0.03), 12, (1.0, 0.90, 0.68), glow=0.8)


def chair(room: Room, x: float, y: float, way: int) -> None:
    """A chair at (x, y) that faces +y, or -y if `way` is -1."""
    room.box((x - 0.2, y - 0.2, 0.42), (x + 0.2, y + 0.2, 0.46), MUSTARD, 0.3, 0.1, skip="z")
    back = y - 0.19 * way
    for dx in (-0.18, 0.18):
        for dy in (-0.18, 0.18):
            room.rod((x + dx, y + dy, 0.0), (x + dx, y + dy, 0.42), 0.013, WALNUT, 1)
        room.rod((x + dx, back, 0.44), (x + dx, back - 0.04 * way, 0.86), 0.013, WALNUT)
    room.rect((x - 0.2 * way, back - 0.02 * way, 0.62), (0.4 * way, 0, 0), (0, -0.02 * way, 0.27), MUSTARD, 0.3, 0.1)
    low, high = sorted((back, back - 0.04 * way))
    room.shadow((x - 0.2, low, 0.62), (x + 0.2, high, 0.89))


def shelf(room: Room) -> None:
    """A bookcase against the wall x = X: each board is one layer with a front edge."""
    y0, y1, top = SHELF
    x0, wood = X - 0.3, 0.035
    room.rect((X, y1, 0), (0, y0 - y1, 0), (0, 0, top), (0.32, 0.21, 0.14), 0.6, 0.2)
    for y in (y0, y1 - wood):
        room.rect((x0, y + wood / 2, 0), (0.3, 0, 0), (0, 0, top), OAK, (0.3, 0.5), 0.15)
        room.rect((x0, y + wood, 0), (0, -wood, 0), (0, 0, top), OAK, (wood, 0.4), 0.2)
        room.shadow((x0, y, 0), (X, y + wood, top))
    for z in (0.05, 0.42, 0.79, 1.16, top - wood):
        room.rect((x0, y0 + wood, z + wood), (0.3, 0, 0), (0, y1 - y0 - 2 * wood, 0), OAK, (0.3, 0.6), 0.2)
        room.rect((x0, y1 - wood, z), (0, y0 - y1 + 2 * wood, 0), (0, 0, wood), OAK, (0.4, wood), 0.2)
        room.shadow((x0, y0, z), (X, y1, z + wood))
    colors = (CLAY, TEAL, MUSTARD, CREAM, (0.28, 0.30, 0.37), (0.55, 0.62, 0.45))
    for z in (0.42, 0.79, 1.16):
        y = y0 + 0.05
        while y < y1 - 0.12:
            width, height = room.rng.uniform(0.04, 0.075), room.rng.uniform(0.2, 0.27)
            color = colors[room.rng.integers(len(colors))]
            if room.rng.uniform() < 0.85:
                corner = (x0 + 0.06, y + width, z + wood)
                room.rect(corner, (0, -width, 0), (0, 0, height), color, 0.3, 0.15)
            y += width


def plant(room: Room) -> None:
    """A rubber plant in a clay pot, in the corner by the window."""
    x, y = 2.1, 1.6
    room.cone((x, y), (0.17, 0.32), (0.12, 0.0), 9, CLAY)
    earth = np.array([x, y, 0.3])
    room.spots.append(Spot(earth, np.eye(3), (0.08, 0.08, THIN), (0.2, 0.15, 0.1)))
    room.shadow((x - 0.13, y - 0.13, 0.0), (x + 0.13, y + 0.13, 0.3))
    room.rod((x, y, 0.3), (x, y, 1.25), 0.01, WALNUT, 3)
    for i in range(36):
        share, angle, roll = i / 36, 2.4 * i, room.rng.uniform(-0.9, 0.9)
        out = np.array([math.cos(angle), math.sin(angle), room.rng.uniform(-0.2, 0.7)])
        out /= np.linalg.norm(out)
        side, over = frame_of(out)[:, 0], frame_of(out)[:, 1]
        normal = math.cos(roll) * over + math.sin(roll) * side
        axes = np.stack([out, np.cross(normal, out), normal], axis=-1)
        center = earth + [0, 0, 0.15 + 0.85 * share] + room.rng.uniform(0.12, 0.26) * (1.25 - 0.5 * share) * out
        tone = room.rng.uniform(0.7, 1.3)
        green = (0.25 * tone, 0.47 * tone, 0.22 * tone)
        room.spots.append(Spot(center, axes, (0.085, 0.045, THIN), green, 0.08))
