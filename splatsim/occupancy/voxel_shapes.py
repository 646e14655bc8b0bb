"""Voxels to Gaussians: which voxels, how large, how turned, how opaque. Differentiable in the probabilities."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from splatsim.gaussians import Gaussians
from splatsim.grids import OccupancyGrid, VoxelFrame
from splatsim.occupancy.calibration import calibrated_opacity
from splatsim.occupancy.logits import LogitGrid
from splatsim.transforms import quat_from_rotmat

Shape = Literal["isotropic", "pca", "box"]
Keep = Literal["surface", "occupied", "all"]

WIDTHS: dict[str, float] = {"isotropic": 0.5, "pca": 0.5, "box": 0.5}
THICKNESSES: dict[str, float] = {"isotropic": 0.5, "pca": 0.3, "box": 0.05}
"""Standard deviations along and across a surface, in parts of a voxel; bench/occupancy.py shows what others give."""
SIDES = torch.tensor([[-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]])


@dataclass(frozen=True)
class VoxelShape:
    """How a voxel becomes Gaussians.

    Raises:
        ValueError: a word or a number is out of range.
    """

    mode: Shape = "pca"
    """One round Gaussian at the centre; one turned and flattened along the local surface; flat ones on bare faces."""
    keep: Keep = "surface"
    """Occupied voxels with a bare face, all occupied ones, or all that are observed."""
    split: int = 1
    """Parts of a voxel along each axis, each with a Gaussian of its own: sharper edges and tighter walls."""
    width: float | None = None
    """Standard deviation along the surface, in parts of a voxel; by default that of the mode."""
    thickness: float | None = None
    """Standard deviation across the surface, in parts of a voxel; by default that of the mode."""
    threshold: float = 0.5
    """A voxel is occupied from this probability on."""
    calibrated: bool = True
    """Opacity such that a layer stops light in proportion to the probability; or the probability as it is."""

    def __post_init__(self) -> None:
        if self.mode not in ("isotropic", "pca", "box"):
            raise ValueError(f'VoxelShape.mode is {self.mode!r}; expected "isotropic", "pca" or "box".')
        if self.keep not in ("surface", "occupied", "all"):
            raise ValueError(f'VoxelShape.keep is {self.keep!r}; expected "surface", "occupied" or "all".')
        if not 1 <= self.split <= 8:
            raise ValueError(f"VoxelShape.split is {self.split}; expected 1 to 8 parts along each axis.")
        if self.width is not None and not 0.05 <= self.width <= 3:
            raise ValueError(f"VoxelShape.width is {self.width}; expected 0.05 to 3 parts of a voxel.")
        if self.thickness is not None and not 0 < self.thickness <= 3:
            raise ValueError(f"VoxelShape.thickness is {self.thickness}; expected more than 0 and at most 3.")
        if not 0 < self.threshold < 1:
            raise ValueError(f"VoxelShape.threshold is {self.threshold}; expected a probability within (0, 1).")

    @property
    def sigma(self) -> float:
        """Standard deviation along the surface, in parts of a voxel."""
        return WIDTHS[self.mode] if self.width is None else self.width

    @property
    def depth(self) -> float:
        """Standard deviation across the surface, in parts of a voxel."""
        return THICKNESSES[self.mode] if self.thickness is None else self.thickness


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class VoxelGaussians:
    """Gaussians with the voxel that each one came from."""

    gaussians: Gaussians
    """`features` are the probabilities of the classes other than free, in the order of the labels."""
    voxels: Int[Tensor, " n"]
    """Flat index of the voxel, z fastest."""


def gaussianize(
    source: OccupancyGrid | LogitGrid,
    shape: VoxelShape = VoxelShape(),
    *,
    candidates: Bool[Tensor, "x y z"] | None = None,
) -> VoxelGaussians:
    """Voxels as Gaussians whose opacity is the probability of being occupied and whose features are the classes.

    Which voxels are kept and how they are shaped follows their state and has no gradient; opacities and features are
    differentiable in the logits. Voxels that are not observed give no Gaussians. An empty grid gives none at all.

    Args:
        candidates: Further voxels to keep, whatever their probability: where a loss may fill an empty place.

    Raises:
        ValueError: the candidates do not fit the grid.
    """
    frame = source.frame
    solid, observed = _solid(source, shape.threshold)
    kept = surface_voxels(solid) if shape.keep == "surface" else solid if shape.keep == "occupied" else observed
    if candidates is not None:
        if tuple(candidates.shape) != frame.shape:
            raise ValueError(f"candidates has shape {list(candidates.shape)}; expected {list(frame.shape)}.")
        kept = kept | (candidates & observed)
    index = kept.nonzero()
    bare = _bare_sides(solid, index)
    placed = _faces(index, bare, shape) if shape.mode == "box" else _parts(index, bare, shape, solid)
    means, rotations, scales, owner = placed
    flat = _flat(index, frame)
    opacities, classes = _chances(source, flat, shape)
    like = opacities
    origin = torch.tensor(frame.origin, dtype=torch.float64, device=like.device)
    gaussians = Gaussians(
        means=(origin + means * frame.voxel_size).to(like),
        quats=quat_from_rotmat(rotations).to(like),
        scales=(scales * frame.voxel_size).to(like),
        opacities=opacities[owner],
        sh=torch.zeros(len(means), 1, 3).to(like),
        features=classes[owner],
    )
    return VoxelGaussians(gaussians, flat[owner])


def surface_voxels(solid: Bool[Tensor, "x y z"]) -> Bool[Tensor, "x y z"]:
    """Solid voxels with a side that faces a voxel that is not solid, or the outside of the grid."""
    padded = torch.nn.functional.pad(solid, (1,) * 6)
    x, y, z = solid.shape
    middle = padded[1:-1, 1:-1, 1:-1]
    for axis, size in enumerate((x, y, z)):
        inner = padded[tuple(slice(None) if a == axis else slice(1, -1) for a in range(3))]
        middle = middle & inner.narrow(axis, 0, size) & inner.narrow(axis, 2, size)
    return solid & ~middle


def _solid(source: OccupancyGrid | LogitGrid, threshold: float) -> tuple[Tensor, Tensor]:
    """Which voxels are occupied, and which are observed."""
    if isinstance(source, LogitGrid):
        return source.occupied().detach() >= threshold, source.mask()
    if source.probabilities is not None:
        occupied = 1 - source.probabilities[..., source.free_label] >= threshold
    else:
        occupied = source.labels != source.free_label
    return occupied & source.observed, source.observed


def _chances(
    source: OccupancyGrid | LogitGrid, flat: Int[Tensor, " n"], shape: VoxelShape
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n k"]]:
    """Opacity and class probabilities of voxels."""
    if isinstance(source, LogitGrid):
        chance, classes = source.rows(flat)
    else:
        labels = torch.arange(len(source.class_names), device=source.labels.device)
        solid = labels[labels != source.free_label]
        if source.probabilities is not None:
            rows = source.probabilities.flatten(0, 2)[flat]
            chance = 1 - rows[:, source.free_label]
            classes = rows[:, solid] / rows[:, solid].sum(dim=-1, keepdim=True).clamp_min(1e-12)
        else:
            own = source.labels.flatten()[flat]
            classes = (own[:, None] == solid).float()
            chance = (own != source.free_label).float()
    if shape.calibrated:
        chance = calibrated_opacity(chance, shape.sigma)
    return chance, classes


def _flat(index: Int[Tensor, "n 3"], frame: VoxelFrame) -> Int[Tensor, " n"]:
    _, ny, nz = frame.shape
    return (index[:, 0] * ny + index[:, 1]) * nz + index[:, 2]


def _bare_sides(solid: Bool[Tensor, "x y z"], index: Int[Tensor, "n 3"]) -> Bool[Tensor, "n 6"]:
    """Which of a voxel's sides face a voxel that is not solid, in the order of SIDES."""
    padded = torch.nn.functional.pad(solid, (1,) * 6)
    x, y, z = (index[:, None] + SIDES.to(index.device) + 1).unbind(-1)
    return ~padded[x, y, z]


