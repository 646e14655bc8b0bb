"""Motions: poses of a skeleton over time."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.avatar.skeleton import Pose, Skeleton
from splatsim.tensors import TensorDataclass, check_field


@runtime_checkable
class Motion(Protocol):
    """Poses of a skeleton over time; the same time always gives the same pose."""

    @property
    def skeleton(self) -> Skeleton:
        """Whose poses they are."""
        ...

    @property
    def duration(self) -> float:
        """Seconds."""
        ...

    def at(self, seconds: float | Float[Tensor, "*t"]) -> Pose:
        """The pose at a time, or one for each of many; before the start the first, after the end the last."""
        ...


@dataclass(frozen=True, eq=False)
class SampledMotion(TensorDataclass):
    """Poses at equal steps of time, such as recorded ones, with the shorter arc between them.

    Raises:
        ValueError: there are no poses, they do not fit the skeleton, or the rate is not positive.
    """

    skeleton: Skeleton
    """Whose poses they are."""
    poses: Pose
    """Poses [t], the first at 0 s."""
    rate: float
    """Poses per second."""

    def __post_init__(self) -> None:
        check_field("SampledMotion", "poses.rotations", self.poses.rotations, ("t", len(self.skeleton), 4))
        if len(self.poses.root) == 0 or not 0 < self.rate < float("inf"):
            raise ValueError(
                f"SampledMotion has {len(self.poses.root)} poses at {self.rate} per second; expected at least one, "
                "at a positive rate."
            )

    @property
    def duration(self) -> float:
        """Seconds."""
        return (len(self.poses.root) - 1) / self.rate

    def at(self, seconds: float | Float[Tensor, "*t"]) -> Pose:
        """The pose at a time, or one for each of many; before the start the first, after the end the last."""
        last = len(self.poses.root) - 1
        at = (torch.as_tensor(seconds, dtype=torch.float64) * self.rate).clamp(0, last)
        low = at.floor().long().clamp(max=max(last - 1, 0))
        high = (low + 1).clamp(max=last)
        share = (at - low).to(self.poses.root)
        rotations = blend_quats(self.poses.rotations[low], self.poses.rotations[high], share[..., None])
        root = torch.lerp(self.poses.root[low], self.poses.root[high], share[..., None])
        return Pose(rotations, root)


def blend_quats(
    start: Float[Tensor, "*t j 4"], end: Float[Tensor, "*t j 4"], share: Float[Tensor, "*t 1"]
) -> Float[Tensor, "*t j 4"]:
    """Unit quaternions between two, along the shorter arc (Shoemake 1985)."""
    start, end = torch.nn.functional.normalize(start, dim=-1), torch.nn.functional.normalize(end, dim=-1)
    cos = (start * end).sum(-1, keepdim=True)
    end = torch.where(cos < 0, -end, end)
    angle = cos.abs().clamp(max=1).acos()
    near = angle < 1e-3
    sine = torch.where(near, torch.ones_like(angle), angle.sin())
    share = share[..., None]
    a = torch.where(near, 1 - share, ((1 - share) * angle).sin() / sine)
    b = torch.where(near, share.expand_as(angle), (share * angle).sin() / sine)
    return torch.nn.functional.normalize(a * start + b * end, dim=-1)
