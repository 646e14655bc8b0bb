"""Voxels of a scene: where they stand, and what fills them."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from splatsim.grids._checks import (
    FREE,
    FREE_CLASS,
    OCCUPIED,
    UNKNOWN,
    check_cells,
    check_classes,
    check_counts,
    check_finite,
    check_length,
    cover,
    within,
)
from splatsim.tensors import TensorDataclass, check_field


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
        check_length("VoxelFrame.voxel_size", self.voxel_size)
        check_finite("VoxelFrame.origin", self.origin)
        check_counts("VoxelFrame.shape", self.shape)

    def index_of(self, points: Float[Tensor, "*batch 3"]) -> Int[Tensor, "*batch 3"]:
        """The voxel that holds each point; points outside get indices outside `shape`."""
        origin = torch.tensor(self.origin, dtype=points.dtype, device=points.device)
        return torch.floor((points - origin) / self.voxel_size).long()

    def contains(self, indices: Int[Tensor, "*batch 3"]) -> Bool[Tensor, "*batch"]:
        """Whether the indices lie within the grid."""
        return within(indices, self.shape)

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
        check_length("VoxelFrame.voxel_size", voxel_size)
        first, counts = cover(low, high, voxel_size)
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
        check_cells("OccupancyGrid", "labels", self.labels, torch.uint8, self.frame.shape)
        check_cells("OccupancyGrid", "observed", self.observed, torch.bool, self.frame.shape)
        if self.interior is not None:
            check_cells("OccupancyGrid", "interior", self.interior, torch.bool, self.frame.shape)
        if self.probabilities is not None:
            check_field(
                "OccupancyGrid", "probabilities", self.probabilities, (*self.frame.shape, len(self.class_names))
            )
        check_classes("OccupancyGrid", self.class_names, self.labels)
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
