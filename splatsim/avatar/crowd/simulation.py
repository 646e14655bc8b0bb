"""A crowd on its way: who is where, what each wants, and one step after the other, the same for the same seed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatsim.avatar._arrays import Numbers
from splatsim.avatar.crowd.guides import Guide, Guides
from splatsim.avatar.crowd.orca import OrcaOptions, choose_velocities, half_planes
from splatsim.avatar.crowd.social_force import SocialForceOptions, social_forces
from splatsim.avatar.crowd.walls import Walls

Array = NDArray[np.float64]

ARRIVED = 0.3
"""Metres from the goal at which a person has arrived."""
SLOWING = 0.8
"""Metres before the goal over which people slow down."""
RESTLESS = 0.06
"""Standard deviation of the wanted velocity's chance part, m/s: what breaks the ties of people who meet head on."""
SIDESTEP = np.radians(50)
"""How far people turn aside, to the right, who do not get ahead."""
ACCELERATION = 2.0
"""How fast people change their velocity of their own accord, m/s²; they avoid collisions faster."""
PARTINGS = 20
"""Rounds at most in which people who overlap after a step are moved apart."""
MARGIN = 0.02
"""What people keep between them beyond their bodies in the half-planes of ORCA, metres each."""
SUBSTEP = 0.02
"""Longest step of the social forces, seconds: they are stiff."""


@dataclass(frozen=True)
class Others:
    """Robots, or whoever moves by a will of their own and gives way to nobody."""

    places: Array
    """[r 2], metres."""
    velocities: Array
    """[r 2], m/s."""
    radii: Array
    """[r], metres."""

    @classmethod
    def one(cls, place: Numbers, velocity: Numbers, radius: float) -> "Others":
        """A single robot."""
        return cls(
            np.reshape(place, (1, 2)).astype(float), np.reshape(velocity, (1, 2)).astype(float), np.array([radius])
        )


