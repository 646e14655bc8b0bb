"""The terms that the refinement loss is made of, each a function of flat pixels or rays."""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from splatsim.grids import VoxelFrame
from splatsim.occupancy.raycast import Rays, composite

SMALL = 1e-5
"""Added to probabilities before their logarithm, so that what was thought impossible has a finite gradient."""

Balance = Literal["none", "log", "sqrt", "effective"]


def class_weights(counts: Int[Tensor, " c"], balance: Balance = "effective", *, beta: float = 0.9999) -> Tensor:
    """Weights by label from how often each occurs, with a mean of 1 over those that do.

    "log" is 1 / log n, as in RenderOcc (2024), and hardly weighs at all; "sqrt" is 1 / √n; "effective" is the effective
    number of Cui et al. (2019), eq. 2: (1 - β) / (1 - βⁿ). A class that never occurs weighs as one that occurs once.

    Raises:
        ValueError: a count is negative, none is positive, β is not within [0, 1), or the word is another.
    """
    if bool((counts < 0).any()) or int(counts.sum()) == 0:
        raise ValueError(f"counts is {counts.tolist()}; expected numbers of voxels or pixels, not all 0.")
    if not 0 <= beta < 1:
        raise ValueError(f"beta is {beta}; expected a number within [0, 1).")
    n = counts.clamp_min(1).double()
    if balance == "none":
        weights = torch.ones_like(n)
    elif balance == "log":
        weights = 1 / (n + torch.e).log()
    elif balance == "sqrt":
        weights = n.rsqrt()
    elif balance == "effective":
        weights = (1 - beta) / (1 - beta**n)
    else:
        raise ValueError(f'balance is {balance!r}; expected "none", "log", "sqrt" or "effective".')
    return (weights / weights[counts > 0].mean()).float()


def weighted_mean(values: Float[Tensor, " p"], weights: Float[Tensor, " p"]) -> Float[Tensor, ""]:
    """Σ w v / Σ w; 0 where nothing counts."""
    return (values * weights).sum() / weights.sum().clamp_min(1e-12)


def label_loss(
    chances: Float[Tensor, "p c"],
    labels: Int[Tensor, " p"],
    weights: Float[Tensor, " p"],
    by_class: Float[Tensor, " c"],
    focal: float = 0.0,
) -> Float[Tensor, ""]:
    """Cross-entropy of labels, focal where `focal` is above 0 (Lin et al. 2017)."""
    chance = chances.gather(1, labels[:, None])[:, 0]
    values = -(chance + SMALL).log()
    if focal > 0:
        values = values * (1 - chance).clamp_min(0) ** focal
    return weighted_mean(values, weights * by_class[labels])


def soft_label_loss(
    chances: Float[Tensor, "p c"],
    wanted: Float[Tensor, "p c"],
    weights: Float[Tensor, " p"],
    by_class: Float[Tensor, " c"],
) -> Float[Tensor, ""]:
    """Kullback-Leibler divergence from soft labels: 0 where they are met, with the gradient of the cross-entropy."""
    pull = wanted * by_class
    values = (pull * ((wanted + SMALL).log() - (chances + SMALL).log())).sum(dim=-1)
    return weighted_mean(values, weights)


def silhouette_loss(
    alphas: Float[Tensor, " p"], solid: Float[Tensor, " p"], weights: Float[Tensor, " p"]
) -> Float[Tensor, ""]:
    """Binary cross-entropy of coverage, less the entropy of soft silhouettes, which no grid can take away."""
    filled, empty = (alphas + SMALL).log(), (1 - alphas + SMALL).log()
    least = solid * (solid + SMALL).log() + (1 - solid) * (1 - solid + SMALL).log()
    return weighted_mean(least - solid * filled - (1 - solid) * empty, weights)


