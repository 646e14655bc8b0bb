"""refine(): a sparse grid to dense maps and, where something was seen, to a better grid."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm

from splatsim.cameras import Cameras
from splatsim.gaussians import Gaussians
from splatsim.grids import OccupancyGrid
from splatsim.occupancy.dense_maps import DenseMaps, render_maps
from splatsim.occupancy.logits import LogitGrid, logits_of, solid_labels_of
from splatsim.occupancy.loss_options import LossOptions
from splatsim.occupancy.raycast import Rays, camera_rays, cast, count_crossings
from splatsim.occupancy.refinement_loss import gs_refinement_loss
from splatsim.occupancy.targets import IGNORE, Targets
from splatsim.occupancy.viewpoints import cameras_inside, check_intrinsics
from splatsim.occupancy.voxel_shapes import VoxelShape, gaussianize
from splatsim.rendering import Backend


@dataclass(frozen=True)
class RefineOptions:
    """How a grid is refined.

    Raises:
        ValueError: a number is out of range.
    """

    shape: VoxelShape = VoxelShape()  # noqa: RUF009 - frozen
    """How voxels become Gaussians in the maps."""
    loss: LossOptions = LossOptions(renderer="rays", returns=1.0, carve=1.0)  # noqa: RUF009 - frozen
    """What is minimised in test-time steps; depths become rays, the other terms are for pixels without one."""
    confidence: float = 0.9
    """How far the labels of a grid without probabilities are believed before the steps."""
    learning_rate: float = 0.3
    """Of Adam, in logits."""
    rays: int = 32_768
    """Rays that are drawn for each step."""
    cameras_at_once: int = 8
    """Cameras that are rendered together: bounds the memory."""
    seed: int = 0
    """For the rays that are drawn."""
    backend: Backend = "auto"
    """Who renders."""

    def __post_init__(self) -> None:
        for name in ("rays", "cameras_at_once"):
            if getattr(self, name) < 1:
                raise ValueError(f"RefineOptions.{name} is {getattr(self, name)}; expected at least 1.")
        if not self.learning_rate > 0:
            raise ValueError(f"RefineOptions.learning_rate is {self.learning_rate}; expected a positive number.")


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class Refinement:
    """Dense maps of a grid, and the grid itself, refined where anything was seen."""

    maps: list[DenseMaps]
    """For each set of cameras, what they see."""
    gaussians: Gaussians
    """What was rendered."""
    grid: OccupancyGrid
    """With probabilities; the given one where no steps were made."""
    uncertainty: Float[Tensor, "x y z"]
    """Entropy of each voxel's classes over that of a coin for all, in [0, 1]; 1 where nobody has seen."""
    visibility: Int[Tensor, "x y z"]
    """Rays of the cameras that cross the voxel or end in it."""
    losses: list[float]
    """Of each step."""
    report: dict[str, Any]
    """Numbers: Gaussians, covered pixels, for each class its voxels, the visible ones and its pixels, and for each set
    of cameras those that stand in an occupied voxel."""


