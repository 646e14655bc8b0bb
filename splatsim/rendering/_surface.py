"""render_surface(): where a ray has met half of what it will meet, and how that surface is turned."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from splatsim import native
from splatsim.cameras import Cameras
from splatsim.gaussians import Gaussians
from splatsim.rendering._cpu import Plan
from splatsim.rendering._reference import first_surface_ids
from splatsim.rendering._render import Backend, check_inputs
from splatsim.tensors import TensorDataclass
from splatsim.transforms import rotmat_from_quat


@dataclass(frozen=True)
class Surface(TensorDataclass):
    """The first surface that c cameras see."""

    depths: Float[Tensor, "c h w"]
    """z-depth in metres, 0 where less than half of the light is stopped."""
    normals: Float[Tensor, "c h w 3"]
    """Unit vectors in the world that point towards the camera; 0 where there is no surface."""
    ids: Int[Tensor, "c h w"]
    """The Gaussian that is the surface, or -1."""


def render_surface(
    gaussians: Gaussians, cameras: Cameras, *, antialiased: bool = False, backend: Backend = "auto"
) -> Surface:
    """First-surface depth and normals, differentiable in means, quats, scales and viewmats.

    The surface is the Gaussian at which the transmittance of a ray falls to one half (the median). Its depth is where
    the ray meets its largest density, and its normal is that of the plane on which neighbouring rays do so (Zhang et
    al., "RaDe-GS", 2024, §3): for a flat Gaussian, its own plane.

    On a CUDA device the choice of the Gaussian is made on the CPU.

    Raises:
        TypeError, ValueError, ResourceError: as in `render`.
    """
    check_inputs(gaussians, cameras)
    with torch.no_grad():
        ids = torch.stack([_ids(gaussians, cameras[c], antialiased, backend) for c in range(len(cameras))])
    depths, normals = [], []
    for c in range(len(cameras)):
        depth, normal = _meet(gaussians, cameras[c], ids[c])
        depths.append(depth)
        normals.append(normal)
    return Surface(torch.stack(depths), torch.stack(normals), ids)


def _ids(gaussians: Gaussians, camera: Cameras, antialiased: bool, backend: Backend) -> Int[Tensor, "h w"]:
    if backend == "reference":
        return first_surface_ids(gaussians, camera, antialiased)
    home = gaussians.means.device
    plan = Plan(camera.to("cpu"), antialiased, depths=False)
    fields = [gaussians.means, gaussians.quats, gaussians.scales, gaussians.opacities, gaussians.sh]
    frame = plan.project(
        [f.detach().float().cpu().contiguous() for f in fields], camera.viewmats[0].cpu(), camera.Ks[0].cpu()
    )
    ids = torch.empty(camera.height, camera.width, dtype=torch.int32)
    native.kernels().surface_ids(frame, ids, native.threads())
    return ids.to(home).long()


def _meet(
    gaussians: Gaussians, camera: Cameras, ids: Int[Tensor, "h w"]
) -> tuple[Float[Tensor, "h w"], Float[Tensor, "h w 3"]]:
    """Depth and normal where the ray of each pixel meets the Gaussian `ids`."""
    pixels = (ids >= 0).nonzero()
    hits = gaussians.select(ids[pixels[:, 0], pixels[:, 1]])
    view, K = camera.viewmats[0], camera.Ks[0]
    offsets = (pixels.flip(-1).to(view) + 0.5 - K[:2, 2]) / K.diagonal()[:2]
    one, zero = torch.ones_like(offsets[:, :1]), torch.zeros_like(offsets[:, :1])
    if camera.model == "ortho":
        origins, rays = torch.cat([offsets, zero], dim=-1), torch.cat([zero, zero, one], dim=-1)
    else:
        origins, rays = torch.zeros_like(hits.means), torch.cat([offsets, one], dim=-1)
    origins = (origins - view[:3, 3]) @ view[:3, :3]
    rays = rays @ view[:3, :3]

    # In the Gaussian's own axes, scaled to a unit sphere, the largest density is the point nearest to the centre.
    unit_from_world = rotmat_from_quat(hits.quats).mT / hits.scales.abs().clamp_min(1e-9)[:, :, None]
    direction = (unit_from_world @ rays[:, :, None])[:, :, 0]
    center = (unit_from_world @ (hits.means - origins)[:, :, None])[:, :, 0]
    length = direction.norm(dim=-1)
    depth = (direction * center).sum(-1) / length.square()
    # Σ⁻¹ ray, divided twice by the length, which may be very large.
    normal = -(unit_from_world.mT @ (direction / length[:, None])[:, :, None])[:, :, 0]
    normal = torch.nn.functional.normalize(normal, dim=-1)
    where = (pixels[:, 0], pixels[:, 1])
    depths = torch.zeros(ids.shape).to(view).index_put(where, depth)
    return depths, torch.zeros(*ids.shape, 3).to(view).index_put(where, normal)
