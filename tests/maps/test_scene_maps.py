"""Maps of a room of Gaussians against the room."""

import dataclasses

import pytest
import torch

from splatsim import Gaussians, render_surface
from splatsim.depth_pictures import DepthPictures
from splatsim.errors import MapError
from splatsim.grids import FREE, OCCUPIED, VoxelFrame
from splatsim.maps import MapOptions, Robot, distance_field, fit_floor, map_gaussians, map_scene
from splatsim.maps.views import at_width
from splatsim.scene import Scene
from splatsim.semantics import Semantics
from splatsim.transforms import apply
from tests.maps.gaussian_rooms import SIZE, is_free, rectangle, room, walk

FRAME = VoxelFrame.covering((-0.2, -0.2, -0.2), (SIZE[0] + 0.2, SIZE[1] + 0.2, 2.6), 0.05)


@pytest.fixture(scope="module")
def seen():
    gaussians, semantics = room()
    return map_gaussians(gaussians, walk(), semantics, options=MapOptions(frame=FRAME))


def agreement(nav_map) -> float:
    """IoU of free space, over cells that the room's edges do not cut."""
    centers = nav_map.frame.all_centers()
    half = 0.5 * nav_map.frame.resolution
    corners = [
        is_free(centers + torch.tensor([a, b], dtype=torch.float64)) for a in (-half, half) for b in (-half, half)
    ]
    free, whole = torch.stack(corners).all(0), torch.stack(corners).all(0) | ~torch.stack(corners).any(0)
    return float((nav_map.free & free & whole).sum() / ((nav_map.free | free) & whole).sum())


def test_free_space_is_the_room(seen) -> None:
    assert agreement(seen.nav_map) > 0.97


def test_the_door_is_open_and_the_wall_closed(seen) -> None:
    inflated = seen.nav_map.inflate(0.2)
    through = distance_field(inflated, (2.7, 1.7)).path((1.3, 1.7))
    assert len(through) >= 2
    start, goal = (1.6, 0.5), (2.6, 0.5)
    detour = float(distance_field(inflated, goal).at(torch.tensor([start], dtype=torch.float64))[0])
    assert 1.9 < detour < 3.5  # 1 m straight through the wall


def test_classes_are_those_of_the_surfaces(seen) -> None:
    grid = seen.occupancy
    for point, name in (((0.8, 0.7, 0.7), "table"), ((3.975, 1.5, 1.0), "wall"), ((3.0, 1.5, -0.025), "floor")):
        around = grid.frame.index_of(torch.tensor([point]).double())[0]
        block = [slice(int(i) - 1, int(i) + 2) for i in around]
        labels = grid.labels[tuple(block)][(grid.labels[tuple(block)] != grid.free_label)]
        assert len(labels)
        assert grid.class_names[int(labels.mode().values)] == name
    assert grid.states()[grid.frame.index_of(torch.tensor([3.0, 1.5, 1.0]).double()).unbind()] == FREE


def test_without_cameras_the_floor_tells_where_it_is_free() -> None:
    gaussians, _ = room()
    found = map_gaussians(gaussians, options=MapOptions(frame=FRAME))
    assert agreement(found.nav_map) > 0.93


@pytest.mark.parametrize("height", [-1.3, 0.0, 2.0])
def test_the_floor_is_found_where_it_is(height: float) -> None:
    gaussians, _ = room(height)
    assert fit_floor(gaussians, walk(height)).height == pytest.approx(height, abs=0.002)
    assert fit_floor(gaussians).height == pytest.approx(height, abs=0.002)


def test_a_tilted_floor_is_a_plane() -> None:
    gaussians, _ = room()
    turn = torch.eye(4)
    angle = torch.tensor(0.03)
    turn[0, 0] = turn[2, 2] = angle.cos()
    turn[0, 2], turn[2, 0] = angle.sin(), -angle.sin()
    floor = fit_floor(gaussians.transform(turn))
    corners = apply(turn, torch.tensor([[0.5, 0.5, 0.0], [3.5, 0.5, 0.0], [2.0, 2.5, 0.0]])).double()
    assert floor.heights(corners[:, :2]).tolist() == pytest.approx(corners[:, 2].tolist(), abs=0.005)
    assert floor.tilt_deg == pytest.approx(1.72, abs=0.1)


def test_the_same_scene_gives_the_same_map(seen) -> None:
    gaussians, semantics = room()
    again = map_gaussians(gaussians, walk(), semantics, options=MapOptions(frame=FRAME))
    assert torch.equal(seen.nav_map.cells, again.nav_map.cells)
    assert torch.equal(seen.occupancy.labels, again.occupancy.labels)


def test_measured_depths_go_before_those_of_the_gaussians(seen) -> None:
    """A board of Gaussians in the midst of the room, through which the depths of the room without it look."""
    gaussians, semantics = room()
    board, labels = rectangle((3.0, 0.8, 0.0), (3.0, 2.2, 1.5), (0.7, 0.7, 0.7), 2)
    cluttered = Gaussians.concat([gaussians, board])
    both = Semantics(torch.cat([semantics.labels, labels.to(torch.uint8)]), semantics.class_names)
    views = at_width(walk(), 320)
    truth = torch.cat([render_surface(gaussians, views[i]).depths for i in range(len(views))])
    options = MapOptions(frame=FRAME)
    wrong = map_gaussians(cluttered, walk(), both, options=options).nav_map
    right = map_gaussians(cluttered, walk(), both, depths=DepthPictures(truth), options=options).nav_map
    there = wrong.frame.cell_of(torch.tensor([[3.0, 1.0]], dtype=torch.float64))[0]
    assert wrong.cells[*there] == OCCUPIED
    assert right.cells[*there] == FREE
    assert agreement(right) == pytest.approx(agreement(seen.nav_map), abs=0.005)
    with pytest.raises(ValueError, match="1 depth pictures for"):
        map_gaussians(gaussians, walk(), depths=DepthPictures(truth[:1]), options=options)


def test_depth_pictures_are_checked_and_taken_at_other_sizes() -> None:
    depths = DepthPictures(torch.arange(12).float().reshape(1, 3, 4))
    assert depths.at_size(4, 3).tolist() == depths.depths.tolist()
    assert depths.at_size(2, 1).tolist() == [[[5, 7]]]
    assert depths.at_size(8, 3)[0, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert depths.scaled(2).depths[0, 2, 3] == 22
    for wrong in (torch.full((1, 2, 2), -1.0), torch.full((1, 2, 2), float("nan"))):
        with pytest.raises(ValueError, match="negative or not finite"):
            DepthPictures(wrong)


def test_an_empty_map_says_why() -> None:
    gaussians, _ = room()
    with pytest.raises(MapError, match="no Gaussians"):
        map_scene(Scene("nothing"))
    walls = gaussians.select((gaussians.means[:, 2] > 0.1) & (gaussians.means[:, 2] < 0.6))
    with pytest.raises(MapError, match="level surface"):
        map_gaussians(walls, walk())
    options = MapOptions(frame=FRAME, robot=Robot(radius=3.0))
    with pytest.raises(MapError, match="fits nowhere"):
        map_gaussians(gaussians, options=options)
    low = gaussians.replace(means=gaussians.means * 0.04, scales=gaussians.scales * 0.04)
    with pytest.raises(MapError, match="scale"):
        map_gaussians(low, options=dataclasses.replace(options, frame=None))
