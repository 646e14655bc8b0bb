"""Plans of discrete steps, against the physics that carries them out and lengths reckoned by hand."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from splatsim.grids import NavMap
from splatsim.nav.agents.lattice import Search, after, distinct, plan
from splatsim.nav.agents.standpoint import Pose
from splatsim.nav.agents.terrain import Terrain
from splatsim.nav.physics import Space
from splatsim.nav.unicycle import Drive, Step, take_step
from tests.maps.rooms import drawn
from tests.nav.agents.playing import ROOMS

DRIVE = Drive()
HALL = drawn("\n".join(["." * 80] * 60))
RADIUS = torch.tensor([0.2], dtype=torch.float64)


def carried_out(nav_map: NavMap, pose: Pose, steps: Sequence[Step]) -> tuple[Pose, bool]:
    """Where the steps lead, and whether anything was touched."""
    poses, touched = torch.tensor([pose], dtype=torch.float64), False
    for step in steps:
        poses, moved = take_step(Space(nav_map), poses, torch.tensor([int(step)]), RADIUS, DRIVE)
        touched |= bool(moved.static[0])
    x, y, yaw = poses[0].tolist()
    return (x, y, yaw), touched


def test_a_plan_leads_around_the_wall_and_touches_nothing() -> None:
    terrain = Terrain(ROOMS, (4.9, -3.1), 0.2)
    pose = (1.0, -3.2, 0.4)
    steps = plan(terrain, pose, DRIVE, 0.19)
    end, touched = carried_out(ROOMS, pose, steps[:-1])
    assert steps[-1] == Step.STOP
    assert not touched
    assert math.dist(end[:2], (4.9, -3.1)) < 0.19
    # Around both corners of the wall for the centre of a disc of 0.2 m, by hand.
    corners = [(1.0, -3.2), (2.9 - 0.2, -1.1), (2.9, -0.9), (3.1, -0.9), (3.1 + 0.2, -1.1), (4.9, -3.1)]
    way = sum(math.dist(a, b) for a, b in itertools.pairwise(corners))
    assert 0.25 * steps.count(Step.FORWARD) < way / 0.97


@pytest.mark.parametrize("degrees", [0, 7.5, 40, 170])
def test_a_straight_way_needs_no_more_steps_than_it_is_long(degrees: float) -> None:
    goal = (4.0 + 2.6 * math.cos(math.radians(degrees)), -3.0 + 2.6 * math.sin(math.radians(degrees)))
    steps = plan(Terrain(HALL, goal, 0.2), (4.0, -3.0, 0.0), DRIVE, 0.19)
    # Between headings 15° apart a way is at most 1 / cos 7.5° as long, and ends up to 0.19 m before the goal.
    assert (
        math.ceil((2.6 - 0.19) / 0.25)
        <= steps.count(Step.FORWARD)
        <= math.ceil(2.6 / math.cos(math.radians(7.5)) / 0.25)
    )


def test_who_has_arrived_stops() -> None:
    assert plan(Terrain(HALL, (4.0, -3.0), 0.2), (4.1, -3.1, 0.0), DRIVE, 0.19) == [Step.STOP]


def test_who_is_walled_in_gets_no_plan() -> None:
    cell = drawn("\n".join(["#####", "#...#", "#...#", "#...#", "#####"] + ["....."] * 9), 0.15)
    assert plan(Terrain(cell, (0.375, -1.5), 0.2), (0.375, -0.375, 0.0), DRIVE, 0.19, Search(horizon=4)) == []


def test_after_is_what_the_physics_does() -> None:
    pose = (4.0, -3.0, 3.1)
    for step in (Step.FORWARD, Step.LEFT, Step.RIGHT):
        (x, y, yaw), _ = carried_out(HALL, pose, [step])
        found = after(pose, step, DRIVE)
        assert found[:2] == pytest.approx((x, y))
        assert math.remainder(found[2] - yaw, math.tau) == pytest.approx(0, abs=1e-9)


def test_of_ways_that_end_alike_the_first_is_kept() -> None:
    ends = np.array([[0.0, 0.0], [0.001, 0.0], [1.0, 0.0], [0.0, 0.0], [-1.0, 3.0]])
    assert distinct(ends, np.array([0, 0, 0, 1, 0])).tolist() == [0, 2, 3, 4]
    assert distinct(np.zeros((0, 2))).tolist() == []
