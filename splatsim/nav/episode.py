"""Episode, Trajectory: what is asked for, and what came of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor

from splatsim.errors import EpisodeError
from splatsim.tensors import TensorDataclass, check_field

Task = Literal["point goal", "image goal", "object goal", "instruction", "following", "social"]

POINT_TASKS: tuple[Task, ...] = ("point goal", "social")
"""Those in which a robot is told where its goal is."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class Episode(TensorDataclass):
    """Everything that is needed to play one round again.

    Raises:
        EpisodeError: a pose or goal is not finite, the shortest way has no length, or there is no step to take.
    """

    name: str
    """Unique within its suite."""
    scene: str
    """Name of the scene."""
    start: tuple[float, float, float]
    """World x and y, metres, and yaw, radians."""
    goal: tuple[float, float]
    """World x and y, metres."""
    shortest: float
    """Length of the shortest way for the robot, metres: finite, for what cannot be solved is no episode."""
    reference: Float[Tensor, "n 2"]
    """The way that an instruction describes, or the shortest one: corners of a polyline, metres."""
    task: Task = "point goal"
    """What is asked for."""
    instruction: str = ""
    """In words, where the task has some."""
    max_steps: int = 500
    """After which the episode ends."""
    seed: int = 0
    """Of everything that chance decides in it."""
    band: str = ""
    """Difficulty, for strata."""
    info: Mapping[str, object] = field(default_factory=dict)
    """What a foreign format holds beside this."""

    def __post_init__(self) -> None:
        check_field("Episode", "reference", self.reference, ("n", 2))
        if not all(map(math.isfinite, (*self.start, *self.goal))):
            raise EpisodeError(
                f'episode "{self.name}" has start {self.start}, goal {self.goal}; expected finite metres and radians.'
            )
        if not 0 <= self.shortest < math.inf:
            raise EpisodeError(
                f'episode "{self.name}": the shortest way from {self.start[:2]} to {self.goal} is {self.shortest} m; '
                "expected a goal that can be reached."
            )
        if self.max_steps < 1:
            raise EpisodeError(f'episode "{self.name}" has max_steps {self.max_steps}; expected at least 1.')


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class Trajectory(TensorDataclass):
    """What happened in t steps: with the episode and the map, all that metrics are made of.

    Raises:
        EpisodeError: the fields do not fit together, or a number is not finite.
    """

    seconds: Float[Tensor, " n"]
    """t + 1 times, rising, from the start on."""
    poses: Float[Tensor, "n 3"]
    """Of the robot at these times: world x, y, metres, and yaw, radians."""
    stopped: bool = False
    """Whether the agent itself declared the end."""
    static_contacts: Bool[Tensor, " t"] | None = None
    """Steps in which it touched what stands still."""
    human_contacts: Bool[Tensor, " t"] | None = None
    """Steps in which it touched people."""
    people: Float[Tensor, "n k 2"] | None = None
    """Places of the people at the same times, metres."""
    radii: Float[Tensor, " k"] | None = None
    """Of the people, metres."""
    robot_radius: float = 0.2
    """Metres."""
    target_visible: Bool[Tensor, " n"] | None = None
    """Whether the person to follow, the first one, is in view."""

    def __post_init__(self) -> None:
        n = len(self.seconds)
        if n < 1 or self.poses.shape != (n, 3):
            raise EpisodeError(
                f"Trajectory has {n} times and poses of shape {list(self.poses.shape)}; expected the same number, "
                "at least 1."
            )
        for name in ("static_contacts", "human_contacts"):
            value = getattr(self, name)
            if value is not None and len(value) != n - 1:
                raise EpisodeError(f"Trajectory.{name} has {len(value)} entries for {n - 1} steps; expected one each.")
        if self.people is not None and len(self.people) != n:
            raise EpisodeError(f"Trajectory.people has {len(self.people)} entries for {n} times; expected one each.")
        for name in ("seconds", "poses", "people"):
            value = getattr(self, name)
            if value is not None and not bool(value.isfinite().all()):
                raise EpisodeError(f"Trajectory.{name} holds a number that is not finite; expected metres and seconds.")
        if bool((self.seconds[1:] < self.seconds[:-1]).any()):
            raise EpisodeError("Trajectory.seconds falls; expected times in order.")

    @property
    def places(self) -> Float[Tensor, "n 2"]:
        """Of the robot, metres."""
        return self.poses[:, :2]
