"""Cameras that cannot be right for a grid or a picture, told by their number."""

from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.grids import OCCUPIED, OccupancyGrid


def check_intrinsics(cameras: Cameras, where: str) -> None:
    """Raise where a principal point lies outside its picture: such intrinsics are those of another image size.

    Raises:
        ValueError: that is so; the camera is named.
    """
    if cameras.model != "pinhole":
        return
    size = cameras.Ks.new_tensor([cameras.width, cameras.height])
    points: Tensor = cameras.Ks.detach()[:, :2, 2]
    wrong = ~((points > 0) & (points < size)).all(dim=-1)
    if bool(wrong.any()):
        c = int(wrong.nonzero()[0, 0])
        x, y = (round(value, 1) for value in points[c].tolist())
        raise ValueError(
            f"{where}, camera {c}: the principal point ({x}, {y}) lies outside the picture of {cameras.width} × "
            f"{cameras.height} pixels; expected the intrinsics of that size: scale them with the picture."
        )


def cameras_inside(grid: OccupancyGrid, cameras: Cameras) -> list[int]:
    """The cameras that stand in an occupied voxel, and so see nothing but it."""
    states = grid.at(cameras.positions.detach().double().cpu())
    return [int(c) for c in (states == OCCUPIED).nonzero()[:, 0]]


def check_outside(grid: OccupancyGrid, cameras: Cameras) -> None:
    """Raise where a camera stands in an occupied voxel.

    Raises:
        ValueError: that is so; the camera and the class of the voxel are named.
    """
    for c in cameras_inside(grid, cameras)[:1]:
        place = cameras.positions[c].detach().cpu().double()
        label = int(grid.labels[tuple(grid.frame.index_of(place).tolist())])
        spot = [round(value, 2) for value in place.tolist()]
        raise ValueError(
            f"camera {c} at {spot} stands in an occupied voxel ({grid.class_names[label]}) and sees nothing else; "
            f"expected cameras in free space, in the frame {grid.frame.frame!r} of the grid."
        )
