"""Numbers that no file should hold and some do: the picture stays finite, or the error says what is wrong."""

import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from splatsim import Cameras, Gaussians, render, render_surface
from splatsim.errors import BackendUnavailable, ResourceError
from splatsim.transforms import rotmat_from_quat
from tests.conftest import cameras_around, random_gaussians

POISON = [math.nan, math.inf, -math.inf, 0.0, -1.0, 1e-45, 1e30, -1e30, 3e38, 1 / 255, 16.0, 32.0]
FIELDS = ["means", "quats", "scales", "opacities", "sh"]


@pytest.mark.parametrize("value", POISON)
@pytest.mark.parametrize("field", FIELDS)
def test_poisoned_field(field: str, value: float, backend: str) -> None:
    """One row holds the value everywhere, another in one place only."""
    gaussians = random_gaussians(60)
    tensor = getattr(gaussians, field).clone()
    tensor[7] = value
    tensor[11].view(-1)[0] = value
    poisoned = gaussians.replace(**{field: tensor})
    if backend == "cuda":
        pytest.skip("gsplat's own handling of absurd finite numbers is not ours")
    leaves = poisoned.requires_grad_()
    picture = render(leaves, cameras_around(), backend=backend)
    bounded = not (field == "sh" and abs(value) >= 1e30)  # colours that large are finite numbers, and so is the picture
    for name, output in picture.tensors().items():
        assert output.isfinite().all() or not bounded, name
    picture.colors.clamp(-10, 10).sum().backward()
    for name, leaf in leaves.tensors().items():
        untouched = torch.ones(60, dtype=torch.bool)
        untouched[[7, 11]] = False
        assert leaf.grad[untouched].isfinite().all(), name
        assert leaf.grad.isfinite().all() or abs(value) >= 1e30, name


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("field", FIELDS)
def test_rows_that_are_not_finite_are_left_out(field: str, value: float, backend: str) -> None:
    """The picture is that of the other Gaussians, and the bad row has no gradient."""
    gaussians = random_gaussians(60)
    tensor = getattr(gaussians, field).clone()
    tensor[7].view(-1)[0] = value
    home = "cuda" if backend == "cuda" else "cpu"
    leaves = gaussians.replace(**{field: tensor}).to(home).requires_grad_()
    picture = render(leaves, cameras_around().to(home), backend=backend)
    others = torch.arange(60) != 7
    clean = render(gaussians.select(others).to(home), cameras_around().to(home), backend=backend)
    torch.testing.assert_close(picture.colors, clean.colors, atol=1e-6, rtol=0)
    assert not picture.visible[:, 7].any()
    picture.colors.sum().backward()
    for leaf in leaves.tensors().values():
        assert not leaf.grad[7].any()
        assert leaf.grad.isfinite().all()


def test_reference_leaves_them_out_too() -> None:
    gaussians = random_gaussians(30)
    quats = gaussians.quats.clone()
    quats[3] = 0
    quats[4, 1] = math.nan
    leaves = gaussians.replace(quats=quats).requires_grad_()
    picture = render(leaves, cameras_around(20, 20), backend="reference")
    picture.colors.sum().backward()
    assert not picture.visible[:, 3:5].any()
    assert all(leaf.grad.isfinite().all() for leaf in leaves.tensors().values())


def test_length_of_a_quaternion_does_not_matter() -> None:
    gaussians = random_gaussians(100)
    for factor in (1e-6, 7.0, 1e6):
        scaled = gaussians.replace(quats=gaussians.quats * factor)
        torch.testing.assert_close(
            render(scaled, cameras_around()).colors, render(gaussians, cameras_around()).colors, atol=2e-5, rtol=0
        )


def test_camera_inside_a_gaussian(backend: str) -> None:
    gaussians = random_gaussians(20, largest=0.5)
    home = "cuda" if backend == "cuda" else "cpu"
    for i in range(5):
        eye = gaussians.means[i]
        cameras = Cameras.look_at(
            eye[None], eye[None] + torch.tensor([[1.0, 0.1, 0.0]]), fov_deg=90, width=40, height=30
        )
        picture = render(gaussians.to(home), cameras.to(home), backend=backend)
        assert picture.colors.isfinite().all()


