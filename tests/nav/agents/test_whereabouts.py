"""Where people may be: walked by hand, and looked for in two rooms."""

import numpy as np
import pytest
import torch

from splatsim.errors import EpisodeError
from splatsim.maps import People
from splatsim.nav.agents.habits import Habits, Walkers
from splatsim.nav.agents.whereabouts import TICK, TICKS, Whereabouts
from tests.maps.rooms import drawn
from tests.nav.agents.playing import ROOMS

WEST, EAST = np.array([1.0, -2.5]), np.array([4.9, -2.5])


@pytest.fixture(scope="module")
def habits() -> Habits:
    return Habits(ROOMS)


def nobody() -> People:
    return People.none().to(torch.float64)


def somebody(place: np.ndarray, velocity: tuple[float, float] = (0.0, 0.0)) -> People:
    places, velocities = torch.from_numpy(place[None]), torch.tensor([velocity], dtype=torch.float64)
    return People(places, velocities, torch.tensor([0.3], dtype=torch.float64))


def filtered(habits: Habits, suspicion: float = 0.5, reach: float = 8.0) -> Whereabouts:
    return Whereabouts(habits, suspicion, reach, np.random.default_rng(0))


def chances(known: Whereabouts) -> tuple[float, float]:
    """That somebody is in the west room, and in the east room, now."""
    found = known.forecast(np.array([3.0, -2.0]), 20.0)
    west = found.ways[:, 0, 0] < 3.0
    return float(found.chances[west].sum()), float(found.chances[~west].sum())


def test_people_walk_to_their_goal_and_stand_there(habits: Habits) -> None:
    goal = int(np.linalg.norm(habits.goals - EAST, axis=1).argmin())
    people = Walkers(WEST[None], np.array([goal]), np.ones(1), np.array([0.5]), np.zeros(1, np.int64), np.array([0.25]))
    rng = np.random.default_rng(0)
    assert np.array_equal(habits.walk(people, 0.5, rng).places, people.places)
    after = habits.walk(habits.walk(people, 0.5, rng), 1.0, rng)
    assert np.linalg.norm(after.places - WEST) == pytest.approx(1.0, abs=0.02)
    # The way leads through the door in the north of the wall, and is hardly longer than it must be.
    way = np.array([WEST, [2.8, -0.9], [3.2, -0.9], habits.goals[goal]])
    length = np.linalg.norm(np.diff(way, axis=0), axis=1).sum()
    places = [after.places[0]]
    for _ in range(round(4 * (length + 0.5 - 1.0))):
        after = habits.walk(after, 0.25, rng)
        places.append(after.places[0])
    crossing = np.array(places)[np.abs(np.array(places)[:, 0] - 3.0) < 0.2]
    assert len(crossing)
    assert crossing[:, 1].min() > -1.1
    assert np.linalg.norm(np.array(places) - habits.goals[goal], axis=1).min() < 0.5


def test_a_wall_hides(habits: Habits) -> None:
    places = np.array([[2.0, -2.5], [4.9, -2.5], [2.0, -0.5]])
    assert habits.sees(WEST, places, 8.0).tolist() == [True, False, True]
    assert habits.sees(WEST, places, 0.5).tolist() == [False] * 3


def test_looking_makes_sure(habits: Habits) -> None:
    known = filtered(habits)
    before = chances(known)
    assert sum(before) == pytest.approx(0.5)
    known.update(0.0, nobody(), WEST)
    west, east = chances(known)
    # Bayes: half of an even chance is gone, so one of three is left, and that is beyond the wall.
    share = before[1] / sum(before)
    assert west + east == pytest.approx(0.5 * share / (0.5 * share + 0.5), abs=0.06)
    assert west < 0.25 * east
    assert not known.met


def test_who_went_out_of_sight_is_remembered(habits: Habits) -> None:
    known = filtered(habits, 1e-6)
    known.update(0.0, somebody(EAST), EAST - [1.0, 0.0])
    known.update(0.2, nobody(), WEST)
    assert known.met
    west, east = chances(known)
    assert east == pytest.approx(1, abs=0.01)
    assert west < 0.01
    found = known.forecast(EAST, 3.0)
    assert set(found.radii[found.chances > 1e-3].tolist()) == {0.3}
    # After a while that one may have come through the door, but is not where the robot looks.
    for tick in range(2, 40):
        known.update(0.2 * tick, nobody(), WEST)
    assert chances(known)[0] < 0.5 * chances(known)[1]


def test_who_is_nowhere_is_given_up(habits: Habits) -> None:
    known = filtered(habits, 0.4)
    known.update(0.0, somebody(EAST), EAST - [1.0, 0.0])
    known.update(0.1, nobody(), EAST - [1.0, 0.0])
    assert not known.met
    # Somebody is about, though, as far as the robot knew at the beginning.
    assert sum(chances(known)) == pytest.approx(0.4, abs=0.1)


def test_who_walks_goes_on(habits: Habits) -> None:
    known = filtered(habits, 1e-6)
    start = np.array([1.0, -0.6])
    for tick in range(4):
        known.update(0.1 * tick, somebody(start + np.array([0.1 * tick, 0.0]), (1.0, 0.0)), WEST)
    found = known.forecast(WEST, 20.0)
    seen = found.chances > 1e-3
    after = int(1.0 / TICK)
    moved = found.ways[seen, after] - found.ways[seen, 0]
    assert np.average(moved[:, 0], weights=found.chances[seen]) > 0.8
    assert found.ways.shape[1] == TICKS + 1


def test_a_map_without_room_for_people_is_refused() -> None:
    with pytest.raises(EpisodeError, match=r"no free place 0\.44 m wide; expected room for people"):
        Habits(drawn("####\n#..#\n####"))
