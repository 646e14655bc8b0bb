"""Where people are and how fast, cell by cell: capsules drawn into voxels and onto maps at each tick."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from splatsim.avatar.capsule_around import segment_distance
from splatsim.avatar.capsules import Capsules
from splatsim.avatar.skeleton import Pose, Skeleton
from splatsim.grids import GridFrame, OccupancyGrid, VoxelFrame
from splatsim.tensors import TensorDataclass

Array = NDArray[np.float64]

PERSON = "person"
"""The class name of people."""


@dataclass(frozen=True)
class PeopleOccupancy(TensorDataclass):
    """People in the voxels of a frame at one moment."""

    frame: VoxelFrame
    """Where the voxels stand."""
    person: Int[Tensor, "x y z"]
    """Number of the person whose body holds the voxel's centre, the nearest one of several; -1 for none."""
    velocity: Float[Tensor, "x y z 3"]
    """Of the body there, m/s in the world; 0 where nobody is."""

    @property
    def occupied(self) -> Bool[Tensor, "x y z"]:
        """Voxels that hold a part of somebody."""
        return self.person >= 0

    def flat(
        self, z_range: tuple[float, float]
    ) -> tuple[GridFrame, Bool[Tensor, "rows cols"], Float[Tensor, "rows cols 2"]]:
        """Seen from above between two heights: the map's frame, where people are, and how fast they move along it.

        Raises:
            ValueError: the heights miss the frame.
        """
        x, y, size = *self.frame.origin[:2], self.frame.voxel_size
        nx, ny, nz = self.frame.shape
        low, high = ((height - self.frame.origin[2]) / size for height in z_range)
        layers = slice(max(0, int(np.floor(low))), min(nz, int(np.ceil(high))))
        if layers.start >= layers.stop:
            raise ValueError(
                f"z_range is {z_range}; expected heights within the frame, which starts at {self.frame.origin[2]}."
            )
        inside = self.occupied[:, :, layers]
        count = inside.sum(dim=2)
        mean = (self.velocity[:, :, layers, :2] * inside[..., None]).sum(dim=2) / count.clamp_min(1)[..., None]
        frame = GridFrame((x, y + ny * size), size, (ny, nx))
        return frame, (count > 0).T.flip(0), mean.transpose(0, 1).flip(0)


def people_occupancy(
    frame: VoxelFrame,
    skeletons: Sequence[Skeleton],
    capsules: Sequence[Capsules],
    before: Pose,
    now: Pose,
    dt: float,
) -> PeopleOccupancy:
    """People in poses [n] on a frame of voxels, with the velocities that brought them there in `dt` seconds.

    Raises:
        ValueError: the counts differ, or `dt` is not positive.
    """
    n = len(skeletons)
    if not (len(capsules) == n and before.root.shape == now.root.shape == (n, 3)):
        raise ValueError(
            f"there are {n} skeletons, {len(capsules)} sets of capsules and poses {list(now.root.shape)}; "
            "expected one each."
        )
    if not 0 < dt < float("inf"):
        raise ValueError(f"dt is {dt}; expected positive seconds between the two poses.")
    person = np.full(frame.shape, -1, np.int64)
    depth = np.zeros(frame.shape)
    velocity = np.zeros((*frame.shape, 3), np.float32)
    for index, (skeleton, shape) in enumerate(zip(skeletons, capsules, strict=True)):
        old, new = shape.posed(skeleton, before[index]), shape.posed(skeleton, now[index])
        for start, end, radius in zip(old, new, shape.radii, strict=True):
            _draw(frame, index, start, end, float(radius), dt, person, depth, velocity)
    return PeopleOccupancy(frame, torch.from_numpy(person), torch.from_numpy(velocity))


def with_people(grid: OccupancyGrid, people: PeopleOccupancy) -> OccupancyGrid:
    """A grid of the place with the people in it, as the class "person"; where they are is observed.

    Raises:
        ValueError: the frames differ.
    """
    if people.frame != grid.frame:
        raise ValueError(f"the people stand in {people.frame}, the place in {grid.frame}; expected one frame.")
    names = grid.class_names if PERSON in grid.class_names else (*grid.class_names, PERSON)
    label = torch.tensor(names.index(PERSON), dtype=torch.uint8)
    here = people.occupied.to(grid.labels.device)
    labels = torch.where(here, label.to(grid.labels.device), grid.labels)
    return grid.replace(
        labels=labels, class_names=names, observed=grid.observed | here, interior=None, probabilities=None
    )


def _draw(
    frame: VoxelFrame,
    index: int,
    before: Array,
    now: Array,
    radius: float,
    dt: float,
    person: NDArray[np.int64],
    depth: Array,
    velocity: NDArray[np.float32],
) -> None:
    """One capsule, whose ends moved from one place to another, into the arrays."""
    origin, size = np.array(frame.origin), frame.voxel_size
    low = np.floor((now.min(axis=0) - radius - origin) / size).astype(int).clip(0, frame.shape)
    high = np.ceil((now.max(axis=0) + radius - origin) / size).astype(int).clip(0, frame.shape)
    if (high <= low).any():
        return
    axes = [origin[k] + (np.arange(low[k], high[k]) + 0.5) * size for k in range(3)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    gap, share = segment_distance(points, now[0], now[1])
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    deeper = (radius - gap).reshape(person[box].shape)
    wins = (deeper > depth[box]) | ((deeper >= 0) & (person[box] < 0))
    moved = (now - before) / dt
    speed = ((1 - share)[:, None] * moved[0] + share[:, None] * moved[1]).reshape(*wins.shape, 3)
    person[box][wins] = index
    depth[box][wins] = deeper[wins]
    velocity[box][wins] = speed[wins]
