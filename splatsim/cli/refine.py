"""`splatsim refine`: a grid or a scene to dense maps, a picture for each camera, and a report."""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from jaxtyping import Float, Int
from torch import Tensor

from splatsim import video
from splatsim.cameras import Cameras
from splatsim.errors import FormatError
from splatsim.formats.arrays import read_arrays, read_cameras, read_occupancy, write_arrays, write_occupancy
from splatsim.formats.occ3d import read_occ3d
from splatsim.formats.trajectory import load_cameras
from splatsim.grids import FREE_CLASS, OccupancyGrid, VoxelFrame
from splatsim.occupancy import Refinement, RefineOptions, Targets, VoxelShape, refine, targets_of_points, voxelize
from splatsim.occupancy.logits import solid_labels_of
from splatsim.occupancy.targets import IGNORE
from splatsim.occupancy.voxel_shapes import Shape
from splatsim.scene import Scene

MOST_VOXELS = 1 << 27
SPARSE_DOT = 1
"""Pixels around a projected voxel centre that are painted as well, so that it can be seen."""


@dataclass(frozen=True)
class Wish:
    """How the maps are made."""

    steps: int = 0
    """Steps of test-time optimisation against the targets."""
    mode: Shape = "pca"
    """What a voxel becomes: a round Gaussian, one along the local surface, or flat ones on its bare faces."""
    split: int = 1
    """Parts of a voxel along each axis: sharper, slower."""
    voxel_size: float = 0.2
    """Edge of the voxels that a scene's Gaussians are put into, metres; a grid keeps its own."""


