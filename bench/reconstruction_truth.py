"""Truth that reconstructions are compared with: true poses, views off the path, depth of another sensor."""

import json
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import torch
import trimesh

from splatsim import Cameras, render, render_surface
from splatsim.reconstruction.evaluate import umeyama
from splatsim.scene import Scene
from splatsim.transforms import invert


@dataclass(frozen=True)
class Similarity:
    """truth = scale · rotation · scene + shift, the best fit of camera centres (Umeyama 1991)."""

    scale: float
    rotation: np.ndarray
    shift: np.ndarray
    rmse: float
    """Of the camera centres, in the units of the truth."""

    def scene_from_truth(self, world_from_cam: np.ndarray) -> np.ndarray:
        """Poses of the truth as poses in the scene."""
        moved = world_from_cam.copy()
        moved[:, :3, :3] = self.rotation.T @ world_from_cam[:, :3, :3]
        moved[:, :3, 3] = (world_from_cam[:, :3, 3] - self.shift) @ self.rotation / self.scale
        return moved


def similarity_of(found: np.ndarray, true: np.ndarray) -> Similarity:
    """The similarity that brings camera centres [n 3] nearest to the true ones."""
    scale, rotation, shift = umeyama(found, true)
    error = np.linalg.norm(scale * found @ rotation.T + shift - true, axis=1)
    return Similarity(scale, rotation, shift, float(np.sqrt((error**2).mean())))


def scene_poses(folder: Path) -> tuple[list[dict], np.ndarray]:
    """Entries of `cameras.json` and their poses [c 4 4]."""
    frames = json.loads((folder / "cameras.json").read_text(encoding="utf-8"))["frames"]
    return frames, np.array([frame["world_from_cam"] for frame in frames])


def judge_video_poses(folder: Path, true_poses: np.ndarray, fps: float) -> tuple[Similarity, dict[str, float]]:
    """Camera error against the true pose of every video frame."""
    frames, poses = scene_poses(folder)
    numbers = [min(round(frame["seconds"] * fps), len(true_poses) - 1) for frame in frames]
    similarity = similarity_of(poses[:, :3, 3], true_poses[numbers, :3, 3])
    extent = float(np.linalg.norm(np.ptp(true_poses[:, :3, 3], axis=0)))
    return similarity, {
        "camera RMSE, cm": 100 * similarity.rmse,
        "camera RMSE, % of extent": 100 * similarity.rmse / extent,
    }


def judge_frame(folder: Path, similarity: Similarity) -> dict[str, float]:
    """Whether metres are metres, z is up, and the floor lies at z = 0."""
    _, poses = scene_poses(folder)
    below = poses[:, :3, 3] * [1, 1, 0]
    heights = (similarity.scale * below @ similarity.rotation.T + similarity.shift)[:, 2]
    tilt = np.degrees(np.arccos(np.clip(similarity.rotation[2, 2], -1, 1)))
    return {
        "scale error, %": 100 * (similarity.scale - 1),
        "floor tilt, deg": float(tilt),
        "floor height, cm": 100 * float(np.median(heights)),
    }


def judge_off_path(folder: Path, world: Path, similarity: Similarity) -> dict[str, float]:
    """PSNR and depth on views aside of the path, over what at least three frames of the video saw."""
    scene = Scene.load(folder)
    trajectory = json.loads((world / "views" / "trajectory.json").read_text(encoding="utf-8"))
    true_poses = np.array(trajectory["world_from_cam"])
    poses = torch.from_numpy(similarity.scene_from_truth(true_poses)).float()
    width, height, K = trajectory["width"], trajectory["height"], torch.tensor(trajectory["K"])
    mesh = trimesh.load(world / "mesh.glb", force="mesh")
    antialiased = scene.provenance["render"]["antialiased"]
    squares, pixels, psnrs, depth_errors = 0.0, 0, [], []
    for index, pose in enumerate(poses):
        stem = world / "views" / f"{index:02d}"
        if not stem.with_suffix(".jpg").is_file():
            continue
        camera = Cameras(invert(pose)[None], K[None], width, height)
        truth = iio.imread(stem.with_suffix(".jpg")) / 255
        mask = iio.imread(stem.with_suffix(".mask.png")) > 0
        with torch.no_grad():
            picture = render(scene.gaussians, camera, antialiased=antialiased).colors[0].clamp(0, 1).numpy()
            depth = render_surface(scene.gaussians, camera, antialiased=antialiased).depths[0].numpy()
        error = ((picture - truth) ** 2)[mask]
        squares, pixels = squares + error.sum(), pixels + error.size
        psnrs.append(-10 * np.log10(error.mean()))
        true_depth = trace_depth(mesh, true_poses[index], np.array(trajectory["K"]), width, height, step=4)
        seen = mask[2::4, 2::4] & (true_depth > 0) & (depth[2::4, 2::4] > 0)
        depth_errors.append(np.abs(similarity.scale * depth[2::4, 2::4] - true_depth)[seen])
    return {
        "off-path views": len(psnrs),
        "off-path PSNR, mean of views": float(np.mean(psnrs)),
        "off-path PSNR, all pixels as one": float(-10 * np.log10(squares / pixels)),
        "off-path median depth error, cm": 100 * float(np.median(np.concatenate(depth_errors))),
    }


def trace_depth(
    mesh: trimesh.Trimesh, world_from_cam: np.ndarray, K: np.ndarray, width: int, height: int, *, step: int
) -> np.ndarray:
    """z-depth of every `step`-th pixel by rays into a mesh, 0 where they meet nothing. glTF has y up."""
    v, u = np.mgrid[step // 2 : height : step, step // 2 : width : step] + 0.5
    local = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones_like(u)], -1).reshape(-1, 3)
    directions = local @ world_from_cam[:3, :3].T
    origins = np.broadcast_to(world_from_cam[:3, 3], directions.shape)
    y_up = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    places, rays, _ = mesh.ray.intersects_location(origins @ y_up.T, directions @ y_up.T, multiple_hits=False)
    depth = np.zeros(len(directions))
    depth[rays] = ((places @ y_up - world_from_cam[:3, 3]) @ world_from_cam[:3, :3])[:, 2]
    return depth.reshape(u.shape)


def judge_kitchen_depth(folder: Path, data: Path, similarity: Similarity, true_poses: np.ndarray) -> dict[str, float]:
    """Depth against the frames of the depth camera (focal length 585), rendered from where that camera stood."""
    scene = Scene.load(folder)
    files = sorted((data / "depth").glob("*.png"))
    poses = similarity.scene_from_truth(true_poses[[int(file.stem) for file in files]])
    K = torch.tensor([[585.0, 0, 320], [0, 585.0, 240], [0, 0, 1]])
    ratios = []
    for file, pose in zip(files, poses, strict=True):
        camera = Cameras(invert(torch.from_numpy(pose).float())[None], K[None], 640, 480)
        with torch.no_grad():
            depth = (
                render_surface(scene.gaussians, camera, antialiased=scene.provenance["render"]["antialiased"])
                .depths[0]
                .numpy()
            )
        measured = iio.imread(file) / 1000
        seen = (measured > 0.2) & (measured < 8) & (depth > 0)
        ratios.append(similarity.scale * depth[seen] / measured[seen])
    ratio = np.concatenate(ratios)
    return {"depth error, median %": 100 * float(np.median(np.abs(ratio / np.median(ratio) - 1)))}