def refine(
    grid: OccupancyGrid | LogitGrid,
    cameras: Cameras | list[Cameras],
    targets: Targets | list[Targets] | None = None,
    steps: int = 0,
    *,
    class_names: tuple[str, ...] | None = None,
    options: RefineOptions = RefineOptions(),
    progress: bool = True,
) -> Refinement:
    """Dense semantic maps of a sparse grid (after GSRefinement of UnsOcc, 2026), from any number of cameras.

    With steps, the logits of the grid are first optimised against what the cameras have seen: pixels with a depth and
    LiDAR returns as likelihoods of rays, the sky as free space, pixels with a mere label by rendering. What the targets
    do not tell stays as it was, and what nobody has observed stays unknown.

    Args:
        targets: For each set of cameras, what it has seen; only used with steps.
        steps: Of test-time optimisation.
        class_names: By label, one of them "free"; needed where the grid is one of logits.
        progress: Show a bar on a terminal.

    Raises:
        ValueError: there are steps without targets, or what is given does not fit together; the camera is named.
    """
    sets = cameras if isinstance(cameras, list) else [cameras]
    if steps < 0:
        raise ValueError(f"steps is {steps}; expected 0 or more.")
    for i, one in enumerate(sets):
        check_intrinsics(one, f"cameras {i}")
    losses: list[float] = []
    start: LogitGrid | None
    if isinstance(grid, LogitGrid):
        if class_names is None:
            raise ValueError("refine got logits without class_names; expected a name for each class.")
        start, names = grid, class_names
        current = grid.to_grid(names)
    else:
        names, current = grid.class_names, grid
        start = logits_of(grid, options.confidence) if steps else None
    if steps:
        seen = targets if isinstance(targets, list) else [targets] if targets is not None else []
        if len(seen) != len(sets):
            raise ValueError(f"there are {len(sets)} sets of cameras and {len(seen)} of targets; expected one each.")
        assert start is not None
        better, losses = _optimise(start, sets, seen, steps, options, progress)
        current = better.to_grid(names)
    made = gaussianize(current, options.shape)
    maps = [_in_parts(made.gaussians, one, options) for one in sets]
    visibility = _visibility(current, sets)
    report = _report(current, made.voxels, maps, visibility)
    report["cameras_in_voxels"] = [cameras_inside(current, one) for one in sets]
    return Refinement(maps, made.gaussians, current, _uncertainty(current), visibility, losses, report)


def _optimise(
    start: LogitGrid, cameras: list[Cameras], targets: list[Targets], steps: int, options: RefineOptions, progress: bool
) -> tuple[LogitGrid, list[float]]:
    """Adam on the logits. Voxels that no ray meets have no gradient and stay as they are."""
    parts = [_as_rays(start, c, t, i) for i, (c, t) in enumerate(zip(cameras, targets, strict=True))]
    rays = Rays(*(torch.cat([getattr(p[0], name) for p in parts]) for name in ("origins", "directions", "reach")))
    labels = torch.cat([p[1] for p in parts])
    pictures = [(c, part[2]) for c, part in zip(cameras, parts, strict=True) if part[2].size() is not None]
    loss = replace(options.loss, renderer="rays", pixels=min(options.rays, options.loss.pixels or options.rays))
    leaf = start.logits.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([leaf], lr=options.learning_rate)
    generator = torch.Generator().manual_seed(options.seed)
    losses = []
    for step in tqdm(range(steps), desc="refine", unit="step", disable=None if progress else True, leave=False):
        optimiser.zero_grad()
        drawn = torch.randperm(len(rays), generator=generator)[: options.rays]
        lidar = Targets(rays=rays.select(drawn), ray_labels=labels[drawn])
        own: list[Targets] = [lidar, *(target for _, target in pictures)]
        views = [cameras[0], *(camera for camera, _ in pictures)]
        observed = None if start.observed is None else start.observed[None]
        found = gs_refinement_loss(
            leaf[None],
            start.frame,
            [views],
            [own],
            free_label=start.free_label,
            observed=observed,
            options=loss,
            seed=options.seed + step,
        )
        found.total.backward()
        optimiser.step()
        losses.append(found.total.item())
    return start.replace(logits=leaf.detach()), losses


