"""The world from above on the cells of a map, or of the surroundings of a body."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from splatsim.grids._checks import (
    all_cells,
    check_cells,
    check_classes,
    check_counts,
    check_finite,
    check_length,
    within,
)
from splatsim.grids.cells import GridFrame
from splatsim.tensors import TensorDataclass, check_field


@dataclass(frozen=True)
class EgoFrame:
    """Where the cells of a map around a body stand: the body looks up, to row 0, from the middle column.

    Raises:
        ValueError: a number is not finite, the resolution is not positive, or the grid has no cells.
    """

    pose: tuple[float, float, float]
    """World x and y of the body, metres, and its yaw, radians."""
    resolution: float
    """Edge of a cell, metres."""
    shape: tuple[int, int]
    """Rows and columns."""
    ahead: float
    """From the body to the upper edge, metres."""

    def __post_init__(self) -> None:
        check_length("EgoFrame.resolution", self.resolution)
        check_finite("EgoFrame.pose", (*self.pose, self.ahead))
        check_counts("EgoFrame.shape", self.shape)

    def cell_of(self, points: Float[Tensor, "*batch 2"]) -> Int[Tensor, "*batch 2"]:
        """Row and column of world points (x, y); points outside get indices outside `shape`."""
        x, y, yaw = self.pose
        away = points.double() - torch.tensor([x, y], dtype=torch.float64)
        forward = away[..., 0] * math.cos(yaw) + away[..., 1] * math.sin(yaw)
        left = away[..., 1] * math.cos(yaw) - away[..., 0] * math.sin(yaw)
        half = self.shape[1] * self.resolution / 2
        return torch.stack([self.ahead - forward, half - left], -1).div(self.resolution).floor().long()

    def contains(self, cells: Int[Tensor, "*batch 2"]) -> Bool[Tensor, "*batch"]:
        """Whether rows and columns lie within the grid."""
        return within(cells, self.shape)

    def centers(self, cells: Int[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        """World (x, y) of the centres of cells, metres, in float64."""
        x, y, yaw = self.pose
        forward = self.ahead - (cells[..., 0].double() + 0.5) * self.resolution
        left = self.shape[1] * self.resolution / 2 - (cells[..., 1].double() + 0.5) * self.resolution
        east = x + forward * math.cos(yaw) - left * math.sin(yaw)
        return torch.stack([east, y + forward * math.sin(yaw) + left * math.cos(yaw)], dim=-1)

    def all_centers(self) -> Float[Tensor, "rows cols 2"]:
        """World (x, y) of all centres of cells, metres."""
        return self.centers(all_cells(self.shape))


@dataclass(frozen=True)
class BevMap(TensorDataclass):
    """The world from above on the cells of a map: colour and height, and what else is known.

    Raises:
        TypeError: a tensor has another dtype.
        ValueError: a shape does not fit the frame, or labels come without names or the other way round.
    """

    frame: GridFrame | EgoFrame
    """Where the cells stand."""
    colors: Float[Tensor, "rows cols 3"]
    """In [0, 1]."""
    heights: Float[Tensor, "rows cols"]
    """z of the highest surface below the cut, metres."""
    observed: Bool[Tensor, "rows cols"]
    """Cells that show something; the others have no meaning."""
    labels: UInt8[Tensor, "rows cols"] | None = None
    """Index into `class_names`."""
    class_names: tuple[str, ...] = ()
    """Names by label."""
    cells: UInt8[Tensor, "rows cols"] | None = None
    """FREE, OCCUPIED or UNKNOWN."""
    people: Bool[Tensor, "rows cols"] | None = None
    """Where people stand."""
    velocities: Float[Tensor, "rows cols 2"] | None = None
    """Of the people there, m/s: east and north, or on an EgoFrame forward and left; 0 elsewhere."""
    visited: Bool[Tensor, "rows cols"] | None = None
    """Where the robot has been."""

    def __post_init__(self) -> None:
        if self.velocities is not None:
            check_field("BevMap", "velocities", self.velocities, (*self.frame.shape, 2))
        for name, dtype in (("cells", torch.uint8), ("people", torch.bool), ("visited", torch.bool)):
            if getattr(self, name) is not None:
                check_cells("BevMap", name, getattr(self, name), dtype, self.frame.shape)
        check_field("BevMap", "colors", self.colors, (*self.frame.shape, 3))
        check_field("BevMap", "heights", self.heights, self.frame.shape)
        check_cells("BevMap", "observed", self.observed, torch.bool, self.frame.shape)
        if (self.labels is None) != (not self.class_names):
            raise ValueError("BevMap has only one of labels and class_names; expected both or neither.")
        if self.labels is not None:
            check_cells("BevMap", "labels", self.labels, torch.uint8, self.frame.shape)
            check_classes("BevMap", self.class_names, self.labels)
