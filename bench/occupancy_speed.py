"""How fast occupancy is: the Occ3D grid to six maps of 400 × 225 pixels, both ways, and RayIoU. Printed by speed.py."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
from occupancy_data import DATA, occ3d, surround_rig

from splatsim.occupancy import LogitGrid, VoxelShape, gaussianize, logits_of, render_maps, trace_maps
from splatsim.occupancy.ray_metrics import RayIoU

SHAPES = {
    "default: pca": VoxelShape(),
    "pca, split 2": VoxelShape(split=2),
    "pca, split 3": VoxelShape(split=3),
}
"""The default leaks 9 % through a wall of one voxel, the others 1 %: `python bench/occupancy.py curve`."""
FORWARD, BOTH, RAYIOU = 0.35, 1.2, 0.5
"""Bars, seconds."""

Row = tuple[str, str, float, float | None]
"""What, with which shape, seconds, and the bar where there is one."""


def measure(case: dict[str, Any]) -> dict[str, Any]:
    """All rows, for `speed_case.py`."""
    if not (DATA / "occ3d").exists():
        return {"rows": []}
    return {"rows": rows()}


def rows() -> list[Row]:
    """Best of five, each."""
    grid, cameras = occ3d(), surround_rig()
    logits = logits_of(grid, 0.98).logits
    found: list[Row] = []
    for name, shape in SHAPES.items():

        def forward(leaf: torch.Tensor, shape: VoxelShape = shape) -> torch.Tensor:
            maps = render_maps(gaussianize(LogitGrid(grid.frame, leaf, grid.free_label), shape).gaussians, cameras)
            return maps.semantics.square().mean() + 1e-3 * maps.depths.mean()

        def both(forward: Callable[[torch.Tensor], torch.Tensor] = forward) -> None:
            forward(logits.clone().requires_grad_()).backward()

        def labels(shape: VoxelShape = shape) -> None:
            render_maps(gaussianize(grid, shape).gaussians, cameras)

        with torch.no_grad():
            found.append(("labels to maps, forward", name, best(labels), FORWARD))
            found.append(("logits to maps, forward", name, best(lambda f=forward: f(logits)), FORWARD))
        found.append(("logits to maps, forward and backward", name, best(both), BOTH))
    start, along = torch.tensor([[0.94, 0.0, 1.84]]), torch.tensor([1.0, 0, 0])
    origins = start + torch.linspace(-30, 30, 8)[:, None] * along
    ray_iou = best(lambda: RayIoU(grid.class_names).add(grid, grid, origins))
    found.append(("RayIoU, 8 origins × 14,040 rays, both grids", "exact rays", ray_iou, RAYIOU))
    found.append(("the same maps", "exact rays", best(lambda: trace_maps(grid, cameras)), None))
    return found


def best(run: Callable[[], object]) -> float:
    """Seconds of the fastest of five."""
    times = []
    for _ in range(5):
        started = perf_counter()
        run()
        times.append(perf_counter() - started)
    return min(times)
