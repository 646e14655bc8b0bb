"""Free space carved by the training cameras, and the surfaces at which their rays end."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm

from splatsim import native
from splatsim.grids import VoxelFrame
from splatsim.maps.floor import Floor
from splatsim.maps.views import Views
from splatsim.occupancy.raycast import Rays, count_crossings
from splatsim.tensors import TensorDataclass

SKIN = 0.075
"""Metres before and behind a surface over which its distance is averaged."""
STEP = 0.025
"""Metres between the places on a ray, near its end, whose voxels learn of the surface."""
DEEP = 0.5
"""Metres below the floor from which on a ray is not taken to see it."""
SHALLOW = 0.1
"""Cosine of the angle to the normal below which a ray says nothing about where a surface is."""
NEAREST = 0.7
"""Metres below which a surface does not count for more."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class Carving(TensorDataclass):
    """What the cameras say about each voxel."""

    frame: VoxelFrame
    """Where the voxels stand."""
    through: Int[Tensor, "x y z"]
    """Cameras with a ray that crosses the whole voxel, and none that ends in it."""
    ended: Int[Tensor, "x y z"]
    """Cameras with a ray that ends in it."""
    near: Int[Tensor, "x y z"]
    """Cameras with a surface within 7.5 cm of it."""
    distances: Float[Tensor, "x y z"]
    """Mean signed distance of its centre from these surfaces, metres: positive before them, infinite without any."""


def carve(views: Views, frame: VoxelFrame, floor: Floor | None = None) -> Carving:
    """Look along the depth of the first surface that each camera sees.

    Rays are votes for free space (Hornung et al., "OctoMap", 2013, §3); near their ends they tell voxels how far the
    tangent plane of the surface is, weighted by incidence over squared depth (Curless and Levoy 1996, §3).

    Args:
        floor: Rays end on it at the latest, for nothing can be seen below a floor.
    """
    total = _Sums(frame)
    with native.torch_on_one_thread():
        for rays, normals in tqdm(views, desc="carving", unit="view", disable=None, leave=False):
            if floor is not None:
                rays, normals = _above(rays, normals, floor)
            total.add(rays, normals)
    return total.result()


class _Sums:
    """Votes and weighted distances, camera by camera."""

    def __init__(self, frame: VoxelFrame) -> None:
        self.frame = frame
        count = frame.shape[0] * frame.shape[1] * frame.shape[2]
        self.through, self.ended, self.near = (torch.zeros(count, dtype=torch.int32) for _ in range(3))
        self.moments, self.weights = (torch.zeros(count, dtype=torch.float64) for _ in range(2))

    def add(self, rays: Rays, normals: Float[Tensor, "p 3"]) -> None:
        assert rays.reach is not None
        length = rays.directions.norm(dim=-1)
        ends = rays.at(rays.reach)
        ended = self._marked(self._flat(ends)[0])
        crossed = count_crossings(self.frame, rays).flatten() > 0
        self.through += crossed & ~ended
        self.ended += ended
        unit = rays.directions / length[:, None]
        incidence = (unit * normals).sum(-1).abs()
        good = (incidence > SHALLOW).nonzero()[:, 0]
        ends, unit, normals = ends[good], unit[good], normals[good]
        weight = incidence[good] / rays.reach[good].clamp_min(NEAREST).square()
        near = torch.zeros_like(ended)
        for step in range(-round(SKIN / STEP), round(SKIN / STEP) + 1):
            flat, rows = self._flat(ends + unit * (step * STEP))
            apart = ((self._centers(flat) - ends[rows]) * normals[rows]).sum(-1)
            self.moments.index_add_(0, flat, apart * weight[rows])
            self.weights.index_add_(0, flat, weight[rows])
            near[flat] = True
        self.near += near

    def result(self) -> Carving:
        shape = self.frame.shape
        known = self.weights > 0
        mean = torch.where(known, self.moments / torch.where(known, self.weights, 1), torch.inf)
        return Carving(
            self.frame,
            self.through.view(shape),
            self.ended.view(shape),
            self.near.view(shape),
            mean.float().view(shape),
        )

    def _flat(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Flat voxels of the points within the grid, and which points these are."""
        index = self.frame.index_of(points)
        rows = self.frame.contains(index).nonzero()[:, 0]
        x, y, z = index[rows].unbind(-1)
        return (x * self.frame.shape[1] + y) * self.frame.shape[2] + z, rows

    def _centers(self, flat: Tensor) -> Tensor:
        _, ny, nz = self.frame.shape
        return self.frame.centers(torch.stack([flat // (ny * nz), flat // nz % ny, flat % nz], -1))

    def _marked(self, flat: Tensor) -> Tensor:
        mask = torch.zeros(len(self.through), dtype=torch.bool)
        mask[flat] = True
        return mask


def _above(rays: Rays, normals: Float[Tensor, "p 3"], floor: Floor) -> tuple[Rays, Float[Tensor, "p 3"]]:
    """The same rays, shortened where they end a little below the floor: it is the floor that they see.

    What lies far below it is seen past the floor, through a window, or wrongly; such rays say nothing.
    """
    assert rays.reach is not None
    up = torch.tensor([-floor.slope_x, -floor.slope_y, 1.0], dtype=torch.float64)
    height = rays.origins @ up - floor.height
    fall = -(rays.directions @ up)
    meets = torch.where((fall > 1e-9) & (height > 0), height / fall.clamp_min(1e-9), torch.inf)
    lower = meets < rays.reach
    normals = torch.where(lower[:, None], up / up.norm(), normals)
    kept = rays.at(rays.reach) @ up - floor.height > -DEEP
    return rays.until(torch.minimum(rays.reach, meets)).select(kept), normals[kept]
