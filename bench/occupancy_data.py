"""The real frames that the tables of occupancy are measured on: Occ3D with nuScenes' cameras, and RELLIS-3D."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import torch
from torch import Tensor

from splatsim import Cameras
from splatsim.formats.occ3d import read_occ3d
from splatsim.grids import OccupancyGrid, VoxelFrame
from splatsim.transforms import rotmat_from_quat

DATA = Path(os.environ.get("SPLATSIM_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def occ3d() -> OccupancyGrid:
    """The label, every voxel of it taken as observed: both renderers see the same."""
    grid = read_occ3d(DATA / "occ3d" / "labels.npz").grid
    return grid.replace(observed=torch.ones_like(grid.observed))


def surround_rig(width: int = 400, height: int = 225) -> Cameras:
    """nuScenes' six cameras in the frame of the car, as smaller pictures."""
    images = json.loads((DATA / "nuscenes" / "info.json").read_text())["sample"]["images"]
    shrink = np.diag([width / 1600, height / 900, 1.0])
    views = np.stack([np.linalg.inv(np.array(c["cam2ego"])) for c in images.values()])
    Ks = np.stack([shrink @ np.array(c["cam2img"]) for c in images.values()])
    return Cameras(torch.from_numpy(views).float(), torch.from_numpy(Ks).float(), width, height)


@dataclass(frozen=True)
class Rellis:
    """One frame of RELLIS-3D in the frame of its LiDAR."""

    points: Tensor
    """[n 3], metres."""
    labels: Tensor
    """[n] ids of the data set."""
    camera: Cameras
    """1920 × 1200."""
    picture: Tensor
    """[h w] ids of the independent image labels."""


def rellis() -> Rellis:
    folder = DATA / "rellis"
    points = torch.from_numpy(np.fromfile(folder / "000104.bin", "<f4").reshape(-1, 4)[:, :3].copy())
    labels = torch.from_numpy((np.fromfile(folder / "000104.label", "<u4") & 0xFFFF).astype(np.int64))
    good = points.norm(dim=-1) > 0.5
    lines = [line.split(":") for line in (folder / "transforms.yaml").read_text().splitlines()]
    values = [float(value) for _, value in lines if value.strip()]  # q: w x y z, t: x y z
    quat, place = torch.tensor(values[:4]), torch.tensor(values[4:])
    lidar_from_cam = torch.eye(4)
    lidar_from_cam[:3, :3], lidar_from_cam[:3, 3] = rotmat_from_quat(quat), place
    fx, fy, cx, cy = (float(v) for v in (folder / "camera_info.txt").read_text().split())
    K = torch.tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    camera = Cameras(torch.linalg.inv(lidar_from_cam)[None], K[None], 1920, 1200)
    picture = torch.from_numpy(np.asarray(iio.imread(folder / "frame000104-1581624663_149.png")).astype(np.int64))
    return Rellis(points[good], labels[good], camera, picture)


def voxels_of_points(
    points: Tensor, labels: Tensor, voxel_size: float, low: Tensor, high: Tensor
) -> tuple[OccupancyGrid, Tensor]:
    """The most frequent class of the points in each voxel; and the data set's id of each label (the first is free)."""
    inside = ((points >= low) & (points < high)).all(dim=-1)
    points, labels = points[inside], labels[inside]
    frame = VoxelFrame.covering(tuple(low.tolist()), tuple(high.tolist()), voxel_size, "lidar")
    ids, own = labels.unique(return_inverse=True)
    index = frame.index_of(points.double())
    flat = (index[:, 0] * frame.shape[1] + index[:, 1]) * frame.shape[2] + index[:, 2]
    key, votes = (flat * len(ids) + own).unique(return_counts=True)
    order = votes.argsort(stable=True)
    grid = torch.zeros(int(np.prod(frame.shape)), dtype=torch.uint8)
    grid[(key // len(ids))[order]] = (key % len(ids) + 1)[order].to(torch.uint8)
    names = ("free", *(str(int(i)) for i in ids))
    everywhere = torch.ones(frame.shape, dtype=torch.bool)
    return OccupancyGrid(frame, grid.view(frame.shape), names, everywhere), torch.cat([torch.tensor([-1]), ids])
