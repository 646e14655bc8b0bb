"""Small bodies that several tests share."""

import torch

from splatsim import Gaussians
from splatsim.avatar import Pose, Skeleton, SkinWeights, world_from_rest
from tests.conftest import random_gaussians


def random_skin(n: int, joints: int, k: int = 4, seed: int = 0, dtype: torch.dtype = torch.float32) -> SkinWeights:
    """Each point on k different joints, one in five on a single one."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(n, joints, generator=generator).argsort(dim=1)[:, :k].to(torch.int32)
    weights = torch.rand(n, k, generator=generator, dtype=torch.float64) ** 2 + 1e-3
    weights[::5] = torch.tensor([1.0] + [0.0] * (k - 1), dtype=torch.float64)
    return SkinWeights(order, (weights / weights.sum(1, keepdim=True)).to(dtype))


def random_bones(joints: int, seed: int = 0, spread: float = 0.6, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Rigid motions whose rotations lie some way (`spread`, in quaternion units) from one another."""
    generator = torch.Generator().manual_seed(seed)
    middle = torch.randn(4, generator=generator, dtype=torch.float64)
    middle /= middle.norm()
    rotations = middle + spread * torch.randn(joints, 4, generator=generator, dtype=torch.float64)
    roots = Skeleton(
        tuple("abcdefghijklmnopqrstuvwxyz"[:joints]), (-1,) * 1 + (0,) * (joints - 1), torch.zeros(joints, 3)
    )
    free = Pose(rotations, torch.randn(3, generator=generator, dtype=torch.float64))
    bones = world_from_rest(roots.to(torch.float64), free)
    bones[:, :3, 3] += 0.2 * torch.randn(joints, 3, generator=generator, dtype=torch.float64)
    return bones.to(dtype)


def covariances(gaussians: Gaussians) -> torch.Tensor:
    """R S Sᵀ Rᵀ in double precision, by a formula of its own (Hamilton's q v q*)."""
    q = gaussians.quats.double()
    q = q / q.norm(dim=1, keepdim=True)
    axes = []
    for axis in torch.eye(3, dtype=torch.float64):
        u = q[:, 1:]
        v = axis.expand_as(u)
        axes.append(v + 2 * torch.linalg.cross(u, torch.linalg.cross(u, v) + q[:, :1] * v))
    factors = torch.stack(axes, dim=-1) * gaussians.scales.double()[:, None]
    return factors @ factors.mT


def cloud(n: int = 40, k: int = 4, seed: int = 0) -> Gaussians:
    return random_gaussians(n, seed=seed, k=k)
