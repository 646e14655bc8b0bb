"""Courses: starts and goals on a map with a way between them for the robot, drawn by bands of difficulty."""

import math
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from splatsim.errors import EpisodeError
from splatsim.maps import DistanceField, distance_field, length_of
from splatsim.maps.distance import pull_taut
from splatsim.nav.reach import distances_from
from splatsim.nav.world import World
from splatsim.tensors import TensorDataclass

BANDS = ("short straight", "medium straight", "long straight", "short winding", "medium winding", "long winding")
"""By the length of the way, and by how much longer it is than the straight line."""
TIGHTER = 1
"""Rounds in which ways are drawn closer to corners; more win less than the field is wrong by."""
DIGITS = 3
"""Of metres in episodes: millimetres."""


@dataclass(frozen=True)
class Lengths:
    """Which ways are asked for.

    Raises:
        EpisodeError: the lengths do not rise, or a number makes no sense.
    """

    least: float = 1.5
    """Metres."""
    medium: float = 4.0
    """Metres from which on a way is of medium length."""
    long: float = 8.0
    """Metres from which on it is long."""
    most: float = 30.0
    """Metres."""
    winding: float = 1.3
    """Times the straight line from which on it winds."""
    margin: float = 0.05
    """Metres of air beside the robot all along some way, so that one can also be driven in discrete steps."""
    tries: int = 60
    """For each episode, before there is said to be none."""

    def __post_init__(self) -> None:
        if not 0 < self.least < self.medium < self.long < self.most < math.inf:
            raise EpisodeError(
                f"Lengths are least {self.least}, medium {self.medium}, long {self.long}, most {self.most} m; expected "
                "positive metres that rise."
            )
        if not (1 <= self.winding < math.inf and 0 <= self.margin <= 5 and 1 <= self.tries <= 10_000):
            raise EpisodeError(
                f"Lengths have winding {self.winding}, margin {self.margin}, tries {self.tries}; expected 1 or more, "
                "0 to 5 m, and 1 to 10,000."
            )


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class Course(TensorDataclass):
    """From where to where, and how."""

    start: tuple[float, float]
    """Metres."""
    goal: tuple[float, float]
    """Metres."""
    way: Float[Tensor, "n 2"]
    """Corners, metres."""
    shortest: float
    """Its length, metres."""
    band: str
    """One of `BANDS`."""


class Ground:
    """What of a world is for a robot, with some air.

    Raises:
        EpisodeError: it has room nowhere.
    """

    def __init__(self, world: World, radius: float, lengths: Lengths, room: float = 0.0) -> None:
        self.world, self.lengths, self.frame = world, lengths, world.nav_map.frame
        self.exact = world.inflated(max(radius, room))
        air = max(radius, room) + lengths.margin
        self.wide = world.inflated(air)
        """Where courses are drawn: some of their way has this much room."""
        self.cells = self.wide.free.cpu().nonzero()
        self._jitter = max(0.0, min(self.frame.resolution / 2, lengths.margin / math.sqrt(2)) - 10.0**-DIGITS)
        if not len(self.cells):
            free = float(world.nav_map.free.sum()) * self.frame.resolution**2
            raise EpisodeError(
                f'world "{world.name}" is too narrow: {free:.2f} m² are free, but a disc of radius {air:g} m (the '
                f"robot and {lengths.margin:g} m of air) fits nowhere; expected a smaller robot or a larger place."
            )

    def any_goal(self, rng: Random) -> Tensor:
        """A cell, as likely as any."""
        return self.cells[int(rng.random() * len(self.cells))]

    def point_in(self, cell: Tensor, rng: Random) -> tuple[float, float]:
        """A point of a cell, to the millimetre, so near its middle that the robot keeps what air it has."""
        x, y = self.frame.centers(cell).tolist()
        dx, dy = ((2 * rng.random() - 1) * self._jitter for _ in range(2))
        return round(x + dx, DIGITS), round(y + dy, DIGITS)

    def start_for(self, goals: Bool[Tensor, "rows cols"], band: str | None, rng: Random) -> Tensor | None:
        """A cell whose way to the nearest of some goals falls into a band, or into any; None if there is no such."""
        lengths = distances_from(self.exact, goals)[self.cells[:, 0], self.cells[:, 1]]
        open_way = distances_from(self.wide, goals)[self.cells[:, 0], self.cells[:, 1]].isfinite()
        fits = open_way & (lengths >= self.lengths.least) & (lengths <= self.lengths.most)
        if band is not None:
            targets = self.frame.centers(goals.nonzero())
            here = self.frame.centers(self.cells)
            straight = _nearest(here, targets)
            winds = lengths >= self.lengths.winding * straight
            low, high = self._range(band)
            fits &= (lengths >= low) & (lengths < high) & (winds == band.endswith("winding"))
        chosen = fits.nonzero()[:, 0]
        return self.cells[chosen[int(rng.random() * len(chosen))]] if len(chosen) else None

    def course(self, start: tuple[float, float], goal: tuple[float, float]) -> Course | None:
        """The shortest way between two points, if it has a length that is asked for."""
        field = distance_field(self.exact, goal)
        shortest = shortest_of(field, start)
        if not self.lengths.least <= shortest[0] <= self.lengths.most:
            return None
        return Course(start, goal, shortest[1], round(shortest[0], 4), self.band_of(*shortest[:1], start, goal))

    def band_of(self, length: float, start: tuple[float, float], goal: tuple[float, float]) -> str:
        """The band of a way."""
        size = "long" if length >= self.lengths.long else "medium" if length >= self.lengths.medium else "short"
        straight = max(math.dist(start, goal), 1e-9)
        return f"{size} {'winding' if length / straight >= self.lengths.winding else 'straight'}"

    def _range(self, band: str) -> tuple[float, float]:
        bounds = (self.lengths.least, self.lengths.medium, self.lengths.long, self.lengths.most)
        index = ("short", "medium", "long").index(band.split()[0])
        return bounds[index], bounds[index + 1]