def _as_rays(grid: LogitGrid, cameras: Cameras, target: Targets, number: int) -> tuple[Rays, Tensor, Targets]:
    """Pixels with a depth, the sky, and LiDAR returns as rays of unit direction; and what is left as pictures."""
    size = (len(cameras), cameras.height, cameras.width)
    if target.size() not in (None, size):
        raise ValueError(f"cameras {number}: the targets are pictures of {target.size()}; expected {size}.")
    if target.soft is not None:
        chances = torch.cat([target.soft, 1 - target.soft.sum(dim=-1, keepdim=True)], dim=-1)
        order = torch.cat([grid.solid_labels, torch.tensor([grid.free_label])])
        target = target.replace(labels=order[chances.argmax(dim=-1)], soft=None)
    pixels = camera_rays(cameras)
    lengths = pixels.directions.norm(dim=-1)
    labels = torch.full((len(pixels),), IGNORE) if target.labels is None else target.labels.flatten().long()
    counts = torch.ones(len(pixels), dtype=torch.bool) if target.weights is None else target.weights.flatten() > 0
    depths = torch.zeros(len(pixels)) if target.depths is None else target.depths.flatten()
    sky = (labels == grid.free_label) & counts
    met = (depths > 0) & counts & ~sky
    far = float(lengths.max()) * 1e6
    # A hair into the voxel, so that a depth on its face does not fall into the one before.
    hair = 1e-3 * grid.frame.voxel_size
    reach = torch.where(sky, far, depths.double() * lengths + hair)
    used = met | sky
    rays = Rays(pixels.origins, pixels.directions / lengths[:, None], reach).select(used)
    own = torch.where(sky, IGNORE, labels)[used]
    if target.rays is not None and target.rays.reach is not None:
        heard = target.rays.reach.isfinite() & (target.rays.reach > 0)
        more = target.rays.to(torch.float64).select(heard)
        extra = torch.full((len(heard),), IGNORE) if target.ray_labels is None else target.ray_labels.long()
        rays = Rays(
            *(torch.cat([getattr(r, name) for r in (rays, more)]) for name in ("origins", "directions", "reach"))
        )
        own = torch.cat([own, extra[heard]])
    left = None
    if target.labels is not None:
        left = torch.where(used | ~counts, IGNORE, labels)
        left = left.view(size) if bool((left != IGNORE).any()) else None
    return rays, own, Targets(labels=left)


def _in_parts(gaussians: Gaussians, cameras: Cameras, options: RefineOptions) -> DenseMaps:
    """The maps of all cameras, some at a time."""
    with torch.no_grad():
        parts = [
            render_maps(gaussians, cameras[i : i + options.cameras_at_once], backend=options.backend)
            for i in range(0, len(cameras), options.cameras_at_once)
        ]
    joined = {name: torch.cat([part.tensors()[name] for part in parts]) for name in parts[0].tensors()}
    return DenseMaps(**joined)


def _visibility(grid: OccupancyGrid, cameras: list[Cameras]) -> Int[Tensor, "x y z"]:
    """Rays that cross each voxel or end in it, up to the first occupied one."""
    total = torch.zeros(grid.frame.shape, dtype=torch.int32)
    for one in cameras:
        rays = camera_rays(one)
        hits = cast(grid, rays)
        total += count_crossings(grid.frame, rays.until(hits.entry)).int()
        total.view(-1).index_add_(0, hits.index[hits.hit], torch.ones(int(hits.hit.sum()), dtype=torch.int32))
    return total


def _uncertainty(grid: OccupancyGrid) -> Float[Tensor, "x y z"]:
    if grid.probabilities is None:
        return (~grid.observed).float()
    p = grid.probabilities.clamp_min(1e-12)
    entropy = -(p * p.log()).sum(dim=-1) / torch.tensor(float(p.shape[-1])).log()
    return torch.where(grid.observed, entropy.clamp(0, 1), 1)


def _report(
    grid: OccupancyGrid, voxels: Int[Tensor, " n"], maps: list[DenseMaps], visibility: Int[Tensor, "x y z"]
) -> dict[str, Any]:
    solid = solid_labels_of(grid)
    count = len(grid.class_names)
    pictures = [m.labels(solid, grid.free_label).flatten() for m in maps]
    pixels = torch.bincount(torch.cat(pictures).long(), minlength=count)
    own = torch.bincount(grid.labels[grid.observed].long(), minlength=count)
    shown = torch.bincount(grid.labels[grid.observed & (visibility > 0)].long(), minlength=count)
    covered = torch.cat([(m.alphas >= 0.5).flatten() for m in maps]).float().mean()
    classes = {
        name: {"voxels": int(own[i]), "visible_voxels": int(shown[i]), "pixels": int(pixels[i])}
        for i, name in enumerate(grid.class_names)
        if i != grid.free_label
    }
    return {
        "gaussians": len(voxels),
        "voxels": len(voxels.unique()),
        "covered_pixels": float(covered),
        "unknown_voxels": int((~grid.observed).sum()),
        "classes": classes,
    }
