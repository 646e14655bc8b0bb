"""Frames of the quarry (scenes/quarry/frames.py) as what the reference model takes and what it is taught and judged by.

The setting is that of a network whose labels are sparse: of the 64 × 1024 rays of a sweep the vehicle has 16 × 256,
whose returns cover 0.4 % of the pixels of its six pictures. The rest of the sweep is never read.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from splatsim import Cameras
from splatsim.formats.arrays import read_arrays, write_arrays
from splatsim.grids import OccupancyGrid, VoxelFrame
from splatsim.occupancy import Rays, camera_rays, cast, targets_of_points
from splatsim.occupancy.raycast import count_crossings
from splatsim.transforms import apply

QUARRY = Path(__file__).resolve().parents[1] / "scenes" / "quarry"
FRAME = VoxelFrame((-16.0, -16.0, -3.0), 0.5, (64, 64, 16), "body")
SHRINK = 5
"""Pictures are 96 × 60: every fifth pixel of 480 × 300 for labels, means of 25 for colours."""
EVERY = 4
"""Every fourth beam and column of the sweep."""
UNKNOWN = 255


@dataclass(frozen=True)
class Rig:
    """What is the same for all frames."""

    names: tuple[str, ...]
    """Of the classes, "free" first."""
    cameras: Cameras
    """In the frame of the body, 96 × 60."""
    origin: Tensor
    """Of the LiDAR in the frame of the body."""
    ends: Tensor
    """[6 h w] z-depth where the ray of each pixel leaves the grid."""


@dataclass(frozen=True)
class Sample:
    """One frame, all in the frame of the body."""

    pictures: Tensor
    """uint8 [6 3 h w]"""
    labels: Tensor
    """uint8 [6 h w], the label images: 0 is the sky."""
    points: Tensor
    """[n 3] returns of the sparse sweep, metres."""
    point_labels: Tensor
    """uint8 [n]"""
    intensity: Tensor
    """[n]"""
    depths: Tensor
    """[6 h w] world's own z-depth, 0 for sky: to judge by, never to learn from."""
    world_from_body: Tensor
    """[4 4]"""
    seed: int

    def rays(self, origin: Tensor) -> Rays:
        """From the LiDAR to its returns."""
        offsets = self.points.double() - origin.double()
        ranges = offsets.norm(dim=-1)
        return Rays(origin.double().expand(len(offsets), 3), offsets / ranges[:, None], ranges)


def load(folder: Path, cache: Path) -> tuple[Rig, list[Sample]]:
    """All frames of a folder (`train` or `test`), read once and kept as small arrays."""
    folders = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    cache.mkdir(parents=True, exist_ok=True)
    rig = json.loads((folder.parent / "rig.json").read_text(encoding="utf-8"))
    return _rig(rig), [_cached(path, cache / f"{path.name}.npz") for path in folders]


