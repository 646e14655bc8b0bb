"""People who stroll about a place: each goes somewhere, stands a while, goes elsewhere, and nobody bumps into anything."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import distance_transform_edt

from splatsim.avatar.crowd import Crowd, OrcaOptions, Others, Walls, Ways, ways_to, ways_to_each
from splatsim.avatar.gait import GaitStyle
from splatsim.avatar.skeleton import Pose, Skeleton
from splatsim.avatar.walkers import Walkers
from splatsim.grids import NavMap

Array = NDArray[np.float64]

RADIUS = 0.23
"""Of people among furniture, metres: shoulders turn."""
KEEPS = 0.06
"""What their ways keep from furniture beyond that, metres."""
APART = 0.9
"""Between people at the start, and between their goals, metres."""
FARTHER = 2.0
"""How far a next goal is away at least, metres."""
PAUSE = (0.8, 3.0)
"""Seconds that people stand at a goal."""
SPEED = (0.95, 0.12)
"""Mean and spread of walking speeds indoors, m/s."""


class Strollers:
    """n people on a map, advanced by `step`. The same seed gives the same walks.

    Args:
        skeletons: Theirs, of one rig.
        nav_map: Where they can walk.
        around: Stay about this place, x and y; by default everywhere.
        within: Metres of way from it, at most.
        styles: How they walk; by default drawn by the seed.

    Raises:
        ValueError: the map has no room for so many people.
    """

    def __init__(
        self,
        skeletons: Sequence[Skeleton],
        nav_map: NavMap,
        *,
        around: ArrayLike | None = None,
        within: float = 6.0,
        styles: Sequence[GaitStyle] | None = None,
        seed: int = 0,
    ) -> None:
        n = len(skeletons)
        self._map = nav_map
        self._rng = np.random.default_rng([seed, 0x57E0])
        self._spots = _roomy_places(nav_map, around, within)
        places = self._scattered(n)
        goals = np.array([self._goal(place, places[:0]) for place in places])
        self.crowd = Crowd(
            places,
            ways_to_each(nav_map, list(goals), radius=RADIUS + KEEPS),
            walls=Walls.around(nav_map),
            speeds=self._rng.normal(*SPEED, n).clip(0.7, 1.3),
            radii=RADIUS,
            options=OrcaOptions(people_horizon=1.5, wall_horizon=0.4),
            seed=seed,
        )
        first = np.array(
            [guide.directions(place[None])[0] for guide, place in zip(self.crowd.guides, places, strict=True)]
        )
        ways = styles or [GaitStyle.vary(1000 * seed + person) for person in range(n)]
        self.walkers = Walkers(skeletons, places, np.arctan2(first[:, 1], first[:, 0]), styles=ways)
        self._rest = np.zeros(n)

    def step(self, dt: float, others: Others | None = None) -> None:
        """Go on by `dt` seconds, in the presence of robots.

        Raises:
            ValueError: `dt` is not between 0 and 0.5 seconds.
        """
        for person in np.flatnonzero(self.crowd.arrived):
            self._rest[person] -= dt
            if self._rest[person] <= 0:
                self._rest[person] = self._rng.uniform(*PAUSE)
                self.crowd.send(int(person), self._next(int(person)))
        self.crowd.step(dt, others)
        self.walkers.step(dt, self.crowd.places, self.crowd.velocities)

    def poses(self) -> Pose:
        """How all stand now, [n]."""
        return self.walkers.poses()

    def _next(self, person: int) -> Ways:
        goals = np.array([guide.goal for index, guide in enumerate(self.crowd.guides) if index != person]).reshape(
            -1, 2
        )
        return ways_to(self._map, self._goal(self.crowd.places[person], goals), radius=RADIUS + KEEPS)

    def _goal(self, place: Array, taken: Array) -> Array:
        """A roomy place, not near and not another's goal."""
        away = np.linalg.norm(self._spots - place, axis=-1)
        free = away > min(FARTHER, 0.5 * float(away.max()))
        for other in taken:
            free &= np.linalg.norm(self._spots - other, axis=-1) > APART
        choice = self._spots[free] if free.any() else self._spots
        return np.asarray(choice[self._rng.integers(len(choice))])

    def _scattered(self, n: int) -> Array:
        """n places that keep their distance."""
        left, chosen = self._spots, []
        for number in range(n):
            if len(left) == 0:
                raise ValueError(f"the map has room for {number} people {APART} m apart; expected room for {n}.")
            chosen.append(left[self._rng.integers(len(left))])
            left = left[np.linalg.norm(left - chosen[-1], axis=-1) > APART]
        return np.array(chosen).reshape(n, 2)


def _roomy_places(nav_map: NavMap, around: ArrayLike | None, within: float) -> Array:
    """Centres of cells where a person can stand, reachable from one another."""
    free = nav_map.free.cpu().numpy()
    clear = distance_transform_edt(np.pad(free, 1))[1:-1, 1:-1] * nav_map.frame.resolution
    roomy = clear > RADIUS + 0.15
    if not roomy.any():
        raise ValueError(f"the map has no free place {2 * RADIUS + 0.3:.2f} m wide; expected room for people.")
    import torch

    cells = torch.from_numpy(np.argwhere(roomy))
    places = nav_map.frame.centers(cells).numpy()
    middle = places[int(clear[roomy].argmax())] if around is None else np.asarray(around, np.float64)
    nearest = places[int(np.linalg.norm(places - middle, axis=-1).argmin())]
    reach = ways_to(nav_map, nearest, radius=RADIUS + KEEPS).length(places)
    limit = within if around is not None else np.inf
    return np.asarray(places[np.isfinite(reach) & (reach <= limit)])
