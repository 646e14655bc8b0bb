"""Which voxels are solid, and of what class: carved by cameras where there are some, superposed Gaussians otherwise."""

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from splatsim.errors import MapError, ResourceError
from splatsim.gaussians import Gaussians
from splatsim.grids import FREE_CLASS, OccupancyGrid, VoxelFrame
from splatsim.maps.carving import Carving
from splatsim.occupancy import voxelize
from splatsim.semantics import Semantics

LEAST_VIEWS = 2
"""Cameras that must see a surface near a voxel for it to be solid."""
SHARE = 0.65
"""Of the cameras that say anything about a voxel, those that must see a surface there."""
TOUCHES = 0.5
"""Voxels from its centre within which a surface fills a voxel: up to its face."""
THRESHOLD = 0.2
"""Superposed opacity from which a voxel is solid where there are no cameras: what a flat, opaque Gaussian that passes
through the face of a voxel has at its centre, e^(-3/2), a little rounded."""
MAX_VOXELS = 300_000_000


def solid_by_cameras(carving: Carving) -> Bool[Tensor, "x y z"]:
    """Voxels that surfaces touch or that lie behind them, where most of the cameras that look there see one."""
    seen = carving.near >= LEAST_VIEWS
    agreed = carving.near > SHARE * (carving.near + carving.through)
    return seen & agreed & (carving.distances <= TOUCHES * carving.frame.voxel_size)


def solid_by_superposition(gaussians: Gaussians, frame: VoxelFrame) -> Bool[Tensor, "x y z"]:
    """Voxels that superposed Gaussians touch (GaussianFormer-2), each seen through a box of a voxel."""
    plain = gaussians.detach().replace(features=torch.ones(len(gaussians), 1))
    return voxelize(widened(plain, frame.voxel_size), frame).occupied >= THRESHOLD


def widened(gaussians: Gaussians, voxel_size: float) -> Gaussians:
    """Gaussians as voxels of this size see them: the variance of a box, v² / 12, is added along each axis.

    What is thinner than a voxel would otherwise fall between the centres at which it is looked for.
    """
    return gaussians.replace(scales=(gaussians.scales.square() + voxel_size**2 / 12).sqrt())


def frame_of(gaussians: Gaussians, height: float, voxel_size: float, tallest: float) -> VoxelFrame:
    """A frame over what is opaque, from below the floor up to `tallest` above it.

    Args:
        height: Of the floor, metres.

    Raises:
        MapError: there are no opaque Gaussians.
        ResourceError: there would be too many voxels.
    """
    opaque = gaussians.means[(gaussians.opacities > 0.1) & gaussians.means.isfinite().all(-1)].double()
    opaque = opaque[(opaque[:, 2] > height - 0.2) & (opaque[:, 2] < height + tallest)]
    if len(opaque) < 10:
        raise MapError(
            f"{len(opaque)} of {len(gaussians)} Gaussians are opaque and between the floor at {height:.2f} m and "
            f"{tallest:.2f} m above it; expected at least 10: check the scale of the scene and the direction of up."
        )
    # Single Gaussians stray far; a hundredth on each side may stand outside of the map.
    ends = torch.from_numpy(np.quantile(opaque[:, :2].numpy(), [0.01, 0.99], axis=0))
    margin = 0.1 * (ends[1] - ends[0]).amax() + 2 * voxel_size
    low, high = (ends[0] - margin).tolist(), (ends[1] + margin).tolist()
    count = math.prod((b - a) / voxel_size for a, b in zip(low, high, strict=True)) * tallest / voxel_size
    if count > MAX_VOXELS:
        raise ResourceError(
            f"the map would have {count:.2g} voxels of {voxel_size} m over {high[0] - low[0]:.1f} × "
            f"{high[1] - low[1]:.1f} m; expected at most {MAX_VOXELS:.2g}: take larger voxels."
        )
    bottom = height - 4 * voxel_size
    return VoxelFrame.covering((low[0], low[1], bottom), (high[0], high[1], height + tallest), voxel_size)


def labelled(
    gaussians: Gaussians,
    semantics: Semantics | None,
    solid: Bool[Tensor, "x y z"],
    observed: Bool[Tensor, "x y z"],
    frame: VoxelFrame,
) -> OccupancyGrid:
    """The grid with the class of each solid voxel; a solid voxel that no Gaussian reaches takes the nearest one's."""
    if semantics is None:
        labels = torch.where(solid, 0, 1).to(torch.uint8)
        return OccupancyGrid(frame, labels, ("occupied", FREE_CLASS), observed)
    names = tuple(name for name in semantics.class_names if name != FREE_CLASS)
    votes = _votes(gaussians, semantics, frame, [semantics.class_names.index(name) for name in names])
    labels = _nearest(votes, solid)
    labels = torch.where(solid, labels, len(names)).to(torch.uint8)
    return OccupancyGrid(frame, labels, (*names, FREE_CLASS), observed)


def _votes(gaussians: Gaussians, semantics: Semantics, frame: VoxelFrame, classes: list[int]) -> Int[Tensor, "x y z"]:
    """The likeliest class of each voxel, by superposition, or -1 where no Gaussian reaches."""
    best = torch.zeros(frame.shape)
    label = torch.full(frame.shape, -1, dtype=torch.int64)
    wide = widened(gaussians.detach(), frame.voxel_size)
    for first in range(0, len(classes), 8):  # eight channels at a time bound the memory
        part = classes[first : first + 8]
        features: Float[Tensor, "n k"] = torch.stack([_share(semantics, c) for c in part], -1).to(wide.means)
        rows = features.sum(-1) > 0
        if not bool(rows.any()):
            continue
        found = voxelize(wide.replace(features=features).select(rows), frame, reach=2.0)
        weight = found.occupied[..., None] * found.classes
        top, which = weight.max(dim=-1)
        label = torch.where(top > best, which + first, label)
        best = torch.maximum(best, top)
    return label


def _share(semantics: Semantics, label: int) -> Float[Tensor, " n"]:
    return semantics.class_features(label, 1)[:, 0]


def _nearest(votes: Int[Tensor, "x y z"], solid: Bool[Tensor, "x y z"]) -> Int[Tensor, "x y z"]:
    from scipy.ndimage import distance_transform_edt

    missing = votes < 0
    if not bool((missing & solid).any()) or bool(missing.all()):
        return votes.clamp_min(0)
    index = distance_transform_edt(missing.numpy(), return_distances=False, return_indices=True)
    return votes[tuple(torch.from_numpy(axis).long() for axis in index)]
