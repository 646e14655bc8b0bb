"""Poses while they are refined: increments to the turns of the joints and to the root's place, and what steps them."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.avatar.skeleton import Pose, Skeleton, world_from_rest
from splatsim.fitting.adam import Adam, ParameterGroup
from splatsim.transforms import multiply_quats

LEAST_TURN = 2e-3
"""Radians: second differences of a joint's turns from frame to frame that nobody smooths away."""
LEAST_SHIFT = 1e-3
"""Metres: those of the root's place."""


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
        self.bends = _bends(pose.rotations[:, joints]).square().mean((0, 2)).sqrt().clamp(min=LEAST_TURN)
        shifts = torch.diff(pose.root, n=2, dim=0).square().mean() if t > 2 else torch.zeros(())
        self.sways = shifts.sqrt().clamp(min=LEAST_SHIFT)
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
        """Squares of the accelerations about one time, each joint's and the root's against what was usual at first."""
        t = len(self.shifts)
        middle = min(max(time, 1), t - 2)
        if t < 3:
            return self.shifts.sum() * 0
        pose = self.pose(slice(middle - 1, middle + 2))
        turning = _bends(pose.rotations[:, self.joints])[0] / self.bends[:, None]
        moving = (pose.root[2] - 2 * pose.root[1] + pose.root[0]) / self.sways
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


def smoothed(pose: Pose, joints: list[int], noise_deg: float) -> Pose:
    """Poses whose turns were disturbed by about so many degrees in every frame, brought nearest to smooth ones.

    Each joint's turns are moved by the least squares of moves against second differences, a Whittaker smoother in the
    tangent space. How much a joint bends of its own is what the noise leaves of the variance of its second differences.
    """
    t = len(pose.root)
    if t < 3 or noise_deg <= 0:
        return pose
    noise = float(np.radians(noise_deg)) ** 2 / 3  # of one component
    rotations = pose.rotations.clone()
    variance = _bends(rotations[:, joints]).square().mean((0, 2)).numpy()
    own = np.maximum(variance - 6 * noise, 0.02 * variance + 1e-10)
    for row, joint in enumerate(joints):
        rotations[:, joint] = _smoothed_turns(rotations[:, joint], noise / float(own[row]))
    return Pose(rotations, pose.root)


ROUNDS = 3


def _smoothed_turns(turns: Float[Tensor, "t 4"], ratio: float) -> Float[Tensor, "t 4"]:
    """Of one joint; `ratio` is that of the noise's variance to that of true second differences."""
    from scipy.linalg import solveh_banded

    t = len(turns)
    stencil = (1.0, -2.0, 1.0)
    band = np.zeros((3, t))
    for a, x in enumerate(stencil):
        for b, y in enumerate(stencil[: a + 1]):
            band[2 - (a - b), a : t - 2 + a] += ratio * x * y
    band[2] += 1
    moved = np.zeros((t, 3))
    for _ in range(ROUNDS):
        bends = _bends(turns[:, None].double())[:, 0].numpy()
        right = -moved
        for a, x in enumerate(stencil):
            right[a : t - 2 + a] -= ratio * x * bends
        step = solveh_banded(band, right)
        half = torch.from_numpy(step).float() / 2
        turn = torch.nn.functional.normalize(torch.cat([torch.ones_like(half[:, :1]), half], -1), dim=-1)
        turns = torch.nn.functional.normalize(multiply_quats(turns, turn), dim=-1)
        moved = moved + step
    return turns


def _bends(turns: Float[Tensor, "t m 4"]) -> Float[Tensor, "s m 3"]:
    """Second differences of turns over time, radians."""
    steps = multiply_quats(turns[:-1] * torch.tensor([1.0, -1.0, -1.0, -1.0]).to(turns), turns[1:])
    vectors = 2 * steps[..., 1:] * steps[..., :1].sign()
    return vectors[1:] - vectors[:-1]
