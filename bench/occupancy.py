"""Tables of the occupancy package on real data: `python bench/occupancy.py [curve] [rellis] [refine] [speed]`.

curve   Gaussians against exact rays on the Occ3D label, for each mode; leak and growth of a wall of one voxel
rellis  sparse to dense: a labelled scan as voxels, rendered, against the independent label image
refine  test-time refinement of a corrupted Occ3D grid from six views, judged on views held out
speed   six 400×225 maps of 17 classes, forward and backward, and RayIoU of one frame
"""

import sys
from time import perf_counter

import torch
from occupancy_data import occ3d, rellis, surround_rig, voxels_of_points

from splatsim import Cameras
from splatsim.grids import OccupancyGrid, VoxelFrame
from splatsim.occupancy import LogitGrid, RefineOptions, VoxelShape, gaussianize, logits_of, refine, render_maps
from splatsim.occupancy.dense_maps import trace_maps
from splatsim.occupancy.logits import solid_labels_of
from splatsim.occupancy.metrics import depth_errors, image_confusion, voxel_confusion
from splatsim.occupancy.ray_metrics import RayIoU
from splatsim.occupancy.raycast import camera_rays
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


def speed() -> None:
    """Best of five."""
    grid, cameras = occ3d(), surround_rig()
    logits = logits_of(grid, 0.98).logits

    def forward(leaf: torch.Tensor) -> torch.Tensor:
        made = gaussianize(LogitGrid(grid.frame, leaf, grid.free_label)).gaussians
        maps = render_maps(made, cameras)
        return maps.semantics.square().mean() + 1e-3 * maps.depths.mean()

    def timed(run) -> float:  # type: ignore[no-untyped-def]
        times = []
        for _ in range(5):
            started = perf_counter()
            run()
            times.append(perf_counter() - started)
        return min(times)

    def both() -> None:
        leaf = logits.clone().requires_grad_()
        forward(leaf).backward()

    def labels_only() -> None:
        render_maps(gaussianize(grid).gaussians, cameras)

    with torch.no_grad():
        print(f"labels to Gaussians: {timed(lambda: gaussianize(grid)):.3f} s")
        print(f"labels to six 400×225 maps, 17 classes and depth, forward: {timed(labels_only):.3f} s (bar 0.35)")
        print(f"logits to the same maps, forward: {timed(lambda: forward(logits)):.3f} s (bar 0.35)")
    print(f"logits to the same maps, forward and backward: {timed(both):.3f} s (bar 1.2)")
    origins = torch.tensor([[0.94, 0.0, 1.84]]).repeat(8, 1) + torch.linspace(-30, 30, 8)[:, None] * torch.tensor(
        [1.0, 0, 0]
    )
    one = timed(lambda: RayIoU(grid.class_names).add(grid, grid, origins))
    print(f"RayIoU of one frame, 8 origins × 14,040 rays, both grids: {one:.3f} s (bar 0.5)")
    rays = camera_rays(cameras)
    print(f"exact rays, six 400×225 maps ({len(rays):,} rays): {timed(lambda: trace_maps(grid, cameras)):.3f} s")


def main() -> None:
    tables = {"curve": curve, "rellis": sparse_to_dense, "refine": test_time, "speed": speed}
    wanted = sys.argv[1:] or list(tables)
    unknown = [name for name in wanted if name not in tables]
    if unknown:
        raise SystemExit(f"there is no table {unknown[0]}; expected some of {', '.join(tables)}.")
    for name in wanted:
        print(f"\n### {name}\n")
        tables[name]()


if __name__ == "__main__":
    main()
