"""What every reader of a transforms.json checks: sizes, numbers, motions, models of lenses and paths of pictures."""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Float

from splatsim.errors import FormatError

MAX_BYTES = 1 << 27
MAX_FRAMES = 100_000
"""More entries than that are taken for a mistake."""
MAX_SIDE = 65_536
"""Of a picture, pixels."""
FARTHEST = 1e6
"""Of a camera from the origin, in the file's units."""
STRONGEST = 100.0
"""Coefficient of a lens; real ones are below 10."""
PINHOLES = ("PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV")
"""Models of lenses whose coefficients are k1 k2 p1 p2 k3 k4, those that they lack being 0."""
FISHEYE = "OPENCV_FISHEYE"


def read_transforms_json(path: Path) -> dict[str, Any]:
    """The file's content, whose "frames" are a list of objects that each have a "file_path".

    Raises:
        FormatError: it is no such file, or larger or of more frames than any capture is.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise FormatError(f"{path} has {size} bytes; expected at most {MAX_BYTES} for a transforms.json.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} cannot be read ({shortened(error)}); expected a transforms.json.") from error
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        raise FormatError(f'{path} has no list "frames" of objects; expected a transforms.json.')
    if not 0 < len(frames) <= MAX_FRAMES:
        raise FormatError(f"{path} lists {len(frames)} frames; expected 1 to {MAX_FRAMES}.")
    for number, frame in enumerate(frames):
        label = frame.get("file_path")
        if not isinstance(label, str) or not label:
            raise FormatError(
                f'{path} gives frame {number} the "file_path" {shortened(label)}; expected the path of a picture.'
            )
    return dict(content)


def shortened(value: object) -> str:
    """For a sentence: what may be long is cut."""
    text = str(value) if isinstance(value, Exception) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def numbers(where: str, facts: Mapping[str, Any], key: str, *shapes: tuple[int, ...]) -> Float[np.ndarray, "..."]:
    """A matrix of finite numbers of one of the shapes.

    Raises:
        FormatError: it is none.
    """
    value = facts.get(key)
    try:
        array = np.array(value, np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise FormatError(f'{where} a "{key}" that holds no numbers; expected {list(shapes[-1])}.') from error
    if array.shape not in shapes:
        raise FormatError(f'{where} a "{key}" of shape {list(array.shape)}; expected {list(shapes[-1])}.')
    if not np.isfinite(array).all():
        raise FormatError(f'{where} a "{key}" that is not finite; expected numbers.')
    return array


def number(where: str, facts: Mapping[str, Any], key: str, default: float, low: float, high: float) -> float:
    """A number between two others, the default where there is none.

    Raises:
        FormatError: it is something else.
    """
    value = facts.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:  # False for nan
        raise FormatError(f'{where} the "{key}" {shortened(value)}; expected a number from {low:g} to {high:g}.')
    return float(value)


def motion(where: str, facts: Mapping[str, Any]) -> Float[np.ndarray, "4 4"]:
    """A "transform_matrix" of three or four rows, whatever its upper left corner.

    Raises:
        FormatError: it is none, its last row is not 0 0 0 1, or it is farther away than any camera.
    """
    matrix = numbers(where, facts, "transform_matrix", (3, 4), (4, 4))
    if len(matrix) == 4 and np.abs(matrix[3] - (0, 0, 0, 1)).max() > 1e-4:
        raise FormatError(
            f'{where} a "transform_matrix" whose last row is {matrix[3].tolist()}; expected 0, 0, 0, 1: a rigid motion.'
        )
    if np.abs(matrix).max() > FARTHEST:
        raise FormatError(f'{where} a "transform_matrix" with {np.abs(matrix).max():g}; expected at most {FARTHEST:g}.')
    return np.vstack([matrix[:3], [0.0, 0.0, 0.0, 1.0]])


def rotation_of(where: str, matrix: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "3 3"]:
    """The rotation that a motion's upper left corner is, put right where it is off by rounding.

    Raises:
        FormatError: it is none.
    """
    u, singular, vt = np.linalg.svd(matrix[:3, :3])
    if not (np.abs(singular - 1) < 0.02).all() or np.linalg.det(u @ vt) < 0:
        raise FormatError(
            f"{where} a transform_matrix that is no rotation: its singular values are {singular.round(4).tolist()}, "
            f"the sign of its determinant {np.sign(np.linalg.det(u @ vt)):.0f}; expected three times 1, and 1."
        )
    return np.asarray(u @ vt)


def is_fisheye(where: str, facts: Mapping[str, Any]) -> bool:
    """Whether the lens is OpenCV's fisheye; otherwise it has OpenCV's radial and tangential coefficients.

    Raises:
        FormatError: its model is another one.
    """
    model = facts.get("camera_model", "OPENCV")
    if model != FISHEYE and model not in PINHOLES:
        known = ", ".join((*PINHOLES, FISHEYE))
        raise FormatError(f'{where} the "camera_model" {shortened(model)}; expected one of {known}.')
    flag = facts.get("is_fisheye", False)
    if not isinstance(flag, bool | int):
        raise FormatError(f'{where} the "is_fisheye" {shortened(flag)}; expected true or false.')
    return bool(model == FISHEYE or flag)


def coefficients(where: str, facts: Mapping[str, Any], *keys: str) -> list[float]:
    """Of a lens, by name, 0 where there is none.

    Raises:
        FormatError: one is no number, or larger than any lens has.
    """
    return [number(where, facts, key, 0.0, -STRONGEST, STRONGEST) for key in keys]


def local_path(where: str, facts: Mapping[str, Any], key: str) -> PurePosixPath:
    """A path of the file, which stays in the file's folder.

    A path that is absolute or leads out of the folder comes from another machine: its last part is looked for instead.

    Raises:
        FormatError: it is no path.
    """
    label = facts.get(key)
    path = PurePosixPath(label.replace("\\", "/")) if isinstance(label, str) else PurePosixPath()
    if not path.name or path.name == ".." or len(str(label)) > 4096 or len(path.name) > 200 or "\0" in str(label):
        raise FormatError(
            f'{where} the "{key}" {shortened(label)}; expected the path of a picture, from the folder of the file.'
        )
    outside = path.is_absolute() or ".." in path.parts or path.parts[0].endswith(":")
    return PurePosixPath(path.name) if outside else path
