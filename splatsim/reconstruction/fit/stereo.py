"""Stereo: the depth of every picture from those that saw the same things, before anything is fitted.

A plane is swept through the depths that the triangulated points span; semi-global matching chooses among them. Planes
that may lean then make the depths finer. What other pictures do not bear out is left away.
"""

import math
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from tqdm import tqdm

from splatsim import native
from splatsim.formats._files import atomic_writer
from splatsim.formats.arrays import read_arrays, write_arrays
from splatsim.reconstruction.capture import Capture
from splatsim.reconstruction.fit.pictures import Pictures
from splatsim.reconstruction.fit.related import Relations, relations

WIDTH = 320
"""Pixels of the long side at which pictures are compared."""
LEVELS = (48, 160)
"""Fewest and most depths that are tried."""
AGREE = 0.02
"""Of a depth, by which two pictures may differ about a place."""
FEWEST_AGREE = 2
"""Other pictures that must see the place there."""
TARGETS = 6000
"""Pixels of a picture that give a depth to the fit."""
TOGETHER = 8
"""Pictures that are solved in one call."""
FILE = "stereo.npz"
FARTHEST = float(np.finfo(np.float16).max)
"""In the units of the poses: farther depths do not fit into the file."""


@dataclass(frozen=True, eq=False)
class Stereo:
    """Depths of the c pictures of a capture."""

    depths: Float[np.ndarray, "c h w"]
    """z-depth, in the units of the poses; 0 where it is not known."""
    sizes: Int[np.ndarray, "c 2"]
    """Columns and rows that each picture takes of it, from the first on."""

    def at(self, index: int, shares: Float[np.ndarray, "m 2"]) -> Float[np.ndarray, " m"]:
        """Depths at places of one picture, given as shares of its width and height; 0 where they are not known."""
        columns, rows = self.sizes[index]
        x, y = np.clip((shares * (columns, rows)).astype(np.int64), 0, (columns - 1, rows - 1)).T
        return np.asarray(self.depths[index][y, x])

    def on_canvas(self, sizes: Sequence[tuple[int, int]]) -> Float[np.ndarray, "c h w"]:
        """Depths of pictures of these widths and heights on the largest canvas, top left corners aligned, as cameras
        of several sizes are kept together."""
        width, height = (max(size[axis] for size in sizes) for axis in (0, 1))
        columns, rows = _small(width, height)
        x, y = (np.arange(columns) + 0.5) * width / columns, (np.arange(rows) + 0.5) * height / rows
        places = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
        found = np.zeros((len(sizes), rows, columns), np.float32)
        for index, size in enumerate(sizes):
            shares = places / size
            inside = (shares < 1).all(-1)
            found[index].reshape(-1)[inside] = self.at(index, shares[inside])
        return found

    def targets(self, index: int, size: tuple[int, int]) -> tuple[Int[np.ndarray, " m"], Float[np.ndarray, " m"]]:
        """Some pixels (row by row) of one picture at this size, the same ones each time, and their depths."""
        y, x = np.nonzero(self.depths[index])
        chosen = np.random.default_rng(index).permutation(len(y))[:TARGETS]
        y, x = y[chosen], x[chosen]
        width, height = size
        columns, rows = self.sizes[index]
        places = (y * 2 + 1) * height // (2 * rows) * width + (x * 2 + 1) * width // (2 * columns)
        places, first = np.unique(places, return_index=True)
        return places, self.depths[index][y[first], x[first]]


def kept_stereo(capture: Capture, pictures: Pictures, indices: list[int], folder: Path | None, identity: str) -> Stereo:
    """As `stereo_depths`, kept in a folder for those who come back.

    Args:
        identity: What must be the same for a kept file to be taken.
    """
    path = None if folder is None else folder / FILE
    if path is not None and path.is_file():
        try:
            arrays, facts = read_arrays(path)
            if facts["identity"] == identity:
                return Stereo(arrays["depths"].float().numpy(), arrays["sizes"].numpy())
        except (ValueError, KeyError, OSError, zipfile.BadZipFile):
            pass  # damaged: found again
    found = stereo_depths(capture, pictures, indices)
    if path is not None:
        with atomic_writer(path) as file:
            write_arrays(file, {"depths": found.depths.astype(np.float16), "sizes": found.sizes}, identity=identity)
    return found


