"""Crowds: ORCA against brute force and scipy's optimisers, laws of social forces, ways against known lengths."""

import numpy as np
import pytest
import torch
from scipy.optimize import linprog, minimize

from splatsim.avatar.crowd import (
    Crowd,
    OrcaOptions,
    Others,
    SocialForceOptions,
    Straight,
    Walls,
    overlap,
    run,
    ways_to,
)
from splatsim.avatar.crowd.orca import HalfPlanes, choose_velocities, half_planes
from splatsim.avatar.crowd.social_force import social_forces
from splatsim.grids import FREE, OCCUPIED, GridFrame, NavMap

HORIZON = 2.0


def collides(relative: np.ndarray, offset: np.ndarray, radius: float) -> np.ndarray:
    """By definition: whether discs that approach with these velocities [m 2] touch within the horizon."""
    times = np.linspace(0, HORIZON, 2001)[1:]
    gap = np.linalg.norm(offset - times[:, None, None] * relative, axis=-1)
    return np.asarray((gap < radius).any(axis=0))


@pytest.mark.parametrize("seed", range(12))
def test_half_planes_touch_the_velocity_obstacle(seed: int) -> None:
    """u is the least change that reaches its border, found by search over the definition; each takes half of it."""
    rng = np.random.default_rng(seed)
    offset = rng.normal(size=2)
    offset *= rng.uniform(0.8, 3) / np.linalg.norm(offset)
    velocities = rng.normal(0, 0.8, (2, 2))
    radii = np.array([0.25, 0.3])
    planes = half_planes(
        np.array([[0.0, 0], offset]), velocities, radii, np.full(2, 2.0), Walls.none(), 0.1,
        OrcaOptions(people_horizon=HORIZON),
    )  # fmt: skip
    nx, ny, least = planes.planes[0, 0]
    relative = velocities[0] - velocities[1]
    u = 2 * (least - velocities[0] @ [nx, ny]) * np.array([nx, ny])
    border = relative + u
    inside = bool(collides(relative[None], offset, 0.55)[0])
    assert inside == (u @ [nx, ny] > 0)
    assert not collides(border[None] + 0.004 * np.array([[nx, ny]]), offset, 0.55)[0]
    assert collides(border[None] - 0.004 * np.array([[nx, ny]]), offset, 0.55)[0]
    angles = np.linspace(0, 2 * np.pi, 720)
    for share in (0.5, 0.9, 0.98):  # nothing nearer than u lies on the other side
        ring = relative + share * np.linalg.norm(u) * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        assert (collides(ring, offset, 0.55) == inside).all()


def random_planes(rng: np.random.Generator, count: int, margin: float) -> np.ndarray:
    angles = rng.uniform(0, 2 * np.pi, count)
    return np.stack([np.cos(angles), np.sin(angles), rng.normal(margin, 0.5, count)], axis=-1)


def solved(planes: np.ndarray, wanted: np.ndarray, speed: float, walls: int = 0) -> np.ndarray:
    limits = HalfPlanes(planes[None].copy(), np.array([walls], np.int32), np.array([len(planes)], np.int32))
    return np.asarray(choose_velocities(limits, wanted[None], np.array([speed]))[0])


def test_the_programme_finds_the_nearest_velocity() -> None:
    rng = np.random.default_rng(5)
    checked = 0
    for _ in range(60):
        planes, wanted = random_planes(rng, 7, -0.7), rng.normal(size=2)
        found = solved(planes, wanted, 1.5)
        constraints = [{"type": "ineq", "fun": lambda v, p=p: v @ p[:2] - p[2]} for p in planes]
        constraints.append({"type": "ineq", "fun": lambda v: 2.25 - v @ v})
        best = minimize(lambda v, w=wanted: ((v - w) ** 2).sum(), found * 0.9, constraints=constraints, method="SLSQP")
        if not best.success or min(c["fun"](best.x) for c in constraints) < -1e-6:
            continue
        checked += 1
        assert (planes[:, :2] @ found >= planes[:, 2] - 1e-7).all()
        assert np.linalg.norm(found - wanted) == pytest.approx(np.linalg.norm(best.x - wanted), abs=1e-4)
    assert checked > 30


def test_where_nothing_fits_the_worst_violation_is_least() -> None:
    """Against a linear programme over velocities and the violation, in a disc of 256 sides."""
    rng = np.random.default_rng(6)
    angles = np.linspace(0, 2 * np.pi, 256, endpoint=False)
    disc = np.stack([np.cos(angles), np.sin(angles), np.zeros(256)], axis=-1)
    checked = 0
    for _ in range(40):
        planes = random_planes(rng, 6, 0.6)
        rows = np.concatenate([np.stack([-planes[:, 0], -planes[:, 1], -np.ones(6)], axis=-1), disc])
        best = linprog(
            [0, 0, 1], A_ub=rows, b_ub=np.concatenate([-planes[:, 2], np.full(256, 1.5)]), bounds=[(None, None)] * 3
        )
        if best.fun <= 1e-6:
            continue
        checked += 1
        found = solved(planes, rng.normal(size=2), 1.5)
        assert np.linalg.norm(found) <= 1.5 + 1e-9
        assert (planes[:, 2] - planes[:, :2] @ found).max() == pytest.approx(best.fun, abs=2e-3)
    assert checked > 15


def test_walls_hold_where_people_give_way() -> None:
    planes = np.array([[1.0, 0, -0.1], [-1.0, 0, 0.8], [0, 1, 0.9]])  # a wall to the left, people who push to it
    found = solved(planes, np.array([0.0, 0]), 1.5, walls=1)
    assert found[0] >= -0.1 - 1e-9


