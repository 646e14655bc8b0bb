"""Every metric on a case that is computed by hand."""

import math

import pytest
import torch

from splatsim.errors import EpisodeError
from splatsim.grids import GridFrame, NavMap
from splatsim.nav import PROFILES, Episode, Trajectory, measure, paths, social


def points(*pairs: tuple[float, float]) -> torch.Tensor:
    return torch.tensor(pairs, dtype=torch.float64).reshape(-1, 2)


def room() -> NavMap:
    """Ten metres square, empty."""
    return NavMap(GridFrame((0.0, 10.0), 0.1, (100, 100)), torch.zeros(100, 100, dtype=torch.uint8), (0.1, 1.8))


def episode(goal=(5.0, 1.0), start=(1.0, 1.0, 0.0), **changes) -> Episode:
    shortest = math.dist(start[:2], goal)
    return Episode("one", "room", start, goal, shortest, points(start[:2], goal), **changes)


def walk(*pairs: tuple[float, float], stopped: bool = True, dt: float = 1.0, **changes) -> Trajectory:
    places = points(*pairs)
    poses = torch.cat([places, torch.zeros(len(places), 1, dtype=torch.float64)], 1)
    return Trajectory(dt * torch.arange(len(places), dtype=torch.float64), poses, stopped, **changes)


