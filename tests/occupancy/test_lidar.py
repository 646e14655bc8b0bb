"""LiDAR scans of grids: exact for labels, expectations for logits, ray-drop."""

import math

import pytest
import torch

from splatsim.occupancy.lidar import lidar_rays, rays_to_points, scan, scan_labels
from splatsim.occupancy.logits import logits_of, solid_labels_of
from splatsim.occupancy.raycast import cast
from tests.occupancy.grids import random_grid


def pose(x: float, y: float, z: float, yaw: float = 0.3) -> torch.Tensor:
    out = torch.eye(4)
    out[:2, :2] = torch.tensor([[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]])
    out[:3, 3] = torch.tensor([x, y, z])
    return out


def test_a_grid_of_labels_is_scanned_exactly() -> None:
    grid = random_grid((12, 12, 8))
    rays = lidar_rays(pose(1.0, 3.0, 1.5), [-0.4, -0.2, 0.0, 0.3], 64)
    found, hits = scan(grid, rays), cast(grid, rays)
    assert 20 < int(hits.hit.sum()) < len(rays)
    assert torch.equal(found.hits, hits.hit.float())
    assert torch.allclose(found.ranges.double(), torch.where(hits.hit, hits.entry, 0), atol=1e-5)
    assert torch.equal(scan_labels(found, solid_labels_of(grid), 0), hits.labels)


def test_rays_turn_with_the_sensor_and_go_counter_clockwise() -> None:
    rays = lidar_rays(pose(1.0, 2.0, 3.0, yaw=math.pi / 2), [0.0], 4)
    assert torch.allclose(rays.origins, torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64).expand(4, 3))
    angles = torch.atan2(rays.directions[:, 1], rays.directions[:, 0])
    expected = torch.tensor([3, -3, -1, 1], dtype=torch.float64) * math.pi / 4
    assert torch.allclose(angles, expected, atol=1e-6)
    assert torch.allclose(rays.directions.norm(dim=-1), torch.ones(4, dtype=torch.float64))


def test_ray_drop_takes_the_rate_of_what_is_met() -> None:
    grid = random_grid((12, 12, 8))
    rays = lidar_rays(pose(1.0, 3.0, 1.5), [-0.4, -0.2, 0.0, 0.3], 256)
    rates = torch.tensor([0.9, 0.5, 0.0])
    found = scan(grid, rays, return_rates=rates)
    labels = scan_labels(found, solid_labels_of(grid), 0)
    for label, rate in enumerate(rates.tolist(), start=1):
        rows = labels == label
        assert torch.allclose(found.returns[rows], torch.full((int(rows.sum()),), rate))
        chosen = found.sample(0)[rows].float().mean()
        assert float(chosen) == pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) / int(rows.sum())) + 1e-6)
    assert not bool(found.sample(0)[found.hits == 0].any())
    assert torch.equal(found.sample(3), found.sample(3))


def test_gradients_of_a_scan_reach_the_logits() -> None:
    grid = random_grid()
    soft = logits_of(grid, 0.9)
    leaf = soft.logits.clone().requires_grad_()
    rays = lidar_rays(pose(1.0, 2.0, 0.5), [-0.1, 0.1], 32, reach=20.0)
    found = scan(soft.replace(logits=leaf), rays)
    (found.ranges.mean() + found.classes[:, 0].mean()).backward()
    assert leaf.grad is not None
    assert bool(leaf.grad.isfinite().all())
    assert float(leaf.grad.abs().sum()) > 0


def test_rays_to_points_end_at_the_points() -> None:
    points = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    rays = rays_to_points(torch.zeros(9, 3), points)
    assert rays.reach is not None
    assert torch.allclose(rays.at(rays.reach), points.double())
    with pytest.raises(ValueError, match=r"Rays.directions\[1\] .* expected a vector that is not 0"):
        rays_to_points(torch.zeros(2, 3), torch.tensor([[1.0, 0, 0], [0, 0, 0]]))


def test_bad_requests_are_named() -> None:
    grid = random_grid()
    with pytest.raises(ValueError, match="got 0 pitches and 4 columns"):
        lidar_rays(pose(0, 0, 0), [], 4)
    rays = lidar_rays(pose(0, 0, 0), [0.0], 4)
    with pytest.raises(ValueError, match="2 return rates for 3 classes"):
        scan(grid, rays, return_rates=torch.ones(2))
    with pytest.raises(ValueError, match="expected shares within"):
        scan(grid, rays, return_rates=torch.tensor([0.1, 0.2, 1.5]))
