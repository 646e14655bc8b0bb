"""Sharpness follows blur, and nothing else that changes from frame to frame."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from splatsim.reconstruction.sharpness import assess, fit_within
from tests.reconstruction.footage import texture


@pytest.fixture
def gray() -> np.ndarray:
    return cv2.cvtColor(texture(240, 320), cv2.COLOR_RGB2GRAY)


def test_blur_lowers_sharpness_and_crispness_but_not_contrast(gray: np.ndarray) -> None:
    qualities = [assess(gray)] + [assess(cv2.GaussianBlur(gray, (0, 0), sigma)) for sigma in (0.7, 1.5, 3)]
    for sharper, softer in pairwise(qualities):
        assert softer.sharpness < 0.6 * sharper.sharpness
        assert softer.crispness < 0.6 * sharper.crispness
        assert softer.contrast > 0.6 * sharper.contrast


def test_a_soft_background_does_not_count(gray: np.ndarray) -> None:
    soft = cv2.GaussianBlur(gray, (0, 0), 3)
    portrait = soft.copy()
    portrait[60:180, 100:220] = gray[60:180, 100:220]
    assert assess(portrait).sharpness > 20 * assess(soft).sharpness


def test_crispness_does_not_follow_brightness(gray: np.ndarray) -> None:
    assert assess((gray * 0.6).astype(np.uint8)).crispness == pytest.approx(assess(gray).crispness, rel=0.05)


def test_black_and_corners(gray: np.ndarray) -> None:
    noise = np.random.default_rng(0).normal(0, 3, gray.shape)
    dark, wall = ((level + noise).clip(0, 255).astype(np.uint8) for level in (6, 180))
    assert assess(dark).is_black
    assert not assess(wall).is_black
    assert not assess(gray).is_black
    assert assess(wall).corners == 0
    assert assess(gray).corners > 100


def test_what_the_mask_hides_does_not_count(gray: np.ndarray) -> None:
    half = cv2.GaussianBlur(gray, (0, 0), 4)
    half[:, :160] = gray[:, :160]
    mask = np.zeros(gray.shape, bool)
    mask[:, 160:] = True
    assert assess(half, mask).sharpness < 0.2 * assess(half).sharpness
    assert assess(half, mask).corners < 0.3 * assess(half).corners


def test_fit_within() -> None:
    assert fit_within(np.zeros((100, 50), np.uint8), 40).shape == (40, 20)
    assert fit_within(np.zeros((30, 20, 3), np.uint8), 40).shape == (30, 20, 3)
