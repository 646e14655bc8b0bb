"""Voxels to Gaussians: which are kept, how they are shaped, how opaque a layer of them is, and gradients."""

import math

import numpy as np
import pytest
import torch

from splatsim import Cameras, render
from splatsim.grids import OccupancyGrid, VoxelFrame
from splatsim.occupancy.calibration import calibrated_opacity, largest_coverage, layer_transmittance
from splatsim.occupancy.logits import LogitGrid, logits_of
from splatsim.occupancy.voxel_shapes import VoxelShape, gaussianize
from splatsim.transforms import rotmat_from_quat
from tests.occupancy.grids import CLASSES, random_grid

MODES = ["isotropic", "pca", "box"]


def wall(cells: int = 24) -> OccupancyGrid:
    """A wall of one voxel, across x, in the lower half of y."""
    labels = torch.zeros(3, cells, cells, dtype=torch.uint8)
    labels[1, : cells // 2] = 2
    frame = VoxelFrame((0.0, 0.0, 0.0), 0.4, (3, cells, cells))
    return OccupancyGrid(frame, labels, CLASSES, torch.ones(3, cells, cells, dtype=torch.bool))


@pytest.mark.parametrize("width", [0.35, 0.5, 0.675])
def test_a_layer_lets_through_as_much_as_the_renderer_says(width: float) -> None:
    cells = 24
    frame = VoxelFrame((0.0, 0.0, 0.0), 1.0, (1, cells, cells))
    shape = VoxelShape("isotropic", width=width, calibrated=False)
    full = torch.ones(1, cells, cells, dtype=torch.bool)
    grid = OccupancyGrid(frame, full.to(torch.uint8), CLASSES, full)
    view = torch.tensor([[0.0, -1.0, 0.0, 14.0], [0.0, 0.0, -1.0, 14.0], [1.0, 0.0, 0.0, 5.0], [0.0, 0.0, 0.0, 1.0]])
    K = torch.tensor([[24.0, 0, 0], [0, 24.0, 0], [0, 0, 1]])
    seen = render(gaussianize(grid, shape).gaussians, Cameras(view[None], K[None], 96, 96, "ortho"))
    expected = layer_transmittance(width, torch.ones(1, dtype=torch.float64))
    # The renderer blurs by 0.3 square pixels, with 24 pixels for a cell: a few thousandths.
    assert float(1 - seen.alphas.mean()) == pytest.approx(float(expected.mean()), rel=0.03, abs=1e-3)
    assert float(1 - seen.alphas.min()) == pytest.approx(float(expected.max()), rel=0.03, abs=1e-3)


def test_the_table_of_the_literature() -> None:
    # Mean and worst light through a layer at opacity 0.99, for the two settings of GaussRender (2025).
    for width, mean, worst in ((0.5, 0.099, 0.155), (0.675, 0.0125, 0.019)):
        passed = layer_transmittance(width, torch.tensor([0.99], dtype=torch.float64))
        assert float(passed.mean()) == pytest.approx(mean, abs=0.006)
        assert float(passed.max()) == pytest.approx(worst, abs=0.006)


@pytest.mark.parametrize("width", [0.4, 0.5, 0.7])
def test_coverage_is_in_proportion_to_the_probability(width: float) -> None:
    p = torch.linspace(0, 1, 21, dtype=torch.float64)
    coverage = 1 - layer_transmittance(width, calibrated_opacity(p, width)).mean(dim=-1)
    assert torch.allclose(coverage, p * largest_coverage(width), atol=0.01)
    p.requires_grad_()
    slope = torch.autograd.grad(calibrated_opacity(p, width).sum(), p)[0]
    assert bool((slope > 0).all()), "certain and empty voxels learn as well"


@pytest.mark.parametrize("mode", MODES)
def test_surface_voxels_are_kept_and_inner_and_unknown_ones_are_not(mode: str) -> None:
    labels = torch.zeros(7, 7, 7, dtype=torch.uint8)
    labels[1:6, 1:6, 1:6] = 1
    observed = torch.ones(7, 7, 7, dtype=torch.bool)
    observed[5, 5, 5] = False
    frame = VoxelFrame((0.0, 0.0, 0.0), 1.0, (7, 7, 7))
    grid = OccupancyGrid(frame, labels, CLASSES, observed)
    kept = {
        keep: set(gaussianize(grid, VoxelShape(mode, keep)).voxels.tolist())  # type: ignore[arg-type]
        for keep in ("surface", "occupied", "all")
    }
    box = np.zeros((7, 7, 7), bool)
    box[1:6, 1:6, 1:6] = True
    box[5, 5, 5] = False
    neighbours = np.stack([np.roll(box, step, axis) for axis in range(3) for step in (1, -1)])
    surface = set(np.flatnonzero(box & ~neighbours.all(0)).tolist())
    assert kept["surface"] == surface
    if mode == "box":
        assert kept["occupied"] == surface, "an inner voxel has no bare face"
    else:
        assert kept["occupied"] == set(np.flatnonzero(box).tolist())
        assert len(kept["all"]) == 7**3 - 1


def test_box_faces_lie_on_the_bare_faces() -> None:
    grid = wall(4)
    made = gaussianize(grid, VoxelShape("box", split=2, thickness=0.02))
    g = made.gaussians
    normals = rotmat_from_quat(g.quats)[:, :, 2]
    # 8 voxels in a 1 × 2 × 4 plate: 2 · 8 large faces, 2 · 4 + 2 · 2 on the rim, four Gaussians on each.
    assert len(g) == 4 * (16 + 8 + 4)
    large = normals[:, 0].abs() > 0.5
    assert int(large.sum()) == 4 * 16
    assert set(g.means[large, 0].mul(1000).round().int().tolist()) == {400, 800}
    assert torch.allclose(g.scales[:, :2], torch.full((len(g), 2), 0.5 * 0.4 / 2))
    assert torch.allclose(g.scales[:, 2], torch.full((len(g),), 0.02 * 0.4 / 2))


def test_principal_axes_lie_in_the_wall() -> None:
    made = gaussianize(wall(), VoxelShape("pca"))
    g = made.gaussians
    inner = ((g.means[:, 1] > 1) & (g.means[:, 1] < 3.5) & (g.means[:, 2] > 1) & (g.means[:, 2] < 8)).nonzero()[:, 0]
    assert len(inner) > 20
    normals = rotmat_from_quat(g.quats[inner])[:, :, 0]
    assert torch.allclose(normals.abs(), torch.tensor([1.0, 0, 0]).expand_as(normals), atol=1e-5)
    expected = torch.tensor([0.3, 0.5, 0.5]) * 0.4
    assert torch.allclose(g.scales[inner], expected.expand(len(inner), 3), atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("split", [1, 2, 3])
def test_features_are_the_classes_and_owners_hold_their_gaussians(mode: str, split: int) -> None:
    grid = random_grid()
    made = gaussianize(grid, VoxelShape(mode, split=split))  # type: ignore[arg-type]
    index = grid.frame.index_of(made.gaussians.means.double() * (1 - 1e-9))
    own = torch.stack(torch.unravel_index(made.voxels, grid.frame.shape), dim=-1)
    if mode != "box":
        assert torch.equal(index, own)
    assert made.gaussians.features is not None
    labels = grid.labels.flatten()[made.voxels].long()
    assert torch.equal(made.gaussians.features.argmax(-1) + 1, labels)
    assert bool(grid.observed.flatten()[made.voxels].all())


def test_the_wall_is_tight_and_its_edge_is_sharp_when_voxels_are_split() -> None:
    made = gaussianize(wall(), VoxelShape("pca", split=2)).gaussians
    view = torch.tensor([[0.0, -1.0, 0.0, 6.0], [0.0, 0.0, -1.0, 7.0], [1.0, 0.0, 0.0, 5.0], [0.0, 0.0, 0.0, 1.0]])
    K = torch.tensor([[100.0, 0, 0], [0, 100.0, 0], [0, 0, 1]])
    alphas = render(made, Cameras(view[None], K[None], 500, 400, "ortho")).alphas[0]
    # The wall ends at y = 4.8: at u = 100 (6 - 4.8) = 120; it covers what is to the right.
    leak = 1 - alphas[:, 240:]
    assert float(leak.mean()) <= 0.02
    edge = (alphas > 0.5).float().argmax(dim=1).float().mean()
    assert abs(120 - float(edge)) / 40 <= 0.25


def test_gradients_reach_the_logits_and_agree_with_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    frame = VoxelFrame((0.0, 0.0, 0.0), 0.5, (3, 3, 2))
    start = torch.randn(4, 3, 3, 2, generator=generator, dtype=torch.float64)
    weights = torch.randn(18, 4, generator=generator, dtype=torch.float64)

    def total(logits: torch.Tensor) -> torch.Tensor:
        grid = LogitGrid(frame, logits, 0)
        made = gaussianize(grid, VoxelShape("isotropic", keep="all"))
        rows = torch.cat([made.gaussians.opacities[:, None], made.gaussians.features], dim=-1)  # type: ignore[list-item]
        return (rows * weights).sum()

    assert torch.autograd.gradcheck(total, (start.requires_grad_(),), eps=1e-7, atol=1e-5)


def test_logits_of_a_grid_give_the_grid_back() -> None:
    grid = random_grid()
    back = logits_of(grid, 0.9).to_grid(CLASSES)
    assert torch.equal(back.labels[grid.observed], grid.labels[grid.observed])
    assert torch.equal(back.observed, grid.observed)
    again = logits_of(back).to_grid(CLASSES)
    assert torch.equal(again.labels[grid.observed], grid.labels[grid.observed])
    assert back.probabilities is not None
    assert again.probabilities is not None
    assert torch.allclose(back.probabilities, again.probabilities, atol=1e-5)
    chosen = back.probabilities.gather(-1, grid.labels.long()[..., None])[..., 0]
    assert torch.allclose(chosen, torch.tensor(0.9))


@pytest.mark.parametrize("mode", MODES)
def test_an_empty_grid_gives_no_gaussians_and_one_voxel_gives_some(mode: str) -> None:
    frame = VoxelFrame((0.0, 0.0, 0.0), 1.0, (1, 1, 1))
    seen = torch.ones(1, 1, 1, dtype=torch.bool)
    empty = OccupancyGrid(frame, torch.zeros(1, 1, 1, dtype=torch.uint8), CLASSES, seen)
    assert len(gaussianize(empty, VoxelShape(mode)).gaussians) == 0  # type: ignore[arg-type]
    full = empty.replace(labels=torch.ones(1, 1, 1, dtype=torch.uint8))
    made = gaussianize(full, VoxelShape(mode)).gaussians  # type: ignore[arg-type]
    assert len(made) == (6 if mode == "box" else 1)
    assert all(bool(field.isfinite().all()) for field in made.tensors().values())
    unknown = full.replace(observed=~seen)
    assert len(gaussianize(unknown, VoxelShape(mode)).gaussians) == 0  # type: ignore[arg-type]


def test_candidates_are_kept_whatever_their_probability() -> None:
    grid = random_grid()
    candidates = torch.zeros(grid.frame.shape, dtype=torch.bool)
    free = ((grid.labels == 0) & grid.observed).nonzero()[0]
    candidates[tuple(free)] = True
    soft = logits_of(grid)
    before, after = gaussianize(soft).voxels, gaussianize(soft, candidates=candidates).voxels
    flat = int(np.ravel_multi_index(tuple(free.tolist()), grid.frame.shape))
    assert set(after.tolist()) - set(before.tolist()) == {flat}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"mode": "cube"}, "VoxelShape.mode is 'cube'; expected"),
        ({"keep": "some"}, "VoxelShape.keep is 'some'; expected"),
        ({"split": 0}, "VoxelShape.split is 0; expected 1 to 8"),
        ({"width": math.nan}, "VoxelShape.width is nan; expected"),
        ({"thickness": 0.0}, "VoxelShape.thickness is 0.0; expected"),
        ({"threshold": 1.0}, "VoxelShape.threshold is 1.0; expected"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_shapes_are_named(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        VoxelShape(**change)  # type: ignore[arg-type]


def test_bad_logits_are_named() -> None:
    frame = VoxelFrame((0.0, 0.0, 0.0), 1.0, (2, 3, 4))
    with pytest.raises(ValueError, match=r"LogitGrid.logits has shape \[4, 3, 2, 5\]; expected \[c 2 3 4\]"):
        LogitGrid(frame, torch.zeros(4, 3, 2, 5), 0)
    bad = torch.zeros(5, 2, 3, 4)
    bad[1, 0, 2, 3] = float("nan")
    with pytest.raises(ValueError, match=r"LogitGrid.logits\[1, 0, 2, 3\] is not finite"):
        LogitGrid(frame, bad, 0)
    with pytest.raises(ValueError, match="free_label is 5 with 5 classes"):
        LogitGrid(frame, torch.zeros(5, 2, 3, 4), 5)