def stereo_depths(capture: Capture, pictures: Pictures, indices: list[int]) -> Stereo:
    """Depths of these pictures, by these alone; of the others they stay unknown.

    Two pictures are compared by normalised cross-correlation; the depths that a picture takes cost least over it as a
    whole (Hirschmüller, "Stereo processing by semi-global matching and mutual information", 2008). Each pixel then
    takes the plane, its own or a neighbour's, that suits it best (Bleyer et al., "PatchMatch stereo", 2011). What stays
    is where pictures agree (Schönberger et al., "Pixelwise view selection for unstructured multi-view stereo", 2016).
    """
    found = relations(capture, indices)
    small = _small_pictures(capture, pictures, indices)
    rough = _swept(small, found)
    known = np.where(agreed(rough, small.viewmats, small.Ks, found.others), rough, 0).astype(np.float32)
    fine = _refined(small, found, rough, known)
    kept = np.where(agreed(fine, small.viewmats, small.Ks, found.others) & (fine < FARTHEST), fine, 0)
    depths = np.zeros((len(capture), *fine.shape[1:]), np.float32)
    sizes = np.ones((len(capture), 2), np.int64)
    depths[indices], sizes[indices] = kept.astype(np.float16), small.sizes  # as they are kept on disk
    return Stereo(depths, sizes)


def _swept(small: "_Small", found: Relations) -> Float[np.ndarray, "c h w"]:
    """By sweeping a plane; 0 where it cannot be told."""
    depths = np.zeros(small.grey.shape, np.float32)
    ranges, levels = _ranges(found, small.Ks)

    def solve(rows: Int[np.ndarray, " m"], out: Tensor) -> None:
        tasks = [torch.from_numpy(np.ascontiguousarray(a[rows])) for a in (found.compared, ranges, levels)]
        native.stereo(*small.shared, torch.from_numpy(rows), *tasks, out, threads=native.threads())

    _in_parts("stereo", _related(found), solve, depths)
    return depths


def _refined(
    small: "_Small", found: Relations, rough: Float[np.ndarray, "c h w"], known: Float[np.ndarray, "c h w"]
) -> Float[np.ndarray, "c h w"]:
    """The same depths made finer; where none was known, the nearest one is tried first."""
    rows = _related(found)
    rows = rows[(rough[rows] > 0).any((1, 2))]
    first = np.ones_like(rough)
    for row in rows:
        first[row] = _filled(rough[row])
    given = [torch.from_numpy(first), torch.from_numpy(known)]
    depths = np.zeros_like(rough)

    def solve(part: Int[np.ndarray, " m"], out: Tensor) -> None:
        tasks = [torch.from_numpy(np.ascontiguousarray(a)) for a in (part, found.compared[part])]
        native.refine_stereo(*small.shared, *tasks, *given, out, threads=native.threads())

    _in_parts("finer stereo", rows, solve, depths)
    depths[small.counted == 0] = 0
    return depths


def _related(found: Relations) -> Int[np.ndarray, " m"]:
    """Rows of pictures that can be compared with others."""
    return np.nonzero((found.depths[:, 0] > 0) & (found.others >= 0).any(1))[0]


def _in_parts(
    name: str,
    rows: Int[np.ndarray, " m"],
    solve: Callable[[Int[np.ndarray, " k"], Tensor], None],
    depths: Float[np.ndarray, "c h w"],
) -> None:
    """Fill the rows, a few at a time, with a bar."""
    with tqdm(total=len(rows), desc=name, unit="picture", disable=None) as bar:
        for first in range(0, len(rows), TOGETHER):
            part = rows[first : first + TOGETHER]
            out = torch.zeros(len(part), *depths.shape[1:])
            solve(part, out)
            depths[part] = out.numpy()
            bar.update(len(part))


