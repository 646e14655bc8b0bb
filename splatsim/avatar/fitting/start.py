"""Where a fit begins: grey Gaussians on the surface of the body."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.avatar.fitting.template import Template
from splatsim.avatar.skin_weights import SkinWeights
from splatsim.gaussians import Gaussians


def start_gaussians(
    template: Template, count: int, generator: np.random.Generator, *, opacity: float = 0.9
) -> tuple[Gaussians, SkinWeights]:
    """Grey flat Gaussians on the surface, as large as the distance to their neighbours asks for."""
    from scipy.spatial import KDTree

    points, normals, skin = template.sample(count, generator)
    distances, _ = KDTree(points.numpy()).query(points.numpy(), k=4)
    spread = torch.from_numpy(distances[:, 1:].mean(1)).float().clamp(2e-3, 0.03)
    scales = torch.stack([0.3 * spread, 0.7 * spread, 0.7 * spread], 1)
    return Gaussians(points, _facing(normals), scales, torch.full((count,), opacity), torch.zeros(count, 1, 3)), skin


def _facing(normals: Float[Tensor, "n 3"]) -> Float[Tensor, "n 4"]:
    """Rotations that take the first axis to the normal, the shortest way."""
    half = torch.cat([1 + normals[:, :1], torch.zeros_like(normals[:, :1]), -normals[:, 2:], normals[:, 1:2]], 1)
    back = half.norm(dim=1, keepdim=True) < 1e-4
    around = torch.tensor([0.0, 0.0, 0.0, 1.0]).expand_as(half)
    return torch.nn.functional.normalize(torch.where(back, around, half), dim=1)
