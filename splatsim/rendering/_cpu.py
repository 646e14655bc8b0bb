"""The CPU back end: the native kernels as one autograd function."""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from splatsim import native
from splatsim.cameras import Cameras
from splatsim.errors import ResourceError
from splatsim.gaussians import Gaussians
from splatsim.rendering._raster import Raster

FEATURES_PER_PASS = 16
"""Feature channels that one pass of the native rasteriser composites."""


def rasterize(
    gaussians: Gaussians, cameras: Cameras, background: Float[Tensor, "c 3"], *, antialiased: bool, depths: bool
) -> Raster:
    """Composite with the fastest kernels of this machine.

    Raises:
        TypeError: the tensors are not float32.
        ResourceError: the Gaussians cover more tiles than can be kept.
    """
    for name, tensor in {**gaussians.tensors(), **cameras.tensors()}.items():
        if tensor.dtype != torch.float32:
            raise TypeError(
                f'{name} is {tensor.dtype}; backend "cpu" needs torch.float32 (or use backend="reference").'
            )
    plan = Plan(cameras, antialiased, depths)
    g = gaussians
    colors, alphas, depth_sums, features = _Rasterize.apply(
        plan, g.means, g.quats, g.scales, g.opacities, g.sh, g.features, cameras.viewmats, background
    )
    visible = torch.empty(len(cameras), len(gaussians), dtype=torch.bool)
    for frame, row in zip(plan.frames, visible, strict=True):
        frame.mark_visible(row)
    if not colors.requires_grad:
        plan.frames.clear()
    return Raster(colors, alphas, depth_sums, features, visible)


@dataclass
class Plan:
    """What is rendered, apart from the tensors that have gradients, and the frames between forward and backward."""

    cameras: Cameras
    antialiased: bool
    depths: bool
    kernels: native.Kernels = field(default_factory=native.kernels)
    threads: int = field(default_factory=native.threads)
    frames: list[native.Frame] = field(default_factory=list)

    @property
    def channels(self) -> int:
        """Channels of the first pass: colour, and depth where it is wanted."""
        return 4 if self.depths else 3

    def project(self, fields: list[Tensor], viewmat: Tensor, K: Tensor) -> native.Frame:
        """Shapes, colours and tile lists for one camera."""
        cameras = self.cameras
        try:
            return self.kernels.project(
                *fields,
                viewmat.double().contiguous(),
                K.double().contiguous(),
                cameras.width,
                cameras.height,
                cameras.model == "ortho",
                self.antialiased,
                self.threads,
            )
        except native.TooManyTiles as error:
            raise ResourceError(f"render: {error}") from error


class _Rasterize(torch.autograd.Function):
    """(Gaussians, viewmats, background) → (colours, alphas, depth sums, features)."""

    @staticmethod
    def forward(
        ctx: Any,
        plan: Plan,
        means: Tensor,
        quats: Tensor,
        scales: Tensor,
        opacities: Tensor,
        sh: Tensor,
        features: Tensor | None,
        viewmats: Tensor,
        background: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        fields = [tensor.detach().contiguous() for tensor in (means, quats, scales, opacities, sh)]
        values = None if features is None else features.detach().contiguous()
        views = viewmats.detach()
        size = (len(views), plan.cameras.height, plan.cameras.width)
        image, alphas = native.empty(*size, plan.channels), native.empty(*size)
        pictures = None if values is None else native.empty(*size, values.shape[1])
        behind = torch.nn.functional.pad(background.detach(), (0, plan.channels - 3)).contiguous()
        for c, view in enumerate(views):
            frame = plan.project(fields, view, plan.cameras.Ks[c].detach())
            plan.frames.append(frame)
            plan.kernels.rasterize(frame, None, 0, plan.channels, behind[c], image[c], alphas[c], threads=plan.threads)
            if values is not None and pictures is not None:
                for first, count in _passes(values.shape[1]):
                    plan.kernels.rasterize(frame, values, first, count, None, pictures[c], None, threads=plan.threads)
        ctx.plan = plan
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*fields, values, views, image, alphas, pictures)
        if not plan.depths:
            return image, alphas, None, pictures
        return image[..., :3], alphas, image[..., 3], pictures

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        plan: Plan = ctx.plan
        *fields, values, views, image, alphas, pictures = ctx.saved_tensors
        d_image = _join(grads[0], grads[2], image)
        d_alphas = None if grads[1] is None else grads[1].contiguous()
        d_pictures = None if grads[3] is None else grads[3].contiguous()
        d_fields = [native.empty(*tensor.shape) for tensor in fields]
        d_values = None if values is None else torch.zeros_like(values)
        d_views = torch.zeros_like(views) if ctx.needs_input_grad[7] else None
        moments, d_colors = native.empty(len(fields[0]), 6), native.empty(len(fields[0]), 4)
        for c, frame in enumerate(plan.frames):
            plan.kernels.rasterize_backward(
                frame,
                None,
                0,
                plan.channels,
                image[c],
                d_image[c],
                None if d_alphas is None else d_alphas[c],
                moments,
                False,
                d_colors,
                False,
                threads=plan.threads,
            )
            if d_pictures is not None:
                for first, count in _passes(values.shape[1]):
                    plan.kernels.rasterize_backward(
                        frame,
                        values,
                        first,
                        count,
                        pictures[c],
                        d_pictures[c],
                        None,
                        moments,
                        True,
                        d_values,
                        c > 0,
                        threads=plan.threads,
                    )
            d_camera = None if d_views is None else torch.zeros(15, dtype=torch.float64)
            plan.kernels.project_backward(frame, *fields, moments, d_colors, *d_fields, c > 0, d_camera, plan.threads)
            if d_views is not None and d_camera is not None:
                d_views[c] = _viewmat_gradient(d_camera, views[c])
        if not plan.frames:
            d_fields = [torch.zeros_like(tensor) for tensor in fields]
        d_background = (d_image[..., :3] * (1 - alphas)[..., None]).sum((1, 2)) if ctx.needs_input_grad[8] else None
        return None, *d_fields, d_values, d_views, d_background


def _join(d_colors: Tensor | None, d_depths: Tensor | None, image: Tensor) -> Tensor:
    """The gradient to the picture with all channels of the first pass."""
    if d_colors is not None and d_colors.shape == image.shape:
        return d_colors.contiguous()
    d_image = torch.zeros_like(image)
    if d_colors is not None:
        d_image[..., :3] = d_colors
    if d_depths is not None:
        d_image[..., 3] = d_depths
    return d_image


def _passes(channels: int) -> list[tuple[int, int]]:
    """First channel and count of each pass."""
    return [(i, min(FEATURES_PER_PASS, channels - i)) for i in range(0, channels, FEATURES_PER_PASS)]


def _viewmat_gradient(d_camera: Float[Tensor, "15"], viewmat: Float[Tensor, "4 4"]) -> Float[Tensor, "4 4"]:
    """From gradients to rotation, translation and position, where position = -Rᵀ t."""
    d_rotation, d_translation, d_position = d_camera[:9].view(3, 3), d_camera[9:12], d_camera[12:]
    rotation, translation = viewmat[:3, :3].double(), viewmat[:3, 3].double()
    d_viewmat = torch.zeros_like(viewmat)
    d_viewmat[:3, :3] = d_rotation - torch.outer(translation, d_position)
    d_viewmat[:3, 3] = d_translation - rotation @ d_position
    return d_viewmat