class Crowd:
    """People who walk to their goals, avoiding walls, each other and, those who notice them, robots.

    Args:
        places: Where they start, [n 2], metres.
        guides: The way of each.
        walls: What stands.
        speeds: Speeds they like, [n], m/s; by default drawn from a normal distribution, 1.3 ± 0.2, within 0.6 to 1.8.
        radii: Of their bodies, [n], metres; 0.25 by default.
        options: `OrcaOptions` or `SocialForceOptions`: the model.
        notices: Whether each takes notice of robots, [n]; all do by default.

    Raises:
        ValueError: counts differ, a number is not finite, or two people start at one place.
    """

    def __init__(
        self,
        places: Numbers,
        guides: Sequence[Guide],
        *,
        walls: Walls | None = None,
        speeds: Numbers | float | None = None,
        radii: Numbers | float | None = None,
        options: OrcaOptions | SocialForceOptions | None = None,
        notices: Numbers | None = None,
        seed: int = 0,
    ) -> None:
        self.places = np.array(places, np.float64).reshape(-1, 2)
        n = len(self.places)
        self._rng = np.random.default_rng([seed, 0xC0DE])
        drawn = self._rng.normal(1.3, 0.2, n).clip(0.6, 1.8)
        self.speeds = drawn if speeds is None else _per_person("speeds", speeds, n, 0.0, 10.0)
        self.radii = np.full(n, 0.25) if radii is None else _per_person("radii", radii, n, 0.01, 5.0)
        self.notices = np.ones(n, bool) if notices is None else np.broadcast_to(np.asarray(notices, bool), (n,))
        self.guides = list(guides)
        if len(self.guides) != n:
            raise ValueError(f"there are {len(self.guides)} guides for {n} people; expected one each.")
        _check_start(self.places)
        self.velocities = np.zeros((n, 2))
        self.walls = Walls.none() if walls is None else walls
        self.options = options or OrcaOptions()
        self.time = 0.0
        self._stuck = np.zeros(n)
        self._asked = Guides(self.guides)
        self._goals = np.array([guide.goal for guide in self.guides]).reshape(n, 2)
        self._restless = self._rng.normal(0, RESTLESS, (n, 2))

    def __len__(self) -> int:
        return len(self.places)

    @property
    def arrived(self) -> NDArray[np.bool_]:
        """Who is at the goal, [n]."""
        return np.asarray(np.linalg.norm(self._goals - self.places, axis=-1) <= ARRIVED)

    def send(self, person: int, guide: Guide) -> None:
        """Give a person another goal."""
        self.guides[person] = guide
        self._asked = Guides(self.guides)
        self._goals[person] = guide.goal

    def step(self, dt: float, others: Others | None = None) -> None:
        """Go on by `dt` seconds.

        Raises:
            ValueError: `dt` is not between 0 and 0.5 seconds, or a robot's state is not finite.
        """
        if not 0 < dt <= 0.5:
            raise ValueError(f"dt is {dt}; expected a step of more than 0, at most 0.5 seconds.")
        robots = _checked_others(others)
        self._restless += dt * (-self._restless) + RESTLESS * np.sqrt(2 * dt) * self._rng.normal(size=(len(self), 2))
        aim = self._wanted()
        if isinstance(self.options, OrcaOptions):
            self._step_orca(self._within_reach(aim, dt), dt, robots, self.options)
        else:
            count = int(np.ceil(dt / SUBSTEP - 1e-9))
            for part in range(count):
                moved = Others(robots.places + part * dt / count * robots.velocities, robots.velocities, robots.radii)
                self._step_forces(aim, dt / count, moved, self.options)
        held_up = (self.velocities * aim).sum(-1) < 0.15 * (aim**2).sum(-1)
        self._stuck = np.where(held_up & ~self.arrived, self._stuck + dt, np.maximum(self._stuck - 2 * dt, 0))
        self.time += dt

    def _wanted(self) -> Array:
        """The velocity each would have alone."""
        ways = self._asked.directions(self.places)
        left = np.linalg.norm(self._goals - self.places, axis=-1)
        pace = self.speeds * np.clip(left / SLOWING, 0, 1) * (left > 0.5 * ARRIVED)
        angle = -SIDESTEP * np.clip(self._stuck / 2.0, 0, 1)
        cos, sin = np.cos(angle), np.sin(angle)
        turned = np.stack([cos * ways[:, 0] - sin * ways[:, 1], sin * ways[:, 0] + cos * ways[:, 1]], axis=-1)
        walking = (pace > 0.3)[:, None]
        return np.asarray(pace[:, None] * turned + np.where(walking, self._restless, 0.0))

    def _within_reach(self, wanted: Array, dt: float) -> Array:
        """The wanted velocities, as far as people can change theirs in a step."""
        change = wanted - self.velocities
        size = np.linalg.norm(change, axis=-1, keepdims=True)
        return np.asarray(self.velocities + change * np.minimum(1, ACCELERATION * dt / np.maximum(size, 1e-9)))

    def _step_orca(self, wanted: Array, dt: float, robots: Others, options: OrcaOptions) -> None:
        n, r = len(self), len(robots.radii)
        fastest = np.maximum(1.3 * self.speeds, 0.6)
        limits = half_planes(
            np.concatenate([self.places, robots.places]),
            np.concatenate([self.velocities, robots.velocities]),
            np.concatenate([self.radii + MARGIN, robots.radii]),
            np.concatenate([fastest, np.zeros(r)]),
            self.walls,
            dt,
            options,
            yields=np.concatenate([np.ones(n), np.zeros(r)]),
            sees=np.concatenate([self.notices, np.zeros(r, bool)]),
        )
        chosen = choose_velocities(
            limits, np.concatenate([wanted, robots.velocities]), np.concatenate([fastest, np.zeros(r)])
        )
        self.velocities = chosen[:n]
        self.places = _parted(self.places + dt * self.velocities, self.radii, self.walls)

    def _step_forces(self, wanted: Array, dt: float, robots: Others, options: SocialForceOptions) -> None:
        n, r = len(self), len(robots.radii)
        notices = np.ones((n + r, n + r), bool)
        notices[:n, n:] = self.notices[:, None]
        forces = social_forces(
            np.concatenate([self.places, robots.places]),
            np.concatenate([self.velocities, robots.velocities]),
            np.concatenate([wanted, robots.velocities]),
            np.concatenate([self.radii, robots.radii]),
            self.walls,
            options,
            notices,
        )
        velocities = self.velocities + dt * forces[:n]
        speed = np.linalg.norm(velocities, axis=-1, keepdims=True)
        self.velocities = velocities * np.minimum(
            1, np.maximum(1.3 * self.speeds, 0.6)[:, None] / np.maximum(speed, 1e-9)
        )
        self.places = _parted(self.places + dt * self.velocities, self.radii, self.walls)


