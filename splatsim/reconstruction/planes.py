"""What the cameras and the points say about the world: up, the floor, the direction of the walls."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

NEIGHBOURS = 16
"""Points that a normal is taken over."""
FLATNESS = 0.15
"""Thickness over width below which such a neighbourhood is a piece of a plane."""
MAX_POINTS = 40_000
"""Points that are looked at; of more, every k-th."""
FEWEST = 40
"""Level points that a floor must have."""
FLOOR_SHARE = 0.2
"""Of the strongest level below the cameras, what the lowest level must have to be the floor."""


@dataclass(frozen=True)
class Floor:
    """A flat floor."""

    normal: Float[np.ndarray, "3"]
    """Up, unit length."""
    height: float
    """Of the plane: normal · x = height."""
    inliers: int
    """Points on it."""
    thickness: float
    """Median distance of these from the plane, in units of the points."""


def up_of_cameras(rotations: Float[np.ndarray, "c 3 3"]) -> tuple[Float[np.ndarray, "3"], float]:
    """The direction against gravity of cameras held level on the whole, and the median roll left over, degrees.

    The x axes of level cameras are horizontal wherever they look, which fixes the vertical as soon as they look into
    different directions; until then the mean of the y axes has to do. `rotations` are cam_from_world.
    """
    right, down = rotations[:, 0], rotations[:, 1]
    mean = _unit(_median_direction(-down))
    up = mean
    for _ in range(20):
        roll = np.abs(right @ up)
        weight = 1 / (roll**2 + 0.05**2)
        values, vectors = np.linalg.eigh((right * weight[:, None]).T @ right / weight.sum())
        if values[1] < 0.02:  # all look into one direction: a rotation about their common x axis is free
            break
        candidate = vectors[:, 0] * np.sign(vectors[:, 0] @ mean)
        if candidate @ mean < np.cos(np.radians(30)):
            break
        up = candidate
    return _unit(up), float(np.degrees(np.median(np.arcsin(np.clip(np.abs(right @ up), 0, 1)))))


def _median_direction(directions: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "3"]:
    """The geometric median, by Weiszfeld's iteration: a few cameras held wrongly do not turn it."""
    centre = directions.mean(0)
    for _ in range(30):
        weight = 1 / np.maximum(np.linalg.norm(directions - centre, axis=1), 1e-3)
        centre = (directions * weight[:, None]).sum(0) / weight.sum()
    return np.asarray(centre)


