"""What tells people where to go."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from splatsim.avatar.crowd.ways import Ways, WaysOfMany

Array = NDArray[np.float64]


@runtime_checkable
class Guide(Protocol):
    """What knows the way to a goal, such as `Ways`."""

    @property
    def goal(self) -> tuple[float, float]:
        """x and y, metres."""
        ...

    def directions(self, points: Array) -> Array:
        """Unit vectors [n 2] in which people at points [n 2] should go."""
        ...


@dataclass(frozen=True)
class Straight:
    """The way to a goal where nothing is in between."""

    goal: tuple[float, float]
    """x and y, metres."""

    def directions(self, points: Array) -> Array:
        """Unit vectors [n 2] towards the goal."""
        way = np.asarray(self.goal) - points
        return np.asarray(way / np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-9))


class Guides:
    """The guides of all people, asked together where they stand on one map."""

    def __init__(self, guides: Sequence[Guide]) -> None:
        self.guides = guides
        ways = [guide for guide in guides if isinstance(guide, Ways)]
        one_map = len(ways) == len(guides) and len({way.frame for way in ways}) == 1
        self.together = WaysOfMany(ways) if one_map else None

    def directions(self, points: Array) -> Array:
        """Unit vectors [n 2] in which the people should go."""
        if self.together is not None:
            return self.together.directions(points)
        found = [guide.directions(point[None]) for guide, point in zip(self.guides, points, strict=True)]
        return np.concatenate(found) if found else np.zeros((0, 2))
