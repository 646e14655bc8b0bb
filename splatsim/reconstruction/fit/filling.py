"""Filling: more points to start from, where the triangulated ones are thin.

Where a picture has a patch on which no point falls, one is put there: at a depth between those of the points around it,
in the colour of the picture; or at the depth that stereo found there. Pictures later in line see it already, so each
part of the scene is filled once.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from scipy.spatial import KDTree
from torch import Tensor

from splatsim.reconstruction.capture import Capture
from splatsim.reconstruction.fit.pictures import Pictures
from splatsim.reconstruction.fit.stereo import Stereo

FEWEST_SEEN = 8
"""A picture in which fewer points are seen says nothing about depth."""
FEWEST_PATCHES = 6
NEIGHBOURS = 4
"""Seen points whose depths are mixed."""
SAME_SURFACE = 0.3
"""Points within this share of the depth cover a patch; others lie before or behind."""


def fill_thin_places(
    capture: Capture,
    pictures: Pictures,
    indices: list[int],
    *,
    patches: int,
    most: int,
    stereo: Stereo | None = None,
) -> tuple[Float[Tensor, "m 3"], UInt8[Tensor, "m 3"]]:
    """Positions and colours of the new points, at most `most` of them.

    Args:
        capture: Poses and points.
        pictures: Colours.
        indices: Pictures that may be looked at.
        patches: A picture's long side has so many; fewer, where that would be too many points.
        most: An upper bound.
        stereo: Depths, where they are known.
    """
    while patches >= FEWEST_PATCHES:
        found = _fill(capture, pictures, indices, patches, most, stereo)
        if found is not None:
            return found
        patches = patches * 3 // 4
    return torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.uint8)


def _fill(
    capture: Capture, pictures: Pictures, indices: list[int], patches: int, most: int, stereo: Stereo | None
) -> tuple[Float[Tensor, "m 3"], UInt8[Tensor, "m 3"]] | None:
    """All pictures in turn, or None where that would be too many points."""
    points, colors = [capture.points.numpy().astype(np.float64)], [np.zeros((0, 3), np.uint8)]
    count = 0
    for index in indices:
        positions, shown = _fill_one(capture, pictures, index, patches, np.concatenate(points), stereo)
        count += len(positions)
        if count > most:
            return None
        points.append(positions)
        colors.append(shown)
    new = np.concatenate(points)[len(capture.points) :]
    return torch.from_numpy(new).float(), torch.from_numpy(np.concatenate(colors))


def _fill_one(
    capture: Capture,
    pictures: Pictures,
    index: int,
    patches: int,
    points: Float[np.ndarray, "p 3"],
    stereo: Stereo | None,
) -> tuple[Float[np.ndarray, "m 3"], UInt8[np.ndarray, "m 3"]]:
    nothing = np.zeros((0, 3)), np.zeros((0, 3), np.uint8)
    viewmat, K = capture.viewmats[index].numpy().astype(np.float64), capture.Ks[index].numpy().astype(np.float64)
    seen = capture.observations[capture.observations[:, 0] == index, 1].numpy()
    pixels, depths = _project(capture.points.numpy()[seen], viewmat, K)
    pixels, depths = pixels[depths > 0], depths[depths > 0]
    if len(depths) < FEWEST_SEEN:
        return nothing
    width, height = capture.sizes[index]
    side = max(width, height) / patches
    columns, rows = int(np.ceil(width / side)), int(np.ceil(height / side))
    x, y = np.meshgrid((np.arange(columns) + 0.5) * side, (np.arange(rows) + 0.5) * side)
    centers = np.stack([x.ravel(), y.ravel()], axis=1)
    expected = _mixed_depths(centers, pixels, depths)
    if stereo is not None:
        known = stereo.at(index, centers / (width, height))
        expected = np.where(known > 0, known, expected)
    thin = ~_covered(points, viewmat, K, side, (columns, rows), expected) & _inside(pictures, index, centers)
    rays = np.concatenate([(centers[thin] - K[:2, 2]) / K[[0, 1], [0, 1]], np.ones((thin.sum(), 1))], axis=1)
    positions = (rays * expected[thin, None] - viewmat[:3, 3]) @ viewmat[:3, :3]
    return positions, _colors(pictures, index, centers[thin])


def _project(
    points: Float[np.ndarray, "p 3"], viewmat: Float[np.ndarray, "4 4"], K: Float[np.ndarray, "3 3"]
) -> tuple[Float[np.ndarray, "p 2"], Float[np.ndarray, " p"]]:
    """Pixels and depths; the pixels of points that are not in front mean nothing."""
    local = points @ viewmat[:3, :3].T + viewmat[:3, 3]
    depths = local[:, 2]
    return local[:, :2] / np.where(depths > 0, depths, 1)[:, None] * K[[0, 1], [0, 1]] + K[:2, 2], depths


def _mixed_depths(
    centers: Float[np.ndarray, "m 2"], pixels: Float[np.ndarray, "s 2"], depths: Float[np.ndarray, " s"]
) -> Float[np.ndarray, " m"]:
    """Inverse depths of the nearest seen points, by their inverse distance."""
    distances, nearest = KDTree(pixels).query(centers, k=NEIGHBOURS)
    weights = 1 / (distances + 1.0)
    mixed: Float[np.ndarray, " m"] = weights.sum(1) / (weights / depths[nearest]).sum(1)
    return mixed


def _covered(
    points: Float[np.ndarray, "p 3"],
    viewmat: Float[np.ndarray, "4 4"],
    K: Float[np.ndarray, "3 3"],
    side: float,
    shape: tuple[int, int],
    expected: Float[np.ndarray, " m"],
) -> Bool[np.ndarray, " m"]:
    """Patches on which a point falls, near the depth that is expected there."""
    pixels, depths = _project(points, viewmat, K)
    columns, rows = shape
    patch = np.floor(pixels / side).astype(np.int64)
    inside = (depths > 0) & (patch >= 0).all(1) & (patch < (columns, rows)).all(1)
    place = patch[inside, 1] * columns + patch[inside, 0]
    near = np.abs(depths[inside] / expected[place] - 1) < SAME_SURFACE
    covered = np.zeros(len(expected), dtype=bool)
    covered[place[near]] = True
    return covered


def _inside(pictures: Pictures, index: int, centers: Float[np.ndarray, "m 2"]) -> Bool[np.ndarray, " m"]:
    """Centres that lie in the picture, where it counts."""
    width, height = pictures.size(index)
    inside = (centers[:, 0] < width) & (centers[:, 1] < height)
    mask = pictures.mask(index)
    if mask is not None:
        x, y = (np.minimum(centers, (width - 1, height - 1))).astype(np.int64).T
        inside &= mask.cpu().numpy()[y, x]
    return np.asarray(inside)


def _colors(pictures: Pictures, index: int, centers: Float[np.ndarray, "m 2"]) -> UInt8[np.ndarray, "m 3"]:
    """Of the picture at a quarter of its size."""
    width, height = pictures.size(index, 4)
    x, y = np.minimum(centers / 4, (width - 1, height - 1)).astype(np.int64).T
    small = (255 * pictures.picture(index, 4).cpu().numpy()).round().astype(np.uint8)
    return np.asarray(small[y, x])
