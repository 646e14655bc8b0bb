"""Held-out pictures: which they are, and measures with known answers."""

import math

import pytest
import torch

from splatsim.reconstruction.fit.holdout import align_colors, measure, split


def test_every_nth_is_held_out_and_none_for_zero() -> None:
    assert split(10, 4) == ([1, 2, 3, 5, 6, 7, 9], [0, 4, 8])
    assert split(3, 0) == ([0, 1, 2], [])


def test_held_out_frames_of_a_video_lie_between_fitted_ones() -> None:
    train, held_out = split(13, 4, filmed=True)
    assert held_out == [2, 6, 10]
    assert all(train[0] < frame < train[-1] for frame in held_out)


def test_alignment_undoes_an_affine_change_of_colours() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(20, 30, 3, generator=generator)
    matrix = torch.eye(3) + 0.2 * torch.randn(3, 3, generator=generator)
    image = (target - 0.05) @ matrix
    torch.testing.assert_close(align_colors(image, target), target, atol=1e-5, rtol=0)
    found = measure(3, "x.png", image, target)
    assert (found.index, found.name) == (3, "x.png")
    assert found.psnr_aligned > found.psnr


def test_masked_pixels_count_for_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(30, 30, 3, generator=generator)
    image = (target + 0.1).clamp(0, 1)
    mask = torch.zeros(30, 30, dtype=torch.bool)
    mask[5:25, 5:25] = True
    image[mask] = target[mask] * 0.5 + 0.25
    other = image.clone()
    other[~mask] = 0.0
    assert measure(0, "a", image, target, mask) == measure(0, "a", other, target, mask)
    wanted = -10 * math.log10(float((image - target)[mask].square().mean()))
    assert measure(0, "a", image, target, mask).psnr == pytest.approx(wanted, abs=1e-4)
    assert math.isnan(measure(0, "a", image, target, torch.zeros_like(mask)).psnr)
