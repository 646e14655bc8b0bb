"""Pictures in grey, 8 bits: PGM and PNG, refused before memory is taken where their size is beyond reason."""

import io
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from splatsim.errors import FormatError

LARGEST_SIDE = 32_768
LARGEST_AREA = 1 << 28
"""Pixels."""


def encode_pgm(values: UInt8[np.ndarray, "h w"]) -> bytes:
    """A binary PGM file."""
    rows, columns = values.shape
    return b"P5\n%d %d\n255\n" % (columns, rows) + values.tobytes()


def encode_png(values: UInt8[np.ndarray, "h w"]) -> bytes:
    """A PNG file of 8 bits in grey."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(values).save(out, format="PNG")
    return out.getvalue()


def decode_picture(path: Path) -> UInt8[np.ndarray, "h w"]:
    """The pixels of a PGM or PNG file in grey.

    Raises:
        FormatError: it is no such picture, is damaged, or is larger than any map.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PPM", "PNG")) as picture:
                width, height = picture.size
                if max(width, height) > LARGEST_SIDE or width * height > LARGEST_AREA:
                    raise FormatError(f"{path} has {width} × {height} pixels; expected at most {LARGEST_AREA}.")
                if picture.mode != "L":
                    raise FormatError(f'{path} has pixels of kind "{picture.mode}"; expected 8 bits in grey.')
                values: UInt8[np.ndarray, "h w"] = np.asarray(picture).copy()
    except FormatError:
        raise
    except Exception as error:  # whatever a decoder raises
        raise FormatError(f"{path} cannot be read ({error}); expected a picture in grey, .pgm or .png.") from error
    return values
