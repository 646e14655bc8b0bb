"""Every back end equals the reference in double precision: values to 1e-4, gradients to 1e-3 of their norm."""

import dataclasses

import pytest
import torch
from torch import Tensor

from splatsim import Cameras, Gaussians, Render, render
from splatsim.rendering import _reference
from splatsim.rendering._raster import MIN_ALPHA, MIN_TRANSMITTANCE
from tests.conftest import cameras_around, random_gaussians


def off_axis() -> tuple[Gaussians, Cameras]:
    """Most of the Gaussians lie outside the image or far aside, where the linearisation is held."""
    gaussians = random_gaussians(400, seed=1)
    return gaussians.replace(means=gaussians.means * torch.tensor([1.0, 6.0, 4.0])), cameras_around(70, 45)


def tiny() -> tuple[Gaussians, Cameras]:
    """Far smaller than a pixel."""
    return random_gaussians(2000, seed=2, smallest=1e-4, largest=1e-3), cameras_around(50, 77)


def huge() -> tuple[Gaussians, Cameras]:
    """Each covers the image many times."""
    return random_gaussians(40, seed=3, smallest=3.0, largest=9.0), cameras_around(65, 33)


def transparent() -> tuple[Gaussians, Cameras]:
    """Around the smallest opacity that is drawn."""
    gaussians = random_gaussians(500, seed=4)
    opacities = torch.linspace(0, 3 * MIN_ALPHA, len(gaussians))
    return gaussians.replace(opacities=opacities), cameras_around(33, 31)


def overlapping() -> tuple[Gaussians, Cameras]:
    """All in one place and opaque: pixels end early."""
    gaussians = random_gaussians(600, seed=5, largest=0.5)
    opacities = 0.9 + 0.1 * gaussians.opacities
    return gaussians.replace(means=gaussians.means * 0.3, opacities=opacities), cameras_around(40, 52)


def around_the_camera() -> tuple[Gaussians, Cameras]:
    """Half of the Gaussians are behind the camera, some hold it."""
    gaussians = random_gaussians(500, seed=6)
    cameras = Cameras.look_at([[0.1, 0.0, 0.0]], [1, 0.2, 0.1], fov_deg=90, width=45, height=37)
    return gaussians, cameras


def flat() -> tuple[Gaussians, Cameras]:
    """Discs without thickness and needles, many seen from their edge."""
    gaussians = random_gaussians(600, seed=7)
    scales = gaussians.scales * torch.tensor([1.0, 1.0, 1e-4])
    scales[::3, 1] = 1e-4
    return gaussians.replace(scales=scales), cameras_around(61, 83)


def with_features() -> tuple[Gaussians, Cameras]:
    """More channels than fit in one pass, and a number that fills no vector."""
    return random_gaussians(300, seed=8, features=21), cameras_around()


def low_degree() -> tuple[Gaussians, Cameras]:
    """SH degree 1 and one feature."""
    return random_gaussians(300, seed=9, k=4, features=1), cameras_around()


def single_pixel() -> tuple[Gaussians, Cameras]:
    return random_gaussians(30, seed=10, k=1, smallest=0.5, largest=3.0), cameras_around(1, 1)


SCENES = [
    off_axis,
    tiny,
    huge,
    transparent,
    overlapping,
    around_the_camera,
    flat,
    with_features,
    low_degree,
    single_pixel,
]


@pytest.mark.parametrize("antialiased", [False, True], ids=["classic", "antialiased"])
@pytest.mark.parametrize("model", ["pinhole", "ortho"])
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_values_and_gradients(scene, model: str, antialiased: bool, backend: str) -> None:
    gaussians, cameras = scene()
    if model == "ortho":
        Ks = cameras.Ks.clone()
        Ks[:, 0, 0] = Ks[:, 1, 1] = cameras.width / 4.0
        cameras = cameras.replace(Ks=Ks, model="ortho")
    background = torch.rand(len(cameras), 3, generator=torch.Generator().manual_seed(20))
    keep = ~near_a_cutoff(gaussians, cameras, antialiased)
    assert keep.float().mean() >= 0.5

    expected, expected_grads = run(
        gaussians.to(torch.float64), cameras.to(torch.float64), background, antialiased, keep
    )
    home = "cuda" if backend == "cuda" else "cpu"
    actual, actual_grads = run(gaussians.to(home), cameras.to(home), background, antialiased, keep, backend=backend)
    for name in ("colors", "alphas", "depths", "features"):
        want, have = getattr(expected, name), getattr(actual, name)
        if want is None:
            assert have is None
            continue
        mask = keep[..., None].expand_as(want) if want.ndim == 4 else keep
        scale = max(1.0, float(want.abs().max()))  # depths reach many metres in double precision too
        error = float((have.cpu().double() - want).abs()[mask].max())
        assert error <= 1e-4 * scale, f"{name}: {error}"
    for name, want in expected_grads.items():
        error = float((actual_grads[name].cpu().double() - want).norm())
        assert error <= 1e-3 * float(want.norm()) + 1e-9, f"gradient to {name}: {error} of {float(want.norm())}"


def run(
    gaussians: Gaussians,
    cameras: Cameras,
    background: Tensor,
    antialiased: bool,
    keep: Tensor,
    backend: str = "reference",
) -> tuple[Render, dict[str, Tensor]]:
    """The render, and the gradients of a random weighting of everything that it gives."""
    leaves = gaussians.requires_grad_()
    viewmats = cameras.viewmats.clone().requires_grad_()
    back = background.to(viewmats).requires_grad_()
    picture = render(
        leaves, cameras.replace(viewmats=viewmats), background=back, antialiased=antialiased, backend=backend
    )
    generator = torch.Generator().manual_seed(21)
    loss = viewmats.new_zeros(())
    for name in ("colors", "alphas", "depths", "features"):
        value = getattr(picture, name)
        if value is None:
            continue
        weights = torch.randn(value.shape, generator=generator)
        mask = keep[..., None] if value.ndim == 4 else keep
        loss = loss + (value * (weights * mask).to(value)).sum()
    loss.backward()
    grads = {name: tensor.grad for name, tensor in leaves.tensors().items()}
    return picture.detach(), grads | {"viewmats": viewmats.grad, "background": back.grad}


