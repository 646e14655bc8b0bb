"""How good a motion is: feet that slide or sink, a path that is missed, jumps from pose to pose."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from splatsim.avatar.motion import Motion
from splatsim.avatar.roles import joint_roles
from splatsim.avatar.skeleton import Pose, world_from_joints

Array = NDArray[np.float64]

SKATE_RATE, SKATE_HEIGHT, SKATE_STEP = 20.0, 0.05, 0.025
"""A foot skates when its toe joint stays below 5 cm and moves by more than 2.5 cm from frame to frame at 20 Hz: the
convention of GMD (Karunratanakul et al. 2023) and OmniControl (Xie et al. 2024)."""
SLOW_CONTACT = 0.02
"""A foot touches the floor when its toe joint is at most 2 cm above where it stands in the rest pose."""


@dataclass(frozen=True)
class MotionQuality:
    """Measures of one motion, metres and seconds."""

    skate_ratio: float
    """Share of frames in which a foot skates, by the convention above."""
    skate_speed: float
    """Mean speed of the toe joint along the floor while it is down, m/s."""
    penetration: float
    """Deepest point below the floor: of the body's surface where one is given, of the joints otherwise."""
    path_rmse: float
    """Root mean square distance of the pelvis, seen from above, from the path."""
    path_worst: float
    """Greatest such distance."""
    jump: float
    """Greatest change of a joint's velocity between frames 1/60 s apart, seen from the root, m/s: pops stand out."""
    turn: float
    """Greatest rotation of a joint against its parent between such frames, radians."""


def motion_quality(
    motion: Motion,
    path: ArrayLike,
    *,
    floor: float = 0.0,
    surface: Callable[[Pose], Float[Tensor, "t v 3"]] | None = None,
) -> MotionQuality:
    """Measure a motion against the path [p 2] that it should follow.

    Args:
        surface: Gives the points of the body's surface in poses, such as `ShapedBody.pose`.

    Raises:
        ValueError: the path has no points or is not finite.
    """
    line = np.asarray(path, np.float64)
    if line.ndim != 2 or line.shape[1] != 2 or len(line) == 0 or not np.isfinite(line).all():
        raise ValueError(f"the path has shape {list(line.shape)}; expected finite points [p 2], metres.")
    roles = joint_roles(motion.skeleton)
    toes = [roles["left_toe"], roles["right_toe"]]
    coarse = _frames(motion, SKATE_RATE)
    feet = _places(motion, coarse)[:, toes]
    fine = _frames(motion, 60.0)
    places = _places(motion, fine)
    pelvis = places[:, roles["pelvis"], :2]
    off = _distance(pelvis, line)
    lowest = places[..., 2].min() if surface is None else _lowest(motion, surface, coarse)
    jump, turn = _changes(motion.at(fine), places)
    rest = motion.skeleton.joints[toes, 2].numpy()
    return MotionQuality(
        skate_ratio=_skate_ratio(feet, floor),
        skate_speed=_skate_speed(places[:, toes], floor + rest),
        penetration=max(0.0, floor - float(lowest)),
        path_rmse=float(np.sqrt((off**2).mean())),
        path_worst=float(off.max()),
        jump=jump,
        turn=turn,
    )


def _frames(motion: Motion, rate: float) -> Float[Tensor, " t"]:
    return torch.arange(int(motion.duration * rate + 1e-6) + 1, dtype=torch.float64) / rate


def _places(motion: Motion, times: Float[Tensor, " t"]) -> Array:
    return np.asarray(world_from_joints(motion.skeleton, motion.at(times))[..., :3, 3].double().numpy())


def _skate_ratio(feet: Array, floor: float) -> float:
    """Of toe joints [t 2 3] at 20 Hz."""
    low = feet[..., 2] - floor < SKATE_HEIGHT
    moved = np.linalg.norm(np.diff(feet[..., :2], axis=0), axis=-1)
    skates = low[1:] & low[:-1] & (moved > SKATE_STEP)
    return float(skates.any(axis=-1).mean()) if len(skates) else 0.0


def _skate_speed(feet: Array, rest: Array) -> float:
    """Of toe joints [t 2 3] at 60 Hz that stand at heights [2]."""
    down = feet[..., 2] < rest + SLOW_CONTACT
    speed = np.linalg.norm(np.diff(feet[..., :2], axis=0), axis=-1) * 60.0
    both = down[1:] & down[:-1]
    return float(speed[both].mean()) if both.any() else 0.0


def _lowest(motion: Motion, surface: Callable[[Pose], Tensor], times: Tensor) -> float:
    """Lowest point of the surface in all frames, eight at a time."""
    return min(float(surface(motion.at(some))[..., 2].min()) for some in times.split(8))


def _distance(points: Array, line: Array) -> Array:
    """Distances of points [t 2] from a polyline [p 2]."""
    start = line[:-1] if len(line) > 1 else line
    way = np.diff(line, axis=0) if len(line) > 1 else np.zeros((1, 2))
    length = np.maximum((way**2).sum(-1), 1e-12)
    share = np.clip(((points[:, None] - start) * way).sum(-1) / length, 0, 1)
    return np.asarray(np.linalg.norm(points[:, None] - start - share[..., None] * way, axis=-1).min(axis=1))


def _changes(poses: Pose, places: Array) -> tuple[float, float]:
    """Greatest change of velocity relative to the root, and greatest rotation, from frame to frame at 60 Hz."""
    if len(places) < 3:
        return 0.0, 0.0
    own = places - places[:, :1]
    jump = np.linalg.norm(np.diff(own, n=2, axis=0), axis=-1).max() * 60.0
    q = torch.nn.functional.normalize(poses.rotations.double(), dim=-1)
    cos = (q[1:] * q[:-1]).sum(-1).abs().clamp(max=1)
    return float(jump), float(2 * cos.acos().max())
