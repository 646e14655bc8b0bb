"""Poses of worlds that are y up, as Habitat's: (x, y, z) there is (x, -z, y) here, and quaternions are x y z w."""

import math


def from_y_up(place: tuple[float, ...]) -> tuple[float, float, float]:
    """A place here."""
    x, y, z = place
    return x, -z + 0.0, y


def to_y_up(place: tuple[float, ...]) -> tuple[float, float, float]:
    """A place there."""
    x, y, z = place
    return x, z, -y + 0.0


def yaw_from_y_up(quaternion: tuple[float, ...]) -> tuple[float, float]:
    """The yaw here of an agent that looks along -z there, and how far it is from level, both in radians.

    Raises:
        ValueError: the quaternion is zero.
    """
    norm = math.hypot(*quaternion)
    if norm < 1e-9:
        raise ValueError(f"the quaternion is {list(quaternion)}; expected one that is not zero.")
    x, y, z, w = (value / norm for value in quaternion)
    # What the rotation makes of (0, 0, -1), and of (0, 1, 0).
    ahead = (-2 * (x * z + w * y), -2 * (y * z - w * x), -(1 - 2 * (x * x + y * y)))
    up = 1 - 2 * (x * x + z * z)
    return math.atan2(-ahead[2], ahead[0]), math.acos(max(-1.0, min(1.0, up)))


def yaw_to_y_up(yaw: float) -> tuple[float, float, float, float]:
    """The quaternion x y z w there of an agent that looks along a yaw here."""
    half = (yaw - math.pi / 2) / 2
    return 0.0, math.sin(half), 0.0, math.cos(half)
