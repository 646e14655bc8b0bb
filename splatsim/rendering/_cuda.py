"""The CUDA back end: gsplat. No other file imports it."""

import importlib.util

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.errors import BackendUnavailable
from splatsim.gaussians import Gaussians
from splatsim.rendering._raster import BLUR, NEAR_PLANE, Raster


def require(device: torch.device) -> None:
    """Raise unless gsplat can render tensors on this device.

    Raises:
        BackendUnavailable: gsplat or a CUDA device is missing, or the tensors are elsewhere.
    """
    missing = []
    if importlib.util.find_spec("gsplat") is None:
        missing.append('the package gsplat (pip install "splatsim[cuda]")')
    if not torch.cuda.is_available():
        missing.append("a CUDA device that torch can use")
    if missing:
        raise BackendUnavailable(f'backend "cuda" needs {" and ".join(missing)}; use backend="cpu" here.')
    if device.type != "cuda":
        raise BackendUnavailable(f'backend "cuda" got tensors on {device}; move them with .to("cuda").')


def rasterize(
    gaussians: Gaussians, cameras: Cameras, background: Float[Tensor, "c 3"], *, antialiased: bool, depths: bool
) -> Raster:
    """Composite with gsplat; the same values as the other back ends."""
    import gsplat

    g = _without_poison(gaussians)
    channels = _colors(g, cameras)
    if g.features is not None:
        channels = torch.cat([channels, g.features.expand(len(cameras), -1, -1)], dim=-1)
    width = channels.shape[-1]
    image, alphas, meta = gsplat.rasterization(
        g.means,
        g.quats,
        g.scales,
        g.opacities,
        channels,
        cameras.viewmats,
        cameras.Ks,
        cameras.width,
        cameras.height,
        near_plane=NEAR_PLANE,
        eps2d=BLUR,
        packed=False,
        backgrounds=torch.nn.functional.pad(background, (0, width - 3)),
        render_mode="RGB+D" if depths else "RGB",
        rasterize_mode="antialiased" if antialiased else "classic",
        camera_model=cameras.model,
    )
    return Raster(
        colors=image[..., :3],
        alphas=alphas[..., 0],
        depth_sums=image[..., width] if depths else None,
        features=image[..., 3:width] if g.features is not None else None,
        visible=(meta["radii"] > 0).all(-1),
    )


def _without_poison(gaussians: Gaussians) -> Gaussians:
    """Rows that are not finite, made finite and fully transparent: no value and no gradient is NaN."""
    fields = (gaussians.means, gaussians.quats, gaussians.scales, gaussians.opacities[:, None], gaussians.sh)
    good = torch.stack([field.isfinite().flatten(1).all(-1) for field in fields]).all(0)
    good &= (gaussians.quats != 0).any(-1)
    stand_in = torch.tensor([1.0, 0.0, 0.0, 0.0]).to(gaussians.quats)
    return gaussians.replace(
        means=torch.where(good[:, None], gaussians.means, 0),
        quats=torch.where(good[:, None], gaussians.quats, stand_in),
        scales=torch.where(good[:, None], gaussians.scales, 1),
        opacities=torch.where(good, gaussians.opacities, 0),
        sh=torch.where(good[:, None, None], gaussians.sh, 0),
    )


def _colors(gaussians: Gaussians, cameras: Cameras) -> Float[Tensor, "c n 3"]:
    """Colours towards each camera. gsplat would look from a point even where the rays are parallel."""
    import gsplat

    if cameras.model == "ortho":
        directions = cameras.viewmats[:, None, 2, :3].expand(-1, len(gaussians), -1)
    else:
        directions = gaussians.means - cameras.positions[:, None]
    coefficients = gaussians.sh.expand(len(cameras), -1, -1, -1)
    colors: Tensor = gsplat.spherical_harmonics(gaussians.sh_degree, directions.contiguous(), coefficients.contiguous())
    return (colors + 0.5).clamp_min(0)
