"""Gaussians from points: colours, and distances against brute force."""

import pytest
import torch

from splatsim.fitting.initialisation import gaussians_from_points, neighbour_distances


def test_distances_equal_brute_force() -> None:
    points = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    wanted = torch.cdist(points.double(), points.double()).sort(dim=1).values[:, 1:4].mean(1)
    torch.testing.assert_close(neighbour_distances(points).double(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_points_and_points_in_one_place_have_a_size(count: int) -> None:
    for points in (torch.zeros(count, 3), torch.arange(3.0 * count).view(count, 3)):
        distances = neighbour_distances(points)
        assert bool((distances > 0).all())
        assert bool(distances.isfinite().all())


def test_colours_sizes_and_opacities_are_those_asked_for() -> None:
    points = torch.tensor([[0.0, 0, 0], [1.0, 0, 0], [0, 1.0, 0], [0, 0, 50.0]])
    colors = torch.tensor([[255, 0, 51]]).repeat(4, 1).byte()
    gaussians = gaussians_from_points(points, colors, opacity=0.3, largest=5.0)
    shown = 0.28209479177387814 * gaussians.sh[:, 0] + 0.5
    torch.testing.assert_close(shown, colors.float() / 255)
    assert float(gaussians.scales.max()) == 5.0
    assert bool((gaussians.opacities == 0.3).all())
