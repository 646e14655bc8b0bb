"""The native Adam against torch's own, and against a row-by-row computation where rows are left out."""

import pytest
import torch

from splatsim import native
from splatsim.fitting import Adam, ParameterGroup


@pytest.fixture(params=["avx2", "scalar"], autouse=True)
def instruction_set(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param not in native.instruction_sets():
        pytest.skip(f"this processor has no {request.param}")
    monkeypatch.setattr(native, "instruction_sets", lambda: [request.param])


@pytest.mark.parametrize("shape", [(1001, 3), (7, 4), (1, 1), (513,), (300, 16, 3)])
def test_equals_torch(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(shape, generator=generator)
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    optimizer = Adam({"p": ParameterGroup(ours, 0.01)}, epsilon=1e-8)
    oracle = torch.optim.Adam([theirs], lr=0.01, eps=1e-8)
    for _ in range(20):
        gradient = torch.randn(shape, generator=generator)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        optimizer.step()
        oracle.step()
        assert ours.grad is None
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_rows_that_are_not_visible_stay(dtype: torch.dtype) -> None:
    """Each row is as if it had seen only its own steps; the correction goes by the count of all steps."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(50, 2, 3, generator=generator).to(dtype)
    parameter = start.clone().requires_grad_()
    rates = torch.rand(2, 3, generator=generator).to(dtype) * 0.1
    optimizer = Adam({"p": ParameterGroup(parameter, rates)}, epsilon=1e-8)
    expected, m, v = start.double(), torch.zeros(50, 2, 3).double(), torch.zeros(50, 2, 3).double()
    for step in range(1, 8):
        gradient = torch.randn(50, 2, 3, generator=generator).to(dtype)
        visible = torch.rand(50, generator=generator) < 0.4
        parameter.grad = gradient.clone()
        optimizer.step(visible)
        for row in visible.nonzero()[:, 0].tolist():
            g = gradient[row].double()
            m[row] = 0.9 * m[row] + 0.1 * g
            v[row] = 0.999 * v[row] + 0.001 * g * g
            expected[row] -= rates.double() * (m[row] / (1 - 0.9**step)) / ((v[row] / (1 - 0.999**step)).sqrt() + 1e-8)
    torch.testing.assert_close(parameter.double(), expected, atol=1e-5, rtol=1e-4)


def test_lazy_group_adds_up() -> None:
    lazy = torch.zeros(4, 3).requires_grad_()
    optimizer = Adam({"sh": ParameterGroup(lazy, 0.1, every=3)})
    seen = []
    for _ in range(6):
        (lazy * torch.arange(12.0).view(4, 3)).sum().backward()
        optimizer.step()
        seen.append(lazy.detach().clone())
    assert not seen[1].any()
    assert seen[2][1:].all()
    assert torch.equal(seen[2], seen[4])
    assert not torch.equal(seen[4], seen[5])


def test_learning_rate_changes_from_the_next_step_on() -> None:
    parameter = torch.zeros(3, 2).requires_grad_()
    optimizer = Adam({"p": ParameterGroup(parameter, 1.0)})
    optimizer.set_learning_rate("p", 0.0)
    parameter.grad = torch.ones(3, 2)
    optimizer.step()
    assert not parameter.any()


def test_threads_do_not_matter() -> None:
    start = torch.randn(20_000, 16, 3, generator=torch.Generator().manual_seed(0))
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            parameter = start.clone().requires_grad_()
            optimizer = Adam({"p": ParameterGroup(parameter, 0.1)})
            parameter.grad = start.sin()
            optimizer.step()
            results.append(parameter.detach())
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*results)


def test_wrong_groups() -> None:
    with pytest.raises(ValueError, match="computed from others"):
        Adam({"p": ParameterGroup(torch.zeros(3).requires_grad_() * 2, 0.1)})
    with pytest.raises(ValueError, match="every=0"):
        Adam({"p": ParameterGroup(torch.zeros(3), 0.1, every=0)})
