"""Where an optimisation starts: Gaussians from points."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy.spatial import KDTree
from torch import Tensor

from splatsim.gaussians import Gaussians
from splatsim.spherical_harmonics import C0


def gaussians_from_points(
    points: Float[Tensor, "n 3"],
    colors: UInt8[Tensor, "n 3"],
    *,
    opacity: float = 0.5,
    scale: float = 1.0,
    largest: Float[Tensor, " n"] | float = float("inf"),
) -> Gaussians:
    """Round Gaussians as large as the mean distance to the three nearest neighbours (Kerbl et al. 2023, §5.1).

    Args:
        points: Centres.
        colors: 0 to 255.
        opacity: Of all.
        scale: Times that distance.
        largest: Standard deviations above it are cut, metres.
    """
    distances = scale * neighbour_distances(points)
    distances = torch.minimum(distances, torch.as_tensor(largest, dtype=points.dtype).expand_as(distances))
    n = len(points)
    return Gaussians(
        means=points.clone(),
        quats=torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(n, 1).to(points),
        scales=distances[:, None].repeat(1, 3),
        opacities=torch.full((n,), opacity).to(points),
        sh=((colors.to(points) / 255 - 0.5) / C0)[:, None],
    )


def neighbour_distances(points: Float[Tensor, "n 3"], count: int = 3) -> Float[Tensor, " n"]:
    """Mean distance to the nearest others; where there are none, 1."""
    count = min(count, len(points) - 1)
    if count < 1:
        return torch.ones(len(points)).to(points)
    positions = points.cpu().numpy().astype(np.float64)
    distances, _ = KDTree(positions).query(positions, k=count + 1)
    mean = distances[:, 1:].mean(axis=1)
    # Points in one place have no distance; they take the typical one.
    typical = float(np.median(mean[mean > 0])) if (mean > 0).any() else 1.0
    return torch.from_numpy(np.where(mean > 0, mean, typical)).to(points)
