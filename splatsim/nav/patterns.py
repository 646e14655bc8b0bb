"""What people are about: where they start in an episode, how long they stand, and where they go next."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from splatsim.avatar.crowd import Ways
from splatsim.nav.episode import Episode
from splatsim.nav.ground import RADIUS, Ground
from splatsim.nav.setup import Humans

Array = NDArray[np.float64]

FARTHER = 2.0
"""How far a next goal is away at least, metres, where there is one."""
PAUSE = (0.5, 2.5)
"""Seconds that people stand at a goal."""
AHEAD = 1.5
"""Of the robot, along its way, a leader starts, metres."""
NEAR = 4.0
"""Metres from the robot's way within which people who cross it start and end."""
SPACING = 0.75
"""Between those who stand in line, metres."""
SERVICE = (5.0, 9.0)
"""Seconds after which the first of a queue leaves."""
CIRCLE = 4
"""People of one group at most."""


@dataclass
class Plan:
    """How the people of one episode begin, and what they do then."""

    places: Array
    """Where they start, [k 2], metres."""
    yaws: Array
    """Where they look, [k], radians."""
    goals: Array
    """Where they go first, [k 2]; their own places where they stand."""
    waits: Array
    """Seconds that they stand before, [k]."""
    next: Callable[[int], Array | None]
    """Where somebody goes who has arrived; None for who stays."""
    leader: bool = False
    """Whether the first one leads the robot."""
    together: list[int] = field(default_factory=list)
    """Who moves up when the first of them leaves: a queue in its order."""


def plan(humans: Humans, episode: Episode, ground: Ground, rng: np.random.Generator) -> Plan:
    """What the people of an episode are about.

    Raises:
        EpisodeError: the place has no room for so many.
    """
    robot = np.array(episode.start[:2])
    make = {"stroll": _stroll, "cross": _cross, "leader": _lead, "group": _group, "queue": _queue}[humans.pattern]
    return make(humans.count, episode, ground, rng, robot)


def _stroll(count: int, episode: Episode, ground: Ground, rng: np.random.Generator, robot: Array) -> Plan:
    places = ground.start(rng, count, robot, [], episode.name)
    goals = [_elsewhere(ground, rng, place) for place in places]
    goals_now = np.array(goals).reshape(count, 2)

    def following(person: int) -> Array:
        goals_now[person] = _elsewhere(ground, rng, goals_now[person])
        return goals_now[person].copy()

    return Plan(places, _yaws(goals_now - places), goals_now.copy(), np.zeros(count), following)


def _cross(count: int, episode: Episode, ground: Ground, rng: np.random.Generator, robot: Array) -> Plan:
    """Each goes to and fro between two places on either side of the robot's way; at first both meet about there."""
    way = _way(episode)
    taken: list[Array] = []
    ends, waits = [], []
    for _ in range(count):
        along = rng.uniform(0.15, 0.9)
        point, course = _at(way, along * _length(way))
        one, two = _sides(ground, rng, point, course, robot, taken)
        if one is None or two is None:
            one = ground.start(rng, 1, robot, taken, episode.name)[0]
            two = _elsewhere(ground, rng, one)
        taken.append(one)
        ends.append((one, two))
        late = along * _length(way) / 0.8 - float(np.linalg.norm(point - one)) + rng.uniform(-1, 1)
        waits.append(max(0.0, late))
    turn = np.zeros(count, int)

    def back(person: int) -> Array:
        turn[person] += 1
        return np.asarray(ends[person][(turn[person] + 1) % 2])

    places = np.array([one for one, _ in ends]).reshape(count, 2)
    goals = np.array([two for _, two in ends]).reshape(count, 2)
    return Plan(places, _yaws(goals - places), goals, np.array(waits), back)


def _lead(count: int, episode: Episode, ground: Ground, rng: np.random.Generator, robot: Array) -> Plan:
    """The first one walks before the robot to the end of its way and stays there; the others stroll."""
    if count == 0:
        return _stroll(0, episode, ground, rng, robot)
    way = _way(episode)
    first, course = _at(way, min(AHEAD, _length(way)))
    free = ground.places[np.linalg.norm(ground.places - robot, axis=-1) > 0.8]
    free = free if len(free) else ground.places
    first = free[int(np.linalg.norm(free - first, axis=-1).argmin())]
    end = ground.nearest(way[-1])
    places = ground.start(rng, count - 1, robot, [first], episode.name)
    goals_now = np.array([end, *(_elsewhere(ground, rng, place) for place in places)])
    places = np.array([first, *places])

    def following(person: int) -> Array | None:
        if person == 0:
            return None
        goals_now[person] = _elsewhere(ground, rng, goals_now[person])
        return goals_now[person].copy()

    yaws = _yaws(goals_now - places)
    yaws[0] = math.atan2(course[1], course[0])
    return Plan(places, yaws, goals_now.copy(), np.zeros(count), following, leader=True)


def _group(count: int, episode: Episode, ground: Ground, rng: np.random.Generator, robot: Array) -> Plan:
    """People stand and talk in circles near the robot's way; who finds no place in one stands alone."""
    way, goal = _way(episode), np.array(episode.goal)
    places: list[Array] = []
    yaws: list[float] = []
    while len(places) < count:
        size = min(CIRCLE, count - len(places))
        spots = _shape(ground, rng, way, [robot, goal], places, partial(_circle, size))
        if spots is None:
            rest = ground.start(rng, count - len(places), robot, places, episode.name)
            places += list(rest)
            yaws += rng.uniform(-math.pi, math.pi, len(rest)).tolist()
            break
        places += list(spots)
        yaws += _yaws(spots.mean(axis=0) - spots).tolist()
    where = np.array(places).reshape(count, 2)
    return Plan(where, np.array(yaws), where.copy(), np.zeros(count), lambda person: None)


