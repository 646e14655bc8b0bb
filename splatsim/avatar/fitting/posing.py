"""Poses while they are refined: increments to the turns of the joints and to the root's place, and what steps them."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.avatar.skeleton import Pose, Skeleton, world_from_rest
from splatsim.fitting.adam import Adam, ParameterGroup
from splatsim.transforms import multiply_quats

SMOOTH_TURN = 30.0
"""rad/s²: a joint's acceleration that costs as much as one unit."""
SMOOTH_ROOT = 8.0
"""m/s²: the root's."""


class PoseRefinement:
    """Turns of chosen joints and shifts of the root at t times, zero at first.

    Args:
        skeleton: Whose joints turn.
        pose: One for each time.
        joints: Which joints are refined.
        fps: Frames a second.
    """

    def __init__(self, skeleton: Skeleton, pose: Pose, joints: list[int], fps: float) -> None:
        self.skeleton, self.first, self.joints, self.fps = skeleton, pose, joints, fps
        t = len(pose.root)
        self.turns = torch.zeros(t, len(joints), 3, requires_grad=True)
        self.shifts = torch.zeros(t, 3, requires_grad=True)
        groups = {"turns": ParameterGroup(self.turns, 0.0), "shifts": ParameterGroup(self.shifts, 0.0)}
        self.adam = Adam(groups, betas=(0.9, 0.99))

    def pose(self, times: slice | Tensor) -> Pose:
        """Refined poses, differentiable."""
        half = self.turns[times] / 2
        turns = torch.cat([torch.ones_like(half[..., :1]), half], -1)
        turns = turns / turns.norm(dim=-1, keepdim=True)
        first = self.first.rotations[times]
        refined = multiply_quats(first[:, self.joints], turns)
        rotations = first.index_copy(1, torch.tensor(self.joints), refined)
        return Pose(rotations, self.first.root[times] + self.shifts[times])

    def bones(self, time: int) -> Float[Tensor, "j 4 4"]:
        """The motion of each bone from the rest pose at one time, differentiable."""
        return world_from_rest(self.skeleton, self.pose(slice(time, time + 1))).squeeze(0)

    def roughness(self, time: int) -> Float[Tensor, ""]:
        """Squares of the accelerations about one time: of all refined joints, and of the root."""
        t = len(self.shifts)
        middle = min(max(time, 1), t - 2)
        if t < 3:
            return self.shifts.sum() * 0
        pose = self.pose(slice(middle - 1, middle + 2))
        turns = pose.rotations[:, self.joints]
        conjugate = turns[:-1] * torch.tensor([1.0, -1.0, -1.0, -1.0])
        steps = multiply_quats(conjugate, turns[1:])
        steps = 2 * steps[..., 1:] * steps[..., :1].sign()
        turning = (steps[1] - steps[0]) * (self.fps**2 / SMOOTH_TURN)
        moving = (pose.root[2] - 2 * pose.root[1] + pose.root[0]) * (self.fps**2 / SMOOTH_ROOT)
        return turning.square().sum() + moving.square().sum()

    def step(self, time: int, *, turn_rate: float, shift_rate: float) -> None:
        """One step of this time's row and its neighbours'."""
        self.adam.set_learning_rate("turns", turn_rate)
        self.adam.set_learning_rate("shifts", shift_rate)
        rows = torch.zeros(len(self.shifts), dtype=torch.bool)
        rows[time] = True
        self.adam.step(rows)

    def refined(self) -> Pose:
        """All poses as they are now."""
        with torch.no_grad():
            return self.pose(slice(None))

    def state(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return {"turns": self.turns, "shifts": self.shifts, **{f"adam.{k}": v for k, v in self.adam.state().items()}}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        with torch.no_grad():
            self.turns.copy_(state["turns"])
            self.shifts.copy_(state["shifts"])
        self.adam.load({k.removeprefix("adam."): v for k, v in state.items() if k.startswith("adam.")})


def smoothed(pose: Pose, fps: float, joints: list[int], noise_deg: float) -> Pose:
    """Poses whose turns were disturbed by about so many degrees in every frame, brought nearest to smooth ones.

    Each joint's turns are moved by the least squares of moves against accelerations, a Whittaker smoother in the
    tangent space, twice, so that the tangents are those of the smooth poses.
    """
    from scipy.linalg import solveh_banded

    t = len(pose.root)
    if t < 3 or noise_deg <= 0:
        return pose
    weight = (fps**2 / SMOOTH_TURN) ** 2
    ratio = weight * (torch.deg2rad(torch.tensor(noise_deg)).item() ** 2) / 3
    band = np.zeros((3, t))
    for first in range(t - 2):
        for a, x in enumerate((1.0, -2.0, 1.0)):
            for b, y in enumerate((1.0, -2.0, 1.0)):
                if b <= a:
                    band[2 - (a - b), first + a] += ratio * x * y
    band[2] += 1
    rotations = pose.rotations.clone()
    moved = torch.zeros(t, len(joints), 3)
    for _ in range(3):
        turns = rotations[:, joints].double()
        steps = multiply_quats(turns[:-1] * torch.tensor([1.0, -1.0, -1.0, -1.0]).double(), turns[1:])
        steps = 2 * steps[..., 1:] * steps[..., :1].sign()
        bends = torch.diff(steps, dim=0).flatten(1).numpy()
        right = np.zeros((t, bends.shape[1]))
        for a, x in enumerate((1.0, -2.0, 1.0)):
            right[a : t - 2 + a] -= ratio * x * bends
        right -= moved.flatten(1).numpy()
        step = torch.from_numpy(solveh_banded(band, right)).float().reshape(t, len(joints), 3)
        half = step / 2
        turn = torch.nn.functional.normalize(torch.cat([torch.ones_like(half[..., :1]), half], -1), dim=-1)
        rotations[:, joints] = multiply_quats(rotations[:, joints], turn)
        moved = moved + step
    return Pose(torch.nn.functional.normalize(rotations, dim=-1), pose.root)
