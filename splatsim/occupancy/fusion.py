"""Grids over time as one: log-odds of posed frames, and which views show most."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.grids import OccupancyGrid, VoxelFrame
from splatsim.occupancy.dense_maps import trace_maps
from splatsim.occupancy.logits import LogitGrid, logits_of
from splatsim.transforms import apply, invert

CLAMP = 6.0
"""Log-odds that a voxel gathers at most, so that it can change its mind."""


def fuse(
    grids: Sequence[OccupancyGrid | LogitGrid],
    world_from_grid: Float[Tensor, "t 4 4"],
    frame: VoxelFrame,
    *,
    confidence: float = 0.8,
) -> LogitGrid:
    """Add up the log-odds of grids at several poses on one frame; what no grid has observed stays unobserved.

    Each voxel takes, from each grid, the voxel that its centre falls into. Class logits are added where they are
    evidence of something solid. Things that move leave traces: mask them out of `observed` first.

    Args:
        confidence: How far grids of mere labels are believed.

    Raises:
        ValueError: there are no grids, not one pose for each, or their classes differ.
    """
    if not grids or len(grids) != len(world_from_grid):
        raise ValueError(
            f"there are {len(grids)} grids and {len(world_from_grid)} poses; expected one each, at least 1."
        )
    soft = [grid if isinstance(grid, LogitGrid) else logits_of(grid, confidence) for grid in grids]
    kinds = {(len(grid.logits), grid.free_label) for grid in soft}
    if len(kinds) > 1:
        raise ValueError(f"grids have (classes, free label) {sorted(kinds)}; expected the same in all.")
    index = torch.ones(frame.shape, dtype=torch.bool).nonzero()
    centers = frame.centers(index)
    total = torch.zeros(len(soft[0].logits), len(index))
    seen = torch.zeros(len(index), dtype=torch.bool)
    for grid, pose in zip(soft, world_from_grid, strict=True):
        own = grid.frame.index_of(apply(invert(pose.double()), centers))
        rows = grid.frame.contains(own).nonzero()[:, 0]
        x, y, z = own[rows].unbind(-1)
        known = grid.mask()[x, y, z]
        rows, x, y, z = rows[known], x[known], y[known], z[known]
        evidence = grid.logits.detach()[:, x, y, z]
        total[:, rows] += evidence - evidence[grid.free_label]
        seen[rows] = True
    total = total.clamp(-CLAMP, CLAMP)
    logits = total.view(-1, *frame.shape)
    return LogitGrid(frame, logits, soft[0].free_label, seen.view(frame.shape))


def select_views(grid: OccupancyGrid, candidates: Cameras, count: int) -> list[int]:
    """Cameras that together show most voxels: each next one shows most of what none before it has.

    Greedy, so within 63 % of the best choice (Nemhauser et al. 1978). It ends early where nothing new is to be seen.

    Raises:
        ValueError: fewer than one view is asked for.
    """
    if count < 1:
        raise ValueError(f"count is {count}; expected at least one view.")
    shows = torch.stack([visible_voxels(grid, candidates[c]) for c in range(len(candidates))])
    seen = torch.zeros_like(shows[0])
    chosen: list[int] = []
    for _ in range(min(count, len(candidates))):
        gain = (shows & ~seen).sum(dim=-1)
        best = int(gain.argmax())
        if int(gain[best]) == 0:
            break
        chosen.append(best)
        seen |= shows[best]
    return chosen


def visible_voxels(grid: OccupancyGrid, cameras: Cameras) -> Bool[Tensor, " v"]:
    """Occupied voxels, by flat index, that are first on the ray of some pixel."""
    hits = trace_maps(grid, cameras).voxels
    shown = torch.zeros(grid.labels.numel(), dtype=torch.bool)
    shown[hits[hits >= 0]] = True
    return shown
