"""From what an optimiser steps to what is rendered: the only place where logarithms and logits stand for Gaussians."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from splatsim import native


def activate(
    log_scales: Float[Tensor, "n 3"],
    logit_opacities: Float[Tensor, " n"],
    *,
    scale_penalty: float = 0.0,
    opacity_penalty: float = 0.0,
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, " n"]]:
    """Scales = exp(log_scales) and opacities = sigmoid(logit_opacities), differentiable.

    On the CPU in float32 it is native: torch's own threads would go on spinning on the cores that the rasteriser needs.

    Args:
        log_scales: Logarithms of metres.
        logit_opacities: log(o / (1 - o)).
        scale_penalty: The gradient is that of a loss with `scale_penalty` · (sum of all scales) added.
        opacity_penalty: The same for the sum of all opacities.

    Raises:
        ValueError: the tensors have different lengths.
    """
    if log_scales.shape != (len(logit_opacities), 3):
        raise ValueError(
            f"log_scales has shape {list(log_scales.shape)}; expected [{len(logit_opacities)} 3] as logit_opacities."
        )
    if log_scales.device.type == "cpu" and log_scales.dtype == logit_opacities.dtype == torch.float32:
        activated: tuple[Tensor, Tensor] = _Activate.apply(log_scales, logit_opacities, scale_penalty, opacity_penalty)
        return activated
    scales, opacities = log_scales.exp(), logit_opacities.sigmoid()
    if scales.requires_grad and scale_penalty:
        scales.register_hook(lambda gradient: gradient + scale_penalty)
    if opacities.requires_grad and opacity_penalty:
        opacities.register_hook(lambda gradient: gradient + opacity_penalty)
    return scales, opacities


class _Activate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, log_scales: Tensor, logit_opacities: Tensor, scale_penalty: float, opacity_penalty: float
    ) -> tuple[Tensor, Tensor]:
        scales, opacities = native.empty(*log_scales.shape), native.empty(*logit_opacities.shape)
        native.kernels().activate(
            log_scales.detach().contiguous(), logit_opacities.detach().contiguous(), scales, opacities, native.threads()
        )
        ctx.save_for_backward(scales, opacities)
        ctx.penalties = (scale_penalty, opacity_penalty)
        return scales, opacities

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        scales, opacities = ctx.saved_tensors
        d_log, d_logit = native.empty(*scales.shape), native.empty(*opacities.shape)
        native.kernels().activate_backward(
            scales,
            opacities,
            grads[0].contiguous(),
            grads[1].contiguous(),
            *ctx.penalties,
            d_log,
            d_logit,
            native.threads(),
        )
        return d_log, d_logit, None, None
