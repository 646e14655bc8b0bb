"""Exposure: one gain and one offset for each channel of each picture."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from splatsim import native


def expose(
    image: Float[Tensor, "h w 3"], log_gains: Float[Tensor, "3"], offsets: Float[Tensor, "3"]
) -> Float[Tensor, "h w 3"]:
    """image · exp(log_gains) + offsets, differentiable.

    On the CPU in float32 it is native, for its sums must not depend on the number of threads.
    """
    if image.device.type == "cpu" and image.dtype == torch.float32:
        exposed: Tensor = _Expose.apply(image, log_gains.exp(), offsets)
        return exposed
    return image * log_gains.exp() + offsets


class _Expose(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, gains: Tensor, offsets: Tensor) -> Tensor:
        image, gains = image.detach().contiguous(), gains.detach().contiguous()
        out = native.empty(*image.shape)
        native.kernels().expose(image, gains, offsets.detach().contiguous(), out, native.threads())
        ctx.save_for_backward(image, gains)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        image, gains = ctx.saved_tensors
        d_image, sums = native.empty(*image.shape), torch.empty(6, dtype=torch.float64)
        native.kernels().expose_backward(image, gains, grads[0].contiguous(), d_image, sums, native.threads())
        d_gains, d_offsets = sums.to(image.dtype).split(3)
        return d_image, d_gains, d_offsets


def between(values: Float[Tensor, "c k"], times: Float[Tensor, " c"], time: float) -> Float[Tensor, " k"]:
    """The value at a time from its neighbours, by their distance; beyond the ends the nearest one's."""
    order = times.argsort(stable=True)
    at = int(torch.searchsorted(times[order].contiguous(), float(time)))
    before, after = order[max(at - 1, 0)], order[min(at, len(order) - 1)]
    span = float(times[after] - times[before])
    share = 0.5 if span == 0 else min(max((time - float(times[before])) / span, 0.0), 1.0)
    return torch.lerp(values[before], values[after], share)
