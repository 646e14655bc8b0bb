"""Corrections of single pictures: none at first, small motions, and only of the picture that was stepped."""

import torch

from splatsim import Cameras
from splatsim.fitting.corrections import Corrections


def test_at_first_nothing_is_corrected() -> None:
    corrections = Corrections(3, 2.0, exposure=True, poses=True)
    image = torch.rand(5, 4, 3)
    viewmats = Cameras.look_at([3.0, 1, 1], [0.0, 0, 0], fov_deg=60, width=8, height=8).viewmats
    torch.testing.assert_close(corrections.exposed(image, 1), image)
    torch.testing.assert_close(corrections.moved(viewmats, 1), viewmats)


def test_a_step_moves_one_picture_and_stays_rigid() -> None:
    corrections = Corrections(3, 2.0, exposure=True, poses=True)
    viewmats = Cameras.look_at([3.0, 1, 1], [0.0, 0, 0], fov_deg=60, width=8, height=8).viewmats
    target = viewmats.clone()
    target[0, :3, 3] += torch.tensor([0.1, -0.2, 0.05])
    for _ in range(200):
        loss = (corrections.moved(viewmats, 2) - target).square().sum()
        (loss + corrections.pull(2, 0.1)).backward()
        corrections.step(2, exposure_rate=1e-2, pose_rate=1e-2)
    moved = corrections.moved(viewmats, 2).detach()
    torch.testing.assert_close(moved[0, :3, 3], target[0, :3, 3], atol=0.02, rtol=0)
    torch.testing.assert_close(moved[0, :3, :3] @ moved[0, :3, :3].mT, torch.eye(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(corrections.moved(viewmats, 1), viewmats)


def test_state_comes_back() -> None:
    corrections, other = (Corrections(2, 1.0, exposure=True, poses=True) for _ in range(2))
    corrections.exposed(torch.rand(4, 4, 3), 0).sum().backward()
    corrections.step(0, exposure_rate=0.1, pose_rate=0.1)
    other.load({name: tensor.detach().clone() for name, tensor in corrections.state().items()})
    assert all(torch.equal(tensor, other.state()[name]) for name, tensor in corrections.state().items())
