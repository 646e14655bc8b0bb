"""From a modelled world to its folder: light, video, truth, maps, Gaussians, checksums; all at once or nothing."""

import hashlib
import shutil
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import torch
from tqdm import tqdm

from _worldgen.finish import FinishTable
from _worldgen.light import Bake, make_luxels
from _worldgen.meshes import write_glb
from _worldgen.options import parse
from _worldgen.patterns import PATTERNS
from _worldgen.pictures import Studio, measure
from _worldgen.products import inverse_of_pose, times
from _worldgen.shooting import (
    depth_code,
    depth_image,
    intrinsics,
    pictures,
    seen_mask,
    write_poses,
    write_truth,
    write_video,
)
from _worldgen.sky_shell import sky_gaussians
from _worldgen.surfels import count_pixels, surface_gaussians
from _worldgen.tracer import Tracer
from splatsim.cameras import Cameras
from splatsim.gaussians import Gaussians
from splatsim.scene import Scene, Semantics, check_target, publish


@dataclass
class World:
    """A world before any picture is taken of it."""

    name: str
    model: object
    sky: Callable
    """Radiance along directions that meet nothing."""
    lights: list
    sun: tuple | None
    walk: object
    """Poses of the video."""
    viewpoints: np.ndarray
    """[p 4 4] poses from all over the free space, to tell what can be seen at all."""
    off_path: Callable
    """(walk pose, random generator, tracer) -> a pose 0.3 to 0.6 m aside."""
    occupancy: object
    nav_map: object
    fov_deg: float
    luxel: float
    truth_every: int
    """Frames from one with depth, normals and classes to the next."""
    sky_radius: float
    """Metres to the shell of Gaussians that stands for the sky."""
    longest: float = 0.15
    """Metres that one Gaussian stands for at most."""
    depth_unit: float = 0.001
    """Metres per step of the 16-bit depth pictures."""
    facts: dict = field(default_factory=dict)
    patterns: dict = field(default_factory=lambda: PATTERNS)
    tone: float = 0.36
    """Exposure: where the brighter quarter of the pictures begins, linear."""


def bake(world, options, tracer=None):
    """A studio with the light of the world baked."""
    tracer = tracer or Tracer(world.model)
    finishes = FinishTable(world.model.finish_table, world.patterns)
    luxels = make_luxels(world.model, options.luxel or world.luxel)
    glow = finishes.glow[world.model.finishes][:, None] * finishes.a[world.model.finishes]
    bar = tqdm(desc=f"light on {len(luxels.points) / 1e6:.1f} M luxels", total=options.rays + len(world.lights))
    rng = np.random.default_rng(options.seed)
    baking = Bake(tracer, luxels, finishes.mean_albedo(world.model), glow, world.sky, rng, lambda _: bar.update())
    irradiance = baking.irradiance(world.lights, world.sun, gather_rays=options.rays)
    bar.close()
    studio = Studio(world.model, tracer, luxels, irradiance, finishes, world.sky)
    studio.exposure = _exposure(studio, world)
    return studio


