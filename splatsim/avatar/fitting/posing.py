"""Poses while they are refined: Gauss-Newton steps of all frames at once.

What pulls at a pose is what the pictures say (`evidence`), the pose that was given, and that people move smoothly; each
counts by how sure it is. How noisy the given poses are and how quickly each joint turns of its own is read off them:
the fit begins with the smoothed ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg import block_diag
from torch import Tensor

from splatsim.avatar.fitting.bands import add_second_differences, solve_band
from splatsim.avatar.fitting.smoothing import Steadiness, smoothed, steadiness, steadiness_of_places
from splatsim.avatar.skeleton import Pose, Skeleton, world_from_rest
from splatsim.transforms import multiply_quats

LARGEST_STEP = np.radians(6.0)
"""Of one joint in one step."""
DAMPING = 1e-4


@dataclass(frozen=True)
class PoseTrust:
    """How little given poses are trusted at the least: standard deviations."""

    turn_deg: float = 2.0
    """Of a joint's turn about each axis."""
    root: float = 0.02
    """Of the root's place, metres."""


class PoseRefinement:
    """Poses at t times, of which chosen joints turn and the root moves.

    Args:
        skeleton: Whose joints turn.
        pose: One for each time.
        joints: Which joints are refined.
        trust: In the poses that are given.
    """

    def __init__(self, skeleton: Skeleton, pose: Pose, joints: list[int], trust: PoseTrust = PoseTrust()) -> None:
        self.skeleton, self.joints, self.trust = skeleton, joints, trust
        self.places: Steadiness = steadiness_of_places(pose.root)
        self.turning = [steadiness(pose.rotations[:, joint]) for joint in joints]
        self.given = self.now = smoothed(pose, joints)

    @property
    def parameters(self) -> int:
        """Of one frame: the root's place, then three turns of each joint."""
        return 3 + 3 * len(self.joints)

    def moved(self, time: int, step: Float[Tensor, " n"]) -> Pose:
        """The pose of one time, [1 j 4], after a step; differentiable."""
        return _stepped(self.now[time : time + 1], self.joints, step[None])

    def bones(self, time: int) -> Float[Tensor, "j 4 4"]:
        """The motion of each bone from the rest pose at one time."""
        return world_from_rest(self.skeleton, self.now[time : time + 1]).squeeze(0)

    def settle(self, information: Float[np.ndarray, "t n n"], gradient: Float[np.ndarray, "t n"]) -> float:
        """One step of all frames; returns the mean turn that was made, degrees.

        Args:
            information: The second derivatives of what the pictures cost by the frames' parameters.
            gradient: The first ones.
        """
        t, n = gradient.shape
        band, total = np.zeros((3, t, n, n)), gradient.copy()
        band[0] = information
        self._add_trust(band, total)
        step = -solve_band(band, total.reshape(-1, 1), DAMPING).reshape(t, n)
        turns = step[:, 3:].reshape(t, -1, 3)
        lengths = np.linalg.norm(turns, axis=-1, keepdims=True)
        turns *= np.minimum(1.0, LARGEST_STEP / np.maximum(lengths, 1e-9))
        self.now = _stepped(self.now, self.joints, torch.from_numpy(step).to(self.now.root))
        return float(np.degrees(np.linalg.norm(turns, axis=-1)).mean())

    def _add_trust(self, band: np.ndarray, gradient: np.ndarray) -> None:
        """What draws poses to those that were given, and what draws the difference to a smooth one.

        With the noise that smoothing took out this is the exact posterior of the given poses, a quadratic form about
        the smoothed ones.
        """
        noise = max(float(np.median([s.noise.max() for s in self.turning])), np.radians(self.trust.turn_deg))
        root = max(float(self.places.noise.max()), self.trust.root)
        weights = np.concatenate([np.full(3, root), np.full(self.parameters - 3, noise)]) ** -2.0
        back = self.given.rotations[:, self.joints] * torch.tensor([1.0, -1.0, -1.0, -1.0])
        apart = multiply_quats(back, self.now.rotations[:, self.joints]).double()
        vectors = (2 * apart[..., 1:] * apart[..., :1].sign()).flatten(1)
        moved = torch.cat([(self.now.root - self.given.root).double(), vectors], 1).numpy()
        across = np.arange(self.parameters)
        band[0][:, across, across] += weights
        gradient += weights * moved
        smooth = block_diag(*(steady.information for steady in (self.places, *self.turning)))
        add_second_differences(band, gradient, np.diff(moved, n=2, axis=0), smooth)

    def state(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return {"rotations": self.now.rotations, "root": self.now.root}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        self.now = Pose(state["rotations"], state["root"])


def _stepped(pose: Pose, joints: list[int], step: Float[Tensor, "t n"]) -> Pose:
    """The root moved, and joints turned about their own axes."""
    half = step[:, 3:].unflatten(1, (-1, 3)) / 2
    turns = torch.nn.functional.normalize(torch.cat([torch.ones_like(half[..., :1]), half], -1), dim=-1)
    turned = torch.nn.functional.normalize(multiply_quats(pose.rotations[:, joints], turns), dim=-1)
    return Pose(pose.rotations.index_copy(1, torch.tensor(joints), turned), pose.root + step[:, :3])
