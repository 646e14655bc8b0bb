"""Poses while they are refined: increments to the turns of the joints and to the root's place, and what steps them."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.avatar.skeleton import Pose, Skeleton, world_from_rest
from splatsim.fitting.adam import Adam, ParameterGroup
from splatsim.transforms import multiply_quats

SMOOTH_TURN = 60.0
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
