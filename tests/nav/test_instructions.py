"""Things, rooms and sentences on a flat whose plan is known."""

import math

import pytest
import torch

from splatsim.nav.instructions import compose
from splatsim.nav.landmarks import landmarks_of, view_cells
from splatsim.nav.rooms import rooms_of
from tests.nav.places import FURNITURE, flat

FLAT = flat()
THINGS = landmarks_of(FLAT)
ROOMS = rooms_of(FLAT, THINGS)
BY_NAME = {thing.name: thing for thing in THINGS}


def way(*corners: tuple[float, float]) -> torch.Tensor:
    return torch.tensor(corners, dtype=torch.float64)


def test_things_stand_where_they_stand() -> None:
    assert [thing.name for thing in THINGS] == ["bed", "sofa", "chair"]  # the largest first, and no walls
    for name, (west, east, south, north) in FURNITURE.items():
        assert BY_NAME[name].place == pytest.approx(((west + east) / 2, (south + north) / 2), abs=1e-6)
        assert BY_NAME[name].size == pytest.approx((east - west) * (north - south), abs=1e-6)


def test_rooms_end_at_doors_and_are_named_after_what_is_in_them() -> None:
    west, east, door = ROOMS.at(way((2.0, 2.0), (8.0, 3.0), (5.0, 3.0)))
    assert [ROOMS.names[west], ROOMS.names[east]] == ["bedroom", "living room"]
    assert door == -1
    assert ROOMS.around(BY_NAME["bed"]) == west
    assert ROOMS.at(way((50.0, 0.0))) == [-1]


def test_a_thing_is_looked_at_from_near_and_not_through_walls() -> None:
    free = FLAT.inflated(0.2).free
    seen = view_cells(FLAT, BY_NAME["bed"], free)
    centres = FLAT.nav_map.frame.centers(seen.nonzero())
    west, east, south, north = FURNITURE["bed"]
    x, y = centres.unbind(-1)
    away = torch.hypot(torch.maximum(west - x, x - east).clamp_min(0), torch.maximum(south - y, y - north).clamp_min(0))
    assert float(away.max()) <= 1.0 + 0.1
    assert int(seen.sum()) > 100
    # The wall at x = 5 hides it from the other room, however near.
    assert not bool(view_cells(FLAT, BY_NAME["bed"], free, within=4.0)[:, 51:][:20].any())


def test_turns_rooms_and_things_in_their_order() -> None:
    # From the bedroom through the door, then to the right, to the sofa.
    said = compose(way((0.5, 3.0), (7.0, 3.0), (7.0, 1.5)), 0.0, THINGS, ROOMS, BY_NAME["sofa"])
    assert said == "Go past the bed on your left, enter the living room, turn right and stop at the sofa."
    # A start or an end right behind the door counts as well.
    assert compose(way((4.7, 3.0), (8.0, 3.0)), 0.0, (), ROOMS) == "Enter the living room and stop there."


@pytest.mark.parametrize(
    ("yaw", "first"),
    [(0.0, "Go straight ahead"), (90.0, "Turn right"), (-90.0, "Turn left"), (180.0, "Turn around")],
)
def test_the_first_turn_is_the_robots_own(yaw: float, first: str) -> None:
    said = compose(way((1.0, 1.0), (4.0, 1.0)), math.radians(yaw), (), ROOMS)
    assert said == f"{first} and stop in the bedroom."


def test_a_bend_back_is_told_as_two_turns() -> None:
    said = compose(way((5.5, 1.5), (8.0, 1.5), (8.0, 3.2), (5.5, 3.2)), 0.0, (), ROOMS)
    assert said == "Turn left, turn left again and stop in the living room."
    nowhere = ROOMS.replace(labels=torch.full_like(ROOMS.labels, -1), names=())
    assert compose(way((0.0, 0.0), (2.0, 0.0)), 0.0, (), nowhere) == "Go straight ahead and stop there."
