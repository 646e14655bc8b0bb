"""transforms.json of nerfstudio and instant-ngp, written: posed pictures with their intrinsics and distortion.

The matrices there are camera_to_world with OpenGL axes: x right, y up, z backward. `splatsim reconstruct` reads them.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.formats._files import atomic_writer
from splatsim.transforms import invert

OPENCV_FROM_OPENGL = (1.0, -1.0, -1.0, 1.0)
"""x right stays, y up becomes y down, z backward becomes z forward."""
COEFFICIENTS = {"OPENCV": ("k1", "k2", "p1", "p2", "k3", "k4"), "OPENCV_FISHEYE": ("k1", "k2", "k3", "k4")}
"""What the models of lenses have; those not given are 0."""


@dataclass(frozen=True)
class PosedPicture:
    """One frame of a transforms.json.

    Raises:
        ValueError: there is not one camera, it is no pinhole, or a coefficient is unknown to the lens.
    """

    path: str
    """Of the picture, from the folder of the file."""
    camera: Cameras
    """One pinhole camera, as it would be without distortion."""
    distortion: Mapping[str, float] | None = None
    """OpenCV's coefficients by name: k1 k2 p1 p2 k3 k4, or k1 k2 k3 k4 of a fisheye."""
    mask: str | None = None
    """Path of a picture that is 0 where the pixels do not count."""
    lens: Literal["OPENCV", "OPENCV_FISHEYE"] = "OPENCV"
    """Model of the distortion."""

    def __post_init__(self) -> None:
        if len(self.camera) != 1 or self.camera.model != "pinhole":
            raise ValueError(
                f"the frame {self.path} has {len(self.camera)} {self.camera.model} cameras; expected one pinhole."
            )
        unknown = sorted(set(self.distortion or {}) - set(COEFFICIENTS[self.lens]))
        if unknown:
            raise ValueError(
                f"the frame {self.path} has the coefficient {unknown[0]!r}; a lens of the model {self.lens} has "
                f"{', '.join(COEFFICIENTS[self.lens])}."
            )


def write_transforms(
    path: str | os.PathLike[str],
    pictures: Sequence[PosedPicture],
    *,
    points: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write a transforms.json, whole or not at all, with the intrinsics of each frame in the frame.

    Args:
        pictures: In order.
        points: Path of a .ply of coloured points, from the folder of the file.
        facts: Further entries; nerfstudio passes over what it does not know.

    Raises:
        ValueError: there is no picture, lenses of both models are mixed, or a pose is not finite.
        FileNotFoundError: the folder does not exist.
    """
    lenses = sorted({picture.lens for picture in pictures})
    if len(lenses) != 1:
        raise ValueError(
            f"{len(pictures)} pictures with lenses of the models {lenses} cannot stand in {path}; "
            "expected pictures of one model."
        )
    content: dict[str, Any] = {
        "camera_model": lenses[0],
        "applied_transform": torch.eye(4)[:3].tolist(),  # the poses are those of the world that they came from
        **({} if points is None else {"ply_file_path": points}),
        **(facts or {}),
        "frames": [_frame(picture) for picture in pictures],
    }
    with atomic_writer(path) as file:
        file.write((json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def _frame(picture: PosedPicture) -> dict[str, Any]:
    camera = picture.camera
    K, pose = camera.Ks[0].double(), opengl_from_viewmats(camera.viewmats.double())[0]
    if not bool(K.isfinite().all() and pose.isfinite().all()):
        raise ValueError(f"the camera of {picture.path} is not finite; expected finite numbers.")
    distortion = {name: float((picture.distortion or {}).get(name, 0.0)) for name in COEFFICIENTS[picture.lens]}
    return {
        "file_path": Path(picture.path).as_posix(),
        **({} if picture.mask is None else {"mask_path": Path(picture.mask).as_posix()}),
        "w": camera.width,
        "h": camera.height,
        "fl_x": float(K[0, 0]),
        "fl_y": float(K[1, 1]),
        "cx": float(K[0, 2]),
        "cy": float(K[1, 2]),
        **distortion,
        "transform_matrix": pose.tolist(),
    }


def opengl_from_viewmats(viewmats: Float[Tensor, "c 4 4"]) -> Float[Tensor, "c 4 4"]:
    """camera_to_world with OpenGL axes, of our cam_from_world."""
    return invert(viewmats) * torch.tensor(OPENCV_FROM_OPENGL).to(viewmats)


def viewmats_from_opengl(camera_to_worlds: Float[Tensor, "c 4 4"]) -> Float[Tensor, "c 4 4"]:
    """Our cam_from_world, of camera_to_world with OpenGL axes."""
    return invert(camera_to_worlds * torch.tensor(OPENCV_FROM_OPENGL).to(camera_to_worlds))