def _parted(places: Array, radii: Array, walls: Walls) -> Array:
    """People who came to overlap where no velocity could avoid it, moved apart by halves, walls first (Müller 2007)."""
    for _ in range(PARTINGS):
        offset = places[:, None] - places[None]
        gap = np.linalg.norm(offset, axis=-1)
        np.fill_diagonal(gap, np.inf)
        deep = np.maximum(radii[:, None] + radii[None] - gap, 0)
        if not deep.any():
            break
        push = (0.5 * deep / np.maximum(gap, 1e-9))[..., None] * offset
        places = _out_of_walls(places + push.sum(axis=1) / np.maximum((deep > 0).sum(axis=1), 1)[:, None], radii, walls)
    return places


def _out_of_walls(places: Array, radii: Array, walls: Walls) -> Array:
    """People moved off the wall nearest to them."""
    if len(walls) == 0:
        return places
    offset = places[:, None] - walls.nearest(places)
    gap = np.linalg.norm(offset, axis=-1)
    rows, nearest = np.arange(len(places)), gap.argmin(axis=1)
    close = gap[rows, nearest]
    away = offset[rows, nearest] / np.maximum(close, 1e-9)[:, None]
    return np.asarray(places + np.maximum(radii - close, 0)[:, None] * away)


def overlap(crowd: Crowd) -> tuple[float, float]:
    """Deepest overlap of two people, and of a person with a wall, metres; 0 where there is none."""
    gap = np.linalg.norm(crowd.places[:, None] - crowd.places[None], axis=-1)
    np.fill_diagonal(gap, np.inf)
    people = (crowd.radii[:, None] + crowd.radii[None] - gap).max() if len(crowd) > 1 else 0.0
    walls = (crowd.radii - crowd.walls.distance(crowd.places)).max() if len(crowd) else 0.0
    return max(0.0, float(people)), max(0.0, float(walls))


def run(crowd: Crowd, seconds: float, dt: float, watch: Callable[[Crowd], None] | None = None) -> Array:
    """Let a crowd walk for a time; its places at 0 and after each step, [t n 2]."""
    places = [crowd.places.copy()]
    for _ in range(round(seconds / dt)):
        crowd.step(dt)
        places.append(crowd.places.copy())
        if watch is not None:
            watch(crowd)
    return np.stack(places)


def _per_person(name: str, values: Numbers | float, n: int, low: float, high: float) -> Array:
    array = np.array(np.broadcast_to(np.asarray(values, np.float64), (n,)))
    if not ((array >= low) & (array <= high)).all():
        bad = int(np.flatnonzero(~((array >= low) & (array <= high)))[0])
        raise ValueError(f"{name} of person {bad} is {array[bad]}; expected {low:g} to {high:g}.")
    return array


def _check_start(places: Array) -> None:
    bad = np.flatnonzero(~np.isfinite(places).all(axis=1))
    if len(bad):
        raise ValueError(f"person {bad[0]} starts at {places[bad[0]].tolist()}; expected finite metres.")
    gap = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(gap, np.inf)
    if len(places) > 1 and gap.min() < 1e-6:
        one, two = np.unravel_index(int(gap.argmin()), gap.shape)
        raise ValueError(f"people {one} and {two} both start at {places[one].tolist()}; expected different places.")


def _checked_others(others: Others | None) -> Others:
    if others is None:
        return Others(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0))
    r = len(others.radii)
    fits = others.places.shape == (r, 2) and others.velocities.shape == (r, 2)
    if not fits or not all(np.isfinite(array).all() for array in (others.places, others.velocities, others.radii)):
        raise ValueError(
            "a robot's place, velocity or radius is not finite, or their counts differ; expected one of each."
        )
    return others
