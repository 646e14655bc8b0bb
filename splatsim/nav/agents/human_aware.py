"""Going to a goal among people: a search over places, headings and time (Phillips and Likhachev 2011 keep to intervals
of time; here every way has a clock of its own), with people where they will be if they walk on as they do.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatsim.grids import NavMap
from splatsim.nav.agent import Action, Briefing
from splatsim.nav.agents.forecast import Forecast, Habits, Watch
from splatsim.nav.agents.lattice import after, distinct, plan
from splatsim.nav.agents.pursuit import Follower
from splatsim.nav.agents.shortest_path import AIR, MARGIN
from splatsim.nav.agents.standpoint import Pose, goal_on_map, map_of, people_on_map, pose_on_map
from splatsim.nav.agents.terrain import Array, Terrain, heading_vectors, whole_circle
from splatsim.nav.episode import POINT_TASKS
from splatsim.nav.observation import Observation
from splatsim.nav.setup import Sensors
from splatsim.nav.skills import Skills
from splatsim.nav.unicycle import Drive, Step

CLOSE = 1.5
"""Metres from the robot at which somebody is close."""
SHORT = 6
"""Steps that a plan should have left."""
PATIENCE = 3
"""Steps for which a risky plan is followed while nobody is."""


@dataclass(frozen=True)
class Caution:
    """How far is looked ahead, and what nearness costs."""

    horizon: int = 10
    """Steps forward, or waits."""
    width: int = 40
    """Ways that are kept after each."""
    alert: float = 4.5
    """Metres from the robot at which people are reckoned with."""
    spread: float = 0.12
    """Standard deviation of where somebody is, metres."""
    growth: float = 0.12
    """What it grows by in a second, m/s."""
    careless: float = 0.15
    """What a way that was planned may count before another is looked for, seconds."""
    touch: float = 100.0
    """What a second in contact counts, seconds."""


class HumanAwareAgent:
    """Drives the shortest way where nobody is near, and otherwise to where nobody will be."""

    sensors = Sensors(bev="map", people=True)
    skills = Skills(POINT_TASKS)

    def __init__(self, caution: Caution = Caution()) -> None:
        self.caution = caution
        self._habits: Habits | None = None
        self._seen: Tensor | None = None
        self.reset(Briefing("social"))

    def reset(self, briefing: Briefing) -> None:
        """Forget the map, the plan and the people."""
        self._briefing = briefing
        self._terrain: Terrain | None = None
        self._watch = Watch()
        self._forecast: Forecast | None = None
        self._age, self._accepted = 0, math.inf
        self._follower = Follower(briefing, self._plan)

    def act(self, observation: Observation) -> Action:
        """The first step of the best way for now.

        Raises:
            EpisodeError: the observation has no map or no point goal, or the robot fits nowhere on the map.
        """
        pose = pose_on_map(observation)
        known = map_of(observation)
        if self._terrain is None:
            radius = self._briefing.radius + (0.0 if self._briefing.discrete else AIR)
            self._terrain = Terrain(known, goal_on_map(observation), radius)
        places, velocities, radii = self._watch.update(observation.seconds, people_on_map(observation, pose), known)
        near = np.linalg.norm(places - np.asarray(pose[:2]), axis=-1) < self.caution.alert
        self._forecast = None
        if near.any():
            self._forecast = self._habits_of(known).forecast(places[near], velocities[near], radii[near])
        if self._forecast is not None and not self._still_good(pose, self._forecast):
            self._follower.drop()
        return self._follower.act(pose)

    def _habits_of(self, known: NavMap) -> Habits:
        """Found once for each map that is given."""
        if self._habits is None or self._seen is None or not torch.equal(self._seen, known.cells):
            self._habits, self._seen = Habits(known), known.cells.clone()
        return self._habits

    def _still_good(self, pose: Pose, forecast: Forecast) -> bool:
        """Whether what is planned leads on for a while, and hardly anybody may be met there."""
        steps = self._follower.planned
        if len(steps) < SHORT and Step.STOP not in steps:
            return False
        risk = self._risk(pose, steps, forecast)
        if risk <= self.caution.careless:
            return True
        # While somebody is close, every step is thought over; otherwise now and then, or when it gets worse.
        self._age += 1
        closest = np.linalg.norm(forecast.ways[:, 0] - np.asarray(pose[:2]), axis=-1).min()
        return bool(closest > CLOSE) and self._age < PATIENCE and risk <= self._accepted + self.caution.careless

    def _risk(self, pose: Pose, steps: Sequence[Step], forecast: Forecast) -> float:
        """What the people that may be met in some steps count, seconds."""
        assert self._terrain is not None
        drive = self._briefing.drive
        poses = [pose]
        for step in steps:
            poses.append(after(poses[-1], step, drive))
        places = np.array(poses)[:, :2]
        lasting = np.array([drive.seconds(step) for step in steps])
        clock = np.concatenate([[0.0], lasting.cumsum()])
        way, times = (places[:-1], places[1:]), (clock[:-1], clock[1:])
        danger = _danger(forecast, self._terrain.radius, way, times, self.caution)
        return float((lasting * danger).sum())

    def _plan(self, pose: Pose) -> list[Step]:
        assert self._terrain is not None
        reach = (1 - MARGIN) * self._briefing.success_distance
        if float(self._terrain.left(np.array([pose[:2]]))[0]) < reach:
            return [Step.STOP]
        if self._forecast is None:
            return plan(self._terrain, pose, self._briefing.drive, reach)
        self._age, self._accepted = 0, math.inf
        steps = evade(self._terrain, self._forecast, pose, self._briefing.drive, reach, self.caution)
        self._accepted = self._risk(pose, steps, self._forecast)
        return steps


@dataclass(frozen=True)
class _Beam:
    places: Array
    turns: NDArray[np.int64]
    seconds: Array
    costs: Array
    moves: NDArray[np.int64]
    """Of each way: by how many turns each step forward was preceded, or `WAIT`."""

    def rows(self, chosen: NDArray[np.int64]) -> "_Beam":
        return _Beam(*(getattr(self, name)[chosen] for name in ("places", "turns", "seconds", "costs", "moves")))


WAIT = 99
"""A turn to and fro: there is no step for standing."""
MOST_TURNS = 4
"""Between two steps forward, but for the first."""


def evade(terrain: Terrain, forecast: Forecast, pose: Pose, drive: Drive, reach: float, caution: Caution) -> list[Step]:
    """The steps, as far as the horizon, that are best by the time they and the rest of the way take, and by risk."""
    beam = _Beam(np.array([pose[:2]]), np.zeros(1, int), np.zeros(1), np.zeros(1), np.zeros((1, 0), np.int64))
    best: tuple[float, list[Step]] = (math.inf, [])
    for _ in range(caution.horizon):
        beam = _grown(terrain, forecast, beam, pose[2], drive, caution)
        left = terrain.ahead(beam.places)
        score = beam.costs + left / drive.max_speed + _turn_to_come(terrain, beam, pose[2], drive) / drive.max_turn
        there = np.nonzero(left < reach - terrain.field.frame.resolution)[0]
        if len(there):
            first = there[beam.costs[there].argmin()]
            best = min(best, (float(beam.costs[first]), _steps(beam, int(first))), key=lambda way: way[0])
            score[there] = math.inf
        order = np.argsort(score, kind="stable")
        order = order[np.isfinite(score[order])]
        clock = np.round(beam.seconds / 0.4).astype(np.int64)
        order = order[distinct(beam.places[order], beam.turns[order], clock[order])][: caution.width]
        if not len(order):
            return best[1]
        beam, score = beam.rows(order), score[order]
    return min(best, (float(score[0]), _steps(beam, 0)), key=lambda way: way[0])[1]


def _steps(beam: _Beam, which: int) -> list[Step]:
    found: list[Step] = []
    for turns in beam.moves[which].tolist():
        if turns == WAIT:
            found += [Step.LEFT, Step.RIGHT]
        else:
            found += [*[Step.LEFT if turns > 0 else Step.RIGHT] * abs(turns), Step.FORWARD]
    return found


def _turn_to_come(terrain: Terrain, beam: _Beam, yaw: float, drive: Drive) -> Array:
    """The angle between each heading and the way to the goal, radians."""
    angle = terrain.courses(beam.places) - yaw - beam.turns * drive.turn
    return np.asarray(np.abs(np.remainder(angle + math.pi, 2 * math.pi) - math.pi))


def _grown(terrain: Terrain, forecast: Forecast, beam: _Beam, yaw: float, drive: Drive, caution: Caution) -> _Beam:
    """Every way with every turn and step that no wall stops, or a wait, and what people make it cost."""
    first = not beam.moves.shape[1]
    most = whole_circle(drive.turn) // 2 if first else MOST_TURNS
    choices = np.append(np.arange(-most, most + 1), WAIT)
    rows = np.repeat(np.arange(len(beam.places)), len(choices))
    chosen = np.tile(choices, len(beam.places))
    turns = beam.turns[rows] + np.where(chosen == WAIT, 0, chosen)
    starts, since = beam.places[rows], beam.seconds[rows]
    steps = np.where((chosen == WAIT)[:, None], 0.0, heading_vectors(yaw + turns * drive.turn, drive.forward))
    # What is done next must be right; what may come later is only guessed.
    free = (chosen == WAIT) | (terrain.passes(starts, steps) if first else terrain.seems_open(starts + steps))
    rows, chosen, turns, starts, since, steps = (part[free] for part in (rows, chosen, turns, starts, since, steps))
    turning = np.where(chosen == WAIT, 2, np.abs(chosen)) * drive.seconds(Step.LEFT)
    going = np.where(chosen == WAIT, 0.0, drive.seconds(Step.FORWARD))
    radius, gone, ends = terrain.radius, since + turning, starts + steps
    risk = turning * _danger(forecast, radius, (starts, starts), (since, gone), caution)
    risk = risk + going * _danger(forecast, radius, (starts, ends), (gone, gone + going), caution)
    costs = beam.costs[rows] + turning + going + risk
    return _Beam(ends, turns, gone + going, costs, np.column_stack([beam.moves[rows], chosen]))


def _danger(
    forecast: Forecast, radius: float, way: tuple[Array, Array], times: tuple[Array, Array], caution: Caution
) -> Array:
    """What each second on a way counts, by how likely it is that somebody is met."""
    gaps = np.maximum(forecast.gaps(*way, *times) - radius, 0)
    spread = (caution.spread + caution.growth * times[1])[:, None]
    reach = radius + forecast.radii
    likely = np.exp(-((gaps / spread) ** 2) / 2) * reach / (reach + spread)
    return np.asarray(caution.touch * (likely * forecast.chances).sum(axis=1))
