"""How people walk on a map: on shortest ways to places all over it, where they stand a while and go on to others."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray

from splatsim.errors import EpisodeError
from splatsim.grids import NavMap
from splatsim.nav.agents.terrain import Array, Terrain, heading_vectors
from splatsim.nav.sight import Sight

GOALS = 24
"""Places that people go to."""
BODY = 0.22
"""Room that people need around their middle, metres."""
PACE = (0.95, 0.12)
"""Mean and spread of walking speeds indoors, m/s."""
SLOWEST, FASTEST = 0.7, 1.3
"""Of those who walk, m/s."""
PAUSE = (0.2, 2.5)
"""Seconds that people stand where they have gone to."""
THERE = 0.3
"""Metres from where they go at which they have arrived."""
STRIDE = 0.25
"""Seconds for which a course is kept, at most."""


@dataclass(frozen=True)
class Walkers:
    """People as they may be: where each is, where it goes, and when."""

    places: Array
    """[n 2], metres."""
    goals: NDArray[np.int64]
    """Which of the places on the map each goes to, [n]."""
    paces: Array
    """How fast each walks, [n], m/s."""
    waits: Array
    """How long each still stands, [n], seconds."""
    owners: NDArray[np.int64]
    """Whom each stands for, [n]."""
    radii: Array
    """Of the bodies, [n], metres."""

    def __len__(self) -> int:
        return len(self.places)

    def select(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "Walkers":
        """Some of them."""
        return Walkers(*(getattr(self, field.name)[rows] for field in fields(self)))

    @classmethod
    def concat(cls, parts: "list[Walkers]") -> "Walkers":
        """All of them, in order."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


class Habits:
    """Where people may go on a map, and how they walk there.

    Raises:
        EpisodeError: the map has no room for people.
    """

    def __init__(self, nav_map: NavMap) -> None:
        self._sight = Sight(nav_map)
        inflated = nav_map.inflate(BODY)
        centers = inflated.frame.centers(inflated.free.nonzero()).numpy()
        if not len(centers):
            raise EpisodeError(f"the map has no free place {2 * BODY:.2f} m wide; expected room for people.")
        chosen, away = [centers[0]], np.full(len(centers), np.inf)
        while len(chosen) < min(GOALS, len(centers)):
            away = np.minimum(away, np.linalg.norm(centers - chosen[-1], axis=-1))
            chosen.append(centers[int(away.argmax())])
        terrains = [Terrain(nav_map, (float(goal[0]), float(goal[1])), BODY) for goal in chosen]
        self._any = terrains[0]
        self.goals: Array = np.array(chosen)
        """Places that people go to, [g 2], metres."""
        self._courses = np.stack([terrain.all_courses for terrain in terrains])
        self.places: Array = centers
        """Where the middle of a person may be, [n 2], metres."""

    def courses(self, goals: NDArray[np.int64], places: Array) -> Array:
        """In which direction people at places [n 2] walk to their goals [n], radians."""
        rows, columns = self._any.cells(places)
        return np.asarray(self._courses[goals, rows, columns])

    def sees(self, eye: Array, places: Array, reach: float) -> NDArray[np.bool_]:
        """Which places [n 2] are within reach of an eye [2], with nothing between."""
        found = np.linalg.norm(places - eye, axis=-1) < reach
        near = torch.from_numpy(places[found])
        found[found] = self._sight.between(torch.from_numpy(eye).expand(len(near), 2), near).numpy()
        return np.asarray(found)

    def walk(self, people: Walkers, seconds: float, rng: np.random.Generator) -> Walkers:
        """The same people later; who has arrived stands a while, then goes elsewhere."""
        for _ in range(pieces := max(1, round(seconds / STRIDE))):
            people = self._stride(people, seconds / pieces, rng)
        return people

    def _stride(self, people: Walkers, seconds: float, rng: np.random.Generator) -> Walkers:
        left = np.linalg.norm(self.goals[people.goals] - people.places, axis=-1)
        length = np.minimum(np.where(people.waits > 0, 0.0, people.paces * seconds), left)
        places = self._moved(people, length)
        stuck = (places == people.places).all(axis=-1)
        waits = np.maximum(people.waits - seconds, 0)
        goals = people.goals.copy()
        arrived = np.flatnonzero(((left < THERE) | stuck) & (people.waits <= 0))
        goals[arrived] = rng.integers(len(self.goals), size=len(arrived))
        waits[arrived] = rng.uniform(*PAUSE, len(arrived))
        return Walkers(places, goals, people.paces, waits, people.owners, people.radii)

    def _moved(self, people: Walkers, length: Array) -> Array:
        """So far along the way, or as far of that as does not lead into what is closed: a stride cuts corners."""
        ways = heading_vectors(self.courses(people.goals, people.places), 1.0)
        places = people.places.copy()
        shut = np.ones(len(people), bool)
        for share in (1.0, 0.5, 0.25, 0.1):
            ends = people.places[shut] + share * length[shut, None] * ways[shut]
            open_ = self._any.seems_open(ends)
            places[np.flatnonzero(shut)[open_]] = ends[open_]
            shut[shut] = ~open_
        return places
