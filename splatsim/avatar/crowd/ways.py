"""The way to a goal from anywhere on a map: the length of the shortest way, and where it leads next."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import distance_transform_edt

from splatsim import native
from splatsim.grids import GridFrame, NavMap

Array = NDArray[np.float64]

OFF_LIMITS = 4.0
"""A metre outside the free cells counts as so many within: whoever was pushed there goes back first."""


@dataclass(frozen=True, eq=False)
class Ways:
    """Shortest ways to one goal (Sethian 1996) on a map whose free cells hold the centre of a person."""

    frame: GridFrame
    """Where the cells stand."""
    goal: tuple[float, float]
    """x and y, metres."""
    lengths: Array
    """Metres to the goal from each cell; infinite from where there is no way."""

    def length(self, points: Array) -> Array:
        """Metres to the goal from points [n 2]."""
        return _sample(self.frame, self.lengths[None], np.zeros(len(points), np.int64), points)

    def directions(self, points: Array) -> Array:
        """Unit vectors [n 2] in which the shortest way runs; straight to the goal within two cells of it."""
        which = np.zeros(len(points), np.int64)
        return _downhill(self.frame, self.lengths[None], np.array([self.goal]), which, points)

    def path(self, start: ArrayLike, *, step: float = 0.1) -> Array:
        """The way from a point as a polyline [p 2], to the goal.

        Raises:
            ValueError: there is no way.
        """
        place = np.asarray(start, np.float64).reshape(1, 2)
        left = float(self.length(place)[0])
        if not np.isfinite(left):
            raise ValueError(
                f"there is no way from {place[0].tolist()} to {list(self.goal)}; expected connected places."
            )
        points = [place[0]]
        for _ in range(int(2 * left / step) + 10):
            if np.linalg.norm(points[-1] - self.goal) <= 2 * step:
                break
            points.append(points[-1] + step * self.directions(points[-1][None])[0])
        return np.array([*points, self.goal])


class WaysOfMany:
    """The ways of many people on one map, asked for all at once."""

    def __init__(self, ways: Sequence[Ways]) -> None:
        self.frame = ways[0].frame
        order = {id(way): number for number, way in enumerate(dict.fromkeys(ways))}
        distinct = list(dict.fromkeys(ways))
        self.which = np.array([order[id(way)] for way in ways])
        self.lengths = np.stack([way.lengths for way in distinct])
        self.goals = np.array([way.goal for way in distinct])

    def directions(self, points: Array) -> Array:
        """Unit vectors [n 2] in which the people at points [n 2] should go, one way each."""
        return _downhill(self.frame, self.lengths, self.goals, self.which, points)


def _downhill(frame: GridFrame, lengths: Array, goals: Array, which: NDArray[np.int64], points: Array) -> Array:
    step = frame.resolution
    n = len(points)
    around = points + step * np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])[:, None]
    ends = _sample(frame, lengths, np.tile(which, 4), around.reshape(-1, 2)).reshape(4, n)
    straight = goals[which] - points
    with np.errstate(invalid="ignore"):
        downhill = np.stack([ends[1] - ends[0], ends[3] - ends[2]], axis=-1)
    near = np.linalg.norm(straight, axis=-1) < 2.5 * step
    lost = ~np.isfinite(downhill).all(axis=-1) | (np.abs(downhill).sum(axis=-1) < 1e-9)
    way = np.where((near | lost)[:, None], straight, downhill)
    return np.asarray(way / np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-9))


def _sample(frame: GridFrame, lengths: Array, which: NDArray[np.int64], points: Array) -> Array:
    """Lengths [g rows cols] at points [n 2] of the maps `which` [n], bilinear between the centres of cells."""
    west, north = frame.north_west
    rows, cols = frame.shape
    at = np.stack([north - points[:, 1], points[:, 0] - west], axis=-1) / frame.resolution - 0.5
    at = np.clip(at, 0.0, np.array([rows - 1.0, cols - 1.0]))
    low = at.astype(np.int64)
    share = at - low
    high = np.minimum(low + 1, [rows - 1, cols - 1])
    total = np.zeros(len(points))
    for row, down in ((low[:, 0], 1 - share[:, 0]), (high[:, 0], share[:, 0])):
        for col, right in ((low[:, 1], 1 - share[:, 1]), (high[:, 1], share[:, 1])):
            weight = down * right
            total += np.where(weight > 0, weight * np.where(weight > 0, lengths[which, row, col], 0.0), 0.0)
    return total


def ways_to(nav_map: NavMap, goal: ArrayLike, *, radius: float = 0.0) -> Ways:
    """Shortest ways to a goal for round people of a radius, metres, over cells known to be free.

    Raises:
        ValueError: the goal is not finite, or no cell with room for a person lies within half a metre of it.
    """
    return ways_to_each(nav_map, [goal], radius=radius)[0]


def ways_to_each(nav_map: NavMap, goals: Sequence[ArrayLike], *, radius: float = 0.0) -> list[Ways]:
    """Shortest ways to each of many goals.

    Raises:
        ValueError: a goal is not finite, or no cell with room for a person lies within half a metre of it.
    """
    free = (nav_map.inflate(radius) if radius > 0 else nav_map).free.cpu().numpy()
    centers = _centers(nav_map.frame)
    return [_way_to(nav_map.frame, free, centers, goal, radius) for goal in goals]


def _way_to(frame: GridFrame, free: NDArray[np.bool_], centers: Array, goal: ArrayLike, radius: float) -> Ways:
    place = np.asarray(goal, np.float64)
    if place.shape != (2,) or not np.isfinite(place).all():
        raise ValueError(f"the goal is {np.asarray(goal).tolist()}; expected x and y in metres.")
    away = np.where(free, np.linalg.norm(centers - place, axis=-1), np.inf)
    row, col = np.unravel_index(int(away.argmin()), away.shape)
    if not away[row, col] <= max(0.5, frame.resolution):
        raise ValueError(
            f"the goal {place.tolist()} has no free place for a person of radius {radius:g} m within 0.5 m; choose a "
            "goal in the free part of the map."
        )
    lengths = np.full(free.shape, np.inf)
    lengths[row, col] = 0.0
    native.march(np.ascontiguousarray(free, np.uint8), lengths)
    outward = _outward(lengths * frame.resolution, free, frame.resolution)
    return Ways(frame, (float(place[0]), float(place[1])), outward)


def _centers(frame: GridFrame) -> Array:
    rows, cols = frame.shape
    cells = torch.stack(torch.meshgrid(torch.arange(rows), torch.arange(cols), indexing="ij"), dim=-1)
    return np.asarray(frame.centers(cells).numpy())


def _outward(lengths: Array, free: NDArray[np.bool_], resolution: float) -> Array:
    """Lengths continued into cells that are not free, so that the way leads out of them."""
    known = np.isfinite(lengths)
    gap, (rows, cols) = distance_transform_edt(~known, return_indices=True)
    beyond = lengths[rows, cols] + OFF_LIMITS * resolution * gap
    return np.asarray(np.where(known | free, lengths, beyond))
