"""Observation: all that an agent may see."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from splatsim.grids import BevMap
from splatsim.maps import People
from splatsim.tensors import TensorDataclass


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class Observation(TensorDataclass):
    """No map that the setup does not give, no distance along it, no way, no simulator."""

    seconds: float = 0.0
    """Since the start."""
    rgb: Float[Tensor, "h w 3"] | None = None
    """In [0, 1]."""
    depth: Float[Tensor, "h w"] | None = None
    """z-depth, metres, 0 where nothing is met."""
    semantic: Int[Tensor, "h w"] | None = None
    """Labels."""
    K: Float[Tensor, "3 3"] | None = None
    """Of the camera, pixels."""
    bev: BevMap | None = None
    """The view from above that the setup gives: the whole map, what was seen so far of it, or the surroundings."""
    map_pose: tuple[float, float, float] | None = None
    """x and y, metres, and yaw, radians, in the frame of `bev`, where that is a map of the place."""
    pose: tuple[float, float, float] | None = None
    """x and y, metres, and yaw, radians, in the frame of the start, as odometry has it: x ahead, y left."""
    people: People | None = None
    """Whom a tracker on the robot sees: places and velocities in its own frame, x ahead, y left."""
    goal: tuple[float, float] | None = None
    """Of a point goal: metres as the crow flies, and bearing in radians to the left."""
    goal_image: Float[Tensor, "h w 3"] | None = None
    """Of an image goal: the picture to be taken there, in [0, 1]."""
    goal_class: str = ""
    """Of an object goal: the name of its class."""
    instruction: str = ""
    """In words."""
