"""Pictures of the report: things stand where they should."""

from pathlib import Path

import numpy as np
import pytest
import torch

from splatsim import Cameras
from splatsim.reconstruction.drawing import END, START, beside, path_from_above, thumbnail
from tests.reconstruction.test_capture import small_capture


def test_the_path_runs_from_south_west_to_north_east(tmp_path: Path) -> None:
    eyes = torch.tensor([[0.0, 0.0, 1.0], [4.0, 2.0, 1.0], [8.0, 4.0, 1.0]])
    cameras = Cameras.look_at(eyes, [20.0, 4.0, 1.0], fov_deg=60, width=8, height=6)
    capture = small_capture(tmp_path).replace(viewmats=cameras.viewmats)
    picture = path_from_above(capture, width=400)
    assert picture.shape[1] == 400
    first, last = (np.argwhere((picture == color).all(-1)).mean(0) for color in (START, END))
    assert last[1] - first[1] > 50  # east is to the right
    assert first[0] - last[0] > 25  # north is up
    assert (last[1] - first[1]) / (first[0] - last[0]) == pytest.approx(2, rel=0.1)  # 8 m east, 4 m north


def test_cameras_on_one_spot_can_be_drawn(tmp_path: Path) -> None:
    capture = small_capture(tmp_path)
    still = capture.replace(
        viewmats=torch.eye(4).repeat(3, 1, 1),
        points=torch.zeros(0, 3),
        point_colors=torch.zeros(0, 3, dtype=torch.uint8),
        point_errors=torch.zeros(0),
        observations=torch.zeros(0, 2, dtype=torch.int32),
    )
    assert path_from_above(still, width=200).shape[1] <= 200


def test_thumbnails_keep_the_shape() -> None:
    picture = np.zeros((60, 120, 3), np.uint8)
    assert thumbnail(picture, 40).shape == (20, 40, 3)
    assert beside(picture, picture).shape == (60, 244, 3)
