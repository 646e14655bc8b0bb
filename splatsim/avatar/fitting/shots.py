"""Shots: what is trained on, one picture of one camera at one time, cut to the person."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from splatsim.cameras import Cameras

UNSURE = 128
"""In masks: neither person nor background."""


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture cut to the person, with its mask and its camera."""

    time: int
    """Index of the frame."""
    camera: int
    """Index of the camera."""
    picture: UInt8[np.ndarray, "h w 3"]
    """Colours, without distortion."""
    mask: UInt8[np.ndarray, "h w"]
    """Coverage by the person, 0 to 255; UNSURE in `unsure` masks is not trained on."""
    view: Cameras
    """One pinhole camera of this size."""
    hard: bool = True
    """Whether values between 0 and 255 mean that nobody knows, and not that the person covers a part."""

    def halved(self) -> "Shot":
        """The same at half the size: the mean of two by two pixels, the person's colours counting by coverage."""
        height, width = self.mask.shape[0] // 2 * 2, self.mask.shape[1] // 2 * 2
        mask = self.mask[:height, :width].astype(np.float32).reshape(height // 2, 2, width // 2, 2)
        colors = self.picture[:height, :width].astype(np.float32).reshape(height // 2, 2, width // 2, 2, 3)
        weights = np.ones_like(mask) if self.hard else np.maximum(mask, 1e-3)
        picture = (colors * weights[..., None]).sum((1, 3)) / weights.sum((1, 3))[..., None]
        half = torch.tensor([[0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [1.0, 1.0, 1.0]])[:, :3]
        view = Cameras(self.view.viewmats, self.view.Ks * half, width // 2, height // 2, self.view.model)
        halves = [np.round(array).astype(np.uint8) for array in (picture, mask.mean((1, 3)))]
        return Shot(self.time, self.camera, halves[0], halves[1], view, self.hard)

    def tensors(self) -> tuple[Float[Tensor, "h w 3"], Float[Tensor, "h w"], Tensor]:
        """Colours and coverage in [0, 1], and where they are known."""
        picture = torch.from_numpy(self.picture).float() / 255
        mask = torch.from_numpy(self.mask)
        known = (mask == 0) | (mask == 255) if self.hard else torch.ones_like(mask, dtype=torch.bool)
        return picture, mask.float() / 255, known


def cut(
    time: int,
    camera: int,
    picture: UInt8[np.ndarray, "h w 3"],
    mask: UInt8[np.ndarray, "h w"],
    view: Cameras,
    *,
    margin: int,
    hard: bool = True,
) -> Shot | None:
    """The part of a picture that holds the person and a margin; None where there is nobody."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    top, left = max(int(rows[0]) - margin, 0), max(int(columns[0]) - margin, 0)
    bottom, right = min(int(rows[-1]) + 1 + margin, mask.shape[0]), min(int(columns[-1]) + 1 + margin, mask.shape[1])
    window = (slice(top, bottom), slice(left, right))
    return Shot(
        time,
        camera,
        np.ascontiguousarray(picture[window]),
        np.ascontiguousarray(mask[window]),
        crop(view, left, top, right - left, bottom - top),
        hard,
    )


def crop(view: Cameras, left: int, top: int, width: int, height: int) -> Cameras:
    """The camera of a window of its picture."""
    shift = torch.tensor([[0.0, 0.0, left], [0.0, 0.0, top], [0.0, 0.0, 0.0]])
    return Cameras(view.viewmats, view.Ks - shift, width, height, view.model)


def by_time(shots: Iterable[Shot]) -> dict[int, list[Shot]]:
    """The shots of each time."""
    groups: dict[int, list[Shot]] = {}
    for shot in shots:
        groups.setdefault(shot.time, []).append(shot)
    return groups
