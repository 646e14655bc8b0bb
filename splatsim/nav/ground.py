"""Ground: where people can stand on a map, and the ways between places of it that they share."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from splatsim.avatar.crowd import Walls, Ways, ways_to
from splatsim.errors import EpisodeError
from splatsim.grids import NavMap

Array = NDArray[np.float64]

RADIUS = 0.25
"""Of people, metres: half of a shoulder width, and clothes."""
KEEPS = 0.05
"""What their ways keep from furniture beyond that, metres."""
AIR = 0.1
"""What the places where they stand keep from it beyond that, metres."""
APART = 0.9
"""Between places to go to, metres."""
MOST_PLACES = 64
"""To go to, of a map."""
MEMORY = 128 << 20
"""Bytes that the ways to all of them may take."""
SPACINGS = (0.9, 0.7, 0.55)
"""Metres between people at the start: the first for which there is room."""


class Ground:
    """What of a map is for people: one connected part, with a fixed choice of places to go to.

    Raises:
        EpisodeError: nobody has room anywhere.
    """

    def __init__(self, nav_map: NavMap) -> None:
        self.nav_map = nav_map
        self.walls = Walls.around(nav_map)
        frame = nav_map.frame
        free = nav_map.free.cpu().numpy()
        clear = distance_transform_edt(np.pad(free, 1))[1:-1, 1:-1] * frame.resolution
        # From the centre of a cell to that of the next closed one: half a cell less to its edge.
        roomy = clear - frame.resolution / 2 > RADIUS + KEEPS + AIR
        if not roomy.any():
            raise EpisodeError(
                f"the map of {frame.shape[0]} × {frame.shape[1]} cells has no free place "
                f"{2 * (RADIUS + KEEPS + AIR):.2f} m wide; expected room for people, or a setup without them."
            )
        places = frame.centers(torch.from_numpy(np.argwhere(roomy))).numpy()
        middle = places[int(clear[roomy].argmax())]
        reach = ways_to(nav_map, middle, radius=RADIUS + KEEPS).length(places)
        self.places: Array = places[np.isfinite(reach)]
        """Where the middle of a person can stand, [n 2], metres."""
        self._roomy = np.zeros(frame.shape, bool)
        cells = frame.cell_of(torch.from_numpy(self.places)).numpy()
        self._roomy[cells[:, 0], cells[:, 1]] = True
        most = int(np.clip(MEMORY // (8 * free.size), 8, MOST_PLACES))
        self.goals: Array = _spread(self.places, most)
        """Places to go to, [g 2], metres."""
        self._ways: dict[tuple[float, float], Ways] = {}

    def has_room(self, points: Array) -> NDArray[np.bool_]:
        """Whether a person can stand at each point [n 2]."""
        frame = self.nav_map.frame
        cells = frame.cell_of(torch.from_numpy(np.ascontiguousarray(points)))
        inside = frame.contains(cells).numpy()
        cells = cells.numpy()
        cells = np.where(inside[:, None], cells, 0)
        return np.asarray(inside & self._roomy[cells[:, 0], cells[:, 1]])

    def nearest(self, point: Array) -> Array:
        """The place for a person that is nearest to a point [2]."""
        return np.asarray(self.places[int(np.linalg.norm(self.places - point, axis=-1).argmin())])

    def way(self, goal: Array) -> Ways:
        """The ways to one of the places; those to the shared ones are kept."""
        key = (float(goal[0]), float(goal[1]))
        found = self._ways.get(key)
        if found is None:
            found = ways_to(self.nav_map, goal, radius=RADIUS + KEEPS)
            if (self.goals == goal).all(axis=1).any():
                self._ways[key] = found
        return found

    def start(self, rng: np.random.Generator, count: int, robot: Array, taken: Sequence[Array], name: str) -> Array:
        """Places for `count` more people, away from each other, from those who are there and from the robot.

        Raises:
            EpisodeError: there are not so many.
        """
        chosen: list[Array] = []
        for spacing in SPACINGS:
            chosen = []
            left = self.places[np.linalg.norm(self.places - robot, axis=-1) > spacing + 0.3]
            for other in taken:
                left = left[np.linalg.norm(left - other, axis=-1) > spacing]
            while len(chosen) < count and len(left):
                chosen.append(left[rng.integers(len(left))])
                left = left[np.linalg.norm(left - chosen[-1], axis=-1) > spacing]
            if len(chosen) == count:
                return np.array(chosen).reshape(count, 2)
        raise EpisodeError(
            f'episode "{name}": the place has room for {len(chosen) + len(taken)} people {SPACINGS[-1]} m apart; '
            f"expected room for {count + len(taken)}."
        )


def _spread(places: Array, most: int) -> Array:
    """At most so many of the places, the same for the same map, apart from each other."""
    left = places[np.random.default_rng(0x91ACE5).permutation(len(places))]
    chosen: list[Array] = []
    while len(left) and len(chosen) < most:
        chosen.append(left[0])
        left = left[np.linalg.norm(left - left[0], axis=-1) >= APART]
    return np.array(chosen)
