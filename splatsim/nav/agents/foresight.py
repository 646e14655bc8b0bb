"""Foresight: the way that is best by its time and by the people who may be met, from any place, heading and moment.

Dynamic programming (Bellman 1957) backwards from a horizon, over places and headings around the robot
(`native/src/foresee.hpp`). What is done next is judged from the robot's own place, exactly, and not from a grid's.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from splatsim import native
from splatsim.nav.agents.danger import Caution, danger
from splatsim.nav.agents.standpoint import Pose
from splatsim.nav.agents.terrain import Array, Terrain, heading_vectors, whole_circle
from splatsim.nav.agents.whereabouts import TICK as MOMENT
from splatsim.nav.agents.whereabouts import TICKS, Forecast
from splatsim.nav.unicycle import Drive, Step

CELL = 0.1
"""Metres."""
MARGIN = 8
"""Cells around the map."""
CLOSED = 2.3
"""Cells from the nearest open one within which closed cells have its value: as far as values are interpolated."""


@dataclass(frozen=True)
class Steps:
    """How long steps last, in ticks of a clock that both fit."""

    tick: float
    """Seconds."""
    forward: int
    turn: int

    @classmethod
    def of(cls, drive: Drive) -> "Steps":
        """Of a robot; the shorter of the two lasts two ticks."""
        forward, turn = drive.seconds(Step.FORWARD), drive.seconds(Step.LEFT)
        tick = min(forward, turn) / 2
        return cls(tick, round(forward / tick), round(turn / tick))


class Foresight:
    """Places and headings of a robot on a map with one goal.

    Args:
        yaw: a heading that the robot has; the others are turns away from it, radians.
        reach: metres from the goal within which it is reached.
    """

    def __init__(self, terrain: Terrain, drive: Drive, yaw: float, reach: float, caution: Caution) -> None:
        self._terrain, self._drive, self._yaw, self._caution = terrain, drive, yaw, caution
        self._reach = reach
        self._steps = Steps.of(drive)
        frame = terrain.field.frame
        west, north = frame.north_west
        low = np.array([west, north - frame.shape[0] * frame.resolution])
        size = np.array([frame.shape[1], frame.shape[0]]) * frame.resolution
        self._corner = low - MARGIN * CELL
        self._shape = tuple((np.ceil(size / CELL).astype(int) + 2 * MARGIN).tolist())
        axes = [self._corner[axis] + CELL * (np.arange(self._shape[axis]) + 0.5) for axis in (0, 1)]
        centers = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
        self._turns = whole_circle(drive.turn)
        open_ = terrain.seems_open(centers)
        there = open_ & (terrain.ahead(centers) < reach)
        self._ahead = self._steps_forward(centers, open_)
        self._settled = (~open_ | there).reshape(self._shape)
        self._finals = self._without_people(centers, there)
        gap, nearest = distance_transform_edt(~open_.reshape(self._shape), return_indices=True)
        own = np.indices(self._shape)
        self._stand_in = np.where(gap < CLOSED, nearest, own)
        side = 2 * round(caution.reach / CELL) + 1
        self._memory = torch.empty((int(caution.horizon / self._steps.tick) + 1) * self._turns * side * side)

    def _headings(self) -> Array:
        return np.asarray(self._yaw + self._drive.turn * np.arange(self._turns))

    def _steps_forward(self, centers: Array, open_: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Whether a step forward is free, [headings x y]."""
        found = np.zeros((self._turns, len(centers)), np.uint8)
        places = centers[open_]
        for number, heading in enumerate(self._headings()):
            move = heading_vectors(np.full(len(places), heading), self._drive.forward)
            found[number, open_] = self._terrain.passes(places, move)
        return found.reshape(self._turns, *self._shape)

    def _without_people(self, centers: Array, there: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Seconds to the goal, [headings x y]."""
        angles = self._terrain.courses(centers) - self._headings()[:, None]
        turn = np.abs(np.remainder(angles + math.pi, 2 * math.pi) - math.pi)
        found = self._terrain.ahead(centers) / self._drive.max_speed + turn / self._drive.max_turn
        return np.where(there, 0, found).astype(np.float32).reshape(self._turns, *self._shape)

    def best(self, pose: Pose, forecast: Forecast, count: int) -> list[Step]:
        """What to do until so many steps forward are done or the goal is reached; nothing where all are closed."""
        outlook = self._outlook(pose, forecast)
        steps: list[Step] = []
        tick = 0
        while steps.count(Step.FORWARD) < count and float(self._terrain.left(np.array([pose[:2]]))[0]) > self._reach:
            found = outlook.next(pose, tick)
            if found is None:
                break
            wait, turns = found
            steps += [Step.LEFT, Step.RIGHT] * wait + [Step.LEFT if turns > 0 else Step.RIGHT] * abs(turns)
            steps.append(Step.FORWARD)
            tick += (2 * wait + abs(turns)) * self._steps.turn + self._steps.forward
            yaw = pose[2] + turns * self._drive.turn
            x, y = np.asarray(pose[:2]) + heading_vectors(np.asarray(yaw), self._drive.forward)
            pose = (float(x), float(y), yaw)
        return steps

    def _outlook(self, pose: Pose, forecast: Forecast) -> "Outlook":
        drive, steps, caution = self._drive, self._steps, self._caution
        half = round(caution.reach / CELL)
        middle = np.floor((np.asarray(pose[:2]) - self._corner) / CELL).astype(int)
        low, high = np.maximum(middle - half, 0), np.minimum(middle + half + 1, self._shape)
        x, y = (slice(int(low[axis]), int(high[axis])) for axis in (0, 1))
        shape, corner = (x.stop - x.start, y.stop - y.start), self._corner + CELL * low
        ticks = int(caution.horizon / steps.tick)
        moments = danger(forecast, self._terrain.radius, corner, shape, CELL, caution)
        risks = _every_tick(moments, ticks, steps.tick)
        stand_in = self._stand_in[:, x, y] - low[:, None, None]
        inside = ((stand_in >= 0) & (stand_in < np.array(shape)[:, None, None])).all(0)
        stand_in = np.where(inside, stand_in[0] * shape[1] + stand_in[1], np.arange(shape[0] * shape[1]).reshape(shape))
        moves = heading_vectors(self._headings(), drive.forward / CELL)
        # One memory for all plans: to be given new pages takes as long as to fill them.
        values = self._memory[: (ticks + 1) * self._turns * shape[0] * shape[1]].view(ticks + 1, self._turns, *shape)
        native.foresee(
            torch.from_numpy(risks),
            _tensor(self._ahead[:, x, y], np.uint8),
            _tensor(self._settled[x, y], np.uint8),
            _tensor(stand_in, np.int32),
            _tensor(self._finals[:, x, y], np.float32),
            _tensor(moves, np.float32),
            math.ceil(drive.forward / CELL) + 1,
            steps.forward,
            steps.turn,
            steps.tick,
            values,
        )
        return Outlook(self._terrain, drive, steps, self._yaw, corner, risks, values.numpy())


@dataclass(frozen=True)
class Outlook:
    """What is to come around a robot."""

    terrain: Terrain
    drive: Drive
    steps: Steps
    yaw: float
    corner: Array
    risks: NDArray[np.float32]
    values: NDArray[np.float32]

    def next(self, pose: Pose, tick: int) -> tuple[int, int] | None:
        """How often to wait, and how many turns to make to the left, before the best step forward."""
        headings = self.values.shape[1]
        turns = (np.arange(headings) + headings // 2) % headings - headings // 2
        moves = heading_vectors(pose[2] + turns * self.drive.turn, self.drive.forward)
        here = np.tile(pose[:2], (headings, 1))
        open_ = self.terrain.passes(here, moves)
        if not open_.any():
            # A robot that touches something already may at least leave it.
            open_ = self.terrain.passes(here, moves, -1e-5)
        last = len(self.risks) - 1 - self.steps.forward
        if not open_.any() or tick > last:
            return None
        turns, ends = turns[open_], here[open_] + moves[open_]
        waits = np.arange((last - tick) // (2 * self.steps.turn) + 1)
        # A turn to and fro: there is no step for standing.
        begins = tick + (2 * waits[:, None] + np.abs(turns)) * self.steps.turn
        costs = self._costs(pose, turns, ends, tick, np.minimum(begins, last))
        wait, turn = np.unravel_index(np.argmin(np.where(begins <= last, costs, np.inf)), costs.shape)
        return int(waits[wait]), int(turns[turn])

    def _costs(self, pose: Pose, turns: NDArray[np.int64], ends: Array, now: int, begins: NDArray[np.int64]) -> Array:
        """Seconds to the goal [w n], and what they count beyond, by steps forward to ends [n 2] at ticks [w n]."""
        step = self.steps.tick
        here = self._at(
            self.risks[:, None], np.array([pose[:2]]), np.arange(len(self.risks))[:, None], np.zeros(1, int)
        )
        standing = np.concatenate([[0.0], ((here[1:, 0] + here[:-1, 0]) / 2 * step).cumsum()])
        heading = round((pose[2] - self.yaw) / self.drive.turn) + turns
        arrivals = begins + self.steps.forward
        there = self._at(self.risks[:, None], ends, arrivals, np.zeros(len(turns), int))
        going = self.steps.forward * step * (1 + (here[begins, 0] + there) / 2)
        left = self._at(self.values, ends, arrivals, heading % self.values.shape[1])
        return np.asarray((begins - now) * step + standing[begins] - standing[now] + going + left)

    def _at(
        self, grid: NDArray[np.float32], places: Array, ticks: NDArray[np.int64], layer: NDArray[np.int64]
    ) -> Array:
        """Values [w n] of a grid [ticks layers x y] at places [n 2], ticks [w n] and layers [n], interpolated."""
        cells = (places - self.corner) / CELL - 0.5
        first = np.clip(np.floor(cells).astype(int), 0, np.array(grid.shape[2:]) - 2)
        (a, b), (i, j) = (cells - first).T, first.T
        low = (1 - b) * grid[ticks, layer, i, j] + b * grid[ticks, layer, i, j + 1]
        high = (1 - b) * grid[ticks, layer, i + 1, j] + b * grid[ticks, layer, i + 1, j + 1]
        return np.asarray((1 - a) * low + a * high, np.float64)


def _every_tick(moments: Array, ticks: int, tick: float) -> NDArray[np.float32]:
    """Danger at every tick, from that at the moments of a forecast; beyond the last it stays."""
    when = np.minimum(np.arange(ticks + 1) * tick / MOMENT, TICKS)
    first = np.minimum(when.astype(int), TICKS - 1)
    share = (when - first)[:, None, None]
    return np.ascontiguousarray((1 - share) * moments[first] + share * moments[first + 1], dtype=np.float32)


def _tensor(array: NDArray[np.generic], kind: type) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=kind))
