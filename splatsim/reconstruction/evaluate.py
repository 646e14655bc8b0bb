"""Poses against the truth: similarity alignment and what is left over."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class PoseError:
    """Camera positions against true ones, after similarity alignment."""

    cameras: int
    """Compared."""
    rmse: float
    """Of the positions, in the units of the truth."""
    largest: float
    """Of the positions, in the units of the truth."""
    extent: float
    """Diagonal of the box around the true positions."""
    scale: float
    """True units per unit of the estimate."""

    @property
    def share(self) -> float:
        """RMSE over the extent."""
        return self.rmse / self.extent


def umeyama(
    source: Float[np.ndarray, "n d"], target: Float[np.ndarray, "n d"]
) -> tuple[float, Float[np.ndarray, "d d"], Float[np.ndarray, " d"]]:
    """Scale, rotation and shift of the similarity that brings points to points with least squares [Umeyama 1991]."""
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    u, spread, vt = np.linalg.svd(b.T @ a / len(a))
    sign = np.diag(np.r_[np.ones(len(u) - 1), np.sign(np.linalg.det(u @ vt))])
    rotation = u @ sign @ vt
    scale = float((spread * np.diag(sign)).sum() / max(float((a**2).sum(axis=1).mean()), 1e-30))
    return scale, rotation, target.mean(axis=0) - scale * rotation @ source.mean(axis=0)


def position_error(found: Float[np.ndarray, "n 3"], true: Float[np.ndarray, "n 3"]) -> PoseError:
    """How far camera positions are from the true ones once the estimate is scaled, turned and moved to fit best.

    Raises:
        ValueError: there are fewer than three positions.
    """
    if len(found) < 3:
        raise ValueError(f"{len(found)} camera positions cannot be aligned; expected at least 3.")
    scale, rotation, shift = umeyama(found, true)
    error = np.linalg.norm(scale * found @ rotation.T + shift - true, axis=1)
    return PoseError(
        cameras=len(found),
        rmse=float(np.sqrt((error**2).mean())),
        largest=float(error.max()),
        extent=float(np.linalg.norm(np.ptp(true, axis=0))),
        scale=scale,
    )
