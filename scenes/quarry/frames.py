"""Frames of a truck with six cameras and a 64-beam LiDAR in the pit, with labels: for training and for a test.

    python scenes/quarry/frames.py --seeds 11,12,13,14,15 --each 50 --last 40 --out out/quarry_frames

The last seed is the test; its pit is in none of the others. Every frame is one folder: six pictures, their classes and
depths, the LiDAR sweep with class and instance per point, and the pose of the body. `pits/` holds the voxels of every
pit. A run that was cut short goes on where it stood when it is called again; `checksums.txt` is written last.
"""

import argparse
import json
import multiprocessing
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import imageio.v3 as iio
import numpy as np
from tqdm import tqdm

import make
from _worldgen.lidar import Lidar, sweep
from _worldgen.options import Options, seed_number
from _worldgen.produce import bake, write_checksums
from _worldgen.products import inverse_of_pose, length, times
from _worldgen.shooting import depth_code, intrinsics
from _worldgen.walk import camera
from splatsim.formats.arrays import write_arrays, write_occupancy

CAMERAS = {"front": 0, "front_left": 60, "back_left": 120, "back": 180, "back_right": -120, "front_right": -60}
"""Yaw of each camera, degrees counter-clockwise from the front."""
WIDTH, HEIGHT, FOV_DEG = 480, 300, 75.0
DEPTH_UNIT = 0.005
"""Metres per step of the stored depths."""
RANGE_UNIT = 0.004
"""Metres per step of the stored ranges: less than the noise."""
QUALITY = 82
"""Of the pictures as JPEG."""
CAMERA_AT, LIDAR_AT = (0.6, 0.5, 2.2), 2.8
"""Metres from the middle of the body on the ground: cameras stand this far out (forward, sideways, up)."""

_pit = None
"""Studio, seed and poses, where forked workers find them without copying."""


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
        forward /= length(forward)
        left = np.cross([0.0, 0.0, 1.0], forward)
        left /= length(left)
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
        mounts.append(inverse_of_pose(camera(x, y, CAMERA_AT[2], yaw, -0.12)))
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
    for k, (name, mount) in enumerate(zip(CAMERAS, cams_from_body(), strict=True)):
        shot = studio.shoot(times(body, inverse_of_pose(mount)), K, WIDTH, HEIGHT, [seed, number, k], extra=2)
        iio.imwrite(folder / f"{name}.jpg", shot.colors, quality=QUALITY)
        write_labels(folder, name, shot, studio.model.instance_classes)
    write_sweep(folder / "lidar.npz", studio, body, seed, number)
    (folder / "pose.json").write_text(json.dumps({"world_from_body": body.tolist(), "seed": seed}), encoding="utf-8")


def write_labels(folder, name, shot, classes):
    """Classes and depth of one camera."""
    labels = np.where(shot.instances >= 0, classes[shot.instances], 0).astype(np.uint8)
    iio.imwrite(folder / f"{name}.classes.png", labels)
    iio.imwrite(folder / f"{name}.depth.png", depth_code(shot.depths, DEPTH_UNIT))


def write_sweep(path, studio, body, seed, number):
    """One turn of the LiDAR, in steps that are finer than its noise."""
    found = sweep(studio, times(body, body_from_lidar()), Lidar(), np.random.default_rng([seed, number, 9]))
    images = {
        "ranges": np.rint(found.ranges / RANGE_UNIT).astype(np.uint16),
        "intensity": np.rint(found.intensity * 255).astype(np.uint8),
        "classes": found.classes,
        "instances": found.instances.astype(np.uint16),  # -1 becomes 65535
    }
    write_arrays(path, images)


