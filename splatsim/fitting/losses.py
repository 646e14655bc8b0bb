"""Losses of colour and depth, and image metrics."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from splatsim import native

WINDOW_SIZE = 11
WINDOW_SIGMA = 1.5
C1, C2 = 0.01**2, 0.03**2


def photometric_loss(
    images: Float[Tensor, "*c h w 3"], targets: Float[Tensor, "*c h w 3"], *, ssim_weight: float = 0.2
) -> Float[Tensor, ""]:
    """(1 - ssim_weight) · L1 + ssim_weight · (1 - SSIM), the loss of 3DGS (Kerbl et al. 2023, eq. 7).

    On the CPU in float32 the value and the gradient to `images` are native; targets get no gradient.

    Raises:
        ValueError: the shapes differ, or are not images with three channels.
    """
    _check_images(images, targets)
    if images.device.type == "cpu" and images.dtype == torch.float32:
        loss: Tensor = _Photometric.apply(images, targets.detach(), ssim_weight)
        return loss
    l1 = (images - targets.detach()).abs().mean()
    return (1 - ssim_weight) * l1 + ssim_weight * (1 - _ssim_map(images, targets.detach()).mean())


def depth_spread(
    moments: Float[Tensor, "m 2"], light: Float[Tensor, " m"], depths: Float[Tensor, " m"]
) -> Float[Tensor, " m"]:
    """How far Gaussians lie from known depths: the mean square of depth / theirs - 1, each by its share of the light.

    A mean depth that is right may be that of things before the surface and of others behind it; this is then large.

    Args:
        moments: Composited inverse depths and their squares.
        light: Opacity of the pixels.
        depths: Known depths, in the units of the others.
    """
    inverse, square = moments.unbind(-1)
    return ((depths.square() * square - 2 * depths * inverse + light) / light.clamp_min(1e-3)).clamp_min(0)


def ssim(images: Float[Tensor, "*c h w 3"], targets: Float[Tensor, "*c h w 3"]) -> Float[Tensor, ""]:
    """Mean structural similarity of values in [0, 1] (Wang et al. 2004).

    The window is a Gaussian of 11 × 11 pixels with sigma 1.5; the images are padded with zeros.

    Raises:
        ValueError: the shapes differ, or are not images with three channels.
    """
    _check_images(images, targets)
    return _ssim_map(images, targets).mean()


def psnr(images: Float[Tensor, "*c h w 3"], targets: Float[Tensor, "*c h w 3"]) -> Float[Tensor, ""]:
    """Peak signal-to-noise ratio in dB for values in [0, 1], over all images as one.

    Raises:
        ValueError: the shapes differ, or are not images with three channels.
    """
    _check_images(images, targets)
    return -10 * (images - targets).square().mean().log10()


class _Photometric(torch.autograd.Function):
    """The native loss: its gradient is made with its value."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, targets: Tensor, ssim_weight: float) -> Tensor:
        picture, target = images.detach().contiguous(), targets.detach().contiguous()
        gradient = native.empty(*picture.shape) if ctx.needs_input_grad[0] else None
        count = picture.numel()
        size = picture.shape[-3:]
        total = 0.0
        for i, (x, y) in enumerate(zip(picture.view(-1, *size), target.view(-1, *size), strict=True)):
            l1, similarity = native.kernels().photometric(
                x,
                y,
                (1 - ssim_weight) / count,
                -ssim_weight / count,
                None if gradient is None else gradient.view(-1, *size)[i],
                native.threads(),
            )
            total += (1 - ssim_weight) * l1 - ssim_weight * similarity
        ctx.save_for_backward(gradient)
        return torch.tensor(ssim_weight + total / count)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        # Most often the loss is what backward() was called on: no need to scale by 1.
        return (gradient if float(grads[0]) == 1.0 else gradient * grads[0]), None, None


def _ssim_map(images: Tensor, targets: Tensor) -> Tensor:
    """SSIM of every pixel and channel, in plain torch: the specification of the native loss."""
    size = images.shape[-3:]
    x, y = images.reshape(-1, *size).movedim(-1, -3), targets.reshape(-1, *size).movedim(-1, -3)
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    above = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    return above / ((mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2))


def _blur(planes: Float[Tensor, "c 3 h w"]) -> Float[Tensor, "c 3 h w"]:
    offsets = torch.arange(WINDOW_SIZE, dtype=planes.dtype, device=planes.device) - WINDOW_SIZE // 2
    window = (-offsets.square() / (2 * WINDOW_SIGMA**2)).exp()
    window = (window / window.sum()).expand(3, 1, 1, -1)
    pad = WINDOW_SIZE // 2
    rows = torch.nn.functional.conv2d(planes, window, padding=(0, pad), groups=3)
    return torch.nn.functional.conv2d(rows, window.mT, padding=(pad, 0), groups=3)


def _check_images(images: Tensor, targets: Tensor) -> None:
    if images.ndim < 3 or images.shape[-1] != 3 or images.numel() == 0:
        raise ValueError(
            f"images have shape {list(images.shape)}; expected [… height width 3] with at least one pixel."
        )
    if images.shape != targets.shape:
        raise ValueError(f"images have shape {list(images.shape)}, targets {list(targets.shape)}; expected the same.")