STRAIGHT = [(1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (4.0, 1.0), (5.0, 1.0)]
DETOUR = [(1.0, 1.0), (1.0, 4.0), (5.0, 4.0), (5.0, 1.0)]


def test_the_straight_way_is_perfect() -> None:
    found = measure(episode(), walk(*STRAIGHT), room())
    assert found["success"] == found["spl"] == found["soft_spl"] == found["oracle_success"] == 1
    assert found["path_length"] == pytest.approx(4)
    assert found["navigation_error"] == pytest.approx(0, abs=1e-6)
    assert found["stl"] == 1  # 4 m at 1 m/s in 4 s
    assert found["clearance"] == pytest.approx(0.8)  # 1 m from the south wall, less the radius


def test_a_detour_costs_spl() -> None:
    found = measure(episode(), walk(*DETOUR), room())
    assert found["success"] == 1
    assert found["path_length"] == pytest.approx(10)
    assert found["spl"] == pytest.approx(0.4)
    assert found["soft_spl"] == pytest.approx(0.4, abs=1e-6)


def test_half_way_is_half_of_soft_spl_and_no_success() -> None:
    found = measure(episode(), walk(*STRAIGHT[:3]), room())
    assert found["success"] == found["spl"] == found["sdtw"] == 0
    assert found["soft_spl"] == pytest.approx(0.5, abs=0.01)
    assert found["navigation_error"] == pytest.approx(2, abs=0.03)


def test_success_needs_a_stop_but_the_oracle_does_not() -> None:
    found = measure(episode(), walk(*STRAIGHT, stopped=False), room())
    assert (found["success"], found["oracle_success"]) == (0, 1)
    beyond = measure(episode(), walk(*STRAIGHT, (6.0, 1.0)), room())
    assert (beyond["success"], beyond["oracle_success"]) == (0, 1)
    assert beyond["oracle_error"] == pytest.approx(0, abs=1e-6)


def test_standing_on_the_goal_succeeds_but_not_in_gn_bench() -> None:
    still = episode(goal=(1.0, 1.0))
    assert measure(still, walk((1.0, 1.0)), room())["spl"] == 1
    assert measure(still, walk((1.0, 1.0)), room(), PROFILES["gn-bench"])["success"] == 0


def test_gn_bench_succeeds_within_three_metres_and_stops_who_is_stuck() -> None:
    near = walk(*STRAIGHT[:3])
    assert measure(episode(), near, room(), PROFILES["gn-bench"])["success"] == 1
    stuck = walk(*STRAIGHT[:3], *[(3.0, 1.0)] * 40, (9.0, 9.0), stopped=False)
    found = measure(episode(), stuck, room(), PROFILES["gn-bench"])
    assert found["success"] == 1
    assert found["steps"] == 28  # 26 steps in a row without change
    assert measure(episode(), stuck, room())["steps"] == 43


def test_stl_is_the_best_time_over_the_time_taken() -> None:
    assert measure(episode(), walk(*STRAIGHT, dt=2.0), room())["stl"] == pytest.approx(0.5)


def test_dtw_by_hand() -> None:
    reference = points((0, 0), (1, 0), (2, 0))
    assert paths.dtw(reference, reference) == 0
    assert paths.ndtw(reference, reference, 3.0) == 1
    # Each of the three pairs is 1 m apart.
    aside = points((0, 1), (1, 1), (2, 1))
    assert paths.dtw(aside, reference) == pytest.approx(3)
    assert paths.ndtw(aside, reference, 3.0) == pytest.approx(math.exp(-1 / 3))
    # One place is paired with all three: 0 + 1 + 2.
    assert paths.dtw(points((0, 0)), reference) == pytest.approx(3)
    # Waiting costs nothing.
    assert paths.dtw(points((0, 0), (0, 0), (1, 0), (1, 0), (2, 0)), reference) == 0


def test_cls_by_hand() -> None:
    reference = points((0, 0), (4, 0))
    assert paths.cls(reference, reference, 3.0) == pytest.approx(1)
    # Coverage (1 + e^(-4/3)) / 2; expected length 4 times that; the way is 0 long, so the length score is a half.
    coverage = (1 + math.exp(-4 / 3)) / 2
    assert paths.cls(points((0, 0)), reference, 3.0) == pytest.approx(coverage / 2)
    # Twice as long as expected: the length score is 4 / (4 + 4).
    assert paths.cls(points((0, 0), (4, 0), (0, 0)), reference, 3.0) == pytest.approx(0.5)


def test_a_person_who_is_passed() -> None:
    places = points((0, 0), (4, 0))
    people = points((2, 1), (2, 1)).view(2, 1, 2)
    assert float(social.closest_approach(places, people)[0, 0]) == pytest.approx(1)
    # Within √2 m of the person for 2 of the 4 metres, at 1 m/s.
    seconds = torch.tensor([0.0, 4.0], dtype=torch.float64)
    assert social.seconds_within(seconds, places, people, math.sqrt(2)) == pytest.approx(2)
    assert social.seconds_within(seconds, places, people, 0.9) == 0


def test_two_people_at_once_count_once() -> None:
    places = points((0, 0), (4, 0))
    people = torch.stack([points((1, 0), (3, 0))] * 2)
    # From 0 to 2 m and from 2 to 4 m: all of the 4 s.
    assert social.seconds_within(torch.tensor([0.0, 4.0]).double(), places, people, 1.0) == pytest.approx(4)
    assert social.seconds_within(torch.tensor([0.0, 4.0]).double(), places, people, 1.5) == pytest.approx(4)


def test_standing_beside_somebody_counts_all_the_time() -> None:
    places, people = points((0, 0), (0, 0)), points((0.5, 0), (0.5, 0)).view(2, 1, 2)
    assert social.seconds_within(torch.tensor([0.0, 3.0]).double(), places, people, 0.8) == pytest.approx(3)


def test_compliance_is_a_share_of_steps() -> None:
    places = points((0, 0), (1, 0), (2, 0), (3, 0), (4, 0))
    people = points((2, 0.9)).expand(5, 1, 2)
    assert social.compliance(places, people, 1.0) == pytest.approx(0.75)


def test_time_to_collision_is_that_of_the_discs() -> None:
    seconds = torch.tensor([0.0, 1.0]).double()
    people = points((10, 0), (9, 0)).view(2, 1, 2)  # comes at 1 m/s
    reach = torch.tensor([0.5]).double()
    # After the step 8 m apart, closing at 2 m/s: (8 - 0.5) / 2.
    assert social.time_to_collision(seconds, points((0, 0), (1, 0)), people, reach) == pytest.approx(3.75)
    leaving = points((3, 0), (5, 0)).view(2, 1, 2)
    assert social.time_to_collision(seconds, points((0, 0), (1, 0)), leaving, reach) == math.inf
    aside = points((10, 0.6), (10, 0.6)).view(2, 1, 2)
    assert social.time_to_collision(seconds, points((0, 0), (1, 0)), aside, reach) == math.inf


def test_following() -> None:
    away, seen = torch.tensor([2.0, 2.0, 4.0, 2.0]), torch.tensor([True, True, True, False])
    assert social.following_rate(away, seen) == pytest.approx(1 / 3)
    assert not social.followed(away, seen, stopped=True)
    assert social.followed(away[:2], seen[:2], stopped=True)
    assert not social.followed(away[:2], seen[:2], stopped=False)
    assert not social.followed(away[:2] / 4, seen[:2], stopped=True)  # 0.5 m is too near
    assert social.followed(torch.full((301,), 0.5), torch.ones(301, dtype=torch.bool), stopped=False)


def test_contacts_are_counted_apart() -> None:
    people = points((9, 9)).expand(5, 1, 2)
    found = measure(
        episode(),
        walk(
            *STRAIGHT,
            static_contacts=torch.tensor([True, False, True, False]),
            human_contacts=torch.tensor([False, False, False, True]),
            people=people,
            radii=torch.tensor([0.3]).double(),
        ),
        room(),
    )
    assert (found["static_collisions"], found["human_collisions"], found["h_coll"]) == (2, 1, 1)
    assert found["human_clearance"] == pytest.approx(math.dist((5, 1), (9, 9)) - 0.5)
    assert "human_collisions" not in measure(episode(), walk(*STRAIGHT), room())


def test_what_cannot_be_reached_is_rejected_not_scored() -> None:
    nav_map = room()
    cells = nav_map.cells.clone()
    cells[:, 48:52] = 1
    with pytest.raises(EpisodeError, match="no way leads"):
        measure(episode(goal=(8.0, 1.0)), walk(*STRAIGHT), nav_map.replace(cells=cells))
    with pytest.raises(EpisodeError, match="occupied"):
        measure(episode(), walk(*STRAIGHT), nav_map.replace(cells=cells))
    with pytest.raises(EpisodeError, match="can be reached"):
        episode().replace(shortest=math.inf)


def test_broken_trajectories_are_named() -> None:
    with pytest.raises(EpisodeError, match="not finite"):
        walk((0.0, math.nan))
    with pytest.raises(EpisodeError, match="human_contacts"):
        walk(*STRAIGHT, human_contacts=torch.zeros(2, dtype=torch.bool))
    with pytest.raises(EpisodeError, match="falls"):
        walk(*STRAIGHT, dt=-1.0)
