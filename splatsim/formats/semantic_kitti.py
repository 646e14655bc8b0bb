"""SemanticKITTI voxels (labels and packed bits) and SSCBench-KITTI-360 grids."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool
from torch import Tensor

from splatsim.errors import FormatError
from splatsim.formats._files import atomic_writer, existing_file
from splatsim.formats._npy import read_npy, shaped, write_npy
from splatsim.formats.voxel_labels import SEMANTIC_KITTI, SSCBENCH_KITTI360, check_grid, grid_of
from splatsim.grids import OccupancyGrid

IGNORED = 255
LEARNING_MAP = {
    0: 0,
    1: IGNORED,
    10: 1,
    11: 2,
    13: 5,
    15: 3,
    16: 5,
    18: 4,
    20: 5,
    30: 6,
    31: 7,
    32: 8,
    40: 9,
    44: 10,
    48: 11,
    49: 12,
    50: 13,
    51: 14,
    52: IGNORED,
    60: 9,
    70: 15,
    71: 16,
    72: 17,
    80: 18,
    81: 19,
    99: IGNORED,
    252: 1,
    253: 7,
    254: 6,
    255: 8,
    256: 5,
    257: 5,
    258: 4,
    259: 5,
}
"""Raw ids to labels: 0 is empty, outliers and other things are ignored (semantic-kitti.yaml of semantic-kitti-api)."""
RAW_IDS = (0, 10, 11, 15, 18, 20, 30, 31, 32, 40, 44, 48, 49, 50, 51, 70, 71, 72, 80, 81)
"""Labels to raw ids, for writing."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class SemanticKittiVoxels:
    """One frame of the semantic scene completion of SemanticKITTI."""

    grid: OccupancyGrid
    """Labels; observed where they count: neither invalid nor ignored."""
    invalid: Bool[Tensor, "x y z"] | None = None
    """Seen by no scan of the sequence."""
    occluded: Bool[Tensor, "x y z"] | None = None
    """Hidden from this scan."""
    scanned: Bool[Tensor, "x y z"] | None = None
    """Voxels with a point of this scan: the input of the task."""


def read_semantic_kitti(stem: str | os.PathLike[str]) -> SemanticKittiVoxels:
    """NNNNNN.label with NNNNNN.invalid, .occluded and .bin beside it, as far as they are there.

    Args:
        stem: Path of any of the files, or without an extension.

    Raises:
        FileNotFoundError: there is no .label file.
        FormatError: a file has another size, or ids that SemanticKITTI does not have.
    """
    base = Path(stem).with_suffix("")
    path = existing_file(base.with_suffix(".label"), "label file of SemanticKITTI")
    raw = _whole(path, _voxels() * 2).view("<u2")
    labels = _mapped(raw, path).reshape(SEMANTIC_KITTI.frame.shape)
    bits = {name: _bits(base.with_suffix(f".{name}")) for name in ("invalid", "occluded", "bin")}
    counts = labels != IGNORED
    if bits["invalid"] is not None:
        counts &= ~bits["invalid"]
    grid = grid_of(SEMANTIC_KITTI, labels, counts, str(path))
    masks = (None if b is None else torch.from_numpy(b) for b in (bits["invalid"], bits["occluded"], bits["bin"]))
    return SemanticKittiVoxels(grid, *masks)


def write_semantic_kitti(stem: str | os.PathLike[str], frame: SemanticKittiVoxels) -> None:
    """Write .label and whichever of .invalid, .occluded and .bin there are. Ignored labels become raw id 1, an outlier.

    Raises:
        ValueError: the grid or its classes are those of another set.
        FileNotFoundError: the folder does not exist.
    """
    check_grid(SEMANTIC_KITTI, frame.grid)
    base = Path(stem).with_suffix("")
    ids = np.array(RAW_IDS, dtype="<u2")[frame.grid.labels.numpy()]
    invalid = torch.zeros_like(frame.grid.observed) if frame.invalid is None else frame.invalid
    ids[(~frame.grid.observed & ~invalid).numpy()] = 1
    with atomic_writer(base.with_suffix(".label")) as file:
        file.write(ids.tobytes())
    masks = {"invalid": frame.invalid, "occluded": frame.occluded, "bin": frame.scanned}
    for name, mask in masks.items():
        if mask is not None:
            with atomic_writer(base.with_suffix(f".{name}")) as file:
                file.write(np.packbits(mask.numpy()).tobytes())


def read_sscbench(path: str | os.PathLike[str]) -> OccupancyGrid:
    """A NNNNNN_1_1.npy of SSCBench-KITTI-360: 0 empty, 1 to 18 classes, 255 unknown.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is not what it should be.
    """
    kind = SSCBENCH_KITTI360
    raw = read_npy(Path(path), shaped(kind.frame.shape, "iuf"))
    if raw.dtype.kind == "f" and not (np.isfinite(raw).all() and (raw == np.round(raw)).all()):
        raise FormatError(f"{path} has labels that are no whole numbers; expected 0 to 18 and {IGNORED}.")
    labels = raw.astype(np.int64)
    return grid_of(kind, labels, labels != IGNORED, str(path))


def write_sscbench(path: str | os.PathLike[str], grid: OccupancyGrid) -> None:
    """Write a grid of SSCBench-KITTI-360.

    Raises:
        ValueError: the grid or its classes are those of another set.
    """
    check_grid(SSCBENCH_KITTI360, grid)
    write_npy(path, np.where(grid.observed.numpy(), grid.labels.numpy(), IGNORED).astype(np.uint8))


def _voxels() -> int:
    nx, ny, nz = SEMANTIC_KITTI.frame.shape
    return nx * ny * nz


def _whole(path: Path, size: int) -> npt.NDArray[np.uint8]:
    found = os.path.getsize(path)
    if found != size:
        raise FormatError(
            f"{path} has {found} bytes; expected {size}, of a grid of {list(SEMANTIC_KITTI.frame.shape)} voxels."
        )
    return np.fromfile(path, np.uint8)


def _bits(path: Path) -> npt.NDArray[np.bool_] | None:
    """One bit for each voxel, the highest of a byte first."""
    if not path.is_file():
        return None
    packed = _whole(path, _voxels() // 8)
    return np.unpackbits(packed).reshape(SEMANTIC_KITTI.frame.shape).astype(bool)


def _mapped(raw: npt.NDArray[np.uint16], path: Path) -> npt.NDArray[np.int64]:
    table = np.full(1 << 16, -1, np.int64)
    table[list(LEARNING_MAP)] = list(LEARNING_MAP.values())
    labels = table[raw]
    if (labels < 0).any():
        odd = int(raw[labels < 0][0])
        hint = " The bytes of each number seem swapped." if (odd & 0xFF) << 8 | odd >> 8 in LEARNING_MAP else ""
        raise FormatError(f"{path} has the id {odd}; expected ids of SemanticKITTI, little-endian uint16.{hint}")
    return labels
