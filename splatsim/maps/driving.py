"""NavMap: where a robot may drive, from a 3D grid, its floor, and what the cameras saw."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from splatsim.errors import MapError
from splatsim.grids import FREE, OCCUPIED, UNKNOWN, GridFrame, NavMap, VoxelFrame
from splatsim.maps.carving import Carving
from splatsim.maps.floor import Floor

FLOOR_BAND = 0.1
"""Metres above and below the floor in which what is seen is the floor."""
ROUGH = 2.0
"""Times its roughness: what stands no higher than this above the clearance cannot be told from the floor itself."""
CARRIED = (0.5, 2.2)
"""Metres above the floor between which a camera is carried by somebody who stands on it."""
STRIDE = 0.6
"""Metres between two pictures of which the way between them was walked straight."""
BODY = 0.25
"""Metres around the camera that whoever carries it fills."""
FREE_VIEWS = 3
"""Cameras that must see the floor, or look through what is above it: two that stand close may both be wrong."""
SEEN_THROUGH = 0.8
"""Share of the height band that must be looked through where the floor itself is not seen."""
AROUND = np.ones((3, 3), bool)
"""A cell and the eight beside it."""


@dataclass(frozen=True)
class Robot:
    """What drives.

    Raises:
        ValueError: a length is not positive, or the lowest obstacle is not below the top.
    """

    height: float = 1.8
    """What hangs higher does not block it, metres."""
    radius: float = 0.2
    """Of the disc that it covers, metres."""
    clearance: float = 0.1
    """What is lower than this it drives over, metres."""

    def __post_init__(self) -> None:
        if not (0 < self.radius < 100):
            raise ValueError(f"Robot.radius is {self.radius}; expected a positive length in metres.")
        if not (0 <= self.clearance < self.height < 100):
            raise ValueError(
                f"Robot has clearance {self.clearance} and height {self.height}; expected 0 ≤ clearance < height."
            )


def grid_frame_of(frame: VoxelFrame) -> GridFrame:
    """The cells below the columns of a voxel grid."""
    nx, ny, _ = frame.shape
    return GridFrame((frame.origin[0], frame.origin[1] + ny * frame.voxel_size), frame.voxel_size, (ny, nx))


def drive_map(
    frame: VoxelFrame,
    solid: Bool[Tensor, "x y z"],
    floor: Floor,
    robot: Robot,
    carving: Carving | None = None,
    *,
    walked: Float[Tensor, "c 3"] | None = None,
    speck: float = 0.02,
) -> NavMap:
    """The map of what stands between the robot's clearance and its height above the floor.

    On a rough floor the band begins higher. A cell is free where nothing solid stands in it and the floor is seen there
    or beside, or nearly all of the band is looked through, and where somebody carried the camera. Without cameras,
    where Gaussians of the floor lie.

    Args:
        walked: Where the camera was, metres, in order: whoever carried it at the height of a body stood on free floor.
        speck: Square metres; groups of occupied cells that are smaller, in the midst of free ones, are noise.
    """
    heights = _heights(frame, floor)
    lowest = min(robot.clearance + ROUGH * floor.thickness, (robot.clearance + robot.height) / 2)
    band = (heights > lowest) & (heights < robot.height)
    ground = heights.abs() < FLOOR_BAND + frame.voxel_size / 2
    occupied = (solid & band).any(2)
    if carving is None:
        known = _dilated((solid & ground).any(2))
    else:
        passed = ((carving.through >= FREE_VIEWS) & band).sum(2) >= SEEN_THROUGH * band.sum(2)
        known = _dilated(((carving.ended >= FREE_VIEWS) & ground).any(2)) | passed
    trodden = torch.zeros_like(known) if walked is None else _trodden(frame, floor, walked)
    free = _without_specks((known & ~occupied) | trodden, speck / frame.voxel_size**2)
    cells = torch.where(free, FREE, torch.where(occupied, OCCUPIED, UNKNOWN)).to(torch.uint8)
    picture: UInt8[Tensor, "rows cols"] = cells.T.flip(0).contiguous()
    return NavMap(grid_frame_of(frame), picture, (robot.clearance, robot.height))


def check_not_empty(nav_map: NavMap, robot: Robot, floor: Floor) -> None:
    """Raise unless the robot has somewhere to be.

    Raises:
        MapError: no cell is free, or none where the whole robot fits; the message says which, and why.
    """
    size = nav_map.frame.resolution**2
    counts = [int((nav_map.cells == state).sum()) * size for state in (FREE, OCCUPIED, UNKNOWN)]
    what = f"of {sum(counts):.1f} m², {counts[1]:.1f} m² are occupied and {counts[2]:.1f} m² unknown"
    if counts[0] == 0:
        why = (
            "nobody saw the floor: check that the cameras belong to this scene"
            if counts[1] < counts[2]
            else f"something stands within {nav_map.z_range[0]:g} to {nav_map.z_range[1]:g} m above the floor at "
            f"{floor.height:.2f} m everywhere: check the scale of the scene and the height of the robot"
        )
        raise MapError(f"the map is empty: {what}; {why}.")
    fits = int((nav_map.inflate(robot.radius).cells == FREE).sum()) * size
    if fits == 0:
        raise MapError(
            f"the map is empty for a robot of radius {robot.radius:g} m: {counts[0]:.2f} m² are free, but it fits "
            f"nowhere ({what}); expected a smaller radius, or a larger scale of the scene."
        )


def _trodden(frame: VoxelFrame, floor: Floor, walked: Float[Tensor, "c 3"]) -> Bool[Tensor, "x y"]:
    """Columns within the reach of a body of a way between places that follow each other closely."""
    places = walked.double()
    above = places[:, 2] - floor.heights(places[:, :2])
    carried = (above > CARRIED[0]) & (above < CARRIED[1])
    joined = carried[1:] & carried[:-1] & ((places[1:] - places[:-1])[:, :2].norm(dim=-1) < STRIDE)
    parts = torch.linspace(0, 1, 1 + round(STRIDE / 0.05), dtype=torch.float64)[:, None, None]
    between = (places[:-1, :2] + parts * (places[1:, :2] - places[:-1, :2]))[:, joined].reshape(-1, 2)
    spots = torch.unique(((torch.cat([places[carried, :2], between])) / 0.02).round(), dim=0) * 0.02
    found = torch.zeros(frame.shape[:2], dtype=torch.bool)
    reach = math.ceil(BODY / frame.voxel_size)
    offsets = torch.cartesian_prod(*[torch.arange(-reach, reach + 1)] * 2)
    origin = torch.tensor(frame.origin[:2], dtype=torch.float64)
    cells = ((spots - origin) / frame.voxel_size).floor().long()[:, None] + offsets
    away = (origin + (cells.double() + 0.5) * frame.voxel_size - spots[:, None]).norm(dim=-1)
    inside = ((cells >= 0) & (cells < torch.tensor(frame.shape[:2]))).all(-1) & (away <= BODY)
    x, y = cells[inside].unbind(-1)
    found[x, y] = True
    return found


def _heights(frame: VoxelFrame, floor: Floor) -> Tensor:
    """Of the centres of voxels above the floor, metres."""
    x, y, z = (
        frame.origin[axis] + (torch.arange(frame.shape[axis], dtype=torch.float64) + 0.5) * frame.voxel_size
        for axis in range(3)
    )
    ground = floor.heights(torch.stack(torch.meshgrid(x, y, indexing="ij"), -1))
    return z - ground[..., None]


def _dilated(mask: Bool[Tensor, "a b"]) -> Bool[Tensor, "a b"]:
    """The mask and the cells beside it."""
    return torch.nn.functional.max_pool2d(mask[None, None].float(), 3, 1, 1)[0, 0] > 0


def _without_specks(free: Bool[Tensor, "a b"], smallest: float) -> Bool[Tensor, "a b"]:
    """Free cells with small groups of others filled in, and without tunnels."""
    from scipy.ndimage import label

    found = free.numpy().copy()
    groups, _ = label(~found, AROUND)
    sizes = np.bincount(groups.ravel())
    sizes[0] = 0
    found |= (groups > 0) & (sizes[groups] < smallest)
    return torch.from_numpy(_without_tunnels(found))


def _without_tunnels(free: Bool[np.ndarray, "a b"]) -> Bool[np.ndarray, "a b"]:
    """Free cells less the strips narrower than three cells that join two wide places, or none.

    Such a strip through a wall is noise, or too narrow for any robot. A nook of one wide place stays: it is seen.
    """
    from scipy.ndimage import binary_dilation, binary_opening, find_objects, label

    wide = binary_opening(free, AROUND)
    strips, count = label(free & ~wide, AROUND)
    kept = np.zeros(count + 1, bool)
    for number, (rows, columns) in enumerate(find_objects(strips), start=1):
        # A margin of two cells: contacts that are joined within it are one.
        box = tuple(slice(max(side.start - 2, 0), side.stop + 2) for side in (rows, columns))
        contacts = binary_dilation(strips[box] == number, AROUND) & wide[box]
        kept[number] = label(contacts, AROUND)[1] == 1
    kept[0] = False
    found: Bool[np.ndarray, "a b"] = wide | kept[strips]
    return found