def test_center_on_a_tile_edge(backend: str) -> None:
    """Centres exactly on edges of tiles, blocks and pixels reach the pixels on both sides."""
    K = torch.tensor([[[32.0, 0, 0], [0, 32.0, 0], [0, 0, 1]]])
    home = "cuda" if backend == "cuda" else "cpu"
    for x, y in ((32, 16), (64, 32), (16, 16), (4, 2), (31.5, 15.5)):
        one = Gaussians(
            torch.tensor([[x / 32, y / 32, 1.0]]),
            torch.tensor([[1.0, 0, 0, 0]]),
            torch.full((1, 3), 0.05),
            torch.tensor([0.8]),
            torch.zeros(1, 1, 3),
        )
        cameras = Cameras(torch.eye(4)[None], K, 97, 51, "ortho")
        fast = render(one.to(home), cameras.to(home), backend=backend).alphas.cpu()
        slow = render(one, cameras, backend="reference").alphas
        assert (fast > 0).equal(slow > 0)
        torch.testing.assert_close(fast, slow, atol=1e-5, rtol=0)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1))
def test_fuzz(seed: int) -> None:
    """Numbers of any size in any field, images of any small size, cameras anywhere: finite, or a ResourceError."""
    generator = torch.Generator().manual_seed(seed)

    def wild(*shape: int) -> torch.Tensor:
        mantissa = torch.randn(*shape, generator=generator)
        return mantissa * 10 ** (torch.randint(-12, 13, shape, generator=generator).float())

    n = int(torch.randint(0, 40, (), generator=generator))
    gaussians = Gaussians(wild(n, 3), wild(n, 4), wild(n, 3), wild(n), torch.randn(n, 4, 3, generator=generator))
    width, height = (int(v) for v in torch.randint(1, 90, (2,), generator=generator))
    K = torch.tensor([[[0.0, 0, 0], [0, 0, 0], [0, 0, 1]]])
    K[0, [0, 1], [0, 1]] = wild(2).abs() + 1e-12
    K[0, :2, 2] = wild(2)
    model = "ortho" if seed % 2 else "pinhole"
    viewmat = torch.eye(4)[None].clone()
    viewmat[0, :3, :3] = rotmat_from_quat(torch.randn(4, generator=generator))
    viewmat[0, :3, 3] = wild(3)
    cameras = Cameras(viewmat, K, width, height, model)
    leaves = gaussians.requires_grad_()
    try:
        picture = render(leaves, cameras, antialiased=bool(seed % 3))
    except ResourceError:
        return
    assert picture.colors.isfinite().all()
    assert picture.alphas.isfinite().all()
    picture.colors.sum().backward()


def test_too_many_tiles_is_an_error() -> None:
    """Hundreds of thousands of Gaussians that each cover a very large image: refused before any memory is taken."""
    gaussians = random_gaussians(300_000, k=1, smallest=5, largest=9)
    with pytest.raises(ResourceError, match="tile"):
        render(gaussians, cameras_around(2048, 2048), depths=False)


@pytest.mark.usefixtures("unchecked")
def test_wrong_arguments() -> None:
    gaussians, cameras = random_gaussians(5), cameras_around()
    not_finite = cameras.viewmats.clone()
    not_finite[1, 0, 0] = math.nan
    no_focal = cameras.replace(Ks=torch.zeros(2, 3, 3))
    with pytest.raises(TypeError, match=r"expected splatsim\.Gaussians"):
        render(None, cameras)
    with pytest.raises(TypeError, match=r"expected splatsim\.Cameras"):
        render(gaussians, None)
    with pytest.raises(ValueError, match="no camera in them"):
        render(gaussians, cameras[0:0])
    with pytest.raises(ValueError, match="focal lengths"):
        render(gaussians, no_focal)
    with pytest.raises(ValueError, match=r"viewmats\[1\]"):
        render(gaussians, cameras.replace(viewmats=not_finite))
    with pytest.raises(ValueError, match="background has shape"):
        render(gaussians, cameras, background=(1.0, 0.0))
    with pytest.raises(TypeError, match="float32"):
        render(gaussians.to(torch.float64), cameras, backend="cpu")
    with pytest.raises(ValueError, match="backend is 'gpu'"):
        render(gaussians, cameras, backend="gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_missing_cuda_is_said() -> None:
    with pytest.raises(BackendUnavailable, match="CUDA device"):
        render(random_gaussians(5), cameras_around(), backend="cuda")


def test_surface_of_poison_is_finite() -> None:
    gaussians = random_gaussians(60)
    scales = gaussians.scales.clone()
    scales[3] = 0
    scales[4, 0] = math.nan
    surface = render_surface(gaussians.replace(scales=scales), cameras_around())
    assert surface.depths.isfinite().all()
    assert surface.normals.isfinite().all()
