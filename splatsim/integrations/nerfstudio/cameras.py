"""Cameras of nerfstudio and ours: camera_to_world with OpenGL axes, and one intrinsic number per tensor."""

from typing import Any

import torch

from splatsim.cameras import Cameras
from splatsim.formats.transforms import viewmats_from_opengl


def cameras_from_nerfstudio(cameras: Any, divisor: int = 1) -> Cameras:
    """The pinholes of a `nerfstudio.cameras.cameras.Cameras` of one size, without their distortion.

    Args:
        cameras: A batch of c cameras.
        divisor: By what the sides of the pictures are divided.

    Raises:
        ValueError: the cameras have different sizes.
    """
    widths, heights = cameras.width.flatten().unique(), cameras.height.flatten().unique()
    if len(widths) != 1 or len(heights) != 1:
        raise ValueError(
            f"the cameras have the widths {widths.tolist()} and heights {heights.tolist()}; expected one size."
        )
    width, height = int(widths[0]), int(heights[0])
    sides = max(1, round(width / divisor)), max(1, round(height / divisor))
    poses = cameras.camera_to_worlds.reshape(-1, 3, 4).float()
    Ks = torch.eye(3).to(poses).repeat(len(poses), 1, 1)
    for row, column, values, share in (
        (0, 0, cameras.fx, sides[0] / width),
        (1, 1, cameras.fy, sides[1] / height),
        (0, 2, cameras.cx, sides[0] / width),
        (1, 2, cameras.cy, sides[1] / height),
    ):
        Ks[:, row, column] = share * values.reshape(-1).to(poses)
    last = torch.tensor([0.0, 0.0, 0.0, 1.0]).to(poses).expand(len(poses), 1, 4)
    return Cameras(viewmats_from_opengl(torch.cat([poses, last], dim=1)), Ks, *sides)
