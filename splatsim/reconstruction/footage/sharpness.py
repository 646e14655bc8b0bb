"""How sharp, how bright and how rich in corners a picture is."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

SIDE = 960
"""Longest side at which pictures are examined: blur of two pixels at 1600 still shows."""
TILES = 8
"""Tiles along each side."""
_CORNER_CONTRAST = 12
"""Steps of 255 by which a corner stands out, after smoothing that takes sensor noise away."""


@dataclass(frozen=True)
class Quality:
    """What one picture is good for."""

    sharpness: float
    """90th percentile over tiles of the variance of the Laplacian: soft backgrounds do not count against it."""
    contrast: float
    """90th percentile over tiles of the variance of the brightness: blur takes little of it."""
    mean: float
    """Brightness, 0 to 255."""
    bright: float
    """99th percentile of the brightness."""
    corners: int
    """Points that could be tracked (FAST), at half of SIDE."""

    @property
    def crispness(self) -> float:
        """Sharpness over contrast: falls with blur, and depends less on what is seen."""
        return self.sharpness / max(self.contrast, 1e-6)

    @property
    def is_black(self) -> bool:
        """A covered lens or the dark between two takes."""
        return self.bright < 32


def fit_within(image: UInt8[np.ndarray, "..."], side: int) -> UInt8[np.ndarray, "..."]:
    """The picture scaled down, by the mean over areas, to at most `side` pixels."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def assess(gray: UInt8[np.ndarray, "h w"], mask: Bool[np.ndarray, "h w"] | None = None) -> Quality:
    """Examine one picture of at most SIDE pixels, where the mask counts."""
    half = fit_within(gray, SIDE // 2)
    pixels = gray if mask is None or not mask.any() else gray[mask]
    return Quality(
        sharpness=_tile_variance(cv2.Laplacian(gray, cv2.CV_32F), mask),
        contrast=_tile_variance(gray.astype(np.float32), mask),
        mean=float(pixels.mean()),
        bright=float(np.percentile(pixels, 99)),
        corners=_count_corners(half, mask),
    )


def _tile_variance(values: Float[np.ndarray, "h w"], mask: Bool[np.ndarray, "h w"] | None) -> float:
    """90th percentile of the variance in the tiles where the mask counts."""
    tiles = min(TILES, *values.shape)
    first, second = (_tile_means(part, tiles) for part in (values, values * values))
    variance = (second - first * first).ravel()
    if mask is not None:
        counted = _tile_means(mask.astype(np.float32), tiles).ravel() > 0.5
        variance = variance[counted] if counted.any() else variance
    return float(np.percentile(variance, 90))


def _tile_means(values: Float[np.ndarray, "h w"], tiles: int) -> Float[np.ndarray, "t t"]:
    means: Float[np.ndarray, "t t"] = cv2.resize(values, (tiles, tiles), interpolation=cv2.INTER_AREA)
    return means


def _count_corners(gray: UInt8[np.ndarray, "h w"], mask: Bool[np.ndarray, "a b"] | None) -> int:
    smooth = cv2.GaussianBlur(gray, (0, 0), 1.0)
    area = None
    if mask is not None:
        area = cv2.resize(mask.astype(np.uint8), gray.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return len(cv2.FastFeatureDetector.create(_CORNER_CONTRAST).detect(smooth, area))
