"""The shortest way over a given map, as though nobody else were there."""

from splatsim.nav.agent import Action, Briefing
from splatsim.nav.agents.lattice import plan
from splatsim.nav.agents.pursuit import Follower
from splatsim.nav.agents.standpoint import Pose, goal_on_map, map_of, pose_on_map
from splatsim.nav.agents.terrain import Terrain
from splatsim.nav.episode import POINT_TASKS
from splatsim.nav.observation import Observation
from splatsim.nav.setup import Sensors
from splatsim.nav.skills import Skills
from splatsim.nav.unicycle import Step

MARGIN = 0.05
"""Share of the success distance that is left for errors."""
AIR = 0.05
"""Metres that a robot which is driven by speed and turn keeps from walls, where it can: it cuts corners."""


class ShortestPathAgent:
    """Plans once, on the map inflated by its radius, and drives along the plan."""

    sensors = Sensors(bev="map")
    skills = Skills(POINT_TASKS)

    def __init__(self) -> None:
        self.reset(Briefing("point goal"))

    def reset(self, briefing: Briefing) -> None:
        """Forget the map and the plan."""
        self._briefing = briefing
        self._terrain: Terrain | None = None
        self._follower = Follower(briefing, self._plan)

    def act(self, observation: Observation) -> Action:
        """The next step of the plan.

        Raises:
            EpisodeError: the observation has no map or no point goal, or the robot fits nowhere on the map.
        """
        if self._terrain is None:
            radius = self._briefing.radius + (0.0 if self._briefing.discrete else AIR)
            self._terrain = Terrain(map_of(observation), goal_on_map(observation), radius)
        return self._follower.act(pose_on_map(observation))

    def _plan(self, pose: Pose) -> list[Step]:
        assert self._terrain is not None
        reach = (1 - MARGIN) * self._briefing.success_distance
        return plan(self._terrain, pose, self._briefing.drive, reach)
