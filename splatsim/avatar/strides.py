"""Recorded clips as strides that can be mixed: cut where the left foot strikes, seen from the body's heading."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from splatsim.avatar._rotations import about, unit
from splatsim.avatar.motion import SampledMotion
from splatsim.avatar.roles import ROLES, joint_roles
from splatsim.avatar.skeleton import world_from_joints
from splatsim.transforms import quat_from_rotmat

Array = NDArray[np.float64]

CARRIED = tuple(role for role in ROLES if role.rpartition("_")[2] not in ("hip", "knee", "ankle", "toe"))
"""Roles that a clip gives: all but the legs, which reach for where the feet are to stand."""
SAMPLES = 64
"""Moments of a stride."""
BRIEFEST = 0.45
"""Seconds that a stride takes at least."""
SPREAD = 0.2
"""How far apart the ankles come in a stride at least, of the hips' height; below that a person stands."""
STEADY = 0.35
"""Standard deviation, seconds, that smooths the heading, and the point between the hips that is driven."""


@dataclass(frozen=True)
class StrideCycle:
    """One stride, the mean of all in a clip, from a left strike to the next; or what a standing person does."""

    speed: float
    """Metres per second; 0 where the person stands."""
    turn_rate: float
    """Radians per second, to the left."""
    seconds: float
    """That the stride, or the standing, lasts."""
    strides: int
    """How many it is the mean of; 0 where the person stands."""
    quats: Array
    """[p r 4] rotations of `CARRIED` from the rest pose against the heading, wxyz; the last moment precedes the first
    of the next stride."""
    hips: Array
    """[p 3] ahead of the driven point, to its left, and above the height of the rest pose, metres."""


def cut_strides(motion: SampledMotion) -> StrideCycle:
    """The mean stride of a clip of walking or running, across the floor or in place, or the whole of a standing one.

    Raises:
        ValueError: the rig is no person's, or the clip is too short for a stride or walks less than one.
    """
    seen = _Seen(motion)
    rate, leg = motion.rate, seen.leg
    spread = gaussian_filter1d(seen.spread, 0.04 * rate, mode="nearest")
    if np.ptp(spread) < SPREAD * leg:
        return _standing(seen, motion.duration)
    strikes = find_peaks(spread, distance=max(1, BRIEFEST * rate), prominence=0.5 * SPREAD * leg)[0]
    if len(strikes) < 2:
        raise ValueError(
            f"the clip of {motion.duration:.2f} s holds {len(strikes)} strikes of the left foot; expected two at "
            "least: a whole stride."
        )
    first, last = int(strikes[0]), int(strikes[-1])
    seconds = (last - first) / rate
    moments = [np.linspace(a, b, SAMPLES + 1) for a, b in pairwise(strikes)]
    quats = [_resampled(seen.quats, at) for at in moments]
    mean = sum(_aligned(part, quats[0]) for part in quats)
    hips = np.mean([_resampled(seen.hips, at) for at in moments], axis=0)
    return StrideCycle(
        speed=seen.speed(first, last),
        turn_rate=float((seen.yaw[last] - seen.yaw[first]) / seconds),
        seconds=seconds / len(moments),
        strides=len(moments),
        quats=unit(_closed(unit(np.asarray(mean)))),
        hips=_closed(hips),
    )


class _Seen:
    """A clip in the frame of the body's heading."""

    def __init__(self, motion: SampledMotion) -> None:
        roles = joint_roles(motion.skeleton)
        rest = motion.skeleton.joints.double().numpy()
        frames = world_from_joints(motion.skeleton, motion.poses).double().numpy()
        places = frames[..., :3, 3]
        self.rate = motion.rate
        self.leg = float(rest[[roles["left_hip"], roles["right_hip"]], 2].mean())
        across = places[:, roles["left_hip"], :2] - places[:, roles["right_hip"], :2]
        width = STEADY * motion.rate
        self.yaw = gaussian_filter1d(np.unwrap(np.arctan2(-across[:, 0], across[:, 1])), width, mode="nearest")
        back = about(2, -self.yaw)
        self.driven = gaussian_filter1d(places[:, roles["pelvis"]], width, axis=0, mode="nearest")
        self.ankles = self._from_heading(back, places[:, [roles["left_ankle"], roles["right_ankle"]]])
        self.hips = self._from_heading(back, places[:, [roles["pelvis"]]])[:, 0]
        self.hips[:, 2] = places[:, roles["pelvis"], 2] - rest[roles["pelvis"], 2]
        turned = back[:, None] @ frames[:, [roles[role] for role in CARRIED], :3, :3]
        self.quats = quat_from_rotmat(torch.from_numpy(turned)).numpy()
        for k in range(1, len(self.quats)):  # no jumps of sign in time
            flip = (self.quats[k] * self.quats[k - 1]).sum(-1) < 0
            self.quats[k][flip] *= -1

    def _from_heading(self, back: Array, places: Array) -> Array:
        offset = places - self.driven[:, None]
        return np.asarray((back[:, None] @ offset[..., None])[..., 0])

    @property
    def spread(self) -> Array:
        """How far the left ankle is before the right one, [t]."""
        return np.asarray(self.ankles[:, 0, 0] - self.ankles[:, 1, 0])

    def speed(self, first: int, last: int) -> float:
        """Over whole strides: of the body, or, in a clip that walks in place, of the foot that stands."""
        seconds = (last - first) / self.rate
        moved = float(np.linalg.norm((self.driven[last] - self.driven[first])[:2])) / seconds
        if moved > 0.1:
            return moved
        lower = self.ankles[..., 2].argmin(axis=1)[:-1]
        back = -np.diff(self.ankles[..., 0], axis=0)[np.arange(len(lower)), lower] * self.rate
        return max(0.0, float(np.median(back[first:last])))


def _standing(seen: _Seen, seconds: float) -> StrideCycle:
    """A standing clip in `SAMPLES` moments for each second, at least two."""
    at = np.linspace(0, len(seen.quats) - 1, max(2, round(seconds * SAMPLES)))
    return StrideCycle(0.0, 0.0, seconds, 0, unit(_resampled(seen.quats, at)), _resampled(seen.hips, at))


def _resampled(values: Array, at: Array) -> Array:
    low = np.minimum(at.astype(np.int64), max(len(values) - 2, 0))
    high = np.minimum(low + 1, len(values) - 1)
    share = (at - low).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray((1 - share) * values[low] + share * values[high])


def _aligned(quats: Array, like: Array) -> Array:
    """Signs chosen so that quaternions lie near others."""
    return np.asarray(np.where((quats * like).sum(-1, keepdims=True) < 0, -quats, quats))


def _closed(values: Array) -> Array:
    """A stride that ends as it begins: what is missing is spread over it, and its end left out."""
    gap = values[0] - (_aligned(values[-1], values[0]) if values.ndim == 3 else values[-1])
    share = np.linspace(0, 1, len(values)).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray((values + (share - 0.5) * gap)[:-1])
