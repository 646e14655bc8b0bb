"""Cuts are found between places, and not where the hand was quick, the light changed or the lens was covered."""

import cv2
import numpy as np

from splatsim.reconstruction.cuts import CutDetector
from splatsim.reconstruction.flow import measure_step
from splatsim.reconstruction.sharpness import assess
from tests.reconstruction.footage import slide


def cuts(frames: list[np.ndarray]) -> list[int]:
    detector, previous = CutDetector(), None
    for position, frame in enumerate(frames):
        gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) if frame.ndim == 3 else frame
        step = None if previous is None else measure_step(previous, gray)
        detector.add(position, gray, assess(gray).sharpness, step)
        previous = gray
    return detector.finish()


HERE, THERE = slide(12, 4), slide(12, 4, seed=9)


def test_two_places() -> None:
    assert cuts(HERE + THERE) == [12]
    assert cuts(HERE + THERE[:3]) == [12]
    assert cuts(HERE + THERE + slide(8, 4, seed=20)) == [12, 24]


def test_one_place() -> None:
    assert cuts(HERE) == []


def test_a_whip_of_the_hand() -> None:
    fast = slide(24, 40)
    streaks = [cv2.blur(frame, (41, 1)) for frame in fast[8:16]]
    assert cuts(fast[:8] + streaks + fast[16:]) == []


def test_a_jump_of_exposure_and_a_flash() -> None:
    bright = [(frame.astype(int) * 2).clip(0, 255).astype(np.uint8) for frame in HERE]
    assert cuts(HERE[:6] + bright[6:]) == []
    assert cuts([*HERE[:6], np.full_like(HERE[0], 255), *HERE[6:]]) == []


def test_frames_that_are_missing() -> None:
    assert cuts(HERE[:4] + HERE[10:]) == []


def test_a_wall_without_features_says_nothing() -> None:
    walls = [np.full((240, 320), 60, np.uint8)] * 8 + [np.full((240, 320), 200, np.uint8)] * 8
    assert cuts(walls) == []
