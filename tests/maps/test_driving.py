"""Drive maps of voxels that are drawn by hand."""

import torch

from splatsim.grids import FREE, OCCUPIED, VoxelFrame
from splatsim.maps import Floor, Robot, drive_map
from tests.maps.rooms import drawn


def map_of(plan: str):
    """The drive map of a floor with a wall of 1 m on the cells that are drawn as occupied."""
    cells = drawn(plan).cells
    wall = (cells == OCCUPIED).flip(0).T
    frame = VoxelFrame((0.0, 0.0, -0.1), 0.1, (*wall.shape, 12))
    solid = torch.zeros(frame.shape, dtype=torch.bool)
    solid[:, :, 0] = True
    solid[:, :, 1:11] = wall[:, :, None]
    return drive_map(frame, solid, Floor(0.0), Robot()).cells


def test_a_hole_of_two_cells_through_a_wall_is_closed() -> None:
    plan = """...........
              ...........
              ...........
              ####..#####
              ####..#####
              ...........
              ...........
              ..........."""
    found, expected = map_of(plan), drawn(plan).cells
    assert bool((found[3:5, 4:6] != FREE).all())
    expected[3:5, 4:6] = found[3:5, 4:6]
    assert torch.equal(found, expected)


def test_a_door_of_three_cells_stays_open() -> None:
    plan = """.........
              .........
              .........
              ###...###
              .........
              .........
              ........."""
    assert torch.equal(map_of(plan), drawn(plan).cells)


def test_a_nook_of_one_room_stays_free() -> None:
    plan = """.......##
              .......##
              .........
              .........
              #####..##
              #####.###
              #########"""
    assert torch.equal(map_of(plan), drawn(plan).cells)


def test_what_is_lower_than_the_roughness_of_the_floor_is_floor() -> None:
    frame = VoxelFrame((0.0, 0.0, -0.1), 0.05, (20, 20, 40))
    solid = torch.zeros(frame.shape, dtype=torch.bool)
    solid[:, :, 1] = True
    solid[5:10, 5:10, 4] = True  # a bump from 0.10 to 0.15 m
    solid[12:17, 12:17, 4:8] = True  # a box of 0.3 m
    smooth, rough = (drive_map(frame, solid, Floor(0.0, thickness=t), Robot()).cells.flip(0).T for t in (0.0, 0.02))
    assert bool((smooth[5:10, 5:10] == OCCUPIED).all())
    assert bool((rough[5:10, 5:10] == FREE).all())
    assert bool((smooth[12:17, 12:17] == OCCUPIED).all() and (rough[12:17, 12:17] == OCCUPIED).all())


def test_a_floor_rougher_than_the_robot_is_tall_still_has_obstacles() -> None:
    frame = VoxelFrame((0.0, 0.0, -0.1), 0.05, (20, 20, 12))
    solid = torch.zeros(frame.shape, dtype=torch.bool)
    solid[:, :, 1] = True
    solid[5:10, 5:10, 2:12] = True
    cells = drive_map(frame, solid, Floor(0.0, thickness=1.0), Robot(height=0.4)).cells.flip(0).T
    assert bool((cells[5:10, 5:10] == OCCUPIED).all())
