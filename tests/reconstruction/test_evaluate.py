"""Similarity alignment finds the similarity that was applied."""

import numpy as np
import pytest
import torch

from splatsim.reconstruction.evaluate import position_error, umeyama
from splatsim.transforms import rotmat_from_quat


def test_the_similarity_is_found_again() -> None:
    generator = np.random.default_rng(0)
    source = generator.normal(size=(20, 3))
    rotation = rotmat_from_quat(torch.tensor([0.2, 0.9, -0.4, 0.1], dtype=torch.float64)).numpy()
    target = 2.5 * source @ rotation.T + (1, -2, 3)
    scale, found, shift = umeyama(source, target)
    assert scale == pytest.approx(2.5)
    np.testing.assert_allclose(found, rotation, atol=1e-12)
    np.testing.assert_allclose(shift, (1, -2, 3), atol=1e-12)
    error = position_error(source, target)
    assert error.rmse < 1e-12
    assert error.scale == pytest.approx(2.5)


def test_a_mirror_image_is_no_similarity() -> None:
    source = np.random.default_rng(1).normal(size=(30, 3))
    assert position_error(source, source * (1, 1, -1)).rmse > 0.3


def test_a_shift_of_one_camera_shows() -> None:
    source = np.random.default_rng(2).normal(size=(200, 3))
    target = source.copy()
    target[7] += (0.5, 0, 0)
    error = position_error(source, target)
    assert error.largest == pytest.approx(0.5, abs=0.02)
    assert error.rmse == pytest.approx(0.5 / np.sqrt(200), rel=0.05)


def test_two_cameras_are_too_few() -> None:
    with pytest.raises(ValueError, match="expected at least 3"):
        position_error(np.zeros((2, 3)), np.zeros((2, 3)))
