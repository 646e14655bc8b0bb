"""Poses from elsewhere: nerfstudio's and instant-ngp's transforms.json, and COLMAP models."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from splatsim.errors import FormatError
from splatsim.formats.transforms import OPENCV_FROM_OPENGL
from splatsim.reconstruction.capture import Capture
from splatsim.reconstruction.poses import Lens, Source, capture_from_model, triangulate

EXTENSIONS = (".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG", ".webp", ".bmp", ".tif", ".tiff")
MAX_FRAMES = 100_000
"""More entries than that are taken for a mistake."""


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
    content = _read_json(path)
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


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} cannot be read ({error}); expected a transforms.json.") from error
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        raise FormatError(f'{path} has no list "frames" of objects; expected a transforms.json.')
    if not 0 < len(frames) <= MAX_FRAMES:
        raise FormatError(f"{path} lists {len(frames)} frames; expected 1 to {MAX_FRAMES}.")
    return dict(content)


def _entries(path: Path, content: dict[str, Any]) -> tuple[list[_Entry], tuple[str, ...]]:
    undo = _undo_applied(path, content)
    entries, missing = [], []
    for number, frame in enumerate(content["frames"]):
        label = frame.get("file_path")
        if not isinstance(label, str) or not label:
            raise FormatError(f'{path} gives frame {number} no "file_path"; expected the path of a picture.')
        viewmat = _viewmat(f"{path} gives frame {number} ({label})", frame, undo)
        picture = _find(path.parent, label)
        if picture is None:
            missing.append(label)
            continue
        mask = _find(path.parent, frame["mask_path"]) if isinstance(frame.get("mask_path"), str) else None
        entries.append(_Entry(label, picture, mask, _lens(path, {**content, **frame}, picture), viewmat))
    return entries, tuple(missing)


def _find(base: Path, label: str) -> Path | None:
    """The file of a picture: under its path, with an extension, or by its name beside the transforms.json."""
    relative = Path(label.replace("\\", "/"))
    for candidate in (base / relative, base / relative.name):
        for suffix in ("", *EXTENSIONS):
            file = candidate.with_name(candidate.name + suffix)
            if file.is_file():
                return file
    return None


def _numbers(where: str, name: str, value: object, shapes: Sequence[tuple[int, ...]]) -> Float[np.ndarray, "*shape"]:
    try:
        array = np.array(value, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise FormatError(f'{where} a "{name}" that holds no numbers; expected {list(shapes[-1])}.') from error
    if array.shape not in shapes:
        raise FormatError(f'{where} a "{name}" of shape {list(array.shape)}; expected {list(shapes[-1])}.')
    if not np.isfinite(array).all():
        raise FormatError(f'{where} a "{name}" that is not finite; expected numbers.')
    return array


def _square(matrix: Float[np.ndarray, "rows 4"]) -> Float[np.ndarray, "4 4"]:
    return np.vstack([matrix[:3], [0.0, 0.0, 0.0, 1.0]])


def _undo_applied(path: Path, content: Mapping[str, Any]) -> tuple[Float[np.ndarray, "4 4"], float]:
    """The inverse of `applied_transform`, and of `applied_scale`."""
    where = f"{path} has"
    applied = _square(
        _numbers(where, "applied_transform", content.get("applied_transform", np.eye(4)), [(3, 4), (4, 4)])
    )
    scale = float(_numbers(where, "applied_scale", content.get("applied_scale", 1.0), [()]))
    if abs(np.linalg.det(applied[:3, :3])) < 1e-9 or scale <= 0:
        raise FormatError(f"{where} an applied_transform or applied_scale ({scale}) that cannot be undone.")
    return np.linalg.inv(applied), 1.0 / scale


def _viewmat(
    where: str, frame: Mapping[str, Any], undo: tuple[Float[np.ndarray, "4 4"], float]
) -> Float[np.ndarray, "4 4"]:
    """cam_from_world, OpenCV, in the frame the poses came from."""
    matrix = _square(_numbers(where, "transform_matrix", frame.get("transform_matrix"), [(3, 4), (4, 4)]))
    matrix[:3, 3] *= undo[1]
    matrix = undo[0] @ matrix @ np.diag(OPENCV_FROM_OPENGL)
    u, singular, vt = np.linalg.svd(matrix[:3, :3])
    if not (np.abs(singular - 1) < 0.02).all() or np.linalg.det(u @ vt) < 0:
        raise FormatError(
            f"{where} a transform_matrix that is no rotation: its singular values are {singular.round(4).tolist()}, "
            f"the sign of its determinant {np.sign(np.linalg.det(u @ vt)):.0f}; expected three times 1, and 1."
        )
    rotation = u @ vt
    viewmat = np.eye(4)
    viewmat[:3, :3] = rotation.T
    viewmat[:3, 3] = -rotation.T @ matrix[:3, 3]
    return viewmat


def _lens(path: Path, facts: Mapping[str, Any], picture: Path) -> Lens:
    """The camera of one picture, as COLMAP has it; the sizes of the file are those of the intrinsics."""
    width, height = _size_of(picture)

    def number(name: str, default: float) -> float:
        return float(_numbers(f"{path} has", name, facts.get(name, default), [()]))

    w, h = number("w", width), number("h", height)
    if min(w, h) < 1 or not np.allclose((width / w), (height / h), rtol=0.02):
        raise FormatError(
            f"{picture} has {width} x {height} pixels, and {path} says {w:g} x {h:g}; expected the same, or "
            "the same shape."
        )
    sx, sy = width / w, height / h
    fx = number("fl_x", 0.0) or _focal(w, number("camera_angle_x", 0.0))
    fy = number("fl_y", 0.0) or _focal(h, number("camera_angle_y", 0.0)) or fx
    fx = fx or fy
    if not 1e-3 * w < fx < 1e3 * w or not 1e-3 * h < fy < 1e3 * h:
        raise FormatError(
            f"{path} gives {picture.name} the focal lengths {fx:g} and {fy:g} pixels; expected fl_x, or camera_angle_x."
        )
    pinhole = (fx * sx, fy * sy, number("cx", w / 2) * sx, number("cy", h / 2) * sy)
    k1, k2, k3, k4, p1, p2 = (number(name, 0.0) for name in ("k1", "k2", "k3", "k4", "p1", "p2"))
    if facts.get("camera_model") == "OPENCV_FISHEYE" or facts.get("is_fisheye"):
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
