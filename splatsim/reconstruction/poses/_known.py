"""Pictures whose poses are known: COLMAP models that exist, and points triangulated for poses from elsewhere."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from tqdm.auto import tqdm

from splatsim.errors import FormatError
from splatsim.reconstruction.capture import IMAGES, MASKS, Capture
from splatsim.reconstruction.poses._capture import Source, make_capture, picture_names
from splatsim.reconstruction.poses._config import PoseConfig
from splatsim.reconstruction.poses._database import Lens, Picture, camera_of, fingerprint_of, prepare
from splatsim.reconstruction.poses._features import extract, match
from splatsim.reconstruction.poses._lenses import read_mask, read_picture, undistortion, write_png
from splatsim.reconstruction.poses._merge import posed_model, triangulate_model
from splatsim.reconstruction.poses._originals import Original, write_originals
from splatsim.reconstruction.poses._pairs import Pairs, alike_pairs, exhaustive_pairs
from splatsim.reconstruction.poses._worker import quiet_colmap, run

EXHAUSTIVE = 30
"""Up to so many pictures, all are matched with all."""
NEIGHBOURS = 12
"""Of more, each with so many whose cameras are near and look the same way."""


def triangulate(
    sources: Sequence[Source],
    lenses: Sequence[Lens],
    lens_of: Sequence[int],
    viewmats: Float[np.ndarray, "n 4 4"],
    folder: Path,
    max_size: int,
    *,
    features: int = 2048,
    seed: int = 0,
) -> Capture:
    """A Capture of pictures with given poses: distortion removed, points triangulated from SIFT matches.

    Raises:
        FormatError: a picture cannot be read, or is of another size than its camera.
        ReconstructionError: COLMAP failed.
    """
    import pycolmap

    quiet_colmap()
    work = folder.with_name(f".{folder.name}.points")
    names = picture_names([source.name for source in sources])
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    pinholes = _undistort(sources, names, lenses, lens_of, work, max_size)
    pictures = [Picture(name, lens) for name, lens in zip(names, lens_of, strict=True)]
    database = prepare(work, pinholes, pictures, fingerprint_of(work, []))
    config = PoseConfig(features=features, max_image_side=0, seed=seed)
    masks = work / MASKS
    extract(database, work / IMAGES, masks if masks.is_dir() else None, names, config)
    match(database, names, _near_pairs(viewmats), seed)
    poses = {name: pycolmap.Rigid3d(matrix[:3]) for name, matrix in zip(names, viewmats, strict=True)}
    cameras = {number + 1: camera_of(lens) for number, lens in enumerate(pinholes)}
    numbers = {name: lens + 1 for name, lens in zip(names, lens_of, strict=True)}
    model = run(
        lambda _: triangulate_model(
            posed_model(cameras, numbers, poses, database), database, work / IMAGES, seed, refine=False
        ),
        lambda: 0,
        len(names),
        "triangulating points",
        "picture",
    )
    clean = [
        Source(name, work / IMAGES / name, work / MASKS / f"{name}.png", source.time)
        for name, source in zip(names, sources, strict=True)
    ]
    capture = make_capture(model, clean, folder, 0)
    by_name = {n: Original(s.name, lenses[k], max_size) for n, s, k in zip(names, sources, lens_of, strict=True)}
    write_originals(folder, [by_name[name] for name in capture.names])
    shutil.rmtree(work)
    return capture


def _undistort(
    sources: Sequence[Source],
    names: Sequence[str],
    lenses: Sequence[Lens],
    lens_of: Sequence[int],
    folder: Path,
    max_size: int,
) -> list[Lens]:
    """Write the pictures as pinhole cameras see them, and give these cameras."""
    for sub in (IMAGES, MASKS):
        (folder / sub).mkdir()
    masked = False
    rows = list(zip(sources, names, lens_of, strict=True))
    for source, name, number in tqdm(rows, desc="removing distortion", unit="picture", disable=None):
        lens = lenses[number]
        change = undistortion(lens, max_size)
        write_png(folder / IMAGES / name, change.picture(read_picture(source.path, lens)))
        mask = read_mask(source.mask, lens)
        if mask is not None:
            masked = True
            write_png(folder / MASKS / f"{name}.png", change.mask(mask))
    if not masked:
        (folder / MASKS).rmdir()
    pinholes = []
    for lens in lenses:
        change = undistortion(lens, max_size)
        K = change.K
        params = (float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2]))
        pinholes.append(Lens("PINHOLE", change.width, change.height, params))
    return pinholes


def _near_pairs(viewmats: Float[np.ndarray, "n 4 4"]) -> Pairs:
    """Cameras that stand near each other and look the same way; all pairs of a few pictures."""
    count = len(viewmats)
    if count <= EXHAUSTIVE:
        return exhaustive_pairs(count)
    rotations = viewmats[:, :3, :3]
    centres = -np.einsum("nji,nj->ni", rotations, viewmats[:, :3, 3])
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    spread = float(np.median(apart)) or 1.0
    facing = np.einsum("ni,mi->nm", rotations[:, 2], rotations[:, 2])
    # Near is good, but the nearest alone give no angle to triangulate with: a quarter of the spread is best.
    score = facing - np.abs(apart / spread - 0.25)
    allowed = ~np.eye(count, dtype=bool) & (facing > 0.3)
    return alike_pairs(score, NEIGHBOURS, allowed, range(count))


def capture_from_model(
    model_folder: Path, images: Path, masks: Path | None, folder: Path, max_size: int
) -> tuple[Capture, tuple[str, ...]]:
    """A Capture of a COLMAP model and its pictures, and the names of the pictures that are missing.

    Raises:
        FormatError: the model or a picture cannot be read, or no picture of it is there.
    """
    quiet_colmap()
    model = read_model(model_folder)
    names = [model.images[number].name for number in model.reg_image_ids()]
    here = sorted(name for name in names if (images / name).is_file())
    missing = tuple(sorted(set(names) - set(here)))
    if not here:
        raise FormatError(
            f"none of the {len(names)} pictures of the model {model_folder} is in {images}, such as "
            f"{names[0] if names else 'any'}; expected the folder of the pictures that the model was made from."
        )
    for number in list(model.reg_image_ids()):
        if model.images[number].name in set(missing):
            model.deregister_frame(model.images[number].frame_id)
    sources = [
        Source(name, images / name, None if masks is None else masks / f"{name}.png", float(index))
        for index, name in enumerate(here)
    ]
    return make_capture(model, sources, folder, max_size), missing


def read_model(folder: Path) -> Any:
    """A COLMAP model, binary or text, whose poses and points are finite.

    Raises:
        FormatError: it cannot be read, or holds a number that is not finite.
    """
    import pycolmap

    try:
        model = pycolmap.Reconstruction(folder)
    except (ValueError, RuntimeError, IndexError, MemoryError) as error:
        raise FormatError(
            f"{folder} cannot be read as a COLMAP model ({error}); expected the files cameras, images and points3D."
        ) from error
    for number in model.reg_image_ids():
        image = model.images[number]
        if not np.isfinite(image.cam_from_world().matrix()).all():
            raise FormatError(f"{folder} gives the picture {image.name} a pose that is not finite; expected numbers.")
    return model
