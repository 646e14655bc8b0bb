"""Keypoints of several cameras to places in the world: weighted, robust, and saying how sure they are."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from splatsim.avatar.fitting.keypoints import Keypoints
from splatsim.avatar.fitting.views import Views, project

LEAST_SCORE = 0.25
"""Keypoints that the detector is less sure of are not used."""
ROUNDS = 4


@dataclass(frozen=True, eq=False)
class Triangulation:
    """Places of one person's keypoints in the world."""

    points: Float[np.ndarray, "t k 3"]
    """Metres; nan where fewer than two cameras agree."""
    weights: Float[np.ndarray, "t c k"]
    """What each camera's keypoint counted, 0 for those left out."""
    errors: Float[np.ndarray, "t c k"]
    """Distance between keypoint and projected place, pixels; nan where one of them is missing."""

    def median_error(self) -> float:
        """Over all keypoints that the detector is sure of, pixels, those left out included."""
        return float(np.nanmedian(self.errors)) if np.isfinite(self.errors).any() else float("nan")


def triangulate_person(views: Views, keypoints: Keypoints, *, tolerance: float | None = None) -> Triangulation:
    """Places by weighted least squares of viewing rays, with cameras that contradict the others left out.

    In each round weights fall with the square of the error (Geman-McClure); where three cameras or more see a keypoint
    each is left out once, and stays out if the rest then agree on less than half of their error.

    Args:
        views: Their number of times and cameras is that of the keypoints.
        keypoints: Of one person.
        tolerance: Error at which a keypoint counts half, pixels; 1 % of the picture's long side by default.
    """
    _check_counts(views, keypoints)
    places, scores = keypoints.places[:, :, 0], keypoints.scores[:, :, 0]
    soft = (
        0.01 * np.array([max(size) for size in views.sizes])
        if tolerance is None
        else np.full(len(views.names), tolerance)
    )
    trusted = np.where(scores >= LEAST_SCORE, scores, 0.0)
    weights = trusted * _contradicting(views, places, trusted, soft)
    kept = weights.copy()
    points = nearest_points(views, places, weights)
    for _ in range(ROUNDS):
        errors = _errors(views, points, places)
        weights = kept / (1 + (np.nan_to_num(errors, nan=0.0) / soft[:, None]) ** 2)
        points = nearest_points(views, places, weights)
    errors = np.where(trusted > 0, _errors(views, points, places), np.nan)
    return Triangulation(points, weights, errors)


def _contradicting(
    views: Views, places: np.ndarray, weights: np.ndarray, soft: np.ndarray
) -> Bool[np.ndarray, "t c k"]:
    """False for the one camera of three or more without which the others agree much better."""
    everything = _cost(views, places, weights, soft)
    kept = np.ones(weights.shape, bool)
    without = []
    for camera in range(len(views.names)):
        fewer = weights.copy()
        fewer[:, camera] = 0
        cost = _cost(views, places, fewer, soft)
        enough = ((fewer > 0).sum(1) >= 2) & (weights[:, camera] > 0)
        without.append(np.where(enough, cost, np.inf))
    best = np.argmin(without, 0)
    gain = np.min(without, 0) < 0.25 * everything
    bad = gain & (everything > 1.0) & ((weights > 0).sum(1) >= 3)
    t, k = np.nonzero(bad)
    kept[t, best[t, k], k] = False
    return kept


def _cost(views: Views, places: np.ndarray, weights: np.ndarray, soft: np.ndarray) -> Float[np.ndarray, "t k"]:
    """Weighted mean square of the errors in units of the tolerance."""
    errors = _errors(views, nearest_points(views, places, weights), places) / soft[:, None]
    sums = weights.sum(1)
    cost: Float[np.ndarray, "t k"] = (weights * np.nan_to_num(errors, nan=1e3) ** 2).sum(1) / np.where(
        sums > 0, sums, 1
    )
    return cost


