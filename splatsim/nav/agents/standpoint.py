"""What an observation says about where the robot, its goal and the people are, in the frame of the map it was given."""

import math

import torch

from splatsim.errors import EpisodeError
from splatsim.grids import GridFrame, NavMap
from splatsim.maps import People
from splatsim.nav.observation import Observation

Pose = tuple[float, float, float]
"""x and y, metres, and yaw, radians."""


def map_of(observation: Observation) -> NavMap:
    """The cells of the map that the robot was given.

    Raises:
        EpisodeError: it was given none.
    """
    bev = observation.bev
    if bev is None or bev.cells is None or not isinstance(bev.frame, GridFrame) or observation.map_pose is None:
        raise EpisodeError(
            "the observation has no map with cells and the robot's pose on it, which this agent needs; "
            'expected Sensors with bev "map" or "seen".'
        )
    return NavMap(bev.frame, bev.cells.cpu(), (0.0, 1.0))


def pose_on_map(observation: Observation) -> Pose:
    """Of the robot.

    Raises:
        EpisodeError: it was given no map.
    """
    if observation.map_pose is None:
        raise EpisodeError('the observation has no map_pose; expected Sensors with bev "map" or "seen".')
    return observation.map_pose


def goal_on_map(observation: Observation) -> tuple[float, float]:
    """x and y, metres.

    Raises:
        EpisodeError: the task has no point goal, or the robot was given no map.
    """
    if observation.goal is None:
        raise EpisodeError(
            "the observation has no point goal, which this agent drives to; expected a task that has one."
        )
    away, bearing = observation.goal
    return ahead_of(pose_on_map(observation), away, bearing)


def ahead_of(pose: Pose, away: float, bearing: float) -> tuple[float, float]:
    """The point at a distance, metres, and a bearing to the left, radians."""
    return pose[0] + away * math.cos(pose[2] + bearing), pose[1] + away * math.sin(pose[2] + bearing)


def people_on_map(observation: Observation, pose: Pose) -> People:
    """Those in the tracker's view, with places and velocities in the frame in which the robot has this pose."""
    people = observation.people
    if people is None or not len(people):
        return People.none()
    people = people.to(torch.float64)
    cos, sin = math.cos(pose[2]), math.sin(pose[2])
    turn = torch.tensor([[cos, sin], [-sin, cos]], dtype=torch.float64)
    return People(
        people.places @ turn + torch.tensor(pose[:2], dtype=torch.float64), people.velocities @ turn, people.radii
    )


def turned(angle: float) -> float:
    """The same angle within (-π, π]."""
    return math.remainder(angle, 2 * math.pi)
