"""An agent that learned by imitation to find a point goal from the view around it (`bench/train_policy.py`)."""

import math
import os

import torch

from splatsim.assets import shelf_file
from splatsim.errors import EpisodeError
from splatsim.grids import FREE, EgoFrame
from splatsim.nav.agent import Action, Briefing
from splatsim.nav.agents.policy import CELLS, RESOLUTION, SKIP, Policy, load_policy
from splatsim.nav.agents.standpoint import Pose
from splatsim.nav.episode import POINT_TASKS
from splatsim.nav.observation import Observation
from splatsim.nav.setup import Sensors
from splatsim.nav.skills import Skills
from splatsim.nav.unicycle import Step

WEIGHTS = "bench/policy.npz"


class LearnedAgent:
    """Takes the step that its network prefers.

    Args:
        weights: A network, or the file that `bench/train_policy.py` wrote; by default the one of the shelf.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: the file holds no such network.
    """

    sensors = Sensors(bev="ego")
    skills = Skills(POINT_TASKS, commands=False)

    def __init__(self, weights: str | os.PathLike[str] | Policy | None = None) -> None:
        self._policy = weights if isinstance(weights, Policy) else load_policy(weights or shelf_file(WEIGHTS))
        self.reset(Briefing("point goal"))

    def reset(self, briefing: Briefing) -> None:
        """Forget the last step.

        Raises:
            EpisodeError: the robot is driven by speed and turn.
        """
        if not briefing.discrete:
            raise EpisodeError("the learned agent was set down in a robot without steps; expected a discrete setup.")
        self._last = Step.STOP
        self._before: Pose | None = None
        self._forward = briefing.drive.forward

    def act(self, observation: Observation) -> Action:
        """The step that the network prefers.

        Raises:
            EpisodeError: the observation has no view around the robot of the right size, or no point goal.
        """
        bev, goal = observation.bev, observation.goal
        fits = bev is not None and isinstance(bev.frame, EgoFrame) and bev.frame.shape == (CELLS, CELLS)
        if bev is None or not fits or bev.frame.resolution != RESOLUTION or bev.cells is None or goal is None:
            raise EpisodeError(
                f"the observation has no view around the robot of {CELLS} × {CELLS} cells of {RESOLUTION} m, or no "
                'point goal; expected Sensors with bev "ego" and a task with a point goal.'
            )
        visited = torch.zeros_like(bev.observed) if bev.visited is None else bev.visited
        closed, been = (cells[None, ::SKIP, ::SKIP] for cells in (bev.cells != FREE, visited))
        failed = torch.tensor([self._failed(observation.pose)])
        with torch.no_grad():
            chosen = self._policy(closed, been, torch.tensor([goal]).float(), torch.tensor([int(self._last)]), failed)
        self._last, self._before = Step(int(chosen.argmax())), observation.pose
        return self._last

    def _failed(self, pose: Pose | None) -> bool:
        """Whether a step forward led nowhere, as odometry has it."""
        if pose is None or self._before is None or self._last != Step.FORWARD:
            return False
        return math.dist(pose[:2], self._before[:2]) < self._forward / 2
