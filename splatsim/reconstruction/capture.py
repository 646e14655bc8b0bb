"""Capture: posed pictures and the points seen in them, as a folder. What the poses give and the fit takes."""

import os
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.errors import FormatError
from splatsim.formats.arrays import read_arrays, write_arrays
from splatsim.tensors import TensorDataclass, check_field

FILE = "capture.npz"
IMAGES, MASKS = "images", "masks"


@dataclass(frozen=True, eq=False)
class Capture(TensorDataclass):
    """c pinhole pictures without distortion, their poses, and p points triangulated from them.

    The pictures lie in `folder/images`; a mask, where there is one, as `folder/masks/NAME.png`.

    Raises:
        ValueError: the fields disagree in number, or an observation names no picture or no point.
    """

    folder: Path
    """Where the pictures lie."""
    names: tuple[str, ...]
    """File names of the pictures, in the order of the footage."""
    sizes: tuple[tuple[int, int], ...]
    """Width and height of each, pixels."""
    viewmats: Float[Tensor, "c 4 4"]
    """cam_from_world."""
    Ks: Float[Tensor, "c 3 3"]
    """Intrinsics, pixels."""
    times: Float[Tensor, " c"]
    """Seconds in the video; the index for photos."""
    points: Float[Tensor, "p 3"]
    """Triangulated points, in the units of the poses."""
    point_colors: UInt8[Tensor, "p 3"]
    """Their colours, 0 to 255."""
    point_errors: Float[Tensor, " p"]
    """Mean reprojection error of each, pixels."""
    observations: Int[Tensor, "o 2"]
    """Which picture (first column) saw which point (second), int32."""

    def __post_init__(self) -> None:
        count, points = len(self.names), len(self.points)
        if len(self.sizes) != count:
            raise ValueError(f"Capture has {count} names and {len(self.sizes)} sizes; expected one size for each.")
        check_field("Capture", "viewmats", self.viewmats, (count, 4, 4))
        check_field("Capture", "Ks", self.Ks, (count, 3, 3))
        check_field("Capture", "times", self.times, (count,))
        check_field("Capture", "points", self.points, (points, 3))
        check_field("Capture", "point_errors", self.point_errors, (points,))
        if self.point_colors.shape != (points, 3):
            raise ValueError(f"Capture.point_colors has shape {list(self.point_colors.shape)}; expected [{points} 3].")
        limits = torch.tensor([count, points])
        if len(self.observations) and not bool(((self.observations >= 0) & (self.observations < limits)).all()):
            raise ValueError(
                f"Capture.observations goes up to {self.observations.amax(0).tolist()}; "
                f"expected picture and point below {limits.tolist()}."
            )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def filmed(self) -> bool:
        """Whether the pictures are frames of a video: the times of photos are their numbers, whole."""
        return not torch.equal(self.times, self.times.round())

    def camera(self, index: int) -> Cameras:
        """The camera of one picture."""
        width, height = self.sizes[index]
        return Cameras(self.viewmats[index][None], self.Ks[index][None], width, height)

    def picture(self, index: int) -> UInt8[np.ndarray, "h w 3"]:
        """The pixels of one picture.

        Raises:
            FormatError: the file is missing, damaged or of another size.
        """
        path = self.folder / IMAGES / self.names[index]
        width, height = self.sizes[index]
        return _read(path, (height, width, 3))

    def mask(self, index: int) -> UInt8[np.ndarray, "h w"] | None:
        """Where one picture counts (not 0), or None where all of it does.

        Raises:
            FormatError: the file is damaged or of another size.
        """
        path = self.folder / MASKS / f"{self.names[index]}.png"
        if not path.exists():
            return None
        width, height = self.sizes[index]
        return _read(path, (height, width))

    def moved(self, b_from_a: Float[Tensor, "4 4"], scale: float = 1.0) -> "Capture":
        """The same capture in another world frame: lengths times `scale`, then moved from frame a to frame b."""
        b_from_a = b_from_a.to(self.viewmats)
        rotation, translation = b_from_a[:3, :3], b_from_a[:3, 3]
        viewmats = self.viewmats.clone()
        viewmats[:, :3, :3] = self.viewmats[:, :3, :3] @ rotation.mT
        viewmats[:, :3, 3] = scale * self.viewmats[:, :3, 3] - viewmats[:, :3, :3] @ translation
        return self.replace(viewmats=viewmats, points=scale * self.points @ rotation.mT + translation)

    def save(self) -> None:
        """Write `capture.npz` into the folder, at once or not at all; the pictures are there already."""
        arrays = {name: tensor.numpy() for name, tensor in self.tensors().items()}
        temporary = self.folder / f".{FILE}.partial"
        write_arrays(temporary, arrays, names=self.names, sizes=self.sizes)
        os.replace(temporary, self.folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> "Capture":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no capture in this folder.
            FormatError: it cannot be read.
        """
        path = folder / FILE
        if not path.is_file():
            raise FileNotFoundError(f"{folder} has no {FILE}; expected a folder of posed pictures.")
        try:
            arrays, facts = read_arrays(path)
            sizes = tuple((int(width), int(height)) for width, height in facts["sizes"])
            return cls(folder, tuple(facts["names"]), sizes, **arrays)
        except Exception as error:  # whatever a decoder raises
            raise FormatError(
                f"{path} cannot be read ({error}); expected posed pictures, as Capture.save wrote."
            ) from error


def _read(path: Path, shape: tuple[int, ...]) -> UInt8[np.ndarray, "*size"]:
    try:
        pixels: UInt8[np.ndarray, "*size"] = iio.imread(path)
    except Exception as error:  # whatever a decoder raises
        raise FormatError(f"{path} cannot be read ({error}); expected a picture.") from error
    if pixels.shape != shape or pixels.dtype != np.uint8:
        raise FormatError(f"{path} has shape {list(pixels.shape)}, {pixels.dtype}; expected {list(shape)}, uint8.")
    return pixels
