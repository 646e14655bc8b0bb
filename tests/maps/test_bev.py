"""The view from above against the room, and on exactly the grid of its map."""

import math

import pytest
import torch

from splatsim.grids import UNKNOWN, EgoFrame, GridFrame
from splatsim.maps import FogOfWar, People, bird_view
from tests.maps.gaussian_rooms import CLASSES, TABLE, room
from tests.maps.rooms import drawn

FRAME = GridFrame((-0.1, 3.1), 0.05, (64, 84))


@pytest.fixture(scope="module")
def bev():
    gaussians, semantics = room()
    return bird_view(gaussians, FRAME, semantics=semantics)


def cell(frame, x, y):
    row, column = frame.cell_of(torch.tensor([x, y], dtype=torch.float64)).tolist()
    return row, column


def test_heights_colours_and_classes_lie_where_the_room_has_them(bev) -> None:
    table, floor = cell(FRAME, 0.8, 0.7), cell(FRAME, 3.0, 1.5)
    assert float(bev.heights[table]) == pytest.approx(TABLE[2], abs=0.01)
    assert float(bev.heights[floor]) == pytest.approx(0, abs=0.01)
    assert bev.colors[table].tolist() == pytest.approx([0.8, 0.2, 0.2], abs=0.06)
    assert bev.colors[floor].tolist() == pytest.approx([0.2, 0.7, 0.2], abs=0.06)
    assert [bev.class_names[int(bev.labels[at])] for at in (table, floor)] == ["table", "floor"]
    assert not bool(bev.observed[cell(FRAME, -0.07, 3.07)])


def test_the_table_lies_on_its_cells_to_half_a_cell(bev) -> None:
    tall = (bev.heights > 0.6) & (bev.heights < 0.8) & (bev.labels == CLASSES.index("table"))
    centers = FRAME.all_centers()[tall]
    (x0, x1), (y0, y1), _ = TABLE
    assert centers.mean(0).tolist() == pytest.approx([(x0 + x1) / 2, (y0 + y1) / 2], abs=0.0125)
    assert float(tall.sum()) * 0.05**2 == pytest.approx((x1 - x0) * (y1 - y0), rel=0.2)


def test_a_thin_floor_shows_its_colour_and_height_and_no_floor_shows_nothing(bev) -> None:
    gaussians, _ = room()
    solid = (gaussians.means[:, 2] > 0.01) | (gaussians.means[:, 0] > 2.1)
    thin = bird_view(gaussians.replace(opacities=torch.where(solid, 0.98, 0.15)), FRAME)
    for place in ((1.5, 1.5), (0.5, 2.5)):
        at = cell(FRAME, *place)
        assert bool(thin.observed[at])
        assert thin.colors[at].tolist() == pytest.approx(bev.colors[at].tolist(), abs=0.01)
        assert float(thin.heights[at]) == pytest.approx(0, abs=0.01)
    hole = bird_view(gaussians.select(solid), FRAME)
    assert not bool(hole.observed[cell(FRAME, 1.5, 1.5)])
    assert not bool(hole.colors[cell(FRAME, 1.5, 1.5)].any())


def test_a_body_that_looks_west_sees_the_west_above() -> None:
    gaussians, semantics = room()
    frame = EgoFrame((1.5, 0.7, math.pi), 0.05, (40, 40), 1.0)
    bev = bird_view(gaussians, frame, semantics=semantics)
    top = (bev.heights > 0.6) & (bev.heights < 0.8) & (bev.labels == CLASSES.index("table"))
    rows, columns = top.nonzero().double().mean(0).tolist()
    # The table's middle is 0.7 m ahead and straight before the body.
    assert (rows + 0.5) * 0.05 == pytest.approx(1.0 - 0.7, abs=0.03)
    assert (columns + 0.5) * 0.05 == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("yaw", [0.0, 0.7, -2.5])
def test_cells_around_a_body_go_there_and_back(yaw: float) -> None:
    frame = EgoFrame((3.0, -2.0, yaw), 0.1, (30, 20), 2.0)
    cells = torch.cartesian_prod(torch.arange(30), torch.arange(20))
    assert torch.equal(frame.cell_of(frame.centers(cells)), cells)
    ahead = torch.tensor([3.0 + 1.0 * math.cos(yaw), -2.0 + 1.0 * math.sin(yaw)], dtype=torch.float64)
    assert frame.cell_of(ahead + 1e-9)[0] in (9, 10)


def test_people_have_their_cells_and_velocities() -> None:
    gaussians, _ = room()
    people = People(
        torch.tensor([[3.0, 1.0], [1.0, 2.0]]), torch.tensor([[0.5, 0.0], [0.0, -1.0]]), torch.tensor([0.3, 0.3])
    )
    bev = bird_view(gaussians, FRAME, people=people)
    assert float(bev.people.sum()) * 0.05**2 == pytest.approx(2 * math.pi * 0.325**2, rel=0.08)
    assert bev.velocities[cell(FRAME, 3.0, 1.0)].tolist() == pytest.approx([0.5, 0])
    assert bev.velocities[cell(FRAME, 1.0, 2.0)].tolist() == pytest.approx([0, -1])
    frame = EgoFrame((2.5, 1.0, math.pi / 2), 0.05, (64, 64), 1.6)
    turned = bird_view(gaussians, frame, people=people)
    # East is to the right of a body that looks north.
    assert turned.velocities[cell(frame, 3.0, 1.0)].tolist() == pytest.approx([0, -0.5], abs=1e-6)


def test_fog_lifts_where_the_robot_looked() -> None:
    nav_map = drawn(
        """.....#....
           .....#....
           .....#....
           ..........""",
        resolution=1.0,
    )
    fog = FogOfWar(nav_map)
    fog.look((1.5, -1.5, 0.0), fov=math.pi / 2, reach=20.0)
    assert fog.seen[1, 4:6].tolist() == [True, True]  # up to the wall, and the wall
    assert not bool(fog.seen[0:3, 6:].any())  # not behind it
    assert not bool(fog.seen[:, 0].any())  # nor behind the robot
    assert fog.visited.nonzero().tolist() == [[1, 1]]
    assert int((fog.known().cells == UNKNOWN).sum()) == 40 - int(fog.seen.sum())
    fog.look((1.5, -1.5, 0.0), fov=2 * math.pi, reach=1.7)
    assert bool(fog.seen[1, 0])


def test_what_fog_covers_tells_nothing() -> None:
    gaussians, semantics = room()
    nav_map = drawn("...\n...\n...", resolution=1.0, north_west=(0.0, 3.0))
    people = People.standing(torch.tensor([[2.5, 2.5]]))
    bev = bird_view(gaussians, nav_map.frame, semantics=semantics, nav_map=nav_map, people=people)
    fog = FogOfWar(nav_map)
    dark = fog.cover(bev)
    assert not bool(dark.observed.any() or dark.colors.any() or dark.people.any() or dark.heights.any())
    assert bool((dark.cells == UNKNOWN).all())
