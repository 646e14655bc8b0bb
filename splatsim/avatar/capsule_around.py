"""The smallest capsule around points that have an extent and a weight."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Capsule = tuple[Array, Array, float]
"""Both ends of the axis and the radius, metres."""

DIRECTIONS = 6
"""Directions of the axis that are tried, besides those of the body and of the part's spread."""
SIGMAS = 1.0
"""Standard deviations of a Gaussian that count as its extent."""


def capsule_around(means: Array, reach: Array, mass: Array, covered: float) -> Capsule:
    """The smallest capsule that holds a share of the mass, over axis directions and middles."""
    center = (mass[:, None] * means).sum(0) / mass.sum()
    spread = np.linalg.eigh(np.cov(means.T, aweights=mass + 1e-9) if len(means) > 3 else np.eye(3))[1].T
    best, least = (center, center, 1e3), np.inf
    for axis in np.concatenate([spread, np.eye(3), _directions()]):
        found = _along(means, reach, mass, covered, axis)
        if _size(found) < least:
            best, least = found, _size(found)
    return best


def _size(capsule: Capsule) -> float:
    start, end, radius = capsule
    return float(np.pi * radius**2 * (np.linalg.norm(end - start) + 4 / 3 * radius))


def _along(means: Array, reach: Array, mass: Array, covered: float, axis: Array) -> Capsule:
    """The capsule with this direction of the axis."""
    across = np.linalg.svd(axis[None])[2][1:]
    flat, along = means @ across.T, means @ axis
    middle = (flat.max(0) + flat.min(0)) / 2
    for _ in range(3):  # towards the middle of the smallest circle that holds the share
        away = flat - middle
        far = np.linalg.norm(away, axis=-1)
        limit = weighted_quantile(far, mass, covered)
        rim = (far > 0.85 * limit) & (far <= limit)
        if rim.sum() < 3:
            break
        middle = middle + 0.5 * ((flat[rim].max(0) + flat[rim].min(0)) / 2 - middle)
    sigma = SIGMAS * np.sqrt(np.einsum("ai,nij,aj->n", across, reach, across) / 2)
    far = np.linalg.norm(flat - middle, axis=-1) + sigma
    radius = weighted_quantile(far, mass, covered)
    inside = far <= radius
    cap = np.sqrt(np.maximum(radius**2 - np.minimum(far, radius) ** 2, 0))
    top, bottom = (along - cap)[inside], (along + cap)[inside]
    high, low = float(top.max()), float(bottom.min())
    if high < low:
        high = low = (high + low) / 2
    origin = middle @ across
    return origin + low * axis, origin + high * axis, float(radius)


def weighted_quantile(values: Array, mass: Array, share: float) -> float:
    """The value that a share of the mass is at most."""
    order = np.argsort(values)
    sums = np.cumsum(mass[order])
    return float(values[order[min(int(np.searchsorted(sums, share * sums[-1])), len(values) - 1)]])


def _directions() -> Array:
    """Directions spread evenly over half a sphere (a Fibonacci spiral)."""
    number = np.arange(DIRECTIONS) + 0.5
    z = 1 - number / DIRECTIONS
    angle = np.pi * (1 + np.sqrt(5)) * number
    return np.stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z], axis=-1)


def segment_distance(points: Array, start: Array, end: Array) -> tuple[Array, Array]:
    """Distances of points [n 3] from a segment, and where along it the nearest point lies, 0 to 1."""
    way = end - start
    length = float(way @ way)
    share = np.clip((points - start) @ way / length, 0, 1) if length > 1e-12 else np.zeros(len(points))
    return np.linalg.norm(points - start - share[:, None] * way, axis=-1), share
