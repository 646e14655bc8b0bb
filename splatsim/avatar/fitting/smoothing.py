"""Noise in poses: how much of it there is, how quickly joints turn of their own, and poses without it.

Whittaker's smoother (least squares of moves against second differences) in the tangent space of the turns; its one
parameter by generalised cross-validation (Craven & Wahba 1979).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg import solveh_banded
from torch import Tensor

from splatsim.avatar.skeleton import Pose
from splatsim.transforms import multiply_quats

LEAST_TURN, LEAST_SHIFT = 2e-3, 1e-3
"""Second differences from frame to frame that nobody smooths away, radians and metres."""
RATIOS = 4.0 ** np.arange(-3, 8)
ROUNDS = 3
FEWEST = 8
"""Frames that noise can be told from."""


@dataclass(frozen=True, eq=False)
class Steadiness:
    """Of one joint's turns or of the root's places, along the three axes in which they bend the most and the least."""

    axes: Float[np.ndarray, "3 3"]
    """A row each, in the joint's own frame: knees and elbows bend about one axis, and barely about the others."""
    noise: Float[np.ndarray, " 3"]
    """Standard deviation of what differs from frame to frame, radians or metres."""
    bend: Float[np.ndarray, " 3"]
    """Standard deviation of true second differences."""

    @property
    def ratio(self) -> Float[np.ndarray, " 3"]:
        """The smoothers' parameters."""
        ratio: Float[np.ndarray, " 3"] = (self.noise / self.bend) ** 2
        return ratio

    @property
    def information(self) -> Float[np.ndarray, "3 3"]:
        """What second differences are weighed by."""
        information: Float[np.ndarray, "3 3"] = self.axes.T @ np.diag(self.bend**-2.0) @ self.axes
        return information


def steadiness(turns: Float[Tensor, "t 4"]) -> Steadiness:
    """Of the turns of one joint."""
    return _steadiness(second_differences(turns[:, None].double())[:, 0].numpy(), LEAST_TURN)


def steadiness_of_places(places: Float[Tensor, "t 3"]) -> Steadiness:
    """Of places over time."""
    return _steadiness(torch.diff(places.double(), n=2, dim=0).numpy(), LEAST_SHIFT)


def _steadiness(bends: Float[np.ndarray, "s 3"], least: float) -> Steadiness:
    if len(bends) + 2 < FEWEST:
        usual = max(least, float(np.sqrt((bends**2).mean()))) if len(bends) else least
        return Steadiness(np.eye(3), np.zeros(3), np.full(3, usual))
    axes = np.linalg.eigh(bends.T @ bends)[1].T
    found = np.array([_noise_and_bend(bends @ axis, least) for axis in axes])
    return Steadiness(axes, found[:, 0], found[:, 1])


def _noise_and_bend(bends: Float[np.ndarray, " s"], least: float) -> tuple[float, float]:
    t = len(bends) + 2
    frequencies = (2 - 2 * np.cos(np.pi * np.arange(t) / t)) ** 2  # the eigenvalues, nearly
    best, found = np.inf, (0.0, least)
    for ratio in RATIOS:
        moves = _moves(bends, np.zeros(t), ratio)
        left = t - float((1 / (1 + ratio * frequencies)).sum())
        score = float((moves**2).mean()) / (left / t) ** 2
        if score < best:
            noise = float(np.sqrt((moves**2).sum() / left))
            smooth = float(np.sqrt(((bends + np.diff(moves, n=2)) ** 2).mean()))
            best, found = score, (noise, max(noise / float(np.sqrt(ratio)), smooth, least))
    return found


def smoothed(pose: Pose, joints: list[int]) -> Pose:
    """Poses whose joints were disturbed in every frame, brought nearest to smooth ones."""
    if len(pose.root) < FEWEST:
        return pose
    rotations = pose.rotations.clone()
    for joint in joints:
        rotations[:, joint] = _smoothed_turns(rotations[:, joint], steadiness(rotations[:, joint]))
    return Pose(rotations, pose.root)


def _smoothed_turns(turns: Float[Tensor, "t 4"], steady: Steadiness) -> Float[Tensor, "t 4"]:
    moved = np.zeros((len(turns), 3))
    for _ in range(ROUNDS):
        bends = second_differences(turns[:, None].double())[:, 0].numpy()
        along = zip(steady.axes, steady.ratio, strict=True)
        step = np.stack([_moves(bends @ axis, moved @ axis, ratio) for axis, ratio in along], 1) @ steady.axes
        half = torch.from_numpy(step).float() / 2
        turn = torch.nn.functional.normalize(torch.cat([torch.ones_like(half[:, :1]), half], -1), dim=-1)
        turns = torch.nn.functional.normalize(multiply_quats(turns, turn), dim=-1)
        moved = moved + step
    return turns


def _moves(bends: Float[np.ndarray, " s"], moved: Float[np.ndarray, " t"], ratio: float) -> Float[np.ndarray, " t"]:
    """The moves that are left to make, after those that were made."""
    t = len(moved)
    stencil = (1.0, -2.0, 1.0)
    band, right = np.zeros((3, t)), -moved
    for a, x in enumerate(stencil):
        right[a : t - 2 + a] -= ratio * x * bends
        for b, y in enumerate(stencil[: a + 1]):
            band[2 - (a - b), a : t - 2 + a] += ratio * x * y
    band[2] += 1
    step: Float[np.ndarray, " t"] = solveh_banded(band, right)
    return step


def second_differences(turns: Float[Tensor, "t m 4"]) -> Float[Tensor, "s m 3"]:
    """Of turns over time, radians, in the joints' own axes."""
    steps = multiply_quats(turns[:-1] * torch.tensor([1.0, -1.0, -1.0, -1.0]).to(turns), turns[1:])
    vectors = 2 * steps[..., 1:] * steps[..., :1].sign()
    return vectors[1:] - vectors[:-1]
