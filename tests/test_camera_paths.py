"""Ways for fly-throughs: calm, at constant speed, near the cameras; and trajectories from files."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from splatsim.camera_paths import fly_through
from splatsim.cameras import Cameras
from splatsim.errors import FormatError
from splatsim.formats.trajectory import load_cameras
from splatsim.transforms import invert


def circle(angles: Tensor, *, shake: float = 0.0, radius: float = 2.0) -> Cameras:
    """Cameras on a circle about the origin that look at it, shaken by a hand."""
    generator = torch.Generator().manual_seed(0)
    eyes = radius * torch.stack([angles.cos(), angles.sin(), torch.full_like(angles, 0.4)], dim=-1)
    eyes = eyes + shake * torch.randn(eyes.shape, generator=generator)
    targets = 5 * shake * torch.randn(eyes.shape, generator=generator)
    return Cameras.look_at(eyes, targets, fov_deg=70, width=64, height=36)


def steps(cameras: Cameras) -> Tensor:
    return cameras.positions.diff(dim=0).norm(dim=-1)


def jerk(cameras: Cameras) -> float:
    return float(cameras.positions.diff(n=3, dim=0).norm(dim=-1).mean())


def test_a_fly_through_keeps_to_the_way_at_constant_speed() -> None:
    angles = torch.cat([torch.linspace(0, 1, 60), torch.linspace(1, 5, 40)])  # slow at first
    way = fly_through(circle(angles), 120)
    radii = way.positions[:, :2].norm(dim=-1)
    assert float((radii - 2).abs().max()) < 0.09, "near the circle"
    assert float(steps(way).std() / steps(way).mean()) < 0.02, "at constant speed"
    torch.testing.assert_close(way.positions[[0, -1]], circle(angles).positions[[0, -1]], atol=0.05, rtol=0)
    inward = -torch.nn.functional.normalize(way.positions, dim=-1)
    assert float((way.world_from_cam[:, :3, 2] * inward).sum(-1).min()) > math.cos(math.radians(3)), "at the middle"
    assert (way.width, way.height) == (64, 36)
    torch.testing.assert_close(way.Ks[0], circle(angles).Ks[0])


def test_a_shaking_hand_is_calmed() -> None:
    shaken = circle(torch.linspace(0, 5, 300), shake=0.01)
    calm = fly_through(shaken, 300)
    assert jerk(calm) < 0.02 * jerk(shaken)
    assert float((calm.positions[:, :2].norm(dim=-1) - 2).abs().max()) < 0.1


def test_a_corner_is_not_cut_by_more_than_the_leeway() -> None:
    """Through a door one comes only on the cameras' own way."""
    line = torch.linspace(0, 10, 200)[:, None]
    eyes = torch.cat([line * torch.tensor([1.0, 0, 0]), torch.tensor([10.0, 0, 0]) + line * torch.tensor([0, 1.0, 0])])
    given = Cameras.look_at(eyes, eyes + torch.tensor([1.0, 1.0, 0]), fov_deg=70, width=64, height=36)
    way = fly_through(given, 400)
    away = torch.cdist(way.positions, given.positions).amin(1).max()
    assert 0.05 < float(away) <= 0.015 * math.hypot(10, 10) + 0.03


def test_photos_in_no_order_are_put_in_one() -> None:
    angles = torch.linspace(0, 5, 48)[torch.randperm(48, generator=torch.Generator().manual_seed(1))]
    way = fly_through(circle(angles), 200)
    assert float(steps(way).sum()) < 1.2 * 2 * 5
    assert float(way.positions[:, :2].norm(dim=-1).min()) > 1.8