def _unit(vector: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def flat_normals(points: Float[np.ndarray, "n 3"]) -> tuple[Float[np.ndarray, "m 3"], Float[np.ndarray, "m 3"]]:
    """Points on pieces of planes, and the normals there, of either sign."""
    from scipy.spatial import cKDTree

    points = points[:: max(1, len(points) // MAX_POINTS)]
    if len(points) < 4 * NEIGHBOURS:
        return np.zeros((0, 3)), np.zeros((0, 3))
    distances, near = cKDTree(points).query(points, NEIGHBOURS)
    around = points[near] - points[near].mean(1, keepdims=True)
    values, vectors = np.linalg.eigh(np.einsum("nki,nkj->nij", around, around))
    flat = np.sqrt(np.maximum(values[:, 0], 0) / np.maximum(values[:, 1], 1e-30)) < FLATNESS
    flat &= distances[:, -1] < 4 * np.median(distances[:, -1])  # far outliers have no neighbourhood
    return points[flat], vectors[flat][:, :, 0]


def refine_up(up: Float[np.ndarray, "3"], normals: Float[np.ndarray, "m 3"]) -> tuple[Float[np.ndarray, "3"], float]:
    """Up turned until most planes are level or upright, and the share of the normals that then are, within 3°.

    Walls are upright and floors level in what people build; nature, where few are, keeps the up of the cameras.
    """
    start = up
    if len(normals) < 100:
        return up, 0.0
    for limit_deg in (15, 12, 9, 7, 5, 4, 3, 3, 3, 3):
        along = normals @ up
        limit = np.sin(np.radians(limit_deg))
        upright, level = np.abs(along) < limit, np.abs(along) > np.sqrt(1 - limit**2)
        scatter = normals[upright].T @ normals[upright] - normals[level].T @ normals[level]
        candidate = np.linalg.eigh(scatter)[1][:, 0]
        up = _unit(candidate * np.sign(candidate @ start))
    along = np.abs(normals @ up)
    limit = np.sin(np.radians(3))
    share = float(((along < limit) | (along > np.sqrt(1 - limit**2))).mean())
    if up @ start < np.cos(np.radians(15)):
        return start, 0.0
    return up, share


def find_floor(
    points: Float[np.ndarray, "n 3"],
    flat_points: Float[np.ndarray, "m 3"],
    flat_up: Float[np.ndarray, "m 3"],
    up: Float[np.ndarray, "3"],
    centres: Float[np.ndarray, "c 3"],
    unit: float,
) -> Floor | None:
    """The lowest level below the cameras that holds many level points and is wide; None where there is none.

    Reflections and mismatches put points under a floor, but thinly; tables stand above it.
    """
    level = flat_points[np.abs(flat_up @ up) > np.cos(np.radians(15))]
    level = level[level @ up < np.quantile(centres @ up, 0.1)]
    if len(level) < FEWEST:
        return None
    bin_size = 0.01 * unit
    up = _sharpest_up(level, up, 2 * bin_size)
    heights = level @ up
    density = _density(heights, bin_size)
    spread = _spread(points, up)
    peaks = np.flatnonzero((density >= np.r_[0, density[:-1]]) & (density >= np.r_[density[1:], 0]))
    for peak in peaks[density[peaks] >= FLOOR_SHARE * density.max()]:
        floor = _fit_plane(level, up, float(heights.min()) + (peak + 0.5) * bin_size, bin_size)
        near = level[np.abs(level @ floor.normal - floor.height) < 2 * bin_size]
        if len(near) >= FEWEST and _spread(near, up) > 0.1 * spread and floor.normal @ up > np.cos(np.radians(5)):
            return floor
    return None


def _density(heights: Float[np.ndarray, " m"], bin_size: float) -> Float[np.ndarray, " bins"]:
    """Points per level of a width, smoothed."""
    histogram = np.bincount(((heights - heights.min()) / bin_size).astype(np.int64))
    return np.convolve(histogram, [0.25, 0.5, 1, 0.5, 0.25])[2:-2]


def _sharpest_up(level: Float[np.ndarray, "m 3"], up: Float[np.ndarray, "3"], bin_size: float) -> np.ndarray:
    """Up turned by up to 4° until the level points fall onto the fewest levels: floors, tables and beds are parallel.

    Seen along an up that is 1° wrong, a floor 10 m wide is a slope of 17 cm, in which no level stands out.
    """
    x = np.cross(np.eye(3)[int(np.argmin(np.abs(up)))], up)
    x /= np.linalg.norm(x)
    y = np.cross(up, x)
    best = np.zeros(2)
    for step_deg, steps in ((0.5, 8), (0.1, 6)):
        grid = (
            np.radians(step_deg) * np.stack(np.meshgrid(*[np.arange(-steps, steps + 1)] * 2), -1).reshape(-1, 2) + best
        )
        ups = [_unit(up + a * x + b * y) for a, b in np.tan(grid)]
        best = grid[int(np.argmax([(_density(level @ candidate, bin_size) ** 2).sum() for candidate in ups]))]
    return _unit(up + np.tan(best[0]) * x + np.tan(best[1]) * y)


def _spread(points: Float[np.ndarray, "n 3"], up: Float[np.ndarray, "3"]) -> float:
    """Median horizontal distance from the median point."""
    horizontal = points - np.outer(points @ up, up)
    return float(np.median(np.linalg.norm(horizontal - np.median(horizontal, axis=0), axis=1)))


def _fit_plane(points: Float[np.ndarray, "n 3"], up: Float[np.ndarray, "3"], height: float, width: float) -> Floor:
    """The plane through the points near a level, by reweighted least squares with a shrinking band."""
    normal = up
    # The band is wide first, for a level that is tilted against `up` leaves a narrow one away from its middle.
    for band in (4 * width, 3 * width, 2 * width, 1.5 * width, width, width, width):
        distance = points @ normal - height
        weight = np.maximum(0, 1 - (distance / band) ** 2) ** 2
        if weight.sum() < 10:
            break
        centre = (points * weight[:, None]).sum(0) / weight.sum()
        offset = points - centre
        vector = np.linalg.eigh((offset * weight[:, None]).T @ offset)[1][:, 0]
        vector = vector * np.sign(vector @ up)
        if vector @ up < np.cos(np.radians(8)):
            break
        normal, height = vector, float(centre @ vector)
    distance = np.abs(points @ normal - height)
    near = distance < width
    return Floor(normal, height, int(near.sum()), float(np.median(distance[near])) if near.any() else width)


def ground_below(
    points: Float[np.ndarray, "n 3"], centres: Float[np.ndarray, "c 3"], radius: float
) -> Float[np.ndarray, " c"]:
    """Height of the ground (z) around the foot of each camera, z up: a low quantile of the points near by, else NaN."""
    from scipy.spatial import cKDTree

    tree = cKDTree(points[:, :2])
    ground = np.full(len(centres), np.nan)
    for number, near in enumerate(tree.query_ball_point(centres[:, :2], radius)):
        heights = points[near, 2]
        heights = heights[heights < centres[number, 2]]
        if len(heights) >= 10:
            ground[number] = np.quantile(heights, 0.1)
    return ground


def wall_yaw(normals: Float[np.ndarray, "m 3"], upright: Bool[np.ndarray, " m"]) -> tuple[float, float]:
    """Direction of the walls in [0, π/2), z up, and the share of the upright normals that agree with it within 5°."""
    angles = np.arctan2(normals[upright][:, 1], normals[upright][:, 0]) % (np.pi / 2)
    if len(angles) < 50:
        return 0.0, 0.0
    histogram = np.bincount((angles / (np.pi / 2) * 90).astype(np.int64) % 90, minlength=90).astype(np.float64)
    smooth = sum(np.roll(histogram, k) * (3 - abs(k)) for k in range(-2, 3))
    best = (float(np.argmax(smooth)) + 0.5) * np.pi / 180
    for _ in range(5):
        apart = (angles - best + np.pi / 4) % (np.pi / 2) - np.pi / 4
        near = np.abs(apart) < np.radians(5)
        if not near.any():
            break
        best += float(np.median(apart[near]))
    return best % (np.pi / 2), float(near.mean())
