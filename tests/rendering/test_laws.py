"""What must hold for any scene: the laws of the picture, whatever the back end."""

import pytest
import torch

from splatsim import Cameras, Gaussians, render
from splatsim.transforms import rotmat_from_quat
from tests.conftest import cameras_around, random_gaussians


def test_order_of_gaussians_does_not_matter(backend: str) -> None:
    gaussians, cameras = at_home(backend, random_gaussians(500), cameras_around())
    shuffled = gaussians.select(
        torch.randperm(500, generator=torch.Generator().manual_seed(0)).to(gaussians.means.device)
    )
    torch.testing.assert_close(
        render(shuffled, cameras, backend=backend).colors,
        render(gaussians, cameras, backend=backend).colors,
        atol=1e-6,
        rtol=0,
    )


@pytest.mark.parametrize("model", ["pinhole", "ortho"])
def test_moving_world_and_camera_together_changes_nothing(model: str, backend: str) -> None:
    """Colours too: the spherical harmonics turn with the world."""
    gaussians, cameras = random_gaussians(400), cameras_around(model=model)
    b_from_a = torch.eye(4)
    b_from_a[:3, :3] = rotmat_from_quat(torch.tensor([0.3, -0.5, 0.7, 0.2]))
    b_from_a[:3, 3] = torch.tensor([3.0, -2.0, 1.0])
    moved = gaussians.transform(b_from_a)
    followed = cameras.replace(viewmats=cameras.viewmats @ torch.linalg.inv(b_from_a))
    before = render(*at_home(backend, gaussians, cameras), backend=backend)
    after = render(*at_home(backend, moved, followed), backend=backend)
    # Rounding in the poses moves a few pairs across the cut-off at 1/255.
    difference = (before.colors - after.colors).abs()
    assert difference.max() < 1 / 255 + 1e-3
    assert difference.mean() < 1e-5


def test_scaling_the_world_scales_depth_only(backend: str) -> None:
    gaussians, cameras = random_gaussians(300), cameras_around()
    large = gaussians.transform(torch.eye(4), scale=4.0)
    viewmats = cameras.viewmats.clone()
    viewmats[:, :3, 3] *= 4
    before = render(*at_home(backend, gaussians, cameras), backend=backend)
    after = render(*at_home(backend, large, cameras.replace(viewmats=viewmats)), backend=backend)
    torch.testing.assert_close(after.colors, before.colors, atol=1e-5, rtol=0)
    torch.testing.assert_close(after.depths, before.depths * 4, atol=1e-4, rtol=1e-5)


def test_nothing_is_background(backend: str) -> None:
    gaussians, cameras = at_home(backend, random_gaussians(100), cameras_around())
    clear = gaussians.replace(opacities=torch.zeros_like(gaussians.opacities))
    picture = render(clear, cameras, background=(0.1, 0.2, 0.3), backend=backend)
    assert torch.equal(picture.colors, torch.tensor([0.1, 0.2, 0.3]).to(picture.colors).expand_as(picture.colors))
    assert not picture.alphas.any()
    assert not picture.depths.any()
    assert not picture.visible.any()


def test_zero_gaussians(backend: str) -> None:
    gaussians, cameras = at_home(backend, random_gaussians(0), cameras_around())
    if backend == "cuda":
        pytest.skip("gsplat does not take empty tensors")
    leaves = gaussians.requires_grad_()
    picture = render(leaves, cameras, background=(0.5, 0.5, 0.5), backend=backend)
    picture.colors.sum().backward()
    assert (picture.colors == 0.5).all()
    assert leaves.means.grad.shape == (0, 3)


def test_alphas_stay_between_zero_and_one(backend: str) -> None:
    picture = render(*at_home(backend, random_gaussians(3000, largest=0.6), cameras_around()), backend=backend)
    assert picture.alphas.min() >= 0
    assert picture.alphas.max() <= 1


def test_depth_of_one_gaussian_is_its_own(backend: str) -> None:
    one = Gaussians(
        torch.zeros(1, 3), torch.tensor([[1.0, 0, 0, 0]]), torch.full((1, 3), 0.1), torch.ones(1), torch.zeros(1, 1, 3)
    )
    cameras = Cameras.look_at((0, -5.0, 0), (0, 0, 0), fov_deg=40, width=31, height=31)
    picture = render(*at_home(backend, one, cameras), backend=backend)
    covered = picture.alphas[0] > 0
    assert covered.any()
    torch.testing.assert_close(picture.depths[0][covered].cpu(), torch.full((int(covered.sum()),), 5.0))