Placed = tuple[Float[Tensor, "m 3"], Float[Tensor, "m 3 3"], Float[Tensor, "m 3"], Int[Tensor, " m"]]
"""Centres and standard deviations in voxels, rotations, and the row of the voxel that each belongs to."""


def _faces(index: Int[Tensor, "n 3"], bare: Bool[Tensor, "n 6"], shape: VoxelShape) -> Placed:
    """Flat Gaussians on the bare faces, split × split on each; local axis z is the face's normal."""
    owner, side = bare.nonzero().unbind(-1)
    normals = SIDES.to(index.device)[side].double()
    tangents = torch.eye(3, dtype=torch.float64, device=index.device)
    axis = side // 2
    first, second = tangents[(axis + 1) % 3], tangents[(axis + 2) % 3]
    rotations = torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)
    parts = (torch.arange(shape.split, device=index.device).double() + 0.5) / shape.split - 0.5
    u, v = torch.cartesian_prod(parts, parts).unbind(-1) if shape.split > 1 else (parts, parts)
    centers = index[owner].double() + 0.5 + 0.5 * normals
    means = centers[:, None] + u[None, :, None] * first[:, None] + v[None, :, None] * second[:, None]
    count = shape.split**2
    flat = torch.tensor([shape.sigma, shape.sigma, shape.depth], dtype=torch.float64, device=index.device)
    scales = (flat / shape.split).expand(len(owner) * count, 3)
    return means.reshape(-1, 3), rotations.repeat_interleave(count, 0), scales, owner.repeat_interleave(count)


