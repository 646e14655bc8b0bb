"""The reference's projection and SH against gsplat's own pure torch functions, which we did not write."""

import pytest
import torch

from splatsim.rendering import _reference
from splatsim.spherical_harmonics import sh_basis
from tests.conftest import cameras_around, random_gaussians

impl = pytest.importorskip("gsplat.cuda._torch_impl", reason="gsplat is not installed")


@pytest.mark.parametrize("model", ["pinhole", "ortho"])
def test_projection(model: str) -> None:
    gaussians, cameras = random_gaussians(400, seed=3).to(torch.float64), cameras_around(model=model).to(torch.float64)
    gaussians = gaussians.replace(means=gaussians.means * 1.5)  # some beyond the held field of view
    for c in range(len(cameras)):
        splats, _ = _reference.project(gaussians, cameras[c], antialiased=False)
        sharp, _ = _reference.project(gaussians, cameras[c], antialiased=True)
        covars, _ = impl._quat_scale_to_covar_preci(gaussians.quats, gaussians.scales, True, False, triu=False)
        _, means2d, depths, conics, compensations = impl._fully_fused_projection(
            gaussians.means,
            covars,
            cameras.viewmats[c : c + 1],
            cameras.Ks[c : c + 1],
            cameras.width,
            cameras.height,
            calc_compensations=True,
            camera_model=model,
        )
        torch.testing.assert_close(splats.means2d, means2d[0, splats.ids])
        torch.testing.assert_close(splats.channels[:, 3], depths[0, splats.ids])
        ours = torch.stack([splats.conics[:, 0, 0], splats.conics[:, 0, 1], splats.conics[:, 1, 1]], dim=-1)
        torch.testing.assert_close(ours, conics[0, splats.ids], rtol=1e-6, atol=1e-9)
        kept = gaussians.opacities[sharp.ids] * compensations[0, sharp.ids]
        torch.testing.assert_close(sharp.opacities, kept, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_spherical_harmonics(degree: int) -> None:
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(100, 3, generator=generator, dtype=torch.float64)
    coefficients = torch.randn(100, (degree + 1) ** 2, 3, generator=generator, dtype=torch.float64)
    unit = torch.nn.functional.normalize(directions, dim=-1)
    ours = (sh_basis(unit, degree)[..., None] * coefficients).sum(1)
    torch.testing.assert_close(ours, impl._spherical_harmonics(degree, directions, coefficients))


def test_covariance() -> None:
    gaussians = random_gaussians(50).to(torch.float64)
    covars, _ = impl._quat_scale_to_covar_preci(gaussians.quats, gaussians.scales, True, False, triu=False)
    factors = _reference.rotmat_from_quat(gaussians.quats) * gaussians.scales[:, None]
    torch.testing.assert_close(factors @ factors.mT, covars)
