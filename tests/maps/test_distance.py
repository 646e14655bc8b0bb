"""Distances against exact ways around corners, and ways that exist."""

import math

import numpy as np
import pytest
import torch

from splatsim.grids import GridFrame, NavMap
from splatsim.maps.distance import distance_field, length_of, line_is_free
from tests.maps.rooms import drawn, scattered, sees, visibility_distances


def test_an_empty_room_is_measured_straight() -> None:
    nav_map = NavMap(GridFrame((0.0, 10.0), 0.05, (200, 200)), torch.zeros(200, 200, dtype=torch.uint8), (0.1, 1.8))
    goal = (2.51, 7.52)
    field = distance_field(nav_map, goal)
    cells = torch.cartesian_prod(torch.arange(200), torch.arange(200))
    straight = (nav_map.frame.centers(cells) - torch.tensor(goal)).norm(dim=-1).view(200, 200)
    assert float((field.distances - straight).max()) < 0.035
    assert float((field.distances - straight).min()) > -1e-5
    assert float((field.distances / straight.clamp_min(0.05)).max()) < 1.012


@pytest.mark.parametrize("seed", range(4))
def test_ways_around_corners_are_nearly_the_shortest(seed: int) -> None:
    nav_map = scattered(14, 14, 0.25, seed)
    row, column = nav_map.free.nonzero()[seed].tolist()
    x, y = nav_map.frame.centers(torch.tensor([row, column])).tolist()
    field, exact = distance_field(nav_map, (x, y)).distances.double(), visibility_distances(nav_map, (x, y))
    assert torch.equal(field.isfinite(), exact.isfinite())
    known = exact.isfinite()
    assert bool((field[known] >= exact[known] - 1e-5).all())
    # Every cell is a corner here, the worst there is.
    assert bool((field[known] <= 1.2 * exact[known] + 0.1 * nav_map.frame.resolution).all())


def test_in_rooms_distances_are_nearly_exact() -> None:
    picture = np.full((40, 60), ".")
    picture[:22, 20:22] = picture[14:, 40:42] = picture[30:32, 4:30] = "#"
    nav_map = drawn("\n".join("".join(row) for row in picture))
    field, exact = distance_field(nav_map, (0.35, -0.45)), visibility_distances(nav_map, (0.35, -0.45))
    apart = field.distances.double() - exact
    known = exact.isfinite()
    assert torch.equal(known, field.distances.isfinite())
    assert float((apart[known] / exact[known].clamp_min(1.0)).max()) < 0.025
    start = nav_map.frame.centers(torch.tensor([35, 55]))
    path = field.path(tuple(start.tolist()))
    assert length_of(path) == pytest.approx(float(exact[35, 55]), rel=0.015)


@pytest.mark.parametrize("seed", range(4))
def test_taut_paths_are_free_and_short(seed: int) -> None:
    nav_map = scattered(16, 16, 0.2, 10 + seed)
    cells = nav_map.free.nonzero()
    goal = tuple(nav_map.frame.centers(cells[3]).tolist())
    field, exact = distance_field(nav_map, goal), visibility_distances(nav_map, goal)
    for row, column in cells[:: len(cells) // 12].tolist():
        start = tuple(nav_map.frame.centers(torch.tensor([row, column])).tolist())
        path = field.path(start)
        if not math.isfinite(float(exact[row, column])):
            assert len(path) == 0
            continue
        corners = path.numpy()
        assert corners[0] == pytest.approx(start)
        assert corners[-1] == pytest.approx(goal)
        assert sees(nav_map, corners[:-1], corners[1:]).all()
        assert length_of(path) >= float(exact[row, column]) - 1e-9
        assert length_of(path) <= 1.12 * float(exact[row, column])


def test_a_way_does_not_pass_between_touching_corners() -> None:
    nav_map = drawn("""..#..
                       ..#..
                       ##...
                       .....""")
    field = distance_field(nav_map, (0.05, -0.05))
    assert field.distances.isfinite().sum() == 4
    assert bool(field.distances[:2, :2].isfinite().all())


def test_unknown_cells_are_not_passed() -> None:
    field = distance_field(drawn("..?.."), (0.05, -0.05))
    assert field.distances.isfinite().tolist() == [[True, True, False, False, False]]


def test_between_cells_distances_are_continuous() -> None:
    field = distance_field(scattered(20, 20, 0.1, 3), (-0.85, 1.95))
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(200, 2, generator=generator).double() * torch.tensor([1.6, -1.6]) + torch.tensor([-0.8, 1.8])
    near = points + 1e-3
    one, other = field.at(points), field.at(near)
    both = one.isfinite() & other.isfinite()
    assert bool(((one - other)[both].abs() < 2e-3 + 0.1).all())
    assert float(field.at(torch.tensor([[-0.85, 1.95]], dtype=torch.float64))[0]) == 0
    assert bool(field.at(torch.tensor([[50.0, 0.0]]).double()).isinf().all())


def test_lines_of_sight_are_those_of_exact_clipping() -> None:
    nav_map = scattered(12, 12, 0.2, 5)
    generator = torch.Generator().manual_seed(1)
    a, b = (torch.rand(300, 2, generator=generator).double() * 1.2 + torch.tensor([-1.0, 0.8]) for _ in range(2))
    expected = sees(nav_map, a.numpy(), b.numpy()).tolist()
    assert line_is_free(nav_map.frame, nav_map.free, a, b).tolist() == expected


def test_goals_that_cannot_be() -> None:
    nav_map = drawn(".#?")
    for goal in ((0.15, -0.05), (0.25, -0.05), (9.0, 9.0), (math.nan, 0.0)):
        with pytest.raises(ValueError, match="goal"):
            distance_field(nav_map, goal)
