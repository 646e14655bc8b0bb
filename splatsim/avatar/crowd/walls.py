"""What people cannot walk through, as segments: the border of what is not free on a map, or walls drawn by hand."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from splatsim.grids import NavMap

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Walls:
    """m segments that people keep off."""

    segments: Array
    """[m 2 2], both ends, x and y, metres."""

    def __post_init__(self) -> None:
        if self.segments.ndim != 3 or self.segments.shape[1:] != (2, 2) or not np.isfinite(self.segments).all():
            raise ValueError(
                f"Walls.segments has shape {list(self.segments.shape)}; expected finite ends [m 2 2] of m segments."
            )

    def __len__(self) -> int:
        return len(self.segments)

    def distance(self, points: Array) -> Array:
        """Distances of points [n 2] from the nearest wall, metres."""
        if len(self) == 0:
            return np.full(len(points), np.inf)
        return np.asarray(np.linalg.norm(self.nearest(points) - points[:, None], axis=-1).min(axis=1))

    def nearest(self, points: Array) -> Array:
        """The point of each wall that is nearest to each of n points, [n m 2]."""
        start, way = self.segments[:, 0], self.segments[:, 1] - self.segments[:, 0]
        length = np.maximum((way**2).sum(-1), 1e-12)
        share = np.clip(((points[:, None] - start) * way).sum(-1) / length, 0, 1)
        return np.asarray(start + share[..., None] * way)

    @classmethod
    def none(cls) -> "Walls":
        """Open space."""
        return cls(np.zeros((0, 2, 2)))

    @classmethod
    def lines(cls, *lines: ArrayLike) -> "Walls":
        """Polylines [p 2], such as the outline of a room: an outline ends where it starts."""
        arrays = [np.asarray(line, np.float64) for line in lines]
        return cls(np.concatenate([np.stack([line[:-1], line[1:]], axis=1) for line in arrays]))

    @classmethod
    def around(cls, nav_map: NavMap) -> "Walls":
        """The border between the free cells of a map and the others; cells in a row share one segment."""
        free = np.pad(nav_map.free.cpu().numpy(), 1)
        west, north = nav_map.frame.north_west
        size = nav_map.frame.resolution
        level = [(row, a, b) for row, a, b in _runs(free[1:] != free[:-1])]
        upright = [(column, a, b) for column, a, b in _runs((free[:, 1:] != free[:, :-1]).T)]
        ends = [((a - 1, row), (b - 1, row)) for row, a, b in level]
        ends += [((column, a - 1), (column, b - 1)) for column, a, b in upright]
        grid = np.array(ends, np.float64).reshape(-1, 2, 2)
        return cls(np.stack([west + size * grid[..., 0], north - size * grid[..., 1]], axis=-1))


def _runs(edges: NDArray[np.bool_]) -> list[tuple[int, int, int]]:
    """Row, first and last-but-one column of each run of marks."""
    padded = np.pad(edges, ((0, 0), (1, 1))).astype(np.int8)
    rows, starts = np.nonzero(np.diff(padded, axis=1) == 1)
    _, stops = np.nonzero(np.diff(padded, axis=1) == -1)
    return list(zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True))
