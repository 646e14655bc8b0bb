"""The native activations against torch's, in value and gradient, at ordinary and at extreme arguments."""

import math

import pytest
import torch

from splatsim.fitting import activate


@pytest.mark.parametrize("n", [1, 7, 8, 5001])
def test_equals_torch(n: int) -> None:
    generator = torch.Generator().manual_seed(n)
    logs = (4 * torch.randn(n, 3, generator=generator) - 3).requires_grad_()
    logits = (6 * torch.randn(n, generator=generator)).requires_grad_()
    weights = torch.randn(n, 3, generator=generator)
    scales, opacities = activate(logs, logits)
    (scales * weights).sum().backward(retain_graph=True)
    (opacities * weights[:, 0]).sum().backward()
    d_logs, d_logits = logs.grad, logits.grad
    logs.grad = logits.grad = None
    expected_scales, expected_opacities = logs.double().exp(), logits.double().sigmoid()
    ((expected_scales * weights).sum() + (expected_opacities * weights[:, 0]).sum()).backward()
    torch.testing.assert_close(scales.double(), expected_scales, rtol=3e-6, atol=0)
    torch.testing.assert_close(opacities.double(), expected_opacities, rtol=1e-5, atol=1e-30)
    torch.testing.assert_close(d_logs, logs.grad, rtol=1e-5, atol=0)
    torch.testing.assert_close(d_logits, logits.grad, rtol=1e-4, atol=1e-6)  # 1 - opacity is rounded


def test_extremes_stay_in_range() -> None:
    """No zero and no infinity from a finite argument; what is not finite is not hidden."""
    logs = torch.tensor([[-1e4, 1e4, 0.0], [math.nan, math.inf, -math.inf], [-87.0, 87.0, 1.0]])
    scales, opacities = activate(logs, torch.tensor([-1e4, 1e4, 0.0]))
    assert scales[0].isfinite().all()
    assert (scales[0] > 0).all()
    assert not scales[1].isfinite().any()
    torch.testing.assert_close(opacities, torch.tensor([0.0, 1.0, 0.5]))
