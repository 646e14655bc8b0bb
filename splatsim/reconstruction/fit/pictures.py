"""Pictures: those of a capture in memory, at full size and smaller, as the fit looks at them."""

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.reconstruction.capture import Capture

MEMORY_LIMIT = 2 << 30
"""Bytes of decoded pictures that are kept; beyond it the full sizes are read again from disk each time."""
LEVELS = (1, 2, 4)
"""By what the sides are divided."""


class Pictures:
    """Decoded once and kept as bytes.

    Raises:
        FormatError: a picture or a mask is missing, damaged or of another size.
    """

    def __init__(self, capture: Capture, device: torch.device | str = "cpu", limit: int = MEMORY_LIMIT) -> None:
        self.capture = capture
        self.device = torch.device(device)
        self.in_memory = sum(3 * width * height for width, height in capture.sizes) <= limit
        self._pictures: dict[tuple[int, int], UInt8[np.ndarray, "h w 3"]] = {}
        self._masks: dict[tuple[int, int], Bool[np.ndarray, "h w"] | None] = {}
        for index in range(len(capture)):
            picture, mask = capture.picture(index), capture.mask(index)
            for level in LEVELS:
                size = self.size(index, level)
                if level > 1 or self.in_memory:
                    self._pictures[index, level] = _smaller(picture, size)
                self._masks[index, level] = None if mask is None else _smaller_mask(mask, size)

    def size(self, index: int, level: int = 1) -> tuple[int, int]:
        """Width and height of one picture."""
        width, height = self.capture.sizes[index]
        return max(1, round(width / level)), max(1, round(height / level))

    def picture(self, index: int, level: int = 1) -> Float[Tensor, "h w 3"]:
        """Its colours, in [0, 1]."""
        pixels = self._pictures.get((index, level))
        if pixels is None:
            pixels = self.capture.picture(index)
        return torch.from_numpy(pixels).to(self.device).float() / 255

    def mask(self, index: int, level: int = 1) -> Bool[Tensor, "h w"] | None:
        """Where it counts, or None where all of it does."""
        mask = self._masks[index, level]
        return None if mask is None else torch.from_numpy(mask).to(self.device)

    def camera(self, index: int, level: int = 1) -> Cameras:
        """The camera of one picture at this size."""
        width, height = self.size(index, level)
        full_width, full_height = self.capture.sizes[index]
        Ks = self.capture.Ks[index].clone()
        Ks[0] *= width / full_width
        Ks[1] *= height / full_height
        return Cameras(self.capture.viewmats[index][None], Ks[None], width, height).to(str(self.device))


def _smaller(picture: UInt8[np.ndarray, "h w 3"], size: tuple[int, int]) -> UInt8[np.ndarray, "h2 w2 3"]:
    if picture.shape[1::-1] == size:
        return np.ascontiguousarray(picture)
    smaller: UInt8[np.ndarray, "h2 w2 3"] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return smaller


def _smaller_mask(mask: UInt8[np.ndarray, "h w"], size: tuple[int, int]) -> Bool[np.ndarray, "h2 w2"]:
    """A small pixel counts where all that it covers does."""
    covered = cv2.resize((mask > 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(covered > 0.999)
