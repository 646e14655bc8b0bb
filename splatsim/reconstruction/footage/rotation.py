"""Pure rotation: a camera that turns on the spot sees no depth, and nothing can be reconstructed from it."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from splatsim.reconstruction.footage.sharpness import fit_within

_SIDE = 640
_TURN = 0.12
"""Median shift, share of the picture's longer side, from which on a turn is told from a shift of the camera."""
_TOLERANCE = 0.0025
"""Of the longer side: how far a point may lie from where a model puts it."""
_FEWEST = 40
_FOCALS = np.geomspace(0.4, 3.0, 17)
"""Focal lengths that are tried, in longer sides: 103° to 19°."""
_LONGEST = 2.0
"""Focal length, in longer sides, from which on a shift along a wall looks like a turn."""
_EXPLAINED = 0.9
"""Share of the points on the epipolar geometry that a turn alone has to explain."""


@dataclass(frozen=True)
class Turn:
    """What the points tracked between two frames say."""

    start: float
    """Seconds."""
    end: float
    """Seconds."""
    explained: float
    """Points that a rotation about the camera's centre explains, over those that any rigid motion explains."""
    focal: float
    """Focal length at which it explains most, in longer sides of the picture."""

    @property
    def is_pure(self) -> bool:
        """The camera turned and did not move, as far as the picture shows."""
        return self.explained >= _EXPLAINED and self.focal < _LONGEST


class TurnDetector:
    """Takes chosen frames in order, tracks points through them, and tells turns from motion.

    A homography fits a turn and a flat wall alike. Here the homography must be one of a turning camera,
    K R K⁻¹ (Hartley and Zisserman 2004, §8.4) with a plausible focal length, which a shift along a wall is not.
    """

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self._previous: UInt8[np.ndarray, "h w"] | None = None
        self._anchor_time = 0.0
        self._start = self._now = np.zeros((0, 2), np.float32)

    def restart(self) -> None:
        """Forget the frames so far: a cut."""
        self._previous = None

    def add(self, image: UInt8[np.ndarray, "h w 3"], time: float) -> None:
        """The next chosen frame."""
        gray = cv2.cvtColor(fit_within(image, _SIDE), cv2.COLOR_RGB2GRAY)
        if self._previous is None or self._previous.shape != gray.shape:
            self._anchor(gray, time)
            return
        self._track(self._previous, gray)
        self._previous = gray
        side = max(gray.shape)
        if len(self._now) < _FEWEST:
            self._anchor(gray, time)
        elif np.median(np.linalg.norm(self._now - self._start, axis=1)) >= _TURN * side:
            best = best_rotation(self._start, self._now, gray.shape)
            if best is not None:
                self.turns.append(Turn(self._anchor_time, time, *best))
            self._anchor(gray, time)

    def _anchor(self, gray: UInt8[np.ndarray, "h w"], time: float) -> None:
        corners = cv2.goodFeaturesToTrack(gray, 400, 0.005, 8)
        self._start = np.asarray([] if corners is None else corners, np.float32).reshape(-1, 2)
        self._now, self._previous, self._anchor_time = self._start, gray, time

    def _track(self, previous: UInt8[np.ndarray, "h w"], gray: UInt8[np.ndarray, "h w"]) -> None:
        if not len(self._now):
            return
        forward, found = _follow(previous, gray, self._now)
        back, found_back = _follow(gray, previous, forward)
        good = found & found_back & (np.linalg.norm(back - self._now, axis=1) < 1.0)
        self._start, self._now = self._start[good], forward[good]


def _follow(
    before: UInt8[np.ndarray, "h w"], after: UInt8[np.ndarray, "h w"], points: Float32[np.ndarray, "p 2"]
) -> tuple[Float32[np.ndarray, "p 2"], Bool[np.ndarray, " p"]]:
    """Where points went (Lucas and Kanade, over pyramids), and which of them were found."""
    went, found, _ = cv2.calcOpticalFlowPyrLK(before, after, points, np.zeros_like(points), maxLevel=5)
    return np.asarray(went, np.float32), np.asarray(found).ravel() == 1


def best_rotation(
    before: Float[np.ndarray, "p 2"], after: Float[np.ndarray, "p 2"], shape: tuple[int, ...]
) -> tuple[float, float] | None:
    """Share of the rigidly moving points that a rotation explains, and at which focal length, in longer sides.

    None where too few points move rigidly.
    """
    height, width = shape[:2]
    side = max(height, width)
    _, inliers = cv2.findFundamentalMat(before, after, cv2.FM_RANSAC, _TOLERANCE * side, 0.999)
    if inliers is None or inliers.sum() < _FEWEST:
        return None
    rigid, centre = np.asarray(inliers).ravel() == 1, np.array([width / 2, height / 2])
    a, b = (before[rigid] - centre) / side, (after[rigid] - centre) / side
    coarse = int(np.argmax([_rotation_share(a, b, focal) for focal in _FOCALS]))
    fine = np.geomspace(_FOCALS[max(0, coarse - 1)], _FOCALS[min(len(_FOCALS) - 1, coarse + 1)], 15)
    shares = [_rotation_share(a, b, focal) for focal in fine]
    best = int(np.argmax(shares))
    return shares[best], float(fine[best])


def _rotation_share(a: Float[np.ndarray, "p 2"], b: Float[np.ndarray, "p 2"], focal: float) -> float:
    """Share of the points within tolerance of the best rotation, found by trimming what does not fit."""
    rays_a, rays_b = (np.column_stack([points / focal, np.ones(len(points))]) for points in (a, b))
    rays_a, rays_b = (rays / np.linalg.norm(rays, axis=1, keepdims=True) for rays in (rays_a, rays_b))
    errors, kept = np.zeros(len(a)), np.ones(len(a), bool)
    for _ in range(6):
        u, _, vt = np.linalg.svd(rays_b[kept].T @ rays_a[kept])
        rotation = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
        turned = rays_a @ rotation.T
        projected = focal * turned[:, :2] / np.maximum(turned[:, 2:], 1e-6)
        errors = np.linalg.norm(projected - b, axis=1)
        kept = errors <= max(_TOLERANCE, float(np.median(errors)))
    return float((errors <= _TOLERANCE).mean())
