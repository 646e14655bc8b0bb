"""refine(): maps from a grid, a broken grid made better on views it has not seen, and a good one left alone."""

import pytest
import torch

from splatsim import Cameras
from splatsim.grids import OccupancyGrid, VoxelFrame
from splatsim.occupancy.dense_maps import render_maps, trace_maps
from splatsim.occupancy.fusion import fuse, select_views, visible_voxels
from splatsim.occupancy.logits import LogitGrid, logits_of
from splatsim.occupancy.metrics import depth_errors, image_confusion, voxel_confusion
from splatsim.occupancy.refinement import RefineOptions, refine
from splatsim.occupancy.targets import Targets, targets_of_grid
from splatsim.occupancy.voxel_shapes import gaussianize
from tests.occupancy.grids import CLASSES
from tests.occupancy.test_dense_maps import room, views


def corrupted(grid: OccupancyGrid) -> OccupancyGrid:
    """30 % of the voxels dropped, floaters, 10 % of the labels another class."""
    generator = torch.Generator().manual_seed(0)

    def chance(p: float) -> torch.Tensor:
        return torch.rand(grid.frame.shape, generator=generator) < p

    solid = grid.labels != 0
    labels = torch.where(solid & chance(0.1), grid.labels % 3 + 1, grid.labels)
    labels = torch.where(solid & chance(0.3), 0, labels)
    labels = torch.where(~solid & chance(0.01), 1 + torch.randint(0, 3, labels.shape, generator=generator), labels)
    return grid.replace(labels=labels.to(torch.uint8))


def held_out() -> Cameras:
    eyes = [[-5.0, -7.0, 3.5], [1.5, -7.0, 3.0]]
    return Cameras.look_at(eyes, [2.0, 2.0, 1.0], fov_deg=60, width=60, height=40)


def test_no_steps_only_renders() -> None:
    grid, cameras = room(), [views(40, 24), views(30, 20)]
    found = refine(grid, cameras)
    assert found.grid is grid
    assert found.losses == []
    made = gaussianize(grid).gaussians
    for maps, one in zip(found.maps, cameras, strict=True):
        assert torch.equal(maps.semantics, render_maps(made, one).semantics)
    wall = found.report["classes"]["wall"]
    assert 0 < wall["visible_voxels"] <= wall["voxels"] == int((grid.labels == 2).sum())
    assert wall["pixels"] > 50
    small = refine(grid, cameras, options=RefineOptions(cameras_at_once=1))
    assert torch.equal(small.maps[0].semantics, found.maps[0].semantics)


def test_a_broken_grid_gets_better_on_views_that_it_has_not_seen() -> None:
    truth, cameras = room(), views(80, 60)
    broken = corrupted(truth)
    targets = targets_of_grid(truth, cameras, renderer="exact")
    found = refine(broken, cameras, targets, steps=25, options=RefineOptions(rays=6_000))
    before, after = (voxel_confusion(g, truth).miou().value for g in (broken, found.grid))
    assert after > before + 0.1
    exact = trace_maps(truth, held_out())
    scores = []
    for grid in (broken, found.grid):
        seen = trace_maps(grid, held_out())
        confusion = image_confusion(seen.labels, exact.labels, CLASSES, ignore=())
        scores.append((confusion.miou().value, depth_errors(seen.depths, exact.depths).l1))
    assert scores[1][0] > scores[0][0] + 0.2
    assert scores[1][1] < 0.5 * scores[0][1]
    assert found.losses[-1] < 0.5 * found.losses[0]
    assert float(found.uncertainty.min()) >= 0
    again = refine(broken, cameras, targets, steps=2, options=RefineOptions(rays=6_000))
    assert again.losses == found.losses[:2], "the same seed gives the same steps"


def test_a_good_grid_is_left_alone() -> None:
    truth, cameras = room(), views(80, 60)
    targets = targets_of_grid(truth, cameras, renderer="exact")
    found = refine(truth, cameras, targets, steps=10, options=RefineOptions(rays=6_000))
    assert torch.equal(found.grid.labels, truth.labels)


def test_unknown_voxels_stay_unknown_and_unseen_ones_as_they_were() -> None:
    truth, cameras = room(), views(60, 40)
    observed = torch.ones_like(truth.observed)
    observed[10:20] = False
    grid = corrupted(truth).replace(observed=observed)
    found = refine(grid, cameras, targets_of_grid(truth, cameras), steps=3, options=RefineOptions(rays=3_000))
    assert torch.equal(found.grid.observed, observed)
    assert bool((found.uncertainty[~observed] == 1).all())
    start = logits_of(grid, 0.9).to_grid(CLASSES)
    assert found.grid.probabilities is not None
    assert start.probabilities is not None
    moved = (found.grid.probabilities - start.probabilities).abs().amax(-1) > 1e-6
    assert not bool(moved[~observed].any())
    assert bool(moved[observed].any())
    assert not bool(moved.all())