def _rig(rig: dict) -> Rig:
    K = torch.tensor(rig["K"]) * torch.tensor([1 / SHRINK, 1 / SHRINK, 1.0])[:, None]
    views = torch.tensor(rig["cams_from_body"])
    cameras = Cameras(views, K.expand(len(views), 3, 3).contiguous(), rig["width"] // SHRINK, rig["height"] // SHRINK)
    names = tuple(name for name in rig["class_names"] if name != "sky")
    empty = OccupancyGrid(FRAME, torch.zeros(FRAME.shape, dtype=torch.uint8), names, torch.ones(FRAME.shape) > 0)
    ends = cast(empty, camera_rays(cameras)).entry.float().view(len(views), cameras.height, cameras.width)
    return Rig(names, cameras, torch.tensor(rig["body_from_lidar"])[:3, 3], ends)


def _cached(folder: Path, path: Path) -> Sample:
    if not path.exists():
        sys.path.insert(0, str(QUARRY))
        from rig_frames import load_frame

        write_arrays(path, _small(load_frame(folder)))
    arrays = read_arrays(path)[0]
    seed = int(arrays.pop("seed"))
    return Sample(seed=seed, **arrays)


def _small(frame) -> dict[str, np.ndarray]:  # type: ignore[no-untyped-def]
    n, h, w, _ = frame.pictures.shape
    middle = slice(SHRINK // 2, None, SHRINK)
    pictures = frame.pictures.reshape(n, h // SHRINK, SHRINK, w // SHRINK, SHRINK, 3).mean((2, 4))
    kept = (frame.rays % EVERY == EVERY // 2).all(axis=1)
    pose = np.array(frame.rig["body_from_lidar"])
    return {
        "pictures": np.rint(pictures).astype(np.uint8).transpose(0, 3, 1, 2).copy(),
        "labels": frame.classes[:, middle, middle].copy(),
        "points": (frame.points[kept] @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32),
        "point_labels": frame.point_classes[kept],
        "intensity": frame.intensity[kept],
        "depths": frame.depths[:, middle, middle].copy(),
        "world_from_body": frame.world_from_body.astype(np.float64),
        "seed": np.array(frame.seed),
    }


def scan_labels(sample: Sample, rig: Rig) -> Tensor:
    """uint8 [x y z]: the class most returns of a voxel have, free where rays cross it, 255 where nobody has looked."""
    free = (count_crossings(FRAME, sample.rays(rig.origin)) > 0).flatten()
    labels = torch.where(free, 0, UNKNOWN)
    return _vote(labels, sample.points, sample.point_labels, len(rig.names)).view(FRAME.shape)


def _vote(labels: Tensor, points: Tensor, kinds: Tensor, classes: int) -> Tensor:
    """Flat labels with the most frequent class of the points in each voxel that holds any."""
    index = FRAME.index_of(points.double())
    inside = FRAME.contains(index)
    _, ny, nz = FRAME.shape
    flat = (index[inside, 0] * ny + index[inside, 1]) * nz + index[inside, 2]
    key, votes = (flat * classes + kinds[inside].long()).unique(return_counts=True)
    order = votes.argsort(stable=True)
    labels[(key // classes)[order]] = (key % classes)[order]
    return labels.to(torch.uint8)


def guessed_depths(sample: Sample, rig: Rig) -> Tensor:
    """[6 h w] z-depth of each pixel that is not sky by the nearest return of its own class in the picture; or 0.

    That is what can be said of a label image without rendering. Returns further than 10 pixels away say nothing.
    """
    sparse = targets_of_points(sample.points, sample.point_labels, rig.cameras)
    assert sparse.labels is not None
    assert sparse.depths is not None
    found = torch.zeros(sample.labels.shape)
    for c, picture in enumerate(sample.labels):
        for label in picture.unique().tolist():
            told = ((sparse.labels[c] == label) & (sparse.depths[c] > 0)).nonzero()
            wanted = (picture == label).nonzero()
            if label and len(told):
                gap, nearest = torch.cdist(wanted.float(), told.float()).min(dim=1)
                depth = sparse.depths[c][told[nearest, 0], told[nearest, 1]]
                found[c][wanted[:, 0], wanted[:, 1]] = torch.where(gap <= 10, depth, 0)
    return found


def picture_labels(sample: Sample, rig: Rig, guessed: Tensor) -> Tensor:
    """[6 h w] the label images as far as the grid can explain them.

    What surely lies behind the end of the grid is free, what may lie on either side of it unknown.
    """
    labels = sample.labels.long()
    known = (labels == 0) | (guessed > 0)
    doubtful = (guessed > 0.87 * rig.ends) & (guessed <= 1.15 * rig.ends)
    labels = torch.where(guessed > 1.15 * rig.ends, 0, labels)
    return torch.where(known & ~doubtful, labels, UNKNOWN)


def lifted_labels(sample: Sample, rig: Rig, scan: Tensor, guessed: Tensor) -> Tensor:
    """uint8 [x y z]: the labels of the scan, and, where it has none, pixels lifted to their guessed depth.

    The same pictures as `picture_labels`, brought to the voxels without rendering.
    """
    rays = camera_rays(rig.cameras)
    depths = guessed.flatten().double()
    sky = sample.labels.flatten() == 0
    before = (depths - FRAME.voxel_size).clamp_min(0)
    reach = torch.where(sky, 1e3, before)
    free = (count_crossings(FRAME, rays.until(reach)) > 0).flatten()
    met = depths > 0
    points = rays.until(depths).select(met).at(depths[met])
    lifted = _vote(torch.where(free, 0, UNKNOWN), points, sample.labels.flatten()[met], len(rig.names))
    return torch.where(scan == UNKNOWN, lifted.view(FRAME.shape), scan)


def truth(pit: OccupancyGrid, sample: Sample) -> OccupancyGrid:
    """The world's voxels (0.3 m) in the frame of the body: solid where half of 27 points within a voxel are solid.

    The class is that of most points in voxels that a surface passes. Unknown are voxels wholly inside solids, which
    nobody can see, and those outside the world.
    """
    index = torch.cartesian_prod(*(torch.arange(n) for n in FRAME.shape))
    steps = (torch.arange(3) - 1) / 3 * FRAME.voxel_size
    votes = torch.zeros(len(index), len(pit.class_names))
    inner, outside = torch.zeros(len(index)), torch.zeros(len(index))
    assert pit.interior is not None
    for part in torch.cartesian_prod(steps, steps, steps):
        at = pit.frame.index_of(apply(sample.world_from_body, FRAME.centers(index) + part))
        inside = pit.frame.contains(at)
        x, y, z = at.clamp_min(0).minimum(torch.tensor(pit.frame.shape) - 1).unbind(-1)
        deep = inside & pit.interior[x, y, z]
        outside += ~inside
        inner += deep
        own = torch.where(inside & ~deep, pit.labels[x, y, z].long(), 0)
        votes.scatter_add_(1, own[:, None], torch.ones(len(index), 1))
    solid = votes[:, 1:].sum(dim=1) + inner >= 14
    labels = torch.where(solid, votes[:, 1:].argmax(dim=1) + 1, 0).to(torch.uint8)
    observed = (outside == 0) & ~(solid & (votes[:, 1:].sum(dim=1) == 0))
    names = tuple(name for name in pit.class_names if name != "sky")
    return OccupancyGrid(FRAME, labels.view(FRAME.shape), names, observed.view(FRAME.shape))
