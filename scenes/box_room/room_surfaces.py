"""Rectangles cut into flat Gaussians: thin strips along every edge, large ones inside, and no holes between them."""

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Color = tuple[float, float, float]
Paint = Color | Callable[[float, float], Color]
Cell = tuple[float, float, float, float]
"""x0, y0, x1, y1 in the coordinates of a surface."""
Array = np.ndarray[Any, Any]

THIN = 0.002
"""Standard deviation across a surface, metres."""
OPACITY = 0.98
"""Less than 1, or a pixel ends before the last Gaussian that should fill it (the rule of all 3DGS rasterisers)."""
MAX_LEAK = 0.006
"""The largest share of light that may pass a closed surface."""


@dataclass(frozen=True)
class Spot:
    """One finished Gaussian."""

    center: Array
    axes: Array
    """Columns: two in the surface, and its normal."""
    scales: tuple[float, float, float]
    color: Color
    """Without light, sRGB."""
    gloss: float = 0.0
    glow: float = 0.0
    """How far it shines by itself: 1 shows its colour whatever the light."""
    rigid: tuple[bool, bool] = (True, True)
    """Axes along which it may not grow, since it would cross an edge."""


@dataclass(frozen=True)
class Surface:
    """A rectangle with holes, all in its own coordinates x and y from one corner."""

    corner: Array
    axes: Array
    size: tuple[float, float]
    paint: Paint
    step: tuple[float, float]
    """Cells need not be smaller than this."""
    edge: float
    """Nor smaller than this at the outline."""
    rim: float
    """Nor smaller than this at a hole."""
    holes: tuple[Cell, ...] = ()
    sharp: str = "xy"
    """Across which axes the outline ends; across the others the surface goes on in the next one."""
    gloss: float = 0.0
    glow: float = 0.0

    def cells(self) -> list[Cell]:
        """The rectangle without its holes, in as few rectangles as cutting along the holes gives."""
        cells = [(0.0, 0.0, *self.size)]
        for hole in self.holes:
            cells = [piece for cell in cells for piece in _around(cell, hole)]
        return cells

    def worst(self, cell: Cell) -> tuple[float, int]:
        """By how much the cell is too wide, and along which axis."""
        excess = []
        for axis in (0, 1):
            outer, inner = self.gaps(cell, axis)
            allowed = min(self.step[axis], self.edge + outer, self.rim + 0.6 * inner)
            excess.append(((cell[axis + 2] - cell[axis]) / allowed, axis))
        return max(excess)

    def gaps(self, cell: Cell, axis: int) -> tuple[float, float]:
        """How far the nearest edge is that runs past the cell: of the outline, and of the holes."""
        low, high, other = cell[axis], cell[axis + 2], 1 - axis
        outline = [(0.0, 0.0, *self.size)] if "xy"[axis] in self.sharp else []
        found = []
        for edges in (outline, self.holes):
            beside = [edge for edge in edges if cell[other] < edge[other + 2] and cell[other + 2] > edge[other]]
            lines = [line for edge in beside for line in edge[axis::2]]
            found.append(min((max(low - line, line - high, 0.0) for line in lines), default=math.inf))
        return found[0], found[1]

    def spot(self, cell: Cell) -> Spot:
        """The Gaussian of a cell, narrow across an edge that is near."""
        widths = (cell[2] - cell[0], cell[3] - cell[1])
        far = [min(self.gaps(cell, axis)) / widths[axis] for axis in (0, 1)]
        scales = [width * min(0.7, 0.5 + 0.2 * gap) for width, gap in zip(widths, far, strict=True)]
        x, y = (cell[0] + cell[2]) / 2, (cell[1] + cell[3]) / 2
        color = self.paint(x, y) if callable(self.paint) else self.paint
        center = self.corner + self.axes[:, :2] @ (x, y)
        rigid = (far[0] == 0, far[1] == 0)
        return Spot(center, self.axes, (scales[0], scales[1], THIN), color, self.gloss, self.glow, rigid)


def _around(cell: Cell, hole: Cell) -> list[Cell]:
    """The cell without the hole, in up to four pieces."""
    x0, y0, x1, y1 = cell
    a0, b0, a1, b1 = max(x0, hole[0]), max(y0, hole[1]), min(x1, hole[2]), min(y1, hole[3])
    if a0 >= a1 or b0 >= b1:
        return [cell]
    pieces = [(x0, y0, a0, y1), (a1, y0, x1, y1), (a0, y0, a1, b0), (a0, b1, a1, y1)]
    return [piece for piece in pieces if piece[2] - piece[0] > 1e-6 and piece[3] - piece[1] > 1e-6]


