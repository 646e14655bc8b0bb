"""gs_refinement_loss(): predicted occupancy, rendered, against what was seen. For anyone's training loop."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.gaussians import Gaussians
from splatsim.grids import VoxelFrame
from splatsim.occupancy import loss_terms as terms
from splatsim.occupancy.dense_maps import render_maps
from splatsim.occupancy.logits import LogitGrid
from splatsim.occupancy.pixel_weights import pixel_weights, without_borders
from splatsim.occupancy.raycast import camera_rays, composite
from splatsim.occupancy.targets import IGNORE, Targets
from splatsim.occupancy.voxel_shapes import VoxelShape, gaussianize
from splatsim.rendering import Backend


@dataclass(frozen=True)
class LossOptions:
    """What the loss is made of. A weight of 0 leaves a term out, and its cost as well.

    Raises:
        ValueError: a number or a word is out of range.
    """

    semantic: float = 1.0
    """Weight of the cross-entropy of labels, or the divergence from soft ones."""
    silhouette: float = 0.2
    """Weight of coverage against sky."""
    depth: float = 0.05
    """Weight of depth, per metre or per unit of SILog."""
    returns: float = 0.2
    """Weight of the likelihood of LiDAR returns."""
    carve: float = 0.2
    """Weight of free space before LiDAR returns."""
    entropy: float = 0.0
    """Weight of the entropy of being occupied."""
    distortion: float = 0.0
    """Weight of spread along rays, in squares of a voxel."""
    depth_kind: Literal["l1", "silog"] = "l1"
    """Metres, or scale-invariant."""
    by_class: tuple[float, ...] | None = None
    """Weight of each label (`class_weights` makes them); 1, if None."""
    focal: float = 0.0
    """Exponent of the focal loss; 0 is plain cross-entropy."""
    per: Literal["pixel", "voxel", "ray"] = "pixel"
    """Each pixel counts the same; or each voxel that is seen; or each solid angle."""
    band: int = 0
    """Pixels beside a border between labels that are left out on either side."""
    margin: float = 0.0
    """Voxels before and behind that of a LiDAR return in which a hit is right as well."""
    renderer: Literal["splat", "rays"] = "splat"
    """Gaussians, which see far and fast; or exact rays, whose gradient also fills empty voxels."""
    shape: VoxelShape = VoxelShape()  # noqa: RUF009 - frozen
    """How voxels become Gaussians."""
    pixels: int | None = None
    """With "rays": how many pixels are drawn for each set of cameras; all, if None."""
    backend: Backend = "auto"
    """Who renders the Gaussians."""

    def __post_init__(self) -> None:
        for name in ("semantic", "silhouette", "depth", "returns", "carve", "entropy", "distortion", "focal", "margin"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise ValueError(f"LossOptions.{name} is {value}; expected a number of 0 or more.")
        for name, words in (("depth_kind", ("l1", "silog")), ("per", ("pixel", "voxel", "ray"))):
            if getattr(self, name) not in words:
                raise ValueError(f"LossOptions.{name} is {getattr(self, name)!r}; expected one of {', '.join(words)}.")
        if self.renderer not in ("splat", "rays"):
            raise ValueError(f'LossOptions.renderer is {self.renderer!r}; expected "splat" or "rays".')
        if self.band < 0 or (self.pixels is not None and self.pixels < 1):
            raise ValueError(f"LossOptions has band {self.band} and pixels {self.pixels}; expected ≥ 0 and ≥ 1.")


class RefinementLoss(NamedTuple):
    """The loss and what it is made of."""

    total: Float[Tensor, ""]
    """The weighted sum, mean over the batch; call backward() on it."""
    terms: dict[str, float]
    """Each term before its weight, mean over the batch."""


class _Pixels(NamedTuple):
    """What is seen at some pixels of one set of cameras."""

    chances: Float[Tensor, "p c"]
    """Probability of each label, the free one for sky."""
    alphas: Float[Tensor, " p"]
    depths: Float[Tensor, " p"]
    """Expected z-depth, metres."""
    squares: Float[Tensor, " p"] | None
    """Composited z², square metres."""


def gs_refinement_loss(
    logits: Float[Tensor, "b c x y z"],
    frame: VoxelFrame,
    cameras: Sequence[Cameras | list[Cameras]],
    targets: Sequence[Targets | list[Targets]],
    *,
    free_label: int,
    observed: Bool[Tensor, "b x y z"] | None = None,
    candidates: Bool[Tensor, "b x y z"] | None = None,
    options: LossOptions = LossOptions(),
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
        raise ValueError(f"logits has shape {list(logits.shape)}; expected [b c {' '.join(map(str, frame.shape))}].")
    if not len(logits) == len(cameras) == len(targets):
        raise ValueError(
            f"there are {len(logits)} grids, {len(cameras)} sets of cameras and {len(targets)} of targets; "
            "expected one each for every grid."
        )
    if options.by_class is not None and len(options.by_class) != logits.shape[1]:
        raise ValueError(f"LossOptions.by_class has {len(options.by_class)} weights for {logits.shape[1]} classes.")
    total, sums = logits.sum() * 0, dict[str, Tensor]()
    for b in range(len(logits)):
        grid = LogitGrid(frame, logits[b], free_label, None if observed is None else observed[b])
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
            rows = _rows(camera, options, seed)
            if made is not None:
                seen = _splat(grid, made, camera, options)
            else:
                assert field is not None
                seen = _trace(grid, field, camera, rows)
            parts |= _picture_terms(grid, seen, camera, target, rows, options)
        if field is not None and target.rays is not None:
            parts |= _ray_terms(grid, field, target, options)
        for name, value in parts.items():
            found[name] = found.get(name, 0) + value / len(sets)
    if options.entropy and field is not None:
        found["entropy"] = terms.entropy_loss(field[0], grid.mask())
    return found


def _rows(cameras: Cameras, options: LossOptions, seed: int) -> Int[Tensor, " p"]:
    """The flat pixels that are looked at."""
    count = len(cameras) * cameras.height * cameras.width
    if options.renderer == "splat" or options.pixels is None or options.pixels >= count:
        return torch.arange(count)
    drawn = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[: options.pixels]
    return drawn.sort().values


def _splat(grid: LogitGrid, gaussians: Gaussians, cameras: Cameras, options: LossOptions) -> _Pixels:
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
    return _Pixels(_chances(grid, semantics.reshape(-1, k), alphas), alphas, maps.depths.flatten(), squares)


def _trace(grid: LogitGrid, field: tuple[Tensor, Tensor], cameras: Cameras, rows: Tensor) -> _Pixels:
    """Pixels by exact rays."""
    seen = composite(grid.frame, *field, camera_rays(cameras).select(rows))
    met = seen.alphas > 1e-6
    depths = torch.where(met, seen.ranges / torch.where(met, seen.alphas, 1), 0)
    return _Pixels(_chances(grid, seen.values, seen.alphas), seen.alphas, depths, seen.squares)


def _chances(grid: LogitGrid, semantics: Float[Tensor, "p k"], alphas: Float[Tensor, " p"]) -> Float[Tensor, "p c"]:
    """Probabilities by label: what is not covered is free."""
    sky = (1 - alphas).clamp_min(0)[:, None]
    f = grid.free_label
    return torch.cat([semantics[:, :f], sky, semantics[:, f:]], dim=-1).clamp_min(0)


def _picture_terms(
    grid: LogitGrid, seen: _Pixels, cameras: Cameras, target: Targets, rows: Tensor, options: LossOptions
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
        wanted = _chances(grid, soft, solid)
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
