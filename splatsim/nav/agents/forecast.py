"""Where people may be: straight on, or on a way to somewhere that fits how they walk now (Ziebart et al. 2009).

Nobody knows where they go; places all over the map stand for that. Nobody is forgotten at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from splatsim.errors import EpisodeError
from splatsim.grids import NavMap
from splatsim.maps import People
from splatsim.nav.agents.terrain import Array, Terrain, heading_vectors

TICK = 0.2
"""Between the moments of a forecast, seconds."""
TICKS = 24
"""Of a forecast."""
GOALS = 12
"""Places that people may go to."""
BODY = 0.22
"""Room that people need around their middle, metres."""
FIT = 4.0
"""How much likelier it is that people walk towards where they go."""
STRAIGHT = 0.3
"""Chance that they walk straight on."""
LEAST = 0.04
"""Chance below which nothing is reckoned with."""
STILL = 0.15
"""Speed below which somebody stands, m/s."""
REMEMBERED = 2.0
"""For how long somebody who went out of sight is thought to walk on, seconds."""
SAME = 0.6
"""Metres between where somebody should be and somebody who is seen, for both to be one."""


@dataclass(frozen=True)
class Forecast:
    """Ways that people may take from now on, somebody more than one, each with a chance."""

    ways: Array
    """Places at each moment, [m TICKS+1 2], metres."""
    radii: Array
    """Of the bodies, [m], metres."""
    chances: Array
    """[m]."""

    def near(self, place: tuple[float, float], reach: float) -> "Forecast":
        """Those who are within reach now."""
        chosen = np.linalg.norm(self.ways[:, 0] - np.asarray(place), axis=-1) < reach
        return Forecast(self.ways[chosen], self.radii[chosen], self.chances[chosen])

    def at(self, seconds: Array) -> Array:
        """Places after some seconds [n], [n m 2]."""
        moment = np.clip(seconds / TICK, 0, TICKS - 1e-9)
        low = moment.astype(np.int64)
        share = (moment - low)[None, :, None]
        found = (1 - share) * self.ways[:, low] + share * self.ways[:, low + 1]
        return np.asarray(found.transpose(1, 0, 2))

    def gaps(self, starts: Array, ends: Array, since: Array, until: Array) -> Array:
        """The least gap between a robot's centre that moves evenly from starts to ends [n 2] and each body, [n m]."""
        first = self.at(since) - starts[:, None]
        move = self.at(until) - ends[:, None] - first
        speed = (move**2).sum(-1)
        share = np.clip(-(first * move).sum(-1) / np.where(speed > 0, speed, 1), 0, 1)
        apart = first + share[..., None] * move
        return np.asarray(np.sqrt((apart**2).sum(-1)) - self.radii)


class Habits:
    """Where people may go on a map, and how."""

    def __init__(self, nav_map: NavMap) -> None:
        self._terrains = []
        inflated = nav_map.inflate(BODY)
        centers = inflated.frame.centers(inflated.free.nonzero()).numpy()
        away = np.full(len(centers), np.inf)
        goal = centers[0] if len(centers) else np.zeros(2)
        for _ in range(GOALS if len(centers) else 0):
            try:
                self._terrains.append(Terrain(nav_map, (float(goal[0]), float(goal[1])), BODY))
            except EpisodeError:
                break
            away = np.minimum(away, np.linalg.norm(centers - goal, axis=-1))
            goal = centers[int(away.argmax())]

    def forecast(self, places: Array, velocities: Array, radii: Array) -> Forecast:
        """Of people at places [k 2] with velocities [k 2]."""
        k, speed = len(places), np.linalg.norm(velocities, axis=-1)
        course = np.arctan2(velocities[:, 1], velocities[:, 0])
        chances = [np.where(speed > STILL, STRAIGHT, 1.0)]
        ways = [_walk(places, speed, lambda _: course, self._terrains)]
        fits = [np.exp(FIT * (np.cos(one.courses(places) - course) - 1)) for one in self._terrains]
        total = np.sum(fits, axis=0) if fits else np.ones(k)
        for one, fit in zip(self._terrains, fits, strict=True):
            chances.append(np.where(speed > STILL, (1 - STRAIGHT) * fit / total, 0.0))
            ways.append(_walk(places, speed, one.courses, self._terrains))
        likely = np.concatenate(chances)
        chosen = likely > LEAST
        return Forecast(np.concatenate(ways)[chosen], np.tile(radii, len(ways))[chosen], likely[chosen])


def _walk(places: Array, speed: Array, courses: Callable[[Array], Array], terrains: list[Terrain]) -> Array:
    """Ways [k TICKS+1 2] along courses, up to what is closed."""
    found = [places]
    for _ in range(TICKS):
        moved = found[-1] + speed[:, None] * heading_vectors(courses(found[-1]), TICK)
        open_ = terrains[0].seems_open(moved) if terrains else np.ones(len(moved), bool)
        found.append(np.where(open_[:, None], moved, found[-1]))
    return np.stack(found, axis=1)


class Watch:
    """Keeps track of people who go out of sight."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._places, self._velocities = np.zeros((0, 2)), np.zeros((0, 2))
        self._radii, self._unseen = np.zeros(0), np.zeros(0)

    def update(self, seconds: float, people: People, nav_map: NavMap) -> tuple[Array, Array, Array]:
        """Take in who is seen now; the others walk on as they did. Places, velocities and radii of all of them."""
        passed = seconds - self._seconds
        seen, unseen = people.places.numpy(), self._unseen + passed
        thought = self._places + passed * self._velocities
        apart = np.linalg.norm(thought[:, None] - seen, axis=-1)
        keep = (unseen < REMEMBERED) & ~(apart < SAME).any(axis=1)
        # Nobody walks through a wall while nobody looks.
        keep &= nav_map.at(torch.from_numpy(thought)).numpy() == 0
        self._places = np.concatenate([seen, thought[keep]])
        self._velocities = np.concatenate([people.velocities.numpy(), self._velocities[keep]])
        self._radii = np.concatenate([people.radii.numpy(), self._radii[keep]])
        self._unseen = np.concatenate([np.zeros(len(seen)), unseen[keep]])
        self._seconds = seconds
        return self._places, self._velocities, self._radii
