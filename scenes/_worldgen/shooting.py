"""From poses to files: the video, truth for some frames, and views off the path with a mask of what the path saw."""

import json
import multiprocessing

import imageio.v3 as iio
import imageio_ffmpeg
import numpy as np
from tqdm import tqdm

from _worldgen.products import times

_studio = None


def intrinsics(width, height, fov_deg):
    """K of a camera with this horizontal field of view."""
    focal = 0.5 * width / np.tan(np.radians(fov_deg) / 2)
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])


def _shoot(job):
    number, pose, K, width, height, seed = job
    return number, _studio.shoot(pose, K, width, height, seed)


def pictures(studio, poses, K, width, height, seed, workers, title):
    """Pictures in the order of the poses; every one has its own noise."""
    global _studio
    _studio = studio  # Forked workers share the model and its light without copying them.
    jobs = [(k, pose, K, width, height, [seed, k]) for k, pose in enumerate(poses)]
    if workers == 1:
        yield from (_shoot(job) for job in tqdm(jobs, desc=title))
        return
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        yield from tqdm(pool.imap(_shoot, jobs, chunksize=1), total=len(jobs), desc=title)


def write_video(path, shots, width, height, fps, quality=23):
    """Encode pictures as H.264; gives them on as they pass. One thread: the same frames give the same file."""
    options = ["-crf", str(quality), "-preset", "slow", "-threads", "1", "-g", str(int(fps * 2))]
    writer = imageio_ffmpeg.write_frames(
        str(path), (width, height), fps=fps, codec="libx264", quality=None, macro_block_size=2, output_params=options
    )
    writer.send(None)
    try:
        for number, picture in shots:
            writer.send(np.ascontiguousarray(picture.colors))
            yield number, picture
    finally:
        writer.close()


def write_truth(folder, number, picture, classes, unit):
    """Depth (16 bit), normals (8 bit, (n + 1) / 2) and classes of one frame; 0 is "nothing"."""
    folder.mkdir(parents=True, exist_ok=True)
    iio.imwrite(folder / f"{number:06d}.depth.png", depth_code(picture.depths, unit))
    normals = np.where(picture.depths[..., None] > 0, (picture.normals + 1) * 127.5 + 0.5, 0).astype(np.uint8)
    iio.imwrite(folder / f"{number:06d}.normals.png", normals)
    labels = np.where(picture.instances >= 0, classes[picture.instances], 0).astype(np.uint8)
    iio.imwrite(folder / f"{number:06d}.classes.png", labels)


def depth_code(depths, unit):
    """Depths in steps of `unit` metres, 16 bits."""
    return np.clip(np.rint(depths / unit), 0, 65535).astype(np.uint16)


def write_poses(path, poses, K, width, height, **facts):
    """Poses and intrinsics as JSON, one pose per line."""
    head = {"width": width, "height": height, "K": K.tolist(), "axes": "x right, y down, z forward", **facts}
    rows = ",\n  ".join(json.dumps([[round(float(x), 9) for x in row] for row in pose]) for pose in poses)
    body = json.dumps(head, indent=1)[:-2]
    path.write_text(f'{body},\n "world_from_cam": [\n  {rows}\n ]\n}}\n', encoding="utf-8")


def seen_mask(picture, pose, K, others, depths, needed=3):
    """Pixels of a picture whose surface at least `needed` other frames saw.

    Args:
        others: world_from_cam of those frames.
        depths: their depth images, of the same intrinsics.
    """
    height, width = picture.depths.shape
    v, u = np.divmod(np.arange(width * height), width)
    z = picture.depths.ravel()
    local = np.stack([(u + 0.5 - K[0, 2]) / K[0, 0] * z, (v + 0.5 - K[1, 2]) / K[1, 1] * z, z], -1)
    world = times(local, pose[:3, :3].T) + pose[:3, 3]
    count = np.zeros(len(z), np.int32)
    for other, depth in zip(others, depths, strict=True):
        seen = times(world - other[:3, 3], other[:3, :3])
        front = seen[:, 2] > 0.05
        with np.errstate(divide="ignore", invalid="ignore"):
            x = np.where(front, seen[:, 0] / seen[:, 2] * K[0, 0] + K[0, 2], -1)
            y = np.where(front, seen[:, 1] / seen[:, 2] * K[1, 1] + K[1, 2], -1)
        inside = np.flatnonzero((x >= 0) & (x < width) & (y >= 0) & (y < height))
        there = depth[y[inside].astype(int), x[inside].astype(int)]
        count[inside] += np.abs(seen[inside, 2] - there) < 0.02 + 0.02 * there
    return ((count >= needed) & (z > 0)).reshape(height, width)


def depth_image(tracer, pose, K, width, height):
    """z-depth along every pixel, without colours."""
    v, u = np.divmod(np.arange(width * height), width)
    local = np.stack([(u + 0.5 - K[0, 2]) / K[0, 0], (v + 0.5 - K[1, 2]) / K[1, 1], np.ones(len(u))], -1)
    directions = times(local, pose[:3, :3].T)
    hits = tracer.first(np.broadcast_to(pose[:3, 3], directions.shape), directions)
    return np.where(hits.quad >= 0, hits.distance, 0).reshape(height, width)
