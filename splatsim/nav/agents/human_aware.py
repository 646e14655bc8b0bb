"""Going to a goal among people: they are where they were seen, or may be where they were not, and walk as people do."""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from splatsim.grids import NavMap
from splatsim.nav.agent import Action, Briefing
from splatsim.nav.agents.danger import Caution
from splatsim.nav.agents.foresight import Foresight
from splatsim.nav.agents.habits import FASTEST, Habits
from splatsim.nav.agents.lattice import plan
from splatsim.nav.agents.pursuit import Follower
from splatsim.nav.agents.shortest_path import AIR, MARGIN
from splatsim.nav.agents.standpoint import Pose, goal_on_map, map_of, people_on_map, pose_on_map
from splatsim.nav.agents.terrain import Terrain
from splatsim.nav.agents.whereabouts import TICK, TICKS, Forecast, Whereabouts
from splatsim.nav.episode import POINT_TASKS
from splatsim.nav.observation import Observation
from splatsim.nav.setup import Sensors
from splatsim.nav.skills import Skills
from splatsim.nav.unicycle import Step

CLOSE = 1.5
"""Metres from the robot at which somebody is close."""
FINISH = 0.6
"""Metres before the goal is reached from which on nobody is suspected who was never seen."""
PATIENCE = 5.0
"""Seconds without getting on after which it begins to dare more; twice as much after as many more."""
GAIN = 0.5
"""Metres nearer to the goal than ever before count as getting on."""
AHEAD = 6
"""Steps forward that are planned at once for a robot that is driven by speed and turn."""


class HumanAwareAgent:
    """Drives to the goal on the way that is best by time and by the people who may be met.

    Where nobody was ever seen, it suspects somebody only if its task says that people are about.
    """

    sensors = Sensors(bev="map", people=True)
    skills = Skills(POINT_TASKS)

    def __init__(self, caution: Caution | None = None) -> None:
        self.caution = caution or Caution()
        self._habits: Habits | None = None
        self._seen: Tensor | None = None
        self.reset(Briefing("social"))

    def reset(self, briefing: Briefing) -> None:
        """Forget the goal and the people."""
        self._briefing = briefing
        self._reach = (1 - MARGIN) * briefing.success_distance
        self._terrain: Terrain | None = None
        self._whereabouts: Whereabouts | None = None
        self._foresight: Foresight | None = None
        self._forecast: Forecast | None = None
        self._nearest, self._since = math.inf, 0.0
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
        self._forecast = self._foreseen(observation, pose, known)
        if self._forecast is not None and (self._briefing.discrete or self._is_close(pose, self._forecast)):
            self._follower.drop()
        return self._follower.act(pose)

    def _foreseen(self, observation: Observation, pose: Pose, known: NavMap) -> Forecast | None:
        """Of everybody who has to be reckoned with; None if nobody has."""
        assert self._terrain is not None
        eye, people = np.asarray(pose[:2]), people_on_map(observation, pose)
        suspicion = self.caution.suspicion if self._briefing.task == "social" else 0.0
        if self._whereabouts is None:
            if not suspicion and not len(people):
                return None
            rng = np.random.default_rng(self._briefing.seed)
            self._whereabouts = Whereabouts(self._habits_of(known), suspicion, self.sensors.people_range, rng)
        self._whereabouts.update(observation.seconds, people, eye)
        left = float(self._terrain.left(eye[None])[0])
        if left < self._nearest - GAIN:
            self._nearest, self._since = left, observation.seconds
        if left < self._reach + FINISH and not self._whereabouts.met:
            return None
        found = self._whereabouts.forecast(eye, self.caution.reach + FASTEST * TICK * TICKS / 2)
        # Who waits until nobody may be in the way waits for ever where many are about.
        stalled = max(0.0, observation.seconds - self._since - PATIENCE)
        found = replace(found, chances=found.chances * 0.5 ** (stalled / PATIENCE))
        return found if len(found.ways) else None

    def _habits_of(self, known: NavMap) -> Habits:
        """Found once for each map that is given."""
        if self._habits is None or self._seen is None or not torch.equal(self._seen, known.cells):
            self._habits, self._seen = Habits(known), known.cells.clone()
        return self._habits

    def _is_close(self, pose: Pose, forecast: Forecast) -> bool:
        apart = np.linalg.norm(forecast.ways[:, 0] - np.asarray(pose[:2]), axis=-1)
        return bool(forecast.chances[apart < CLOSE].sum() > self.caution.suspicion)

    def _plan(self, pose: Pose) -> list[Step]:
        assert self._terrain is not None
        drive = self._briefing.drive
        if float(self._terrain.left(np.array([pose[:2]]))[0]) < self._reach:
            return [Step.STOP]
        if self._forecast is None:
            return plan(self._terrain, pose, drive, self._reach)
        if self._foresight is None:
            self._foresight = Foresight(self._terrain, drive, pose[2], self._reach, self.caution)
        return self._foresight.best(pose, self._forecast, 1 if self._briefing.discrete else AHEAD)