def test_color_at_the_center_by_hand(backend: str) -> None:
    """Two Gaussians on the axis: 0.6 red, then 0.5 of the rest green, then the background."""
    gaussians = Gaussians(
        means=torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]),
        quats=torch.tensor([[1.0, 0, 0, 0]]).repeat(2, 1),
        scales=torch.full((2, 3), 0.5),
        opacities=torch.tensor([0.5, 0.6]),
        sh=(torch.tensor([[[0.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]]]) - 0.5) / 0.28209479177387814,
    )
    cameras = Cameras.look_at((0, -5.0, 0), (0, 0, 0), fov_deg=40, width=33, height=33)
    picture = render(*at_home(backend, gaussians, cameras), background=(0.0, 0.0, 1.0), backend=backend)
    torch.testing.assert_close(picture.colors[0, 16, 16].cpu(), torch.tensor([0.6, 0.2, 0.2]), atol=1e-5, rtol=0)
    torch.testing.assert_close(picture.depths[0, 16, 16].cpu(), torch.tensor((0.6 * 5 + 0.2 * 6) / 0.8))


def test_pixel_centers_are_at_one_half(backend: str) -> None:
    """A Gaussian that projects to (10.5, 6.5) is brightest in column 10 and row 6, and equal on both sides."""
    K = torch.tensor([[[10.0, 0, 10.5], [0, 10.0, 6.5], [0, 0, 1]]])
    cameras = Cameras(torch.eye(4)[None], K, 21, 13)
    one = Gaussians(
        torch.tensor([[0.0, 0, 2]]),
        torch.tensor([[1.0, 0, 0, 0]]),
        torch.full((1, 3), 0.4),
        torch.tensor([0.9]),
        torch.zeros(1, 1, 3),
    )
    alphas = render(*at_home(backend, one, cameras), backend=backend).alphas[0].cpu()
    assert alphas.argmax() == 6 * 21 + 10
    torch.testing.assert_close(alphas, alphas.flip(0))
    torch.testing.assert_close(alphas, alphas.flip(1))


@pytest.mark.parametrize("features", [0, 5])
def test_thread_count_does_not_matter(features: int) -> None:
    """Bit for bit, gradients too; enough Gaussians that the parallel sorts are taken."""
    gaussians = random_gaussians(60_000, largest=0.05, features=features)
    cameras = cameras_around(200, 150)
    before = torch.get_num_threads()
    try:
        results = [everything(gaussians, cameras, threads) for threads in (1, 2, 3)]
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        for name, value in results[0].items():
            assert torch.equal(value, other[name]), name


def everything(gaussians: Gaussians, cameras: Cameras, threads: int) -> dict[str, torch.Tensor]:
    torch.set_num_threads(threads)
    leaves = gaussians.requires_grad_()
    viewmats = cameras.viewmats.clone().requires_grad_()
    picture = render(leaves, cameras.replace(viewmats=viewmats))
    total = sum(value.square().sum() for value in (picture.colors, picture.depths))
    (total + (0 if picture.features is None else picture.features.sum())).backward()
    grads = {f"d {name}": tensor.grad for name, tensor in leaves.tensors().items()}
    return picture.detach().tensors() | grads | {"d viewmats": viewmats.grad}


def test_antialiasing_keeps_the_energy_of_tiny_gaussians() -> None:
    """A Gaussian of a tenth of a pixel: its alpha, summed over the image, is the integral of what is not blurred."""
    sigma = 0.1
    K = torch.tensor([[[50.0, 0, 20.37], [0, 50.0, 20.61], [0, 0, 1]]])
    cameras = Cameras(torch.eye(4)[None], K, 41, 41, "ortho")
    one = Gaussians(
        torch.tensor([[0.0, 0, 2]]),
        torch.tensor([[1.0, 0, 0, 0]]),
        torch.full((1, 3), sigma / 50),
        torch.ones(1),
        torch.zeros(1, 1, 3),
    )
    energy = 2 * torch.pi * sigma**2
    sharp = render(one, cameras, antialiased=True).alphas.sum()
    blurred = render(one, cameras).alphas.sum()
    assert abs(sharp / energy - 1) < 0.15  # what falls below 1/255 is cut off
    assert blurred > 10 * energy


def at_home(backend: str, gaussians: Gaussians, cameras: Cameras) -> tuple[Gaussians, Cameras]:
    home = "cuda" if backend == "cuda" else "cpu"
    return gaussians.to(home), cameras.to(home)
