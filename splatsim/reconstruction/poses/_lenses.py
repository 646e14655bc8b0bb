"""Pictures without distortion: each as a pinhole camera of the size that the fit trains on."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from splatsim.errors import FormatError
from splatsim.reconstruction.poses._database import Lens, camera_of


@dataclass(frozen=True)
class Undistortion:
    """How pixels of a pinhole picture are looked up in a distorted one."""

    width: int
    height: int
    K: Float[np.ndarray, "3 3"]
    """Of the pinhole camera, pixels."""
    source: tuple[int, int]
    """Size to which the distorted picture is reduced first, so that nothing aliases."""
    lookup: tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w"]] | None
    """Columns and rows in the reduced picture, by OpenCV's convention; None where nothing is to be done."""

    def picture(self, pixels: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w2 3"]:
        """A picture without distortion."""
        import cv2

        reduced = _reduce(pixels, self.source)
        if self.lookup is None:
            return reduced
        # With cubic weights twice as sharp as with linear ones; the edge is repeated where a lookup rounds over it.
        result: UInt8[np.ndarray, "h2 w2 3"] = cv2.remap(
            reduced, *self.lookup, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        return result

    def mask(self, pixels: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h2 w2"]:
        """A mask without distortion, 0 or 255: only what counts as a whole does."""
        import cv2

        reduced = _reduce(np.where(pixels > 0, 255, 0).astype(np.uint8), self.source)
        if self.lookup is not None:
            reduced = cv2.remap(reduced, *self.lookup, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.where(reduced >= 250, 255, 0).astype(np.uint8)

    def labels(self, labels: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h2 w2"]:
        """Labels without distortion, each pixel's from the nearest one."""
        import cv2

        reduced = cv2.resize(labels, self.source, interpolation=cv2.INTER_NEAREST_EXACT)
        if self.lookup is not None:
            reduced = cv2.remap(reduced, *self.lookup, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(reduced, np.uint8)


@lru_cache(maxsize=16)
def undistortion(lens: Lens, max_size: int) -> Undistortion:
    """The largest pinhole picture that has no blank pixels, its long side at most `max_size` (0: as it is)."""
    import pycolmap

    long = max(lens.width, lens.height)
    scale = min(1.0, max_size / long) if max_size else 1.0
    width, height = max(1, round(lens.width * scale)), max(1, round(lens.height * scale))
    camera = camera_of(lens)
    camera.rescale(width, height)
    if camera.is_undistorted():
        return Undistortion(width, height, np.asarray(camera.calibration_matrix()), (width, height), None)
    pinhole = pycolmap.undistort_camera(pycolmap.UndistortCameraOptions(), camera)
    return Undistortion(
        pinhole.width,
        pinhole.height,
        np.asarray(pinhole.calibration_matrix()),
        (width, height),
        _lookup(camera, pinhole),
    )


def _lookup(camera: Any, pinhole: Any) -> tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w"]]:
    rows, columns = np.mgrid[: pinhole.height, : pinhole.width]
    pixels = np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5], axis=1).astype(np.float64)
    rays = pinhole.cam_from_img(pixels)
    found = camera.img_from_cam(np.c_[rays, np.ones(len(rays))]) - 0.5
    columns, rows = np.asarray(found, np.float32).T.reshape(2, pinhole.height, pinhole.width)
    return np.ascontiguousarray(columns), np.ascontiguousarray(rows)


def _reduce(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    import cv2

    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def read_picture(path: Path, lens: Lens) -> UInt8[np.ndarray, "h w 3"]:
    """The pixels of a picture, as they are stored: a rotation flag is not obeyed, for the lens does not know it.

    Raises:
        FormatError: the file is damaged, or of another size than the lens.
    """
    import cv2

    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return np.ascontiguousarray(_checked(path, pixels, lens)[..., ::-1])


def read_mask(path: Path | None, lens: Lens) -> UInt8[np.ndarray, "h w"] | None:
    """A mask, or None where there is none.

    Raises:
        FormatError: the file is damaged, or of another size than the lens.
    """
    import cv2

    if path is None or not path.is_file():
        return None
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE)
    return _checked(path, pixels, lens)


def write_png(path: Path, pixels: np.ndarray) -> None:
    """A picture or a mask, quickly."""
    import cv2

    bgr = pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., ::-1])
    _, data = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    path.write_bytes(data.tobytes())


def _checked(path: Path, pixels: Any, lens: Lens) -> np.ndarray:
    if pixels is None:
        raise FormatError(f"{path} cannot be read; expected a picture.")
    if pixels.shape[:2] != (lens.height, lens.width):
        raise FormatError(
            f"{path} has {pixels.shape[1]} x {pixels.shape[0]} pixels; expected {lens.width} x {lens.height}, as its "
            "camera says."
        )
    return np.asarray(pixels)
