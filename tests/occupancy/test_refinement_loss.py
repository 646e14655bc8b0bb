"""The refinement loss: its gradients, its zero, and that what is not known says nothing."""

from dataclasses import replace

import pytest
import torch

from splatsim import Cameras
from splatsim.grids import VoxelFrame
from splatsim.occupancy.logits import LogitGrid, logits_of
from splatsim.occupancy.loss_options import LossOptions
from splatsim.occupancy.loss_terms import class_weights
from splatsim.occupancy.pixel_weights import pixel_weights, without_borders
from splatsim.occupancy.raycast import Rays
from splatsim.occupancy.refinement_loss import gs_refinement_loss
from splatsim.occupancy.render_fusion import camera_to_depth_loss, lidar_to_semantic_loss
from splatsim.occupancy.targets import Targets, targets_of_grid, targets_of_points
from splatsim.occupancy.voxel_shapes import VoxelShape
from tests.occupancy.test_dense_maps import room, views

FRAME = VoxelFrame((-1.0, -1.0, 0.0), 0.5, (4, 4, 3))
EVERYTHING = LossOptions(
    entropy=0.3,
    distortion=0.2,
    focal=1.5,
    by_class=(0.5, 1.0, 2.0, 1.5),
    shape=VoxelShape("isotropic", "all", width=0.6),
)


def looking(width: int = 9, height: int = 7) -> Cameras:
    eyes = [[2.5, 0.4, 1.5], [-0.3, -2.6, 1.2]]
    return Cameras.look_at(eyes, [0.0, 0.0, 0.6], fov_deg=60, width=width, height=height).to(torch.float64)


def start(seed: int = 0, batch: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 4, *FRAME.shape, generator=generator, dtype=torch.float64)


