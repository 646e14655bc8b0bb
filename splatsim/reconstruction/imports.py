"""Poses from elsewhere: nerfstudio's and instant-ngp's transforms.json, and COLMAP models."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Float

from splatsim.errors import FormatError
from splatsim.formats.transforms import OPENCV_FROM_OPENGL
from splatsim.formats.transforms_reading import (
    FARTHEST,
    MAX_SIDE,
    coefficients,
    is_fisheye,
    local_path,
    motion,
    number,
    numbers,
    read_transforms_json,
    rotation_of,
    shortened,
)
from splatsim.reconstruction.capture import Capture
from splatsim.reconstruction.poses import Lens, Source, capture_from_model, triangulate

EXTENSIONS = (".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Imported:
    """Posed pictures from elsewhere, and what the file promised and did not keep."""

    capture: Capture
    """The pictures that exist, in the units of the input."""
    missing: tuple[str, ...]
    """Pictures that are listed and not there."""


@dataclass(frozen=True)
class _Entry:
    """One frame of a transforms.json whose picture exists."""

    label: str
    path: Path
    mask: Path | None
    lens: Lens
    viewmat: Float[np.ndarray, "4 4"]


def import_transforms(path: Path, folder: Path, max_size: int = 0) -> Imported:
    """The pictures and poses of a `transforms.json`, distortion removed, with points triangulated from the pictures.

    Cameras of OpenGL (x right, y up, z back) become ours. `applied_transform` and `applied_scale` of nerfstudio are
    undone, so that the poses stand in the frame and the units they came from. Pictures are looked for under their
    path, with an extension added, and by their name beside the file.

    Args:
        folder: the Capture is written there.
        max_size: long side of the pictures that are written, pixels; 0 leaves them as they are.

    Raises:
        FormatError: the file is no transforms.json, a pose is not finite or no rotation, or no picture exists.
        ReconstructionError: COLMAP failed to triangulate.
    """
    content = read_transforms_json(path)
    entries, missing = _entries(path, content)
    if not entries:
        raise FormatError(
            f"none of the {len(missing)} pictures that {path} lists exists, such as {missing[0]}; "
            "expected them under these paths, from the folder of the file."
        )
    lenses = list(dict.fromkeys(entry.lens for entry in entries))
    lens_of = [lenses.index(entry.lens) for entry in entries]
    sources = [Source(entry.label, entry.path, entry.mask, float(k)) for k, entry in enumerate(entries)]
    viewmats = np.stack([entry.viewmat for entry in entries])
    return Imported(triangulate(sources, lenses, lens_of, viewmats, folder, max_size), missing)


def import_colmap(
    model_folder: Path, images_folder: Path, folder: Path, max_size: int = 0, *, masks_folder: Path | None = None
) -> Imported:
    """The pictures, poses and points of a COLMAP model, distortion removed.

    Args:
        folder: the Capture is written there.
        max_size: long side of the pictures that are written, pixels; 0 leaves them as they are.
        masks_folder: holds NAME.png for the picture NAME; what is 0 there is not trained on.

    Raises:
        FormatError: the model or a picture cannot be read, or no picture of it exists.
    """
    capture, missing = capture_from_model(model_folder, images_folder, masks_folder, folder, max_size)
    return Imported(capture, missing)


def _entries(path: Path, content: dict[str, Any]) -> tuple[list[_Entry], tuple[str, ...]]:
    undo = _undo_applied(path, content)
    entries, missing = [], []
    for index, frame in enumerate(content["frames"]):
        label = frame["file_path"]
        where = f"{path} gives frame {index} ({shortened(label)[1:-1]})"
        viewmat = _viewmat(where, frame, undo)
        picture = _find(path.parent, local_path(where, frame, "file_path"))
        if picture is None:
            missing.append(label)
            continue
        mask = None if frame.get("mask_path") is None else _find(path.parent, local_path(where, frame, "mask_path"))
        entries.append(_Entry(label, picture, mask, _lens(path, where, {**content, **frame}, picture), viewmat))
    return entries, tuple(missing)


def _find(base: Path, relative: PurePosixPath) -> Path | None:
    """The file of a picture: under its path, with an extension, or by its name beside the transforms.json."""
    for candidate in (base / relative, base / relative.name):
        for suffix in ("", *EXTENSIONS):
            file = candidate.with_name(candidate.name + suffix)
            if file.is_file():
                return file
    return None


def _undo_applied(path: Path, content: Mapping[str, Any]) -> tuple[Float[np.ndarray, "4 4"], float]:
    """The inverse of `applied_transform`, and of `applied_scale`."""
    where = f"{path} has"
    facts = {"applied_transform": np.eye(4).tolist(), **content}
    applied = np.eye(4)
    applied[:3] = numbers(where, facts, "applied_transform", (3, 4), (4, 4))[:3]
    scale = number(f"{path} has", content, "applied_scale", 1.0, -FARTHEST, FARTHEST)
    if np.abs(applied).max() > FARTHEST or abs(np.linalg.det(applied[:3, :3])) < 1e-9 or scale < 1 / FARTHEST:
        raise FormatError(f"{where} an applied_transform or applied_scale ({scale:g}) that cannot be undone.")
    return np.linalg.inv(applied), 1.0 / scale


def _viewmat(
    where: str, frame: Mapping[str, Any], undo: tuple[Float[np.ndarray, "4 4"], float]
) -> Float[np.ndarray, "4 4"]:
    """cam_from_world, OpenCV, in the frame the poses came from."""
    matrix = motion(where, frame)
    matrix[:3, 3] *= undo[1]
    matrix = undo[0] @ matrix @ np.diag(OPENCV_FROM_OPENGL)
    rotation = rotation_of(where, matrix)
    viewmat = np.eye(4)
    viewmat[:3, :3] = rotation.T
    viewmat[:3, 3] = -rotation.T @ matrix[:3, 3]
    return viewmat


def _lens(path: Path, where: str, facts: Mapping[str, Any], picture: Path) -> Lens:
    """The camera of one picture, as COLMAP has it; the sizes of the file are those of the intrinsics."""
    width, height = _size_of(picture)
    w, h = (number(where, facts, key, side, 1, MAX_SIDE) for key, side in (("w", width), ("h", height)))
    if not np.allclose((width / w), (height / h), rtol=0.02):
        raise FormatError(
            f"{picture} has {width} x {height} pixels, and {path} says {w:g} x {h:g}; expected the same, or "
            "the same shape."
        )
    sx, sy = width / w, height / h
    most = 1e3 * MAX_SIDE
    focal = {key: number(where, facts, key, 0.0, 0.0, most) for key in ("fl_x", "fl_y")}
    angle = {key: number(where, facts, key, 0.0, 0.0, math.tau) for key in ("camera_angle_x", "camera_angle_y")}
    fx = focal["fl_x"] or _focal(w, angle["camera_angle_x"])
    fy = focal["fl_y"] or _focal(h, angle["camera_angle_y"]) or fx
    fx = fx or fy
    if not 1e-3 * w < fx < 1e3 * w or not 1e-3 * h < fy < 1e3 * h:
        raise FormatError(
            f"{path} gives {picture.name} the focal lengths {fx:g} and {fy:g} pixels; expected fl_x, or camera_angle_x."
        )
    cx, cy = number(where, facts, "cx", w / 2, -w, 2 * w), number(where, facts, "cy", h / 2, -h, 2 * h)
    pinhole = (fx * sx, fy * sy, cx * sx, cy * sy)
    k1, k2, k3, k4, p1, p2 = coefficients(where, facts, "k1", "k2", "k3", "k4", "p1", "p2")
    if is_fisheye(where, facts):
        return Lens("OPENCV_FISHEYE", width, height, (*pinhole, k1, k2, k3, k4))
    if k3 or k4:
        return Lens("FULL_OPENCV", width, height, (*pinhole, k1, k2, p1, p2, k3, k4, 0.0, 0.0))
    if k1 or k2 or p1 or p2:
        return Lens("OPENCV", width, height, (*pinhole, k1, k2, p1, p2))
    return Lens("PINHOLE", width, height, pinhole)


def _focal(side: float, angle: float) -> float:
    return side / (2 * math.tan(angle / 2)) if 0 < angle < math.pi else 0.0


def _size_of(picture: Path) -> tuple[int, int]:
    from PIL import Image

    try:
        with Image.open(picture) as file:
            return file.width, file.height
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise FormatError(f"{picture} cannot be read ({error}); expected a picture.") from error
