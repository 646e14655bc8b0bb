"""Teach a small network what fills a street from pictures of labels, with gs_refinement_loss. Writes refined.png."""

import imageio.v3 as iio
import torch

import splatsim as ss
from splatsim.grids import OccupancyGrid, VoxelFrame
from splatsim.occupancy import LogitGrid, LossOptions, gs_refinement_loss, render_maps, targets_of_grid, trace_maps
from splatsim.occupancy.voxel_shapes import gaussianize

NAMES = ("free", "road", "house", "tree")
frame = VoxelFrame(origin=(-8.0, -8.0, 0.0), voxel_size=0.5, shape=(32, 32, 12))
labels = torch.zeros(frame.shape, dtype=torch.uint8)
labels[:, :, 0], labels[22:28, 4:28, 1:9], labels[10:12, 20:22, 1:8] = 1, 2, 3
truth = OccupancyGrid(frame, labels, NAMES, observed=torch.ones(frame.shape, dtype=torch.bool))
cameras = ss.Cameras.look_at([[-7, -6, 3], [3, -7, 4], [-7, 6, 3]], (3, 3, 1), fov_deg=75, width=120, height=80)
targets = targets_of_grid(truth, cameras, renderer="exact")  # from your own data: Targets(labels=…, depths=…)

torch.manual_seed(0)
network = torch.nn.Sequential(
    torch.nn.Conv3d(1, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv3d(16, len(NAMES), 3, padding=1)
)
sparse = (labels > 0) & (torch.rand(frame.shape) < 0.3)  # what one LiDAR sweep would have filled
height = torch.arange(12).expand(frame.shape) / 12
inputs = (sparse + height)[None, None].float()
optimiser = torch.optim.Adam(network.parameters(), lr=0.03)
options = LossOptions(renderer="rays", pixels=6_000)  # rays fill what is empty; Gaussians are for finer shapes
for step in range(40):
    optimiser.zero_grad()
    logits = network(inputs)  # [b c x y z]
    loss, terms = gs_refinement_loss(logits, frame, [cameras], [targets], free_label=0, options=options, seed=step)
    loss.backward()
    optimiser.step()

maps = render_maps(gaussianize(LogitGrid(frame, logits[0].detach(), free_label=0)).gaussians, cameras)
palette = torch.tensor([[30, 30, 40], [110, 110, 120], [200, 120, 60], [60, 160, 70]], dtype=torch.uint8)
found = palette[maps.labels(torch.tensor([1, 2, 3]), 0)[0]]
wanted = palette[trace_maps(truth, cameras).labels[0]]
iio.imwrite("refined.png", torch.cat([wanted, found], dim=1).numpy())
