"""The exact maps of the pit: voxels of 0.3 m and a drive map of 0.05 m cells."""

import numpy as np
import torch

from _worldgen.voxels import occupancy_grid, surface_points, voxel_frame
from splatsim.grids import FREE, OCCUPIED, GridFrame, NavMap
from terrain import SIZE

RESOLUTION = 0.05
BAND = (0.25, 2.5)
"""Heights above the ground in which things block a vehicle, metres."""
STEEPEST = 0.45
"""Rise over run that a vehicle climbs."""
GROUND = ("terrain", "driveable", "muddy")


def pit_grid(model, voxel):
    """Voxels from two metres under the floor to a little over the highest thing."""
    low = (-SIZE / 2, -SIZE / 2, -2.1)
    high = (SIZE / 2, SIZE / 2, float(np.ceil(model.corners[..., 2].max() + 1)))
    frame = voxel_frame(model, voxel, low, high)
    return occupancy_grid(model, frame, lambda x, y: np.ones(len(x), bool))


def drive_map(model, terrain):
    """Cells that are not too steep and over which nothing stands within the band."""
    count = round(SIZE / RESOLUTION)
    frame = GridFrame((-SIZE / 2, SIZE / 2), RESOLUTION, (count, count))
    center = (np.arange(count) + 0.5) * RESOLUTION - SIZE / 2
    x, y = np.meshgrid(center, center[::-1])
    cells = np.where(terrain.at(terrain.slope(), x.ravel(), y.ravel()) > STEEPEST, OCCUPIED, FREE).astype(np.uint8)
    things = ~np.isin(model.instance_classes[model.instances], [model.class_names.index(name) for name in GROUND])
    for _, points, _ in surface_points(model, RESOLUTION * 0.6, np.flatnonzero(things)):
        above = points[:, 2] - terrain.z(points[:, 0], points[:, 1])
        hit = points[(above > BAND[0]) & (above < BAND[1])]
        row = np.floor((SIZE / 2 - hit[:, 1]) / RESOLUTION).astype(int)
        column = np.floor((hit[:, 0] + SIZE / 2) / RESOLUTION).astype(int)
        ok = (row >= 0) & (row < count) & (column >= 0) & (column < count)
        cells[row[ok] * count + column[ok]] = OCCUPIED
    return NavMap(frame, torch.from_numpy(cells.reshape(count, count)), BAND)
