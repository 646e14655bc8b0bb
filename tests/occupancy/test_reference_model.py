"""The reference model: where its voxels look, that all of it learns, and that both directions of RenderFusion work."""

import pytest
import torch

from splatsim import Cameras
from splatsim.grids import OccupancyGrid, VoxelFrame
from splatsim.occupancy import (
    LogitGrid,
    LossOptions,
    Rays,
    Targets,
    camera_to_depth_loss,
    gs_refinement_loss,
    lidar_to_semantic_loss,
    targets_of_grid,
    trace_maps,
)
from splatsim.occupancy.reference_model import POINT_FEATURES, CameraLidarNet, point_features

FRAME = VoxelFrame((-4.0, -4.0, -1.0), 0.5, (16, 16, 8), "body")
NAMES = ("free", "ground", "wall")
BINS = torch.linspace(0.5, 8.0, 10)


def rig(width: int = 32, height: int = 20) -> Cameras:
    targets = [[3.0, 0.0, 0.6], [-3.0, 0.0, 0.6]]
    return Cameras.look_at([[0.0, 0.0, 1.2]] * 2, targets, fov_deg=95, width=width, height=height)


def world() -> OccupancyGrid:
    labels = torch.zeros(FRAME.shape, dtype=torch.uint8)
    labels[:, :, 0] = 1
    labels[14, 3:12, 1:6] = 2
    return OccupancyGrid(FRAME, labels, NAMES, torch.ones(FRAME.shape, dtype=torch.bool))


def network(seed: int = 0) -> CameraLidarNet:
    torch.manual_seed(seed)
    return CameraLidarNet(FRAME, rig(), len(NAMES), bins=BINS, channels=8, width=16)


def test_it_has_less_than_a_million_parameters_at_the_size_of_the_quarry() -> None:
    frame = VoxelFrame((-20.0, -20.0, -3.0), 0.5, (80, 80, 16), "body")
    full = CameraLidarNet(frame, rig(96, 60), 14, bins=torch.logspace(0, 1.5, 24))
    assert 100_000 < sum(p.numel() for p in full.parameters()) <= 1_000_000


def test_every_voxel_looks_at_the_pixel_that_shows_it() -> None:
    """The table against the exact picture of a grid with this voxel alone."""
    net, cameras = network(), rig()
    generator = torch.Generator().manual_seed(1)
    shown = net.seen.nonzero()[:, 0]
    assert 0.3 < len(shown) / net.seen.numel() < 1
    for v in shown[torch.randperm(len(shown), generator=generator)[:20]].tolist():
        labels = torch.zeros(FRAME.shape, dtype=torch.uint8)
        labels.view(-1)[v] = 2
        alone = world().replace(labels=labels)
        picture = trace_maps(alone, cameras)
        half_w, half_h = cameras.width // 2, cameras.height // 2
        c, rest = divmod(int(net.pixel[v]), half_w * half_h)
        row, column = divmod(rest, half_w)
        near = picture.hit[c, max(0, 2 * row - 2) : 2 * row + 4, max(0, 2 * column - 2) : 2 * column + 4]
        assert bool(near.any()), f"voxel {v} is not near pixel {row}, {column} of camera {c}"
        depth = (1 - net.share[v]) * BINS[net.bin[v]] + net.share[v] * BINS[net.bin[v] + 1]
        hit = picture.hit[c]
        assert float((picture.depths[c][hit] - depth).abs().min()) < 0.75