def hard_targets() -> Targets:
    """Labels with ignored pixels and sky, some depths, weights and rays."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 4, (2, 7, 9), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < 0.2] = 255
    depths = 1 + 2 * torch.rand(2, 7, 9, generator=generator, dtype=torch.float64)
    depths[torch.rand(depths.shape, generator=generator) < 0.5] = 0
    weights = torch.rand(2, 7, 9, generator=generator, dtype=torch.float64)
    aims = torch.tensor(FRAME.origin) + torch.rand(6, 3, generator=generator, dtype=torch.float64) * 1.5
    origins = torch.tensor([[3.0, 0.1, 1.0]], dtype=torch.float64).expand(6, 3)
    lengths = (aims - origins).norm(dim=-1)
    rays = Rays(origins, (aims - origins) / lengths[:, None], lengths)
    return Targets(labels, None, depths, weights, rays, torch.tensor([1, 2, 3, 255, 1, 0]))


def total(logits: torch.Tensor, targets: Targets, options: LossOptions) -> torch.Tensor:
    return gs_refinement_loss(logits, FRAME, [looking()], [targets], free_label=0, options=options).total


@pytest.mark.parametrize("renderer", ["splat", "rays"])
@pytest.mark.parametrize("depth_kind", ["l1", "silog"])
def test_gradients_agree_with_finite_differences(renderer: str, depth_kind: str) -> None:
    options = replace(EVERYTHING, renderer=renderer, depth_kind=depth_kind, backend="reference")
    logits, targets = start().requires_grad_(), hard_targets()
    total(logits, targets, options).backward()
    assert logits.grad is not None
    generator = torch.Generator().manual_seed(5)
    for _ in range(4):
        step = torch.randn(logits.shape, generator=generator, dtype=torch.float64)
        eps = 1e-6
        with torch.no_grad():
            slope = (total(logits + eps * step, targets, options) - total(logits - eps * step, targets, options)) / (
                2 * eps
            )
        assert float((logits.grad * step).sum()) == pytest.approx(float(slope), rel=2e-5, abs=1e-7)


def test_soft_targets_have_finite_differences_too() -> None:
    options = replace(EVERYTHING, backend="reference")
    generator = torch.Generator().manual_seed(1)
    soft = torch.rand(2, 7, 9, 3, generator=generator, dtype=torch.float64)
    targets = Targets(soft=soft / 3.5)
    logits = start().requires_grad_()
    total(logits, targets, options).backward()
    assert logits.grad is not None
    step = torch.randn(logits.shape, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        slope = (total(logits + 1e-6 * step, targets, options) - total(logits - 1e-6 * step, targets, options)) / 2e-6
    assert float((logits.grad * step).sum()) == pytest.approx(float(slope), rel=2e-5)


def test_terms_are_reported_and_add_up() -> None:
    options = replace(EVERYTHING, backend="reference")
    found = gs_refinement_loss(start(), FRAME, [looking()], [hard_targets()], free_label=0, options=options)
    names = {"semantic", "silhouette", "depth", "returns", "carve", "entropy", "distortion"}
    assert set(found.terms) == names
    assert all(value > 0 for value in found.terms.values())
    assert sum(getattr(options, name) * found.terms[name] for name in names) == pytest.approx(found.total.item())


def test_the_batch_is_the_mean_of_its_grids() -> None:
    logits, targets = start(batch=2), hard_targets()
    options = LossOptions(renderer="rays")
    both = gs_refinement_loss(
        logits, FRAME, [looking(), looking()], [targets, targets], free_label=0, options=options
    ).total
    one = [total(logits[b : b + 1], targets, options) for b in range(2)]
    assert both.item() == pytest.approx(((one[0] + one[1]) / 2).item())


def test_a_grid_has_no_loss_against_its_own_picture() -> None:
    grid, cameras = room(), views(60, 40)
    soft = logits_of(grid, 0.9999)
    leaf = soft.logits[None].clone().requires_grad_()
    targets = targets_of_grid(soft.to_grid(grid.class_names), cameras)
    found = gs_refinement_loss(leaf, grid.frame, [cameras], [targets], free_label=0)
    assert found.total.item() < 1e-3
    wrong = leaf.detach().clone()
    wrong[:, [2, 3]] = wrong[:, [3, 2]]
    swapped = gs_refinement_loss(wrong, grid.frame, [cameras], [targets], free_label=0)
    assert swapped.total.item() > 100 * found.total.item()


@pytest.mark.parametrize("renderer", ["splat", "rays"])
def test_what_is_not_known_has_no_gradient(renderer: str) -> None:
    labels = torch.full((2, 7, 9), 255)
    origins = torch.tensor([[3.0, 0.1, 1.0]], dtype=torch.float64)
    directions = torch.tensor([[-1.0, 0, 0]], dtype=torch.float64)
    unheard = Rays(origins, directions, torch.tensor([torch.inf], dtype=torch.float64))
    targets = Targets(labels, depths=torch.zeros(2, 7, 9, dtype=torch.float64), rays=unheard)
    logits = start().requires_grad_()
    options = LossOptions(renderer=renderer, backend="reference")  # type: ignore[arg-type]
    found = gs_refinement_loss(logits, FRAME, [looking()], [targets], free_label=0, options=options)
    assert found.total.item() == 0
    found.total.backward()
    assert logits.grad is not None
    assert float(logits.grad.abs().max()) == 0


def test_no_targets_are_refused_and_all_unknown_gives_a_loss_of_zero() -> None:
    logits = start().requires_grad_()
    with pytest.raises(ValueError, match="grid 0, cameras 0: the targets are empty"):
        gs_refinement_loss(logits, FRAME, [looking()], [Targets()], free_label=0)
    nothing = torch.zeros(1, *FRAME.shape, dtype=torch.bool)
    options = replace(EVERYTHING, backend="reference")
    unseen = gs_refinement_loss(
        logits, FRAME, [looking()], [hard_targets()], free_label=0, observed=nothing, options=options
    )
    unseen.total.backward()
    assert logits.grad is not None
    assert float(logits.grad.abs().max()) == 0


def test_steps_down_the_loss_mend_a_grid() -> None:
    truth, cameras = room(), views(60, 40)
    targets = targets_of_grid(truth, cameras, renderer="exact")
    broken = truth.replace(labels=torch.where(truth.labels == 2, 3, truth.labels).to(torch.uint8))
    leaf = logits_of(broken, 0.9).logits[None].clone().requires_grad_()
    optimiser = torch.optim.Adam([leaf], lr=0.5)
    values = []
    for _ in range(12):
        optimiser.zero_grad()
        found = gs_refinement_loss(leaf, truth.frame, [cameras], [targets], free_label=0)
        found.total.backward()
        optimiser.step()
        values.append(found.total.item())
    assert values[-1] < 0.35 * values[0]
    mended = LogitGrid(truth.frame, leaf.detach()[0], 0).to_grid(truth.class_names)
    walls = truth.labels == 2
    assert float((mended.labels[walls] == 2).float().mean()) > 0.3, "those that are seen"


def test_a_lidar_return_fills_its_voxel_and_empties_those_before() -> None:
    logits = torch.zeros(1, 4, *FRAME.shape, dtype=torch.float64).requires_grad_()
    origin = torch.tensor([3.0, 0.25, 0.75], dtype=torch.float64)
    targets = targets_of_points(torch.tensor([[-0.3, 0.25, 0.75]]), torch.tensor([2]), looking(), origin)
    options = LossOptions(semantic=0, silhouette=0, depth=0, renderer="rays")
    gs_refinement_loss(logits, FRAME, [looking()], [targets], free_label=0, options=options).total.backward()
    assert logits.grad is not None
    hit, before, behind = (logits.grad[0, :, x, 2, 1] for x in (1, 2, 0))
    assert float(hit[2]) < 0 < float(hit[0]), "the class of the return grows, free space shrinks"
    assert float(before[0]) < 0 < float(before[1])
    assert float(behind.abs().max()) == 0


def test_voxels_count_the_same_near_and_far() -> None:
    grid, cameras = logits_of(room()), views(60, 40)
    weights = pixel_weights(grid, cameras, "voxel").view(3, 40, 60)
    from splatsim.occupancy.dense_maps import trace_maps

    voxels = trace_maps(room(), cameras).voxels
    for voxel in voxels[voxels >= 0].unique()[::50]:
        assert float(weights[voxels == voxel].sum()) == pytest.approx(1.0)
    rays = pixel_weights(grid, cameras, "ray").view(3, 40, 60)
    assert float(rays.max()) <= 1
    assert float(rays[0, 0, 0]) < float(rays[0, 20, 30])


def test_borders_between_labels_are_left_out() -> None:
    labels = torch.zeros(1, 7, 8, dtype=torch.int64)
    labels[:, :, 4:] = 2
    assert torch.equal(without_borders(labels, 0), labels)
    for band in (1, 2, 3):
        kept = without_borders(labels, band)[0, 3]
        assert kept.tolist() == [0] * (4 - band) + [255] * (2 * band) + [2] * (4 - band)


def test_class_weights_by_hand() -> None:
    counts = torch.tensor([100, 10_000, 0])
    root = class_weights(counts, "sqrt")
    assert float(root[0] / root[1]) == pytest.approx(10, rel=1e-5)
    assert float(root[:2].mean()) == pytest.approx(1)
    log = class_weights(torch.tensor([188_743, 2_307_405_309]), "log")
    assert float(log[0] / log[1]) == pytest.approx(1.77, abs=0.02)
    effective = class_weights(counts, "effective", beta=0.999)
    expected = ((1 - 0.999**10_000) / (1 - 0.999**100),)
    assert float(effective[0] / effective[1]) == pytest.approx(expected[0], rel=1e-4)
    assert bool((class_weights(counts, "none") == 1).all())
    with pytest.raises(ValueError, match="not all 0"):
        class_weights(torch.zeros(3, dtype=torch.int64))


def test_points_become_sparse_pictures() -> None:
    camera = Cameras.look_at([[0.0, 0.0, 0.0]], [1.0, 0.0, 0.0], fov_deg=90, width=4, height=4)
    points = torch.tensor([[5.0, 0.1, 0.1], [2.0, 0.05, 0.05], [-3.0, 0.0, 0.0], [1.0, 9.0, 0.0]])
    found = targets_of_points(points, torch.tensor([1, 2, 3, 1]), camera)
    assert found.labels is not None
    assert found.depths is not None
    assert (found.labels != 255).nonzero().tolist() == [[0, 1, 1]]
    assert found.labels[0, 1, 1] == 2, "the nearer point hides the other"
    assert float(found.depths[0, 1, 1]) == pytest.approx(2.0)


def test_the_directions_of_render_fusion() -> None:
    truth, cameras = room(), views(20, 16)
    targets = targets_of_grid(truth, cameras, renderer="exact")
    leaf = (0 * logits_of(truth).logits[None]).requires_grad_()
    found = lidar_to_semantic_loss(leaf, truth.frame, [cameras], [targets], free_label=0)
    assert set(found.terms) == {"semantic", "silhouette"}
    bins = torch.linspace(1, 20, 39)
    depths = targets.depths
    assert depths is not None
    depth_logits = torch.zeros(3, 39, 16, 20, requires_grad=True)
    first = camera_to_depth_loss(depth_logits, bins, depths)
    assert first.detach().item() == pytest.approx(float(torch.tensor(39.0).log()), rel=1e-5)
    optimiser = torch.optim.Adam([depth_logits], lr=1.0)
    for _ in range(40):
        optimiser.zero_grad()
        camera_to_depth_loss(depth_logits, bins, depths).backward()
        optimiser.step()
    mean = (depth_logits.detach().softmax(1) * bins[:, None, None]).sum(1)
    known = (depths > 1) & (depths < 20)
    assert float((mean - depths)[known].abs().mean()) < 0.1
    assert camera_to_depth_loss(depth_logits, bins, torch.zeros(3, 16, 20)).item() == 0


@pytest.mark.usefixtures("unchecked")
def test_bad_requests_are_named() -> None:
    logits, cameras = start(), looking()

    def run(**changes: object) -> object:
        request = {"logits": logits, "frame": FRAME, "cameras": [cameras], "targets": [Targets()], "free_label": 0}
        return gs_refinement_loss(**(request | changes))  # type: ignore[arg-type]

    cases = [
        ({"logits": logits.movedim(1, -1)}, r"logits has shape \[1, 4, 4, 3, 4\]; expected \[b c 4 4 3\]"),
        ({"targets": []}, "there are 1 grids, 1 sets of cameras and 0 of targets"),
        ({"targets": [Targets(labels=torch.zeros(2, 9, 7, dtype=torch.int64))]}, r"grid 0, cameras 0: .*\(2, 9, 7\)"),
        ({"targets": [Targets(labels=torch.full((2, 7, 9), 4))]}, "cameras 0: labels hold 4 to 4; expected 0 to 3"),
        ({"targets": [Targets(soft=torch.zeros(2, 7, 9, 4))]}, "soft labels have 4 channels; expected 3"),
        ({"logits": logits / 0}, "is not finite"),
        ({"options": LossOptions(by_class=(1.0,))}, "has 1 weights for 4 classes"),
    ]
    for changes, sentence in cases:
        with pytest.raises(ValueError, match=sentence):
            run(**changes)
    with pytest.raises(ValueError, match=r"LossOptions.depth is -1"):
        LossOptions(depth=-1)
    with pytest.raises(ValueError, match=r"Targets.depths holds a number that is negative"):
        Targets(depths=torch.full((1, 2, 2), -1.0))
    with pytest.raises(ValueError, match=r"Targets has pictures of"):
        Targets(depths=torch.zeros(1, 2, 2), weights=torch.zeros(1, 2, 3))
