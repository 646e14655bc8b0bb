"""The native loss against plain torch in double precision, and against skimage-like hand computation."""

import math

import pytest
import torch

from splatsim import native
from splatsim.fitting import photometric_loss, psnr, ssim
from splatsim.fitting.losses import depth_spread


@pytest.fixture(params=["avx2", "scalar"])
def instruction_set(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param not in native.instruction_sets():
        pytest.skip(f"this processor has no {request.param}")
    monkeypatch.setattr(native, "instruction_sets", lambda: [request.param])
    return str(request.param)


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("shape", [(37, 45, 3), (2, 64, 33, 3), (8, 5, 3), (1, 1, 3), (3, 1, 40, 3), (2, 2, 11, 13, 3)])
@pytest.mark.parametrize("weight", [0.0, 0.2, 1.0])
def test_value_and_gradient(shape: tuple[int, ...], weight: float) -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.rand(shape, generator=generator)
    images = (targets + 0.2 * torch.randn(shape, generator=generator)).clamp(0, 1)
    fast, slow = images.clone().requires_grad_(), images.double().requires_grad_()
    loss = photometric_loss(fast, targets, ssim_weight=weight)
    expected = photometric_loss(slow, targets.double(), ssim_weight=weight)
    (3 * loss).backward()
    (3 * expected).backward()
    torch.testing.assert_close(loss.double(), expected, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(fast.grad.double(), slow.grad, atol=1e-4 * float(slow.grad.abs().max()), rtol=1e-4)


def test_torch_gradient_against_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(5, 6, 3, generator=generator, dtype=torch.float64).requires_grad_()
    targets = torch.rand(5, 6, 3, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: photometric_loss(x, targets), [images])


def test_ssim_of_constant_images_by_hand() -> None:
    """Far from the border, SSIM of two constants is (2 a b + c1) / (a² + b² + c1)."""
    a, b = torch.full((40, 40, 3), 0.4), torch.full((40, 40, 3), 0.7)
    expected = (2 * 0.4 * 0.7 + 1e-4) / (0.4**2 + 0.7**2 + 1e-4)
    from splatsim.fitting.losses import _ssim_map

    assert math.isclose(float(_ssim_map(a, b)[0, 0, 20, 20]), expected, rel_tol=1e-4)
    assert math.isclose(float(ssim(a, a)), 1.0, rel_tol=1e-6)


def test_psnr_by_hand() -> None:
    a = torch.zeros(4, 4, 3)
    assert math.isclose(float(psnr(a + 0.1, a)), 20.0, rel_tol=1e-5)


def test_threads_do_not_matter() -> None:
    generator = torch.Generator().manual_seed(0)
    images, targets = torch.rand(2, 150, 90, 3, generator=generator), torch.rand(2, 150, 90, 3, generator=generator)
    results = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            leaf = images.clone().requires_grad_()
            loss = photometric_loss(leaf, targets)
            loss.backward()
            results.append((loss.item(), leaf.grad))
    finally:
        torch.set_num_threads(before)
    assert all(value == results[0][0] and torch.equal(grad, results[0][1]) for value, grad in results)


def test_target_gets_no_gradient_and_no_copy_is_changed() -> None:
    images, targets = torch.rand(9, 9, 3).requires_grad_(), torch.rand(9, 9, 3)
    kept = targets.clone()
    photometric_loss(images, targets).backward()
    assert torch.equal(targets, kept)


@pytest.mark.usefixtures("unchecked")
def test_wrong_shapes() -> None:
    with pytest.raises(ValueError, match=r"targets \[4, 5, 3\]; expected the same"):
        photometric_loss(torch.rand(5, 4, 3), torch.rand(4, 5, 3))
    with pytest.raises(ValueError, match="expected"):
        psnr(torch.rand(5, 4, 4), torch.rand(5, 4, 4))


def test_depth_spread_is_the_mean_square_by_share_of_light() -> None:
    weights, depths = torch.tensor([0.6, 0.3]), torch.tensor([2.0, 4.0])
    moments = torch.stack([(weights / depths).sum(), (weights / depths.square()).sum()])[None]
    found = depth_spread(moments, weights.sum()[None], torch.tensor([2.0]))
    assert float(found) == pytest.approx((0.6 * 0 + 0.3 * (2 / 4 - 1) ** 2) / 0.9, rel=1e-5)
    same = depth_spread(torch.tensor([[0.45, 0.225]]), torch.tensor([0.9]), torch.tensor([2.0]))
    assert float(same) == pytest.approx(0, abs=1e-6)
