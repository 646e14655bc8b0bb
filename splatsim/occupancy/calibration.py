"""How opaque a layer of Gaussians is, and which opacity makes it as opaque as a probability says."""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

SAMPLES = 24
"""Points along each side of a cell at which a layer is looked through."""
STEPS = 65
"""Opacities in the table."""
MIN_ALPHA, MAX_ALPHA = 1 / 255, 0.999
"""As in the rasteriser."""


def layer_transmittance(width: float, opacities: Float[Tensor, " s"]) -> Float[Tensor, "s p"]:
    """Light that passes an endless layer of round Gaussians, one in each unit cell, seen face-on, at points of a cell.

    Args:
        width: Standard deviation in cells.
        opacities: Peak opacity, the same for all Gaussians of a layer.

    Raises:
        ValueError: the width is not within [0.05, 3].
    """
    if not 0.05 <= width <= 3:
        raise ValueError(f"width is {width}; expected a standard deviation of 0.05 to 3 cells.")
    at = (torch.arange(SAMPLES, dtype=torch.float64) + 0.5) / SAMPLES - 0.5
    reach = int(3.5 * width + 1)
    centers = torch.arange(-reach, reach + 1, dtype=torch.float64)
    along = (-0.5 * ((at[:, None] - centers) / width) ** 2).exp()
    peaks = (along[:, None, :, None] * along[None, :, None, :]).reshape(SAMPLES**2, -1)
    passed = torch.empty(len(opacities), SAMPLES**2, dtype=torch.float64)
    for row, opacity in enumerate(opacities.tolist()):
        alphas = (opacity * peaks).clamp_max(MAX_ALPHA)
        passed[row] = (1 - torch.where(alphas < MIN_ALPHA, 0, alphas)).prod(dim=-1)
    return passed


@lru_cache(maxsize=64)
def _table(width: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Coverage of a layer, rising from 0, and the opacity for it."""
    opacities = torch.linspace(0, 1, STEPS, dtype=torch.float64) ** 2
    coverage = 1 - layer_transmittance(width, opacities).mean(dim=-1)
    return tuple(coverage.tolist()), tuple(opacities.tolist())


def largest_coverage(width: float) -> float:
    """How much of the light a layer of fully opaque Gaussians stops."""
    return _table(width)[0][-1]


def calibrated_opacity(probabilities: Float[Tensor, " n"], width: float) -> Float[Tensor, " n"]:
    """The opacity at which a layer stops the share p · `largest_coverage` of the light: in proportion to p, so that
    certain voxels keep a gradient.
    """
    coverage, opacities = (torch.tensor(values).to(probabilities) for values in _table(width))
    wanted = probabilities * coverage[-1]
    upper = torch.searchsorted(coverage, wanted.detach().contiguous()).clamp(1, STEPS - 1)
    # Below 1/255 a layer stops nothing, so that the table may begin flat: the first step rises from the origin.
    low, high = coverage[upper - 1], coverage[upper]
    share = (wanted - low) / (high - low).clamp_min(1e-12)
    return torch.lerp(opacities[upper - 1], opacities[upper], share).clamp(0, 1)