def _parts(index: Int[Tensor, "n 3"], bare: Bool[Tensor, "n 6"], shape: VoxelShape, solid: Tensor) -> Placed:
    """One Gaussian for each part of a voxel, of those parts that lie at a bare side (all, if nothing is split)."""
    device, split = index.device, shape.split
    if shape.mode == "pca":
        rotations, spread = _principal_axes(solid, index)
        sigmas = shape.depth + (shape.sigma - shape.depth) * spread
    else:
        rotations = torch.eye(3, dtype=torch.float64, device=device).expand(len(index), 3, 3)
        sigmas = torch.full((len(index), 3), shape.sigma, dtype=torch.float64, device=device)
    steps = torch.arange(split, device=device)
    parts = torch.cartesian_prod(steps, steps, steps)
    ends = torch.stack([parts == 0, parts == split - 1], dim=-1).flatten(1)
    inner = ~bare.any(dim=-1, keepdim=True) | (shape.keep != "surface")
    outer = (bare[:, None] & ends[None]).any(dim=-1) | inner
    owner, part = outer.nonzero().unbind(-1)
    means = index[owner].double() + (parts[part].double() + 0.5) / split
    return means, rotations[owner], sigmas[owner] / split, owner


def _principal_axes(solid: Tensor, index: Int[Tensor, "n 3"]) -> tuple[Float[Tensor, "n 3 3"], Float[Tensor, "n 3"]]:
    """Axes of the solid voxels among the 27 around each, and their spread: 1 along a full plane, 0 across it."""
    steps = torch.arange(-1, 2, device=index.device)
    offsets = torch.cartesian_prod(steps, steps, steps)
    padded = torch.nn.functional.pad(solid, (1,) * 6)
    _, ny, nz = padded.shape
    here = ((index[:, 0] + 1) * ny + index[:, 1] + 1) * nz + index[:, 2] + 1
    around = padded.flatten()[here[:, None] + (offsets[:, 0] * ny + offsets[:, 1]) * nz + offsets[:, 2]]
    around[:, len(offsets) // 2] = True  # the voxel itself, also where it is a mere candidate
    # Most voxels look like many others: each pattern is worked out once.
    bits = 2 ** torch.arange(len(offsets), device=index.device)
    patterns, which = (around * bits).sum(dim=-1).unique(return_inverse=True)
    weight = (patterns[:, None] & bits != 0).double()
    total = weight.sum(dim=-1)
    local = offsets.double()
    mean = weight @ local / total[:, None]
    second = torch.einsum("nk,ki,kj->nij", weight, local, local) / total[:, None, None]
    covariance = second - mean[:, :, None] * mean[:, None, :]
    values, axes = torch.linalg.eigh(covariance)
    axes = axes * torch.linalg.det(axes).sign()[:, None, None]
    spread = (values.clamp_min(0) / (2 / 3)).sqrt().clamp_max(1)
    return axes[which], spread[which]