def test_one_camera_and_cameras_on_one_spot() -> None:
    one = circle(torch.zeros(1))
    torch.testing.assert_close(fly_through(one, 5).viewmats, one.viewmats.expand(5, 4, 4))
    eyes = torch.zeros(9, 3)
    turns = torch.linspace(0, 1.5, 9)
    spot = Cameras.look_at(
        eyes, torch.stack([turns.cos(), turns.sin(), 0 * turns], -1), fov_deg=70, width=64, height=36
    )
    way = fly_through(spot, 50, width=128, height=36, fov_deg=90)
    assert float(way.positions.abs().max()) < 1e-6
    assert float(way.Ks[0, 0, 0]) == pytest.approx(64)
    ahead = way.world_from_cam[:, :3, 2]
    turned = (ahead[1:] * ahead[:-1]).sum(-1).clamp(-1, 1).acos()
    assert float(turned.std() / turned.mean()) < 0.05


@pytest.mark.usefixtures("unchecked")
def test_cameras_that_fix_no_way_are_refused() -> None:
    cameras = circle(torch.linspace(0, 1, 4))
    with pytest.raises(ValueError, match="0 pinhole cameras"):
        fly_through(cameras[:0], 5)
    with pytest.raises(ValueError, match="0 cameras were asked for"):
        fly_through(cameras, 0)
    with pytest.raises(ValueError, match="all finite"):
        fly_through(cameras.replace(viewmats=cameras.viewmats * float("nan")), 5)
    with pytest.raises(ValueError, match="fov_deg is 200"):
        fly_through(cameras, 5, fov_deg=200)


def test_the_trajectory_of_a_world_is_read(tmp_path: Path) -> None:
    cameras = circle(torch.linspace(0, 1, 4))
    content = {"width": 64, "height": 36, "K": cameras.Ks[0].tolist(), "fps": 15.0}
    (tmp_path / "t.json").write_text(json.dumps(content | {"world_from_cam": cameras.world_from_cam.tolist()}))
    torch.testing.assert_close(load_cameras(tmp_path / "t.json").viewmats, cameras.viewmats, atol=1e-5, rtol=0)
    (tmp_path / "t.json").write_text(json.dumps(content | {"world_from_cam": (2 * torch.eye(4)[None]).tolist()}))
    with pytest.raises(FormatError, match=r"world_from_cam\[0\] is .* expected a rotation"):
        load_cameras(tmp_path / "t.json")


def nerfstudio(cameras: Cameras, **changes: object) -> dict[str, object]:
    """The file of its viewer; its cameras have y up and z backward."""
    poses = invert(cameras.viewmats) * torch.tensor([1.0, -1.0, -1.0, 1.0])
    fov = 2 * math.degrees(math.atan(36 / 2 / float(cameras.Ks[0, 1, 1])))
    frames = [{"camera_to_world": pose.flatten().tolist(), "fov": fov, "aspect": 64 / 36} for pose in poses]
    content = {"camera_type": "perspective", "render_height": 36, "render_width": 64, "camera_path": frames, "fps": 24}
    return content | changes


def test_a_camera_path_of_nerfstudio_is_read(tmp_path: Path) -> None:
    cameras = circle(torch.linspace(0, 1, 4))
    (tmp_path / "path.json").write_text(json.dumps(nerfstudio(cameras)))
    read = load_cameras(tmp_path / "path.json")
    torch.testing.assert_close(read.viewmats, cameras.viewmats, atol=1e-5, rtol=0)
    torch.testing.assert_close(read.Ks, cameras.Ks, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"camera_type": "fisheye"}, "camera_type is 'fisheye'; expected \"perspective\""),
        ({"camera_path": []}, "camera_to_world has shape [0]"),
        ({"camera_path": [{"fov": 50}]}, 'has no "camera_to_world"'),
        ({"camera_path": [{"camera_to_world": torch.eye(4).flatten().tolist(), "fov": 180}]}, "expected 0 to 180"),
        ({"camera_path": 3}, "camera_path is no list"),
        ({"render_width": 0}, "render_width is 0"),
    ],
)
def test_broken_camera_paths_are_refused(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    (tmp_path / "path.json").write_text(json.dumps(nerfstudio(circle(torch.linspace(0, 1, 4)), **changes)))
    with pytest.raises(FormatError) as refused:
        load_cameras(tmp_path / "path.json")
    assert said in str(refused.value)
