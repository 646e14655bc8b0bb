"""A map as planners need it: how far it still is from anywhere, and where the robot's disc may be moved."""

import math
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from splatsim.avatar.crowd import Ways
from splatsim.errors import EpisodeError
from splatsim.grids import NavMap
from splatsim.maps import distance_field
from splatsim.nav.physics import Space

Array = NDArray[np.float64]

SLACK = 1e-3
"""Metres that plans keep from what they must not touch."""
OFF_LIMITS = 4.0
"""A metre in closed cells counts as so many in free ones: whoever stands there leaves first."""


class Terrain:
    """The free cells of a map for a round robot with one goal.

    Raises:
        EpisodeError: the robot fits nowhere on the map.
    """

    def __init__(self, nav_map: NavMap, goal: tuple[float, float], radius: float) -> None:
        self.radius = radius
        self.goal = goal
        self.space = Space(nav_map)
        inflated = nav_map.inflate(radius)
        self._open = np.pad(inflated.free.numpy(), ((0, 1), (0, 1)))
        self.field = distance_field(inflated, _open_place(inflated, goal))
        self._ways = Ways(
            nav_map.frame, self.field.goal, _continued(self.field.distances.numpy(), nav_map.frame.resolution)
        )

    def ahead(self, points: Array) -> Array:
        """Metres to the goal from points [n 2], smooth, and rising into what is closed: to compare by."""
        return self._ways.length(points)

    def courses(self, points: Array) -> Array:
        """In which direction the shortest way runs from the cells of points [n 2], radians."""
        return np.asarray(self.all_courses[self.cells(points)])

    @cached_property
    def all_courses(self) -> Array:
        """In which direction the shortest way runs from each cell [rows+1 columns+1], radians; 0 beyond the last."""
        ways = self._ways.directions(self.field.frame.all_centers().reshape(-1, 2).numpy())
        return np.pad(np.arctan2(ways[:, 1], ways[:, 0]).reshape(self.field.frame.shape), ((0, 1), (0, 1)))

    def seems_open(self, points: Array) -> NDArray[np.bool_]:
        """Whether points [n 2] lie in cells whose centres have room for the disc: quick, and right to half a cell."""
        return np.asarray(self._open[self.cells(points)])

    def cells(self, points: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of points; one beyond the last where they lie outside."""
        (west, north), (rows, columns) = self.field.frame.north_west, self.field.frame.shape
        row = np.floor((north - points[:, 1]) / self.field.frame.resolution).astype(np.int64)
        column = np.floor((points[:, 0] - west) / self.field.frame.resolution).astype(np.int64)
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        return np.where(inside, row, rows), np.where(inside, column, columns)

    def left(self, points: Array) -> Array:
        """Metres to the goal from points [n 2], as metrics have it."""
        return np.asarray(self.field.at(torch.from_numpy(np.ascontiguousarray(points))).numpy())

    def passes(self, places: Array, moves: Array, slack: float = SLACK) -> NDArray[np.bool_]:
        """Whether discs at places [n 2] can be moved [n 2] without touching anything."""
        radii = torch.full((len(places),), self.radius + slack, dtype=torch.float64)
        moved = self.space.move(torch.from_numpy(places), torch.from_numpy(moves), radii)
        return np.asarray(~moved.static.numpy())


def _open_place(inflated: NavMap, goal: tuple[float, float]) -> tuple[float, float]:
    """The goal, or the centre of the free cell that is nearest to it."""
    if int(inflated.at(torch.tensor([goal], dtype=torch.float64))[0]) == 0:
        return goal
    cells = inflated.free.nonzero()
    if not len(cells):
        raise EpisodeError(
            f"the map of {inflated.frame.shape[0]} × {inflated.frame.shape[1]} cells has no free place for the robot; "
            "expected one that it fits into."
        )
    centers = inflated.frame.centers(cells)
    nearest = int((centers - torch.tensor(goal, dtype=torch.float64)).square().sum(-1).argmin())
    x, y = centers[nearest].tolist()
    return x, y


def _continued(lengths: NDArray[np.float32], resolution: float) -> Array:
    """Lengths continued into cells without a way, so that they lead out of them."""
    gap, (rows, columns) = distance_transform_edt(~np.isfinite(lengths), return_indices=True)
    return np.asarray(lengths[rows, columns] + OFF_LIMITS * resolution * gap, np.float64)


def heading_vectors(angles: NDArray[np.floating[Any]], length: float) -> Array:
    """Moves [*batch 2] of a length, metres, in directions [*batch], radians."""
    return length * np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def whole_circle(turn: float) -> int:
    """How many turns make about a circle."""
    return max(1, round(2 * math.pi / turn))
