"""Gaussians to voxels: a plain double loop as the truth, finite differences, and the way there and back."""

import pytest
import torch

from splatsim import Gaussians
from splatsim.grids import VoxelFrame
from splatsim.occupancy import superposition as module
from splatsim.occupancy.superposition import voxelize
from splatsim.occupancy.voxel_shapes import VoxelShape, gaussianize
from splatsim.transforms import rotmat_from_quat
from tests.conftest import random_gaussians
from tests.occupancy.grids import CLASSES, random_grid

FRAME = VoxelFrame((-1.0, -1.0, -1.0), 0.4, (5, 5, 5))


def soft(n: int, seed: int = 0) -> Gaussians:
    g = random_gaussians(n, seed=seed, k=1, features=3, smallest=0.2, largest=0.5).to(torch.float64)
    return g.replace(means=0.4 * g.means, features=g.features.softmax(-1))


def test_it_is_the_superposition_of_the_paper() -> None:
    g = soft(6)
    found = voxelize(g, FRAME, reach=50.0)
    for index in ((0, 0, 0), (2, 2, 2), (4, 1, 3), (2, 3, 2)):
        x = FRAME.centers(torch.tensor(index))
        passed, weights = 1.0, []
        for i in range(len(g)):
            R = rotmat_from_quat(g.quats[i])
            covariance = R @ torch.diag(g.scales[i] ** 2) @ R.T
            d = x - g.means[i]
            alpha = min(0.999, float(g.opacities[i] * torch.exp(-0.5 * d @ torch.linalg.inv(covariance) @ d)))
            passed *= 1 - alpha
            weights.append(alpha / float(torch.linalg.det(covariance)) ** 0.5)
        assert float(found.occupied[index]) == pytest.approx(1 - passed, rel=1e-9)
        w = torch.tensor(weights, dtype=torch.float64)
        assert torch.allclose(found.classes[index], (w / w.sum()) @ g.features)


def test_gradients_agree_with_finite_differences() -> None:
    g = soft(3)
    names = ("means", "quats", "scales", "opacities", "features")
    leaves = [getattr(g, name).clone().requires_grad_() for name in names]

    weights = torch.randn(5, 5, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def total(*fields: torch.Tensor) -> torch.Tensor:
        found = voxelize(g.replace(**dict(zip(names, fields, strict=True))), FRAME, reach=50.0)
        return (torch.cat([found.occupied[..., None], found.classes], dim=-1) * weights).sum()

    assert torch.autograd.gradcheck(total, leaves, atol=1e-6)


def test_blocks_of_pairs_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    g = soft(20).to(torch.float32)
    whole = voxelize(g, FRAME)
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", 100)
    parts = voxelize(g, FRAME)
    assert torch.allclose(whole.occupied, parts.occupied, atol=1e-6)
    assert torch.allclose(whole.classes, parts.classes, atol=1e-5)


@pytest.mark.parametrize("shape", [VoxelShape("isotropic", "occupied"), VoxelShape("pca", "occupied")])
def test_there_and_back_gives_the_same_labels(shape: VoxelShape) -> None:
    grid = random_grid((12, 12, 8), filled=0.2)
    back = voxelize(gaussianize(grid, shape).gaussians, grid.frame).to_grid(CLASSES[1:], observed=grid.observed)
    names = torch.tensor([3, 0, 1, 2])  # there "free" is the first class, here the last
    same = names[grid.labels.long()] == back.labels.long()
    assert float(same[grid.observed].float().mean()) > 0.995
    occupied = grid.observed & (grid.labels != 0)
    assert bool(same[occupied].all())


def test_no_gaussians_and_far_ones_leave_the_grid_empty() -> None:
    for g in (soft(0), soft(3).replace(means=torch.full((3, 3), 1e6, dtype=torch.float64))):
        found = voxelize(g, FRAME)
        assert float(found.occupied.abs().max()) == 0
        assert torch.allclose(found.classes, torch.tensor(1 / 3, dtype=torch.float64))


def test_bad_gaussians_are_named() -> None:
    g = soft(2)
    with pytest.raises(ValueError, match="without features"):
        voxelize(g.replace(features=None), FRAME)
    with pytest.raises(ValueError, match=r"Gaussians.means holds a number that is not finite"):
        voxelize(g.replace(means=g.means / 0), FRAME)
    with pytest.raises(ValueError, match=r"scales holds 0.0; expected lengths above 0"):
        voxelize(g.replace(scales=g.scales * 0), FRAME)