def _queue(count: int, episode: Episode, ground: Ground, rng: np.random.Generator, robot: Array) -> Plan:
    """People stand in line near the robot's way; the first one leaves now and then, and comes back to its end."""
    way, goal = _way(episode), np.array(episode.goal)
    spots = _shape(ground, rng, way, [robot, goal], [], partial(_line, count)) if count > 1 else None
    if spots is None:
        spots = ground.start(rng, count, robot, [], episode.name)
        return Plan(spots, rng.uniform(-math.pi, math.pi, count), spots.copy(), np.zeros(count), lambda person: None)
    yaws = np.full(count, math.atan2(*(spots[0] - spots[1])[::-1]))
    return Plan(spots, yaws, spots.copy(), np.zeros(count), lambda person: None, together=list(range(count)))


def away_from_queue(ground: Ground, rng: np.random.Generator, place: Array) -> Ways:
    """Where the first of a queue goes."""
    return ground.way(_elsewhere(ground, rng, place))


def _elsewhere(ground: Ground, rng: np.random.Generator, place: Array) -> Array:
    away = np.linalg.norm(ground.goals - place, axis=-1)
    choice = ground.goals[away > min(FARTHER, 0.5 * float(away.max()))]
    choice = choice if len(choice) else ground.goals
    return np.asarray(choice[rng.integers(len(choice))])


def _sides(
    ground: Ground, rng: np.random.Generator, point: Array, course: Array, robot: Array, taken: list[Array]
) -> tuple[Array | None, Array | None]:
    """A place on either side of the way, in either order, or None where there is none."""
    apart = ground.goals - point
    beside = course[0] * apart[:, 1] - course[1] * apart[:, 0]
    near = (np.linalg.norm(apart, axis=-1) < NEAR) & (np.abs(beside) > 0.5)
    side = 1.0 if rng.random() < 0.5 else -1.0
    clear = np.linalg.norm(ground.goals - robot, axis=-1) > 1.2
    for other in taken:
        clear &= np.linalg.norm(ground.goals - other, axis=-1) > 0.7
    ones, twos = ground.goals[near & clear & (side * beside > 0)], ground.goals[near & (side * beside < 0)]
    one = ones[rng.integers(len(ones))] if len(ones) else None
    two = twos[rng.integers(len(twos))] if len(twos) else None
    return one, two


def _shape(
    ground: Ground,
    rng: np.random.Generator,
    way: Array,
    kept_free: list[Array],
    taken: list[Array],
    shape: Callable[[float], Array],
) -> Array | None:
    """Where a formation of people has room near the way, off its ends and off others; None if nowhere in many tries."""
    middles = ground.places[_beside(way, ground.places) < NEAR]
    for _ in range(200 if len(middles) else 0):
        spots = middles[rng.integers(len(middles))] + shape(rng.uniform(-math.pi, math.pi))
        far = all(np.linalg.norm(spots - point, axis=-1).min() > 1.0 for point in kept_free)
        alone = all(np.linalg.norm(spots - other, axis=-1).min() > 1.0 for other in taken)
        if far and alone and bool(ground.has_room(spots).all()):
            return np.asarray(spots)
    return None


def _circle(size: int, angle: float) -> Array:
    turns = angle + 2 * math.pi * np.arange(size) / size
    radius = max(0.5, (2 * RADIUS + 0.3) * size / (2 * math.pi))
    return radius * np.stack([np.cos(turns), np.sin(turns)], axis=-1)


def _line(size: int, angle: float) -> Array:
    return SPACING * np.arange(size)[:, None] * np.array([[math.cos(angle), math.sin(angle)]])


def _way(episode: Episode) -> Array:
    """The robot's way as a polyline of two points at least."""
    reference = episode.reference.double().numpy()
    if len(reference) >= 2 and np.isfinite(reference).all():
        return np.asarray(reference)
    return np.array([episode.start[:2], episode.goal])


def _length(way: Array) -> float:
    return float(np.linalg.norm(np.diff(way, axis=0), axis=-1).sum())


def _at(way: Array, along: float) -> tuple[Array, Array]:
    """The point so far along a polyline, and the unit vector in which it runs there."""
    pieces = np.diff(way, axis=0)
    lengths = np.linalg.norm(pieces, axis=-1)
    ends = np.cumsum(lengths)
    piece = min(int(np.searchsorted(ends, along)), len(pieces) - 1)
    course = pieces[piece] / max(lengths[piece], 1e-12) if lengths[piece] > 0 else np.array([1.0, 0.0])
    return way[piece] + (along - (ends[piece] - lengths[piece])) * course, course


def _beside(way: Array, points: Array) -> Array:
    """Distances of points [n 2] from a polyline, metres."""
    start, piece = way[:-1], np.diff(way, axis=0)
    share = ((points[:, None] - start) * piece).sum(-1) / np.maximum((piece**2).sum(-1), 1e-12)
    nearest = start + share.clip(0, 1)[..., None] * piece
    return np.asarray(np.linalg.norm(points[:, None] - nearest, axis=-1).min(axis=1))


def _yaws(ways: Array) -> Array:
    return np.asarray(np.arctan2(ways[..., 1], ways[..., 0]))
