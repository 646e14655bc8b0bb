"""lift(): the adjoint of compositing features."""

import pytest
import torch

from splatsim import Gaussians, render
from splatsim.cameras import Cameras
from splatsim.rendering import lift
from tests.conftest import cameras_around, random_gaussians


@pytest.mark.parametrize("channels", [1, 3, 16, 21])
@pytest.mark.parametrize("antialiased", [False, True])
def test_it_is_the_adjoint_of_rendering(backend: str, channels: int, antialiased: bool) -> None:
    """⟨render(f), image⟩ = ⟨f, lift(image)⟩ for any features and any image."""
    device = "cuda" if backend == "cuda" else "cpu"
    gaussians, cameras = random_gaussians(300, features=channels).to(device), cameras_around().to(device)
    generator = torch.Generator().manual_seed(5)
    images = torch.randn(2, cameras.height, cameras.width, channels, generator=generator).to(device)
    seen = render(gaussians, cameras, antialiased=antialiased, backend=backend).features
    lifted = lift(gaussians, cameras, images, antialiased=antialiased, backend=backend)
    assert seen is not None
    assert gaussians.features is not None
    a, b = (seen.double() * images).sum(), (gaussians.features.double() * lifted).sum()
    assert float(a) == pytest.approx(float(b), rel=1e-5, abs=1e-3 * float(seen.abs().sum()) ** 0.5)


def test_it_agrees_with_the_reference(backend: str) -> None:
    device = "cuda" if backend == "cuda" else "cpu"
    gaussians, cameras = random_gaussians(60).to(device), cameras_around(40, 30).to(device)
    images = torch.rand(2, 30, 40, 5, generator=torch.Generator().manual_seed(5)).to(device)
    ours = lift(gaussians, cameras, images, backend=backend)
    truth = lift(gaussians, cameras, images, backend="reference")
    torch.testing.assert_close(ours, truth, atol=2e-3, rtol=2e-4)


def test_one_opaque_gaussian_gets_what_it_covers() -> None:
    camera = Cameras.look_at((0.0, -4.0, 0.0), (0.0, 0.0, 0.0), fov_deg=60, width=32, height=32)
    wall = Gaussians(
        torch.zeros(1, 3), torch.tensor([[1.0, 0, 0, 0]]), torch.full((1, 3), 50.0), torch.ones(1), torch.zeros(1, 1, 3)
    )
    image = torch.arange(32.0 * 32).view(1, 32, 32, 1)
    lifted = lift(wall, camera, torch.cat([image, torch.ones_like(image)], dim=-1))[0]
    assert float(lifted[1]) == pytest.approx(0.999 * 32 * 32, rel=1e-3)  # no Gaussian hides more than that
    assert float(lifted[0] / lifted[1]) == pytest.approx(float(image.mean()), rel=1e-3)


@pytest.mark.usefixtures("unchecked")
def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"lift got images of shape \[2, 4, 5, 3\]; expected \[2, 61, 83, 'f'\]"):
        lift(random_gaussians(3), cameras_around(), torch.zeros(2, 4, 5, 3))
