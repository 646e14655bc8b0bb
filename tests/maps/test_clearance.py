"""Clearance against the distance to every square."""

import torch

from splatsim.maps.clearance import clearance_of
from tests.maps.rooms import drawn, scattered


def exact(nav_map, points):
    west, north = nav_map.frame.north_west
    rows, columns = nav_map.frame.shape
    size = nav_map.frame.resolution
    low = torch.tensor([west, north - rows * size], dtype=torch.float64)
    high = torch.tensor([west + columns * size, north], dtype=torch.float64)
    found = torch.minimum(points - low, high - points).amin(-1).clamp_min(0)
    for row, column in (~nav_map.free).nonzero().tolist():
        corner = torch.tensor([west + column * size, north - (row + 1) * size], dtype=torch.float64)
        gap = torch.maximum(corner - points, points - corner - size).clamp_min(0)
        found = torch.minimum(found, gap.norm(dim=-1))
    return found


def test_any_point_has_its_exact_distance() -> None:
    nav_map = scattered(30, 20, 0.05, 2)
    points = torch.rand(500, 2, generator=torch.Generator().manual_seed(0)).double() * torch.tensor([2.4, 3.4])
    points += torch.tensor([-1.2, -1.2])
    clearance = clearance_of(nav_map)
    assert torch.allclose(clearance.at(points), exact(nav_map, points), atol=1e-12)
    one_by_one = torch.cat([clearance.at(point[None]) for point in points[:50]])
    assert torch.allclose(one_by_one, exact(nav_map, points[:50]), atol=1e-12)


def test_unknown_is_blocked_and_so_is_outside() -> None:
    clearance = clearance_of(drawn("...\n.?.\n..."))
    points = torch.tensor([[0.05, -0.15], [0.15, -0.15], [0.05, -0.02], [-1.0, 0.0]], dtype=torch.float64)
    assert torch.allclose(clearance.at(points), torch.tensor([0.05, 0.0, 0.02, 0.0], dtype=torch.float64))
