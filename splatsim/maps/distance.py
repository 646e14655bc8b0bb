"""Distances along the floor: one field for each goal, from which every way to it follows."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from splatsim import native
from splatsim.grids import GridFrame, NavMap
from splatsim.tensors import TensorDataclass

EXACT_RADIUS = 6.0
"""Cells around the goal whose distances are exact where they see it: a point is where interpolation errs most."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class DistanceField(TensorDataclass):
    """The length of the shortest way from every cell to one goal."""

    frame: GridFrame
    """Where the cells stand."""
    distances: Float[Tensor, "rows cols"]
    """Of the centres of cells, metres; infinite where no way leads to the goal."""
    goal: tuple[float, float]
    """World (x, y), metres."""

    def at(self, points: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        """The distance from any points, metres: from the best of the four cell centres around each.

        Infinite where none of them has a way, or outside of the map.
        """
        west, north = self.frame.north_west
        spot = torch.stack([north - points[:, 1], points[:, 0] - west], -1).double() / self.frame.resolution - 0.5
        low = spot.floor()
        best = torch.full((len(points),), math.inf, dtype=torch.float64)
        rows, columns = self.frame.shape
        for row in (0, 1):
            for column in (0, 1):
                cell = low + torch.tensor([row, column])
                inside = ((cell >= 0) & (cell < torch.tensor([rows, columns]))).all(-1)
                r, c = cell.clamp_min(0).long().unbind(-1)
                there = self.distances.double()[r.clamp_max(rows - 1), c.clamp_max(columns - 1)]
                value = there + (spot - cell).norm(dim=-1) * self.frame.resolution
                best = torch.where(inside & (value < best), value, best)
        straight = (points.double() - torch.tensor(self.goal, dtype=torch.float64)).norm(dim=-1)
        # From a cell before the goal back to it would be a detour: close by, the straight line is the way.
        return torch.where(
            (straight < self.frame.resolution) & best.isfinite(), straight, torch.maximum(best, straight)
        )

    def path(self, start: tuple[float, float]) -> Float[Tensor, "n 2"]:
        """The shortest way from a point to the goal: corners of a polyline, pulled taut, empty where there is none."""
        cells = self._descend(start)
        if not len(cells):
            return torch.zeros(0, 2, dtype=torch.float64)
        corners = [torch.tensor(start, dtype=torch.float64), *self.frame.centers(cells[1:-1]).unbind(0)]
        corners.append(torch.tensor(self.goal, dtype=torch.float64))
        return pull_taut(torch.stack(corners), self.frame, self.distances.isfinite())

    def _descend(self, start: tuple[float, float]) -> Tensor:
        """Cells from the start to the goal, each the neighbour that lies best."""
        field = self.distances.numpy()
        cell = tuple(self.frame.cell_of(torch.tensor(start, dtype=torch.float64)).tolist())
        end = tuple(self.frame.cell_of(torch.tensor(self.goal, dtype=torch.float64)).tolist())
        rows, columns = self.frame.shape
        if not (0 <= cell[0] < rows and 0 <= cell[1] < columns) or not np.isfinite(field[cell]):
            return torch.zeros(0, 2, dtype=torch.int64)
        cells = [cell]
        while cell != end:
            r, c = cell
            steps = [
                (field[r + i, c + j] + math.hypot(i, j) * self.frame.resolution, (r + i, c + j))
                for i in (-1, 0, 1)
                for j in (-1, 0, 1)
                if (i or j)
                and 0 <= r + i < rows
                and 0 <= c + j < columns
                and np.isfinite(field[r + i, c + j])
                and (np.isfinite(field[r + i, c]) or np.isfinite(field[r, c + j]))
                and field[r + i, c + j] < field[r, c]
            ]
            if not steps:
                break
            cell = min(steps)[1]
            cells.append(cell)
        return torch.tensor(cells)


def distance_field(nav_map: NavMap, goal: tuple[float, float]) -> DistanceField:
    """Distances to one goal over the free cells of a map, inflate it first by the radius of the robot.

    Unknown cells are not passed. The way may touch the corner of a closed cell.

    Raises:
        ValueError: the goal is not finite, lies outside of the map or in a cell that is not free.
    """
    point = torch.tensor(goal, dtype=torch.float64)
    if not bool(point.isfinite().all()):
        raise ValueError(f"goal is {goal}; expected a point in metres.")
    state = int(nav_map.at(point[None])[0])
    if state != 0:
        where = "an occupied cell" if state == 1 else "a cell that is unknown, or outside of the map"
        raise ValueError(f"goal {goal} lies in {where}; expected a free cell of the map.")
    free = nav_map.free.cpu()
    start = _around(nav_map.frame, free, point)
    distances = start.contiguous()
    native.march(free.to(torch.uint8).contiguous(), distances)
    return DistanceField(nav_map.frame, distances * nav_map.frame.resolution, (float(point[0]), float(point[1])))


def _around(frame: GridFrame, free: Tensor, point: Float[Tensor, "2"]) -> Float[Tensor, "rows cols"]:
    """Exact distances, in cells, of the cells near a point that see it; infinity elsewhere."""
    start = torch.full(frame.shape, math.inf)
    row, column = frame.cell_of(point).tolist()
    reach = math.ceil(EXACT_RADIUS)
    rows = torch.arange(max(0, row - reach), min(frame.shape[0], row + reach + 1))
    columns = torch.arange(max(0, column - reach), min(frame.shape[1], column + reach + 1))
    cells = torch.cartesian_prod(rows, columns)
    cells = cells[free[cells[:, 0], cells[:, 1]]]
    centers = frame.centers(cells)
    away = (centers - point).norm(dim=-1) / frame.resolution
    seen = (away <= EXACT_RADIUS) & line_is_free(frame, free, centers, point.expand_as(centers))
    seen |= (cells == torch.tensor([row, column])).all(-1)
    start[cells[seen, 0], cells[seen, 1]] = away[seen].float()
    return start


def line_is_free(frame: GridFrame, free: Tensor, a: Float[Tensor, "n 2"], b: Float[Tensor, "n 2"]) -> torch.Tensor:
    """Whether the straight lines between points cross free cells only; a corner may be touched, two may not be parted.

    All crossings of a line with the lines of the grid are found at once; between two of them it lies in one cell.
    """
    west, north = frame.north_west
    scale = torch.tensor([1.0, -1.0], dtype=torch.float64) / frame.resolution
    p, q = ((x.double() - torch.tensor([west, north])) * scale for x in (a, b))  # columns, rows
    move = q - p
    longest = int(move.abs().amax().ceil()) + 1 if len(p) else 0
    parts = [torch.zeros(len(p), 1, dtype=torch.float64), torch.ones(len(p), 1, dtype=torch.float64)]
    for axis in (0, 1):
        lines = torch.minimum(p[:, axis], q[:, axis]).floor()[:, None] + torch.arange(longest + 1)
        t = (lines - p[:, axis, None]) / torch.where(move[:, axis] == 0, 1, move[:, axis])[:, None]
        parts.append(torch.where((move[:, axis] != 0)[:, None], t, 0).clamp(0, 1))
    times = torch.cat(parts, 1).sort(1).values
    middle, real = (times[:, 1:] + times[:, :-1]) / 2, times[:, 1:] - times[:, :-1] > 1e-9
    cells = (p[:, None] + move[:, None] * middle[..., None]).floor().long().flip(-1)
    # Between two crossings at one place there is no cell: the one before goes on.
    order = torch.where(real, torch.arange(real.shape[1]), -1).cummax(1).values
    order = torch.where(order < 0, real.int().argmax(1, keepdim=True), order)
    cells = cells.gather(1, order[..., None].expand(-1, -1, 2))
    beside = torch.stack([cells[:, :-1, 0], cells[:, 1:, 1]], -1), torch.stack([cells[:, 1:, 0], cells[:, :-1, 1]], -1)
    passed = _free_at(frame, free, beside[0]) | _free_at(frame, free, beside[1])
    return _free_at(frame, free, cells).all(1) & passed.all(1)


def _free_at(frame: GridFrame, free: Tensor, cells: Tensor) -> Tensor:
    """Whether cells are free; those outside of the map are not."""
    within = cells.clamp_min(0).minimum(torch.tensor(frame.shape) - 1)
    return frame.contains(cells) & free[within[..., 0], within[..., 1]]


def pull_taut(path: Float[Tensor, "n 2"], frame: GridFrame, free: Tensor) -> Float[Tensor, "m 2"]:
    """The polyline without the corners that can be left out: from each on to the last one that it sees."""
    kept, here = [0], 0
    while here < len(path) - 1:
        ahead = torch.arange(here + 1, len(path))
        seen = line_is_free(frame, free, path[here].expand(len(ahead), 2), path[ahead])
        # Far ones are seen only past near ones in most rooms, but not in all: the last of all that are seen.
        here = int(ahead[seen].max()) if bool(seen.any()) else here + 1
        kept.append(here)
    return path[torch.tensor(kept)]


def length_of(path: Float[Tensor, "n d"]) -> float:
    """The length of a polyline, metres."""
    return float((path[1:] - path[:-1]).norm(dim=-1).sum()) if len(path) > 1 else 0.0
