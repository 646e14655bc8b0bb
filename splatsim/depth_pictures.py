"""DepthPictures: how far away things were found to be in the pictures of a scene, before anything was fitted."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.formats.arrays import read_arrays, write_arrays
from splatsim.tensors import TensorDataclass, check_field


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class DepthPictures(TensorDataclass):
    """Depth measured in c pictures, such as by stereo.

    Raises:
        TypeError, ValueError: the depths are no floating-point tensor [c h w], or some are negative or not finite.
    """

    depths: Float[Tensor, "c h w"]
    """z-depth, metres; 0 where it is not known. The pictures may be smaller than those of the cameras."""

    def __post_init__(self) -> None:
        check_field("DepthPictures", "depths", self.depths, ("c", "h", "w"))
        if not bool((self.depths.isfinite() & (self.depths >= 0)).all()):
            raise ValueError("DepthPictures.depths has values that are negative or not finite; expected 0 or more.")

    def __len__(self) -> int:
        return len(self.depths)

    def __getitem__(self, index: int | slice | Tensor) -> "DepthPictures":
        return DepthPictures(self.depths[[index]] if isinstance(index, int) else self.depths[index])

    def scaled(self, scale: float) -> "DepthPictures":
        """In other units of length."""
        return DepthPictures(self.depths.float() * scale)

    def at_size(self, width: int, height: int) -> Float[Tensor, "c height width"]:
        """The depths that lie nearest, in float32: a mean over an edge would lie on neither side of it."""
        rows, columns = (
            ((torch.arange(count) + 0.5) * have / count).long().clamp(max=have - 1)
            for count, have in ((height, self.depths.shape[1]), (width, self.depths.shape[2]))
        )
        return self.depths[:, rows[:, None], columns].float()


def write_depth_pictures(path: Path, pictures: DepthPictures) -> None:
    """As an .npz, rounded to half precision: 2 mm at 4 m."""
    write_arrays(path, {"depths": pictures.depths.half().numpy()})


def read_depth_pictures(path: Path) -> DepthPictures:
    return DepthPictures(read_arrays(path)[0]["depths"])
