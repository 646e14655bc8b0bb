"""A room of flat Gaussians whose walls, table and door are known to the millimetre."""

import math

import torch

from splatsim import Cameras, Gaussians
from splatsim.semantics import Semantics
from splatsim.spherical_harmonics import C0

STEP = 0.08
"""Metres between Gaussians on a surface."""
CLASSES = ("free", "floor", "wall", "table", "ceiling")
SIZE, HEIGHT = (4.0, 3.0), 2.5
WALL = (2.0, 2.1)
"""x of the two sides of the wall between the rooms."""
DOOR = (1.2, 2.2)
"""y of the sides of the door in it."""
TABLE = ((0.5, 1.1), (0.4, 1.0), 0.72)
"""x, y and height of the top."""


def rectangle(low: tuple[float, float, float], high: tuple[float, float, float], color, label: int):
    """Gaussians on an upright or level rectangle: along the axis where low and high agree they are thin."""
    axis = next(k for k in range(3) if low[k] == high[k])
    others = [k for k in range(3) if k != axis]
    counts = [max(1, round((high[k] - low[k]) / STEP)) for k in others]
    sides = [low[k] + (torch.arange(n) + 0.5) * (high[k] - low[k]) / n for k, n in zip(others, counts, strict=True)]
    grid = torch.cartesian_prod(*sides)
    means = torch.empty(len(grid), 3)
    means[:, others], means[:, axis] = grid, low[axis]
    scales = torch.full((len(grid), 3), STEP * 0.5)
    scales[:, axis] = 0.002
    quats = torch.tensor([[1.0, 0, 0, 0]]).expand(len(grid), 4).clone()
    sh = ((torch.tensor(color) - 0.5) / C0).expand(len(grid), 1, 3).clone()
    return Gaussians(means, quats, scales, torch.full((len(grid),), 0.98), sh), torch.full((len(grid),), label)


def room(height: float = 0.0) -> tuple[Gaussians, Semantics]:
    """Two rooms with a door between them, a table in the west one, and a ceiling; the floor at z = `height`."""
    (w, d), h = SIZE, HEIGHT
    (x0, x1), (y0, y1) = WALL, DOOR
    (tx0, tx1), (ty0, ty1), top = TABLE
    grey, red, green = (0.7, 0.7, 0.7), (0.8, 0.2, 0.2), (0.2, 0.7, 0.2)
    parts = [
        rectangle((0, 0, 0), (w, d, 0), green, 1),
        rectangle((0, 0, h), (w, d, h), grey, 4),
        *(rectangle((x, 0, 0), (x, d, h), grey, 2) for x in (0.0, w)),
        *(rectangle((0, y, 0), (w, y, h), grey, 2) for y in (0.0, d)),
        *(rectangle((x, a, 0), (x, b, h), grey, 2) for x in (x0, x1) for a, b in ((0.0, y0), (y1, d))),
        *(rectangle((x0, y, 0), (x1, y, h), grey, 2) for y in (y0, y1)),
        rectangle((tx0, ty0, top), (tx1, ty1, top), red, 3),
        *(rectangle((x, ty0, 0), (x, ty1, top), red, 3) for x in (tx0, tx1)),
        *(rectangle((tx0, y, 0), (tx1, y, top), red, 3) for y in (ty0, ty1)),
    ]
    gaussians = Gaussians.concat([part for part, _ in parts])
    lift = torch.eye(4)
    lift[2, 3] = height
    return gaussians.transform(lift), Semantics(torch.cat([label for _, label in parts]).to(torch.uint8), CLASSES)


def walk(height: float = 0.0) -> Cameras:
    """Cameras at 1.4 m that look around from places in both rooms."""
    eyes, targets = [], []
    for x, y in ((0.6, 2.2), (1.5, 0.7), (2.6, 2.2), (3.3, 0.8), (2.05, 1.7), (0.3, 0.3), (1.5, 2.6), (3.6, 2.6)):
        for turn in range(5):
            eyes.append((x, y, 1.4 + height))
            a = math.tau * turn / 5
            targets.append((x + math.cos(a), y + math.sin(a), 0.75 + height))
    return Cameras.look_at(eyes, targets, fov_deg=95, width=96, height=84)


def is_free(points: torch.Tensor) -> torch.Tensor:
    """Whether places (x, y) are free from 0.1 to 1.8 m above the floor, exactly."""
    x, y = points.unbind(-1)
    inside = (x > 0) & (x < SIZE[0]) & (y > 0) & (y < SIZE[1])
    wall = (x >= WALL[0]) & (x <= WALL[1]) & ~((y > DOOR[0]) & (y < DOOR[1]))
    table = (x >= TABLE[0][0]) & (x <= TABLE[0][1]) & (y >= TABLE[1][0]) & (y <= TABLE[1][1])
    return inside & ~wall & ~table