def near_a_cutoff(gaussians: Gaussians, cameras: Cameras, antialiased: bool) -> Tensor:
    """Pixels [c h w] where some alpha or transmittance is so near to a cut-off that rounding decides."""
    gaussians, cameras = gaussians.to(torch.float64), cameras.to(torch.float64)
    pixels = _reference._pixel_centers(0, cameras.width, 0, cameras.height, gaussians.means)
    near = []
    for c in range(len(cameras)):
        splats, _ = _reference.project(gaussians, cameras[c], antialiased)
        offsets = pixels[:, :, None] - splats.means2d
        sigmas = torch.einsum("hwmi,mij,hwmj->hwm", offsets, splats.conics, offsets) / 2
        raw = splats.opacities * (-sigmas).exp()
        after = (1 - _reference._alphas(splats, pixels)).cumprod(-1)
        edge = ((raw - MIN_ALPHA).abs() < 1e-5).any(-1) | ((after - MIN_TRANSMITTANCE).abs() < 1e-5).any(-1)
        near.append(edge)
    return torch.stack(near)


def test_scenes_are_what_they_say() -> None:
    """The scenes above reach the cases that they are named after."""
    for scene, least in ((overlapping, 0.999), (huge, 0.99)):
        gaussians, cameras = scene()
        assert render(gaussians, cameras, depths=False).alphas.max() > least
    gaussians, cameras = around_the_camera()
    behind = (gaussians.means @ cameras.viewmats[0, 2, :3] + cameras.viewmats[0, 2, 3]) < 0
    assert behind.sum() > 100
    gaussians, cameras = off_axis()
    assert not render(gaussians, cameras, depths=False).visible.all()


def test_features_are_composited_like_colors(backend: str) -> None:
    """Colours given as features come out as they do as colours, without the background."""
    gaussians = random_gaussians(200, k=1)
    colors = (gaussians.sh[:, 0] * 0.28209479177387814 + 0.5).clamp_min(0)
    home = "cuda" if backend == "cuda" else "cpu"
    picture = render(gaussians.to(home), cameras_around().to(home), features=colors.to(home), backend=backend)
    torch.testing.assert_close(picture.features, picture.colors, atol=2e-6, rtol=0)


def test_features_argument_goes_before_the_field() -> None:
    gaussians = random_gaussians(50, features=3)
    other = torch.ones(50, 2)
    assert render(gaussians, cameras_around(), features=other).features.shape[-1] == 2


def test_list_of_cameras_gives_a_list() -> None:
    gaussians = random_gaussians(50)
    sizes = [cameras_around(30, 20), cameras_around(17, 40)]
    pictures = render(gaussians, sizes)
    assert [tuple(picture.colors.shape[1:3]) for picture in pictures] == [(20, 30), (40, 17)]
    one = render(gaussians, sizes[1])
    assert torch.equal(pictures[1].colors, one.colors)


def test_without_depths_the_rest_is_the_same(backend: str) -> None:
    home = "cuda" if backend == "cuda" else "cpu"
    gaussians, cameras = random_gaussians(300).to(home), cameras_around().to(home)
    with_depths = render(gaussians, cameras, backend=backend)
    without = render(gaussians, cameras, depths=False, backend=backend)
    assert without.depths is None
    for field in dataclasses.fields(Render):
        if field.name not in ("depths", "features"):
            assert torch.equal(getattr(without, field.name), getattr(with_depths, field.name))


def test_only_some_inputs_have_gradients() -> None:
    """Poses alone, features alone, and views that are not contiguous."""
    gaussians, cameras = random_gaussians(50, features=2), cameras_around(20, 16)
    viewmats = cameras.viewmats.clone().requires_grad_()
    render(gaussians, cameras.replace(viewmats=viewmats)).depths.sum().backward()
    assert viewmats.grad.any()
    features = torch.randn(50, 3).requires_grad_()
    render(gaussians, cameras, features=features).features.sum().backward()
    assert features.grad.any()
    shared = torch.tensor([1.0, 0.2, 0.0, 0.1]).requires_grad_()
    render(gaussians.replace(quats=shared.expand(50, 4)), cameras).colors.sum().backward()
    assert shared.grad.any()


def test_backward_twice_through_one_render() -> None:
    leaves = random_gaussians(50).requires_grad_()
    loss = render(leaves, cameras_around(20, 16)).colors.sum()
    loss.backward(retain_graph=True)
    once = leaves.means.grad.clone()
    loss.backward()
    assert torch.equal(leaves.means.grad, 2 * once)


def test_second_derivatives_are_refused() -> None:
    leaves = random_gaussians(50).requires_grad_()
    loss = render(leaves, cameras_around(20, 16)).colors.square().sum()
    (gradient,) = torch.autograd.grad(loss, leaves.means, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("channels", [0, 130])
def test_any_number_of_features(channels: int) -> None:
    features = torch.randn(50, channels, generator=torch.Generator().manual_seed(0))
    cameras = cameras_around(20, 16)
    fast = render(random_gaussians(50), cameras, features=features).features
    slow = render(random_gaussians(50), cameras, features=features, backend="reference").features
    torch.testing.assert_close(fast, slow, atol=1e-4, rtol=0)