def nearest_points(views: Views, places: np.ndarray, weights: np.ndarray) -> Float[np.ndarray, "t k 3"]:
    """The point nearest to all viewing rays in pixels: two rounds of weighted direct linear transforms.

    Each row is divided by the depth of the last round, so that the algebraic error becomes that in the picture
    (Hartley & Zisserman 2004, 12.2).
    """
    projections = views.Ks @ views.viewmats[..., :3, :]
    usable = (weights > 0).sum(1) >= 2
    scale = np.ones(weights.shape)
    points = np.full((*usable.shape, 3), np.nan)
    for _ in range(3):
        factor = np.sqrt(weights) / scale
        rows = [
            factor[..., None] * (places[..., axis, None] * projections[:, :, None, 2] - projections[:, :, None, axis])
            for axis in (0, 1)
        ]
        system = np.concatenate(rows, axis=1).swapaxes(1, 2)  # t k 2c 4
        left, right = system[..., :3], -system[..., 3]
        normal = np.swapaxes(left, -1, -2) @ left
        normal[~usable] = np.eye(3)
        points = np.linalg.solve(normal, (np.swapaxes(left, -1, -2) @ right[..., None]))[..., 0]
        points[~usable] = np.nan
        depth = np.einsum("tcj,tkj->tck", views.viewmats[..., 2, :3], points) + views.viewmats[..., 2, 3][..., None]
        scale = np.maximum(np.nan_to_num(depth, nan=1.0), 1e-2)
    return points


def _errors(views: Views, points: np.ndarray, places: np.ndarray) -> Float[np.ndarray, "t c k"]:
    errors: Float[np.ndarray, "t c k"] = np.linalg.norm(project(views, points) - places, axis=-1)
    return errors


def refine_cameras(views: Views, keypoints: Keypoints, *, rounds: int = 10) -> Views:
    """Cameras that stand still, turned and moved a little so that the person's keypoints agree in all of them.

    Alternates triangulation with a small motion of each camera against the triangulated points; the whole is refused
    where it does not lower the median error.
    """
    moved = views
    for _ in range(rounds):
        found = triangulate_person(moved, keypoints)
        known = (found.weights > 0) & np.isfinite(found.points[:, None, :, 0])
        for camera in range(len(views.names)):
            moved = resected(moved, keypoints, camera, found.points, known[:, camera])
    before = triangulate_person(views, keypoints).median_error()
    return moved if triangulate_person(moved, keypoints).median_error() < before else views


FEWEST_FOR_CAMERA = 20


def resected(
    views: Views, keypoints: Keypoints, camera: int, points: Float[np.ndarray, "t k 3"], known: Bool[np.ndarray, "t k"]
) -> Views:
    """One camera turned and moved so that points of the world fall on its keypoints.

    A motion of 2 degrees or 3 cm costs as much as one keypoint's error of the tolerance. With fewer than 20 keypoints
    the camera stays where it is.
    """
    from scipy.optimize import least_squares
    from scipy.spatial.transform import Rotation

    used = known & np.isfinite(points[..., 0]) & (keypoints.scores[:, camera, 0] >= LEAST_SCORE)
    if used.sum() < FEWEST_FOR_CAMERA:
        return views
    weights = np.sqrt(keypoints.scores[:, camera, 0][used])[:, None]
    before, K = views.viewmats[np.nonzero(used)[0], camera], views.Ks[camera]
    local = (before[:, :3, :3] @ points[used][..., None])[..., 0] + before[:, :3, 3]
    places, soft = keypoints.places[:, camera, 0][used], 0.01 * max(views.sizes[camera])

    def residuals(motion: np.ndarray) -> np.ndarray:
        there = local @ Rotation.from_rotvec(motion[:3]).as_matrix().T + motion[3:]
        pixels = (there @ K.T)[:, :2] / np.maximum(there[:, 2:], 1e-3)
        data = (weights * (pixels - places) / soft).ravel()
        return np.concatenate([data, motion[:3] / np.radians(2), motion[3:] / 0.03])

    motion = least_squares(residuals, np.zeros(6), loss="soft_l1").x
    turn = np.eye(4)
    turn[:3, :3], turn[:3, 3] = Rotation.from_rotvec(motion[:3]).as_matrix(), motion[3:]
    viewmats = views.viewmats.copy()
    viewmats[:, camera] = turn @ viewmats[:, camera]
    return replace(views, viewmats=viewmats)


def _check_counts(views: Views, keypoints: Keypoints) -> None:
    if keypoints.places.shape[:2] != views.viewmats.shape[:2]:
        t, c = keypoints.places.shape[:2]
        raise ValueError(
            f"the keypoints have {t} frames of {c} cameras, the calibration {views.times} of {len(views.names)}; "
            "expected as many."
        )
