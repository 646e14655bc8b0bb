"""Rays through voxels against every voxel tried one by one, and expectations against all grids counted out."""

import itertools

import numpy as np
import pytest
import torch

from splatsim import Cameras
from splatsim.grids import FREE, OCCUPIED, UNKNOWN
from splatsim.occupancy import raycast
from splatsim.occupancy.raycast import Rays, camera_rays, cast, cast_states, composite, count_crossings
from splatsim.transforms import apply
from tests.occupancy.grids import frame_of, path, random_grid, random_rays


def test_first_hits_agree_with_trying_every_voxel() -> None:
    grid = random_grid()
    rays = random_rays(200, grid.frame)
    hits = cast(grid, rays)
    states = grid.states().numpy()
    found = 0
    for i in range(len(rays)):
        entry, leave, index, unknown = 0.0, 0.0, -1, 0.0
        for near, far, voxel in path(grid.frame, rays.origins[i].numpy(), rays.directions[i].numpy()):
            entry, leave = far, far
            if states[voxel] == OCCUPIED:
                entry, leave, index = near, far, int(np.ravel_multi_index(voxel, grid.frame.shape))
                break
            unknown += (far - near) * (states[voxel] == UNKNOWN)
        assert int(hits.index[i]) == index
        assert float(hits.entry[i]) == pytest.approx(entry, abs=1e-9)
        assert float(hits.exit[i]) == pytest.approx(leave, abs=1e-9)
        assert float(hits.unknown[i]) == pytest.approx(unknown, abs=1e-9)
        if index >= 0:
            assert int(hits.labels[i]) == int(grid.labels.flatten()[index])
            found += 1
    assert found > 50


def test_normals_point_to_the_ray_and_lie_on_the_face() -> None:
    grid = random_grid()
    rays = random_rays(400, grid.frame, seed=3)
    hits = cast(grid, rays)
    entered = hits.hit & (hits.entry > 0)
    assert int(entered.sum()) > 50
    assert bool(((hits.normals * rays.directions).sum(-1)[entered] < 0).all())
    points = (rays.at(hits.entry) - torch.tensor(grid.frame.origin)) / grid.frame.voxel_size
    on_face = ((points - points.round()).abs() * hits.normals.abs()).sum(-1)
    assert float(on_face[entered].max()) < 1e-9
    assert bool((hits.normals[~entered] == 0).all())


def test_a_ray_that_starts_in_an_occupied_voxel_hits_it_at_once() -> None:
    states = torch.full((3, 3, 3), OCCUPIED, dtype=torch.uint8)
    frame = frame_of((3, 3, 3))
    hits = cast_states(frame, states, Rays(frame.centers(torch.tensor([[1, 1, 1]])), torch.tensor([[1.0, 0, 0]])))
    assert hits.index.tolist() == [13]
    assert hits.entry.tolist() == [0.0]
    assert hits.exit.tolist() == pytest.approx([0.25])
    assert hits.normals.abs().sum() == 0


def test_rays_end_at_their_reach() -> None:
    states = torch.full((4, 1, 1), FREE, dtype=torch.uint8)
    states[3] = OCCUPIED
    frame = frame_of((4, 1, 1), 1.0)
    rays = Rays(torch.tensor([[-1.5, 1.0, 0.0]]), torch.tensor([[1.0, 0, 0]]))
    assert cast_states(frame, states, rays).entry.tolist() == [3.5]
    short = cast_states(frame, states, rays.until(torch.tensor([3.0])))
    assert (short.hit.tolist(), short.entry.tolist()) == ([False], [3.0])
    assert count_crossings(frame, rays.until(torch.tensor([2.6]))).flatten().tolist() == [1, 1, 0, 0]


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    grid = random_grid((20, 20, 12), filled=0.02)
    rays = random_rays(3000, grid.frame)
    probabilities = torch.rand(grid.frame.shape, generator=torch.Generator().manual_seed(1)) * 0.2
    values = torch.rand(*grid.frame.shape, 5, generator=torch.Generator().manual_seed(2))
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        try:
            p, v = probabilities.clone().requires_grad_(), values.clone().requires_grad_()
            seen = composite(grid.frame, p, v, rays)
            (seen.alphas.sum() + seen.ranges.sin().sum() + (seen.values**2).sum()).backward()
            found.append([cast(grid, rays).entry, count_crossings(grid.frame, rays), seen.values, p.grad, v.grad])
        finally:
            torch.set_num_threads(2)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_composite_is_the_mean_of_cast_over_all_grids() -> None:
    frame = frame_of((3, 2, 1))
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(3, 2, 1, generator=generator, dtype=torch.float64)
    p[0, 0, 0], p[1, 1, 0] = 1.0, 0.0
    values = torch.rand(3, 2, 1, 2, generator=generator, dtype=torch.float64)
    rays = random_rays(40, frame, seed=4)
    seen = composite(frame, p, values, rays)
    alphas, ranges, squares, means = (
        torch.zeros_like(t) for t in (seen.alphas, seen.ranges, seen.squares, seen.values)
    )
    for filled in itertools.product([0, 1], repeat=6):
        states = torch.tensor(filled, dtype=torch.uint8).view(3, 2, 1)
        chance = torch.where(states == OCCUPIED, p, 1 - p).prod()
        hits = cast_states(frame, states, rays)
        alphas += chance * hits.hit
        ranges += chance * hits.hit * hits.entry
        squares += chance * hits.hit * hits.entry**2
        means += chance * torch.where(hits.hit[:, None], values.view(-1, 2)[hits.index.clamp_min(0)], 0)
    assert float(alphas.max()) > 0.5
    for mine, truth in ((seen.alphas, alphas), (seen.ranges, ranges), (seen.squares, squares), (seen.values, means)):
        assert torch.allclose(mine, truth, atol=1e-12)


