"""What a user of occupancy reads when something is wrong, kept as prose in errors.txt beside this file."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from splatsim import Cameras
from splatsim.cli.refine import load_grid
from splatsim.formats.occ3d import read_occ3d
from splatsim.formats.semantic_kitti import read_semantic_kitti, read_sscbench
from splatsim.formats.sparse_voxels import read_surroundocc, read_unscenes3d
from splatsim.grids import OccupancyGrid
from splatsim.occupancy import (
    LogitGrid,
    LossOptions,
    Rays,
    Targets,
    VoxelShape,
    camera_to_depth_loss,
    class_weights,
    composite,
    gaussianize,
    gs_refinement_loss,
    logits_of,
    refine,
    render_batch,
    targets_of_grid,
    targets_of_points,
)
from splatsim.occupancy.ray_metrics import RayIoU
from tests.occupancy.grids import CLASSES
from tests.occupancy.test_dense_maps import room, views
from tests.sentences import check_sentences

SENTENCES = Path(__file__).with_name("errors.txt")
KITTI = 256 * 256 * 32

Cases = dict[str, Callable[[], object]]


def loss_cases() -> Cases:
    """The training loop."""
    grid, cameras = room(), views(60, 40)
    logits, labels = logits_of(grid).logits[None], torch.zeros(3, 40, 60, dtype=torch.int64)
    targets = Targets(labels=labels)
    broken = logits.clone()
    broken[0, 1, 2, 3, 4] = torch.nan

    def loss(
        logits: torch.Tensor = logits,
        cameras: Cameras | list[Cameras] = cameras,
        targets: Targets | list[Targets] = targets,
        **more: object,
    ) -> object:
        return gs_refinement_loss(logits, grid.frame, [cameras], [targets], free_label=0, **more)  # type: ignore[arg-type]

    large = cameras.replace(Ks=cameras.Ks * torch.tensor([10.0, 10.0, 1.0])[:, None])
    return {
        "axis order": lambda: loss(logits.movedim(1, -1)),
        "logit not finite": lambda: loss(broken),
        "free label": lambda: gs_refinement_loss(logits, grid.frame, [cameras], [targets], free_label=9),
        "sets of cameras": lambda: gs_refinement_loss(logits, grid.frame, [cameras] * 2, [targets], free_label=0),
        "one camera set too few": lambda: loss(cameras=[cameras], targets=[targets, targets]),
        "size of pictures": lambda: loss(targets=Targets(labels=labels[:, :30])),
        "label without a class": lambda: loss(targets=Targets(labels=labels + 9)),
        "soft labels": lambda: loss(targets=Targets(soft=torch.zeros(3, 40, 60, 7))),
        "soft labels that are none": lambda: Targets(soft=torch.full((1, 2, 2, 3), 0.5)),
        "dtype of labels": lambda: Targets(labels=labels.float()),
        "targets of two sizes": lambda: Targets(labels=labels, depths=torch.zeros(3, 20, 30)),
        "depth not finite": lambda: Targets(depths=torch.full((1, 2, 2), torch.nan)),
        "rays without ranges": lambda: Targets(rays=Rays(torch.zeros(1, 3), torch.ones(1, 3))),
        "zero targets": lambda: loss(targets=Targets()),
        "intrinsics of another size": lambda: loss(cameras=large),
        "class weights": lambda: loss(options=LossOptions(by_class=(1.0, 2.0))),
        "weight of a term": lambda: LossOptions(depth=-1.0),
        "renderer": lambda: LossOptions(renderer="nerf"),  # type: ignore[arg-type]
        "class counts": lambda: class_weights(torch.zeros(4, dtype=torch.int64)),
        "depth bins": lambda: camera_to_depth_loss(
            torch.zeros(1, 2, 4, 4), torch.tensor([3.0, 1.0]), torch.zeros(1, 4, 4)
        ),
        "depth logits": lambda: camera_to_depth_loss(
            torch.zeros(1, 2, 4, 4), torch.tensor([1.0, 3.0]), torch.zeros(1, 8, 8)
        ),
    }


def grid_cases() -> Cases:
    """Grids, cameras and rays."""
    grid, cameras = room(), views(60, 40)
    solid = grid.replace(labels=torch.ones_like(grid.labels), observed=torch.ones_like(grid.observed))
    x, y, z = grid.frame.centers(torch.tensor(grid.frame.shape) // 2).tolist()
    within = Cameras.look_at([[x, y, z]], [x + 1, y, z], fov_deg=60, width=60, height=40)
    large = cameras.replace(Ks=cameras.Ks * torch.tensor([10.0, 10.0, 1.0])[:, None])
    far = torch.tensor([[1e3, 0.0, 0.0]])
    field = torch.full(grid.frame.shape, 1.5), torch.zeros(*grid.frame.shape, 3)
    rays = Rays(torch.zeros(1, 3), torch.ones(1, 3))
    return {
        "axes of a grid": lambda: grid.replace(labels=grid.labels.movedim(0, 2).contiguous()),
        "dtype of a grid": lambda: grid.replace(labels=grid.labels.long()),
        "label of a grid": lambda: grid.replace(labels=torch.full_like(grid.labels, 7)),
        "classes without free": lambda: dataclasses.replace(grid, class_names=("a", "b", "c", "d")),
        "shape of observed": lambda: LogitGrid(grid.frame, logits_of(grid).logits, 0, torch.ones(2, 2, 2) > 0),
        "camera in a voxel": lambda: targets_of_grid(solid, within),
        "intrinsics of another size": lambda: targets_of_grid(grid, large),
        "points without labels": lambda: targets_of_points(torch.zeros(3, 3), torch.zeros(2).long(), cameras),
        "sets of cameras": lambda: render_batch([grid], [cameras, cameras]),
        "steps without targets": lambda: refine(grid, cameras, steps=3, progress=False),
        "logits without names": lambda: refine(logits_of(grid), cameras),
        "negative steps": lambda: refine(grid, cameras, steps=-1),
        "candidates": lambda: gaussianize(grid, candidates=torch.ones(2, 2, 2) > 0),
        "shape of voxels": lambda: VoxelShape("sphere"),  # type: ignore[arg-type]
        "parts of voxels": lambda: VoxelShape(split=99),
        "direction of a ray": lambda: Rays(torch.zeros(1, 3), torch.zeros(1, 3)),
        "probability": lambda: composite(grid.frame, *field, rays),
        "origin of RayIoU": lambda: RayIoU(CLASSES).add(grid, grid, far),
        "classes of RayIoU": lambda: RayIoU(("free", "other")).add(grid, grid, far),
    }


def file_cases(folder: Path) -> Cases:
    """Files of the data sets, damaged."""
    shape = (256, 256, 32)

    def kitti(name: str, label: bytes, **masks: bytes) -> Path:
        for ending, data in {"label": label, **masks}.items():
            (folder / f"{name}.{ending}").write_bytes(data)
        return folder / f"{name}.label"

    def npy(name: str, array: np.ndarray) -> Path:
        np.save(folder / name, array, allow_pickle=True)
        return folder / name

    def npz(name: str, **arrays: np.ndarray) -> Path:
        np.savez(folder / name, **arrays)  # type: ignore[arg-type]
        return folder / name

    labels = np.zeros((200, 200, 16), np.uint8)
    zyx, rows = labels.transpose(2, 1, 0), np.array([[10, 300, 2, 4]])
    swapped = np.full(KITTI, 40, ">u2").tobytes()
    masks = {"mask_lidar": labels, "mask_camera": labels}
    return {
        "packed labels too short": lambda: read_semantic_kitti(kitti("000000", bytes(100))),
        "packed bits too long": lambda: read_semantic_kitti(kitti("000001", bytes(KITTI * 2), invalid=bytes(KITTI))),
        "swapped bytes": lambda: read_semantic_kitti(kitti("000002", swapped)),
        "unknown id": lambda: read_semantic_kitti(kitti("000003", np.full(KITTI, 77, "<u2").tobytes())),
        "no labels": lambda: read_semantic_kitti(folder / "000009"),
        "axis order of a file": lambda: read_occ3d(npz("zyx.npz", semantics=zyx, **masks)),
        "array missing": lambda: read_occ3d(npz("bare.npz", semantics=labels)),
        "label without a class": lambda: read_occ3d(npz("odd.npz", semantics=labels + 99, **masks)),
        "objects": lambda: read_surroundocc(npy("pickle.npy", np.array([{"a": 1}], dtype=object))),
        "order of columns": lambda: read_surroundocc(npy("zyx.npy", rows)),
        "number of columns": lambda: read_surroundocc(npy("wide.npy", np.zeros((4, 9), np.int64))),
        "labels of rows": lambda: read_unscenes3d(npy("rows.npy", np.array([[1.0, 2.0, 3.0, 40.0]]))),
        "labels that are no numbers": lambda: read_sscbench(npy("half.npy", np.full(shape, 0.5, np.float32))),
        "no such grid": lambda: load_grid(folder / "missing.npz", 0.2),
        "no grid": lambda: load_grid(npz("other.npz", a=labels), 0.2),
    }


@pytest.mark.usefixtures("unchecked")
def test_sentences(tmp_path: Path) -> None:
    parts = {"loss": loss_cases(), "grid": grid_cases(), "file": file_cases(tmp_path)}
    cases = {f"{part}: {name}": run for part, found in parts.items() for name, run in found.items()}
    check_sentences(SENTENCES, cases, tmp_path)


def test_what_is_no_error_gives_numbers() -> None:
    """Empty grids, unknown grids and ignored pictures train nothing and break nothing."""
    grid, cameras = room(), views(60, 40)
    ignored = Targets(labels=torch.full((3, 40, 60), 255))
    for renderer in ("splat", "rays"):
        logits = logits_of(grid).logits[None].requires_grad_()
        options = LossOptions(renderer=renderer)  # type: ignore[arg-type]
        for observed in (None, torch.zeros(1, *grid.frame.shape, dtype=torch.bool)):
            found = gs_refinement_loss(
                logits, grid.frame, [cameras], [ignored], free_label=0, observed=observed, options=options
            )
            found.total.backward()
            assert found.total.item() == 0
            assert logits.grad is not None
            assert bool(logits.grad.isfinite().all())
    empty = grid.replace(labels=torch.zeros_like(grid.labels))
    for one in (empty, grid.replace(observed=torch.zeros_like(grid.observed))):
        maps = refine(one, cameras).maps[0]
        assert maps.alphas.max().item() == 0
        assert bool(maps.depths.isfinite().all())


def test_cameras_that_stand_in_voxels_are_reported() -> None:
    grid = room()
    solid: OccupancyGrid = grid.replace(labels=torch.ones_like(grid.labels), observed=torch.ones_like(grid.observed))
    x, y, z = grid.frame.centers(torch.tensor(grid.frame.shape) // 2).tolist()
    eyes = [[x, y, z], [x + 1e3, y, z]]
    cameras = Cameras.look_at(eyes, [x + 1, y, z], fov_deg=60, width=60, height=40)
    assert refine(solid, cameras).report["cameras_in_voxels"] == [[0]]
