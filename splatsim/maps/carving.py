"""Free space carved by the training cameras, and the surfaces at which their rays end."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm

from splatsim.cameras import Cameras
from splatsim.gaussians import Gaussians
from splatsim.grids import VoxelFrame
from splatsim.maps.floor import Floor
from splatsim.occupancy.raycast import Rays, camera_rays, count_crossings
from splatsim.rendering import Backend, render_surface
from splatsim.tensors import TensorDataclass

WIDTH = 320
"""Pixels, of the depth pictures that carve: at 4 m a pixel is then about 2 cm wide."""
SKIN = 0.075
"""Metres before and behind a surface over which its distance is averaged."""
STEP = 0.025
"""Metres between the places on a ray, near its end, whose voxels learn of the surface."""
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


@dataclass(frozen=True, eq=False)
class Views:
    """Depth pictures to carve with, made one after the other."""

    gaussians: Gaussians
    """What is seen."""
    cameras: Cameras
    """From where."""
    antialiased: bool = False
    """As the Gaussians were fitted."""
    backend: Backend = "auto"
    """Who renders."""

    def __len__(self) -> int:
        return len(self.cameras)

    def __iter__(self) -> Iterator[tuple[Rays, Float[Tensor, "p 3"]]]:
        """Rays that end at the first surface, and its normals there; rays that meet nothing are left out."""
        plain = self.gaussians.detach().replace(features=None).with_sh_degree(0)
        for index in range(len(self.cameras)):
            camera = self.cameras[index]
            with torch.no_grad():
                seen = render_surface(
                    plain,
                    camera.to(plain.means.device).to(plain.means.dtype),
                    antialiased=self.antialiased,
                    backend=self.backend,
                )
            reach = seen.depths.flatten().cpu().double()
            met = reach > 0
            yield camera_rays(camera).select(met).until(reach[met]), seen.normals.reshape(-1, 3).cpu().double()[met]


def carve(views: Views, frame: VoxelFrame, floor: Floor | None = None) -> Carving:
    """Look along the depth of the first surface that each camera sees.

    Rays are votes for free space (Hornung et al., "OctoMap", 2013, §3); near their ends they tell voxels how far the
    tangent plane of the surface is, weighted by incidence over squared depth (Curless and Levoy 1996, §3).

    Args:
        floor: Rays end on it at the latest, for nothing can be seen below a floor.
    """
    total = _Sums(frame)
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
    """The same rays, shortened where they go below the floor; there the floor is what they see."""
    assert rays.reach is not None
    up = torch.tensor([-floor.slope_x, -floor.slope_y, 1.0], dtype=torch.float64)
    height = rays.origins @ up - floor.height
    fall = -(rays.directions @ up)
    meets = torch.where((fall > 1e-9) & (height > 0), height / fall.clamp_min(1e-9), torch.inf)
    lower = meets < rays.reach
    normals = torch.where(lower[:, None], up / up.norm(), normals)
    return rays.until(torch.minimum(rays.reach, meets)), normals


def at_width(cameras: Cameras, width: int) -> Cameras:
    """The same views in pictures of this width, or as they are where they are smaller.

    Raises:
        ValueError: the width is not positive.
    """
    if width < 1:
        raise ValueError(f"width is {width}; expected a number of pixels, 1 or more.")
    if cameras.width <= width:
        return cameras
    share = width / cameras.width
    height = max(1, round(cameras.height * share))
    Ks = cameras.Ks.clone()
    Ks[:, 0] *= share
    Ks[:, 1] *= height / cameras.height
    return cameras.replace(Ks=Ks, width=width, height=height)
