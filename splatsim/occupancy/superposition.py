"""Gaussians to voxels: the probability that a voxel is occupied, and of what, differentiable in the Gaussians."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from splatsim.gaussians import Gaussians
from splatsim.grids import FREE_CLASS, OccupancyGrid, VoxelFrame
from splatsim.tensors import TensorDataclass
from splatsim.transforms import rotmat_from_quat

PAIRS_AT_ONCE = 1 << 21
"""(Gaussian, voxel) pairs that are held in memory together."""
MAX_ALPHA = 0.999
"""No Gaussian makes a voxel more certain than this; the rasteriser has the same cap."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class Voxelization(TensorDataclass):
    """What Gaussians say about each voxel."""

    frame: VoxelFrame
    """Where the voxels stand."""
    occupied: Float[Tensor, "x y z"]
    """1 - ∏ (1 - α) over the Gaussians at the voxel's centre."""
    classes: Float[Tensor, "x y z k"]
    """The posterior of the mixture; the same for all where no Gaussian reaches."""

    def to_grid(
        self, solid_names: tuple[str, ...], *, threshold: float = 0.5, observed: Bool[Tensor, "x y z"] | None = None
    ) -> OccupancyGrid:
        """Labels and probabilities, with "free" as the last class.

        Raises:
            ValueError: there is not one name for each class.
        """
        if len(solid_names) != self.classes.shape[-1]:
            raise ValueError(f"{len(solid_names)} names for {self.classes.shape[-1]} classes; expected one each.")
        occupied = self.occupied.detach()
        labels = torch.where(occupied >= threshold, self.classes.detach().argmax(-1), len(solid_names))
        seen = torch.ones_like(occupied, dtype=torch.bool) if observed is None else observed
        both = torch.cat([occupied[..., None] * self.classes.detach(), 1 - occupied[..., None]], dim=-1)
        return OccupancyGrid(
            self.frame, labels.to(torch.uint8), (*solid_names, FREE_CLASS), seen, probabilities=both.float()
        )


def voxelize(gaussians: Gaussians, frame: VoxelFrame, *, reach: float = 3.0) -> Voxelization:
    """Probabilistic superposition at the centres of voxels (Huang et al., "GaussianFormer-2", 2024, eq. 5 to 8).

    Geometry is 1 - ∏ (1 - α) with α = opacity · exp(-½ dᵀ Σ⁻¹ d); classes are those of the Gaussian mixture with the
    opacities as weights. Gradients reach means, quats, scales, opacities and features.

    Args:
        reach: Standard deviations at which a Gaussian ends.

    Raises:
        ValueError: there are no features, a number is not finite, or a scale is not positive.
    """
    if gaussians.features is None:
        raise ValueError("voxelize got Gaussians without features; expected class probabilities [n k] in them.")
    if not (0 < reach < 100):
        raise ValueError(f"reach is {reach}; expected a positive number of standard deviations.")
    for name, field in gaussians.tensors().items():
        if not bool(field.detach().isfinite().all()):
            raise ValueError(f"Gaussians.{name} holds a number that is not finite; expected finite numbers.")
    if len(gaussians) and float(gaussians.scales.detach().min()) <= 0:
        raise ValueError(f"Gaussians.scales holds {float(gaussians.scales.detach().min())}; expected lengths above 0.")
    rotations = rotmat_from_quat(gaussians.quats)
    unit = rotations.mT / gaussians.scales[:, :, None]
    precisions = unit.mT @ unit
    extents = reach * ((rotations * gaussians.scales[:, None, :]).square().sum(-1)).sqrt().detach()
    # Weights of the mixture, relative to the largest: densities of tiny Gaussians are beyond float32.
    log_density = -gaussians.scales.log().sum(dim=-1)
    density = (log_density - (log_density.detach().amax() if len(gaussians) else 0)).exp()
    logs, masses, total = _Superpose.apply(
        frame, extents, gaussians.means, precisions, gaussians.opacities, density, gaussians.features
    )
    reached = total > 0
    k = gaussians.features.shape[1]
    classes = torch.where(reached[:, None], masses / torch.where(reached, total, 1)[:, None], 1 / k)
    return Voxelization(frame, (-torch.expm1(logs)).view(frame.shape), classes.view(*frame.shape, k))


