"""RayIoU and RayPQ against every voxel tried for every ray, with the protocol written out again."""

import math

import numpy as np
import pytest
import torch

from splatsim.grids import OccupancyGrid, VoxelFrame
from splatsim.occupancy.lidar import rays_to_points
from splatsim.occupancy.ray_metrics import (
    RayIoU,
    RayPQ,
    lidar_origins,
    lidar_scores,
    reference_directions,
)

CLASSES = ("car", "truck", "road", "free")
FRAME = VoxelFrame((-4.0, -4.0, -1.0), 1.0, (8, 8, 4))
ORIGINS = torch.tensor([[0.13, 0.27, 0.61], [1.31, -0.77, 0.83]])


def grid(seed: int) -> OccupancyGrid:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.full(FRAME.shape, 3, dtype=torch.uint8)
    filled = torch.rand(FRAME.shape, generator=generator) < 0.12
    labels[filled] = torch.randint(0, 2, FRAME.shape, generator=generator).to(torch.uint8)[filled]
    labels[:, :, 0] = 2
    labels[3:6, 2:5, 1:3] = 3
    return OccupancyGrid(FRAME, labels, CLASSES, torch.ones(FRAME.shape, dtype=torch.bool))


def ends(occupied: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flat index of the first occupied voxel, or -1, and exit distance for each ray, by the slabs of all voxels."""
    corners = np.stack(np.indices(FRAME.shape), -1).reshape(-1, 3) + np.array(FRAME.origin)
    found, lengths = [], []
    for origin in ORIGINS.numpy().astype(np.float64):
        for d in reference_directions().numpy().astype(np.float64):
            with np.errstate(divide="ignore", invalid="ignore"):
                a, b = (corners - origin) / d, (corners + 1 - origin) / d
            near = np.maximum(np.minimum(a, b).max(-1), 0)
            far = np.maximum(a, b).min(-1)
            crossed = far > near
            hits = np.flatnonzero(crossed & occupied.reshape(-1))
            first = hits[near[hits].argmin()] if len(hits) else -1
            found.append(first)
            lengths.append(far[first] if len(hits) else far[crossed].max())
    return np.array(found), np.array(lengths)


@pytest.fixture(scope="module")
def cast_by_hand() -> dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    out = {}
    for seed in (0, 1):
        labels = grid(seed).labels.numpy().astype(int)
        index, length = ends(labels != 3)
        one = np.where(index >= 0, labels.reshape(-1)[index], 3)
        own = np.where(index >= 0, instances(seed).numpy().astype(int).reshape(-1)[index], 0)
        out[seed] = (one, length, own)
    return out


def instances(seed: int) -> torch.Tensor:
    """Cars and trucks in the left and right half are one instance each."""
    labels = grid(seed).labels.int()
    half = torch.arange(8)[:, None, None] // 4
    return torch.where(labels < 2, 1 + labels * 2 + half, 0)


def test_there_are_14040_unit_rays() -> None:
    rays = reference_directions().double()
    assert rays.shape == (14040, 3)
    assert torch.allclose(rays.norm(dim=-1), torch.ones(14040, dtype=torch.float64), atol=1e-6)
    pitches = torch.asin(rays[::360, 2])
    assert float(pitches[0]) == pytest.approx(-math.pi / 4, abs=1e-6)
    assert float(pitches[9]) == pytest.approx(-math.atan(1 / 10), abs=1e-6)
    assert float(pitches[-1]) == pytest.approx(0.219, abs=1e-3)


def test_ray_iou_is_that_of_rays_cast_by_hand(
    cast_by_hand: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> None:
    (p, dp, _), (t, dt, _) = cast_by_hand[0], cast_by_hand[1]
    kept = t != 3
    expected = []
    for threshold in (1, 2, 4):
        for label in range(3):
            both = ((p == label) & (t == label) & (np.abs(dp - dt) < threshold) & kept).sum()
            expected.append(both / (((p == label) & kept).sum() + ((t == label) & kept).sum() - both))
    found = RayIoU(CLASSES).add(grid(0), grid(1), ORIGINS).score()
    assert found.value == pytest.approx(np.mean(expected), abs=2e-4)
    assert 0.1 < found.value < 0.9
    assert found.by_threshold == pytest.approx(np.array(expected).reshape(3, 3).mean(1).tolist(), abs=3e-4)


def protocol(labels: np.ndarray, origins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Label and length of all 14,040 rays in the grid of Occ3D, from the sorted crossings of all planes between voxels.

    Nothing is stepped from voxel to voxel: each stretch between two crossings lies in the voxel of its middle.
    """
    low, size, shape = np.array([-40, -40, -1], np.float32), np.float32(0.4), np.array([200, 200, 16])
    found, lengths = [], []
    for origin in origins.astype(np.float32):
        start = ((origin - low) / size).astype(np.float64)
        way = ((reference_directions().numpy() + origin - low) / size).astype(np.float64) - start
        way /= np.linalg.norm(way, axis=1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            planes = [(np.arange(n + 1) - start[axis]) / way[:, axis, None] for axis, n in enumerate(shape)]
        crossings = np.concatenate(planes, axis=1)
        crossings[~(crossings > 0) | ~np.isfinite(crossings)] = 0
        crossings.sort(axis=1)
        middles = (crossings[:, 1:] + crossings[:, :-1]) / 2
        voxels = np.floor(start + middles[..., None] * way[:, None]).astype(int)
        inside = ((voxels >= 0) & (voxels < shape)).all(-1) & (np.diff(crossings) > 1e-12)
        x, y, z = np.moveaxis(np.clip(voxels, 0, shape - 1), -1, 0)
        filled = inside & (labels[x, y, z] != 3)
        hit = filled.any(1)
        last = np.where(hit, filled.argmax(1), inside.shape[1] - 1 - inside[:, ::-1].argmax(1))
        row = np.arange(len(way))
        found.append(np.where(hit, labels[x[row, last], y[row, last], z[row, last]], 3))
        lengths.append(crossings[row, last + 1] * 0.4)
    return np.concatenate(found), np.concatenate(lengths)


def test_ray_iou_on_the_grid_of_occ3d_is_that_of_sorted_crossings() -> None:
    frame = VoxelFrame((-40.0, -40.0, -1.0), 0.4, (200, 200, 16), "ego")
    generator = torch.Generator().manual_seed(3)
    truth = torch.full(frame.shape, 3, dtype=torch.uint8)
    truth[:, :, 1] = 2
    things = torch.rand(frame.shape, generator=generator) < 0.002
    truth[things] = torch.randint(0, 2, (int(things.sum()),), generator=generator).to(torch.uint8)
    truth[95:107, 95:105] = 3
    everywhere = torch.ones(frame.shape, dtype=torch.bool)
    grids = [OccupancyGrid(frame, labels, CLASSES, everywhere) for labels in (truth.roll((2, 1), (0, 1)), truth)]
    origins = torch.tensor([[0.9858, 0.0, 1.8402], [0.31, -0.67, 2.13]])
    (p, dp), (t, dt) = (protocol(grid.labels.numpy().astype(int), origins.numpy()) for grid in grids)
    kept = t != 3
    assert len(t) == 2 * 14040
    expected = []
    for threshold in (1, 2, 4):
        for label in range(3):
            both = ((p == label) & (t == label) & (np.abs(dp - dt) < threshold) & kept).sum()
            expected.append(both / (((p == label) & kept).sum() + ((t == label) & kept).sum() - both))
    found = RayIoU(CLASSES).add(grids[0], grids[1], origins).score()
    assert found.value == pytest.approx(np.mean(expected), abs=1e-4)
    assert 0.1 < found.value < 0.9


def test_a_grid_agrees_with_itself_and_frames_add_up() -> None:
    same = RayIoU(CLASSES).add(grid(0), grid(0), ORIGINS).score()
    assert (same.value, same.by_threshold) == (1.0, (1.0, 1.0, 1.0))
    both = RayIoU(CLASSES).add(grid(0), grid(1), ORIGINS)
    one = RayIoU(CLASSES).add(grid(0), grid(1), ORIGINS[:1]).add(grid(0), grid(1), ORIGINS[1:])
    assert both.score() == one.score()


def test_ray_pq_by_hand(cast_by_hand: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
    (p, dp, pi), (t, dt, ti) = cast_by_hand[0], cast_by_hand[1]
    kept = t != 3
    p, dp, pi, t, dt, ti = (array[kept] for array in (p, dp, pi, t, dt, ti))
    values = []
    for threshold in (1, 2, 4):
        near = np.abs(dp - dt) < threshold
        for label in range(3):
            mine = {i: (p == label) & (pi == i) for i in np.unique(pi[p == label])}
            true = {i: (t == label) & (ti == i) for i in np.unique(ti[t == label])}
            matched_mine, matched_true, quality = set(), set(), 0.0
            for i, a in mine.items():
                for j, b in true.items():
                    shared = (a & b & near).sum()
                    iou = shared / (a.sum() + b.sum() - shared)
                    if iou > 0.5:
                        matched_mine.add(i)
                        matched_true.add(j)
                        quality += iou
            false = sum(a.sum() >= 10 for i, a in mine.items() if i not in matched_mine)
            missed = sum(b.sum() >= 10 for j, b in true.items() if j not in matched_true)
            if matched_mine or false or missed:
                values.append(quality / (len(matched_mine) + (false + missed) / 2))
    found = RayPQ(CLASSES, things=("car", "truck")).add(grid(0), grid(1), instances(0), instances(1), ORIGINS).score()
    assert found.value == pytest.approx(np.mean(values), abs=2e-3)
    perfect = RayPQ(CLASSES, things=("car", "truck")).add(grid(0), grid(0), instances(0), instances(0), ORIGINS)
    assert perfect.score().value == 1.0


def test_scores_on_real_rays() -> None:
    truth = grid(1)
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(200, 3, generator=generator, dtype=torch.float64)
    from splatsim.occupancy.raycast import Rays, cast

    rays = Rays(ORIGINS[:1].double().expand(200, 3), directions / directions.norm(dim=-1, keepdim=True))
    hits = cast(truth, rays)
    rows = hits.hit
    measured = rays_to_points(rays.origins[rows], rays.at(hits.entry + 0.05)[rows])
    assert measured.reach is not None
    confusion, errors = lidar_scores(truth, measured, measured.reach, hits.labels[rows])
    assert confusion.accuracy() == 1.0
    assert errors.l1 == pytest.approx(0.05, abs=1e-6)
    assert errors.missing == 0


def test_origins_are_thinned_to_eight_near_ones() -> None:
    positions = torch.stack([torch.linspace(-60, 60, 41), torch.zeros(41), torch.ones(41)], dim=-1)
    chosen = lidar_origins(positions)
    assert len(chosen) == 8
    assert float(chosen[:, 0].abs().max()) == 36.0
    with pytest.raises(ValueError, match="none of 1 positions lies within 39"):
        lidar_origins(torch.tensor([[100.0, 0, 0]]))


def test_bad_requests_are_named() -> None:
    with pytest.raises(ValueError, match=r"origins\[1\] is .* expected a point within"):
        RayIoU(CLASSES).add(grid(0), grid(1), torch.tensor([[0.0, 0, 0], [9.0, 0, 0]]))
    with pytest.raises(ValueError, match=r"expected .*'bus'.* in both"):
        RayIoU(("bus", "free")).add(grid(0), grid(1), ORIGINS)