def test_gradients_of_composite_agree_with_finite_differences() -> None:
    frame = frame_of((4, 3, 3))
    generator = torch.Generator().manual_seed(0)
    p = 0.05 + 0.9 * torch.rand(4, 3, 3, generator=generator, dtype=torch.float64)
    values = torch.rand(4, 3, 3, 2, generator=generator, dtype=torch.float64)
    rays = random_rays(12, frame, seed=1)

    def outputs(p: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(composite(frame, p, values, rays).tensors().values())

    assert torch.autograd.gradcheck(outputs, (p.requires_grad_(), values.requires_grad_()))


def test_a_free_voxel_learns_that_it_should_be_occupied_and_a_certain_one_that_it_should_not() -> None:
    frame = frame_of((3, 1, 1), 1.0)
    p = torch.tensor([0.0, 1.0, 1.0]).view(3, 1, 1).requires_grad_()
    rays = Rays(torch.tensor([[-5.0, 1.0, 0.0]]), torch.tensor([[1.0, 0, 0]]))
    composite(frame, p, torch.zeros(3, 1, 1, 1), rays).ranges.sum().backward()
    assert p.grad is not None
    # With the first voxel filled the range falls from 5 to 4; without the second it grows from 5 to 6.
    assert p.grad.flatten().tolist() == pytest.approx([-1.0, -1.0, 0.0])


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raycast, "MAX_RAYS", 5)
    frame = frame_of((4, 3, 3))
    p = torch.full(frame.shape, 0.3).requires_grad_()
    composite(frame, p, torch.ones(*frame.shape, 1), random_rays(23, frame)).ranges.sum().backward()
    assert p.grad is not None
    monkeypatch.setattr(raycast, "MAX_RAYS", 1 << 20)
    q = p.detach().clone().requires_grad_()
    composite(frame, q, torch.ones(*frame.shape, 1), random_rays(23, frame)).ranges.sum().backward()
    assert torch.allclose(p.grad, q.grad)


@pytest.mark.parametrize("model", ["pinhole", "ortho"])
def test_camera_rays_fall_on_the_pixels_they_were_made_from(model: str) -> None:
    cameras = Cameras.look_at([[3.0, 0.4, 0.5], [0.3, -3.0, 1.0]], [0, 0, 0], fov_deg=60, width=8, height=5)
    cameras = cameras.replace(model=model)
    rays = camera_rays(cameras)
    points = rays.at(torch.full((len(rays),), 2.0, dtype=torch.float64)).view(2, 40, 3)
    local = apply(cameras.viewmats.double(), points)
    assert torch.allclose(local[..., 2], torch.full((2, 40), 2.0, dtype=torch.float64))
    pixels = (
        local / 2 if model == "pinhole" else local.index_fill(-1, torch.tensor([2]), 1.0)
    ) @ cameras.Ks.double().mT
    rows, columns = torch.meshgrid(torch.arange(5), torch.arange(8), indexing="ij")
    expected = torch.stack([columns, rows], dim=-1).reshape(-1, 2) + 0.5
    assert torch.allclose(pixels[..., :2], expected.double().expand(2, 40, 2), atol=1e-5)


@pytest.mark.parametrize(
    ("origin", "direction", "sentence"),
    [
        ([0.0, float("nan"), 0.0], [1.0, 0.0, 0.0], r"Rays.origins\[1\] is .* expected finite metres"),
        ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], r"Rays.directions\[1\] is .* expected a vector that is not 0"),
        ([0.0, 0.0, 0.0], [float("inf"), 0.0, 0.0], r"Rays.directions\[1\] is .* expected finite"),
    ],
)
def test_bad_rays_are_named(origin: list[float], direction: list[float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Rays(torch.tensor([[0.0] * 3, origin]), torch.tensor([[1.0, 0, 0], direction]))


def test_bad_grids_are_named() -> None:
    frame = frame_of((2, 2, 2))
    rays = random_rays(2, frame)
    with pytest.raises(ValueError, match=r"states has shape \[2, 2, 1\]; expected \[2, 2, 2\]"):
        cast_states(frame, torch.zeros(2, 2, 1, dtype=torch.uint8), rays)
    with pytest.raises(ValueError, match="states holds 7; expected 0 free"):
        cast_states(frame, torch.full((2, 2, 2), 7, dtype=torch.uint8), rays)
    with pytest.raises(ValueError, match=r"probabilities lie within \[nan"):
        composite(frame, torch.full((2, 2, 2), float("nan")), torch.zeros(2, 2, 2, 1), rays)
    with pytest.raises(TypeError, match="expected both float32 or both float64"):
        composite(frame, torch.zeros(2, 2, 2), torch.zeros(2, 2, 2, 1, dtype=torch.float64), rays)
