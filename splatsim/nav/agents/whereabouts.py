"""Where people may be, seen or not: a particle filter (Gordon, Salmond and Smith 1993) over how people walk.

Who is out of sight walks on, and is not where the robot looks without seeing anybody. Whom it has never seen may be
wherever it has not looked.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatsim.maps import People
from splatsim.nav.agents.habits import FASTEST, PACE, PAUSE, SLOWEST, Habits, Walkers
from splatsim.nav.agents.terrain import Array

TICK = 0.2
"""Between the moments of a forecast, seconds."""
TICKS = 24
"""Of a forecast."""
STRANGER = -1
"""Owner of those who stand for somebody who was never seen."""
RADIUS = 0.25
"""Of somebody who was never seen, metres."""
EACH, STRANGERS = 48, 256
"""How many stand for one who was seen, and for all who were not."""
FIT = 4.0
"""How much likelier it is that people walk towards where they go."""
STILL = 0.15
"""Speed below which somebody stands, m/s."""
LINGER = 0.5
"""Chance that somebody who stands keeps standing throughout a forecast."""
FICKLE = 0.25
"""Share of those who stand for one person that get another goal at each look."""
SAME = 0.7
"""Metres between where somebody may be and somebody who is seen, for both to be one."""
LOST = 0.1
"""Share of those who stand for one person, out of sight, below which the person is given up."""


@dataclass(frozen=True)
class Forecast:
    """Ways that people may take from now on."""

    ways: Array
    """Places at each moment, [m TICKS+1 2], metres."""
    chances: Array
    """That somebody is on each, [m]."""
    radii: Array
    """Of the bodies, [m], metres."""


class Whereabouts:
    """What a robot knows about people on a map.

    Args:
        suspicion: the chance that somebody is about whom the robot has not seen; 0 until it has seen anybody, if less.
        reach: how far people are seen, metres.
    """

    def __init__(self, habits: Habits, suspicion: float, reach: float, rng: np.random.Generator) -> None:
        self._habits, self._rng, self._reach = habits, rng, reach
        self._suspicion = self._hidden = suspicion
        self._seconds, self._known = 0.0, 0
        self._people = self._strangers(habits.places)

    @property
    def met(self) -> bool:
        """Whether somebody is known who may be near, seen or remembered."""
        return bool((self._people.owners != STRANGER).any())

    def update(self, seconds: float, seen: People, eye: Array) -> None:
        """Take in who is seen at a time [s] from a place [2]; everybody else walks on where nobody looks."""
        if seconds > self._seconds:
            self._people = self._habits.walk(self._people, seconds - self._seconds, self._rng)
        self._seconds = seconds
        hidden = self._people.select(~self._habits.sees(eye, self._people.places, self._reach))
        parts = [self._unseen(hidden.select(hidden.owners == STRANGER), eye)]
        owners = [int(owner) for owner in np.unique(self._people.owners) if owner != STRANGER]
        for place, velocity, radius in zip(
            seen.places.numpy(), seen.velocities.numpy(), seen.radii.tolist(), strict=True
        ):
            owner = self._owner(owners, place)
            if owner is not None:
                owners.remove(owner)
            parts.append(self._looked_at(owner, place, velocity, radius))
        parts += [self._remembered(hidden.select(hidden.owners == owner)) for owner in owners]
        self._people = Walkers.concat(parts)

    def forecast(self, place: Array, reach: float) -> Forecast:
        """The ways of all who may be within reach, metres, of a place [2]."""
        owners, counts = np.unique(self._people.owners, return_counts=True)
        share = dict(zip(owners.tolist(), (1 / counts).tolist(), strict=True))
        near = self._people.select(np.linalg.norm(self._people.places - place, axis=-1) < reach)
        chances = [share[owner] * (self._hidden if owner == STRANGER else 1.0) for owner in near.owners.tolist()]
        # The same chance every time: forecasts that flicker would make the robot waver.
        rng = np.random.default_rng(0)
        ways, people = [near.places], near
        for _ in range(TICKS):
            people = self._habits.walk(people, TICK, rng)
            ways.append(people.places)
        return Forecast(np.stack(ways, axis=1), np.array(chances), near.radii)

    def _unseen(self, hidden: Walkers, eye: Array) -> Walkers:
        """Those who were never seen, and how likely it is now that there is one."""
        share = len(hidden) / max(1, int((self._people.owners == STRANGER).sum()))
        # Where one looks and sees nobody, there may be nobody at all (Bayes).
        self._hidden *= share / (self._hidden * share + 1 - self._hidden + 1e-12)
        if not len(hidden):
            covered = self._habits.sees(eye, self._habits.places, self._reach)
            return self._strangers(self._habits.places[~covered] if not covered.all() else self._habits.places)
        if len(hidden) < 0.6 * STRANGERS:
            return hidden.select(self._rng.integers(len(hidden), size=STRANGERS))
        return hidden

    def _strangers(self, places: Array) -> Walkers:
        """Anybody, anywhere among places [n 2]."""
        rng, n = self._rng, STRANGERS
        return Walkers(
            places[rng.integers(len(places), size=n)],
            rng.integers(len(self._habits.goals), size=n),
            rng.normal(*PACE, n).clip(SLOWEST, FASTEST),
            np.where(rng.random(n) < 0.2, rng.uniform(*PAUSE, n), 0.0),
            np.full(n, STRANGER),
            np.full(n, RADIUS),
        )

    def _owner(self, owners: list[int], place: Array) -> int | None:
        """Who of them is seen at a place."""
        apart = {
            owner: float(np.linalg.norm(self._people.places[self._people.owners == owner] - place, axis=-1).min())
            for owner in owners
        }
        nearest = min(apart, key=lambda owner: apart[owner], default=None)
        return nearest if nearest is not None and apart[nearest] < SAME else None

    def _looked_at(self, owner: int | None, place: Array, velocity: Array, radius: float) -> Walkers:
        """Those who stand for somebody who is seen."""
        rng, speed = self._rng, math.hypot(*velocity)
        if speed > STILL:
            goals = self._likely_goals(owner, place, math.atan2(velocity[1], velocity[0]))
            paces, waits = np.full(EACH, min(FASTEST, max(speed, SLOWEST))), np.zeros(EACH)
        else:
            goals, paces = rng.integers(len(self._habits.goals), size=EACH), np.full(EACH, PACE[0])
            waits = np.where(rng.random(EACH) < LINGER, TICK * (TICKS + 1), rng.uniform(0, PAUSE[1], EACH))
        if owner is None:
            owner, self._known = self._known, self._known + 1
        return Walkers(np.tile(place, (EACH, 1)), goals, paces, waits, np.full(EACH, owner), np.full(EACH, radius))

    def _likely_goals(self, owner: int | None, place: Array, course: float) -> NDArray[np.int64]:
        """Where somebody goes who walks on a course [rad]: to where it seemed to go before, if that still fits."""
        before = self._people.goals[self._people.owners == owner] if owner is not None else np.zeros(0, np.int64)
        fresh = self._rng.integers(len(self._habits.goals), size=round(4 * EACH * (FICKLE if len(before) else 1)))
        before = before[self._rng.integers(len(before), size=4 * EACH - len(fresh))] if len(before) else before
        goals = np.concatenate([before, fresh])
        fits = np.exp(FIT * (np.cos(self._habits.courses(goals, np.tile(place, (len(goals), 1))) - course) - 1))
        return np.asarray(self._rng.choice(goals, size=EACH, p=fits / fits.sum()))

    def _remembered(self, hidden: Walkers) -> Walkers:
        """Those who stand for somebody who is out of sight."""
        if len(hidden) < LOST * EACH:
            self._hidden = max(self._hidden, self._suspicion)
            return hidden.select(np.zeros(0, np.int64))
        return hidden.select(self._rng.integers(len(hidden), size=EACH))
