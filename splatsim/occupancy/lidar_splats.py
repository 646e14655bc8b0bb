"""LiDAR rays through Gaussians, each ray exactly: no image plane, no projection of covariances.

The response of a Gaussian along a ray peaks at t* = dᵀΣ⁻¹(μ-o) / dᵀΣ⁻¹d (Moenne-Loccoz et al., "3D Gaussian Ray
Tracing", 2024, eq. 6); there it stops the share of light that the pixel of this ray would lose. Rays are taken in
narrow cones, each with the Gaussians that reach into it, sorted by distance as the rasteriser sorts them by depth.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from splatsim.gaussians import Gaussians
from splatsim.occupancy.lidar import LidarScan, check_return_rates
from splatsim.occupancy.raycast import Rays
from splatsim.transforms import rotmat_from_quat

SMALLEST_ALPHA, LARGEST_ALPHA = 1 / 255, 0.99
"""As in the rasteriser: less is nothing, and nothing stops all light."""
CONE = 0.1
"""Side of the patches of directions that are taken together, in units of a cube around the sensor: about 5°."""
MOST_PAIRS = 1 << 22
"""Pairs of a ray and a Gaussian that are held at once, for each cone."""


def scan_gaussians(gaussians: Gaussians, rays: Rays, *, return_rates: Float[Tensor, " k"] | None = None) -> LidarScan:
    """What a LiDAR would measure of Gaussians with class probabilities as features, differentiable in all of them.

    Args:
        rays: Of unit direction; from one place or a few.
        return_rates: For each class, the share of its hits that come back; all, if None.

    Raises:
        ValueError: the Gaussians have no features, there is not one rate for each class, or a rate is not in [0, 1].
    """
    if gaussians.features is None:
        raise ValueError("scan_gaussians got Gaussians without features; expected class probabilities [n k] in them.")
    k = gaussians.features.shape[1]
    check_return_rates(return_rates, k)
    like = gaussians.means
    rows, found = [], []
    for own in _from_one_place(rays):
        for part, values in _scan_from(gaussians, rays.select(own)):
            rows.append(own[part])
            found.append(values)
    # Rays through nothing at all have no part in the graph.
    out = torch.zeros(len(rays), 2 + k).to(like)
    if rows:
        out = out.index_put((torch.cat(rows),), torch.cat(found))
    hits, ranges, classes = out[:, 0], out[:, 1], out[:, 2:]
    met = hits > 0
    safe = torch.where(met, hits, 1)
    rates = torch.ones(k) if return_rates is None else return_rates
    return LidarScan(
        hits=hits,
        returns=(classes @ rates.to(like)).clamp(0, 1),
        ranges=torch.where(met, ranges / safe, 0),
        classes=torch.where(met[:, None], classes / safe[:, None], 0),
    )


def _from_one_place(rays: Rays) -> Iterator[Int[Tensor, " m"]]:
    """Rows of rays that share an origin."""
    if len(rays):
        _, which = rays.origins.unique(dim=0, return_inverse=True)
        for i in range(int(which.max()) + 1):
            yield (which == i).nonzero()[:, 0]


def _scan_from(gaussians: Gaussians, rays: Rays) -> Iterator[tuple[Int[Tensor, " m"], Float[Tensor, "m g"]]]:
    """For each cone of directions, its rows, with coverage, composited range and composited features."""
    means = gaussians.means - rays.origins[0].to(gaussians.means)
    axes = rotmat_from_quat(gaussians.quats).mT / gaussians.scales[:, :, None]  # into units of standard deviations
    at = (axes @ means[:, :, None])[..., 0]
    distance = means.detach().norm(dim=-1)
    visible = gaussians.opacities.detach().clamp_min(SMALLEST_ALPHA)
    reach = (2 * (visible / SMALLEST_ALPHA).log()).sqrt() * gaussians.scales.detach().amax(dim=-1)
    angle = torch.asin((reach / distance.clamp_min(1e-12)).clamp(max=1))
    angle[reach >= distance] = torch.pi
    toward = means.detach() / distance.clamp_min(1e-12)[:, None]
    directions = rays.directions.to(means)
    limit = torch.full((len(rays),), torch.inf) if rays.reach is None else rays.reach
    for rows in _cones(directions):
        middle = torch.nn.functional.normalize(directions[rows].mean(dim=0), dim=0)
        wide = torch.acos((directions[rows] @ middle).clamp(-1, 1).min())
        near = torch.acos((toward @ middle).clamp(-1, 1)) <= angle + wide + 1e-3
        own = near.nonzero()[:, 0]
        if not len(own):
            continue
        own = own[distance[own].argsort(stable=True)]
        for part in rows.split(max(1, MOST_PAIRS // len(own))):
            yield part, _composite(gaussians, own, axes[own], at[own], directions[part], limit[part].to(means))


def _composite(
    gaussians: Gaussians,
    own: Int[Tensor, " n"],
    axes: Float[Tensor, "n 3 3"],
    at: Float[Tensor, "n 3"],
    directions: Float[Tensor, "r 3"],
    limit: Float[Tensor, " r"],
) -> Float[Tensor, "r g"]:
    """Front to back, all rays of a part against all its Gaussians."""
    assert gaussians.features is not None
    along = torch.einsum("nij,rj->rni", axes, directions)
    length = along.square().sum(dim=-1)
    peak = torch.einsum("rni,ni->rn", along, at) / length
    apart = (at.square().sum(dim=-1) - peak.square() * length).clamp_min(0)
    alphas = (gaussians.opacities[own] * (-0.5 * apart).exp()).clamp_max(LARGEST_ALPHA)
    counts = (alphas >= SMALLEST_ALPHA) & (peak > 0) & (peak <= limit[:, None])
    alphas = torch.where(counts, alphas, 0)
    light = torch.cat([torch.ones_like(alphas[:, :1]), (1 - alphas).cumprod(dim=1)[:, :-1]], dim=1)
    weights = alphas * light
    parts = [weights.sum(dim=1, keepdim=True), (weights * peak).sum(dim=1, keepdim=True)]
    return torch.cat([*parts, weights @ gaussians.features[own]], dim=1)


def _cones(directions: Float[Tensor, "r 3"]) -> Iterator[Int[Tensor, " m"]]:
    """Rows of rays that point through the same patch of a cube around the sensor."""
    largest, axis = directions.abs().max(dim=1)
    sign = directions.gather(1, axis[:, None])[:, 0] > 0
    flat = directions / largest[:, None]
    others = torch.stack([(axis + 1) % 3, (axis + 2) % 3], dim=1)
    patch = ((flat.gather(1, others) + 1) / CONE).long()
    key = ((axis * 2 + sign) * 1000 + patch[:, 0]) * 1000 + patch[:, 1]
    order = key.argsort(stable=True)
    counts = key.unique(return_counts=True)[1]
    yield from order.split(counts.tolist())
