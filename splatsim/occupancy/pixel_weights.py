"""How much each pixel of a picture counts, and which do not."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.grids import FREE_CLASS
from splatsim.occupancy.dense_maps import trace_maps
from splatsim.occupancy.logits import LogitGrid
from splatsim.occupancy.raycast import camera_rays
from splatsim.occupancy.targets import IGNORE

Per = Literal["pixel", "voxel", "ray"]


def pixel_weights(grid: LogitGrid, cameras: Cameras, per: Per) -> Float[Tensor, " p"]:
    """How much each pixel counts by the size of what it shows: a voxel at 5 m covers 60 times one at 40 m."""
    count = len(cameras) * cameras.height * cameras.width
    if per == "ray" and cameras.model == "pinhole":
        # A pixel at the angle θ from the axis covers cos³ θ of what one in the middle covers.
        weights: Tensor = camera_rays(cameras).directions.norm(dim=-1) ** -3
        return weights
    if per != "voxel":
        return torch.ones(count, dtype=torch.float64)
    names = tuple(FREE_CLASS if i == grid.free_label else str(i) for i in range(len(grid.logits)))
    voxels = trace_maps(grid.detach().to_grid(names), cameras).voxels.flatten()
    _, which, number = voxels.unique(return_inverse=True, return_counts=True)
    weights = 1 / number[which].double()
    sky = voxels < 0
    if bool(sky.any()) and not bool(sky.all()):
        weights[sky] = weights[~sky].mean()  # the sky is no voxel: its pixels count as the others do on average
    return weights


def without_borders(labels: Int[Tensor, "c h w"], band: int) -> Int[Tensor, "c h w"]:
    """Labels with IGNORE on all pixels within `band` pixels of another label."""
    if band == 0:
        return labels
    border = torch.zeros_like(labels, dtype=torch.bool)
    across, down = labels[:, :, 1:] != labels[:, :, :-1], labels[:, 1:] != labels[:, :-1]
    border[:, :, 1:] |= across
    border[:, :, :-1] |= across
    border[:, 1:] |= down
    border[:, :-1] |= down
    size = 2 * (band - 1) + 1
    wide = torch.nn.functional.max_pool2d(border.float()[:, None], size, stride=1, padding=band - 1)[:, 0] > 0
    kept: Tensor = torch.where(wide, IGNORE, labels)
    return kept
