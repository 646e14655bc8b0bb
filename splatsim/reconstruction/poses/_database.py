"""COLMAP's database: cameras and pictures written in a fixed order, so that numbers never depend on threads."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from splatsim.reconstruction.frameset import Frame

DATABASE, FINGERPRINT = "database.db", "database.json"
PRIOR = 1.2
"""Focal length that is assumed where the file says none, in long sides of the picture (as COLMAP does)."""


@dataclass(frozen=True)
class Lens:
    """A COLMAP camera as plain values."""

    model: str
    """COLMAP's name, such as SIMPLE_RADIAL."""
    width: int
    height: int
    params: tuple[float, ...]
    """In COLMAP's order."""
    known_focal: bool = True
    """Whether the focal length is more than a guess."""


@dataclass(frozen=True)
class Picture:
    """A picture file and the number of its lens."""

    name: str
    lens: int


def lenses(frames: Sequence[Frame], model: str) -> tuple[list[Lens], list[Picture]]:
    """One lens for each of `Frame.camera`, its focal length from the files where they say it, and the pictures."""
    groups: dict[tuple[int, int, int], list[Frame]] = {}
    for frame in frames:
        groups.setdefault((frame.camera, frame.width, frame.height), []).append(frame)
    number = {key: index for index, key in enumerate(groups)}
    pictures = [Picture(frame.name, number[frame.camera, frame.width, frame.height]) for frame in frames]
    return [_lens(group, model) for group in groups.values()], pictures


def _lens(frames: list[Frame], model: str) -> Lens:
    import pycolmap

    width, height = frames[0].width, frames[0].height
    focals = [frame.focal for frame in frames if frame.focal is not None]
    focal = float(np.median(focals)) if focals else PRIOR * max(width, height)
    camera = pycolmap.Camera.create_from_model_name(1, model.upper(), focal, width, height)
    return Lens(camera.model_name, width, height, tuple(float(value) for value in camera.params), bool(focals))


def camera_of(lens: Lens) -> Any:
    """The pycolmap camera of a lens."""
    import pycolmap

    camera = pycolmap.Camera(model=lens.model, width=lens.width, height=lens.height, params=list(lens.params))
    camera.has_prior_focal_length = lens.known_focal
    return camera


def prepare(folder: Path, lenses: Sequence[Lens], pictures: Sequence[Picture], fingerprint: str) -> Path:
    """The database of these pictures: the one that is there if it was begun from the same, else a new one."""
    path, note = folder / DATABASE, folder / FINGERPRINT
    if path.is_file() and note.is_file() and _read_fingerprint(note) == fingerprint:
        return path
    for old in folder.glob(f"{DATABASE}*"):
        old.unlink()
    temporary = folder / f".{DATABASE}.partial"
    temporary.unlink(missing_ok=True)
    _write(temporary, lenses, pictures)
    note_temporary = folder / f".{FINGERPRINT}.partial"
    note_temporary.write_text(json.dumps({"fingerprint": fingerprint}), encoding="utf-8")
    os.replace(note_temporary, note)
    os.replace(temporary, path)
    return path


def _read_fingerprint(note: Path) -> str | None:
    try:
        return str(json.loads(note.read_text(encoding="utf-8"))["fingerprint"])
    except (ValueError, KeyError, TypeError):
        return None


def _write(path: Path, lenses: Sequence[Lens], pictures: Sequence[Picture]) -> None:
    import pycolmap

    database = pycolmap.Database.open(path)
    try:
        rigs = {}
        for number, lens in enumerate(lenses):
            camera = camera_of(lens)
            camera.camera_id = database.write_camera(camera)
            rig = pycolmap.Rig()
            rig.add_ref_sensor(camera.sensor_id)
            rigs[number] = (camera.camera_id, database.write_rig(rig))
        for picture in pictures:
            image = pycolmap.Image(name=picture.name, camera_id=rigs[picture.lens][0])
            image.image_id = database.write_image(image)
            frame = pycolmap.Frame()
            frame.rig_id = rigs[picture.lens][1]
            frame.add_data_id(image.data_id)
            database.write_frame(frame)
    finally:
        database.close()


def fingerprint_of(folder: Path, names: Sequence[str], *facts: object) -> str:
    """A hash of the pictures' bytes and of the settings that the features depend on."""
    digest = hashlib.sha256(repr(facts).encode())
    for name in names:
        digest.update(name.encode() + b"\0" + hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()


def image_ids(path: Path) -> dict[str, int]:
    """COLMAP's number of each picture, by name."""
    import pycolmap

    database = pycolmap.Database.open(path)
    try:
        return {image.name: image.image_id for image in database.read_all_images()}
    finally:
        database.close()


@dataclass(frozen=True)
class Links:
    """Which pictures match, after geometric verification."""

    pairs: Integer[np.ndarray, "m 2"]
    """Indices of the two pictures."""
    inliers: Integer[np.ndarray, " m"]
    """Matches that agree with one geometry."""
    configs: tuple[str, ...]
    """COLMAP's kind of each, such as CALIBRATED or PLANAR_OR_PANORAMIC."""
    homographies: Float[np.ndarray, "m 3 3"]
    """Pixels of the first picture to those of the second; zeros where there is none."""


def read_links(path: Path, names: Sequence[str]) -> Links:
    """All verified pairs, in the order of the pictures."""
    import pycolmap

    index = {number: names.index(name) for name, number in image_ids(path).items()}
    database = pycolmap.Database.open(path)
    try:
        ids, geometries = database.read_two_view_geometries()
    finally:
        database.close()
    pairs, inliers, configs, homographies = [], [], [], []
    for pair_id, geometry in zip(ids, geometries, strict=True):
        if len(geometry.inlier_matches):
            first, second = (index[number] for number in pycolmap.pair_id_to_image_pair(pair_id))
            pairs.append((first, second))
            inliers.append(len(geometry.inlier_matches))
            configs.append(pycolmap.TwoViewGeometryConfiguration(geometry.config).name)
            homographies.append(np.zeros((3, 3)) if geometry.H is None else geometry.H)
    count = len(pairs)
    return Links(
        np.array(pairs, np.int64).reshape(count, 2),
        np.array(inliers, np.int64),
        tuple(configs),
        np.array(homographies, np.float64).reshape(count, 3, 3),
    )


def keypoint_counts(path: Path, names: Sequence[str]) -> Integer[np.ndarray, " n"]:
    """Features found in each picture."""
    import pycolmap

    ids = image_ids(path)
    database = pycolmap.Database.open(path)
    try:
        return np.array([database.num_keypoints_for_image(ids[name]) for name in names], np.int64)
    finally:
        database.close()
