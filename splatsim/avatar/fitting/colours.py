"""How bright still cameras show the same things: gains by the floor that several of them see, without the person.

The floor is the level plane on which the cameras' pictures agree best; pairs of cameras are compared where they agree
there, and the gains of all cameras follow from the pairs by least squares.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from splatsim.avatar.fitting.masks import Background
from splatsim.avatar.fitting.views import Views
from splatsim.gaussians import Gaussians
from splatsim.spherical_harmonics import C0

HEIGHTS = np.arange(-0.5, 0.51, 0.05)
"""Of the floor, metres: it should be near 0, but calibrations differ."""
REACH, CELL = 4.0, 0.02
"""Half the side of the square that is looked at, and the side of its cells, metres."""
WINDOW = 15
"""Cells of a patch that is compared."""
AGREEMENT, LEAST_DEVIATION = 0.6, 3.0
"""Least correlation of patches, and least standard deviation of a patch that has any, of 255."""
FEWEST_CELLS = 1500
DARKEST, BRIGHTEST = 12, 245
"""Of 255; beyond, ratios say nothing."""
GREY_SH = 0.5 / C0
"""Half of the brightest, as the first SH coefficient has it: what SH of zero show."""
PRIOR = 0.3
"""Standard deviation of the logarithm of a gain before anything was seen."""
PAIR = 0.05
"""Standard deviation of the logarithm of a pair's ratio."""


@dataclass(frozen=True, eq=False)
class _Top:
    """The square as one camera shows it from above."""

    picture: Float[np.ndarray, "s s 3"]
    known: Bool[np.ndarray, "s s"]


def floor_gains(
    backgrounds: list[Background | None], views: Views, centre: Float[np.ndarray, " 2"]
) -> Float[np.ndarray, "c 3"]:
    """What each camera's colours are, times those of all cameras' mean; 1 for cameras that share no floor.

    Args:
        backgrounds: Of each camera, of the size of its view; None where it is not known.
        views: Of cameras that stand still.
        centre: Of the square that is looked at.
    """
    cameras = [c for c, background in enumerate(backgrounds) if background is not None]
    best: tuple[int, list[tuple[int, int, np.ndarray]]] = (0, [])
    for height in HEIGHTS:
        tops = {c: _from_above(backgrounds[c], views, c, centre, float(height)) for c in cameras}
        pairs = [(a, b, _agreeing(tops[a], tops[b])) for a in cameras for b in cameras if a < b]
        count = sum(int(agree.sum()) for _, _, agree in pairs)
        if count > best[0]:
            ratios = [(a, b, _ratio(tops[a], tops[b], agree)) for a, b, agree in pairs if agree.sum() > FEWEST_CELLS]
            best = (count, ratios)
    return _gains(best[1], len(backgrounds))


def _from_above(
    background: Background | None, views: Views, camera: int, centre: Float[np.ndarray, " 2"], height: float
) -> _Top:
    import cv2

    assert background is not None
    marks = np.arange(-REACH, REACH, CELL)
    x, y = np.meshgrid(centre[0] + marks, centre[1] + marks)
    viewmat, K = views.viewmats[0, camera], views.Ks[camera]
    local = np.stack([x, y, np.full_like(x, height)], -1) @ viewmat[:3, :3].T + viewmat[:3, 3]
    ahead = local[..., 2] > 0.2
    pixels = (local @ K.T)[..., :2] / np.where(ahead, local[..., 2], 1.0)[..., None] - 0.5
    u, v = (pixels[..., axis].astype(np.float32) for axis in (0, 1))
    seen = cv2.remap(background.picture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT).astype(np.float32)
    width, height_px = views.sizes[camera]
    inside = ahead & (u >= 0) & (v >= 0) & (u <= width - 1) & (v <= height_px - 1)
    known = cv2.remap(background.known.astype(np.uint8), u, v, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    return _Top(cv2.GaussianBlur(seen, (0, 0), 1.0), inside & (known > 0))


def _agreeing(a: _Top, b: _Top) -> Bool[np.ndarray, "s s"]:
    """Where two cameras show the same: around patches that correlate."""
    import cv2

    def mean(values: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.blur(values, (WINDOW, WINDOW)))

    grey_a, grey_b = a.picture.mean(-1), b.picture.mean(-1)
    mean_a, mean_b = mean(grey_a), mean(grey_b)
    own_a, own_b = mean(grey_a**2) - mean_a**2, mean(grey_b**2) - mean_b**2
    both = mean(grey_a * grey_b) - mean_a * mean_b
    textured = (own_a > LEAST_DEVIATION**2) & (own_b > LEAST_DEVIATION**2)
    correlated = textured & (both > AGREEMENT * np.sqrt(np.maximum(own_a * own_b, 1e-6))) & a.known & b.known
    around = cv2.dilate(correlated.astype(np.uint8), np.ones((WINDOW, WINDOW))) > 0
    known = around & a.known & b.known
    agreeing: Bool[np.ndarray, "s s"] = known & _usable(a.picture) & _usable(b.picture)
    return agreeing


def _usable(picture: Float[np.ndarray, "s s 3"]) -> Bool[np.ndarray, "s s"]:
    usable: Bool[np.ndarray, "s s"] = (picture.min(-1) > DARKEST) & (picture.max(-1) < BRIGHTEST)
    return usable


def _ratio(a: _Top, b: _Top, agree: Bool[np.ndarray, "s s"]) -> Float[np.ndarray, " 3"]:
    """The median logarithm of what b shows, divided by what a does."""
    ratio: Float[np.ndarray, " 3"] = np.median(np.log(b.picture[agree] / a.picture[agree]), axis=0).astype(np.float64)
    return ratio


def _gains(ratios: list[tuple[int, int, np.ndarray]], cameras: int) -> Float[np.ndarray, "c 3"]:
    normal, right = np.eye(cameras) / PRIOR**2, np.zeros((cameras, 3))
    for a, b, ratio in ratios:
        row = np.zeros(cameras)
        row[a], row[b] = -1.0, 1.0
        normal += np.outer(row, row) / PAIR**2
        right += row[:, None] * ratio / PAIR**2
    gains: Float[np.ndarray, "c 3"] = np.exp(np.linalg.solve(normal, right))
    return gains


def tinted(gaussians: Gaussians, gain: Float[Tensor, " 3"]) -> Gaussians:
    """The Gaussians with their colours times a gain."""
    first = (gaussians.sh[:, :1] + GREY_SH) * gain - GREY_SH
    return gaussians.replace(sh=torch.cat([first, gaussians.sh[:, 1:] * gain], 1))
