"""What of the Gaussians a browser can draw: so many, and no thinner or wider than 16 bits hold."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.gaussians import Gaussians
from splatsim.transforms import rotmat_from_quat

MAX_GAUSSIANS = 500_000
"""More make the browser of a small machine slow."""
THINNEST = 0.02
"""The browser gets covariances in 16 bits, so that a Gaussian thinner than this share of its width would be noise."""
THIN = 5e-4
"""Metres: the squares of smaller scales are lost in 16 bits."""
WIDEST = 200.0
"""Metres: the squares of larger scales do not fit into 16 bits."""


def most_important(gaussians: Gaussians, count: int) -> Tensor:
    """Indices of the `count` Gaussians that cover most: opacity times the area of their larger two axes, in order."""
    finite = torch.stack([field.detach().flatten(1).isfinite().all(-1) for field in _columns(gaussians)]).all(0).cpu()
    areas = gaussians.scales.detach().cpu().double().sort(dim=1).values[:, 1:].prod(dim=1)
    weights = torch.where(finite, gaussians.opacities.detach().cpu().double() * areas, -1)
    best = weights.argsort(descending=True, stable=True)[:count]
    return best[weights[best] >= 0].sort().values


def covariances(gaussians: Gaussians) -> Float[Tensor, "n 3 3"]:
    """Σ = R S Sᵀ Rᵀ, no thinner and no wider than the browser can hold."""
    scales = gaussians.scales.clamp(max=WIDEST)
    scales = torch.maximum(scales, THINNEST * scales.amax(dim=1, keepdim=True)).clamp_min(THIN)
    root = rotmat_from_quat(gaussians.quats) * scales[:, None, :]
    return root @ root.mT


def bulk(gaussians: Gaussians) -> Float[Tensor, "2 3"]:
    """Lower and upper corner of the box that holds the bulk of them, metres."""
    points = gaussians.means.detach().cpu()
    points = points[points.isfinite().all(-1)].sort(dim=0).values
    return torch.stack([points[int(0.05 * (len(points) - 1))], points[math.ceil(0.95 * (len(points) - 1))]])


def extent(gaussians: Gaussians) -> float:
    """Diagonal of that box, metres."""
    low, high = bulk(gaussians)
    return max(float((high - low).norm()), 1e-3)


def _columns(gaussians: Gaussians) -> list[Tensor]:
    return [gaussians.means, gaussians.quats, gaussians.scales, gaussians.opacities[:, None], gaussians.sh[:, 0]]
