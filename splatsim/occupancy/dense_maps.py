"""Dense pictures of a sparse grid: by splatted Gaussians, differentiable, and by exact rays, the reference."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.gaussians import Gaussians
from splatsim.grids import OccupancyGrid
from splatsim.occupancy.logits import LogitGrid
from splatsim.occupancy.raycast import camera_rays, cast
from splatsim.occupancy.voxel_shapes import VoxelShape, gaussianize
from splatsim.rendering import Backend, render, render_surface
from splatsim.spherical_harmonics import C0
from splatsim.tensors import TensorDataclass

CHANNELS_PER_PASS = 16
"""Feature channels that one pass of the native rasteriser composites; three more ride as colours."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class DenseMaps(TensorDataclass):
    """What c cameras see of Gaussians whose features are class probabilities."""

    semantics: Float[Tensor, "c h w k"]
    """Class probabilities times coverage: what is missing to 1 is background."""
    alphas: Float[Tensor, "c h w"]
    """Coverage, in [0, 1]."""
    depths: Float[Tensor, "c h w"]
    """Expected z-depth in metres, 0 where nothing is met."""
    surface_depths: Float[Tensor, "c h w"] | None = None
    """z-depth at which half of the light is stopped, 0 where less is."""
    normals: Float[Tensor, "c h w 3"] | None = None
    """Of that surface, in the world, towards the camera."""

    def labels(self, solid_labels: Int[Tensor, " k"], free_label: int, threshold: float = 0.5) -> Int[Tensor, "c h w"]:
        """The likeliest label of each pixel; the free one where coverage is below the threshold."""
        best = solid_labels[self.semantics.argmax(dim=-1)] if self.semantics.shape[-1] else free_label
        return torch.where(self.alphas >= threshold, best, free_label)


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class ExactMaps(TensorDataclass):
    """What c cameras see of a grid, pixel by pixel along exact rays."""

    labels: Int[Tensor, "c h w"]
    """Of the first occupied voxel; the free label where there is none."""
    depths: Float[Tensor, "c h w"]
    """z-depth where it is entered, metres; 0 where there is none."""
    normals: Float[Tensor, "c h w 3"]
    """Of the face that is entered, in the world; 0 where there is none."""
    voxels: Int[Tensor, "c h w"]
    """Its flat index, or -1."""
    unknown: Float[Tensor, "c h w"]
    """Metres of z-depth through unknown voxels before the hit: where it is not 0, something may hide there."""

    @property
    def hit(self) -> Bool[Tensor, "c h w"]:
        """Whether the ray meets an occupied voxel."""
        return self.voxels >= 0


@overload
def render_maps(
    gaussians: Gaussians, cameras: Cameras, *, surface: bool = False, backend: Backend = "auto"
) -> DenseMaps: ...
@overload
def render_maps(
    gaussians: Gaussians, cameras: list[Cameras], *, surface: bool = False, backend: Backend = "auto"
) -> list[DenseMaps]: ...
def render_maps(
    gaussians: Gaussians, cameras: Cameras | list[Cameras], *, surface: bool = False, backend: Backend = "auto"
) -> DenseMaps | list[DenseMaps]:
    """Semantics, coverage and depth of Gaussians with class probabilities as features, differentiable.

    Args:
        cameras: Pinhole or ortho; a list, one for each image size, gives a list.
        surface: First-surface depth and normals as well.

    Raises:
        ValueError: the Gaussians have no features.
        TypeError, BackendUnavailable, ResourceError: as in `splatsim.render`.
    """
    if isinstance(cameras, list):
        return [render_maps(gaussians, one, surface=surface, backend=backend) for one in cameras]
    if gaussians.features is None:
        raise ValueError("render_maps got Gaussians without features; expected class probabilities [n k] in them.")
    riders = _riders(gaussians.features.shape[1])
    seen = render(_with_riders(gaussians, riders), cameras, backend=backend)
    parts = []
    if riders:
        parts.append(seen.colors[..., :riders] - seen.alphas[..., None])
    if seen.features is not None:
        parts.append(seen.features)
    assert seen.depths is not None
    semantics = torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]
    maps = DenseMaps(semantics, seen.alphas, seen.depths)
    if not surface:
        return maps
    met = render_surface(gaussians, cameras, backend=backend)
    return maps.replace(surface_depths=met.depths, normals=met.normals)


def render_batch(
    grids: Sequence[OccupancyGrid | LogitGrid],
    cameras: Sequence[Cameras | list[Cameras]],
    shape: VoxelShape = VoxelShape(),  # noqa: B008 - frozen
    *,
    surface: bool = False,
    backend: Backend = "auto",
) -> list[DenseMaps | list[DenseMaps]]:
    """`render_maps` of each grid by the cameras of its own.

    Raises:
        ValueError: there are not as many camera sets as grids.
    """
    if len(grids) != len(cameras):
        raise ValueError(f"render_batch got {len(grids)} grids and {len(cameras)} sets of cameras; expected one each.")
    return [
        render_maps(gaussianize(grid, shape).gaussians, own, surface=surface, backend=backend)
        for grid, own in zip(grids, cameras, strict=True)
    ]


def trace_maps(grid: OccupancyGrid, cameras: Cameras) -> ExactMaps:
    """The same pictures by exact rays through the voxels, on the CPU and without gradients."""
    hits = cast(grid, camera_rays(cameras))
    size = (len(cameras), cameras.height, cameras.width)
    depths = torch.where(hits.hit, hits.entry, 0).float()
    return ExactMaps(
        labels=hits.labels.view(size),
        depths=depths.view(size),
        normals=hits.normals.float().view(*size, 3),
        voxels=hits.index.view(size),
        unknown=hits.unknown.float().view(size),
    )


def _riders(channels: int) -> int:
    """Channels that ride as colours, where that saves a pass of the rasteriser."""
    left = channels % CHANNELS_PER_PASS
    return left if 0 < left <= 3 else 0


def _with_riders(gaussians: Gaussians, riders: int) -> Gaussians:
    """The first channels as colours, raised by 1 so that none is cut off at 0; the raise comes back as coverage."""
    if not riders or gaussians.features is None:
        return gaussians
    colors = torch.nn.functional.pad(gaussians.features[:, :riders], (0, 3 - riders))
    rest = gaussians.features[:, riders:].contiguous()
    return gaussians.replace(sh=((colors + 0.5) / C0)[:, None, :], features=rest if rest.shape[1] else None)
