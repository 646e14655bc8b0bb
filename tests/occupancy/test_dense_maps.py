"""Splatted maps against exact ones, and what must hold for any of them."""

import pytest
import torch

from splatsim import Cameras, render
from splatsim.grids import OccupancyGrid, VoxelFrame
from splatsim.occupancy.dense_maps import render_batch, render_maps, trace_maps
from splatsim.occupancy.logits import logits_of, solid_labels_of
from splatsim.occupancy.voxel_shapes import VoxelShape, gaussianize
from tests.conftest import cameras_around, random_gaussians
from tests.occupancy.grids import CLASSES, random_grid


def room() -> OccupancyGrid:
    """A floor, two walls and a tree in an open box."""
    labels = torch.zeros(40, 40, 16, dtype=torch.uint8)
    labels[:, :, 0] = 1
    labels[30, 5:35, 1:12] = 2
    labels[5:30, 33, 1:9] = 2
    labels[14:17, 14:17, 1:8] = 3
    frame = VoxelFrame((-8.0, -8.0, 0.0), 0.4, (40, 40, 16))
    return OccupancyGrid(frame, labels, CLASSES, torch.ones(40, 40, 16, dtype=torch.bool))


def views(width: int = 200, height: int = 120) -> Cameras:
    eyes = [[-7.0, -6.0, 3.0], [3.0, -7.5, 4.5], [0.0, -7.0, 2.0]]
    return Cameras.look_at(eyes, [2.0, 3.0, 1.0], fov_deg=70, width=width, height=height)


def test_splatted_maps_are_close_to_exact_ones() -> None:
    grid, cameras = room(), views()
    exact = trace_maps(grid, cameras)
    maps = render_maps(gaussianize(grid, VoxelShape("pca", split=2)).gaussians, cameras, surface=True)
    labels = maps.labels(solid_labels_of(grid), grid.free_label)
    assert float((labels == exact.labels).float().mean()) > 0.96
    assert maps.surface_depths is not None
    near = (maps.surface_depths - exact.depths).abs() < grid.frame.voxel_size
    assert float(near[exact.hit].float().mean()) > 0.96


def test_normals_of_flat_gaussians_are_those_of_the_faces() -> None:
    grid, cameras = room(), views(100, 60)
    exact = trace_maps(grid, cameras)
    maps = render_maps(gaussianize(grid, VoxelShape("box", split=2)).gaussians, cameras, surface=True)
    assert maps.normals is not None
    facing = (maps.normals * exact.normals).sum(-1)[exact.hit & (maps.alphas > 0.5)]
    assert float((facing > 0.9).float().mean()) > 0.9


def test_overhead_pictures_agree_with_the_columns_of_the_grid() -> None:
    grid = room()
    camera = Cameras.overhead((-8.0, 8.0), 0.4, 40, 40, z=20.0)
    exact = trace_maps(grid, camera)
    top = torch.where(grid.labels != 0, torch.arange(16), -1).amax(-1)
    columns = grid.labels.gather(2, top.clamp_min(0)[..., None])[..., 0]
    assert torch.equal(exact.labels[0], columns.T.flip(0).long())
    maps = render_maps(gaussianize(grid).gaussians, camera)
    assert float((maps.labels(solid_labels_of(grid), 0) == exact.labels).float().mean()) > 0.9


@pytest.mark.parametrize("channels", [1, 3, 4, 16, 17, 19, 20])
def test_channels_that_ride_as_colours_are_the_features(channels: int) -> None:
    gaussians = random_gaussians(60, k=1, features=channels)
    assert gaussians.features is not None
    gaussians = gaussians.replace(features=gaussians.features.softmax(-1)).requires_grad_()
    plain = gaussians.replace().requires_grad_()
    cameras = cameras_around()
    weight = torch.randn(2, 61, 83, channels, generator=torch.Generator().manual_seed(0))
    mine, truth = render_maps(gaussians, cameras), render(plain, cameras)
    assert truth.features is not None
    assert torch.allclose(mine.semantics, truth.features, atol=2e-6)
    (mine.semantics * weight).sum().backward()
    (truth.features * weight).sum().backward()
    for name in ("features", "means", "opacities", "scales"):
        a, b = getattr(gaussians, name).grad, getattr(plain, name).grad
        assert torch.allclose(a, b, rtol=2e-3, atol=2e-3 * float(b.abs().max())), name


def test_lists_of_sizes_and_batches_of_grids() -> None:
    grid = room()
    made = gaussianize(grid).gaussians
    small, large = views(40, 24), views(64, 48)
    both = render_maps(made, [small, large])
    assert [m.alphas.shape for m in both] == [(3, 24, 40), (3, 48, 64)]
    assert torch.equal(both[0].semantics, render_maps(made, small).semantics)
    soft = logits_of(grid)
    batch = render_batch([grid, soft], [small, [large, small]])
    assert torch.equal(batch[0].alphas, both[0].alphas)  # type: ignore[union-attr]
    assert [m.alphas.shape for m in batch[1]] == [(3, 48, 64), (3, 24, 40)]  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="got 1 grids and 2 sets of cameras"):
        render_batch([grid], [small, large])


def test_an_empty_grid_gives_empty_maps() -> None:
    grid = random_grid().replace(labels=torch.zeros(7, 6, 5, dtype=torch.uint8))
    maps = render_maps(gaussianize(grid).gaussians, views(40, 24), surface=True)
    for field in maps.tensors().values():
        assert float(field.abs().max()) == 0
    assert bool((maps.labels(solid_labels_of(grid), 0) == 0).all())
    assert bool((trace_maps(grid, views(40, 24)).labels == 0).all())


def test_unknown_voxels_neither_hide_nor_show_but_are_told() -> None:
    grid = room()
    hidden = grid.replace(observed=grid.labels != 3)
    cameras = views(60, 40)
    with_tree, without = trace_maps(grid, cameras), trace_maps(hidden, cameras)
    tree = with_tree.labels == 3
    assert int(tree.sum()) > 20
    assert bool((without.labels[tree] != 3).all())
    assert bool((without.unknown[tree] > 0).all())
    assert bool((without.unknown[~tree] == 0).all())


@pytest.mark.parametrize("eye", [[0.2, 0.2, 1.0], [400.0, 0.0, 3.0]])
def test_cameras_within_an_occupied_voxel_or_far_away_give_finite_maps(eye: list[float]) -> None:
    grid = room().replace(labels=torch.ones(40, 40, 16, dtype=torch.uint8))
    camera = Cameras.look_at(eye, [0.0, 0.0, 1.0], fov_deg=60, width=32, height=24)
    maps = render_maps(gaussianize(grid).gaussians, camera, surface=True)
    assert all(bool(field.isfinite().all()) for field in maps.tensors().values())
    exact = trace_maps(grid, camera)
    assert bool(exact.depths.isfinite().all())
    if eye[0] < 1:
        assert bool(exact.hit.all())
        assert float(exact.depths.max()) == 0


def test_gaussians_without_features_are_refused() -> None:
    with pytest.raises(ValueError, match="render_maps got Gaussians without features"):
        render_maps(random_gaussians(3), cameras_around())
