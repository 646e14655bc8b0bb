"""What lies over the Gaussians: occupied voxels as cubes, and maps as pictures that lie on the floor."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from splatsim import video
from splatsim.errors import MapError
from splatsim.grids import FREE, OCCUPIED, UNKNOWN, GridFrame, NavMap, OccupancyGrid
from splatsim.maps import BevOptions, Floor, bird_view, fit_floor
from splatsim.scene import Scene
from splatsim.semantics import palette
from splatsim.viewer.splats import bulk

MAX_VOXELS = 60_000
"""Of more cubes than this, eight neighbours become one."""
CELL_COLORS = {FREE: (70, 190, 110, 150), OCCUPIED: (215, 70, 60, 220), UNKNOWN: (0, 0, 0, 0)}
"""Red, green, blue and opacity of the states of a cell."""
FLOATS = {"bev": 0.02, "nav_map": 0.04}
"""Metres above the floor at which the pictures lie, so that neither hides in the floor or in the other."""
MOST_CELLS = 600
"""Along the longer side of a view from above, where the scene brings no map."""


@dataclass(frozen=True)
class Voxels:
    """Cubes of one size."""

    centers: Float[np.ndarray, "n 3"]
    """Metres."""
    size: float
    """Edge, metres."""
    colors: UInt8[np.ndarray, "n 3"]
    """By class."""

    def parted(self, floor: Floor, height: float = BevOptions.ceiling) -> "tuple[Voxels, Voxels]":
        """Those whose middles lie lower above the floor than a height, and the others: ceilings hide the rooms."""
        ground = floor.heights(torch.from_numpy(self.centers[:, :2])).numpy()
        low = self.centers[:, 2] - ground < height
        return self._some(low), self._some(~low)

    def _some(self, rows: np.ndarray) -> "Voxels":
        return Voxels(self.centers[rows], self.size, self.colors[rows])


@dataclass(frozen=True)
class FloorPicture:
    """A level picture, row 0 in the north."""

    image: UInt8[np.ndarray, "rows cols 4"]
    """Red, green, blue and opacity."""
    center: tuple[float, float, float]
    """Metres."""
    width: float
    """East to west, metres."""
    height: float
    """North to south, metres."""


def surface_voxels(grid: OccupancyGrid, most: int = MAX_VOXELS) -> Voxels | None:
    """The occupied voxels that are not enclosed by others, in the colours of their classes; None where all is free."""
    occupied = grid.states() == OCCUPIED
    labels, size, origin = grid.labels, grid.frame.voxel_size, torch.tensor(grid.frame.origin, dtype=torch.float64)
    shown = occupied & ~_enclosed(occupied)
    while int(shown.sum()) > most:
        occupied, labels, size = *_halved(occupied, labels), 2 * size
        shown = occupied & ~_enclosed(occupied)
    index = shown.nonzero()
    if not len(index):
        return None
    centers = origin + (index.double() + 0.5) * size
    colors = palette(len(grid.class_names))[labels[shown].cpu().numpy()]
    return Voxels(centers.float().cpu().numpy(), size, colors)


def nav_picture(nav_map: NavMap, floor: Floor) -> FloorPicture:
    """Where a robot may drive (green), where not (red), and nothing where nobody knows."""
    table = np.zeros((256, 4), np.uint8)
    for state, color in CELL_COLORS.items():
        table[state] = color
    return _on_floor(table[nav_map.cells.cpu().numpy()], nav_map.frame, floor, FLOATS["nav_map"])


def bev_picture(scene: Scene, floor: Floor) -> FloorPicture:
    """The scene from above without its ceiling, on the cells of its map where it has one.

    Raises:
        ValueError: the scene has no Gaussians.
    """
    if scene.gaussians is None or not len(scene.gaussians):
        raise ValueError(f'the scene "{scene.name}" has no Gaussians; expected some to see from above.')
    frame = _frame_of(scene)
    bev = bird_view(scene.gaussians, frame, floor=floor, options=BevOptions(antialiased=scene.antialiased))
    opacity = np.where(bev.observed.numpy(), 255, 0).astype(np.uint8)
    return _on_floor(np.dstack([video.to_bytes(bev.colors), opacity]), frame, floor, FLOATS["bev"])


def floor_of(scene: Scene) -> Floor:
    """The floor, or z = 0 where none is found."""
    if scene.gaussians is None:
        return Floor(0.0)
    try:
        return fit_floor(scene.gaussians, scene.cameras, depths=scene.depths, antialiased=scene.antialiased)
    except MapError:
        return Floor(0.0)


def _frame_of(scene: Scene) -> GridFrame:
    if scene.nav_map is not None:
        return scene.nav_map.frame
    assert scene.gaussians is not None
    low, high = bulk(scene.gaussians).tolist()
    margin = 0.1 * max(high[0] - low[0], high[1] - low[1], 0.1)
    west, south, east, north = low[0] - margin, low[1] - margin, high[0] + margin, high[1] + margin
    return GridFrame.covering((west, south), (east, north), max(east - west, north - south) / MOST_CELLS)


def _on_floor(image: UInt8[np.ndarray, "rows cols 4"], frame: GridFrame, floor: Floor, above: float) -> FloorPicture:
    rows, columns = frame.shape
    width, height = columns * frame.resolution, rows * frame.resolution
    x, y = frame.north_west[0] + width / 2, frame.north_west[1] - height / 2
    z = float(floor.heights(torch.tensor([x, y], dtype=torch.float64))) + above
    return FloorPicture(np.ascontiguousarray(image), (x, y, z), width, height)


def _enclosed(occupied: Bool[Tensor, "x y z"]) -> Bool[Tensor, "x y z"]:
    """Voxels whose six neighbours are all occupied."""
    padded = torch.nn.functional.pad(occupied, (1,) * 6)
    enclosed = torch.ones_like(occupied)
    for axis in range(3):
        for side in (0, 2):
            window = [slice(1, -1)] * 3
            window[axis] = slice(side, side + occupied.shape[axis])
            enclosed &= padded[tuple(window)]
    return enclosed


def _halved(
    occupied: Bool[Tensor, "x y z"], labels: UInt8[Tensor, "x y z"]
) -> tuple[Bool[Tensor, "a b c"], UInt8[Tensor, "a b c"]]:
    """Eight voxels become one: occupied where one of them is, of the class of one of those."""
    odd = [size % 2 for size in occupied.shape]
    padding = (0, odd[2], 0, odd[1], 0, odd[0])
    occupied = torch.nn.functional.pad(occupied, padding)
    labels = torch.where(occupied, torch.nn.functional.pad(labels, padding), 0)
    for axis in range(3):
        first, second = (torch.arange(start, occupied.shape[axis], 2) for start in (0, 1))
        here, there = occupied.index_select(axis, first), occupied.index_select(axis, second)
        labels = torch.where(here, labels.index_select(axis, first), labels.index_select(axis, second))
        occupied = here | there
    return occupied, labels
