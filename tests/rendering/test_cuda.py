"""The CUDA back end's call of gsplat, without a GPU: a stand-in with gsplat's signature, computed by the reference.

It proves the mapping of arguments and results, not gsplat's kernels: with a GPU, the other tests run on these.
"""

import sys
import types

import pytest
import torch
from torch import Tensor

from splatsim import Cameras, Gaussians
from splatsim.rendering import _cuda, _reference
from splatsim.spherical_harmonics import C0, sh_basis
from tests.conftest import cameras_around, random_gaussians


def rasterization(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    *,
    near_plane: float,
    eps2d: float,
    packed: bool,
    backgrounds: Tensor,
    render_mode: str,
    rasterize_mode: str,
    camera_model: str,
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """As gsplat documents it: colours [C N D] per camera, depth as the last channel, background under the colours."""
    assert (near_plane, eps2d, packed) == (0.01, 0.3, False)
    images, alphas, radii = [], [], []
    for c in range(len(viewmats)):
        features = colors[c, :, 3:]
        sh = ((colors[c, :, :3] - 0.5) / C0)[:, None]
        gaussians = Gaussians(means, quats, scales, opacities, sh, features if features.shape[1] else None)
        camera = Cameras(viewmats[c : c + 1], Ks[c : c + 1], width, height, camera_model)
        raster = _reference.rasterize(
            gaussians,
            camera,
            backgrounds[c : c + 1, :3],
            antialiased=rasterize_mode == "antialiased",
            depths=render_mode == "RGB+D",
        )
        parts = [raster.colors]
        if raster.features is not None:
            parts.append(raster.features + (1 - raster.alphas[..., None]) * backgrounds[c, 3:])
        if raster.depth_sums is not None:
            parts.append(raster.depth_sums[..., None])
        images.append(torch.cat(parts, dim=-1))
        alphas.append(raster.alphas[..., None])
        radii.append(raster.visible[..., None].expand(-1, -1, 2).int())
    return torch.cat(images), torch.cat(alphas), {"radii": torch.cat(radii)}


def spherical_harmonics(degree: int, directions: Tensor, coefficients: Tensor) -> Tensor:
    assert directions.shape[:-1] == coefficients.shape[:-2]
    unit = torch.nn.functional.normalize(directions, dim=-1)
    return (sh_basis(unit, degree)[..., None] * coefficients).sum(-2)


@pytest.mark.parametrize("features", [0, 4])
@pytest.mark.parametrize("model", ["pinhole", "ortho"])
@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("depths", [False, True])
def test_arguments_and_results(
    monkeypatch: pytest.MonkeyPatch, features: int, model: str, antialiased: bool, depths: bool
) -> None:
    stand_in = types.SimpleNamespace(rasterization=rasterization, spherical_harmonics=spherical_harmonics)
    monkeypatch.setitem(sys.modules, "gsplat", stand_in)
    gaussians, cameras = random_gaussians(150, features=features), cameras_around(31, 23, model=model)
    means = gaussians.means.clone()
    means[5, 0] = torch.nan
    gaussians = gaussians.replace(means=means)
    background = torch.tensor([[0.1, 0.2, 0.3], [0.9, 0.5, 0.1]])
    expected = _reference.rasterize(gaussians, cameras, background, antialiased=antialiased, depths=depths)
    actual = _cuda.rasterize(gaussians, cameras, background, antialiased=antialiased, depths=depths)
    for name, want in expected._asdict().items():
        have = getattr(actual, name)
        if want is None:
            assert have is None, name
        else:
            torch.testing.assert_close(have, want, atol=1e-5, rtol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


def test_the_stand_in_has_gsplats_parameters() -> None:
    """The names that we pass exist in the gsplat that is installed."""
    import inspect

    gsplat = pytest.importorskip("gsplat", reason="gsplat is not installed")
    theirs = inspect.signature(gsplat.rasterization).parameters
    ours = inspect.signature(rasterization).parameters
    assert set(ours) <= set(theirs)
    assert list(ours)[:9] == list(theirs)[:9]
