"""Recorded clips on the way of a walk: which of them, by speed and turning rate, and where in the stride.

The clips carry trunk, head and arms; the feet stand where the walk's footprints are, and the legs reach for them, so
that nothing slides whatever clip was recorded at whatever speed. Clips are mixed at the same phase of the stride.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from splatsim.avatar._rotations import about, ease, unit
from splatsim.avatar.gait_pose import BodyState, Carriage
from splatsim.avatar.motion import SampledMotion
from splatsim.avatar.retargeting import retarget
from splatsim.avatar.skeleton import Skeleton
from splatsim.avatar.strides import CARRIED, StrideCycle, cut_strides
from splatsim.transforms import quat_from_rotmat, rotmat_from_quat

Array = NDArray[np.float64]

SPEED_SCALE, TURN_SCALE = 0.5, 0.6
"""Differences of speed (m/s) and turning rate (rad/s) that count alike between clips."""
SHARPNESS = 0.05
"""Squared distance, in these scales, below which a clip has nearly all of the weight."""
SETS_OFF = 0.6
"""Share of the slowest clip's speed from which on clips carry people who have no clip of standing."""


class ClipBlend:
    """Clips of one person, ready to be mixed at any speed.

    Args:
        skeleton: Whose body walks: the clips are brought to it.
        clips: Recorded motions, each one way of walking, running or standing.

    Raises:
        ValueError: there is no clip, all of them stand, or one holds no stride: says which.
    """

    def __init__(self, skeleton: Skeleton, clips: Sequence[SampledMotion]) -> None:
        cycles = []
        for number, clip in enumerate(clips):
            try:
                cycles.append(cut_strides(retarget(clip, skeleton)))
            except ValueError as error:
                raise ValueError(f"clip {number}: {error}") from error
        self.walking: list[StrideCycle] = [cycle for cycle in cycles if cycle.strides]
        self.standing = next((cycle for cycle in cycles if not cycle.strides), None)
        if not self.walking:
            raise ValueError(f"none of the {len(cycles)} clips walks; expected one with a whole stride at least.")

    def carriage(self, state: BodyState, own: Carriage) -> Carriage:
        """How people are carried at a state; without a clip of standing they stand in their own manner."""
        quats, hips = self._walking(state)
        if self.standing is not None:
            rest, rest_hips = _there_and_back(self.standing, state.clock)
        else:
            rest, rest_hips = _of_carriage(own, state.yaw)
        slowest = min(cycle.speed for cycle in self.walking)
        stepping = np.clip(state.speed / max(SETS_OFF * slowest, 1e-3), 0, 1)
        share = ease(np.maximum(stepping, np.clip(np.abs(state.turn_rate) / 1.2, 0, 0.5)))
        mixed = _mix(np.stack([rest, quats]), np.stack([1 - share, share]))
        hips = (1 - share)[:, None] * rest_hips + share[:, None] * hips
        turned = about(2, state.yaw)[:, None] @ rotmat_from_quat(torch.from_numpy(mixed)).numpy()
        turns = {role: turned[:, k] for k, role in enumerate(CARRIED)}
        return Carriage(turns, ahead=hips[:, 0], left=hips[:, 1], up=hips[:, 2])

    def weights(self, speed: Array, turn_rate: Array) -> Array:
        """Of the walking clips at speeds and turning rates [n]: [clips n], 1 in all (Shepard 1968)."""
        gap = [
            ((speed - cycle.speed) / SPEED_SCALE) ** 2 + ((turn_rate - cycle.turn_rate) / TURN_SCALE) ** 2
            for cycle in self.walking
        ]
        raw = 1 / (np.stack(gap) + SHARPNESS) ** 2
        return np.asarray(raw / raw.sum(axis=0))

    def _walking(self, state: BodyState) -> tuple[Array, Array]:
        weights = self.weights(state.speed, state.turn_rate)
        read = [_at_phase(cycle, state.phase % 1.0) for cycle in self.walking]
        quats = _mix(np.stack([part[0] for part in read]), weights)
        return quats, np.einsum("kn,knc->nc", weights, np.stack([part[1] for part in read]))


def _at_phase(cycle: StrideCycle, phase: Array) -> tuple[Array, Array]:
    """Rotations [n r 4] and hips [n 3] at phases [n] in [0, 1)."""
    count = len(cycle.hips)
    at = phase * count
    low = at.astype(np.int64) % count
    return _between(cycle, low, (low + 1) % count, at - np.floor(at))


def _there_and_back(cycle: StrideCycle, clock: Array) -> tuple[Array, Array]:
    """A standing clip played forwards and backwards in turn, so that it never jumps."""
    place = np.abs((clock / cycle.seconds + 1) % 2 - 1) * (len(cycle.hips) - 1)
    low = np.minimum(place.astype(np.int64), len(cycle.hips) - 2)
    return _between(cycle, low, low + 1, place - low)


def _between(cycle: StrideCycle, low: NDArray[np.int64], high: NDArray[np.int64], share: Array) -> tuple[Array, Array]:
    """Rotations [n r 4] and hips [n 3] on the way from moments to others."""
    quats = _mix(np.stack([cycle.quats[low], cycle.quats[high]]), np.stack([1 - share, share]))
    return quats, (1 - share)[:, None] * cycle.hips[low] + share[:, None] * cycle.hips[high]


def _of_carriage(own: Carriage, yaw: Array) -> tuple[Array, Array]:
    turned = about(2, -yaw)[:, None] @ np.stack([own.turns[role] for role in CARRIED], axis=1)
    quats = quat_from_rotmat(torch.from_numpy(turned)).numpy()
    return quats, np.stack(np.broadcast_arrays(own.ahead, own.left, own.up), axis=-1)


def _mix(quats: Array, weights: Array) -> Array:
    """The mean of rotations [k n r 4] by weights [k n], all on the side of the first's sphere."""
    signs = np.where((quats * quats[:1]).sum(-1, keepdims=True) < 0, -1.0, 1.0)
    return unit((weights[..., None, None] * signs * quats).sum(axis=0))