def _filled(depths: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """With the nearest known depth where there is none."""
    nearest = distance_transform_edt(depths <= 0, return_distances=False, return_indices=True)
    return np.asarray(depths[tuple(nearest)])


def agreed(
    depths: Float[np.ndarray, "c h w"],
    viewmats: Float[np.ndarray, "c 4 4"],
    Ks: Float[np.ndarray, "c 3 3"],
    others: Int[np.ndarray, "c k"],
) -> Bool[np.ndarray, "c h w"]:
    """Where two other pictures or more see the same place at the same depth.

    Args:
        others: Rows of pictures to ask; negative: none.
    """
    kept = np.zeros(depths.shape, bool)
    for index in range(len(depths)):
        y, x = np.nonzero(depths[index])
        z = depths[index][y, x].astype(np.float64)
        K = Ks[index]
        local = np.stack([(x + 0.5 - K[0, 2]) / K[0, 0] * z, (y + 0.5 - K[1, 2]) / K[1, 1] * z, z], -1)
        places = (local - viewmats[index, :3, 3]) @ viewmats[index, :3, :3]
        same = np.zeros(len(z), np.int64)
        for other in others[index][others[index] >= 0]:
            same += np.abs(_beyond(depths[other], viewmats[other], Ks[other], places)) < AGREE
        kept[index, y, x] = same >= FEWEST_AGREE
    return kept


def _beyond(
    depth: Float[np.ndarray, "h w"],
    viewmat: Float[np.ndarray, "4 4"],
    K: Float[np.ndarray, "3 3"],
    places: Float[np.ndarray, "m 3"],
) -> Float[np.ndarray, " m"]:
    """How far behind places a picture sees something, of their depth; -1 where it says nothing."""
    local = places @ viewmat[:3, :3].T + viewmat[:3, 3]
    z = local[:, 2]
    found = np.full(len(z), -1.0)
    front = np.nonzero(z > 1e-6)[0]
    x, y = np.floor(local[front, :2] / z[front, None] * K[[0, 1], [0, 1]] + K[:2, 2]).T
    inside = (x >= 0) & (y >= 0) & (x < depth.shape[1]) & (y < depth.shape[0])
    front, x, y = front[inside], x[inside].astype(np.int64), y[inside].astype(np.int64)
    there = depth[y, x]
    found[front] = np.where(there > 0, there / z[front] - 1, -1)
    return found


def _ranges(found: Relations, Ks: Float[np.ndarray, "c 3 3"]) -> tuple[Float[np.ndarray, "c 2"], Int[np.ndarray, " c"]]:
    """Nearest and farthest depth, and how many between them, so that they lie about a pixel apart."""
    ranges = np.maximum(found.depths, 1e-9)
    ranges[:, 1] = np.maximum(ranges[:, 1], 1.001 * ranges[:, 0])
    steps = np.ceil(Ks[:, 0, 0] * found.baselines * (1 / ranges[:, 0] - 1 / ranges[:, 1]))
    return ranges, np.clip(steps, *LEVELS).astype(np.int64)


@dataclass(frozen=True, eq=False)
class _Small:
    """Small grey pictures in one array."""

    grey: Float[np.ndarray, "c h w"]
    counted: UInt8[np.ndarray, "c h w"]
    sizes: Int[np.ndarray, "c 2"]
    viewmats: Float[np.ndarray, "c 4 4"]
    Ks: Float[np.ndarray, "c 3 3"]

    @property
    def shared(self) -> list[Tensor]:
        """As the kernels take them."""
        return [torch.from_numpy(array) for array in (self.grey, self.counted, self.viewmats, self.Ks)]


def _small_pictures(capture: Capture, pictures: Pictures, indices: list[int]) -> _Small:
    sizes = np.array([_small(*capture.sizes[index]) for index in indices], np.int64)
    width, height = sizes.max(0)
    grey = np.zeros((len(indices), height, width), np.float32)
    counted = np.zeros(grey.shape, np.uint8)
    Ks = capture.Ks[indices].double().numpy().copy()
    for row, index in enumerate(indices):
        columns, rows = (int(side) for side in sizes[row])
        colors = (255 * pictures.picture(index).cpu().numpy()).astype(np.float32)
        small = cv2.resize(cv2.cvtColor(colors, cv2.COLOR_RGB2GRAY), (columns, rows), interpolation=cv2.INTER_AREA)
        grey[row, :rows, :columns] = small
        mask = pictures.mask(index)
        part = np.ones((rows, columns), np.float32)
        if mask is not None:
            part[:] = cv2.resize(mask.cpu().numpy().astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
        counted[row, :rows, :columns] = part > 0.999
        Ks[row, 0] *= columns / capture.sizes[index][0]
        Ks[row, 1] *= rows / capture.sizes[index][1]
    return _Small(grey, counted, sizes, capture.viewmats[indices].double().contiguous().numpy(), Ks)


def _small(width: int, height: int) -> tuple[int, int]:
    share = min(1.0, WIDTH / max(width, height))
    return max(1, math.floor(width * share + 0.5)), max(1, math.floor(height * share + 0.5))
