"""Cameras and rigs: where points land."""

import math

import pytest
import torch

from splatsim import Cameras, Rig
from splatsim.transforms import apply


def project(cameras: Cameras, point: tuple[float, float, float]) -> torch.Tensor:
    """Pixel of a world point in the first camera, by the pinhole or the ortho formula."""
    x, y, z = apply(cameras.viewmats[0], torch.tensor([point], dtype=torch.float32))[0]
    K = cameras.Ks[0]
    if cameras.model == "pinhole":
        x, y = x / z, y / z
    return torch.stack([x * K[0, 0] + K[0, 2], y * K[1, 1] + K[1, 2]])


def test_look_at() -> None:
    """From the south, east is right and up is up; the edge of the field of view is the edge of the image."""
    cameras = Cameras.look_at((0, -2, 1), (0, 0, 1), fov_deg=90, width=100, height=50)
    torch.testing.assert_close(project(cameras, (0, 0, 1)), torch.tensor([50.0, 25.0]))
    torch.testing.assert_close(project(cameras, (2, 0, 1)), torch.tensor([100.0, 25.0]))
    assert project(cameras, (0, 0, 1.5))[1] < 25
    torch.testing.assert_close(cameras.positions, torch.tensor([[0.0, -2.0, 1.0]]))


def test_overhead_lies_on_the_grid() -> None:
    """Row 0 is north: the north-west corner is pixel corner (0, 0), a metre east and south is 10 pixels on."""
    cameras = Cameras.overhead((-3.0, 7.0), 0.1, 80, 60, z=2.5)
    torch.testing.assert_close(project(cameras, (-3, 7, 0)), torch.zeros(2))
    torch.testing.assert_close(project(cameras, (-2, 6, 1)), torch.tensor([10.0, 10.0]))
    depth = apply(cameras.viewmats[0], torch.tensor([[0.0, 0.0, 0.5]]))[0, 2]
    torch.testing.assert_close(depth, torch.tensor(2.0))


def test_world_from_cam_is_the_inverse() -> None:
    cameras = Cameras.look_at([[1.0, 2, 3], [4, 1, 0]], (0, 0, 0), fov_deg=50, width=10, height=10)
    torch.testing.assert_close(cameras.world_from_cam @ cameras.viewmats, torch.eye(4).repeat(2, 1, 1))


def test_indexing_keeps_the_batch() -> None:
    cameras = Cameras.look_at([[1.0, 2, 3], [4, 1, 0], [2, 2, 2]], (0, 0, 0), fov_deg=50, width=10, height=10)
    assert len(cameras[1]) == 1
    assert len(cameras[1:]) == 2
    assert torch.equal(cameras[torch.tensor([2, 0])].viewmats, cameras.viewmats[[2, 0]])


def test_rig_follows_its_body() -> None:
    """A camera that looks along the body's x: a point ahead of the body is in the middle, one to the left is left."""
    cam_from_body = torch.tensor([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    K = torch.tensor([[50.0, 0, 50], [0, 50.0, 40], [0, 0, 1]])
    rig = Rig(cam_from_body[None], K[None], 100, 80)
    yaw = math.pi / 2
    world_from_body = torch.tensor(
        [[math.cos(yaw), -math.sin(yaw), 0, 5], [math.sin(yaw), math.cos(yaw), 0, 1], [0, 0, 1, 0], [0, 0, 0, 1]]
    )
    cameras = rig.at(world_from_body)
    torch.testing.assert_close(project(cameras, (5, 3, 0)), torch.tensor([50.0, 40.0]))
    assert project(cameras, (4, 3, 0))[0] < 50
    assert len(rig) == 1


@pytest.mark.usefixtures("unchecked")
def test_wrong_cameras() -> None:
    good = Cameras.look_at((0, -2, 1), (0, 0, 1), fov_deg=90, width=100, height=50)
    with pytest.raises(ValueError, match="fov_deg is 200"):
        Cameras.look_at((0, -2, 1), (0, 0, 1), fov_deg=200, width=100, height=50)
    with pytest.raises(ValueError, match=r"looks at \[0.0, -2.0, 1.0\]"):
        Cameras.look_at((0, -2, 1), (0, -2, 1), fov_deg=90, width=100, height=50)
    with pytest.raises(ValueError, match="along up"):
        Cameras.look_at((0, 0, 5), (0, 0, 1), fov_deg=90, width=100, height=50)
    with pytest.raises(ValueError, match=r"Cameras.width is 0; expected 1 to 65536"):
        good.replace(width=0)
    with pytest.raises(TypeError, match=r"Cameras.height is 4.5; expected a whole number"):
        good.replace(height=4.5)
    with pytest.raises(ValueError, match="model is 'fisheye'"):
        good.replace(model="fisheye")
    with pytest.raises(ValueError, match=r"Cameras.Ks has shape \[2, 3, 3\]; expected \[1 3 3\]"):
        good.replace(Ks=torch.zeros(2, 3, 3))
    with pytest.raises(ValueError, match="metres_per_pixel is 0"):
        Cameras.overhead((0, 0), 0.0, 10, 10, z=1)
