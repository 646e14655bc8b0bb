"""Where the voxels of the public data sets stand, and what their labels mean. Their conventions end here."""

from dataclasses import dataclass

import numpy as np
import torch

from splatsim.errors import FormatError
from splatsim.formats._npy import Array
from splatsim.grids import FREE_CLASS, OccupancyGrid, VoxelFrame

NUSCENES_CLASSES = (
    *("barrier", "bicycle", "bus", "car", "construction_vehicle", "motorcycle", "pedestrian", "traffic_cone"),
    *("trailer", "truck", "driveable_surface", "other_flat", "sidewalk", "terrain", "manmade", "vegetation"),
)
"""Labels 1 to 16 of the sets made from nuScenes lidarseg."""


@dataclass(frozen=True)
class VoxelSet:
    """One data set's grid and classes."""

    frame: VoxelFrame
    """Its grid; `frame.frame` is the coordinate frame: ego or lidar."""
    class_names: tuple[str, ...]
    """By label, as in the files; "free" stands where the set has its empty label."""


OCC3D_NUSCENES = VoxelSet(
    VoxelFrame((-40.0, -40.0, -1.0), 0.4, (200, 200, 16), "ego"), ("others", *NUSCENES_CLASSES, FREE_CLASS)
)
OCC3D_WAYMO = VoxelSet(
    VoxelFrame((-40.0, -40.0, -1.0), 0.4, (200, 200, 16), "ego"),
    (
        *("general_object", "vehicle", "pedestrian", "sign", "cyclist", "traffic_light", "pole", "cone", "bicycle"),
        *("motorcycle", "building", "vegetation", "trunk", "road", "walkable", FREE_CLASS),
    ),
)
SURROUNDOCC = VoxelSet(VoxelFrame((-50.0, -50.0, -5.0), 0.5, (200, 200, 16), "lidar"), (FREE_CLASS, *NUSCENES_CLASSES))
OPENOCCUPANCY = VoxelSet(
    VoxelFrame((-51.2, -51.2, -5.0), 0.2, (512, 512, 40), "lidar"), (FREE_CLASS, *NUSCENES_CLASSES)
)
UNSCENES3D = VoxelSet(
    VoxelFrame((0.0, -38.4, -4.0), 0.3, (256, 256, 32), "lidar"),
    (
        *(FREE_CLASS, "barrier", "truck", "widebody", "car", "excavator", "machinery", "pedestrian", "traffic_cone"),
        *("muddy", "terrain", "driveable_surface"),
    ),
)
SEMANTIC_KITTI = VoxelSet(
    VoxelFrame((0.0, -25.6, -2.0), 0.2, (256, 256, 32), "lidar"),
    (
        *(FREE_CLASS, "car", "bicycle", "motorcycle", "truck", "other-vehicle", "person", "bicyclist", "motorcyclist"),
        *("road", "parking", "sidewalk", "other-ground", "building", "fence", "vegetation", "trunk", "terrain", "pole"),
        "traffic-sign",
    ),
)
SSCBENCH_KITTI360 = VoxelSet(
    SEMANTIC_KITTI.frame,
    (
        *(FREE_CLASS, "car", "bicycle", "motorcycle", "truck", "other-vehicle", "person", "road", "parking"),
        *("sidewalk", "other-ground", "building", "fence", "vegetation", "terrain", "pole", "traffic-sign"),
        *("other-structure", "other-object"),
    ),
)


def grid_of(kind: VoxelSet, labels: Array, observed: Array, where: str) -> OccupancyGrid:
    """A grid of labels as they are in the file; what is not observed counts as free in `labels` and as unknown.

    Raises:
        FormatError: an observed label has no class.
    """
    seen = labels[observed]
    if seen.size and not (int(seen.min()) >= 0 and int(seen.max()) < len(kind.class_names)):
        raise FormatError(
            f"{where} has labels from {int(seen.min())} to {int(seen.max())}; "
            f"expected 0 to {len(kind.class_names) - 1}: {', '.join(kind.class_names)}."
        )
    free = kind.class_names.index(FREE_CLASS)
    kept = np.where(observed, labels, free).astype(np.uint8)
    return OccupancyGrid(kind.frame, torch.from_numpy(kept), kind.class_names, torch.from_numpy(observed.astype(bool)))


def check_grid(kind: VoxelSet, grid: OccupancyGrid) -> None:
    """Raise unless this grid can be written in this format.

    Raises:
        ValueError: the frame or the classes are others.
    """
    if grid.frame.shape != kind.frame.shape or grid.frame.voxel_size != kind.frame.voxel_size:
        raise ValueError(f"the grid lies on {grid.frame}; expected {kind.frame}.")
    if grid.class_names != kind.class_names:
        raise ValueError(f"the grid has the classes {grid.class_names}; expected {kind.class_names}.")