@dataclass
class Room:
    """What has been built so far."""

    rng: np.random.Generator
    surfaces: list[Surface] = field(default_factory=list)
    spots: list[Spot] = field(default_factory=list)
    boxes: list[tuple[Array, Array]] = field(default_factory=list)
    """What throws shadows: lowest and highest corner."""

    def rect(
        self,
        corner: Any,
        u: Any,
        v: Any,
        paint: Paint,
        step: Any = 0.6,
        edge: float = 0.1,
        rim: float = 0.1,
        **more: Any,
    ) -> None:
        """A rectangle spanned by the vectors u and v, seen from the side of u × v."""
        u, v = np.asarray(u, float), np.asarray(v, float)
        size = float(np.linalg.norm(u)), float(np.linalg.norm(v))
        axes = np.stack([u / size[0], v / size[1], np.cross(u, v) / (size[0] * size[1])], axis=-1)
        steps = step if isinstance(step, tuple) else (step, step)
        self.surfaces.append(Surface(np.asarray(corner, float), axes, size, paint, steps, edge, rim, **more))

    def box(self, low: Any, high: Any, paint: Paint, step: Any = 0.3, edge: float = 0.1, skip: str = "") -> None:
        """A box; `skip` names faces to leave out: x X y Y z Z are those towards -x +x -y +y -z +z."""
        low, high = np.asarray(low, float), np.asarray(high, float)
        self.shadow(low, high)
        for axis, name in enumerate("xyz"):
            u, v = np.eye(3)[[(axis + 1) % 3, (axis + 2) % 3]] * (high - low)
            if name.upper() not in skip:
                self.rect(high - u - v, u, v, paint, step, edge)
            if name not in skip:
                self.rect(low, v, u, paint, step, edge)

    def rod(self, start: Any, end: Any, radius: float, color: Color, pieces: int = 2) -> None:
        """A round bar of long Gaussians."""
        start, end = np.asarray(start, float), np.asarray(end, float)
        length = float(np.linalg.norm(end - start))
        axes = frame_of((end - start) / length)
        for i in range(pieces):
            center = start + (end - start) * (i + 0.5) / pieces
            self.spots.append(Spot(center, axes, (radius, radius, 0.45 * length / pieces), color))
        self.shadow(np.minimum(start, end) - radius, np.maximum(start, end) + radius)

    def cone(self, at: Any, top: Any, bottom: Any, count: int, color: Color, glow: float = 0.0) -> None:
        """A round wall between two circles, given as radius and height, two Gaussians high."""
        length = math.hypot(top[0] - bottom[0], top[1] - bottom[1])
        for i in range(2 * count):
            share, angle = (0.28, 0.76)[i % 2], 2 * math.pi * (i // 2) / count
            radius, height = (a + share * (b - a) for a, b in zip(top, bottom, strict=True))
            out = np.array([math.cos(angle), math.sin(angle), 0.0])
            side = np.array([-out[1], out[0], 0.0])
            up = (out * (top[0] - bottom[0]) + [0, 0, top[1] - bottom[1]]) / length
            axes = np.stack([side, up, np.cross(side, up)], axis=-1)
            scales = (3.4 * radius / count, 0.2 * length, THIN)
            self.spots.append(Spot(np.array([*at, height]) + radius * out, axes, scales, color, 0.0, glow))

    def shadow(self, low: Any, high: Any) -> None:
        """A box that throws a shadow and is not seen."""
        self.boxes.append((np.asarray(low, float), np.asarray(high, float)))


def frame_of(normal: Array) -> Array:
    """Axes whose third is `normal` and whose second is as high as it can be."""
    u = np.cross([0.0, 0.0, 1.0] if abs(normal[2]) < 0.9 else [0.0, 1.0, 0.0], normal)
    u /= np.linalg.norm(u)
    return np.stack([u, np.cross(normal, u), normal], axis=-1)


def divide(room: Room, count: int) -> list[Spot]:
    """All Gaussians, `count` of them: the cell that is worst is halved, again and again.

    Raises:
        ValueError: the room needs more even with one Gaussian for each cell.
    """
    heap = [(-s.worst(cell)[0], i, cell, s) for s in room.surfaces for i, cell in enumerate(s.cells())]
    heap = [(excess, serial, cell, s) for serial, (excess, _, cell, s) in enumerate(heap)]
    least = len(heap) + len(room.spots)
    if count < least:
        raise ValueError(f"count is {count}; expected at least {least}, which this room needs for its parts.")
    heapq.heapify(heap)
    for serial in range(count - least):
        _, _, cell, surface = heapq.heappop(heap)
        axis = surface.worst(cell)[1]
        first, second = list(cell), list(cell)
        first[axis + 2] = second[axis] = (cell[axis] + cell[axis + 2]) / 2
        for half in (first, second):
            piece = (half[0], half[1], half[2], half[3])
            heapq.heappush(heap, (-surface.worst(piece)[0], least + 2 * serial + (half is second), piece, surface))
    return room.spots + [surface.spot(cell) for _, _, cell, surface in sorted(heap, key=lambda item: item[1])]