def depth_loss(
    depths: Float[Tensor, " p"],
    wanted: Float[Tensor, " p"],
    weights: Float[Tensor, " p"],
    kind: Literal["l1", "silog"] = "l1",
) -> Float[Tensor, ""]:
    """Where both have a depth: mean error in metres, or the scale-invariant one (Eigen et al. 2014, λ = 0.85)."""
    both = (wanted > 0) & (depths > 0)
    weights = torch.where(both, weights, 0)
    if kind == "l1":
        return weighted_mean((depths - wanted).abs(), weights)
    ones = torch.ones_like(depths)
    gap = torch.where(both, depths, ones).log() - torch.where(both, wanted, ones).log()
    spread = weighted_mean(gap.square(), weights) - 0.85 * weighted_mean(gap, weights).square()
    return (spread + 1e-12).sqrt()


def distortion_loss(
    alphas: Float[Tensor, " p"], ranges: Float[Tensor, " p"], squares: Float[Tensor, " p"], weights: Float[Tensor, " p"]
) -> Float[Tensor, ""]:
    """Σ w_i w_j (t_i - t_j)² along each ray (Huang et al., "2DGS", 2024, §4.2): nothing is there twice on a ray."""
    return weighted_mean((2 * (alphas * squares - ranges.square())).clamp_min(0), weights)


def entropy_loss(occupied: Float[Tensor, "x y z"], observed: Bool[Tensor, "x y z"]) -> Float[Tensor, ""]:
    """Mean entropy of being occupied over the observed voxels, in nats."""
    p = occupied[observed]
    values = -(p * (p + SMALL).log() + (1 - p) * (1 - p + SMALL).log())
    return values.sum() / max(1, len(p))


def carve_loss(frame: VoxelFrame, occupied: Float[Tensor, "x y z"], rays: Rays, margin: float) -> Float[Tensor, ""]:
    """Mean of -log P(nothing stands before the voxel of the return, less a margin in metres)."""
    nothing = torch.zeros(*frame.shape, 0, dtype=occupied.dtype)
    before = composite(frame, occupied, nothing, rays.until(_bounds(frame, rays, margin)[0]))
    return -(1 - before.alphas + SMALL).log().sum() / max(1, len(rays))


def return_loss(
    frame: VoxelFrame,
    occupied: Float[Tensor, "x y z"],
    classes: Float[Tensor, "x y z k"],
    rays: Rays,
    channels: Int[Tensor, " n"],
    margin: float,
) -> Float[Tensor, ""]:
    """Mean of -log P(the ray first hits the voxel of its return, or within a margin of it in metres), and, where the
    channel is known, P(that class). Returns from outside the grid are left out.
    """
    assert rays.reach is not None
    inside = frame.contains(frame.index_of(rays.at(rays.reach)))
    if not bool(inside.any()):
        return occupied.sum() * 0
    rays, channels = rays.select(inside), channels[inside]
    start, end = _bounds(frame, rays, margin)
    far, near = (composite(frame, occupied, classes, rays.until(t)) for t in (end, start))
    known = channels >= 0
    own = (far.values - near.values).gather(1, channels.clamp_min(0)[:, None])[:, 0]
    chance = torch.where(known, own, far.alphas - near.alphas)
    return -(chance.clamp_min(0) + SMALL).log().mean()


def _bounds(frame: VoxelFrame, rays: Rays, margin: float) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """The t at which rays enter and leave the voxel that holds their end, wider by the margin."""
    assert rays.reach is not None
    reach, directions = rays.reach.double(), rays.directions.double()
    index = frame.index_of(rays.at(reach)).double()
    low = torch.tensor(frame.origin, dtype=torch.float64) + index * frame.voxel_size
    steps = torch.where(directions == 0, 1e-300, directions)
    sides = torch.stack([low - rays.origins, low + frame.voxel_size - rays.origins]) / steps
    entry, leave = sides.amin(0).amax(-1), sides.amax(0).amin(-1)
    # A hair, so that rounding neither takes the voxel itself for one before it nor the next one for itself.
    hair = 1e-9 * frame.voxel_size
    return (torch.minimum(entry, reach) - margin - hair).clamp_min(0), torch.maximum(leave, reach) + margin - hair
