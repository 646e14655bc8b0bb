"""Tables of the occupancy package: `python bench/occupancy.py [curve] [rellis] [refine] [lidar] [speed] [training]`.

curve   Gaussians against exact rays on the Occ3D label, for each mode; leak and growth of a wall of one voxel
rellis  sparse to dense: a labelled scan as voxels, rendered, against the independent label image
refine  test-time refinement of a corrupted Occ3D grid from six views, judged on views held out
lidar   LiDAR rays through Gaussians against the same rays through voxels
speed   six 400×225 maps of 17 classes, forward and backward, for each shape, and RayIoU of one frame
training  the reference model with and without gs_refinement_loss, as bench/occupancy_training.py measured it last
"""

import json
import sys
from pathlib import Path
from time import perf_counter

import occupancy_speed
import torch
from occupancy_data import occ3d, rellis, surround_rig, voxels_of_points
from occupancy_scores import table

from splatsim import Cameras
from splatsim.grids import OccupancyGrid, VoxelFrame
from splatsim.occupancy import RefineOptions, VoxelShape, gaussianize, refine, render_maps
from splatsim.occupancy.dense_maps import trace_maps
from splatsim.occupancy.lidar import scan, scan_labels
from splatsim.occupancy.lidar_splats import scan_gaussians
from splatsim.occupancy.logits import solid_labels_of
from splatsim.occupancy.metrics import depth_errors, image_confusion, voxel_confusion
from splatsim.occupancy.ray_metrics import RayIoU, reference_directions
from splatsim.occupancy.raycast import Rays
from splatsim.occupancy.targets import targets_of_grid, targets_of_points

STEPS = 15
SHAPES = [
    VoxelShape("isotropic"),
    VoxelShape("isotropic", width=0.675),
    VoxelShape("pca"),
    VoxelShape("pca", split=2),
    VoxelShape("pca", split=3),
    VoxelShape("box"),
    VoxelShape("box", split=2),
    VoxelShape("box", split=3),
]


def wall(shape: VoxelShape) -> tuple[float, float]:
    """Light through a wall of one voxel (worst mean of three directions), and how far its edge grows, in voxels."""
    frame = VoxelFrame((0.0, 0.0, 0.0), 0.4, (3, 24, 24))
    labels = torch.zeros(frame.shape, dtype=torch.uint8)
    labels[1, :12] = 1
    grid = OccupancyGrid(frame, labels, ("free", "wall"), torch.ones(frame.shape, dtype=torch.bool))
    made, leaks = gaussianize(grid, shape).gaussians, []
    for eye in ([-20.0, 2.4, 4.8], [-20.0, 14.8, 4.8], [-15.0, 2.4, 19.4]):
        camera = Cameras.look_at([eye], [0.6, 2.4, 4.8], fov_deg=9, width=400, height=400)
        inner = torch.nn.functional.max_pool2d((~trace_maps(grid, camera).hit).float(), 81, 1, 40)[0] == 0
        leaks.append(float((1 - render_maps(made, camera).alphas[0])[inner].mean()))
    view = torch.tensor([[0.0, -1, 0, 6], [0, 0, -1, 7], [1, 0, 0, 5], [0, 0, 0, 1]])
    K = torch.tensor([[100.0, 0, 0], [0, 100.0, 0], [0, 0, 1]])
    alphas = render_maps(made, Cameras(view[None], K[None], 500, 400, "ortho")).alphas[0]
    return max(leaks), float((120 - (alphas > 0.5).float().argmax(dim=1).float().mean()) / 40)


