"""How a round is played: what the robot is and sees, and who walks about."""

import math
from dataclasses import dataclass, field
from typing import Literal

from splatsim.errors import EpisodeError
from splatsim.nav.unicycle import Drive

Bev = Literal["none", "map", "seen", "ego"]
"""Nothing; the whole map; the map as far as it was seen; the surroundings of the robot, its heading up."""


@dataclass(frozen=True)
class Sensors:
    """What a robot carries; what is not asked for is not rendered.

    Raises:
        EpisodeError: a size, angle or distance makes no sense.
    """

    rgb: bool = False
    """A colour picture."""
    depth: bool = False
    """A depth picture."""
    semantic: bool = False
    """A label picture."""
    width: int = 128
    """Of these pictures, pixels."""
    height: int = 128
    """Of these pictures, pixels."""
    hfov_deg: float = 79.0
    """Their horizontal field of view, degrees."""
    camera_height: float = 1.25
    """Of the camera above the floor, metres."""
    bev: Bev = "none"
    """View from above."""
    bev_colors: bool = False
    """Render its colours and heights; otherwise it has cells, people and where the robot has been."""
    pose: bool = True
    """Odometry."""
    people: bool = False
    """A tracker of the people in line of sight."""
    people_range: float = 8.0
    """How far the tracker sees, metres."""
    pose_noise: float = 0.0
    """Standard deviation of odometry's error, a share of the distance driven and of the angle turned."""
    depth_noise: float = 0.0
    """Standard deviation of the depth's error, a share of it."""

    def __post_init__(self) -> None:
        if not (1 <= self.width <= 8192 and 1 <= self.height <= 8192):
            raise EpisodeError(f"Sensors have pictures of {self.width} × {self.height}; expected 1 to 8192 pixels.")
        if not 1 <= self.hfov_deg <= 170:
            raise EpisodeError(f"Sensors.hfov_deg is {self.hfov_deg}; expected 1 to 170 degrees.")
        for name in ("camera_height", "people_range", "pose_noise", "depth_noise"):
            if not 0 <= getattr(self, name) < math.inf:
                raise EpisodeError(f"Sensors.{name} is {getattr(self, name)}; expected a number of 0 or more.")


@dataclass(frozen=True)
class Humans:
    """Who walks about.

    Raises:
        EpisodeError: the count is negative or absurd.
    """

    count: int = 0
    """Of the people in each episode."""
    model: Literal["orca", "social force", "scripted"] = "orca"
    """How they walk among each other; scripted ones follow their way whatever comes, or tracks that the episode has."""
    reactive: bool = True
    """Whether they give way to the robot; in either case nobody walks through anybody unpunished."""
    pattern: Literal["stroll", "cross", "leader", "group", "queue"] = "stroll"
    """Stroll about; go where the robot's way leads; lead it; stand and talk in a group; stand in line."""
    bodies: Literal["avatars", "capsules"] = "avatars"
    """What pictures show of them: dressed people who walk, or a few upright Gaussians each, which is quicker."""

    def __post_init__(self) -> None:
        if not 0 <= self.count <= 200:
            raise EpisodeError(f"Humans.count is {self.count}; expected 0 to 200.")


@dataclass(frozen=True)
class Setup:
    """Everything about a round but its episode.

    Raises:
        EpisodeError: a number makes no sense.
    """

    sensors: Sensors = field(default_factory=Sensors)
    """What the robot carries."""
    humans: Humans = field(default_factory=Humans)
    """Who walks about."""
    drive: Drive = field(default_factory=Drive)
    """What the robot can do."""
    radius: float = 0.2
    """Of the robot, metres."""
    discrete: bool = True
    """Steps of a fixed length and turn; otherwise a speed and a turn every tick."""
    sliding: bool = False
    """Whether a robot that touches something slides along it; off, since simulated success is else no sign of real."""
    tick: float = 0.1
    """Of the clock, seconds: people move by it, whatever is rendered."""

    def __post_init__(self) -> None:
        if not 0.02 <= self.radius <= 5:
            raise EpisodeError(f"Setup.radius is {self.radius}; expected 0.02 to 5 metres.")
        if not 0.01 <= self.tick <= 0.5:
            raise EpisodeError(f"Setup.tick is {self.tick}; expected 0.01 to 0.5 seconds.")
