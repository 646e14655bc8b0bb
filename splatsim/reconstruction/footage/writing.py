"""Pictures and masks as later stages read them."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

QUALITY = 97
"""Of the JPEG files, with colour at full resolution: the loss stays far below that of any fit."""


def write_jpeg(path: Path, pixels: UInt8[np.ndarray, "h w 3"]) -> None:
    """A picture of high quality."""
    Image.fromarray(pixels).save(path, quality=QUALITY, subsampling=0)


def write_mask(path: Path, mask: Bool[np.ndarray, "h w"]) -> None:
    """White where the picture counts."""
    Image.fromarray(mask.astype(np.uint8) * 255).save(path, compress_level=1)
