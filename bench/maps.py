"""Maps from Gaussians against the exact maps of the apartment: free space, registration, doors, walls, time.

python bench/maps.py surface                 the apartment's own Gaussians
python bench/maps.py SCENE_FOLDER            a reconstruction of its video
"""

import json
import sys
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
import torch
import trimesh
from field_speed import field_times
from maps_truth import best_shift, doors_and_walls, iou
from reconstruction_truth import judge_video_poses, scene_poses, trace_depth

from splatsim import Cameras, Gaussians
from splatsim.depth_pictures import DepthPictures
from splatsim.formats.arrays import read_nav_map
from splatsim.grids import NavMap, VoxelFrame
from splatsim.maps import MapOptions, SceneMaps, bird_view, map_gaussians
from splatsim.occupancy.raycast import camera_rays
from splatsim.scene import Scene

HERE = Path(__file__).resolve().parent
APARTMENT = HERE.parent / "scenes" / "apartment"
FRAMES = 3
"""Frames that must see a cell for it to count."""
WIDTH = 320


def truth() -> tuple[NavMap, VoxelFrame, np.ndarray, np.ndarray, float]:
    """The exact map, its voxels, and pose, intrinsics and rate of the video."""
    facts = json.loads((APARTMENT / "trajectory.json").read_text(encoding="utf-8"))
    frame = Scene.load(APARTMENT).occupancy.frame
    K = np.array(facts["K"]) * np.array([[WIDTH / facts["width"]], [WIDTH / facts["width"]], [1.0]])
    return read_nav_map(APARTMENT / "nav_map.npz"), frame, np.array(facts["world_from_cam"]), K, facts["fps"]


def seen_cells(nav_map: NavMap, poses: np.ndarray, K: np.ndarray) -> torch.Tensor:
    """Cells in whose column, from the floor to the top of the band, rays of at least three frames end: on the mesh."""
    mesh = trimesh.load(APARTMENT / "mesh.glb", force="mesh")
    height = WIDTH * 9 // 16
    counts = torch.zeros(nav_map.frame.shape, dtype=torch.int64)
    for pose in poses:
        depth = torch.from_numpy(trace_depth(mesh, pose, K, WIDTH, height, step=2)).flatten()
        view = torch.from_numpy(np.linalg.inv(pose))[None]
        half = np.diag([0.5, 0.5, 1.0]) @ K  # a ray through the middle of each block of two by two pixels
        rays = camera_rays(Cameras(view, torch.from_numpy(half)[None], WIDTH // 2, height // 2))
        met = depth > 0
        ends = rays.select(met).at(depth[met])
        ends = ends[(ends[:, 2] > -0.02) & (ends[:, 2] < nav_map.z_range[1])]
        cells = nav_map.frame.cell_of(ends[:, :2])
        cells = cells[nav_map.frame.contains(cells)]
        once = torch.zeros_like(counts)
        once[cells[:, 0], cells[:, 1]] = 1
        counts += once
    return counts >= FRAMES


def judge(found: SceneMaps, true: NavMap, seen: torch.Tensor) -> dict[str, float]:
    counted = seen & (true.cells != 2)
    rows, columns = best_shift(found.nav_map.free, true.free, counted)
    return {
        "floor height, cm": 100 * found.floor.height,
        "floor tilt, deg": found.floor.tilt_deg,
        "cells that count": int(counted.sum()),
        "IoU of free space": iou(found.nav_map.free, true.free, counted),
        "IoU of free space, all known cells": iou(found.nav_map.free, true.free, true.cells != 2),
        "registration, cells": float(np.hypot(rows, columns)),
        **doors_and_walls(found.nav_map, true, APARTMENT),
    }


def draw(path: Path, found: NavMap, true: NavMap, seen: torch.Tensor) -> None:
    """White and black where both agree, red: free space that was missed, blue: what was taken for free."""
    picture = np.zeros((*true.frame.shape, 3), np.uint8)
    f, t = found.free.numpy(), true.free.numpy()
    picture[f & t], picture[t & ~f], picture[f & ~t] = 255, (60, 60, 230), (230, 90, 60)
    picture[~seen.numpy()] //= 2
    cv2.imwrite(str(path), np.kron(picture, np.ones((4, 4, 1), np.uint8)))


def main(which: str) -> None:
    true, frame, poses, K, fps = truth()
    scene = Scene.load(APARTMENT if which == "surface" else Path(which))
    if which == "surface":
        gaussians, cameras, depths = scene.gaussians, scene.cameras.to(torch.float32)[::4], None
        poses = poses[::4]
    else:
        gaussians, cameras, depths, poses = moved_to_truth(scene, Path(which), poses, fps)
    seen = seen_cells(true, poses, K)
    name = "surface" if which == "surface" else "reconstruction"
    cases = {"the Gaussians alone": None} | ({} if depths is None else {"with the measured depths": depths})
    for title, measured in cases.items():
        print(f"\n{title}")
        started = perf_counter()
        options = MapOptions(frame=frame)
        found = map_gaussians(gaussians, cameras, depths=measured, antialiased=scene.antialiased, options=options)
        seconds = perf_counter() - started
        for figure, value in (judge(found, true, seen) | {"seconds to make the maps": seconds}).items():
            print(f"{figure:46s} {value:.4g}")
        out = HERE.parent / "out"
        out.mkdir(exist_ok=True)
        draw(out / f"maps_{name}{'' if measured is None else '_measured'}.png", found.nav_map, true, seen)
    if which == "surface":
        bev = bird_view(gaussians, found.nav_map.frame, floor=found.floor)
        counted = seen & (true.cells != 2) & bev.observed
        low = bev.observed & (bev.heights < 0.1)
        rows, columns = best_shift(low, true.free, counted)
        print(f"{'registration of the BEV, cells':46s} {np.hypot(rows, columns):.4g}")


def moved_to_truth(
    scene: Scene, folder: Path, poses: np.ndarray, fps: float
) -> tuple[Gaussians, Cameras, DepthPictures | None, np.ndarray]:
    """A reconstruction after similarity alignment of its cameras, and the true poses of its pictures."""
    similarity, figures = judge_video_poses(folder, poses, fps)
    print("\n".join(f"{name:46s} {value:.4g}" for name, value in figures.items()))
    move = torch.eye(4)
    move[:3, :3], move[:3, 3] = torch.from_numpy(similarity.rotation), torch.from_numpy(similarity.shift)
    frames, found = scene_poses(folder)
    moved = found.copy()
    moved[:, :3, :3] = similarity.rotation @ found[:, :3, :3]
    moved[:, :3, 3] = similarity.scale * found[:, :3, 3] @ similarity.rotation.T + similarity.shift
    return (
        scene.gaussians.transform(move, similarity.scale),
        scene.cameras.replace(viewmats=torch.from_numpy(np.linalg.inv(moved)).float()),
        None if scene.depths is None else scene.depths.scaled(similarity.scale),
        poses[[min(round(frame["seconds"] * fps), len(poses) - 1) for frame in frames]],
    )


def speed() -> None:
    """The distance field of an empty and of a cluttered map of 1024² cells."""
    for name, share in (("empty", 0.0), ("cluttered", 0.1)):
        times = field_times(share, 7)
        low, middle = min(times), np.median(times)
        print(f"distance field of 1024² cells, {name:20s} {low:.1f} ms, median {middle:.1f} ms")


if __name__ == "__main__":
    for case in sys.argv[1:] or ["surface"]:
        if case == "speed":
            speed()
        else:
            main(case)
