"""What an agent is: something that turns observations into actions, and is told nothing else but the task."""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from splatsim.nav.episode import Task
from splatsim.nav.observation import Observation
from splatsim.nav.setup import Sensors
from splatsim.nav.unicycle import Drive, Step

Action = Step | tuple[float, float]
"""A discrete step, or a speed in m/s and a turn in rad/s for one tick of the simulator's clock."""


@dataclass(frozen=True)
class Briefing:
    """What an agent is told before an episode: what it is to do, and what it drives. Nothing about the place."""

    task: Task
    """What is asked for."""
    drive: Drive = field(default_factory=Drive)
    """What the robot can do."""
    radius: float = 0.2
    """Of the robot, metres."""
    success_distance: float = 0.2
    """How near to the goal it has to stop, metres."""
    discrete: bool = True
    """Whether it takes steps; otherwise it gives a speed and a turn every tick."""
    tick: float = 0.1
    """Of the simulator's clock, seconds."""
    seed: int = 0
    """For whatever the agent leaves to chance; says nothing about the episode's own."""


@runtime_checkable
class Agent(Protocol):
    """Something that can be set down in an episode."""

    @property
    def sensors(self) -> Sensors:
        """What it asks to be given."""
        ...

    def reset(self, briefing: Briefing) -> None:
        """Forget everything and get ready for another episode."""
        ...

    def act(self, observation: Observation) -> Action:
        """What to do now."""
        ...
