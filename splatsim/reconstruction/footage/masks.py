"""Masks that a user gives with the footage: where a picture counts."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageOps

from splatsim.errors import FormatError
from splatsim.reconstruction.footage.sources import list_files

_TURNS = {
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Masks:
    """Masks of a whole footage, read when they are asked for; white counts, black does not.

    A file is one mask for all pictures. A folder holds one for each: named as the photo (`IMG_1.png` or `IMG_1.jpg.png`
    for `IMG_1.jpg`), or as the number of the video's frame, from 0, with or without leading zeros (`12.png`,
    `000012.png`). A picture without a mask counts whole.
    """

    files: dict[str, Path]
    common: Path | None = None

    @classmethod
    def open(cls, path: Path | None) -> "Masks":
        """List the masks.

        Raises:
            FileNotFoundError: nothing lies at the path, or the folder is empty.
        """
        if path is None:
            return cls({})
        if path.is_file():
            return cls({}, path)
        files = {_key(entry.stem): entry for entry in list_files(path)} if path.is_dir() else {}
        if not files:
            raise FileNotFoundError(f"{path} holds no masks; expected a picture, or a folder with one for each frame.")
        return cls(files)

    def __bool__(self) -> bool:
        return self.common is not None or bool(self.files)

    def of(self, name: str) -> Path | None:
        """The file for a photo of this name, or for a frame of this number."""
        keys = (_key(name), _key(Path(name).stem))
        return self.common or next((self.files[key] for key in keys if key in self.files), None)


def read_mask(path: Path, size: tuple[int, int], orientation: int = 1) -> Bool[np.ndarray, "h w"]:
    """Where an upright picture of this width and height counts; a mask in the same proportions is scaled.

    A mask that lies on its side, as the file of its photo does, is turned by the photo's EXIF orientation.

    Raises:
        FormatError: it is no picture, or has other proportions.
    """
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("L")
        if orientation in _TURNS and (upright.width > upright.height) != (size[0] > size[1]):
            upright = upright.transpose(_TURNS[orientation])
        pixels = np.asarray(upright)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FormatError(
            f"{path} cannot be read ({error}); expected a mask, white where the picture counts."
        ) from error
    width, height = size
    if abs(pixels.shape[1] * height - pixels.shape[0] * width) > 2 * max(width, height, *pixels.shape):
        raise FormatError(
            f"{path} is {pixels.shape[1]}x{pixels.shape[0]}; expected the proportions of its picture, {width}x{height}."
        )
    scaled = cv2.resize(pixels, size, interpolation=cv2.INTER_NEAREST)
    counts: Bool[np.ndarray, "h w"] = scaled > scaled.max() / 2  # some masks are 0 and 255, some 0 and 1
    return counts


def _key(stem: str) -> str:
    return str(int(stem)) if stem.isdecimal() else stem.lower()
