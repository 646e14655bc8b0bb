"""Finding a point goal on a map that fills in as the robot looks about.

What was not seen yet is taken for free until it is seen (Koenig and Likhachev 2005), so that the shortest way leads to
the frontier of the known that lies best for the goal, and on when more is known.
"""

import math

import torch
from jaxtyping import Bool
from torch import Tensor

from splatsim.grids import FREE, OCCUPIED, UNKNOWN, NavMap
from splatsim.nav.agent import Action, Briefing
from splatsim.nav.agents.lattice import Search, after, plan
from splatsim.nav.agents.pursuit import Follower
from splatsim.nav.agents.shortest_path import AIR, MARGIN
from splatsim.nav.agents.standpoint import Pose, goal_on_map, map_of, pose_on_map
from splatsim.nav.agents.terrain import Terrain
from splatsim.nav.episode import POINT_TASKS
from splatsim.nav.observation import Observation
from splatsim.nav.setup import Sensors
from splatsim.nav.skills import Skills
from splatsim.nav.unicycle import Step

SEARCH = Search(width=32, horizon=16)
"""Far ahead the map changes anyway."""
BUMP = 0.02
"""Metres that a robot falls short of a step when it has run into something."""


class BevExplorerAgent:
    """Sees only the online view from above, under fog of war."""

    sensors = Sensors(bev="seen")
    skills = Skills(POINT_TASKS)

    def __init__(self) -> None:
        self.reset(Briefing("point goal"))

    def reset(self, briefing: Briefing) -> None:
        """Forget the map."""
        self._briefing = briefing
        self._goal: tuple[float, float] | None = None
        self._closed: Bool[Tensor, "rows cols"] | None = None
        self._bumps: Bool[Tensor, "rows cols"] | None = None
        self._terrain: Terrain | None = None
        self._expected: Pose | None = None
        self._follower = Follower(briefing, self._plan)

    def act(self, observation: Observation) -> Action:
        """The next step towards the goal, over what is free or not known.

        Raises:
            EpisodeError: the observation has no map or no point goal, or the robot fits nowhere on the map.
        """
        pose, known = pose_on_map(observation), map_of(observation)
        # The goal stands still; what odometry adds later is error.
        self._goal = self._goal or goal_on_map(observation)
        self._feel(known, pose)
        bumps = torch.zeros_like(known.free) if self._bumps is None else self._bumps
        closed = (known.cells == OCCUPIED) | bumps
        if observation.bev is not None:
            # Cells that show something and are still unknown will not become free.
            closed |= observation.bev.observed & (known.cells == UNKNOWN)
        if self._terrain is None or self._closed is None or not torch.equal(closed, self._closed):
            self._closed = closed
            cells = torch.where(closed, OCCUPIED, FREE).to(torch.uint8)
            radius = self._briefing.radius + (0.0 if self._briefing.discrete else AIR)
            self._terrain = Terrain(known.replace(cells=cells), self._goal, radius)
            self._follower.drop()
        action = self._follower.act(pose)
        self._expected = after(pose, action, self._briefing.drive) if isinstance(action, Step) else None
        return action

    def _plan(self, pose: Pose) -> list[Step]:
        assert self._terrain is not None
        return plan(self._terrain, pose, self._briefing.drive, (1 - MARGIN) * self._briefing.success_distance, SEARCH)

    def _feel(self, known: NavMap, pose: Pose) -> None:
        """Take the unknown cells ahead of a robot that was stopped for closed."""
        if self._expected is None:
            return
        short = ((self._expected[0] - pose[0]) ** 2 + (self._expected[1] - pose[1]) ** 2) ** 0.5
        if short < BUMP:
            return
        away = known.frame.all_centers() - torch.tensor(pose[:2], dtype=torch.float64)
        front = away[..., 0] * math.cos(pose[2]) + away[..., 1] * math.sin(pose[2]) > 0
        near = away.square().sum(-1) < (self._briefing.radius + 1.5 * known.frame.resolution) ** 2
        bumps = near & front & (known.cells == UNKNOWN)
        self._bumps = bumps if self._bumps is None else self._bumps | bumps
