"""Exposure: native values and gradients against torch, and what lies between two moments."""

import pytest
import torch

from splatsim import native
from splatsim.fitting.exposure import between, expose


def inputs(height: int, width: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    sizes = [(height, width, 3), (3,), (3,)]
    return [torch.randn(*size, generator=generator).requires_grad_() for size in sizes]


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (120, 161)])
def test_native_equals_torch_in_value_and_gradient(size: tuple[int, int], backend: str) -> None:
    image, log_gains, offsets = inputs(*size)
    weights = torch.randn(*size, 3, generator=torch.Generator().manual_seed(1))
    fast = expose(image, log_gains, offsets)
    found = torch.autograd.grad((fast * weights).sum(), [image, log_gains, offsets])
    exact = [tensor.detach().double().requires_grad_() for tensor in (image, log_gains, offsets)]
    slow = expose(*exact)
    wanted = torch.autograd.grad((slow * weights).sum(), exact)
    torch.testing.assert_close(fast.double(), slow, rtol=1e-5, atol=1e-5)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-3)


def test_threads_do_not_change_a_bit() -> None:
    image, log_gains, offsets = inputs(97, 131)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            gradient = torch.autograd.grad(expose(image, log_gains, offsets).square().sum(), [log_gains, offsets])
            results.append(torch.cat(gradient))
    finally:
        torch.set_num_threads(before)
    assert native.threads() == before
    # The sum above is torch's own and gives the same gradient to every pixel.
    assert torch.equal(*results)


def test_between_goes_by_time() -> None:
    values, times = torch.tensor([[0.0], [4.0], [2.0]]), torch.tensor([0.0, 2.0, 1.0])
    cases = {-1.0: 0.0, 0.0: 0.0, 0.25: 0.5, 1.0: 2.0, 1.5: 3.0, 2.0: 4.0, 9.0: 4.0}
    for time, wanted in cases.items():
        assert float(between(values, times, time)) == pytest.approx(wanted)
