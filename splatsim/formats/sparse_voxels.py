"""Rows of occupied voxels: SurroundOcc, OpenOccupancy and UnScenes3D. What has no row is free there, seen or not."""

import os
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from splatsim.errors import FormatError
from splatsim.formats._npy import read_npy, rows_of, write_npy
from splatsim.formats.voxel_labels import OPENOCCUPANCY, SURROUNDOCC, UNSCENES3D, VoxelSet, check_grid, grid_of
from splatsim.grids import OccupancyGrid

Rest = Literal["free", "unknown"]
"""What a voxel without a row is: free, as the sets themselves count it, or unknown, which is what is known of it."""

ROWS_PER_VOXEL = 8
"""Files with more rows than this for each voxel of the grid are refused."""


def read_surroundocc(path: str | os.PathLike[str], *, rest: Rest = "free") -> OccupancyGrid:
    """SurroundOcc: rows x, y, z, label in the LiDAR's frame. Label 0 is noise and becomes unknown.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is not what it should be.
    """
    return _read(Path(path), SURROUNDOCC, (0, 1, 2), "iu", rest)


def write_surroundocc(path: str | os.PathLike[str], grid: OccupancyGrid) -> None:
    """Write the occupied voxels; unknown ones are left out, and read as `rest`.

    Raises:
        ValueError: the grid or its classes are those of another set.
    """
    _write(path, grid, SURROUNDOCC, (0, 1, 2), np.dtype("<i8"))


def read_openoccupancy(path: str | os.PathLike[str], *, rest: Rest = "free") -> OccupancyGrid:
    """OpenOccupancy (nuScenes-Occupancy): rows z, y, x[, flow], label in the LiDAR's frame. Label 0 is noise and
    becomes unknown; of several rows for a voxel the most frequent label counts, of equals the lowest.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is not what it should be.
    """
    return _read(Path(path), OPENOCCUPANCY, (2, 1, 0), "iuf", rest, columns=(4, 7))


def write_openoccupancy(path: str | os.PathLike[str], grid: OccupancyGrid) -> None:
    """Write the occupied voxels; unknown ones are left out, and read as `rest`.

    Raises:
        ValueError: the grid or its classes are those of another set.
    """
    _write(path, grid, OPENOCCUPANCY, (2, 1, 0), np.dtype("<i8"))


def read_unscenes3d(path: str | os.PathLike[str], *, rest: Rest = "free") -> OccupancyGrid:
    """UnScenes3D: rows x, y, z, label in the LiDAR's frame. Label 0 is background and becomes unknown.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is not what it should be.
    """
    return _read(Path(path), UNSCENES3D, (0, 1, 2), "iuf", rest)


def write_unscenes3d(path: str | os.PathLike[str], grid: OccupancyGrid) -> None:
    """Write the occupied voxels; unknown ones are left out, and read as `rest`.

    Raises:
        ValueError: the grid or its classes are those of another set.
    """
    _write(path, grid, UNSCENES3D, (0, 1, 2), np.dtype("<f8"))


def _read(
    path: Path, kind: VoxelSet, order: tuple[int, int, int], kinds: str, rest: Rest, columns: tuple[int, ...] = (4,)
) -> OccupancyGrid:
    if rest not in ("free", "unknown"):
        raise ValueError(f'rest is {rest!r}; expected "free" or "unknown".')
    shape = np.array(kind.frame.shape)
    most = int(shape.prod()) * ROWS_PER_VOXEL
    raw = read_npy(path, rows_of(columns, most, kinds))
    rows = raw[:, [*order, raw.shape[1] - 1]]
    if rows.dtype.kind == "f" and not (np.isfinite(rows).all() and (rows == np.round(rows)).all()):
        raise FormatError(f"{path} has indices or labels that are no whole numbers; expected rows of voxels.")
    rows = rows.astype(np.int64)
    outside = ((rows[:, :3] < 0) | (rows[:, :3] >= shape)).any(axis=1)
    if outside.any():
        first = int(np.flatnonzero(outside)[0])
        raise FormatError(
            f"{path} has voxel {rows[first, :3].tolist()} (x, y, z) in row {first}; expected indices below "
            f"{shape.tolist()}: is the order of its columns that of another format?"
        )
    count = len(kind.class_names)
    labels = rows[:, 3]
    if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < count):
        raise FormatError(
            f"{path} has labels from {int(labels.min())} to {int(labels.max())}; expected 0 to {count - 1}."
        )
    flat = np.ravel_multi_index(tuple(rows[:, :3].T), kind.frame.shape)
    dense, observed = _vote(flat, labels, count, int(shape.prod()), rest)
    return grid_of(kind, dense.reshape(kind.frame.shape), observed.reshape(kind.frame.shape), str(path))


def _vote(
    flat: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], count: int, voxels: int, rest: Rest
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The most frequent label of each voxel. Label 0, noise, loses against any other and alone makes it unknown."""
    key, votes = np.unique(flat * count + labels, return_counts=True)
    voxel, label = key // count, key % count
    # The last assignment wins: noise first, then by votes; of equal ones the lowest label comes last.
    order = np.lexsort((-label, votes, label > 0))
    dense = np.zeros(voxels, np.int64)
    observed = np.full(voxels, rest == "free")
    dense[voxel[order]] = label[order]
    observed[voxel] = dense[voxel] > 0
    return dense, observed


def _write(
    path: str | os.PathLike[str],
    grid: OccupancyGrid,
    kind: VoxelSet,
    order: tuple[int, int, int],
    dtype: np.dtype[np.generic],
) -> None:
    check_grid(kind, grid)
    index = (grid.observed & (grid.labels != grid.free_label)).nonzero().numpy()
    labels = grid.labels.numpy()[tuple(index.T)].astype(np.int64)
    write_npy(path, np.column_stack([index[:, order], labels]).astype(dtype))
