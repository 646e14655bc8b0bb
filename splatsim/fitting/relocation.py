"""Relocation (Kheradmand et al. 2024, 3DGS as Markov chain Monte Carlo): dead Gaussians move onto live ones.

k copies of one Gaussian, each with the opacity and scale given here, look like the one that they replace.
"""

from math import comb

import numpy as np
from jaxtyping import Float, Int

MAX_COPIES = 20
"""The series of eq. 9 alternates, with terms that grow with the number of copies: more of them lose all digits."""


def copy_opacities(opacities: Float[np.ndarray, " n"], copies: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The opacity of each of k equal Gaussians in one place: 1 - (1 - o)^(1/k)."""
    single: Float[np.ndarray, " n"] = -np.expm1(np.log1p(-opacities) / copies)
    return single


def copy_shrinkage(opacities: Float[np.ndarray, " n"], copies: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """By what the scales of each of k equal Gaussians are multiplied (eq. 9), so that their sum keeps its mass.

    Args:
        opacities: Of the one Gaussian, in (0, 1).
        copies: 1 to MAX_COPIES.
    """
    single = copy_opacities(opacities, copies)
    total = np.zeros_like(opacities)
    for i in range(1, int(copies.max(initial=1)) + 1):
        powers = [comb(i - 1, j) * (-1) ** j / np.sqrt(j + 1) * single ** (j + 1) for j in range(i)]
        total += np.where(i <= copies, np.sum(powers, axis=0), 0.0)
    shrinkage: Float[np.ndarray, " n"] = opacities / total
    return shrinkage


def draw(weights: Float[np.ndarray, " n"], count: int, generator: np.random.Generator) -> Int[np.ndarray, " m"]:
    """`count` indices, each drawn in proportion to the weights, with low discrepancy: one for each equal share.

    Raises:
        ValueError: no weight is positive.
    """
    sums = np.cumsum(weights, dtype=np.float64)
    if not (len(sums) and np.isfinite(sums[-1]) and sums[-1] > 0):
        raise ValueError(f"draw got {len(weights)} weights that sum to {sums[-1:]}; expected a positive sum.")
    marks = (np.arange(count) + generator.random(count)) * (sums[-1] / max(count, 1))
    drawn: Int[np.ndarray, " m"] = np.minimum(np.searchsorted(sums, marks, side="right"), len(weights) - 1)
    return drawn
