"""Filling: where points are thin there come new ones, near the surface, and no more than allowed."""

from pathlib import Path

import numpy as np
import torch

from splatsim.reconstruction.filling import fill_thin_places
from splatsim.reconstruction.pictures import Pictures
from splatsim.transforms import apply
from tests.reconstruction.tiny import HEIGHT, WIDTH, make_capture


def test_pictures_are_covered_at_the_depth_of_what_was_seen(tmp_path: Path) -> None:
    capture = make_capture(tmp_path, 4)
    pictures = Pictures(capture)
    points, colors = fill_thin_places(capture, pictures, [1, 2, 3], patches=12, most=10_000)
    assert points.shape == colors.shape
    assert len(points) > 50
    for index in (1, 2, 3):
        local = apply(capture.viewmats[index], torch.cat([capture.points, points]))
        pixels = local[:, :2] / local[:, 2:] * capture.Ks[index, 0, 0] + capture.Ks[index, :2, 2]
        patch = (pixels / (WIDTH / 12)).floor()[local[:, 2] > 0]
        inside = (patch >= 0).all(1) & (patch[:, 0] < 12) & (patch[:, 1] < int(np.ceil(HEIGHT / (WIDTH / 12))))
        assert len(patch[inside].unique(dim=0)) >= 0.99 * 12 * (HEIGHT // (WIDTH / 12))
    # What was seen lies within 4 m of the origin, 5 m from the cameras.
    assert float(points.norm(dim=1).max()) < 8


def test_there_are_no_more_than_allowed_and_none_without_depths(tmp_path: Path) -> None:
    capture = make_capture(tmp_path, 4)
    pictures = Pictures(capture)
    few, _ = fill_thin_places(capture, pictures, [0, 1], patches=64, most=60)
    assert 0 < len(few) <= 60
    nothing, colors = fill_thin_places(capture, pictures, [0, 1], patches=64, most=0)
    assert len(nothing) == len(colors) == 0
    unseen = capture.replace(observations=torch.zeros(0, 2, dtype=torch.int32))
    assert len(fill_thin_places(unseen, pictures, [0, 1], patches=12, most=1000)[0]) == 0


def test_masked_patches_stay_empty(tmp_path: Path) -> None:
    capture = make_capture(tmp_path, 2, spoil=slice(0, WIDTH // 2))
    points, _ = fill_thin_places(capture, Pictures(capture), [0], patches=12, most=1000)
    local = apply(capture.viewmats[0], points)
    columns = local[:, 0] / local[:, 2] * capture.Ks[0, 0, 0] + capture.Ks[0, 0, 2]
    assert len(points) > 0
    assert float(columns.min()) >= WIDTH // 2
