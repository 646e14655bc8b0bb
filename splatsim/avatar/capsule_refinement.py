"""Capsules of a body moved and grown together, so that they hold it at rest and in the poses of a stride."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from splatsim.avatar.avatar import Avatar
from splatsim.avatar.capsule_around import segment_distance, weighted_quantile
from splatsim.avatar.skeleton import Pose, Skeleton, world_from_rest
from splatsim.avatar.walking import walk_along

Array = NDArray[np.float64]
Axes = tuple[Array, Array]
"""Ends [k 2 3] in the rest pose and radii [k] of capsules, metres."""

PROBE, HELD, ROUNDS = 0.028, 3000, 120
"""Spacing, metres, of the points that tell the volume, number of Gaussians and of steps of the refinement."""
STRIDES = 6
"""Moments of a stride whose poses the capsules hold the body in, besides the rest pose: skirts swing."""
WALKING = 0.003
"""Share of the opacity that may leave the capsules in those poses beyond what may at rest."""
HOLD = 4.0
"""What a Gaussian outside counts there against volume."""


@dataclass(frozen=True, eq=False)
class Stance:
    """Where Gaussians and capsules are in one pose."""

    means: Array
    """[n 3], centres of the Gaussians."""
    frames: Array
    """[k 4 4], from the rest pose, of the joints that carry the capsules."""

    @classmethod
    def of(cls, avatar: Avatar, pose: Pose, joints: NDArray[np.int64]) -> "Stance":
        means = avatar.pose(pose).means.double().cpu().numpy()
        return cls(means, world_from_rest(avatar.skeleton, pose).double().cpu().numpy()[joints])

    def ends(self, ends: Float[Tensor, "k 2 3"]) -> Float[Tensor, "k 2 3"]:
        """Those of the rest pose, moved."""
        frames = torch.from_numpy(self.frames).to(ends)
        return ends @ frames[:, :3, :3].mT + frames[:, None, :3, 3]


def stride_poses(skeleton: Skeleton) -> list[Pose]:
    """Poses of a stride; none of a body that cannot walk."""
    try:
        walk = walk_along(skeleton, [[0.0, 0.0], [6.0, 0.0]])
    except ValueError:
        return []
    strikes = walk.steps[0].strikes
    first = len(strikes) // 2
    return [walk.at(float(t)) for t in np.linspace(strikes[first - 1], strikes[first], STRIDES, endpoint=False)]


def refined(start: Axes, stances: list[Stance], mass: Array) -> Axes:
    """Ends and radii moved by gradient descent to less volume of the union at the same hold on the Gaussians."""
    generator = np.random.default_rng(0)
    means = stances[0].means
    low, high = means.min(axis=0) - 0.05, means.max(axis=0) + 0.05
    room = generator.uniform(low, high, (int(np.prod(high - low) / PROBE**3), 3))
    near = np.full(len(room), np.inf)
    for (one, other), radius in zip(*start, strict=True):
        near = np.minimum(near, segment_distance(room, one, other)[0] - radius)
    probes = torch.from_numpy(room[near < 0.03]).float()
    held = [_some(stance.means, mass, HELD // (2 if k else 1), generator) for k, stance in enumerate(stances)]
    ends = torch.from_numpy(start[0]).float().requires_grad_()
    radii = torch.from_numpy(start[1]).float().requires_grad_()
    adam = torch.optim.Adam([ends, radii], lr=0.002)
    for step in range(ROUNDS):
        adam.param_groups[0]["lr"] = 0.002 * (1 - step / ROUNDS) + 1e-4
        adam.zero_grad()
        inside = torch.sigmoid(-_gaps(probes, ends, radii) / 0.006).sum() * PROBE**3
        at_rest = _outside(*held[0], ends, radii)
        k = 1 + step % max(len(stances) - 1, 1)  # each step looks at the rest pose and one of the stride's
        walking = _outside(*held[k], stances[k].ends(ends), radii) if len(stances) > 1 else at_rest
        loss = inside / 0.07 + HOLD * (at_rest + walking) / 2
        loss.backward()
        adam.step()
        with torch.no_grad():
            radii.clamp_(min=0.01)
    return ends.detach().double().numpy(), radii.detach().double().numpy()


def _some(means: Array, mass: Array, count: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Centres and weights, which sum to 1, of some of the Gaussians."""
    rows = generator.choice(len(means), min(len(means), count), replace=False)
    return torch.from_numpy(means[rows]).float(), torch.from_numpy(mass[rows] / mass[rows].sum()).float()


def _outside(
    points: Float[Tensor, "n 3"], weight: Float[Tensor, " n"], ends: Float[Tensor, "k 2 3"], radii: Float[Tensor, " k"]
) -> Tensor:
    """How far points lie outside, a soft and weighted mean in units of 4 mm."""
    return (weight * torch.nn.functional.softplus(_gaps(points, ends, radii) / 0.004)).sum()


def _gaps(
    points: Float[Tensor, "n 3"], ends: Float[Tensor, "k 2 3"], radii: Float[Tensor, " k"]
) -> Float[Tensor, " n"]:
    """Distance of each point from the surface of the nearest capsule, negative inside."""
    start, way = ends[:, 0], ends[:, 1] - ends[:, 0]
    along = points @ way.T - (start * way).sum(-1)
    square = (way**2).sum(-1).clamp_min(1e-8)
    share = (along.detach() / square.detach()).clamp(0, 1)  # the nearest point: its own change does not count
    gap = (points**2).sum(-1, keepdim=True) - 2 * points @ start.T + (start**2).sum(-1)
    away = gap - 2 * share * along + share**2 * square
    return (away.clamp_min(1e-8).sqrt() - radii).amin(dim=1)


def grown(tight: Axes, stances: list[Stance], mass: Array, covered: float) -> Axes:
    """All radii larger by one length, so that together they hold the share, and nearly as much in each pose."""
    more = -np.inf
    for k, stance in enumerate(stances):
        gaps = np.full(len(stance.means), np.inf)
        ends = stance.ends(torch.from_numpy(tight[0])).numpy()
        for (start, end), radius in zip(ends, tight[1], strict=True):
            gaps = np.minimum(gaps, segment_distance(stance.means, start, end)[0] - radius)
        more = max(more, weighted_quantile(gaps, mass, covered - WALKING * (k > 0)) + 1e-6)
    return tight[0], np.maximum(tight[1] + more, 0.005)
