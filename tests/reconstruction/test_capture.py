"""Capture: moved rigidly, saved and loaded, and refused when damaged."""

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch

from splatsim.errors import FormatError
from splatsim.reconstruction import Capture
from splatsim.transforms import apply, invert, rotmat_from_quat


def small_capture(folder: Path) -> Capture:
    generator = torch.Generator().manual_seed(0)
    viewmats = torch.eye(4).repeat(3, 1, 1)
    viewmats[:, :3, :3] = rotmat_from_quat(torch.randn(3, 4, generator=generator))
    viewmats[:, :3, 3] = torch.randn(3, 3, generator=generator)
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    for k in range(3):
        iio.imwrite(folder / "images" / f"{k}.png", np.full((6, 8, 3), 40 * k, np.uint8))
    iio.imwrite(folder / "masks" / "1.png.png", np.full((6, 8), 255, np.uint8))
    return Capture(
        folder,
        ("0.png", "1.png", "2.png"),
        ((8, 6),) * 3,
        viewmats,
        torch.eye(3).repeat(3, 1, 1),
        torch.arange(3.0),
        torch.randn(5, 3, generator=generator),
        torch.zeros(5, 3, dtype=torch.uint8),
        torch.ones(5),
        torch.tensor([[0, 4], [2, 1]], dtype=torch.int32),
    )


def test_moving_scales_what_a_camera_sees(tmp_path: Path) -> None:
    capture = small_capture(tmp_path)
    b_from_a = torch.eye(4)
    b_from_a[:3, :3] = rotmat_from_quat(torch.tensor([0.3, -0.2, 0.9, 0.4]))
    b_from_a[:3, 3] = torch.tensor([1.0, -2.0, 0.5])
    moved = capture.moved(b_from_a, 2.5)
    seen = apply(capture.viewmats, capture.points.expand(3, 5, 3))
    seen_moved = apply(moved.viewmats, moved.points.expand(3, 5, 3))
    torch.testing.assert_close(seen_moved, 2.5 * seen)
    centres = invert(capture.viewmats)[:, :3, 3]
    torch.testing.assert_close(invert(moved.viewmats)[:, :3, 3], apply(b_from_a, 2.5 * centres), atol=1e-5, rtol=1e-5)


def test_saving_keeps_everything(tmp_path: Path) -> None:
    capture = small_capture(tmp_path)
    capture.save()
    again = Capture.load(tmp_path)
    assert (again.names, again.sizes) == (capture.names, capture.sizes)
    for name, tensor in capture.tensors().items():
        assert torch.equal(tensor, getattr(again, name))
    assert again.picture(2)[0, 0, 0] == 80
    assert again.mask(0) is None
    assert again.mask(1) is not None


def test_damage_is_named(tmp_path: Path) -> None:
    capture = small_capture(tmp_path)
    capture.save()
    whole = (tmp_path / "capture.npz").read_bytes()
    (tmp_path / "capture.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match=r"capture\.npz"):
        Capture.load(tmp_path)
    iio.imwrite(tmp_path / "images" / "0.png", np.zeros((5, 8, 3), np.uint8))
    with pytest.raises(FormatError, match=r"\[6, 8, 3\]"):
        capture.picture(0)


def test_observations_must_name_pictures_and_points(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected picture and point below"):
        small_capture(tmp_path).replace(observations=torch.tensor([[3, 0]], dtype=torch.int32))
