"""Metrics along rays: RayIoU and RayPQ by the protocol of SparseOcc (Liu et al. 2024); scores on real LiDAR rays."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from splatsim.grids import OccupancyGrid, VoxelFrame
from splatsim.occupancy.metrics import Confusion, DepthErrors, depth_errors
from splatsim.occupancy.raycast import Rays, cast, cast_states

THRESHOLDS = (1.0, 2.0, 4.0)
"""Metres within which the range of a ray counts as right."""
NUSCENES_THINGS = ("car", "truck", "construction_vehicle", "bus", "trailer", "motorcycle", "bicycle", "pedestrian")
SMALLEST_SEGMENT = 10
"""Rays below which an unmatched segment is neither missed nor false."""


def reference_directions() -> Float[Tensor, "14040 3"]:
    """Unit directions of the protocol, float32: 39 pitches times 360 azimuths.

    The pitches meet the ground at 1, 2, … 10 units of the sensor's height, then go on by the last step to 0.21 rad.
    """
    pitches = [math.atan(k) - math.pi / 2 for k in range(1, 11)]
    while pitches[-1] < 0.21:
        pitches.append(2 * pitches[-1] - pitches[-2])
    pitch, azimuth = np.array(pitches)[:, None], np.deg2rad(np.arange(360.0))
    flat = np.cos(pitch)
    rays = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(pitch) + 0 * azimuth], axis=-1)
    return torch.from_numpy(rays.reshape(-1, 3).astype(np.float32))


@dataclass(frozen=True)
class RayScore:
    """RayIoU or RayPQ: the mean over thresholds, and each."""

    value: float
    """Mean over classes and thresholds."""
    by_threshold: tuple[float, ...]
    """At 1, 2 and 4 m."""
    per_class: dict[str, tuple[float, ...]]
    """By class name, at each threshold; NaN for a class in neither."""


class RayIoU:
    """RayIoU over a data set: a ray counts where the truth hits something, and is right by class and range."""

    def __init__(self, class_names: tuple[str, ...]) -> None:
        self.class_names = class_names
        n = len(class_names)
        self.truth, self.predicted = np.zeros(n), np.zeros(n)
        self.right = np.zeros((len(THRESHOLDS), n))

    def add(self, predicted: OccupancyGrid, truth: OccupancyGrid, origins: Float[Tensor, "o 3"]) -> "RayIoU":
        """Cast all rays from every origin (metres, in the frame of the grid) through both grids.

        The protocol knows no masks: a label is what counts, and what is stored as free is free.

        Raises:
            ValueError: frames or classes differ, or an origin lies outside the grid.
        """
        _check_alike(predicted, truth, self.class_names)
        n = len(self.class_names)
        mine, distance = _reference_cast(predicted, predicted.labels, origins)
        true, true_distance = _reference_cast(truth, truth.labels, origins)
        kept = true != truth.free_label
        mine, true = mine[kept], true[kept]
        error = np.abs(distance[kept] - true_distance[kept])
        self.truth += np.bincount(true, minlength=n)
        self.predicted += np.bincount(mine, minlength=n)
        for row, threshold in enumerate(THRESHOLDS):
            self.right[row] += np.bincount(true[(true == mine) & (error < threshold)], minlength=n)
        return self

    def score(self) -> RayScore:
        """Mean over the classes that occur, the free one left out, and over the thresholds."""
        with np.errstate(invalid="ignore"):
            ious = self.right / (self.truth + self.predicted - self.right)
        return _summary(ious, self.class_names)


class RayPQ:
    """Panoptic quality on the same rays: segments match where more than half of their union agrees within range."""

    def __init__(self, class_names: tuple[str, ...], things: tuple[str, ...] = NUSCENES_THINGS) -> None:
        self.class_names = class_names
        self.things = {class_names.index(name) for name in things if name in class_names}
        shape = (len(THRESHOLDS), len(class_names))
        self.matched, self.quality = np.zeros(shape), np.zeros(shape)
        self.false, self.missed = np.zeros(shape), np.zeros(shape)

    def add(
        self,
        predicted: OccupancyGrid,
        truth: OccupancyGrid,
        predicted_instances: UInt8[Tensor, "x y z"] | Int[Tensor, "x y z"],
        true_instances: UInt8[Tensor, "x y z"] | Int[Tensor, "x y z"],
        origins: Float[Tensor, "o 3"],
    ) -> "RayPQ":
        """Cast all rays through both grids and match their segments. Instance 0 is no instance.

        Raises:
            ValueError: frames or classes differ, or an origin lies outside the grid.
        """
        _check_alike(predicted, truth, self.class_names)
        mine, distance, own = _reference_segments(predicted, predicted_instances, origins)
        true, true_distance, ids = _reference_segments(truth, true_instances, origins)
        kept = true != truth.free_label
        mine, true, own, ids = mine[kept], true[kept], own[kept], ids[kept]
        error = np.abs(distance[kept] - true_distance[kept])
        ids = self._true_segments(true, ids)
        for label in range(len(self.class_names)):
            if label == truth.free_label:
                continue
            for row, threshold in enumerate(THRESHOLDS):
                self._match(row, label, own, ids, mine == label, true == label, error < threshold)
        return self

    def _true_segments(self, labels: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """One segment for each thing and for each class of stuff; what belongs to several classes is no segment."""
        segments, count = np.zeros_like(ids), 0
        classes = {i: np.unique(labels[ids == i]) for i in np.unique(ids) if i > 0}
        for label in np.unique(labels):
            if label in self.things:
                for i, found in classes.items():
                    if len(found) == 1 and found[0] == label:
                        count += 1
                        segments[ids == i] = count
            else:
                count += 1
                segments[labels == label] = count
        return segments

    def _match(
        self,
        row: int,
        label: int,
        own: np.ndarray,
        ids: np.ndarray,
        is_mine: np.ndarray,
        is_true: np.ndarray,
        near: np.ndarray,
    ) -> None:
        mine, mine_size = np.unique(own[is_mine], return_counts=True)
        true, true_size = np.unique(ids[is_true], return_counts=True)
        both = is_mine & is_true & near
        pairs, shared = np.unique(np.stack([own[both], ids[both]]), axis=1, return_counts=True)
        p, t = np.searchsorted(mine, pairs[0]), np.searchsorted(true, pairs[1])
        iou = shared / (mine_size[p] + true_size[t] - shared)
        good = iou > 0.5
        self.matched[row, label] += good.sum()
        self.quality[row, label] += iou[good].sum()
        self.missed[row, label] += (np.delete(true_size, t[good]) >= SMALLEST_SEGMENT).sum()
        self.false[row, label] += (np.delete(mine_size, p[good]) >= SMALLEST_SEGMENT).sum()

    def score(self) -> RayScore:
        """Segment quality times recognition quality, mean over the classes that occur and over the thresholds."""
        occurs = self.matched + self.false + self.missed
        quality = self.quality / np.maximum(self.matched, 1e-5)
        recognised = self.matched / np.maximum(self.matched + 0.5 * self.false + 0.5 * self.missed, 1e-5)
        return _summary(np.where(occurs > 0, quality * recognised, np.nan), self.class_names)


def lidar_origins(positions: Float[Tensor, "t 3"], *, most: int = 8, within: float = 39.0) -> Float[Tensor, "o 3"]:
    """The origins of the protocol: sensor positions of a sequence in the frame of one grid, at most eight.

    Raises:
        ValueError: no position lies near enough.
    """
    near = positions[(positions[:, :2].abs() < within).all(dim=-1)]
    if not len(near):
        raise ValueError(f"none of {len(positions)} positions lies within {within} m of the grid's origin in x and y.")
    if len(near) > most:
        near = near[torch.from_numpy(np.round(np.linspace(0, len(near) - 1, most)).astype(np.int64))]
    return near


def lidar_scores(
    grid: OccupancyGrid,
    rays: Rays,
    ranges: Float[Tensor, " n"],
    labels: Int[Tensor, " n"],
    ignore: tuple[int, ...] = (255,),
) -> tuple[Confusion, DepthErrors]:
    """Class and range of the first voxel on each real LiDAR ray, against what was measured.

    Args:
        rays: Of unit direction, from the sensor.
        ranges: Metres.
        labels: Of the returns; those in `ignore` count for the range only.
    """
    hits = cast(grid, rays.replace(reach=None))
    confusion = Confusion(grid.class_names, ignore=ignore, mask="lidar rays").add(hits.labels, labels)
    found = torch.where(hits.hit, hits.entry.clamp_min(1e-6), 0)
    return confusion, depth_errors(found, ranges.double())


def _check_alike(predicted: OccupancyGrid, truth: OccupancyGrid, class_names: tuple[str, ...]) -> None:
    if predicted.frame != truth.frame:
        raise ValueError(f"predicted lies on {predicted.frame}, truth on {truth.frame}; expected the same.")
    if predicted.class_names != class_names or truth.class_names != class_names:
        raise ValueError(
            f"classes are {predicted.class_names} and {truth.class_names}; expected {class_names} in both."
        )


def _reference_cast(
    grid: OccupancyGrid, values: Tensor, origins: Float[Tensor, "o 3"]
) -> tuple[np.ndarray, np.ndarray]:
    """Of each ray, the value where it ends and its length, rounded as in the reference.

    A ray ends where it leaves the first occupied voxel, or else the last one of the grid.
    """
    index, distance = _reference_hits(grid, origins)
    flat = values.flatten().long()
    free = grid.free_label if values is grid.labels else 0
    found = torch.where(index >= 0, flat[index.clamp_min(0)], free)
    return found.numpy(), distance.numpy()


def _reference_segments(
    grid: OccupancyGrid, instances: Tensor, origins: Float[Tensor, "o 3"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    labels, distance = _reference_cast(grid, grid.labels, origins)
    ids, _ = _reference_cast(grid, instances, origins)
    return labels, distance, ids


def _reference_hits(
    grid: OccupancyGrid, origins: Float[Tensor, "o 3"]
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """Flat index of the first occupied voxel, or -1, and range in metres (float32).

    The reference makes the ends of its rays in metres and moves them to voxels, all in float32: so do we, because a
    ray along the border of two voxels falls on one or the other by that rounding.
    """
    low = torch.tensor(grid.frame.origin, dtype=torch.float32)
    size = torch.tensor(grid.frame.voxel_size, dtype=torch.float32)
    starts = origins.float()
    inside = ((starts - low) / size >= 0) & ((starts - low) / size < torch.tensor(grid.frame.shape))
    if not bool(inside.all()):
        row = int((~inside.all(dim=-1)).nonzero()[0, 0])
        raise ValueError(f"origins[{row}] is {starts[row].tolist()}; expected a point within {grid.frame}.")
    ends = reference_directions()[None] + starts[:, None]
    begin = ((starts - low) / size).double()[:, None].expand(ends.shape)
    directions = ((ends - low) / size).double() - begin
    directions = directions / directions.norm(dim=-1, keepdim=True)
    voxels = VoxelFrame((0.0, 0.0, 0.0), 1.0, grid.frame.shape)
    states = (grid.labels != grid.free_label).to(torch.uint8)
    hits = cast_states(voxels, states, Rays(begin.reshape(-1, 3), directions.reshape(-1, 3)))
    return hits.index, hits.exit.float() * size


def _summary(values: np.ndarray, class_names: Sequence[str]) -> RayScore:
    kept = [i for i, name in enumerate(class_names) if name != "free"]
    table = values[:, kept]
    filled = ~np.isnan(table)
    mean = float(table[filled].mean()) if filled.any() else float("nan")
    rows = tuple(float(row[~np.isnan(row)].mean()) if (~np.isnan(row)).any() else float("nan") for row in table)
    return RayScore(mean, rows, {class_names[i]: tuple(values[:, i].tolist()) for i in kept})
