"""Calibrated views of a person: cameras over time, and the removal of their lenses' distortion."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float

from splatsim.cameras import Cameras


@dataclass(frozen=True, eq=False)
class Views:
    """c cameras at t times; all pixels of keypoints and pictures are without distortion once they are in memory.

    Raises:
        ValueError: the counts of names, sizes, matrices and distortions differ, or a number is not finite.
    """

    names: tuple[str, ...]
    """Of the cameras."""
    sizes: tuple[tuple[int, int], ...]
    """Width and height of each camera's pictures, pixels."""
    Ks: Float[np.ndarray, "c 3 3"]
    """Intrinsics, pixels; the centre of the top left pixel is (0.5, 0.5)."""
    viewmats: Float[np.ndarray, "t c 4 4"]
    """cam_from_world."""
    distortions: Float[np.ndarray, "c 5"]
    """Of the pictures on disk: k1, k2, p1, p2, k3 (OpenCV)."""

    def __post_init__(self) -> None:
        counts = {len(self.names), len(self.sizes), len(self.Ks), self.viewmats.shape[1], len(self.distortions)}
        if len(counts) != 1:
            raise ValueError(
                f"Views has {len(self.names)} names, {len(self.sizes)} sizes, {len(self.Ks)} intrinsics, "
                f"{self.viewmats.shape[1]} poses and {len(self.distortions)} distortions; expected as many of each."
            )
        for camera, name in enumerate(self.names):
            numbers = (self.Ks[camera], self.viewmats[:, camera], self.distortions[camera])
            if not all(np.isfinite(array).all() for array in numbers):
                raise ValueError(f"the calibration of camera {name!r} has a number that is not finite.")

    @property
    def times(self) -> int:
        """How many frames there are."""
        return len(self.viewmats)

    @property
    def positions(self) -> Float[np.ndarray, "t c 3"]:
        """Optical centres in the world, metres."""
        rotations, translations = self.viewmats[..., :3, :3], self.viewmats[..., :3, 3:]
        centres: Float[np.ndarray, "t c 3"] = -(np.swapaxes(rotations, -1, -2) @ translations)[..., 0]
        return centres

    def select(self, cameras: list[int]) -> "Views":
        """Some of the cameras."""
        return Views(
            tuple(self.names[c] for c in cameras),
            tuple(self.sizes[c] for c in cameras),
            self.Ks[cameras],
            self.viewmats[:, cameras],
            self.distortions[cameras],
        )

    def at(self, times: list[int] | slice) -> "Views":
        """Some of the times."""
        return replace(self, viewmats=self.viewmats[times])

    def camera(self, time: int, camera: int) -> Cameras:
        """One view as the renderer takes it."""
        width, height = self.sizes[camera]
        viewmat, K = (torch.from_numpy(a.astype(np.float32)) for a in (self.viewmats[time, camera], self.Ks[camera]))
        return Cameras(viewmat[None], K[None], width, height)


def project(views: Views, points: Float[np.ndarray, "t k 3"]) -> Float[np.ndarray, "t c k 2"]:
    """Pixels of points at each time in each camera; not finite for points at or behind a camera."""
    rotations, translations = views.viewmats[..., :3, :3], views.viewmats[..., :3, 3]
    local = np.einsum("tcij,tkj->tcki", rotations, points) + translations[:, :, None]
    depths = np.where(local[..., 2:] > 1e-3, local[..., 2:], np.nan)
    pixels: Float[np.ndarray, "t c k 2"] = (local @ np.swapaxes(views.Ks, -1, -2))[..., :2] / depths
    return pixels


def undistort_points(views: Views, camera: int, pixels: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """Where points of a distorted picture lie in the pinhole picture with the same intrinsics."""
    if not views.distortions[camera].any() or not len(pixels):
        return pixels
    import cv2

    K = views.Ks[camera]
    moved = cv2.undistortPoints(pixels.reshape(-1, 1, 2).astype(np.float64), K, views.distortions[camera], P=K)
    return np.asarray(moved, np.float64).reshape(-1, 2)
