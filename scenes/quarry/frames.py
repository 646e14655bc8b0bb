"""Frames of a truck with six cameras and a 64-beam LiDAR in the pit, with labels: for training and for a test.

    python scenes/quarry/frames.py --seeds 11,12,13,14,15 --each 50 --last 40 --out out/quarry_frames

The last seed is the test; its pit is in none of the others. Every frame is one folder: six pictures and their classes,
the LiDAR sweep with class and instance per point, and the pose of the body.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import imageio.v3 as iio
import numpy as np

import make
from _worldgen.lidar import Lidar, sweep
from _worldgen.options import Options, seed_number
from _worldgen.produce import bake
from _worldgen.shooting import depth_code, intrinsics
from _worldgen.walk import camera

CAMERAS = {"front": 0, "front_left": 60, "back_left": 120, "back": 180, "back_right": -120, "front_right": -60}
"""Yaw of each camera, degrees counter-clockwise from the front."""
WIDTH, HEIGHT, FOV_DEG = 480, 300, 75.0
POINT_UNIT = 0.004
"""Metres per step of the stored points: less than the noise."""
CAMERA_AT, LIDAR_AT = (0.6, 0.5, 2.2), 2.8
"""Metres from the middle of the body on the ground: cameras stand this far out (forward, sideways, up)."""


def body_poses(terrain, path, count, rng):
    """Poses of the body along the drive: x forward, z up off the ground, [count 4 4]."""
    spots = np.linspace(60, len(path) - 60, count).astype(int)
    poses = []
    for k in spots:
        ahead = path[k + 25] - path[k - 25]
        yaw = np.arctan2(ahead[1], ahead[0]) + rng.normal(0, 0.08)
        aside = rng.uniform(-1.2, 1.2)
        x, y = path[k] + aside * np.array([-np.sin(yaw), np.cos(yaw)])
        forward = np.array([np.cos(yaw), np.sin(yaw), 0.0])
        forward[2] = (terrain.z(x + forward[0], y + forward[1]) - terrain.z(x - forward[0], y - forward[1]))[0] / 2
        forward /= np.linalg.norm(forward)
        left = np.cross([0.0, 0.0, 1.0], forward)
        left /= np.linalg.norm(left)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([forward, left, np.cross(forward, left)], axis=1)
        pose[:3, 3] = x, y, terrain.z(x, y)[0]
        poses.append(pose)
    return np.stack(poses)


def cams_from_body():
    """[6 4 4] the fixed mounting."""
    mounts = []
    for yaw_deg in CAMERAS.values():
        yaw = np.radians(yaw_deg)
        x, y = CAMERA_AT[0] * np.cos(yaw), CAMERA_AT[1] * np.sin(yaw)
        mounts.append(np.linalg.inv(camera(x, y, CAMERA_AT[2], yaw, -0.12)))
    return np.stack(mounts)


def body_from_lidar():
    """The sensor stands above the middle of the body."""
    pose = np.eye(4)
    pose[2, 3] = LIDAR_AT
    return pose


def write_frame(folder, studio, body, seed, number):
    """One frame into a new folder."""
    folder.mkdir(parents=True)
    K = intrinsics(WIDTH, HEIGHT, FOV_DEG)
    classes = studio.model.instance_classes
    for k, (name, mount) in enumerate(zip(CAMERAS, cams_from_body(), strict=True)):
        shot = studio.shoot(body @ np.linalg.inv(mount), K, WIDTH, HEIGHT, [seed, number, k], extra=2)
        iio.imwrite(folder / f"{name}.jpg", shot.colors, quality=90)
        labels = np.where(shot.instances >= 0, classes[shot.instances], 0).astype(np.uint8)
        iio.imwrite(folder / f"{name}.classes.png", labels)
        iio.imwrite(folder / f"{name}.depth.png", depth_code(shot.depths, 0.005))
    found = sweep(studio, body @ body_from_lidar(), Lidar(), np.random.default_rng([seed, number, 9]))
    rounded = {
        "points": np.rint(found.points / POINT_UNIT).astype(np.int16),
        "intensity": np.rint(found.intensity * 255).astype(np.uint8),
        "instances": found.instances.astype(np.uint16),
    }
    np.savez_compressed(folder / "lidar.npz", **(vars(found) | rounded))
    (folder / "pose.json").write_text(json.dumps({"world_from_body": body.tolist(), "seed": seed}), encoding="utf-8")


def write_rig(path):
    """What is the same for all frames."""
    rig = {
        "cameras": list(CAMERAS),
        "width": WIDTH,
        "height": HEIGHT,
        "K": intrinsics(WIDTH, HEIGHT, FOV_DEG).tolist(),
        "cams_from_body": cams_from_body().tolist(),
        "body_from_lidar": body_from_lidar().tolist(),
        "axes": "cameras x right, y down, z forward; body and lidar x forward, y left, z up",
        "depth_unit_m": 0.005,
        "point_unit_m": POINT_UNIT,
        "class_names": list(make.CLASSES),
        "lidar": vars(Lidar()),
    }
    path.write_text(json.dumps(rig, indent=1) + "\n", encoding="utf-8")


def main(arguments=None):
    """Write all frames, or nothing."""
    parser = argparse.ArgumentParser(description="Frames of a rig of six cameras and a LiDAR in generated pits.")
    parser.add_argument("--seeds", default="11,12,13,14,15", help="pits; the last is the test")
    parser.add_argument("--each", type=int, default=50, help="frames per pit for training")
    parser.add_argument("--last", type=int, default=40, help="frames of the test")
    parser.add_argument("--out", type=Path, default=Path("out/quarry_frames"), help="a new folder")
    parser.add_argument("--luxel", type=float, default=0.2, help="metres between points of baked light")
    parser.add_argument("--rays", type=int, default=24, help="rays per point for indirect light")
    options = parser.parse_args(arguments)
    try:
        seeds = [seed_number(text) for text in options.seeds.split(",")]
    except ValueError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from error
    if options.out.exists():
        raise SystemExit(f"{options.out} exists already; expected a new folder.")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{options.out.name}.partial-", dir=options.out.parent))
    try:
        write_rig(staging / "rig.json")
        for seed in seeds:
            test = seed == seeds[-1]
            _pit(staging / ("test" if test else "train"), seed, options.last if test else options.each, options)
        staging.chmod(0o755)
        staging.rename(options.out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _pit(folder, seed, count, options):
    terrain, _, path = make.build(seed)
    world = make.world(seed)
    studio = bake(world, Options(seed=seed, out=folder, luxel=options.luxel, rays=options.rays))
    for number, body in enumerate(body_poses(terrain, path, count, np.random.default_rng([seed, 3]))):
        write_frame(folder / f"{seed:04d}_{number:03d}", studio, body, seed, number)


if __name__ == "__main__":
    main()
