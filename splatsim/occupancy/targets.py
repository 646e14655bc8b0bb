"""What supervises a grid: pictures of labels, depths, LiDAR returns, or another grid seen by the same renderer."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.grids import OccupancyGrid
from splatsim.occupancy.dense_maps import render_maps, trace_maps
from splatsim.occupancy.raycast import Rays
from splatsim.occupancy.viewpoints import check_intrinsics, check_outside
from splatsim.occupancy.voxel_shapes import VoxelShape, gaussianize
from splatsim.tensors import TensorDataclass, check_field
from splatsim.transforms import apply

IGNORE = 255
"""The label of pixels and returns that say nothing."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class Targets(TensorDataclass):
    """What the c cameras of one grid, and its LiDAR, have seen. Any part may be missing.

    Raises:
        TypeError: a field has another dtype.
        ValueError: shapes do not fit together, or a soft label is not a distribution.
    """

    labels: UInt8[Tensor, "c h w"] | Int[Tensor, "c h w"] | None = None
    """Labels of the grid; its free label where the ray meets nothing (sky), 255 where nothing is known."""
    soft: Float[Tensor, "c h w k"] | None = None
    """In place of labels: probability of each class but the free one; what is missing to 1 is sky."""
    depths: Float[Tensor, "c h w"] | None = None
    """z-depth, metres; 0 where it is not known."""
    weights: Float[Tensor, "c h w"] | None = None
    """How much each pixel counts; 1, if None."""
    rays: Rays | None = None
    """LiDAR rays of unit direction with their ranges as `reach`. Rays without a return are left out, not free."""
    ray_labels: UInt8[Tensor, " n"] | Int[Tensor, " n"] | None = None
    """Labels of the returns, 255 where they are not known."""

    def __post_init__(self) -> None:
        if self.labels is not None and self.labels.is_floating_point():
            raise TypeError(f"Targets.labels has dtype {self.labels.dtype}; expected whole numbers.")
        sizes = {name: tuple(t.shape[:3]) for name, t in self._pictures().items()}
        if len(set(sizes.values())) > 1 or any(len(size) != 3 for size in sizes.values()):
            raise ValueError(f"Targets has pictures of {sizes}; expected the same cameras, height and width in all.")
        if self.soft is not None:
            check_field("Targets", "soft", self.soft, ("c", "h", "w", "k"))
            total = self.soft.sum(dim=-1)
            if not bool(((self.soft >= -1e-4).all(dim=-1) & (total <= 1 + 1e-3)).all()):
                raise ValueError(
                    f"Targets.soft sums to {float(total.min())} to {float(total.max())}; expected probabilities."
                )
        for name in ("depths", "weights"):
            value = getattr(self, name)
            if value is not None and not bool((value.isfinite() & (value >= 0)).all()):
                raise ValueError(f"Targets.{name} holds a number that is negative or not finite; expected 0 or more.")
        if self.ray_labels is not None and (self.rays is None or len(self.rays) != len(self.ray_labels)):
            raise ValueError(f"Targets has {len(self.ray_labels)} ray labels without as many rays; expected one each.")
        if self.rays is not None and self.rays.reach is None:
            raise ValueError("Targets.rays has no reach; expected the measured range of each ray, metres.")

    def _pictures(self) -> dict[str, Tensor]:
        names = ("labels", "soft", "depths", "weights")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def size(self) -> tuple[int, int, int] | None:
        """Cameras, height and width of the pictures, if there are any."""
        for picture in self._pictures().values():
            c, h, w = picture.shape[:3]
            return c, h, w
        return None


def targets_of_grid(
    grid: OccupancyGrid,
    cameras: Cameras,
    *,
    renderer: Literal["splat", "exact"] = "splat",
    shape: VoxelShape = VoxelShape(),  # noqa: B008 - frozen
) -> Targets:
    """The true grid as the same cameras see it. Pixels whose ray crosses unknown voxels before it hits do not count.

    Args:
        renderer: By Gaussians, as predictions are rendered: soft edges on both sides cancel; or by exact rays.

    Raises:
        ValueError: a camera stands in an occupied voxel, or has the intrinsics of another picture; it is named.
    """
    check_intrinsics(cameras, "targets_of_grid")
    check_outside(grid, cameras)
    exact = trace_maps(grid, cameras)
    weights = (exact.unknown == 0).float()
    if renderer == "exact":
        return Targets(labels=exact.labels, depths=exact.depths, weights=weights)
    maps = render_maps(gaussianize(grid, shape).gaussians, cameras)
    depths = torch.where(maps.alphas > 0.5, maps.depths, 0)
    return Targets(soft=maps.semantics.clamp(0, 1), depths=depths, weights=weights)


def targets_of_points(
    points: Float[Tensor, "n 3"],
    labels: UInt8[Tensor, " n"] | Int[Tensor, " n"],
    cameras: Cameras,
    origin: Float[Tensor, "3"] | None = None,
) -> Targets:
    """LiDAR points as sparse pictures, the nearest of each pixel, and, if the sensor's place is given, as rays.

    Args:
        points: In the frame of the grid, metres.
        origin: Where the sensor stood.

    Raises:
        ValueError: the numbers of points and labels differ, or a camera has the intrinsics of another picture.
    """
    check_intrinsics(cameras, "targets_of_points")
    if len(points) != len(labels):
        raise ValueError(f"there are {len(points)} points and {len(labels)} labels; expected one each.")
    pictures, depths = [], []
    for c in range(len(cameras)):
        picture, depth = _project(points.to(cameras.viewmats), labels, cameras[c])
        pictures.append(picture)
        depths.append(depth)
    rays, ray_labels = None, None
    if origin is not None:
        offsets = points.double() - origin.double()
        ranges = offsets.norm(dim=-1)
        far = ranges > 0
        rays = Rays(origin.double().expand(int(far.sum()), 3), offsets[far] / ranges[far, None], ranges[far].double())
        ray_labels = labels[far]
    return Targets(labels=torch.stack(pictures), depths=torch.stack(depths), rays=rays, ray_labels=ray_labels)


def _project(points: Tensor, labels: Tensor, camera: Cameras) -> tuple[Int[Tensor, "h w"], Float[Tensor, "h w"]]:
    """Label and z-depth of the nearest point on each pixel."""
    local = apply(camera.viewmats[0], points)
    ahead = local[:, 2] > 0.01
    local, own = local[ahead], labels[ahead].long()
    flat = local / local[:, 2:] if camera.model == "pinhole" else torch.cat([local[:, :2], 0 * local[:, 2:] + 1], -1)
    pixels = torch.floor((flat @ camera.Ks[0].T)[:, :2]).long()
    inside = ((pixels >= 0) & (pixels < torch.tensor([camera.width, camera.height]))).all(dim=-1)
    index = pixels[inside, 1] * camera.width + pixels[inside, 0]
    order = local[inside, 2].argsort(descending=True, stable=True)  # the nearest is written last
    picture = torch.full((camera.height * camera.width,), IGNORE, dtype=torch.int64)
    depth = torch.zeros(camera.height * camera.width, dtype=points.dtype)
    index, near, kind = index[order], local[inside, 2][order], own[inside][order]
    depth.scatter_reduce_(0, index, near, "amin", include_self=False)
    first = near == depth[index]
    picture[index[first]] = kind[first]
    return picture.view(camera.height, camera.width), depth.view(camera.height, camera.width)
