"""From a COLMAP model to a Capture: pinhole pictures, poses, points, and a COLMAP model of the same."""

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from tqdm.auto import tqdm

from splatsim.reconstruction.capture import IMAGES, MASKS, Capture
from splatsim.reconstruction.poses._database import Lens
from splatsim.reconstruction.poses._lenses import read_mask, read_picture, undistortion, write_png
from splatsim.reconstruction.poses._originals import Original, write_originals

SPARSE = "sparse"


@dataclass(frozen=True)
class Source:
    """A picture that a model may hold."""

    name: str
    """In the model."""
    path: Path
    """The file."""
    mask: Path | None
    """Where its mask would be."""
    time: float
    """Seconds in the video; the index for photos."""


def make_capture(model: Any, sources: Sequence[Source], folder: Path, max_size: int) -> Capture:
    """The registered pictures of a model in `folder`, in the order of `sources`; written at once or not at all.

    The model is changed: its cameras become pinholes, its pictures take the new names.

    Raises:
        FormatError: a picture cannot be read, or is of another size than its camera.
    """
    by_name = {model.images[number].name: model.images[number] for number in model.reg_image_ids()}
    used = [source for source in sources if source.name in by_name]
    names = picture_names([source.name for source in used])
    temporary = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    (temporary / IMAGES).mkdir(parents=True)
    images = [by_name[source.name] for source in used]
    lenses = [_lens_of(model.cameras[image.camera_id]) for image in images]
    for source, name, lens in tqdm(
        list(zip(used, names, lenses, strict=True)), desc="removing distortion", unit="picture", disable=None
    ):
        _write_picture(source, temporary, name, lens, max_size)
    _make_pinhole(model, images, lenses, names, max_size)
    (temporary / SPARSE).mkdir()
    model.write(temporary / SPARSE)
    _capture(model, images, temporary, names, [source.time for source in used]).save()
    write_originals(temporary, [Original(s.name, lens, max_size) for s, lens in zip(used, lenses, strict=True)])
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(temporary, folder)
    return Capture.load(folder)


def picture_names(names: Sequence[str]) -> tuple[str, ...]:
    """File names of the pictures that are written: plain, ending in .png, all different."""
    plain_names = [without_spaces(name.replace("\\", "/")) for name in names]
    flat = [name.replace("/", "_") for name in plain_names]
    short = [PurePosixPath(name).stem for name in plain_names]
    taken: set[str] = set()
    result = []
    for stem, name in zip(short, flat, strict=True):
        plain = stem if short.count(stem) == 1 else name
        while plain in taken:
            plain += "_"
        taken.add(plain)
        result.append(f"{plain}.png")
    return tuple(result)


def without_spaces(name: str) -> str:
    """A name that COLMAP's lists of pairs can hold: they end a name at a space, and # begins a comment."""
    return re.sub(r"[\s#]", "_", name)


def _lens_of(camera: Any) -> Lens:
    params = tuple(float(value) for value in camera.params)
    return Lens(camera.model_name, camera.width, camera.height, params)


def _write_picture(source: Source, folder: Path, name: str, lens: Lens, max_size: int) -> None:
    change = undistortion(lens, max_size)
    write_png(folder / IMAGES / name, change.picture(read_picture(source.path, lens)))
    mask = read_mask(source.mask, lens)
    if mask is not None:
        (folder / MASKS).mkdir(exist_ok=True)
        write_png(folder / MASKS / f"{name}.png", change.mask(mask))


def _make_pinhole(model: Any, images: list[Any], lenses: list[Lens], names: Sequence[str], max_size: int) -> None:
    """Turn cameras and observed pixels of the model into those of the pinhole pictures."""
    import pycolmap

    for image, lens, name in zip(images, lenses, names, strict=True):
        change = undistortion(lens, max_size)
        camera = model.cameras[image.camera_id]
        if camera.model_name == lens.model and tuple(camera.params) == lens.params:
            distorted = pycolmap.Camera(camera.todict())
            camera.model = pycolmap.CameraModelId.PINHOLE
            camera.width, camera.height = change.width, change.height
            K = change.K
            camera.params = [K[0, 0], K[1, 1], K[0, 2], K[1, 2]]
            _move_points(model, image.camera_id, distorted, camera)
        image.name = name


def _move_points(model: Any, camera_id: int, distorted: Any, pinhole: Any) -> None:
    for image in model.images.values():
        if image.camera_id == camera_id and image.num_points2D():
            points = image.points2D
            pixels = np.array([point.xy for point in points], np.float64)
            rays = np.asarray(distorted.cam_from_img(pixels))
            moved = np.asarray(pinhole.img_from_cam(np.c_[rays, np.ones(len(rays))]))
            for point, pixel in zip(points, moved, strict=True):
                point.xy = pixel


def _capture(model: Any, images: list[Any], folder: Path, names: Sequence[str], times: Sequence[float]) -> Capture:
    cameras = [model.cameras[image.camera_id] for image in images]
    index = {image.image_id: number for number, image in enumerate(images)}
    point_ids = sorted(model.point3D_ids())
    points = [model.points3D[number] for number in point_ids]
    observed = [
        np.unique([index[element.image_id] for element in point.track.elements if element.image_id in index])
        for point in points
    ]
    seen = np.concatenate([np.zeros(0, np.int64), *observed])
    which = np.repeat(np.arange(len(points)), [len(one) for one in observed])
    return Capture(
        folder,
        tuple(names),
        tuple((camera.width, camera.height) for camera in cameras),
        torch.from_numpy(np.stack([_matrix(image) for image in images])).float(),
        torch.from_numpy(np.stack([camera.calibration_matrix() for camera in cameras])).float(),
        torch.tensor(times, dtype=torch.float32),
        torch.tensor(np.array([point.xyz for point in points]).reshape(-1, 3), dtype=torch.float32),
        torch.tensor(np.array([point.color for point in points], np.uint8).reshape(-1, 3)),
        torch.tensor([max(0.0, point.error) for point in points], dtype=torch.float32),
        torch.from_numpy(np.stack([seen, which], axis=1).astype(np.int32)),
    )


def _matrix(image: Any) -> Float[np.ndarray, "4 4"]:
    matrix = np.eye(4)
    matrix[:3] = image.cam_from_world().matrix()
    return matrix
