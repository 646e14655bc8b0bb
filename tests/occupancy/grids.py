"""Small grids and independent ways to look through them."""

import itertools

import numpy as np
import torch

from splatsim.grids import OccupancyGrid, VoxelFrame
from splatsim.occupancy.raycast import Rays

CLASSES = ("free", "ground", "wall", "tree")


def frame_of(shape: tuple[int, int, int] = (7, 6, 5), voxel_size: float = 0.5) -> VoxelFrame:
    return VoxelFrame((-1.0, 0.5, -0.25), voxel_size, shape)


def random_grid(shape: tuple[int, int, int] = (7, 6, 5), *, seed: int = 0, filled: float = 0.15) -> OccupancyGrid:
    """A grid with a few occupied voxels and a few that nobody has seen."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(1, len(CLASSES), shape, generator=generator)
    labels = torch.where(torch.rand(shape, generator=generator) < filled, labels, 0).to(torch.uint8)
    observed = torch.rand(shape, generator=generator) < 0.9
    return OccupancyGrid(frame_of(shape), labels, CLASSES, observed)


def random_rays(n: int, frame: VoxelFrame, *, seed: int = 0) -> Rays:
    """Rays from within and around a grid, a part of them along the axes."""
    generator = torch.Generator().manual_seed(seed)
    size = torch.tensor(frame.shape) * frame.voxel_size
    low = torch.tensor(frame.origin).double()
    origins = low + size * (2.5 * torch.rand(n, 3, generator=generator, dtype=torch.float64) - 0.75)
    targets = low + size * torch.rand(n, 3, generator=generator, dtype=torch.float64)
    directions = targets - origins
    straight = torch.eye(3, dtype=torch.float64).repeat(n // 3 + 1, 1)[:n]
    axis = torch.arange(n) % 4 == 0
    return Rays(origins, torch.where(axis[:, None], straight * directions.sign(), directions))


def slab(frame: VoxelFrame, index: np.ndarray, origin: np.ndarray, direction: np.ndarray) -> tuple[float, float]:
    """Where a ray enters and leaves one voxel, by the intersection of three slabs; (inf, inf) if it does not."""
    low = np.array(frame.origin) + index * frame.voxel_size
    near, far = 0.0, np.inf
    for axis in range(3):
        if direction[axis] == 0:
            if not low[axis] <= origin[axis] < low[axis] + frame.voxel_size:
                return np.inf, np.inf
            continue
        ends = sorted(
            [
                (low[axis] - origin[axis]) / direction[axis],
                (low[axis] + frame.voxel_size - origin[axis]) / direction[axis],
            ]
        )
        near, far = max(near, ends[0]), min(far, ends[1])
    return (near, far) if far > near else (np.inf, np.inf)


def path(frame: VoxelFrame, origin: np.ndarray, direction: np.ndarray) -> list[tuple[float, float, tuple[int, ...]]]:
    """All voxels on a ray with entry and exit, sorted, found by trying every voxel."""
    found = []
    for index in itertools.product(*(range(n) for n in frame.shape)):
        entry, leave = slab(frame, np.array(index), origin, direction)
        if leave - entry > 1e-12 and np.isfinite(entry):
            found.append((entry, leave, index))
    return sorted(found)