def test_returns_become_features_of_their_voxels() -> None:
    origin = torch.tensor([0.1, 0.1, 1.1], dtype=torch.float64)
    points = torch.tensor([[3.1, 0.2, 0.3], [3.2, 0.3, 0.1], [30.0, 0.0, 0.0]], dtype=torch.float64)
    offsets = points - origin
    ranges = offsets.norm(dim=-1)
    rays = Rays(origin.expand(3, 3), offsets / ranges[:, None], ranges)
    found = point_features(FRAME, rays, torch.tensor([0.2, 0.6, 1.0]))
    assert found.shape == (POINT_FEATURES, *FRAME.shape)
    x, y, z = FRAME.index_of(points[0]).tolist()
    expected = [torch.tensor(3.0).log(), (0.05 - 0.15) / 2 / 0.5, 0.4, 1.0]
    assert found[:4, x, y, z].tolist() == pytest.approx([float(v) for v in expected], abs=1e-5)
    assert int(found[3].sum()) == 1, "a return from outside is in no voxel"
    assert float(found[4, 8, 8, 4]) > 0, "the voxel of the sensor is crossed by its rays"


def test_all_of_it_learns_and_the_directions_reach_their_branches() -> None:
    truth, cameras, net = world(), rig(), network()
    targets = targets_of_grid(truth, cameras, renderer="exact")
    assert targets.depths is not None
    pictures = torch.rand(1, 2, 3, 20, 32, generator=torch.Generator().manual_seed(2))
    points = torch.zeros(1, POINT_FEATURES, *FRAME.shape)
    points[0, 3] = (truth.labels > 0).float()
    seen = net(pictures, points)
    gs_refinement_loss(seen.logits, FRAME, [cameras], [targets], free_label=0).total.backward(retain_graph=True)
    used = {name.split(".")[0] for name, p in net.named_parameters() if p.grad is not None and bool(p.grad.any())}
    assert used == {"camera_branch", "lidar_branch", "lidar_columns", "fuse", "columns", "head"}
    net.zero_grad()
    only = Targets(labels=targets.labels)
    lidar_to_semantic_loss(seen.lidar_logits, FRAME, [cameras], [only], free_label=0).total.backward(retain_graph=True)
    used = {name.split(".")[0] for name, p in net.named_parameters() if p.grad is not None and bool(p.grad.any())}
    assert used == {"lidar_branch", "lidar_columns", "lidar_head"}
    net.zero_grad()
    depths = torch.nn.functional.avg_pool2d(targets.depths, 2)
    camera_to_depth_loss(seen.depth_logits[0], BINS, depths).backward()
    used = {name.split(".")[0] for name, p in net.named_parameters() if p.grad is not None and bool(p.grad.any())}
    assert used == {"camera_branch"}


def test_pictures_alone_teach_what_fills_the_voxels() -> None:
    """No voxel label at all: a few steps of the rendering loss, and the picture is that of the truth."""
    truth, cameras, net = world(), rig(), network()
    targets = targets_of_grid(truth, cameras, renderer="exact")
    points = torch.zeros(1, POINT_FEATURES, *FRAME.shape)
    points[0, 3] = (truth.labels > 0).float()
    assert targets.labels is not None
    paint = torch.tensor([[0.6, 0.7, 0.9], [0.4, 0.35, 0.3], [0.8, 0.3, 0.2]])
    pictures = paint[targets.labels].movedim(-1, 1)[None]
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-2)
    for _ in range(80):
        optimiser.zero_grad()
        options = LossOptions(renderer="rays")
        loss = gs_refinement_loss(
            net(pictures, points).logits, FRAME, [cameras], [targets], free_label=0, options=options
        )
        loss.total.backward()
        optimiser.step()
    with torch.no_grad():
        found = LogitGrid(FRAME, net(pictures, points).logits[0], 0).to_grid(NAMES)
    agree = trace_maps(found, cameras).labels == trace_maps(truth, cameras).labels
    assert float(agree.float().mean()) > 0.95


def test_what_it_cannot_be_made_of() -> None:
    with pytest.raises(ValueError, match="even numbers"):
        CameraLidarNet(FRAME, rig(33), 3, bins=BINS)
    with pytest.raises(ValueError, match="rising"):
        CameraLidarNet(FRAME, rig(), 3, bins=BINS.flip(0))
