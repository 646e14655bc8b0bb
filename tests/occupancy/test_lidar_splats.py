"""LiDAR rays through Gaussians: one Gaussian by hand, finite differences, pictures of the same rays, exact rays."""

import math

import pytest
import torch

from splatsim import Cameras, Gaussians
from splatsim.occupancy.dense_maps import render_maps
from splatsim.occupancy.lidar import lidar_rays, scan, scan_labels
from splatsim.occupancy.lidar_splats import scan_gaussians
from splatsim.occupancy.logits import solid_labels_of
from splatsim.occupancy.raycast import Rays, camera_rays
from splatsim.occupancy.voxel_shapes import VoxelShape, gaussianize
from tests.conftest import random_gaussians
from tests.occupancy.test_dense_maps import room
from tests.occupancy.test_lidar import pose


def some(n: int = 6, dtype: torch.dtype = torch.float64) -> Gaussians:
    made = random_gaussians(n, features=3).to(dtype)
    return made.replace(means=made.means + torch.tensor([4.0, 0, 0], dtype=dtype), features=made.features.softmax(-1))  # type: ignore[union-attr]


def fan(n: int = 40) -> Rays:
    generator = torch.Generator().manual_seed(4)
    ends = torch.randn(n, 3, generator=generator, dtype=torch.float64) * 0.8 + torch.tensor([4.0, 0, 0]).double()
    return Rays(torch.zeros(n, 3, dtype=torch.float64), ends / ends.norm(dim=-1, keepdim=True))


def test_one_gaussian_stops_the_light_of_its_nearest_approach() -> None:
    one = Gaussians(
        means=torch.tensor([[5.0, 0.0, 0.0]]),
        quats=torch.tensor([[1.0, 0, 0, 0]]),
        scales=torch.tensor([[0.3, 0.5, 0.2]]),
        opacities=torch.tensor([0.8]),
        sh=torch.zeros(1, 1, 3),
        features=torch.tensor([[0.25, 0.75]]),
    )
    angle = 0.08
    direction = torch.tensor([[math.cos(angle), math.sin(angle), 0.0]], dtype=torch.float64)
    found = scan_gaussians(one, Rays(torch.zeros(1, 3, dtype=torch.float64), direction))
    t = torch.linspace(3, 7, 400_001, dtype=torch.float64)
    exponent = ((t * direction[0, 0] - 5) / 0.3) ** 2 + (t * direction[0, 1] / 0.5) ** 2
    assert float(found.hits) == pytest.approx(0.8 * math.exp(-0.5 * float(exponent.min())), rel=1e-5)
    assert float(found.ranges) == pytest.approx(float(t[exponent.argmin()]), abs=1e-4)
    assert found.classes[0].tolist() == pytest.approx([0.25, 0.75])
    dropped = scan_gaussians(one, fan(1), return_rates=torch.tensor([0.0, 0.4]))
    assert float(dropped.returns) == pytest.approx(0.3 * float(dropped.hits), rel=1e-5)


def test_order_and_cones_change_nothing() -> None:
    """Against all Gaussians on every ray, in a plain loop."""
    g, rays = some(30), fan()
    found = scan_gaussians(g, rays)
    order = g.means.norm(dim=-1).argsort().tolist()
    for r, d in enumerate(rays.directions):
        light, hits, ranges = 1.0, 0.0, 0.0
        for i in order:
            one = g.select(torch.tensor([i]))
            alone = scan_gaussians(one, Rays(torch.zeros(1, 3, dtype=torch.float64), d[None]))
            alpha = float(alone.hits)
            hits, ranges = hits + light * alpha, ranges + light * alpha * float(alone.ranges)
            light *= 1 - alpha
        assert float(found.hits[r]) == pytest.approx(hits, abs=1e-9)
        assert float(found.ranges[r]) * float(found.hits[r]) == pytest.approx(ranges, abs=1e-8)


def test_gradients_agree_with_finite_differences() -> None:
    g, rays = some(4), fan(12)
    names = ("means", "quats", "scales", "opacities", "features")

    def total(*values: torch.Tensor) -> torch.Tensor:
        found = scan_gaussians(g.replace(**dict(zip(names, values, strict=True))), rays)
        return (
            (found.hits * found.ranges).sum() + found.returns.sum() + (found.hits[:, None] * found.classes)[:, 0].sum()
        )

    leaves = [getattr(g, name).clone().requires_grad_() for name in names]
    assert torch.autograd.gradcheck(total, leaves, eps=1e-6, atol=1e-5)


def test_small_gaussians_look_as_in_a_picture_of_the_same_rays() -> None:
    g = random_gaussians(40, features=3, smallest=0.02, largest=0.06)
    assert g.features is not None
    g = g.replace(features=g.features.softmax(-1))
    camera = Cameras.look_at([[6.0, 0.5, 0.4]], [0, 0, 0], fov_deg=20, width=80, height=60)
    picture = render_maps(g, camera)
    pixels = camera_rays(camera)
    lengths = pixels.directions.norm(dim=-1, keepdim=True)
    found = scan_gaussians(g, Rays(pixels.origins, pixels.directions / lengths))
    # A picture widens each Gaussian by 0.3 square pixels and flattens it; a ray does neither.
    assert float((found.hits.view(60, 80) - picture.alphas[0]).abs().mean()) < 0.01
    both = (found.hits.view(60, 80) > 0.3) & (picture.alphas[0] > 0.3)
    depths = (found.ranges / lengths[:, 0]).view(60, 80)
    assert int(both.sum()) > 30
    assert float((depths - picture.depths[0])[both].abs().median()) < 0.02


def test_voxels_as_gaussians_are_scanned_as_by_exact_rays() -> None:
    grid = room()
    rays = lidar_rays(pose(0.0, 0.0, 2.0), [-0.5, -0.3, -0.15, 0.0, 0.1], 240)
    exact = scan(grid, rays)
    found = scan_gaussians(gaussianize(grid, VoxelShape(split=2)).gaussians, rays)
    solid = solid_labels_of(grid)
    assert float((scan_labels(found, solid, 0) == scan_labels(exact, solid, 0)).float().mean()) > 0.95
    hit = (exact.hits > 0) & (found.hits > 0.5)
    near = (found.ranges - exact.ranges).abs() <= grid.frame.voxel_size
    assert float(near[hit].float().mean()) > 0.9


def test_nothing_and_too_far() -> None:
    g, rays = some(3), fan(5)
    nothing = scan_gaussians(g.select(torch.zeros(3, dtype=torch.bool)), rays)
    assert float(nothing.hits.abs().max()) == 0
    assert float(nothing.ranges.abs().max()) == 0
    short = scan_gaussians(g, rays.until(torch.full((5,), 0.5, dtype=torch.float64)))
    assert float(short.hits.max()) == 0
    assert len(scan_gaussians(g, rays.select(slice(0, 0))).hits) == 0
    with pytest.raises(ValueError, match="without features"):
        scan_gaussians(g.replace(features=None), rays)
    with pytest.raises(ValueError, match="2 return rates for 3 classes"):
        scan_gaussians(g, rays, return_rates=torch.ones(2))
