"""Tracks: people who walk as an episode itself tells, such as those of GN-Bench's scenarios."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatsim.errors import EpisodeError
from splatsim.nav.episode import Episode

Array = NDArray[np.float64]

PEOPLE = "people"
"""Where `Episode.info` has them: for each person rows of seconds, x, y and yaw."""


@dataclass(frozen=True)
class Tracks:
    """Of k people."""

    rows: tuple[Array, ...]
    """Seconds, x, y, yaw of each, in order of time: metres and radians."""

    @classmethod
    def of(cls, episode: Episode, count: int) -> "Tracks | None":
        """The tracks that an episode brings along for the first `count` people, if it does.

        Raises:
            EpisodeError: there are fewer, or one is no track.
        """
        told = episode.info.get(PEOPLE) if isinstance(episode.info, Mapping) else None
        if told is None or count == 0:
            return None
        if not isinstance(told, (list, tuple)) or len(told) < count:
            have = len(told) if isinstance(told, (list, tuple)) else 0
            raise EpisodeError(
                f'episode "{episode.name}" has tracks of {have} people in its info; expected {count}, as in the setup.'
            )
        return cls(tuple(_track(rows, f'episode "{episode.name}": person {k}') for k, rows in enumerate(told[:count])))

    def at(self, seconds: float) -> Array:
        """Where they are, [k 2]: straight between two rows, and standing before the first and after the last one."""
        return np.array([[np.interp(seconds, rows[:, 0], rows[:, axis]) for axis in (1, 2)] for rows in self.rows])

    def yaws(self) -> Array:
        """Where they look at first, [k]."""
        return np.array([rows[0, 3] for rows in self.rows])


def _track(rows: object, whose: str) -> Array:
    try:
        table = np.array(rows, np.float64)
    except (TypeError, ValueError):
        table = np.zeros((0, 4))
    good = table.ndim == 2 and table.shape[0] >= 1 and table.shape[1] == 4 and bool(np.isfinite(table).all())
    if not good or bool((np.diff(table[:, 0]) < 0).any()):
        raise EpisodeError(f"{whose} has no track in its info; expected rows of finite seconds, x, y, yaw, in order.")
    return table