def shortest_of(field: DistanceField, start: tuple[float, float]) -> tuple[float, Float[Tensor, "n 2"]]:
    """Length of the shortest way to the goal of a field, and the way; infinite and empty where there is none.

    The field's own value and the length of the taut way are both bounds from above, from different errors.
    """
    way = field.path(start)
    if not len(way):
        return math.inf, way
    way = _tightened(way, field)
    along = float(field.at(torch.tensor([start], dtype=torch.float64))[0])
    return max(min(along, length_of(way)), math.dist(start, field.goal)), way


def dense(way: Float[Tensor, "n 2"], spacing: float) -> Float[Tensor, "m 2"]:
    """The polyline with points between its corners, at most so far apart: measures of paths compare point by point."""
    parts = [way[:1]]
    for a, b in pairwise(way):
        count = max(1, math.ceil(float((b - a).norm()) / spacing - 1e-9))
        share = torch.arange(1, count + 1, dtype=torch.float64)[:, None] / count
        parts.append(a + share * (b - a))
    return torch.cat(parts).round(decimals=DIGITS)


def _tightened(way: Float[Tensor, "n 2"], field: DistanceField) -> Float[Tensor, "m 2"]:
    """The way with its corners, which are centres of cells, drawn closer to what they go around."""
    free, cell = field.distances.isfinite(), field.frame.resolution
    for _ in range(TIGHTER):
        points = [way[:1]]
        for before, corner, after in zip(way[:-2], way[1:-1], way[2:], strict=True):
            points.append(_towards(before, corner, cell / 2).flip(0))
            points.append(_towards(after, corner, cell / 2)[1:])
        way = pull_taut(torch.cat([*points, way[-1:]]), field.frame, free)
    return way


def _towards(end: Float[Tensor, "2"], corner: Float[Tensor, "2"], step: float) -> Float[Tensor, "n 2"]:
    """A corner and a few points from there on to the middle between it and an end."""
    length = float((end - corner).norm())
    offsets = torch.arange(5, dtype=torch.float64) * step
    return corner + offsets[offsets <= length / 2][:, None] * (end - corner) / max(length, 1e-12)


def _nearest(points: Float[Tensor, "n 2"], targets: Float[Tensor, "m 2"]) -> Float[Tensor, " n"]:
    """Straight distances to the nearest target."""
    from scipy.spatial import cKDTree

    if len(targets) == 1:
        straight: Tensor = (points - targets).norm(dim=-1)
        return straight
    return torch.from_numpy(cKDTree(targets.numpy()).query(points.numpy())[0])
