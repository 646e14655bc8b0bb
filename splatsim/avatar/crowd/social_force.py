"""Social forces (Helbing and Molnár 1995): people are driven to their goals and pushed off by each other and by walls.

Vectorised over all pairs. What keeps bodies from overlapping is the contact force of Helbing, Farkas and Vicsek (2000).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatsim.avatar.crowd.walls import Walls

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SocialForceOptions:
    """Strengths and ranges of the forces, per unit of mass."""

    relaxation: float = 0.5
    """Seconds in which people take up the velocity that they want."""
    strength: float = 2.1
    """Repulsion of two people who touch, m/s²."""
    extent: float = 0.3
    """Distance over which it falls to 1/e, metres."""
    anisotropy: float = 0.35
    """Weight of what is behind against what is ahead."""
    wall_strength: float = 5.0
    """Repulsion of a wall that is touched, m/s²."""
    wall_extent: float = 0.1
    """Distance over which it falls to 1/e, metres."""
    contact: float = 400.0
    """Force of bodies and walls that overlap, m/s² per metre."""
    reach: float = 4.0
    """Metres within which people repel."""

    def __post_init__(self) -> None:
        for name in ("relaxation", "extent", "wall_extent", "reach"):
            if not 0.01 <= getattr(self, name) <= 100:
                raise ValueError(f"SocialForceOptions.{name} is {getattr(self, name)}; expected 0.01 to 100.")
        for name in ("strength", "wall_strength", "contact"):
            if not 0 <= getattr(self, name) <= 1e4:
                raise ValueError(f"SocialForceOptions.{name} is {getattr(self, name)}; expected 0 to 10000.")
        if not 0 <= self.anisotropy <= 1:
            raise ValueError(f"SocialForceOptions.anisotropy is {self.anisotropy}; expected 0 to 1.")


def social_forces(
    places: Array,
    velocities: Array,
    wanted: Array,
    radii: Array,
    walls: Walls,
    options: SocialForceOptions,
    notices: NDArray[np.bool_] | None = None,
) -> Array:
    """Accelerations [n 2] of people at places [n 2] with velocities [n 2] who want others [n 2].

    Args:
        notices: Whether person i takes notice of person j, [n n].
    """
    drive = (wanted - velocities) / options.relaxation
    offset = places[:, None] - places[None]
    gap = np.linalg.norm(offset, axis=-1)
    np.fill_diagonal(gap, np.inf)
    acts = gap < options.reach
    if notices is not None:
        acts &= notices
    away = offset / np.maximum(gap, 1e-9)[..., None]
    touch = radii[:, None] + radii[None] - gap
    course = velocities / np.maximum(np.linalg.norm(velocities, axis=-1, keepdims=True), 1e-9)
    ahead = -(away * course[:, None]).sum(-1)
    weight = options.anisotropy + (1 - options.anisotropy) * 0.5 * (1 + ahead)
    push = options.strength * np.exp(np.minimum(touch, 0) / options.extent) * weight
    push = np.where(acts, push + options.contact * np.maximum(touch, 0), 0.0)
    total = drive + (push[..., None] * away).sum(axis=1)
    return np.asarray(total + _walls(places, radii, walls, options))


def _walls(places: Array, radii: Array, walls: Walls, options: SocialForceOptions) -> Array:
    """The push of the nearest wall: one made of many segments pushes no harder than a whole one."""
    if len(walls) == 0:
        return np.zeros_like(places)
    offset = places[:, None] - walls.nearest(places)
    gap = np.linalg.norm(offset, axis=-1)
    nearest = gap.argmin(axis=1)
    rows = np.arange(len(places))
    away = offset[rows, nearest] / np.maximum(gap[rows, nearest], 1e-9)[:, None]
    touch = radii - gap[rows, nearest]
    push = options.wall_strength * np.exp(np.minimum(touch, 0) / options.wall_extent)
    return np.asarray((push + options.contact * np.maximum(touch, 0))[:, None] * away)