def refine_maps(
    source: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="GRID|SCENE")],
    cameras: Path,
    out: Path,
    targets: Path | None = None,
    wish: Annotated[Wish, tyro.conf.arg(name="")] = Wish(),
    overwrite: bool = False,
) -> None:
    """Dense semantic maps of sparse occupancy: the centres of its voxels beside what is rendered, for each camera.

    Args:
        source: A grid (.npz of splatsim or of Occ3D), or a scene folder with an occupancy grid or with semantics.
        cameras: A .npz of cameras or a .json file of cameras.
        out: A new folder for pictures, maps.npz, grid.npz and report.json.
        targets: A .npz with labels [c h w] (255: unknown) and depths [c h w], for steps.
        wish: How the maps are made.
        overwrite: Replace the folder if it exists.
    """
    if out.exists() and not (overwrite and (out / "report.json").is_file()):
        raise FileExistsError(f"{out} exists already; name a new folder, or pass --overwrite for one made before.")
    grid = load_grid(source, wish.voxel_size)
    views = read_cameras(cameras) if cameras.suffix == ".npz" else load_cameras(cameras)
    seen = None if targets is None else _load_targets(targets)
    options = RefineOptions(VoxelShape(wish.mode, split=wish.split))
    found = refine(grid, views, seen, wish.steps, options=options)
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.partial-", dir=out.parent))
    try:
        _write(staging, found, grid, views)
        if out.exists():
            shutil.rmtree(out)
        staging.chmod(0o755)
        staging.rename(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    covered = found.report["covered_pixels"]
    print(f"{out}: {found.report['gaussians']} Gaussians, {len(views)} pictures, {covered:.1%} of the pixels covered")


def load_grid(source: Path, voxel_size: float) -> OccupancyGrid:
    """The grid of a file, or of a scene folder: its own, or its Gaussians put into voxels.

    Raises:
        FileNotFoundError: there is nothing at this path.
        FormatError: it is no grid and no scene, or the scene has neither occupancy nor semantics.
        ValueError: the grid would have too many voxels.
    """
    if source.is_dir():
        return _grid_of_scene(Scene.load(source), source, voxel_size)
    if not source.is_file():
        raise FileNotFoundError(f"there is nothing at {source}; expected a .npz grid or a scene folder.")
    try:
        with np.load(source, allow_pickle=False) as archive:
            names = set(archive.files)
        return read_occ3d(source).grid if "semantics" in names else read_occupancy(source)
    except FormatError:
        raise
    except KeyError as error:
        have = ", ".join(sorted(names))
        raise FormatError(f"{source} is no grid: it has the arrays {have}; expected {error} among them.") from error
    except (ValueError, OSError, EOFError) as error:
        raise FormatError(f"{source} is no grid ({error}); expected a .npz of splatsim or of Occ3D.") from error


def _grid_of_scene(scene: Scene, source: Path, voxel_size: float) -> OccupancyGrid:
    if scene.occupancy is not None:
        return scene.occupancy
    if scene.gaussians is None or scene.semantics is None:
        raise FormatError(f"{source} has neither occupancy nor Gaussians with semantics; expected one of them.")
    labels, names = scene.semantics.labels.long(), scene.semantics.class_names
    solid = tuple(name for name in names if name != FREE_CLASS)
    channel = torch.tensor([solid.index(name) if name in solid else -1 for name in names])[labels]
    kept = channel >= 0
    features = torch.nn.functional.one_hot(channel[kept], len(solid)).float()
    g = scene.gaussians.select(kept).replace(features=features)
    # A few Gaussians far away must not make the grid huge.
    quantiles = torch.tensor([0.005, 0.995])
    low, high = torch.quantile(g.means[:: max(1, len(g) // 1_000_000)], quantiles, dim=0).double()
    corners = [tuple(float(v) for v in corner) for corner in (low - voxel_size, high + voxel_size)]
    frame = VoxelFrame.covering(corners[0], corners[1], voxel_size)  # type: ignore[arg-type]
    count = int(np.prod(frame.shape)) * (len(solid) + 1)
    if count > MOST_VOXELS * 4:
        raise ValueError(
            f"voxels of {voxel_size} m make a grid of {frame.shape}; expected larger voxels: --voxel-size."
        )
    return voxelize(g, frame).to_grid(solid)


def _load_targets(path: Path) -> Targets:
    try:
        arrays, _ = read_arrays(path)
    except (KeyError, ValueError, EOFError) as error:
        raise FormatError(f"{path} holds no targets ({error}); expected a .npz of labels and depths.") from error
    return Targets(arrays.get("labels"), depths=arrays.get("depths"), weights=arrays.get("weights"))


def _write(folder: Path, found: Refinement, grid: OccupancyGrid, cameras: Cameras) -> None:
    maps = found.maps[0]
    solid = solid_labels_of(found.grid)
    labels = maps.labels(solid, found.grid.free_label)
    index = (grid.observed & (grid.labels != grid.free_label)).nonzero()
    centers = grid.frame.centers(index).to(cameras.viewmats)
    sparse = targets_of_points(centers, grid.labels[tuple(index.T)], cameras).labels
    assert sparse is not None
    colors = palette(len(grid.class_names), grid.free_label)
    for c in range(len(cameras)):
        left, right = _dots(sparse[c]), labels[c]
        depth = _depth_picture(maps.depths[c], maps.alphas[c])
        picture = torch.cat([_paint(left, colors), _paint(right, colors), depth], dim=1)
        video.write_picture(folder / f"camera_{c:03d}.png", video.to_bytes(picture))
    arrays = {
        "labels": labels.to(torch.uint8).numpy(),
        "alphas": maps.alphas.numpy(),
        "depths": maps.depths.numpy(),
    }
    write_arrays(folder / "maps.npz", arrays, class_names=grid.class_names)
    write_occupancy(folder / "grid.npz", found.grid)
    report = found.report | {"losses": found.losses, "class_names": list(grid.class_names)}
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def palette(classes: int, free_label: int) -> Float[Tensor, "256 3"]:
    """A colour for each label, far from those of its neighbours; free and unknown are dark."""
    hue = (torch.arange(256) * 0.61803) % 1.0
    bright = 0.65 + 0.35 * ((torch.arange(256) // 5) % 2)
    ramps = ((hue[:, None] * 6 + torch.tensor([0.0, 4.0, 2.0])) % 6 - 3).abs() - 1
    colors = bright[:, None] * ramps.clamp(0, 1).mul(0.85).add(0.1)
    colors[free_label] = 0.08
    colors[classes:] = 0.0
    return colors


def _paint(labels: Int[Tensor, "h w"], colors: Float[Tensor, "256 3"]) -> Float[Tensor, "h w 3"]:
    return colors[labels.long()]


def _dots(labels: Int[Tensor, "h w"]) -> Int[Tensor, "h w"]:
    """Each known pixel painted a little larger."""
    code = torch.where(labels == IGNORE, -1, labels).float()[None]
    size = 2 * SPARSE_DOT + 1
    grown = torch.nn.functional.max_pool2d(code, size, stride=1, padding=SPARSE_DOT)[0].long()
    return torch.where(grown < 0, IGNORE, grown)


def _depth_picture(depths: Float[Tensor, "h w"], alphas: Float[Tensor, "h w"]) -> Float[Tensor, "h w 3"]:
    """Near is bright, by the logarithm; black where nothing is."""
    known = (alphas >= 0.5) & (depths > 0)
    if not bool(known.any()):
        return torch.zeros(*depths.shape, 3)
    logs = depths.clamp_min(1e-3).log()
    low, high = logs[known].min(), logs[known].max()
    grey = 1 - 0.9 * (logs - low) / (high - low).clamp_min(1e-6)
    return torch.where(known, grey, 0)[..., None].expand(*depths.shape, 3)
