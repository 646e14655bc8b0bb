"""Agents that see nothing: what every other one has to beat."""

import random

from splatsim.nav.agent import Action, Briefing
from splatsim.nav.observation import Observation
from splatsim.nav.setup import Sensors
from splatsim.nav.skills import Skills
from splatsim.nav.unicycle import Step


class StopAgent:
    """Stops at once."""

    sensors = Sensors(pose=False)
    skills = Skills()

    def reset(self, briefing: Briefing) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation) -> Action:
        """Stop."""
        return Step.STOP


class ForwardAgent:
    """Goes straight on for ever."""

    sensors = Sensors(pose=False)
    skills = Skills()

    def __init__(self) -> None:
        self._briefing = Briefing("point goal")

    def reset(self, briefing: Briefing) -> None:
        """Take the briefing."""
        self._briefing = briefing

    def act(self, observation: Observation) -> Action:
        """One step, or full speed, forward."""
        return Step.FORWARD if self._briefing.discrete else (self._briefing.drive.max_speed, 0.0)


class RandomAgent:
    """Moves at random, forward half of the time, and stops once in a hundred steps."""

    sensors = Sensors(pose=False)
    skills = Skills()

    def __init__(self) -> None:
        self.reset(Briefing("point goal"))

    def reset(self, briefing: Briefing) -> None:
        """Throw other dice."""
        self._briefing = briefing
        self._random = random.Random(briefing.seed)

    def act(self, observation: Observation) -> Action:
        """Anything."""
        drawn = self._random.random()
        if drawn < 0.01:
            return Step.STOP
        drive = self._briefing.drive
        if not self._briefing.discrete:
            return self._random.uniform(0, drive.max_speed), self._random.uniform(-drive.max_turn, drive.max_turn)
        return Step.FORWARD if drawn < 0.5 else Step.LEFT if drawn < 0.75 else Step.RIGHT