def _exposure(studio, world):
    """One exposure for the whole walk: the brighter quarter of what is seen begins at `tone`."""
    K = intrinsics(64, 36, world.fov_deg)
    v, u = np.divmod(np.arange(64 * 36), 64)
    local = np.stack([(u + 0.5 - K[0, 2]) / K[0, 0], (v + 0.5 - K[1, 2]) / K[1, 1], np.ones(len(u))], -1)
    local /= np.linalg.norm(local, axis=-1, keepdims=True)
    seen = []
    for pose in world.walk.world_from_cam[:: max(1, len(world.walk.world_from_cam) // 40)]:
        directions = times(local, pose[:3, :3].T).astype(np.float32)
        origins = np.broadcast_to(pose[:3, 3].astype(np.float32), directions.shape)
        seen.append(studio.radiance(origins, directions, np.float32(1 / K[0, 0]))[0].mean(axis=1))
    return float(world.tone / np.percentile(np.concatenate(seen), 75))


def main(name, make_world):
    """The program of a generator: reads the command line, makes the world, ends with one sentence if that fails."""
    options = parse(name)
    try:
        check_folder(options)
        produce(make_world(options.seed), options)
    except OSError as error:
        place = f"{error.filename}: {error.strerror}" if error.strerror else str(error)
        raise SystemExit(f"{options.out} cannot be made: {place}") from error


def check_folder(options):
    """Raise unless the folder may be written; done before any work.

    Raises:
        FileExistsError: it holds something that may not be replaced, or a world of another seed.
        OSError: it cannot be written.
    """
    check_target(options.out, options.overwrite)
    manifest = options.out / "scene.toml"
    if options.only and manifest.is_file():
        seed = tomllib.loads(manifest.read_text(encoding="utf-8"))["provenance"]["seed"]
        if seed != options.seed:
            raise FileExistsError(f"it is the world of seed {seed}; expected --seed {seed}, or another folder")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{options.out.name}.", dir=options.out.parent):
        pass


def produce(world, options):
    """Everything that the world gives, in one folder, or one part of it.

    Raises:
        FileExistsError: the folder holds something that may not be replaced.
        OSError: the folder cannot be written.
    """
    check_folder(options)
    staging = Path(tempfile.mkdtemp(prefix=f".{options.out.name}.partial-", dir=options.out.parent))
    try:
        _write(staging / "world", world, options)
        ours = {path.name for path in (staging / "world").iterdir()}
        publish(staging / "world", options.out, ours)
        write_checksums(options.out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _write(folder, world, options):
    K = intrinsics(options.width, options.height, world.fov_deg)
    if options.only == "truth":
        _truth(folder, world, options, K)
        return
    studio = bake(world, options)
    for part, write in (("scene", _maps), ("film", _film), ("views", _off_path)):
        if options.only in (None, part):
            write(folder, world, studio, options, K)


def _maps(folder, world, studio, options, K):
    _scene(world, studio, options, K).save(folder, compressed=True)
    write_glb(folder / "mesh.glb", world.model, studio.finishes)
    _map_picture(folder / "map.png", world.nav_map)


def _truth(folder, world, options, K):
    """What `_film` writes beside the video, by rays alone."""
    tracer, classes = Tracer(world.model), world.model.instance_classes
    poses = world.walk.world_from_cam[:: options.every]
    for number in tqdm(range(0, len(poses), _truth_step(world, options)), desc="truth"):
        picture = measure(world.model, tracer, poses[number], K, options.width, options.height)
        write_truth(folder / "truth", number, picture, classes, world.depth_unit)


def _truth_step(world, options):
    return max(1, world.truth_every // options.every)


def _scene(world, studio, options, K):
    poses = torch.from_numpy(inverse_of_pose(world.walk.world_from_cam[:: options.every]))
    cameras = Cameras(poses, torch.from_numpy(K).repeat(len(poses), 1, 1), options.width, options.height)
    near = world.walk.world_from_cam[::12]
    pixels = 3 * count_pixels(studio.tracer, near, intrinsics(480, 270, world.fov_deg), 480, 270)
    wide = intrinsics(240, 136, 95), 240, 136
    pixels += count_pixels(studio.tracer, world.viewpoints, *wide)
    gaussians, labels = surface_gaussians(studio, pixels, options.surfels, world.longest)
    sky = sky_gaussians(studio, world.sky_radius, np.concatenate([near, world.viewpoints]), *wide)
    gaussians = Gaussians.concat([gaussians, sky])
    labels = torch.cat([labels, torch.full((len(sky),), world.model.class_names.index("sky"), dtype=torch.uint8)])
    return Scene(
        world.name,
        gaussians,
        cameras,
        world.occupancy,
        world.nav_map,
        Semantics(labels, tuple(world.model.class_names)),
        world_scale=1.0,
        scale_source="generated",
        provenance={**world.facts, "seed": options.seed, "licence": "CC0-1.0", "exposure": studio.exposure},
    )


def _film(folder, world, studio, options, K):
    poses = world.walk.world_from_cam[:: options.every]
    fps = options.fps / options.every
    size = options.width, options.height
    shots = pictures(studio, poses, K, *size, options.seed, options.workers, f"{world.name}.mp4")
    classes = world.model.instance_classes
    step = _truth_step(world, options)
    folder.mkdir(exist_ok=True)
    for number, picture in write_video(folder / f"{world.name}.mp4", shots, *size, fps):
        if number % step == 0:
            write_truth(folder / "truth", number, picture, classes, world.depth_unit)
    write_poses(folder / "trajectory.json", poses, K, *size, fps=fps, depth_unit_m=world.depth_unit)


def _off_path(folder, world, studio, options, K):
    """Views aside of the path with masks of the pixels that at least three frames of the path saw."""
    rng = np.random.default_rng([options.seed, 40])
    walk = world.walk.world_from_cam
    spots = np.linspace(0, len(walk) - 1, options.views + 2)[1:-1].astype(int)
    poses = np.stack([world.off_path(walk[k], rng, studio.tracer) for k in spots])
    others = walk[::5]
    depths = [depth_image(studio.tracer, pose, K, options.width, options.height) for pose in others]
    (folder / "views").mkdir(parents=True)
    shots = pictures(studio, poses, K, options.width, options.height, options.seed + 1, options.workers, "views")
    for number, picture in shots:
        iio.imwrite(folder / "views" / f"{number:02d}.jpg", picture.colors, quality=90)
        mask = seen_mask(picture, poses[number], K, others, depths)
        iio.imwrite(folder / "views" / f"{number:02d}.mask.png", mask.astype(np.uint8) * 255)
        iio.imwrite(folder / "views" / f"{number:02d}.depth.png", depth_code(picture.depths, world.depth_unit))
    size = options.width, options.height
    write_poses(folder / "views" / "trajectory.json", poses, K, *size, depth_unit_m=world.depth_unit)


def _map_picture(path, nav):
    """The map as people know it: white free, black occupied, grey unknown."""
    iio.imwrite(path, np.array([255, 0, 128], np.uint8)[nav.cells.numpy()])


def write_checksums(folder):
    """SHA-256 of every file in a folder, as `sha256sum --check` reads it; written last, it says that all is there."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / "checksums.txt"]
    lines = [f"{_sha256(path)}  {path.relative_to(folder)}" for path in files]
    part = folder / ".checksums.txt.partial"
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part.replace(folder / "checksums.txt")


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