@pytest.mark.parametrize(("options", "count"), [(OrcaOptions(), 10), (SocialForceOptions(), 3)])
def test_nobody_runs_into_anybody(options: OrcaOptions | SocialForceOptions, count: int) -> None:
    """People cross a ring; all arrive, nobody overlaps by more than 2 cm, twice the same."""
    angles = 2 * np.pi * np.arange(count) / count
    starts = 5 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)

    def walked() -> tuple[Crowd, np.ndarray, float]:
        crowd = Crowd(starts, [Straight((-x, -y)) for x, y in starts.tolist()], options=options, seed=3)
        deepest = [0.0]
        places = run(crowd, 25, 0.1, lambda crowd: deepest.append(overlap(crowd)[0]))
        return crowd, places, max(deepest)

    crowd, places, deepest = walked()
    assert crowd.arrived.all()
    assert deepest < 0.02
    np.testing.assert_array_equal(places, walked()[1])


def test_walls_are_not_crossed() -> None:
    walls = Walls.lines([(0.0, -3), (0, -0.8)], [(0.0, 0.8), (0, 3)])
    starts = [[-2.0, y] for y in (-1.5, -0.5, 0.5, 1.5)]
    crowd = Crowd(starts, [Straight((2.0, 0.7 * y)) for _, y in starts], walls=walls, seed=0)
    worst = [0.0]
    run(crowd, 8, 0.1, lambda crowd: worst.append(overlap(crowd)[1]))
    assert max(worst) < 1e-6


def test_who_never_gives_way_is_avoided_by_those_who_see_it() -> None:
    robot = Others.one((0.0, 0.02), (0.0, 0.0), 0.4)

    def nearest(notices: bool) -> float:
        crowd = Crowd([[-3.0, 0]], [Straight((3.0, 0.0))], notices=[notices], seed=1)
        gaps = []
        for _ in range(80):
            crowd.step(0.1, robot)
            gaps.append(float(np.linalg.norm(crowd.places[0] - robot.places[0])))
        return min(gaps)

    assert nearest(True) > 0.62
    assert nearest(False) < 0.5


def test_social_forces_are_even_handed() -> None:
    """Two who stand push each other apart equally; a mirror image feels mirrored forces."""
    places, still = np.array([[0.0, 0], [0.6, 0]]), np.zeros((2, 2))
    forces = social_forces(places, still, still, np.full(2, 0.25), Walls.none(), SocialForceOptions())
    np.testing.assert_allclose(forces[0], -forces[1], atol=1e-12)
    assert forces[0, 0] < 0
    near = social_forces(np.array([[0.3, 0]]), np.zeros((1, 2)), np.zeros((1, 2)), np.full(1, 0.25),
                         Walls.lines([(0.0, -1), (0, 1)]), SocialForceOptions())  # fmt: skip
    assert near[0, 0] > 0
    assert near[0, 1] == pytest.approx(0, abs=1e-12)


def room() -> NavMap:
    """Ten by six metres with a wall at x = 5 that leaves a door of one metre at the north."""
    frame = GridFrame.covering((0, 0), (10, 6), 0.1)
    cells = torch.full(frame.shape, FREE, dtype=torch.uint8)
    cells[10:, 49:51] = OCCUPIED
    return NavMap(frame, cells, (0.1, 1.8))


def test_ways_have_the_known_length() -> None:
    nav_map = room()
    ways = ways_to(nav_map, (9.0, 1.0))
    corner = np.array([5.0, 5.0])
    around = np.linalg.norm(corner - [1, 1]) + np.linalg.norm(corner - [9, 1])
    assert ways.length(np.array([[1.0, 1.0]]))[0] == pytest.approx(around, rel=0.03)
    assert ways.length(np.array([[9.0, 4.0]]))[0] == pytest.approx(3.0, rel=0.03)
    path = ways.path((1.0, 1.0))
    assert np.linalg.norm(np.diff(path, axis=0), axis=-1).sum() == pytest.approx(around, rel=0.06)
    with pytest.raises(ValueError, match="no free place for a person of radius"):
        ways_to(nav_map, (5.0, 1.0), radius=0.5)


def test_walls_of_a_map_are_its_border() -> None:
    walls = Walls.around(room())
    np.testing.assert_allclose(
        walls.distance(np.array([[4.0, 2.0], [0.3, 3.0], [5.0, 5.5]])), [0.9, 0.3, 0.5], atol=1e-9
    )
    length = np.linalg.norm(walls.segments[:, 1] - walls.segments[:, 0], axis=-1).sum()
    assert length == pytest.approx(2 * 10 - 0.2 + 2 * 6 + 2 * 5 + 0.2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"places": [[0.0, 0], [0, 0]]}, "people 0 and 1 both start"),
        ({"places": [[0.0, float("inf")], [0, 0]]}, "person 0 starts at"),
        ({"speeds": [1.0, 20.0]}, "speeds of person 1 is 20.0"),
        ({"guides": []}, "0 guides for 2 people"),
    ],
)
def test_wrong_crowds_are_named(change: dict[str, object], message: str) -> None:
    given: dict[str, object] = {"places": [[0.0, 0], [1, 0]], "guides": [Straight((5.0, 0.0))] * 2}
    with pytest.raises(ValueError, match=message):
        Crowd(**(given | change))  # type: ignore[arg-type]