def curve() -> None:
    """Every mode against exact rays."""
    grid, cameras = occ3d(), surround_rig()
    exact = trace_maps(grid, cameras)
    hit, size = exact.hit, grid.frame.voxel_size
    print("| mode | parts | width | Gaussians | depth, first surface | depth, mean | labels | leak | growth |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for shape in SHAPES:
        made = gaussianize(grid, shape).gaussians
        maps = render_maps(made, cameras, surface=True)
        assert maps.surface_depths is not None
        first = (((maps.surface_depths - exact.depths).abs() <= size) & (maps.surface_depths > 0))[hit]
        mean = (((maps.depths - exact.depths).abs() <= size) & (maps.alphas >= 0.5))[hit]
        labels = maps.labels(solid_labels_of(grid), grid.free_label) == exact.labels
        leak, growth = wall(shape)
        values = [first.float().mean(), mean.float().mean(), labels.float().mean()]
        print(
            f"| {shape.mode} | {shape.split} | {shape.sigma} | {len(made):,} | "
            + " | ".join(f"{100 * float(v):.1f} %" for v in values)
            + f" | {100 * leak:.1f} % | {growth:+.2f} |",
            flush=True,
        )


def sparse_to_dense() -> None:
    """Coverage and agreement on the RELLIS frame."""
    frame = rellis()
    sky, void = 7, 0
    sparse = targets_of_points(frame.points, frame.labels, frame.camera)
    assert sparse.labels is not None
    told = (sparse.labels[0] != 255) & (sparse.labels[0] != void) & (frame.picture != void)
    right = float((sparse.labels[0] == frame.picture)[told].float().mean())
    told_share = float((sparse.labels[0] != 255).float().mean())
    print(f"projected points: {100 * told_share:.2f} % of pixels, {100 * right:.1f} % agree")
    kept = frame.labels != void
    for voxel in (0.2, 0.4):
        low, high = torch.tensor([-40.0, -40.0, -3.0]), torch.tensor([40.0, 40.0, 5.0])
        grid, ids = voxels_of_points(frame.points[kept], frame.labels[kept], voxel, low, high)
        solid = torch.ones_like(grid.labels)
        # A ray crosses the box of the grid where it meets anything once the box is filled.
        crosses = trace_maps(grid.replace(labels=solid, class_names=grid.class_names), frame.camera).hit[0]
        judged = crosses & (frame.picture != sky)
        for shape in (VoxelShape("pca", width=0.3, thickness=0.1), VoxelShape("pca"), VoxelShape("isotropic")):
            maps = render_maps(gaussianize(grid, shape).gaussians, frame.camera)
            dense = maps.alphas[0] >= 0.5
            labels = ids[maps.labels(solid_labels_of(grid), 0)[0]]
            both = dense & judged & (frame.picture != void)
            share = float(dense[judged].float().mean())
            agree = float((labels == frame.picture)[both].float().mean())
            print(
                f"voxel {voxel} m, {shape.mode} {shape.sigma}: {100 * share:.1f} % of pixels dense, "
                f"{100 * agree:.1f} % agree ({100 * (agree - right):+.1f} points)",
                flush=True,
            )


def corrupted(grid: OccupancyGrid) -> OccupancyGrid:
    """30 % of the occupied voxels dropped, floaters in 0.1 % of the free ones, 10 % of the labels another class."""
    generator = torch.Generator().manual_seed(0)
    classes = len(grid.class_names)

    def chance(p: float) -> torch.Tensor:
        return torch.rand(grid.frame.shape, generator=generator) < p

    solid = grid.labels != grid.free_label
    other = torch.randint(0, classes - 1, grid.frame.shape, generator=generator)
    labels = torch.where(solid & chance(0.1), other, grid.labels.long())
    labels = torch.where(solid & chance(0.3), grid.free_label, labels)
    labels = torch.where(~solid & chance(0.001), other, labels)
    return grid.replace(labels=labels.to(torch.uint8))


def test_time() -> None:
    """Refinement from six views against the truth, on the same rig moved."""
    truth, cameras = occ3d(), surround_rig(160, 90)
    targets = targets_of_grid(truth, cameras, renderer="exact")
    held = cameras.replace(viewmats=cameras.viewmats @ _moved(3.0, 1.0))
    exact = trace_maps(truth, held)
    origins = torch.tensor([[0.94, 0.0, 1.84]])
    print("| grid | mIoU | RayIoU | held-out image mIoU | held-out depth L1, m |")
    print("|---|---:|---:|---:|---:|")
    for name, start in (("corrupted", corrupted(truth)), ("clean", truth)):
        better = refine(start, cameras, targets, steps=STEPS, options=RefineOptions(rays=16_384)).grid
        for stage, grid in ((name, start), (f"{name}, refined", better)):
            seen = trace_maps(grid, held)
            pictures = image_confusion(seen.labels, exact.labels, truth.class_names, ignore=()).miou().value
            rays = RayIoU(truth.class_names).add(grid, truth, origins).score().value
            miou = voxel_confusion(grid, truth).miou().value
            l1 = depth_errors(seen.depths, exact.depths).l1
            print(f"| {stage} | {100 * miou:.2f} | {100 * rays:.2f} | {100 * pictures:.2f} | {l1:.3f} |", flush=True)


def _moved(x: float, y: float) -> torch.Tensor:
    """The car moved by this, as a matrix behind the view matrices."""
    moved = torch.eye(4)
    moved[0, 3], moved[1, 3] = -x, -y
    return moved


def lidar() -> None:
    """LiDAR rays through Gaussians against the same rays through voxels: 14,040 rays from the roof of the car."""
    grid = occ3d()
    directions = reference_directions().double()
    directions = directions / directions.norm(dim=-1, keepdim=True)
    rays = Rays(torch.tensor([[0.94, 0.0, 1.84]]).double().expand(len(directions), 3), directions)
    exact, solid = scan(grid, rays), solid_labels_of(grid)
    hit, labels = exact.hits > 0, scan_labels(exact, solid, grid.free_label)
    print("| shape | Gaussians | range within a voxel | range L1, m | class or none | seconds |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, shape in occupancy_speed.SHAPES.items():
        made = gaussianize(grid, shape).gaussians
        with torch.no_grad():
            started = perf_counter()
            found = scan_gaussians(made, rays)
            seconds = perf_counter() - started
        errors = (found.ranges - exact.ranges).abs()[hit & (found.hits >= 0.5)]
        near = ((found.ranges - exact.ranges).abs() <= grid.frame.voxel_size) & (found.hits >= 0.5)
        agree = scan_labels(found, solid, grid.free_label) == labels
        print(
            f"| {name} | {len(made):,} | {100 * float(near[hit].float().mean()):.1f} % | {float(errors.mean()):.3f} | "
            f"{100 * float(agree.float().mean()):.1f} % | {seconds:.2f} |",
            flush=True,
        )


def speed() -> None:
    """The rows that bench/speed.py prints as well."""
    print("| what | shape | seconds | bar |\n|---|---|---:|---:|")
    for what, shape, seconds, bar in occupancy_speed.rows():
        print(f"| {what} | {shape} | {seconds:.3f} | {'' if bar is None else bar} |", flush=True)


def training() -> None:
    """What bench/occupancy_training.py has measured last."""
    path = Path(__file__).parent / "results" / "occupancy_training.json"
    if not path.is_file():
        print(f"There is no {path.name} yet: run `python bench/occupancy_training.py FRAMES --keep` first.")
        return
    result = json.loads(path.read_text(encoding="utf-8"))
    print(f"{result['machine']}\n\n{table(result)}")


def main() -> None:
    tables = {
        "curve": curve,
        "rellis": sparse_to_dense,
        "refine": test_time,
        "lidar": lidar,
        "speed": speed,
        "training": training,
    }
    wanted = sys.argv[1:] or list(tables)
    unknown = [name for name in wanted if name not in tables]
    if unknown:
        raise SystemExit(f"there is no table {unknown[0]}; expected some of {', '.join(tables)}.")
    for name in wanted:
        print(f"\n### {name}\n")
        tables[name]()


if __name__ == "__main__":
    main()
