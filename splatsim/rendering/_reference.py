"""The specification of the rasteriser: plain torch, slow, any floating-point type, gradients by autograd.

Every other back end must equal it in value and in gradient. It follows Kerbl et al., "3D Gaussian Splatting for
Real-Time Radiance Field Rendering" (2023), §4 and eq. 1 to 3, after Zwicker et al., "EWA Splatting" (2002), with the
antialiasing of Yu et al., "Mip-Splatting" (2024), eq. 9, and the constants of gsplat.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.gaussians import Gaussians
from splatsim.rendering._raster import BLUR, MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE, NEAR_PLANE, Raster
from splatsim.spherical_harmonics import sh_basis
from splatsim.transforms import apply, rotmat_from_quat

TILE = 16
"""Pixels are done in squares of this side, for memory and speed only."""


class Splats(NamedTuple):
    """Gaussians as one camera sees them, nearest first."""

    means2d: Float[Tensor, "m 2"]
    """Pixels."""
    conics: Float[Tensor, "m 2 2"]
    """Inverse covariances of the footprints."""
    extents: Float[Tensor, "m 2"]
    """Half sizes of the boxes that hold every pixel with alpha >= MIN_ALPHA."""
    opacities: Float[Tensor, " m"]
    channels: Float[Tensor, "m d"]
    """What is composited: colour, depth, features."""
    ids: Int[Tensor, " m"]
    """Which Gaussians these are."""


def rasterize(
    gaussians: Gaussians, cameras: Cameras, background: Float[Tensor, "c 3"], *, antialiased: bool, depths: bool
) -> Raster:
    """Composite colour, depth and features of the Gaussians, for each camera."""
    images, alphas, visible = [], [], []
    for camera in range(len(cameras)):
        splats, seen = project(gaussians, cameras[camera], antialiased)
        image, alpha = composite(splats, cameras.width, cameras.height)
        images.append(image)
        alphas.append(alpha)
        visible.append(seen)
    image, alpha = torch.stack(images), torch.stack(alphas)
    return Raster(
        colors=image[..., :3] + (1 - alpha)[..., None] * background[:, None, None],
        alphas=alpha,
        depth_sums=image[..., 3] if depths else None,
        features=None if gaussians.features is None else image[..., 4:],
        visible=torch.stack(visible),
    )


def project(gaussians: Gaussians, camera: Cameras, antialiased: bool) -> tuple[Splats, Bool[Tensor, " n"]]:
    """The footprints of the Gaussians that one camera sees, nearest first, and which of all Gaussians these are."""
    view, K = camera.viewmats[0], camera.Ks[0]
    points = apply(view, gaussians.means)
    drawable = (points[:, 2] > NEAR_PLANE) & _finite(gaussians)
    gaussians, points = gaussians.select(drawable), points[drawable]

    # Σ' = J W Σ Wᵀ Jᵀ (eq. 5 of Zwicker et al.), where Σ = R S Sᵀ Rᵀ.
    factors = rotmat_from_quat(gaussians.quats) * gaussians.scales[:, None]
    footprints = _jacobians(points, camera) @ view[:3, :3] @ factors
    sharp = footprints @ footprints.mT
    covars = sharp + BLUR * torch.eye(2).to(sharp)
    opacities = gaussians.opacities
    if antialiased:
        opacities = opacities * (sharp.det() / covars.det()).clamp_min(1e-12).sqrt()

    if camera.model == "pinhole":
        means2d = points[:, :2] / points[:, 2:] * K.diagonal()[:2] + K[:2, 2]
    else:
        means2d = points[:, :2] * K.diagonal()[:2] + K[:2, 2]
    colors = _colors(gaussians, camera)
    reach = 2 * (opacities.detach() / MIN_ALPHA).clamp_min(1).log()
    extents = (reach[:, None] * covars.detach().diagonal(dim1=-2, dim2=-1)).sqrt()

    low, high = means2d - extents, means2d + extents
    inside = (low < torch.tensor([camera.width, camera.height]).to(low)).all(-1) & (high > 0).all(-1)
    inside &= (opacities >= MIN_ALPHA) & colors.isfinite().all(-1) & covars.isfinite().all(-1).all(-1)
    inside &= means2d.isfinite().all(-1)
    order = points[:, 2].argsort(stable=True)
    order = order[inside[order]]
    features = gaussians.features if gaussians.features is not None else points[:, :0]
    channels = torch.cat([colors.clamp_min(0), points[:, 2:], features], dim=-1)
    # Only what is drawn is inverted: a degenerate footprint outside must not put NaN into the gradients.
    ids = drawable.nonzero()[order, 0]
    splats = Splats(means2d[order], covars[order].inverse(), extents[order], opacities[order], channels[order], ids)
    return splats, torch.zeros_like(drawable).index_fill(0, ids, True)


def composite(splats: Splats, width: int, height: int) -> tuple[Float[Tensor, "h w d"], Float[Tensor, "h w"]]:
    """Front-to-back alpha compositing (eq. 3 of Kerbl et al.): channels and alpha of every pixel."""
    image = _by_tiles(splats, width, height, _composite_tile)
    return image[..., :-1], image[..., -1]


def first_surface_ids(gaussians: Gaussians, camera: Cameras, antialiased: bool) -> Int[Tensor, "h w"]:
    """The Gaussian at which the transmittance of each pixel falls to one half, or -1."""
    splats, _ = project(gaussians, camera, antialiased)
    return _by_tiles(splats, camera.width, camera.height, _halve_tile)


def _by_tiles(splats: Splats, width: int, height: int, tile: Callable[[Splats, Tensor], Tensor]) -> Tensor:
    """The picture that `tile` makes of the splats near each square of pixels."""
    rows = []
    for y in range(0, height, TILE):
        row = []
        for x in range(0, width, TILE):
            pixels = _pixel_centers(x, min(x + TILE, width), y, min(y + TILE, height), splats.means2d)
            near = splats.means2d + splats.extents >= pixels[0, 0]
            near &= splats.means2d - splats.extents <= pixels[-1, -1]
            hits = near.all(-1).nonzero()[:, 0]
            row.append(tile(Splats(*(field.index_select(0, hits) for field in splats)), pixels))
        rows.append(torch.cat(row, dim=1))
    return torch.cat(rows)


def _alphas(splats: Splats, pixels: Float[Tensor, "h w 2"]) -> Float[Tensor, "h w m"]:
    """What each splat hides at each pixel (eq. 2 of Kerbl et al.)."""
    dx, dy = (pixels[:, :, None] - splats.means2d).unbind(-1)
    a, b, c = splats.conics[:, 0, 0], splats.conics[:, 0, 1], splats.conics[:, 1, 1]
    sigmas = (a * dx**2 + c * dy**2) / 2 + b * dx * dy
    alphas = (splats.opacities * (-sigmas).exp()).clamp_max(MAX_ALPHA)
    return torch.where(alphas >= MIN_ALPHA, alphas, 0)


def _composite_tile(splats: Splats, pixels: Float[Tensor, "h w 2"]) -> Float[Tensor, "h w d1"]:
    """The channels of these pixels, and alpha as one more."""
    alphas = _alphas(splats, pixels)
    after = (1 - alphas).cumprod(dim=-1)
    alphas = torch.where(after > MIN_TRANSMITTANCE, alphas, 0)  # `after` never rises: this is where a pixel ends
    before = torch.cat([torch.ones_like(pixels[..., :1]), (1 - alphas).cumprod(dim=-1)], dim=-1)
    channels = (alphas * before[..., :-1]) @ splats.channels
    return torch.cat([channels, 1 - before[..., -1:]], dim=-1)


def _halve_tile(splats: Splats, pixels: Float[Tensor, "h w 2"]) -> Int[Tensor, "h w"]:
    after = (1 - _alphas(splats, pixels)).cumprod(dim=-1)
    first = (after > 0.5).sum(dim=-1)  # how many splats leave more than half
    return torch.nn.functional.pad(splats.ids, (0, 1), value=-1)[first]


def _jacobians(points: Float[Tensor, "n 3"], camera: Cameras) -> Float[Tensor, "n 2 3"]:
    """Derivative of the projection at the centres, held where a centre lies far outside the field of view."""
    fx, fy = camera.Ks[0, 0, 0], camera.Ks[0, 1, 1]
    zero = torch.zeros_like(points[:, 2])
    if camera.model == "ortho":
        return torch.stack([zero + fx, zero, zero, zero, zero + fy, zero], dim=-1).view(-1, 2, 3)
    size = torch.tensor([camera.width, camera.height]).to(points)
    focal, center = torch.stack([fx, fy]), camera.Ks[0, :2, 2]
    margin = 0.15 * size / focal
    slopes = points[:, :2] / points[:, 2:]
    slopes = torch.minimum(torch.maximum(slopes, -center / focal - margin), (size - center) / focal + margin)
    x, y = (focal / points[:, 2:]).unbind(-1)
    return torch.stack([x, zero, -x * slopes[:, 0], zero, y, -y * slopes[:, 1]], dim=-1).view(-1, 2, 3)


def _colors(gaussians: Gaussians, camera: Cameras) -> Float[Tensor, "n 3"]:
    """Colours towards the camera, before negative values are cut off. Parallel rays all see the same side."""
    if camera.model == "ortho":
        directions = camera.viewmats[0, 2, :3].expand_as(gaussians.means)
    else:
        directions = torch.nn.functional.normalize(gaussians.means - camera.positions[0], dim=-1)
    return (sh_basis(directions, gaussians.sh_degree)[..., None] * gaussians.sh).sum(dim=1) + 0.5


def _finite(gaussians: Gaussians) -> Bool[Tensor, " n"]:
    """Gaussians whose every number is finite and whose quaternion is not zero; others are not drawn."""
    fields = (gaussians.means, gaussians.quats, gaussians.scales, gaussians.opacities, gaussians.sh)
    finite = torch.stack(
        [field.isfinite().flatten(1).all(-1) if field.ndim > 1 else field.isfinite() for field in fields]
    )
    return finite.all(0) & (gaussians.quats != 0).any(-1)


def _pixel_centers(x0: int, x1: int, y0: int, y1: int, like: Tensor) -> Float[Tensor, "h w 2"]:
    y, x = torch.meshgrid(torch.arange(y0, y1), torch.arange(x0, x1), indexing="ij")
    return torch.stack([x, y], dim=-1).to(like) + 0.5
