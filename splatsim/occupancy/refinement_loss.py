"""gs_refinement_loss(): predicted occupancy, rendered, against what was seen. For anyone's training loop."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.grids import VoxelFrame
from splatsim.occupancy import loss_terms as terms
from splatsim.occupancy.logits import LogitGrid
from splatsim.occupancy.loss_options import LossOptions
from splatsim.occupancy.pixel_weights import pixel_weights, without_borders
from splatsim.occupancy.seen_pixels import Pixels, chances_with_sky, drawn_pixels, splat_pixels, trace_pixels
from splatsim.occupancy.targets import IGNORE, Targets
from splatsim.occupancy.viewpoints import check_intrinsics
from splatsim.occupancy.voxel_shapes import gaussianize


class RefinementLoss(NamedTuple):
    """The loss and what it is made of."""

    total: Float[Tensor, ""]
    """The weighted sum, mean over the batch; call backward() on it."""
    terms: dict[str, float]
    """Each term before its weight, mean over the batch."""


def gs_refinement_loss(
    logits: Float[Tensor, "b c x y z"],
    frame: VoxelFrame,
    cameras: Sequence[Cameras | list[Cameras]],
    targets: Sequence[Targets | list[Targets]],
    *,
    free_label: int,
    observed: Bool[Tensor, "b x y z"] | None = None,
    candidates: Bool[Tensor, "b x y z"] | None = None,
    options: LossOptions = LossOptions(),  # noqa: B008 - frozen
    seed: int = 0,
) -> RefinementLoss:
    """Render each grid of a batch and compare it with what was seen (after GaussRender 2025 and UnsOcc 2026).

    Differentiable in the logits. Unknown voxels and pixels are never free: pixels labelled 255, of weight 0 or without
    a depth do not count in the term concerned, LiDAR rays without a return do not count at all.

    Args:
        cameras: For each grid its cameras; a list of them where they differ in size.
        targets: For each grid, or for each set of its cameras, what was seen.
        observed: Voxels that count; others are passed by rays and give no Gaussians.
        candidates: Voxels that become Gaussians even where they are likely free, so that they can be filled.
        seed: For the pixels that are drawn.

    Raises:
        ValueError: numbers or sizes do not fit together, a label has no class, or a logit is not finite; the grid and
            the camera are named.
    """
    if logits.ndim != 5 or tuple(logits.shape[2:]) != frame.shape:
        raise ValueError(
            f"logits has shape {list(logits.shape)}; expected [b c {' '.join(map(str, frame.shape))}]: "
            "grids, classes, then x, y, z of the frame."
        )
    if not len(logits) == len(cameras) == len(targets):
        raise ValueError(
            f"there are {len(logits)} grids, {len(cameras)} sets of cameras and {len(targets)} of targets; "
            "expected one each for every grid."
        )
    if options.by_class is not None and len(options.by_class) != logits.shape[1]:
        raise ValueError(
            f"LossOptions.by_class has {len(options.by_class)} weights for {logits.shape[1]} classes; "
            "expected one for each, the free one among them."
        )
    total, sums = logits.sum() * 0, dict[str, Tensor]()
    for b in range(len(logits)):
        try:
            grid = LogitGrid(frame, logits[b], free_label, None if observed is None else observed[b])
        except ValueError as error:
            raise ValueError(f"grid {b}: {error}") from error
        sets = _paired(cameras[b], targets[b], f"grid {b}", logits.shape[1])
        found = _losses_of_grid(grid, sets, None if candidates is None else candidates[b], options, seed + b)
        for name, value in found.items():
            total = total + getattr(options, name) * value / len(logits)
            sums[name] = sums.get(name, 0 * total.detach()) + value.detach() / len(logits)
    return RefinementLoss(total, {name: float(value) for name, value in sums.items()})


def _paired(
    cameras: Cameras | list[Cameras], targets: Targets | list[Targets], where: str, classes: int
) -> list[tuple[Cameras, Targets]]:
    """Sets of cameras with their targets, checked."""
    own = cameras if isinstance(cameras, list) else [cameras]
    seen = targets if isinstance(targets, list) else [targets]
    if len(own) != len(seen):
        raise ValueError(f"{where} has {len(own)} sets of cameras and {len(seen)} of targets; expected one each.")
    for i, (camera, target) in enumerate(zip(own, seen, strict=True)):
        check_intrinsics(camera, f"{where}, cameras {i}")
        if target.size() is None and target.rays is None:
            raise ValueError(f"{where}, cameras {i}: the targets are empty; expected labels, depths or rays.")
        size = (len(camera), camera.height, camera.width)
        if target.size() not in (None, size):
            raise ValueError(
                f"{where}, cameras {i}: the targets are pictures of {target.size()} cameras × height × width; "
                f"expected {size}."
            )
        if target.soft is not None and target.soft.shape[-1] != classes - 1:
            raise ValueError(
                f"{where}, cameras {i}: soft labels have {target.soft.shape[-1]} channels; "
                f"expected {classes - 1}, the classes without the free one."
            )
        for name, labels in (("labels", target.labels), ("ray labels", target.ray_labels)):
            if labels is None:
                continue
            known = labels[labels != IGNORE]
            if len(known) and not (int(known.min()) >= 0 and int(known.max()) < classes):
                raise ValueError(
                    f"{where}, cameras {i}: {name} hold {int(known.min())} to {int(known.max())}; "
                    f"expected 0 to {classes - 1}, or {IGNORE} for what is not known."
                )
    return list(zip(own, seen, strict=True))


def _losses_of_grid(
    grid: LogitGrid,
    sets: list[tuple[Cameras, Targets]],
    candidates: Bool[Tensor, "x y z"] | None,
    options: LossOptions,
    seed: int,
) -> dict[str, Tensor]:
    """The terms of one grid, mean over its sets of cameras."""
    found: dict[str, Tensor] = {}
    field = None
    needs_field = options.renderer == "rays" or any(target.rays is not None for _, target in sets)
    if needs_field or options.entropy:
        field = grid.occupied(), grid.classes()
    made = gaussianize(grid, options.shape, candidates=candidates).gaussians if options.renderer == "splat" else None
    for camera, target in sets:
        parts: dict[str, Tensor] = {}
        if target.labels is not None or target.soft is not None or target.depths is not None:
            rows = drawn_pixels(camera, options, seed)
            if made is not None:
                seen = splat_pixels(grid, made, camera, options)
            else:
                assert field is not None
                seen = trace_pixels(grid, field, camera, rows)
            parts |= _picture_terms(grid, seen, camera, target, rows, options)
        if field is not None and target.rays is not None:
            parts |= _ray_terms(grid, field, target, options)
        for name, value in parts.items():
            found[name] = found.get(name, 0) + value / len(sets)
    if options.entropy and field is not None:
        found["entropy"] = terms.entropy_loss(field[0], grid.mask())
    return found


def _picture_terms(
    grid: LogitGrid, seen: Pixels, cameras: Cameras, target: Targets, rows: Tensor, options: LossOptions
) -> dict[str, Tensor]:
    """Semantic, silhouette, depth and distortion terms."""
    like, c = seen.alphas, len(grid.logits)
    weights = pixel_weights(grid, cameras, options.per).to(like)[rows]
    if target.weights is not None:
        weights = weights * target.weights.flatten()[rows].to(like)
    by_class = torch.ones(c).to(like) if options.by_class is None else torch.tensor(options.by_class).to(like)
    found: dict[str, Tensor] = {}
    if target.soft is not None:
        soft = target.soft.reshape(-1, c - 1)[rows].to(like)
        solid = soft.sum(dim=-1).clamp(0, 1)
        wanted = chances_with_sky(grid, soft, solid)
        found["semantic"] = terms.soft_label_loss(seen.chances, wanted, weights, by_class)
        found["silhouette"] = terms.silhouette_loss(seen.alphas, solid, weights)
    elif target.labels is not None:
        labels = without_borders(target.labels.long(), options.band).flatten()[rows]
        known = torch.where(labels != IGNORE, weights, 0)
        labels = torch.where(labels != IGNORE, labels, grid.free_label)
        found["semantic"] = terms.label_loss(seen.chances, labels, known, by_class, options.focal)
        found["silhouette"] = terms.silhouette_loss(seen.alphas, (labels != grid.free_label).to(like), known)
    if target.depths is not None and options.depth:
        wanted_depths = target.depths.flatten()[rows].to(like)
        found["depth"] = terms.depth_loss(seen.depths, wanted_depths, weights, options.depth_kind)
    if options.distortion and seen.squares is not None:
        h = grid.frame.voxel_size
        ranges = seen.depths * seen.alphas / h
        found["distortion"] = terms.distortion_loss(seen.alphas, ranges, seen.squares / h**2, weights)
    return {name: value for name, value in found.items() if getattr(options, name)}


def _ray_terms(
    grid: LogitGrid, field: tuple[Tensor, Tensor], target: Targets, options: LossOptions
) -> dict[str, Tensor]:
    """Likelihood of LiDAR returns and of free space before them."""
    rays = target.rays
    assert rays is not None
    assert rays.reach is not None
    heard = rays.reach.isfinite() & (rays.reach > 0)
    labels = torch.full((len(rays),), IGNORE) if target.ray_labels is None else target.ray_labels.long()
    rays, labels = rays.select(heard), labels[heard]
    channel = torch.full((256,), -1)
    channel[grid.solid_labels] = torch.arange(len(grid.solid_labels))
    margin = options.margin * grid.frame.voxel_size
    found: dict[str, Tensor] = {}
    if options.carve:
        found["carve"] = terms.carve_loss(grid.frame, field[0], rays, margin)
    if options.returns:
        found["returns"] = terms.return_loss(grid.frame, *field, rays, channel[labels], margin)
    return found
