"""How good trained networks are: voxels, rendered pictures and depths against the world; and the table of it."""

import math

import torch
from occupancy_frames import FRAME, Rig, Sample
from torch import Tensor

from splatsim.grids import OccupancyGrid
from splatsim.occupancy import LogitGrid, Rays, camera_rays, cast
from splatsim.occupancy.metrics import Confusion
from splatsim.occupancy.ray_metrics import RayIoU
from splatsim.occupancy.raycast import count_crossings
from splatsim.occupancy.reference_model import CameraLidarNet, point_features

HEAD = ("free", "terrain", "driveable")
"""What is no long tail."""


class Depths:
    """Mean error along the pixels that count."""

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def add(self, errors: Tensor) -> None:
        self.total += float(errors.double().sum())
        self.count += errors.numel()

    def mean(self) -> float:
        return self.total / max(1, self.count)


def judge(network: CameraLidarNet, tests: list[tuple[Sample, OccupancyGrid]], rig: Rig) -> dict[str, float]:
    """Scores over all frames of the test."""
    names = rig.names
    visible, everywhere, pictures, world, heard = (Confusion(names, ignore=(255,)) for _ in range(5))
    depths, world_depths = Depths(), Depths()
    rays_right = RayIoU(names)
    rays = camera_rays(rig.cameras)
    for sample, true in tests:
        given = (
            sample.pictures[None].float() / 255,
            point_features(FRAME, sample.rays(rig.origin), sample.intensity)[None],
        )
        with torch.no_grad():
            seen = network(*given)
        found = LogitGrid(FRAME, seen.logits[0], 0).to_grid(names)
        alone = LogitGrid(FRAME, seen.lidar_logits[0], 0).to_grid(names)
        everywhere.add(found.labels, true.labels, true.observed)
        visible.add(found.labels, true.labels, true.observed & _visible(true, rays))
        mine, theirs = cast(found, rays), cast(true, rays)
        pictures.add(mine.labels, theirs.labels)
        heard.add(cast(alone, rays).labels, theirs.labels)
        depths.add((mine.entry - theirs.entry).abs()[theirs.hit])
        inside = ((sample.depths > 0) & (sample.depths < rig.ends)).flatten()
        labels = torch.where(inside, sample.labels.flatten().long(), 0)
        world.add(mine.labels, labels)
        world_depths.add((mine.entry - sample.depths.flatten()).abs()[inside])
        rays_right.add(found, true, rig.origin[None])
    return {
        "voxel_miou": visible.miou().value,
        "voxel_miou_everywhere": everywhere.miou().value,
        "voxel_tail": visible.miou(skip=HEAD).value,
        "geometry_iou": visible.geometry_iou(),
        "image_miou": pictures.miou().value,
        "image_tail": pictures.miou(skip=HEAD).value,
        "depth_l1": depths.mean(),
        "world_image_miou": world.miou().value,
        "world_depth_l1": world_depths.mean(),
        "ray_iou": rays_right.score().value,
        "lidar_image_miou": heard.miou().value,
    }


def _visible(true: OccupancyGrid, rays: Rays) -> Tensor:
    """Voxels that a pixel of the rig looks through or at, in the true grid."""
    hits = cast(true, rays)
    seen = count_crossings(FRAME, rays.until(hits.entry)).flatten() > 0
    seen[hits.index[hits.hit]] = True
    return seen.view(FRAME.shape)


COLUMNS = {
    "image_miou": "image mIoU",
    "image_tail": "image mIoU, long tail",
    "depth_l1": "depth L1, m",
    "voxel_miou": "voxel mIoU",
    "voxel_tail": "voxel mIoU, long tail",
    "ray_iou": "RayIoU",
    "geometry_iou": "IoU",
    "world_image_miou": "image mIoU, world",
    "world_depth_l1": "depth L1, world, m",
    "voxel_miou_everywhere": "voxel mIoU, unseen too",
    "lidar_image_miou": "image mIoU, LiDAR branch",
}
METRES = ("depth_l1", "world_depth_l1")
T_95 = {1: 12.71, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365}
"""Two-sided 95 % quantiles of Student's t by degrees of freedom."""


def interval(values: list[float]) -> tuple[float, float]:
    """Mean and half of its 95 % interval."""
    n = len(values)
    mean = sum(values) / n
    if n < 2:
        return mean, float("nan")
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    return mean, T_95[n - 1] * deviation / math.sqrt(n)


def table(result: dict) -> str:  # type: ignore[type-arg]
    """Mean and 95 % interval of each arm, and of its difference to `scan`, paired by seed."""
    arms: dict[str, dict[int, dict[str, float]]] = {}
    for one in result["runs"]:
        arms.setdefault(one["arm"], {})[one["seed"]] = one["scores"]
    heads, columns = [""], [list(COLUMNS.values())]
    for name, runs in arms.items():
        heads.append(f"{name} ({len(runs)})")
        columns.append([_cell(c, [runs[s][c] for s in runs]) for c in COLUMNS])
    base = arms.get("scan", {})
    for name, runs in arms.items():
        both = sorted(set(runs) & set(base))
        if name != "scan" and both:
            heads.append(f"{name} − scan")
            columns.append([_cell(c, [runs[s][c] - base[s][c] for s in both], sign=True) for c in COLUMNS])
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in zip(*columns, strict=True)]
    return "\n".join(lines)


def _cell(column: str, values: list[float], sign: bool = False) -> str:
    mean, half = interval(values)
    plus = "+" if sign else ""
    if column in METRES:
        return f"{mean:{plus}.3f} ± {half:.3f}"
    return f"{100 * mean:{plus}.2f} ± {100 * half:.2f}"
