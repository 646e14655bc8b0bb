"""What is seen of logits at pixels, by Gaussians or by exact rays: the rows that the terms of a loss are made of."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.gaussians import Gaussians
from splatsim.occupancy.dense_maps import render_maps
from splatsim.occupancy.logits import LogitGrid
from splatsim.occupancy.loss_options import LossOptions
from splatsim.occupancy.raycast import camera_rays, composite


class Pixels(NamedTuple):
    """What is seen at some pixels of one set of cameras."""

    chances: Float[Tensor, "p c"]
    """Probability of each label, the free one for sky."""
    alphas: Float[Tensor, " p"]
    depths: Float[Tensor, " p"]
    """Expected z-depth, metres."""
    squares: Float[Tensor, " p"] | None
    """Composited z², square metres."""


def drawn_pixels(cameras: Cameras, options: LossOptions, seed: int) -> Int[Tensor, " p"]:
    """The flat pixels that are looked at."""
    count = len(cameras) * cameras.height * cameras.width
    if options.renderer == "splat" or options.pixels is None or options.pixels >= count:
        return torch.arange(count)
    drawn = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[: options.pixels]
    return drawn.sort().values


def splat_pixels(grid: LogitGrid, gaussians: Gaussians, cameras: Cameras, options: LossOptions) -> Pixels:
    """Pixels of the splatted maps."""
    cameras = cameras.to(gaussians.means.dtype)
    assert gaussians.features is not None
    k = gaussians.features.shape[1]
    if not options.distortion:
        maps = render_maps(gaussians, cameras, backend=options.backend)
        semantics, squares = maps.semantics, None
    else:
        # One more channel, z² in units of a voxel, is another one for each camera.
        views = []
        for c in range(len(cameras)):
            z = gaussians.means @ cameras.viewmats[c, 2, :3] + cameras.viewmats[c, 2, 3]
            features = torch.cat([gaussians.features, (z / grid.frame.voxel_size)[:, None].square()], dim=-1)
            views.append(render_maps(gaussians.replace(features=features), cameras[c], backend=options.backend))
        maps = type(views[0])(
            torch.cat([v.semantics for v in views]),
            torch.cat([v.alphas for v in views]),
            torch.cat([v.depths for v in views]),
        )
        semantics, squares = maps.semantics[..., :k], maps.semantics[..., k].flatten() * grid.frame.voxel_size**2
    alphas = maps.alphas.flatten()
    return Pixels(chances_with_sky(grid, semantics.reshape(-1, k), alphas), alphas, maps.depths.flatten(), squares)


def trace_pixels(grid: LogitGrid, field: tuple[Tensor, Tensor], cameras: Cameras, rows: Tensor) -> Pixels:
    """Pixels by exact rays."""
    seen = composite(grid.frame, *field, camera_rays(cameras).select(rows))
    met = seen.alphas > 1e-6
    depths = torch.where(met, seen.ranges / torch.where(met, seen.alphas, 1), 0)
    return Pixels(chances_with_sky(grid, seen.values, seen.alphas), seen.alphas, depths, seen.squares)


def chances_with_sky(
    grid: LogitGrid, semantics: Float[Tensor, "p k"], alphas: Float[Tensor, " p"]
) -> Float[Tensor, "p c"]:
    """Probabilities by label: what is not covered is free."""
    sky = (1 - alphas).clamp_min(0)[:, None]
    f = grid.free_label
    return torch.cat([semantics[:, :f], sky, semantics[:, f:]], dim=-1).clamp_min(0)