def _pairs(frame: VoxelFrame, means: Tensor, extents: Tensor) -> Iterator[tuple[Int[Tensor, " p"], Int[Tensor, " p"]]]:
    """Rows of Gaussians with the flat voxels in their boxes, some pairs at a time."""
    device = means.device
    origin = torch.tensor(frame.origin, dtype=torch.float64, device=device)
    limit = torch.tensor(frame.shape, device=device)
    low = ((means.double() - extents - origin) / frame.voxel_size - 0.5).ceil()
    high = ((means.double() + extents - origin) / frame.voxel_size - 0.5).floor()
    low = low.clamp_min(0).minimum(limit).long()
    high = high.minimum(limit - 1).clamp_min(-1).long()
    size = (high - low + 1).clamp_min(0)
    number = size.prod(dim=-1)
    block = (number.cumsum(0) - number) // PAIRS_AT_ONCE
    for k in block.unique().tolist():
        rows = (block == k).nonzero()[:, 0]
        count = number[rows]
        row = rows.repeat_interleave(count)
        local = torch.arange(len(row), device=device) - (count.cumsum(0) - count).repeat_interleave(count)
        own = size[row]
        z = low[row, 2] + local % own[:, 2]
        y = low[row, 1] + local // own[:, 2] % own[:, 1]
        x = low[row, 0] + local // (own[:, 2] * own[:, 1])
        yield row, (x * frame.shape[1] + y) * frame.shape[2] + z


def _alphas(
    frame: VoxelFrame, row: Tensor, voxel: Tensor, means: Tensor, precisions: Tensor, opacities: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of pairs: offset from the Gaussian to the voxel, precision times it, α / opacity, and α without its cap."""
    _, ny, nz = frame.shape
    index = torch.stack([voxel // (ny * nz), voxel // nz % ny, voxel % nz], dim=-1)
    offset = (frame.centers(index) - means[row].double()).to(means.dtype)
    turned = (precisions[row] @ offset[:, :, None])[:, :, 0]
    falloff = (-0.5 * (turned * offset).sum(-1)).exp()
    return offset, turned, falloff, opacities[row] * falloff


class _Superpose(torch.autograd.Function):
    """Sum of log(1 - α), of weighted features, and of weights, for each voxel; pairs are made again for gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        frame: VoxelFrame,
        extents: Tensor,
        means: Tensor,
        precisions: Tensor,
        opacities: Tensor,
        density: Tensor,
        features: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        voxels = frame.shape[0] * frame.shape[1] * frame.shape[2]
        logs, total = means.new_zeros(voxels), means.new_zeros(voxels)
        masses = means.new_zeros(voxels, features.shape[1])
        for row, voxel in _pairs(frame, means, extents):
            alpha = _alphas(frame, row, voxel, means, precisions, opacities)[3].clamp_max(MAX_ALPHA)
            weight = alpha * density[row]
            logs.index_add_(0, voxel, torch.log1p(-alpha))
            total.index_add_(0, voxel, weight)
            masses.index_add_(0, voxel, weight[:, None] * features[row])
        ctx.frame = frame
        ctx.save_for_backward(extents, means, precisions, opacities, density, features)
        return logs, masses, total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        extents, means, precisions, opacities, density, features = ctx.saved_tensors
        d_logs, d_masses, d_total = grads
        d_means, d_precisions = torch.zeros_like(means), torch.zeros_like(precisions)
        d_opacities, d_density, d_features = (torch.zeros_like(t) for t in (opacities, density, features))
        for row, voxel in _pairs(ctx.frame, means, extents):
            offset, turned, falloff, raw = _alphas(ctx.frame, row, voxel, means, precisions, opacities)
            alpha = raw.clamp_max(MAX_ALPHA)
            d_weight = (d_masses[voxel] * features[row]).sum(-1) + d_total[voxel]
            d_features.index_add_(0, row, (alpha * density[row])[:, None] * d_masses[voxel])
            d_density.index_add_(0, row, alpha * d_weight)
            d_alpha = d_weight * density[row] - d_logs[voxel] / (1 - alpha)
            d_alpha = torch.where(raw <= MAX_ALPHA, d_alpha, 0)
            d_opacities.index_add_(0, row, d_alpha * falloff)
            slope = (d_alpha * raw)[:, None]
            d_means.index_add_(0, row, slope * turned)
            d_precisions.index_add_(0, row, -0.5 * slope[:, :, None] * offset[:, :, None] * offset[:, None, :])
        return None, None, d_means, d_precisions, d_opacities, d_density, d_features
