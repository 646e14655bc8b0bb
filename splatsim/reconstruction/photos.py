"""Photos: upright, with what their EXIF says of lens and place."""

import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

LARGEST = 400_000_000
"""Pixels of a photo; a damaged file may claim any number."""
_DIAGONAL_35MM = 43.27
"""Millimetres: equivalent focal lengths compare diagonals (CIPA DCG-001)."""
_UNITS = {2: 25.4, 3: 10.0, 4: 1.0}
"""Millimetres of the units in which EXIF counts the pixels of the sensor."""


@dataclass(frozen=True)
class Photo:
    """One photo, as one sees it."""

    pixels: UInt8[np.ndarray, "h w 3"]
    orientation: int
    """Of the file, 1 to 8 as in EXIF; the pixels are upright already."""
    focal: float | None
    """Pixels of `pixels`."""
    gps: tuple[float, float, float] | None
    """Latitude, longitude, degrees; altitude, metres."""
    camera: tuple[str, ...]
    """Maker, model and lens."""
    is_plain: bool
    """The file itself holds these pixels: a JPEG or PNG, upright, no larger than asked for."""


class UnreadablePhoto(Exception):
    """Internal: why a file could not be read."""


def read_photo(path: Path, side: int) -> Photo:
    """Read one photo, scaled down to at most `side` pixels.

    Raises:
        UnreadablePhoto: the file is damaged, no picture, or claims more than LARGEST pixels.
    """
    try:
        with Image.open(path) as image:
            if image.width * image.height > LARGEST:
                raise UnreadablePhoto(f"{image.width}x{image.height} pixels are more than {LARGEST}")
            exif = image.getexif()
            full = image.size
            plain = image.format in ("JPEG", "PNG") and image.mode == "RGB" and max(full) <= side
            image.draft("RGB", (side, side))  # JPEG: decoded at an eighth, a quarter or a half where that is enough
            return _convert(image, exif, full, side, plain)
    except UnreadablePhoto:
        raise
    except UnidentifiedImageError as error:
        raise UnreadablePhoto("no picture that Pillow knows; expected one such as JPEG or PNG") from error
    except Exception as error:  # whatever a decoder raises
        raise UnreadablePhoto(str(error) or type(error).__name__) from error


def _convert(image: Image.Image, exif: Image.Exif, full: tuple[int, int], side: int, plain: bool) -> Photo:
    orientation = exif.get(ExifTags.Base.Orientation, 1)
    orientation = orientation if orientation in range(1, 9) else 1
    upright = _to_rgb(ImageOps.exif_transpose(image))
    scale = side / max(upright.size)
    if scale < 1:
        size = tuple(max(1, round(length * scale)) for length in upright.size)
        upright = upright.resize((size[0], size[1]), Image.Resampling.LANCZOS, reducing_gap=3.0)
    details = _ifd(exif, ExifTags.IFD.Exif)
    focal = _focal(details, full)
    return Photo(
        pixels=np.asarray(upright),
        orientation=orientation,
        focal=None if focal is None else focal * max(upright.size) / max(full),
        gps=_gps(_ifd(exif, ExifTags.IFD.GPSInfo)),
        camera=tuple(
            str(value).strip("\0 ")
            for value in (
                exif.get(ExifTags.Base.Make, ""),
                exif.get(ExifTags.Base.Model, ""),
                details.get(ExifTags.Base.LensModel, ""),
            )
        ),
        is_plain=plain and orientation == 1,
    )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":  # 16 bits, grey: Pillow would cut off instead of scaling
        values = np.asarray(image).astype(np.float64)
        return Image.fromarray((values / 257).clip(0, 255).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


def _ifd(exif: Image.Exif, part: ExifTags.IFD) -> dict[int, Any]:
    """A part of the EXIF; empty where it is damaged, for the picture may be whole."""
    try:
        return dict(exif.get_ifd(part))
    except (OSError, ValueError, TypeError, KeyError, SyntaxError, struct.error):
        return {}


def _focal(details: dict[int, Any], full: tuple[int, int]) -> float | None:
    """Focal length in pixels of the full picture, or None where EXIF does not tell or tells nonsense."""
    equivalent = _number(details.get(ExifTags.Base.FocalLengthIn35mmFilm))
    focal = None
    if equivalent:
        focal = equivalent / _DIAGONAL_35MM * float(np.hypot(*full))
    else:
        length, density = (
            _number(details.get(tag)) for tag in (ExifTags.Base.FocalLength, ExifTags.Base.FocalPlaneXResolution)
        )
        unit = _UNITS.get(details.get(ExifTags.Base.FocalPlaneResolutionUnit, 2))
        stored = _number(details.get(ExifTags.Base.ExifImageWidth)) or max(full)
        if length and density and unit:
            focal = length * density / unit * max(full) / max(stored, 1)
    return focal if focal is not None and 0.2 < focal / max(full) < 20 else None


def _gps(entries: dict[int, Any]) -> tuple[float, float, float] | None:
    """Where the photo was taken; altitude 0 where EXIF has none."""
    latitude = _degrees(entries.get(ExifTags.GPS.GPSLatitude), entries.get(ExifTags.GPS.GPSLatitudeRef))
    longitude = _degrees(entries.get(ExifTags.GPS.GPSLongitude), entries.get(ExifTags.GPS.GPSLongitudeRef))
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    altitude = _number(entries.get(ExifTags.GPS.GPSAltitude)) or 0.0
    below = entries.get(ExifTags.GPS.GPSAltitudeRef) in (1, b"\x01")
    return latitude, longitude, -altitude if below else altitude


def _degrees(value: Any, reference: Any) -> float | None:
    try:
        parts = [_number(part) for part in value]
    except TypeError:
        return None
    if len(parts) != 3 or reference not in ("N", "S", "E", "W"):
        return None
    degrees, minutes, seconds = (part or 0.0 for part in parts)
    return (degrees + minutes / 60 + seconds / 3600) * (-1 if reference in ("S", "W") else 1)


def _number(value: Any) -> float | None:
    """A finite number, or None: EXIF may hold fractions over zero, text or nothing."""
    try:
        number = float(Fraction(value) if isinstance(value, str) else value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if np.isfinite(number) else None
