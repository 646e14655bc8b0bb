"""The reference against finite differences, in double precision.

Compositing has cut-offs (1/255, 0.999, 1e-4), where no derivative exists. The scene is small and placed so that no pair
crosses one within a finite step: four Gaussians that cover the whole image with alphas between 0.05 and 0.9.
"""

import pytest
import torch
from torch import Tensor

from splatsim import Cameras, Gaussians
from splatsim.rendering import _reference
from splatsim.rendering._raster import MIN_ALPHA


def four_gaussians() -> Gaussians:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return Gaussians(
        means=0.1 * normal(4, 3)
        + torch.tensor([[0.0, 0, 0], [0.1, 0.3, 0.1], [-0.2, 0.2, -0.1], [0.1, -0.3, 0.2]]).double(),
        quats=normal(4, 4),
        scales=0.8 + 0.6 * torch.rand(4, 3, generator=generator, dtype=torch.float64),
        opacities=torch.tensor([0.5, 0.6, 0.7, 0.8], dtype=torch.float64),
        sh=0.1 * normal(4, 16, 3),
        features=normal(4, 2),
    )


def camera(model: str) -> Cameras:
    cameras = Cameras.look_at((2.5, 0.3, 0.4), (0, 0, 0), fov_deg=30, width=7, height=5).to(torch.float64)
    if model == "ortho":
        K = torch.tensor([[[5.0, 0, 3.5], [0, 5.0, 2.5], [0, 0, 1]]], dtype=torch.float64)
        cameras = cameras.replace(Ks=K, model="ortho")
    return cameras


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("model", ["pinhole", "ortho"])
def test_reference_against_finite_differences(model: str, antialiased: bool) -> None:
    gaussians, cameras = four_gaussians(), camera(model)
    background = torch.tensor([[0.2, 0.5, 0.9]], dtype=torch.float64)
    names = list(gaussians.tensors())

    def rendered(*values: Tensor) -> Tensor:
        *fields, viewmats, back = values
        raster = _reference.rasterize(
            Gaussians(**dict(zip(names, fields, strict=True))),
            cameras.replace(viewmats=viewmats),
            back,
            antialiased=antialiased,
            depths=True,
        )
        assert raster.depth_sums is not None
        assert raster.features is not None
        return torch.cat(
            [raster.colors, raster.alphas[..., None], raster.depth_sums[..., None], raster.features], dim=-1
        )

    inputs = [tensor.requires_grad_() for tensor in (*gaussians.tensors().values(), cameras.viewmats, background)]
    # A weighted sum: the whole Jacobian would be 7 × 5 × 7 numbers for each input.
    weights = torch.randn(1, 5, 7, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *values: (rendered(*values) * weights).sum(), inputs, eps=1e-6, atol=1e-6)


def test_the_scene_is_off_the_cutoffs() -> None:
    splats, seen = _reference.project(four_gaussians(), camera("pinhole"), False)
    alphas = _reference._alphas(splats, _reference._pixel_centers(0, 7, 0, 5, splats.means2d))
    assert seen.all()
    assert alphas.min() > 2 * MIN_ALPHA
    assert alphas.max() < 0.95
