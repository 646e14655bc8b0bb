"""Cells of a map: where they stand, and where a robot may drive."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from splatsim.grids._checks import (
    FREE,
    OCCUPIED,
    UNKNOWN,
    all_cells,
    check_cells,
    check_counts,
    check_finite,
    check_length,
    cover,
    within,
)
from splatsim.tensors import TensorDataclass


@dataclass(frozen=True)
class GridFrame:
    """Where the cells of a map stand.

    Raises:
        ValueError: a number is not finite, the resolution is not positive, or the grid has no cells.
    """

    north_west: tuple[float, float]
    """World (x, y) of the outer corner of cell (0, 0), metres."""
    resolution: float
    """Edge of a cell, metres."""
    shape: tuple[int, int]
    """Rows and columns."""

    def __post_init__(self) -> None:
        check_length("GridFrame.resolution", self.resolution)
        check_finite("GridFrame.north_west", self.north_west)
        check_counts("GridFrame.shape", self.shape)

    def cell_of(self, points: Float[Tensor, "*batch 2"]) -> Int[Tensor, "*batch 2"]:
        """Row and column of world points (x, y); points outside get indices outside `shape`."""
        west, north = self.north_west
        rows = torch.floor((north - points[..., 1]) / self.resolution)
        columns = torch.floor((points[..., 0] - west) / self.resolution)
        return torch.stack([rows, columns], dim=-1).long()

    def contains(self, cells: Int[Tensor, "*batch 2"]) -> Bool[Tensor, "*batch"]:
        """Whether rows and columns lie within the grid."""
        return within(cells, self.shape)

    def centers(self, cells: Int[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        """World (x, y) of the centres of cells, metres, in float64."""
        west, north = self.north_west
        offset = (cells.double() + 0.5) * self.resolution
        return torch.stack([west + offset[..., 1], north - offset[..., 0]], dim=-1)

    def all_centers(self) -> Float[Tensor, "rows cols 2"]:
        """World (x, y) of all centres of cells, metres."""
        return self.centers(all_cells(self.shape))

    @classmethod
    def covering(cls, low: tuple[float, float], high: tuple[float, float], resolution: float) -> "GridFrame":
        """The smallest frame over a rectangle whose corners lie on multiples of the resolution.

        Raises:
            ValueError: the rectangle is empty or not finite, or the resolution is not positive.
        """
        check_length("GridFrame.resolution", resolution)
        (west, south), (columns, rows) = cover(low, high, resolution)
        return cls((west * resolution, (south + rows) * resolution), resolution, (rows, columns))


@dataclass(frozen=True)
class NavMap(TensorDataclass):
    """Where a robot may drive.

    Raises:
        TypeError: the cells have another dtype.
        ValueError: their shape does not fit the frame, a state is unknown to us, or the height band is empty.
    """

    frame: GridFrame
    """Where the cells stand."""
    cells: UInt8[Tensor, "rows cols"]
    """FREE, OCCUPIED or UNKNOWN."""
    z_range: tuple[float, float]
    """Height band above the floor in which things count as obstacles, metres."""

    def __post_init__(self) -> None:
        check_cells("NavMap", "cells", self.cells, torch.uint8, self.frame.shape)
        check_finite("NavMap.z_range", self.z_range)
        if self.z_range[0] >= self.z_range[1]:
            raise ValueError(f"NavMap.z_range is {self.z_range}; expected a lower and a higher height in metres.")
        if int(self.cells.max()) > UNKNOWN:
            raise ValueError(
                f"NavMap.cells holds {int(self.cells.max())}; "
                f"expected {FREE} free, {OCCUPIED} occupied, {UNKNOWN} unknown."
            )

    @property
    def free(self) -> Bool[Tensor, "rows cols"]:
        """Cells known to be free."""
        return self.cells == FREE

    def at(self, points: Float[Tensor, "n 2"]) -> UInt8[Tensor, " n"]:
        """The state at world points (x, y); outside the map it is UNKNOWN."""
        cells = self.frame.cell_of(points)
        inside = self.frame.contains(cells)
        states = torch.full((len(points),), UNKNOWN, dtype=torch.uint8, device=points.device)
        states[inside] = self.cells[cells[inside][:, 0], cells[inside][:, 1]]
        return states

    def inflate(self, radius: float) -> "NavMap":
        """The map for the centre of a round robot: free only where its whole disc is free.

        Raises:
            ValueError: the radius is negative or not finite.
        """
        if not (math.isfinite(radius) and radius >= 0):
            raise ValueError(f"radius is {radius}; expected metres, 0 or more.")
        reach = radius / self.frame.resolution
        occupied = _dilate(self.cells == OCCUPIED, reach, border=False)
        unknown = _dilate(self.cells == UNKNOWN, reach, border=True)
        cells = torch.full_like(self.cells, FREE)
        cells[unknown] = UNKNOWN
        cells[occupied] = OCCUPIED
        return self.replace(cells=cells)


def _dilate(mask: Bool[Tensor, "rows cols"], reach: float, *, border: bool) -> Bool[Tensor, "rows cols"]:
    """Cells whose centre is at most `reach` cells from a marked cell's edge; `border` marks what is outside."""
    side = math.ceil(reach + 0.5)
    offset = torch.arange(-side, side + 1, device=mask.device).abs()
    gap = (offset - 0.5).clamp(min=0)
    near = gap[:, None] ** 2 + gap**2 <= reach**2
    near[side, side] = True
    rows, columns = mask.shape
    padded = torch.nn.functional.pad(mask, (side,) * 4, value=border)
    found = torch.zeros_like(mask)
    for row, column in near.nonzero().tolist():
        found |= padded[row : row + rows, column : column + columns]
    return found
