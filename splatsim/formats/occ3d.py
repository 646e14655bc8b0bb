"""Occ3D labels, of nuScenes and of Waymo: dense .npz files whose unknown voxels are told by masks only."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from splatsim.formats._npy import read_npz, shaped, write_npz
from splatsim.formats.voxel_labels import OCC3D_NUSCENES, OCC3D_WAYMO, VoxelSet, check_grid, grid_of
from splatsim.grids import OccupancyGrid

Dataset = Literal["nuscenes", "waymo"]
SETS: dict[str, VoxelSet] = {"nuscenes": OCC3D_NUSCENES, "waymo": OCC3D_WAYMO}
NAMES: dict[str, tuple[str, str, str]] = {
    "nuscenes": ("semantics", "mask_lidar", "mask_camera"),
    "waymo": ("voxel_label", "origin_voxel_state", "final_voxel_state"),
}
"""Arrays of labels, of what the LiDAR has seen, and of what the cameras have."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class Occ3D:
    """One frame of Occ3D."""

    grid: OccupancyGrid
    """Labels; observed is what LiDAR or cameras have seen, and what is labelled as occupied."""
    mask_lidar: Bool[Tensor, "x y z"]
    """What the LiDAR has seen."""
    mask_camera: Bool[Tensor, "x y z"]
    """What the cameras have seen: the field evaluates on it, and training on it inflates the score."""


def read_occ3d(path: str | os.PathLike[str], dataset: Dataset = "nuscenes") -> Occ3D:
    """A labels.npz of Occ3D-nuScenes, or a frame of Occ3D-Waymo (0.4 m). Most of what it stores as free is unknown.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is not what it should be.
    """
    kind, (labels_name, lidar_name, camera_name) = SETS[dataset], NAMES[dataset]
    check = shaped(kind.frame.shape)
    arrays = read_npz(Path(path), dict.fromkeys((labels_name, lidar_name, camera_name), check))
    lidar, camera = arrays[lidar_name] != 0, arrays[camera_name] != 0
    labels = arrays[labels_name].astype(np.int64)
    everywhere = np.ones(kind.frame.shape, bool)
    grid = grid_of(kind, labels, everywhere, str(path))
    masks = torch.from_numpy(np.array(lidar)), torch.from_numpy(np.array(camera))
    observed = masks[0] | masks[1] | (grid.labels != grid.free_label)
    return Occ3D(grid.replace(observed=observed), *masks)


def write_occ3d(path: str | os.PathLike[str], frame: Occ3D, dataset: Dataset = "nuscenes") -> None:
    """Write a frame of Occ3D.

    Raises:
        ValueError: the grid or its classes are those of another set.
        FileNotFoundError: the folder does not exist.
    """
    kind, names = SETS[dataset], NAMES[dataset]
    check_grid(kind, frame.grid)
    arrays = (frame.grid.labels, frame.mask_lidar, frame.mask_camera)
    write_npz(path, {name: array.numpy().astype(np.uint8) for name, array in zip(names, arrays, strict=True)})
