"""render_surface() against exact geometry, and its back ends against each other."""

import pytest
import torch

from splatsim import Cameras, Gaussians, render_surface
from tests.conftest import cameras_around, random_gaussians


def plane(tilt: float) -> Gaussians:
    """A wall of flat, opaque Gaussians through the origin: x = tilt · z, normal towards -x."""
    steps = torch.linspace(-2, 2, 81)
    y, z = torch.meshgrid(steps, steps, indexing="ij")
    means = torch.stack([tilt * z, y, z], dim=-1).reshape(-1, 3)
    angle = torch.atan(torch.tensor(tilt))
    quat = torch.tensor([torch.cos(angle / 2), 0.0, torch.sin(angle / 2), 0.0])
    n = len(means)
    scales = torch.tensor([0.001, 0.05, 0.05]).repeat(n, 1)
    return Gaussians(means, quat.repeat(n, 1), scales, torch.full((n,), 0.95), torch.zeros(n, 1, 3))


@pytest.mark.parametrize("model", ["pinhole", "ortho"])
@pytest.mark.parametrize("tilt", [0.0, 0.5])
def test_plane(tilt: float, model: str) -> None:
    """Depth to a millimetre of where the rays meet the plane, and the plane's own normal."""
    cameras = Cameras.look_at((-3.0, 0.2, 0.1), (0, 0, 0), fov_deg=40, width=60, height=40)
    if model == "ortho":
        Ks = cameras.Ks.clone()
        Ks[:, 0, 0] = Ks[:, 1, 1] = 40.0
        cameras = cameras.replace(Ks=Ks, model="ortho")
    surface = render_surface(plane(tilt), cameras)
    normal = torch.tensor([-1.0, 0.0, tilt]) / (1 + tilt**2) ** 0.5
    expected = exact_depths(cameras, normal)
    torch.testing.assert_close(surface.depths[0], expected, atol=1e-3, rtol=0)
    angles = (surface.normals[0] @ normal).clamp(-1, 1).acos()
    assert angles.max() < 0.02


def exact_depths(cameras: Cameras, normal: torch.Tensor) -> torch.Tensor:
    """z-depths at which the rays of all pixels meet the plane through the origin."""
    y, x = torch.meshgrid(torch.arange(cameras.height) + 0.5, torch.arange(cameras.width) + 0.5, indexing="ij")
    K = cameras.Ks[0]
    flat = torch.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1]], dim=-1)
    one, zero = torch.ones_like(flat[..., :1]), torch.zeros_like(flat[..., :1])
    world_from_cam = cameras.world_from_cam[0]
    if cameras.model == "ortho":
        origins, rays = torch.cat([flat, zero], -1), torch.cat([zero, zero, one], -1)
    else:
        origins, rays = torch.cat([zero, zero, zero], -1), torch.cat([flat, one], -1)
    rays = rays @ world_from_cam[:3, :3].T
    origins = origins @ world_from_cam[:3, :3].T + world_from_cam[:3, 3]
    return -(origins @ normal) / (rays @ normal)


def test_nearest_of_two_walls() -> None:
    """The median is the first opaque wall, where an expected depth would lie between the two."""
    front = plane(0.0)
    back = front.replace(means=front.means + torch.tensor([1.0, 0.0, 0.0]))
    cameras = Cameras.look_at((-3.0, 0.0, 0.0), (0, 0, 0), fov_deg=30, width=20, height=20)
    surface = render_surface(Gaussians.concat([back, front]), cameras)
    torch.testing.assert_close(surface.depths[0], torch.full((20, 20), 3.0), atol=1e-3, rtol=0)


def test_backends_choose_the_same_gaussian(backend: str) -> None:
    gaussians, cameras = random_gaussians(150), cameras_around()
    home = "cuda" if backend == "cuda" else "cpu"
    fast = render_surface(gaussians.to(home), cameras.to(home), backend=backend).to("cpu")
    slow = render_surface(gaussians.to(torch.float64), cameras.to(torch.float64), backend="reference")
    same = fast.ids == slow.ids
    assert same.float().mean() > 0.999  # all but pixels whose transmittance is one half within rounding
    assert (slow.ids >= 0).any()
    assert (slow.ids < 0).any()
    torch.testing.assert_close(fast.depths[same].double(), slow.depths[same], atol=1e-4, rtol=1e-4)
    assert not fast.depths[fast.ids < 0].any()


def test_gradients_against_finite_differences() -> None:
    gaussians, cameras = random_gaussians(6, largest=0.8, smallest=0.4).to(torch.float64), cameras_around(9, 7)
    gaussians = gaussians.replace(means=gaussians.means * 0.3, opacities=torch.ones(6, dtype=torch.float64))
    cameras = cameras[0].to(torch.float64)
    weights = torch.randn(1, 7, 9, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def measured(
        means: torch.Tensor, quats: torch.Tensor, scales: torch.Tensor, viewmats: torch.Tensor
    ) -> torch.Tensor:
        moved = gaussians.replace(means=means, quats=quats, scales=scales)
        surface = render_surface(moved, cameras.replace(viewmats=viewmats), backend="reference")
        return (torch.cat([surface.depths[..., None], surface.normals], dim=-1) * weights).sum()

    inputs = [
        t.clone().requires_grad_() for t in (gaussians.means, gaussians.quats, gaussians.scales, cameras.viewmats)
    ]
    assert torch.autograd.gradcheck(measured, inputs, eps=1e-7, atol=1e-5)