def describe(seeds, options):
    """What is the same for all frames, and what they were made from."""
    rig = {
        "cameras": list(CAMERAS),
        "width": WIDTH,
        "height": HEIGHT,
        "K": intrinsics(WIDTH, HEIGHT, FOV_DEG).tolist(),
        "cams_from_body": cams_from_body().tolist(),
        "body_from_lidar": body_from_lidar().tolist(),
        "axes": "cameras x right, y down, z forward; body and lidar x forward, y left, z up",
        "depth_unit_m": DEPTH_UNIT,
        "range_unit_m": RANGE_UNIT,
        "class_names": list(make.CLASSES),
        "lidar": vars(Lidar()),
        "made_with": {
            "seeds": seeds,
            "each": options.each,
            "last": options.last,
            "luxel": options.luxel,
            "rays": options.rays,
        },
    }
    return json.dumps(rig, indent=1) + "\n"


def main(arguments=None):
    """Write all frames that are not there yet."""
    options, seeds = _parse(arguments)
    _open(options.out, describe(seeds, options))
    if (options.out / "checksums.txt").exists():
        print(f"{options.out} is complete.")
        return
    for seed in seeds:
        _shoot_pit(options.out, seed, seed == seeds[-1], options)
    write_checksums(options.out)


def _parse(arguments):
    parser = argparse.ArgumentParser(description="Frames of a rig of six cameras and a LiDAR in generated pits.")
    parser.add_argument("--seeds", default="11,12,13,14,15", help="pits; the last is the test")
    parser.add_argument("--each", type=int, default=50, help="frames per pit for training")
    parser.add_argument("--last", type=int, default=40, help="frames of the test")
    parser.add_argument(
        "--out", type=Path, default=Path("out/quarry_frames"), help="a new folder, or one to go on with"
    )
    parser.add_argument("--luxel", type=float, default=0.2, help="metres between points of baked light")
    parser.add_argument("--rays", type=int, default=24, help="rays per point for indirect light")
    parser.add_argument("--workers", type=int, default=2, help="processes that shoot frames")
    options = parser.parse_args(arguments)
    try:
        seeds = [seed_number(text) for text in options.seeds.split(",")]
    except ValueError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from error
    if len(set(seeds)) < len(seeds):
        raise SystemExit(f"--seeds is {options.seeds!r}, which names a pit twice; expected each once.")
    return options, seeds


def _open(out, rig):
    """Make the folder, or see that it is of a run with the same options."""
    note = out / "rig.json"
    if note.is_file():
        if note.read_text(encoding="utf-8") != rig:
            raise SystemExit(f"{note} is of another run; expected the same seeds and sizes, or a new folder.")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SystemExit(f"{out} exists already and holds no frames; expected a new folder.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        part = out / ".rig.json.partial"
        part.write_text(rig, encoding="utf-8")
    except OSError as error:
        raise SystemExit(f"{out} cannot be written: {error.strerror}; expected a folder that can.") from error
    part.replace(note)


def _shoot_pit(out, seed, test, options):
    """The frames of one pit that are missing, each under a temporary name until it is whole."""
    global _pit
    count, split = (options.last, "test") if test else (options.each, "train")
    jobs = [(out / split / f"{seed:04d}_{number:03d}", number) for number in range(count)]
    jobs = [job for job in jobs if not job[0].exists()]
    grid = out / "pits" / f"{seed:04d}.npz"
    if not jobs and grid.exists():
        return
    terrain, _, path = make.build(seed)
    world = make.world(seed)
    grid.parent.mkdir(exist_ok=True)
    write_occupancy(grid, world.occupancy)
    if not jobs:
        return
    studio = bake(world, Options(seed=seed, out=out, luxel=options.luxel, rays=options.rays))
    _pit = studio, seed, body_poses(terrain, path, count, np.random.default_rng([seed, 3]))
    with multiprocessing.get_context("fork").Pool(options.workers) as pool:
        for _ in tqdm(pool.imap(_shoot_frame, jobs, chunksize=1), total=len(jobs), desc=f"pit {seed}", disable=None):
            pass


def _shoot_frame(job):
    folder, number = job
    studio, seed, poses = _pit
    part = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(part, ignore_errors=True)
    write_frame(part, studio, poses[number], seed, number)
    part.rename(folder)


if __name__ == "__main__":
    main()
