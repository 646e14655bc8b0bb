"""Hand-made maps, and slow truths about them."""

import math

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

from splatsim.grids import FREE, OCCUPIED, UNKNOWN, GridFrame, NavMap

SIGNS = {".": FREE, "#": OCCUPIED, "?": UNKNOWN}


def drawn(picture: str, resolution: float = 0.1, north_west: tuple[float, float] = (0.0, 0.0)) -> NavMap:
    """A map as drawn: # occupied, . free, ? unknown; the first line is north."""
    lines = picture.split()
    cells = torch.tensor([[SIGNS[sign] for sign in line] for line in lines], dtype=torch.uint8)
    return NavMap(GridFrame(north_west, resolution, tuple(cells.shape)), cells, (0.1, 1.8))


def scattered(rows: int, columns: int, share: float, seed: int, resolution: float = 0.1) -> NavMap:
    """Cells that are occupied at random."""
    generator = torch.Generator().manual_seed(seed)
    cells = (torch.rand(rows, columns, generator=generator) < share).to(torch.uint8)
    return NavMap(GridFrame((-1.0, 2.0), resolution, (rows, columns)), cells, (0.1, 1.8))


def visibility_distances(nav_map: NavMap, goal: tuple[float, float]) -> Tensor:
    """Exact shortest ways around the corners of closed cells, by Dijkstra over all points that see each other.

    Every shortest way around squares is a polyline whose corners are corners of squares.
    """
    frame, free = nav_map.frame, nav_map.free.numpy()
    west, north = frame.north_west
    padded = np.pad(free, 1).astype(int)
    count = padded[1:, 1:] + padded[:-1, 1:] + padded[1:, :-1] + padded[:-1, :-1]
    r, c = np.nonzero(count == 3)
    corners = np.stack([west + c * frame.resolution, north - r * frame.resolution], -1)
    cells = nav_map.free.nonzero()
    points = np.concatenate([np.array([goal]), corners, frame.centers(cells).numpy()])
    n = 1 + len(corners)
    seen = sees(nav_map, np.repeat(points[:n], len(points), 0), np.tile(points, (n, 1))).reshape(n, len(points))
    length = np.where(seen, np.linalg.norm(points[:n, None] - points, axis=-1), 0)
    between = dijkstra(csr_matrix(length[:, :n]), directed=False, indices=0)
    ways = between[:, None] + np.where(seen, np.linalg.norm(points[:n, None] - points, axis=-1), np.inf)
    distances = torch.full(frame.shape, math.inf, dtype=torch.float64)
    distances[cells[:, 0], cells[:, 1]] = torch.from_numpy(ways[:, n:].min(0))
    return distances


def sees(nav_map: NavMap, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Whether the open segments [n 2] meet the inside of no closed cell, by clipping them to each one."""
    size, (rows, columns) = nav_map.frame.resolution, nav_map.frame.shape
    corner = np.array(nav_map.frame.north_west)
    p, q = ((x - corner) * [1, -1] / size for x in (a, b))
    good = np.all((np.minimum(p, q) >= 0) & (np.maximum(p, q) <= [columns, rows]), axis=1)
    free = nav_map.free.numpy()
    for row, column in np.argwhere(~free):
        spot = np.array([column, row])
        good &= ~_crosses(p, q, spot, spot + 1)
        # Nor is there a way along the edge between two closed cells.
        if column + 1 < columns and not free[row, column + 1]:
            good &= ~_crosses(p, q, spot, spot + np.array([2, 1]))
        if row + 1 < rows and not free[row + 1, column]:
            good &= ~_crosses(p, q, spot, spot + np.array([1, 2]))
    # The border counts as closed.
    inner = (np.maximum(p, q) > 1e-9) & (np.minimum(p, q) < [columns - 1e-9, rows - 1e-9])
    good &= inner.all(axis=1)
    # Between two cells that touch at a corner there is no way, which the inside of neither shows.
    for row, column in np.argwhere((free[1:, 1:] == free[:-1, :-1]) & (free[1:, :-1] == free[:-1, 1:])):
        if free[row, column] != free[row, column + 1]:
            good &= ~_touches(p, q, np.array([column + 1.0, row + 1.0]))
    return good


def _crosses(p: np.ndarray, q: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Whether segments meet the inside of a rectangle."""
    step = q - p
    still = np.abs(step) < 1e-12
    ends = np.stack([low - p, high - p]) / np.where(still, 1, step)
    first = np.where(still, np.where((p > low + 1e-9) & (p < high - 1e-9), 0, 2), ends.min(0)).max(1)
    last = np.where(still, 1, ends.max(0)).min(1)
    return np.minimum(last, 1) - np.maximum(first, 0) > 1e-9


def _touches(p: np.ndarray, q: np.ndarray, spot: np.ndarray) -> np.ndarray:
    step, offset = q - p, spot - p
    side, along, length = (
        step[:, 0] * offset[:, 1] - step[:, 1] * offset[:, 0],
        (step * offset).sum(1),
        (step**2).sum(1),
    )
    return (np.abs(side) < 1e-9 * np.sqrt(length)) & (along > 1e-9) & (along < length - 1e-9)