def test_labels_without_depth_are_enough_to_paint() -> None:
    truth, cameras = room(), views(60, 40)
    repainted = truth.replace(labels=torch.where(truth.labels == 2, 3, truth.labels).to(torch.uint8))
    exact = targets_of_grid(truth, cameras, renderer="exact")
    targets = Targets(labels=torch.where(exact.labels == 0, 255, exact.labels))  # type: ignore[arg-type]
    found = refine(repainted, cameras, targets, steps=12, options=RefineOptions(rays=7_200))
    shown = visible_voxels(truth, cameras).view(truth.frame.shape) & (truth.labels == 2)
    assert float((found.grid.labels[shown] == 2).float().mean()) > 0.9


def test_log_odds_of_several_frames_agree_with_bayes() -> None:
    frame = VoxelFrame((0.0, 0.0, 0.0), 1.0, (2, 1, 1))
    one, two = (LogitGrid(frame, torch.tensor(v).view(2, 2, 1, 1), 0) for v in ([0.0, 0, 1, -2], [0.0, 0, 0.5, 0.3]))
    two = two.replace(observed=torch.tensor([True, False]).view(2, 1, 1))
    poses = torch.eye(4).repeat(2, 1, 1)
    found = fuse([one, two], poses, frame)
    odds = (found.logits[1] - found.logits[0]).flatten()
    assert odds.tolist() == pytest.approx([1.5, -2.0])
    # Moved by one voxel, the second grid speaks of the other one, and of what lies outside.
    poses[1, 0, 3] = 1.0
    odds = (fuse([one, two], poses, frame).logits[1]).flatten()
    assert odds.tolist() == pytest.approx([1.0, -1.5])
    wide = VoxelFrame((-2.0, 0.0, 0.0), 1.0, (6, 1, 1))
    assert fuse([one], poses[:1], wide).mask().flatten().tolist() == [False, False, True, True, False, False]
    with pytest.raises(ValueError, match="there are 1 grids and 2 poses"):
        fuse([one], poses, frame)


def test_views_are_chosen_by_what_they_add() -> None:
    grid = room()
    eyes = [[-7.0, -6.0, 3.0], [-7.0, -6.0, 3.1], [7.5, 7.0, 5.0], [0.0, 0.0, 60.0]]
    candidates = Cameras.look_at(eyes, [2.0, 3.0, 1.0], fov_deg=60, width=60, height=40)
    chosen = select_views(grid, candidates, 4)
    shows = [visible_voxels(grid, candidates[c]) for c in range(4)]
    assert chosen[0] == max(range(4), key=lambda c: int(shows[c].sum()))
    gains, seen = [], torch.zeros_like(shows[0])
    for c in chosen:
        gains.append(int((shows[c] & ~seen).sum()))
        seen |= shows[c]
    assert gains == sorted(gains, reverse=True)
    assert len(select_views(grid, candidates[0], 5)) == 1


def test_empty_grids_give_empty_maps() -> None:
    grid = room().replace(labels=torch.zeros(40, 40, 16, dtype=torch.uint8))
    found = refine(grid, views(20, 12))
    assert float(found.maps[0].alphas.max()) == 0
    assert found.report["gaussians"] == 0
    unknown = refine(room().replace(observed=torch.zeros(40, 40, 16, dtype=torch.bool)), views(20, 12))
    assert float(unknown.maps[0].alphas.max()) == 0
    assert float(unknown.uncertainty.min()) == 1


def test_bad_requests_are_named() -> None:
    grid, cameras = room(), views(20, 12)
    with pytest.raises(ValueError, match="1 sets of cameras and 0 of targets"):
        refine(grid, cameras, steps=2)
    with pytest.raises(ValueError, match=r"cameras 0: the targets are pictures of \(3, 20, 12\)"):
        refine(grid, cameras, Targets(depths=torch.zeros(3, 20, 12)), steps=1)
    with pytest.raises(ValueError, match="steps is -1"):
        refine(grid, cameras, steps=-1)
    with pytest.raises(ValueError, match="without class_names"):
        refine(logits_of(grid), cameras)
    with pytest.raises(ValueError, match="rays is 0; expected at least 1"):
        RefineOptions(rays=0)
