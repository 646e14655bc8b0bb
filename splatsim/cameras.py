"""Cameras: where pictures are taken from. A Rig is a set of cameras mounted on a body."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.tensors import TensorDataclass, check_alike, check_field
from splatsim.transforms import cam_from_world_look_at, invert

MAX_IMAGE_SIDE = 65_536


@dataclass(frozen=True)
class Cameras(TensorDataclass):
    """c cameras of one size and model. Cameras of different sizes are a `list[Cameras]`.

    The camera frame is OpenCV's: x right, y down, z forward. The centre of the top left pixel is (0.5, 0.5).

    Raises:
        TypeError: a matrix is not a floating-point tensor.
        ValueError: a shape, the image size or the model is wrong, or devices or dtypes differ.
    """

    viewmats: Float[Tensor, "c 4 4"]
    """cam_from_world, rigid."""
    Ks: Float[Tensor, "c 3 3"]
    """Intrinsics: focal lengths and principal point in pixels (ortho: pixels per metre)."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    model: Literal["pinhole", "ortho"] = "pinhole"
    """Perspective, or parallel projection along +z."""

    def __post_init__(self) -> None:
        check_field("Cameras", "viewmats", self.viewmats, ("c", 4, 4))
        check_field("Cameras", "Ks", self.Ks, (len(self.viewmats), 3, 3))
        check_alike("Cameras", self.tensors())
        _check_size("Cameras", self.width, self.height)
        if self.model not in ("pinhole", "ortho"):
            raise ValueError(f'Cameras.model is {self.model!r}; expected "pinhole" or "ortho".')

    def __len__(self) -> int:
        return len(self.viewmats)

    def __getitem__(self, index: int | slice | Tensor) -> "Cameras":
        """Some of the cameras; a single index gives a batch of one."""
        rows = [index] if isinstance(index, int) else index
        return self.replace(viewmats=self.viewmats[rows], Ks=self.Ks[rows])

    @property
    def world_from_cam(self) -> Float[Tensor, "c 4 4"]:
        """The poses of the cameras."""
        return invert(self.viewmats)

    @property
    def positions(self) -> Float[Tensor, "c 3"]:
        """The optical centres in the world, metres."""
        return self.world_from_cam[:, :3, 3]

    @classmethod
    def look_at(
        cls,
        eye: Sequence[float] | Sequence[Sequence[float]] | Tensor,
        target: Sequence[float] | Sequence[Sequence[float]] | Tensor,
        *,
        fov_deg: float,
        width: int,
        height: int,
        up: Sequence[float] = (0.0, 0.0, 1.0),
    ) -> "Cameras":
        """Pinhole cameras at `eye` that look at `target`, each one point or one for each camera, metres.

        Args:
            fov_deg: The horizontal field of view.
            up: What is up in the image.

        Raises:
            ValueError: the field of view is not within (0, 180), or eye, target and up fix no orientation.
        """
        if not 0 < fov_deg < 180:
            raise ValueError(f"fov_deg is {fov_deg}; expected a horizontal field of view between 0 and 180 degrees.")
        _check_size("Cameras", width, height)
        eyes = torch.atleast_2d(torch.as_tensor(eye, dtype=torch.float32))
        targets = torch.atleast_2d(torch.as_tensor(target, dtype=torch.float32))
        eyes, targets = torch.broadcast_tensors(eyes, targets)
        viewmats = cam_from_world_look_at(eyes, targets, torch.tensor(up, dtype=torch.float32))
        focal = 0.5 * width / math.tan(math.radians(fov_deg) / 2)
        K = torch.tensor([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
        return cls(viewmats, K.repeat(len(eyes), 1, 1), width, height)

    @classmethod
    def overhead(
        cls, north_west: tuple[float, float], metres_per_pixel: float, width: int, height: int, *, z: float
    ) -> "Cameras":
        """One orthographic camera at height z that looks straight down: rows run south, columns run east.

        Pixel (row 0, column 0) has its corner at world (x, y) = `north_west`, so the picture lies on a map grid.

        Raises:
            ValueError: the pixel size is not positive.
        """
        if not (math.isfinite(metres_per_pixel) and metres_per_pixel > 0):
            raise ValueError(f"metres_per_pixel is {metres_per_pixel}; expected a positive length in metres.")
        west, north = north_west
        viewmat = torch.tensor(
            [[1.0, 0.0, 0.0, -west], [0.0, -1.0, 0.0, north], [0.0, 0.0, -1.0, z], [0.0, 0.0, 0.0, 1.0]]
        )
        density = 1 / metres_per_pixel
        K = torch.tensor([[density, 0.0, 0.0], [0.0, density, 0.0], [0.0, 0.0, 1.0]])
        return cls(viewmat[None], K[None], width, height, "ortho")


@dataclass(frozen=True)
class Rig(TensorDataclass):
    """c pinhole cameras mounted on a body, whose frame has x forward, y left and z up.

    Raises:
        TypeError: a matrix is not a floating-point tensor.
        ValueError: a shape or the image size is wrong, or devices or dtypes differ.
    """

    cams_from_body: Float[Tensor, "c 4 4"]
    """The fixed mounting."""
    Ks: Float[Tensor, "c 3 3"]
    """Intrinsics, pixels."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""

    def __post_init__(self) -> None:
        check_field("Rig", "cams_from_body", self.cams_from_body, ("c", 4, 4))
        check_field("Rig", "Ks", self.Ks, (len(self.cams_from_body), 3, 3))
        check_alike("Rig", self.tensors())
        _check_size("Rig", self.width, self.height)

    def __len__(self) -> int:
        return len(self.cams_from_body)

    def at(self, world_from_body: Float[Tensor, "4 4"]) -> Cameras:
        """The cameras of the rig with its body at this pose."""
        viewmats = self.cams_from_body @ invert(world_from_body)
        return Cameras(viewmats, self.Ks, self.width, self.height)


def _check_size(owner: str, width: int, height: int) -> None:
    for name, pixels in (("width", width), ("height", height)):
        if isinstance(pixels, bool) or not isinstance(pixels, int):
            raise TypeError(f"{owner}.{name} is {pixels!r}; expected a whole number of pixels.")
        if not 1 <= pixels <= MAX_IMAGE_SIDE:
            raise ValueError(f"{owner}.{name} is {pixels}; expected 1 to {MAX_IMAGE_SIDE} pixels.")
