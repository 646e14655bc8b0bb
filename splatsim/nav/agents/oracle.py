"""Tracking the smoothed shortest way by model predictive control over discrete steps.

The kind of oracle that made the trajectories of GN-Matrix: a beam search over single steps whose costs are the distance
from a smoothed reference, the angle to it, turns, and progress along it. Weights after those of GN0-VLN-CE's oracle.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from splatsim.nav.agent import Action, Briefing
from splatsim.nav.agents.lattice import distinct
from splatsim.nav.agents.pursuit import Follower
from splatsim.nav.agents.shortest_path import AIR, MARGIN
from splatsim.nav.agents.standpoint import Pose, goal_on_map, map_of, pose_on_map
from splatsim.nav.agents.terrain import Array, Terrain, heading_vectors
from splatsim.nav.episode import POINT_TASKS
from splatsim.nav.observation import Observation
from splatsim.nav.setup import Sensors
from splatsim.nav.skills import Skills
from splatsim.nav.unicycle import Drive, Step


@dataclass(frozen=True)
class OracleOptions:
    """How far is looked ahead, and what counts how much."""

    horizon: int = 24
    """Single steps."""
    width: int = 64
    """Ways that are kept after each."""
    lookahead: float = 5.0
    """Metres of the reference that are compared with."""
    spacing: float = 0.1
    """Between points of the reference, metres."""
    window: int = 9
    """Points over which it is smoothed."""
    step: float = 1.0
    """Cost of any step."""
    turn: float = 0.5
    """Of a turn, besides."""
    switch: float = 10.0
    """Of a turn back, right after its opposite."""
    cross_track: float = 300.0
    """Per square metre off the reference."""
    heading: float = 0.5
    """Per radian between heading and reference."""
    progress: float = 8.0
    """Gain per metre of progress."""


class OracleAgent:
    """Shortest path, smoothed, and followed by a beam of short plans."""

    sensors = Sensors(bev="map")
    skills = Skills(POINT_TASKS)

    def __init__(self, options: OracleOptions = OracleOptions()) -> None:
        self.options = options
        self.reset(Briefing("point goal"))

    def reset(self, briefing: Briefing) -> None:
        """Forget the map and the way."""
        self._briefing = briefing
        self._terrain: Terrain | None = None
        self._way = np.zeros((0, 2))
        self._follower = Follower(briefing, self._plan)

    def act(self, observation: Observation) -> Action:
        """The next step along the way.

        Raises:
            EpisodeError: the observation has no map or no point goal, or the robot fits nowhere on the map.
        """
        pose = pose_on_map(observation)
        if self._terrain is None:
            radius = self._briefing.radius + (0.0 if self._briefing.discrete else AIR)
            self._terrain = Terrain(map_of(observation), goal_on_map(observation), radius)
            self._way = self._reference(pose)
        return self._follower.act(pose)

    def _reference(self, pose: Pose) -> Array:
        """The shortest way in even points, smoothed where that leads through nothing."""
        assert self._terrain is not None
        corners = self._terrain.field.path((pose[0], pose[1])).numpy()
        if len(corners) < 2:
            return np.array([pose[:2], self._terrain.field.goal])
        even = evenly(corners, self.options.spacing)
        smooth = smoothed(even, self.options.window)
        fits = self._terrain.field.at(torch.from_numpy(smooth)).isfinite().numpy()
        return np.asarray(np.where(fits[:, None], smooth, even))

    def _plan(self, pose: Pose) -> list[Step]:
        assert self._terrain is not None
        here = np.array([pose[:2]])
        reach = (1 - MARGIN) * self._briefing.success_distance
        if float(self._terrain.left(here)[0]) < reach:
            return [Step.STOP]
        nearest = int(np.linalg.norm(self._way - here, axis=-1).argmin())
        count = math.ceil(self.options.lookahead / self.options.spacing)
        found = track(self._terrain, pose, self._briefing.drive, self._way[nearest : nearest + count + 1], self.options)
        # The second half of a plan was made with less in view than a new one will be.
        return found[: max(1, self.options.horizon // 2)] if self._briefing.discrete else found


def evenly(corners: Array, spacing: float) -> Array:
    """Points at even distances along a polyline, both ends included."""
    along = np.concatenate([[0.0], np.linalg.norm(np.diff(corners, axis=0), axis=-1).cumsum()])
    places = np.linspace(0, along[-1], max(2, math.ceil(along[-1] / spacing) + 1))
    return np.stack([np.interp(places, along, corners[:, axis]) for axis in (0, 1)], axis=-1)


def smoothed(points: Array, window: int) -> Array:
    """Points averaged under a triangular window that shrinks towards the ends, which stay."""
    found = points.copy()
    for number in range(1, len(points) - 1):
        reach = min(window // 2, number, len(points) - 1 - number)
        weights = reach + 1 - np.abs(np.arange(-reach, reach + 1))
        found[number] = weights @ points[number - reach : number + reach + 1] / weights.sum()
    return found


@dataclass(frozen=True)
class _Beam:
    places: Array
    yaws: Array
    costs: Array
    steps: NDArray[np.int64]
    """All steps so far of each."""


CHOICES = (Step.FORWARD, Step.LEFT, Step.RIGHT)


def track(terrain: Terrain, pose: Pose, drive: Drive, way: Array, options: OracleOptions) -> list[Step]:
    """The best steps along a way, as far as the horizon; none where every one is closed."""
    tangents = np.arctan2(*(np.gradient(way, axis=0).T[::-1])) if len(way) > 1 else np.zeros(len(way))
    along = np.arange(len(way)) * options.spacing
    beam = _Beam(np.array([pose[:2]]), np.array([pose[2]]), np.zeros(1), np.zeros((1, 0), np.int64))
    best: tuple[float, list[Step]] = (math.inf, [])
    for _ in range(options.horizon):
        grown = _grown(terrain, beam, drive, options)
        apart = np.linalg.norm(grown.places[:, None] - way, axis=-1)
        nearest = apart.argmin(axis=1)
        angle = np.abs(np.remainder(grown.yaws - tangents[nearest] + math.pi, 2 * math.pi) - math.pi)
        off = apart[np.arange(len(nearest)), nearest]
        costs = grown.costs + (options.cross_track * off**2 + options.heading * angle) * drive.forward
        score = (
            costs - options.progress / drive.forward * along[nearest] + np.linalg.norm(way[-1] - grown.places, axis=-1)
        )
        order = np.argsort(score, kind="stable")
        headings = np.round(np.remainder(grown.yaws, 2 * math.pi) / drive.turn).astype(np.int64)
        order = order[distinct(grown.places[order], headings[order])][: options.width]
        beam = _Beam(grown.places[order], grown.yaws[order], costs[order], grown.steps[order])
        if score[order[0]] < best[0]:
            best = float(score[order[0]]), [Step(int(step)) for step in beam.steps[0]]
    return best[1]


def _grown(terrain: Terrain, beam: _Beam, drive: Drive, options: OracleOptions) -> _Beam:
    """Every way with every step that nothing stops."""
    moves = heading_vectors(beam.yaws, drive.forward)
    open_ = terrain.passes(beam.places, moves)
    last = beam.steps[:, -1] if beam.steps.shape[1] else np.zeros(len(beam.places), np.int64)
    parts = []
    for step in CHOICES:
        rows = np.nonzero(open_)[0] if step == Step.FORWARD else np.arange(len(beam.places))
        turn = drive.turn * ((step == Step.LEFT) - (step == Step.RIGHT))
        back = (last[rows] == Step.RIGHT) if step == Step.LEFT else (last[rows] == Step.LEFT)
        cost = options.step + (0.0 if step == Step.FORWARD else options.turn + options.switch * back)
        places = beam.places[rows] + (moves[rows] if step == Step.FORWARD else 0.0)
        steps = np.column_stack([beam.steps[rows], np.full(len(rows), int(step))])
        parts.append((places, beam.yaws[rows] + turn, beam.costs[rows] + cost, steps))
    return _Beam(*(np.concatenate(part) for part in zip(*parts, strict=True)))
