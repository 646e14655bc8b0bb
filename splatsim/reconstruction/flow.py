"""How far the picture moves from frame to frame, as coarse flow fields through which points can be followed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

SIDE = 384
"""Longest side at which flow is worked out, pixels."""
CELLS = (12, 16)
"""Rows and columns of a flow field."""
_PARTICLES = (6, 8)
_TEXTURED = 4.0
"""Standard deviation of the brightness in a cell from which on it can be matched, steps of 255."""
_ALIKE = 0.6
"""Correlation from which on two cells show the same thing."""


@dataclass(frozen=True)
class Step:
    """What happened from one frame to the next."""

    field: Float32[np.ndarray, "12 16 2"]
    """Mean shift in each cell, x and y, as shares of width and height."""
    tracked: float
    """Share of the textured cells that show the same thing after the shift; 1 where nothing is textured."""
    textured: float
    """Share of the cells that have texture."""
    gain: float
    """Median ratio of the brightness after to before."""


@contextmanager
def single_thread() -> Iterator[None]:
    """Run OpenCV in one thread: its flow shares work out in stripes, and what it finds would depend on their number."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def measure_step(
    before: UInt8[np.ndarray, "h w"], after: UInt8[np.ndarray, "h w"], mask: Bool[np.ndarray, "h w"] | None = None
) -> Step:
    """Dense inverse search (Kroeger et al. 2016) between two pictures of at most SIDE pixels, where the mask counts."""
    height, width = before.shape
    if min(height, width) < 16:
        return Step(np.zeros((*CELLS, 2), np.float32), 1.0, 0.0, 1.0)
    unmoved = np.zeros((height, width, 2), np.float32)
    flow = np.asarray(cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(before, after, unmoved))
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    warped = cv2.remap(after, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR, borderValue=0)
    correlation, spread = _correlate(before.astype(np.float32), warped.astype(np.float32))
    inside = _arrives(flow) & (True if mask is None else _cells(mask.astype(np.float32)) > 0.5)
    textured = (spread > _TEXTURED) & inside
    good = textured & (correlation > _ALIKE)
    tracked = float(good.sum() / textured.sum()) if textured.any() else 1.0
    field = _cells(flow) / np.array([width, height], np.float32)
    return Step(field.astype(np.float32), tracked, float(textured.mean()), _gain(before, warped, good))


def _cells(values: Float32[np.ndarray, "h w *c"]) -> Float32[np.ndarray, "12 16 *c"]:
    means: Float32[np.ndarray, "12 16 *c"] = cv2.resize(values, CELLS[::-1], interpolation=cv2.INTER_AREA)
    return means


def _arrives(flow: Float32[np.ndarray, "h w 2"]) -> Bool[np.ndarray, "12 16"]:
    """Cells that are still in the picture after the shift."""
    height, width, _ = flow.shape
    target = cell_centres() + _cells(flow) / np.array([width, height], np.float32)
    return np.asarray(((target > 0) & (target < 1)).all(axis=-1))


def cell_centres(shape: tuple[int, int] = CELLS) -> Float32[np.ndarray, "r c 2"]:
    """Centres of the cells, x and y, as shares of width and height."""
    rows, columns = shape
    x, y = np.meshgrid((np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows)
    return np.stack([x, y], axis=-1).astype(np.float32)


def _correlate(
    a: Float32[np.ndarray, "h w"], b: Float32[np.ndarray, "h w"]
) -> tuple[Float32[np.ndarray, "12 16"], Float32[np.ndarray, "12 16"]]:
    """Correlation of two pictures in each cell, and the smaller standard deviation of the two."""
    mean_a, mean_b = _cells(a), _cells(b)
    variance_a = np.maximum(_cells(a * a) - mean_a**2, 1e-6)
    variance_b = np.maximum(_cells(b * b) - mean_b**2, 1e-6)
    covariance = _cells(a * b) - mean_a * mean_b
    return covariance / np.sqrt(variance_a * variance_b), np.sqrt(np.minimum(variance_a, variance_b))


def _gain(before: UInt8[np.ndarray, "h w"], warped: UInt8[np.ndarray, "h w"], good: Bool[np.ndarray, "12 16"]) -> float:
    """Brightness after over before, in cells that show the same thing and are neither black nor burnt out."""
    a, b = _cells(before.astype(np.float32)), _cells(warped.astype(np.float32))
    usable = good & (np.minimum(a, b) > 16) & (np.maximum(a, b) < 235)
    return float(np.median(b[usable] / a[usable])) if usable.sum() >= 8 else 1.0


class Drift:
    """Points spread over one frame and followed through the steps after it."""

    def __init__(self) -> None:
        self._start = cell_centres(_PARTICLES).reshape(-1, 2)
        self._now = self._start.copy()
        self.worst_tracked = 1.0
        """Lowest share of cells that any step so far could follow."""
        self.inside = 1.0
        """Share of the points that are still in the picture."""
        self.distance = 0.0
        """Median distance from the start of the points still in the picture, as a share of width and height."""

    def advance(self, step: Step) -> None:
        """Move the points by one step, by the field between its cells; at the edge it continues unchanged."""
        rows, columns = CELLS
        x, y = (self._now * (columns, rows) - 0.5).clip(0, (columns - 1, rows - 1)).T
        left, top = x.astype(int).clip(max=columns - 2), y.astype(int).clip(max=rows - 2)
        u, v = (x - left)[:, None], (y - top)[:, None]
        upper = step.field[top, left] * (1 - u) + step.field[top, left + 1] * u
        lower = step.field[top + 1, left] * (1 - u) + step.field[top + 1, left + 1] * u
        self._now = self._now + upper * (1 - v) + lower * v
        visible = ((self._now >= 0) & (self._now <= 1)).all(axis=1)
        moved = np.linalg.norm(self._now - self._start, axis=1)
        self.inside = float(visible.mean())
        self.distance = float(np.median(moved[visible] if self.inside > 0.3 else moved))
        self.worst_tracked = min(self.worst_tracked, step.tracked)
