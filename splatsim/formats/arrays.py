"""Cameras, occupancy and navigation maps as .npz files whose bytes depend on the content only."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.grids import GridFrame, NavMap, OccupancyGrid, VoxelFrame


def write_arrays(path: Path | BinaryIO, arrays: Mapping[str, NDArray[np.generic]], **facts: Any) -> None:
    """An .npz whose bytes depend on the content only: fixed dates, plain facts as JSON under "facts"."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in {**arrays, "facts": np.array(json.dumps(facts))}.items():
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w") as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def read_arrays(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:  # numpy leaves a damaged file open
        arrays = {name: archive[name] for name in archive.files}
    facts = json.loads(str(arrays.pop("facts").item()))
    return {name: torch.from_numpy(array) for name, array in arrays.items()}, facts


def write_cameras(path: Path, cameras: Cameras) -> None:
    arrays = {"viewmats": cameras.viewmats.numpy(), "Ks": cameras.Ks.numpy()}
    write_arrays(path, arrays, width=cameras.width, height=cameras.height, model=cameras.model)


def read_cameras(path: Path) -> Cameras:
    arrays, facts = read_arrays(path)
    return Cameras(arrays["viewmats"], arrays["Ks"], facts["width"], facts["height"], facts["model"])


def write_occupancy(path: Path, grid: OccupancyGrid) -> None:
    frame = grid.frame
    facts = {
        "origin": frame.origin,
        "voxel_size": frame.voxel_size,
        "shape": frame.shape,
        "frame": frame.frame,
        "class_names": grid.class_names,
    }
    arrays = {name: tensor.numpy() for name, tensor in grid.tensors().items()}
    packed = {name: np.packbits(array) if array.dtype == bool else array for name, array in arrays.items()}
    write_arrays(path, packed, **facts)


def read_occupancy(path: Path) -> OccupancyGrid:
    arrays, facts = read_arrays(path)
    frame = VoxelFrame(tuple(facts["origin"]), facts["voxel_size"], tuple(facts["shape"]), facts["frame"])
    for name in {"observed", "interior"} & set(arrays):
        bits = np.unpackbits(arrays[name].numpy(), count=int(np.prod(frame.shape)))
        arrays[name] = torch.from_numpy(bits.reshape(frame.shape).astype(bool))
    return OccupancyGrid(frame, class_names=tuple(facts["class_names"]), **arrays)


def write_nav_map(path: Path, nav_map: NavMap) -> None:
    frame = nav_map.frame
    facts = {"north_west": frame.north_west, "resolution": frame.resolution, "z_range": nav_map.z_range}
    write_arrays(path, {"cells": nav_map.cells.numpy()}, **facts)


def read_nav_map(path: Path) -> NavMap:
    arrays, facts = read_arrays(path)
    rows, columns = arrays["cells"].shape
    frame = GridFrame(tuple(facts["north_west"]), facts["resolution"], (rows, columns))
    return NavMap(frame, arrays["cells"], tuple(facts["z_range"]))
