"""Grids over the world: voxels in 3D, cells in 2D. What nobody has seen is UNKNOWN, and unknown is never free.

Voxels are indexed x, y, z from the minimum corner. Cells are indexed row, column from the north-west corner: row 0 is
north (largest y) and rows run south, as in a picture, so that maps and overhead renders overlay without a flip.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Shaped, UInt8
from torch import Tensor

from splatsim.tensors import TensorDataclass, check_field

FREE, OCCUPIED, UNKNOWN = 0, 1, 2
"""The three states of a voxel or cell."""

FREE_CLASS = "free"
"""The class name that stands for empty space."""


@dataclass(frozen=True)
class VoxelFrame:
    """Where the voxels of a grid stand.

    Raises:
        ValueError: a number is not finite, the voxel size is not positive, or the grid has no voxels.
    """

    origin: tuple[float, float, float]
    """Minimum corner of voxel (0, 0, 0), metres."""
    voxel_size: float
    """Edge of a voxel, metres."""
    shape: tuple[int, int, int]
    """Voxels along x, y and z."""
    frame: str = "world"
    """Name of the coordinate frame: "world", or that of a body or sensor."""

    def __post_init__(self) -> None:
        _check_length("VoxelFrame.voxel_size", self.voxel_size)
        _check_finite("VoxelFrame.origin", self.origin)
        _check_counts("VoxelFrame.shape", self.shape)

    def index_of(self, points: Float[Tensor, "*batch 3"]) -> Int[Tensor, "*batch 3"]:
        """The voxel that holds each point; points outside get indices outside `shape`."""
        origin = torch.tensor(self.origin, dtype=points.dtype, device=points.device)
        return torch.floor((points - origin) / self.voxel_size).long()

    def contains(self, indices: Int[Tensor, "*batch 3"]) -> Bool[Tensor, "*batch"]:
        """Whether the indices lie within the grid."""
        return _within(indices, self.shape)

    def centers(self, indices: Int[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
        """The centres of voxels, metres, in float64: 5 cm voxels of a mine need more than seven digits."""
        origin = torch.tensor(self.origin, dtype=torch.float64, device=indices.device)
        return origin + (indices.double() + 0.5) * self.voxel_size

    @classmethod
    def covering(
        cls, low: tuple[float, float, float], high: tuple[float, float, float], voxel_size: float, frame: str = "world"
    ) -> "VoxelFrame":
        """The smallest frame over a box whose corners lie on multiples of the voxel size.

        Raises:
            ValueError: the box is empty or not finite, or the voxel size is not positive.
        """
        _check_length("VoxelFrame.voxel_size", voxel_size)
        first, counts = _cover(low, high, voxel_size)
        x, y, z = (start * voxel_size for start in first)
        nx, ny, nz = counts
        return cls((x, y, z), voxel_size, (nx, ny, nz), frame)


@dataclass(frozen=True)
class OccupancyGrid(TensorDataclass):
    """What fills each voxel, by class, with a mask of the voxels that anybody has seen.

    Raises:
        TypeError: a tensor has another dtype.
        ValueError: a shape does not fit the frame, no class is called "free", or a label has no class.
    """

    frame: VoxelFrame
    """Where the voxels stand."""
    labels: UInt8[Tensor, "x y z"]
    """Index into `class_names`; without meaning where `observed` is false."""
    class_names: tuple[str, ...]
    """Names by label; exactly one of them is "free"."""
    observed: Bool[Tensor, "x y z"]
    """Whether the label is known. Unknown is never free."""
    interior: Bool[Tensor, "x y z"] | None = None
    """Occupied voxels through which no surface passes: the inside of solids, when that is known."""
    probabilities: Float[Tensor, "x y z k"] | None = None
    """Probability of each class, when that is known."""

    def __post_init__(self) -> None:
        _check_cells("OccupancyGrid", "labels", self.labels, torch.uint8, self.frame.shape)
        _check_cells("OccupancyGrid", "observed", self.observed, torch.bool, self.frame.shape)
        if self.interior is not None:
            _check_cells("OccupancyGrid", "interior", self.interior, torch.bool, self.frame.shape)
        if self.probabilities is not None:
            check_field(
                "OccupancyGrid", "probabilities", self.probabilities, (*self.frame.shape, len(self.class_names))
            )
        _check_classes("OccupancyGrid", self.class_names, self.labels)
        if self.class_names.count(FREE_CLASS) != 1:
            raise ValueError(f'OccupancyGrid.class_names is {self.class_names}; expected exactly one "{FREE_CLASS}".')

    @property
    def free_label(self) -> int:
        """The label of empty space."""
        return self.class_names.index(FREE_CLASS)

    def states(self) -> UInt8[Tensor, "x y z"]:
        """FREE, OCCUPIED or UNKNOWN for each voxel."""
        states = torch.where(self.labels == self.free_label, FREE, OCCUPIED)
        return torch.where(self.observed, states, UNKNOWN).to(torch.uint8)

    def at(self, points: Float[Tensor, "n 3"]) -> UInt8[Tensor, " n"]:
        """The state at each point; outside the grid it is UNKNOWN."""
        index = self.frame.index_of(points)
        inside = self.frame.contains(index)
        states = torch.full((len(points),), UNKNOWN, dtype=torch.uint8, device=points.device)
        x, y, z = index[inside].unbind(-1)
        states[inside] = self.states()[x, y, z]
        return states

    def counts(self) -> dict[str, int]:
        """The number of observed voxels of each class."""
        number = torch.bincount(self.labels[self.observed].long(), minlength=len(self.class_names))
        return dict(zip(self.class_names, number.tolist(), strict=True))


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
        _check_length("GridFrame.resolution", self.resolution)
        _check_finite("GridFrame.north_west", self.north_west)
        _check_counts("GridFrame.shape", self.shape)

    def cell_of(self, points: Float[Tensor, "*batch 2"]) -> Int[Tensor, "*batch 2"]:
        """Row and column of world points (x, y); points outside get indices outside `shape`."""
        west, north = self.north_west
        rows = torch.floor((north - points[..., 1]) / self.resolution)
        columns = torch.floor((points[..., 0] - west) / self.resolution)
        return torch.stack([rows, columns], dim=-1).long()

    def contains(self, cells: Int[Tensor, "*batch 2"]) -> Bool[Tensor, "*batch"]:
        """Whether rows and columns lie within the grid."""
        return _within(cells, self.shape)

    def centers(self, cells: Int[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        """World (x, y) of the centres of cells, metres, in float64."""
        west, north = self.north_west
        offset = (cells.double() + 0.5) * self.resolution
        return torch.stack([west + offset[..., 1], north - offset[..., 0]], dim=-1)

    def all_centers(self) -> Float[Tensor, "rows cols 2"]:
        """World (x, y) of all centres of cells, metres."""
        return self.centers(_all_cells(self.shape))

    @classmethod
    def covering(cls, low: tuple[float, float], high: tuple[float, float], resolution: float) -> "GridFrame":
        """The smallest frame over a rectangle whose corners lie on multiples of the resolution.

        Raises:
            ValueError: the rectangle is empty or not finite, or the resolution is not positive.
        """
        _check_length("GridFrame.resolution", resolution)
        (west, south), (columns, rows) = _cover(low, high, resolution)
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
        _check_cells("NavMap", "cells", self.cells, torch.uint8, self.frame.shape)
        _check_finite("NavMap.z_range", self.z_range)
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
        _check_length("EgoFrame.resolution", self.resolution)
        _check_finite("EgoFrame.pose", (*self.pose, self.ahead))
        _check_counts("EgoFrame.shape", self.shape)

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
        return _within(cells, self.shape)

    def centers(self, cells: Int[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        """World (x, y) of the centres of cells, metres, in float64."""
        x, y, yaw = self.pose
        forward = self.ahead - (cells[..., 0].double() + 0.5) * self.resolution
        left = self.shape[1] * self.resolution / 2 - (cells[..., 1].double() + 0.5) * self.resolution
        east = x + forward * math.cos(yaw) - left * math.sin(yaw)
        return torch.stack([east, y + forward * math.sin(yaw) + left * math.cos(yaw)], dim=-1)

    def all_centers(self) -> Float[Tensor, "rows cols 2"]:
        """World (x, y) of all centres of cells, metres."""
        return self.centers(_all_cells(self.shape))


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
                _check_cells("BevMap", name, getattr(self, name), dtype, self.frame.shape)
        check_field("BevMap", "colors", self.colors, (*self.frame.shape, 3))
        check_field("BevMap", "heights", self.heights, self.frame.shape)
        _check_cells("BevMap", "observed", self.observed, torch.bool, self.frame.shape)
        if (self.labels is None) != (not self.class_names):
            raise ValueError("BevMap has only one of labels and class_names; expected both or neither.")
        if self.labels is not None:
            _check_cells("BevMap", "labels", self.labels, torch.uint8, self.frame.shape)
            _check_classes("BevMap", self.class_names, self.labels)


def _all_cells(shape: tuple[int, int]) -> Int[Tensor, "rows cols 2"]:
    return torch.stack(torch.meshgrid(*map(torch.arange, shape), indexing="ij"), dim=-1)


def _within(indices: Tensor, shape: tuple[int, ...]) -> Tensor:
    limit = torch.tensor(shape, device=indices.device)
    return ((indices >= 0) & (indices < limit)).all(dim=-1)


def _cover(low: tuple[float, ...], high: tuple[float, ...], step: float) -> tuple[list[int], list[int]]:
    """First multiple of `step` and number of steps along each axis; 1e-6 steps forgive rounding."""
    _check_finite("low", low)
    _check_finite("high", high)
    if any(a >= b for a, b in zip(low, high, strict=True)):
        raise ValueError(f"the box from {low} to {high} is empty; expected low < high along every axis.")
    first = [math.floor(a / step + 1e-6) for a in low]
    last = [math.ceil(b / step - 1e-6) for b in high]
    return first, [b - a for a, b in zip(first, last, strict=True)]


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


def _check_length(name: str, metres: float) -> None:
    if not (math.isfinite(metres) and metres > 0):
        raise ValueError(f"{name} is {metres}; expected a positive length in metres.")


def _check_finite(name: str, numbers: tuple[float, ...]) -> None:
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError(f"{name} is {numbers}; expected finite metres.")


def _check_counts(name: str, counts: tuple[int, ...]) -> None:
    if any(count < 1 for count in counts):
        raise ValueError(f"{name} is {counts}; expected at least 1 along every axis.")


def _check_cells(
    owner: str, name: str, value: Shaped[Tensor, "..."], dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    if value.dtype != dtype:
        raise TypeError(f"{owner}.{name} has dtype {value.dtype}; expected {dtype}.")
    if tuple(value.shape) != tuple(shape):
        raise ValueError(
            f"{owner}.{name} has shape {list(value.shape)}; expected {list(shape)}, the shape of its frame."
        )


def _check_classes(owner: str, names: tuple[str, ...], labels: UInt8[Tensor, "..."]) -> None:
    if int(labels.max()) >= len(names):
        raise ValueError(
            f"{owner}.labels holds {int(labels.max())} but there are {len(names)} class names; expected less."
        )
