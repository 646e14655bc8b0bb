"""Gaussians as a value: select, concat, transform, and what it refuses."""

import pytest
import torch

from splatsim import Gaussians
from splatsim.spherical_harmonics import sh_basis
from splatsim.transforms import rotmat_from_quat
from tests.conftest import random_gaussians


def rigid(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    b_from_a = torch.eye(4, dtype=torch.float64)
    b_from_a[:3, :3] = rotmat_from_quat(torch.randn(4, generator=generator, dtype=torch.float64))
    b_from_a[:3, 3] = torch.randn(3, generator=generator, dtype=torch.float64)
    return b_from_a


def density(gaussians: Gaussians, points: torch.Tensor) -> torch.Tensor:
    """Of each Gaussian at each point, straight from the definition."""
    rotations = rotmat_from_quat(gaussians.quats)
    covars = rotations @ torch.diag_embed(gaussians.scales**2) @ rotations.mT
    offsets = points[:, None] - gaussians.means
    return (-0.5 * torch.einsum("pni,nij,pnj->pn", offsets, covars.inverse(), offsets)).exp()


@pytest.mark.parametrize("k", [1, 4, 9, 16])
def test_transform_moves_densities_and_colors(k: int) -> None:
    gaussians, b_from_a = random_gaussians(20, k=k, largest=1.0, smallest=0.3).to(torch.float64), rigid(1)
    moved = gaussians.transform(b_from_a, scale=2.5)
    points = torch.randn(30, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    moved_points = 2.5 * points @ b_from_a[:3, :3].T + b_from_a[:3, 3]
    torch.testing.assert_close(density(moved, moved_points), density(gaussians, points))
    directions = torch.nn.functional.normalize(points, dim=-1)
    seen = torch.einsum("pk,nkc->pnc", sh_basis(directions, gaussians.sh_degree), gaussians.sh)
    turned = torch.einsum("pk,nkc->pnc", sh_basis(directions @ b_from_a[:3, :3].T, moved.sh_degree), moved.sh)
    torch.testing.assert_close(turned, seen)


def test_transforms_compose() -> None:
    gaussians, first, second = random_gaussians(10).to(torch.float64), rigid(1), rigid(2)
    in_steps, at_once = gaussians.transform(first).transform(second), gaussians.transform(second @ first)
    for name in ("means", "scales", "sh"):
        torch.testing.assert_close(getattr(in_steps, name), getattr(at_once, name))
    torch.testing.assert_close(rotmat_from_quat(in_steps.quats), rotmat_from_quat(at_once.quats))


def test_transform_keeps_gradients() -> None:
    leaves = random_gaussians(5).requires_grad_()
    sum(t.sum() for t in leaves.transform(rigid(3).float()).tensors().values()).backward()
    assert all(leaf.grad is not None for leaf in leaves.tensors().values())


def test_select_by_mask_index_and_slice() -> None:
    gaussians = random_gaussians(10, features=2)
    mask = torch.arange(10) % 2 == 0
    for rows in (mask, mask.nonzero()[:, 0], slice(0, None, 2)):
        part = gaussians.select(rows)
        assert len(part) == 5
        assert torch.equal(part.features, gaussians.features[::2])


def test_concat_fills_up_sh() -> None:
    low, high = random_gaussians(3, k=1), random_gaussians(4, k=9)
    both = Gaussians.concat([low, high])
    assert (len(both), both.sh_degree) == (7, 2)
    assert not both.sh[:3, 1:].any()
    assert torch.equal(both.sh[3:], high.sh)


def test_concat_of_parts_that_differ() -> None:
    with pytest.raises(ValueError, match=r"\[2, None\] feature channels"):
        Gaussians.concat([random_gaussians(3, features=2), random_gaussians(3)])
    with pytest.raises(ValueError, match="empty list"):
        Gaussians.concat([])


def test_sh_degree_down_and_up() -> None:
    gaussians = random_gaussians(3, k=9)
    assert torch.equal(gaussians.with_sh_degree(1).sh, gaussians.sh[:, :4])
    assert not gaussians.with_sh_degree(3).sh[:, 9:].any()


def test_to_leaves_the_original() -> None:
    gaussians = random_gaussians(3)
    assert gaussians.to(torch.float64).means.dtype == torch.float64
    assert gaussians.means.dtype == torch.float32
    with pytest.raises(AttributeError):
        gaussians.means = torch.zeros(3, 3)  # type: ignore[misc]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("field", "value", "error", "message"),
    [
        ("means", torch.zeros(3, 2), ValueError, r"Gaussians.means has shape \[3, 2\]; expected \[n 3\]"),
        ("quats", torch.zeros(2, 4), ValueError, r"Gaussians.quats has shape \[2, 4\]; expected \[3 4\]"),
        ("opacities", torch.zeros(3, 1), ValueError, r"Gaussians.opacities has shape \[3, 1\]; expected \[3\]"),
        ("sh", torch.zeros(3, 5, 3), ValueError, "5 SH coefficients per colour; expected 1, 4, 9 or 16"),
        ("scales", torch.zeros(3, 3, dtype=torch.int64), TypeError, "dtype torch.int64; expected a floating-point"),
        ("scales", [1.0, 2.0], TypeError, "is a list; expected a float tensor"),
        ("scales", torch.zeros(3, 3, dtype=torch.float64), ValueError, "mixes dtypes.*expected one dtype"),
        ("features", torch.zeros(2, 7), ValueError, r"Gaussians.features has shape \[2, 7\]; expected \[3 f\]"),
        ("means", torch.zeros(3, 3, device="meta"), ValueError, "mixes devices: means meta"),
    ],
)
def test_wrong_fields(field: str, value: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        random_gaussians(3).replace(**{field: value})
