"""Pictures, masks and labels lose their distortion alike, by lookups that OpenCV's own functions confirm."""

import cv2
import numpy as np
import pytest

from splatsim.reconstruction.poses import Lens
from splatsim.reconstruction.poses._lenses import undistortion

LENS = Lens("OPENCV", 320, 240, (260.0, 255.0, 163.0, 118.0, -0.2, 0.05, 0.002, -0.001))


@pytest.fixture
def oracle() -> tuple[np.ndarray, np.ndarray]:
    """Where OpenCV looks up the pixels of the pinhole picture."""
    change = undistortion(LENS, 0)
    half = np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])  # OpenCV's first pixel stands at 0, ours at 0.5
    fx, fy, cx, cy = LENS.params[:4]
    camera = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]) - half
    distortion = np.array(LENS.params[4:])
    size = (change.width, change.height)
    columns, rows = cv2.initUndistortRectifyMap(camera, distortion, np.eye(3), change.K - half, size, cv2.CV_32FC1)
    return columns, rows


def test_a_picture_is_opencvs(oracle: tuple[np.ndarray, np.ndarray]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    expected = cv2.remap(smooth, *oracle, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    assert np.abs(undistortion(LENS, 0).picture(smooth).astype(int) - expected).max() <= 1


def test_masks_and_labels_follow_the_picture(oracle: tuple[np.ndarray, np.ndarray]) -> None:
    change = undistortion(LENS, 0)
    labels = np.repeat(np.repeat(np.arange(48, dtype=np.uint8).reshape(6, 8), 40, 0), 40, 1)
    expected = cv2.remap(labels, *oracle, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    assert (change.labels(labels) == expected).mean() > 0.999
    mask = np.where(labels % 2 == 0, 255, 0).astype(np.uint8)
    kept = change.mask(mask)
    assert set(np.unique(kept)) == {0, 255}
    assert ((kept > 0) == (expected % 2 == 0)).mean() > 0.95  # the edge itself does not count
    assert not (kept > 0)[expected % 2 == 1].any() or (kept > 0)[expected % 2 == 1].mean() < 0.01
