"""Optimal reciprocal collision avoidance (van den Berg, Guy, Lin and Manocha 2011), computed natively.

Each person's new velocity is the one nearest to the wanted one in the intersection of half-planes: one per neighbour,
whose avoidance both share, and one per wall near by. A wall's half-plane says that its nearest point is not reached
within the horizon, which for a straight wall is exact; where no velocity fits, the half-planes of people give way, those
of walls never.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatsim import native
from splatsim.avatar.crowd.walls import Walls

Array = NDArray[np.float64]

ROOM_FOR_WALLS = 24
"""Of so many walls at most, the nearest, a person takes notice."""


@dataclass(frozen=True)
class OrcaOptions:
    """How far people look ahead."""

    people_horizon: float = 1.0
    """Seconds for which a velocity must be free of collisions with people."""
    wall_horizon: float = 0.6
    """Seconds for which it must be free of collisions with walls."""
    reach: float = 5.0
    """Metres within which people take notice of each other."""
    neighbours: int = 10
    """Of how many people at most, the nearest."""

    def __post_init__(self) -> None:
        for name in ("people_horizon", "wall_horizon", "reach"):
            value = getattr(self, name)
            if not 0.01 <= value <= 1000:
                raise ValueError(f"OrcaOptions.{name} is {value}; expected 0.01 to 1000.")
        if not 1 <= self.neighbours <= 1000:
            raise ValueError(f"OrcaOptions.neighbours is {self.neighbours}; expected 1 to 1000.")


@dataclass(frozen=True)
class HalfPlanes:
    """What the velocities of n people must satisfy: normal · velocity >= least, walls first."""

    planes: Array
    """[n room 3], unit normal and least; only the first `counts` of a row count."""
    walls: NDArray[np.int32]
    """[n], how many are due to walls."""
    counts: NDArray[np.int32]
    """[n], how many there are."""


def half_planes(
    places: Array,
    velocities: Array,
    radii: Array,
    speeds: Array,
    walls: Walls,
    step: float,
    options: OrcaOptions,
    yields: Array | None = None,
    sees: NDArray[np.bool_] | None = None,
) -> HalfPlanes:
    """The half-planes of people at places [n 2] with velocities [n 2], radii [n] and greatest speeds [n].

    Args:
        step: Seconds in which people who overlap part.
        yields: How readily each gives way, [n]; the avoidance is shared in proportion. 0 for who never does.
        sees: Whether each takes notice of those who never give way, [n].
    """
    n = len(places)
    room = ROOM_FOR_WALLS + options.neighbours
    planes = np.zeros((n, room, 3))
    wall_counts, counts = np.zeros(n, np.int32), np.zeros(n, np.int32)
    native.half_planes(
        *(np.ascontiguousarray(array, np.float64) for array in (places, velocities, radii)),
        np.ones(n) if yields is None else np.ascontiguousarray(yields, np.float64),
        np.ones(n, np.uint8) if sees is None else np.ascontiguousarray(sees, np.uint8),
        np.ascontiguousarray(walls.segments, np.float64),
        np.ascontiguousarray(speeds, np.float64),
        (options.people_horizon, options.wall_horizon, step, options.reach),
        options.neighbours,
        planes,
        wall_counts,
        counts,
    )
    return HalfPlanes(planes, wall_counts, counts)


def choose_velocities(limits: HalfPlanes, wanted: Array, speeds: Array) -> Array:
    """The velocities [n 2] nearest to the wanted ones within the half-planes and the greatest speeds."""
    velocities = np.zeros((len(wanted), 2))
    native.choose_velocities(
        limits.planes,
        limits.walls,
        limits.counts,
        np.ascontiguousarray(wanted, np.float64),
        np.ascontiguousarray(speeds, np.float64),
        velocities,
    )
    return velocities
