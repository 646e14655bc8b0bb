"""Calibrations of the cameras around a person: anipose's calibration.toml, transforms.json, COLMAP's text files."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from splatsim.errors import FormatError
from splatsim.formats.transforms import OPENCV_FROM_OPENGL
from splatsim.formats.transforms_reading import (
    MAX_SIDE,
    coefficients,
    is_fisheye,
    local_path,
    motion,
    number,
    read_transforms_json,
    rotation_of,
    shortened,
)

MAX_BYTES = 1 << 27


@dataclass(frozen=True, eq=False)
class Lens:
    """A calibrated camera that stands still, or one picture of a camera that moves."""

    name: str
    """Of the camera, or the path of the picture as the file has it."""
    size: tuple[int, int]
    """Width and height that the intrinsics belong to, pixels."""
    K: Float[np.ndarray, "3 3"]
    """Pixels."""
    distortion: Float[np.ndarray, "5"]
    """k1, k2, p1, p2, k3."""
    viewmat: Float[np.ndarray, "4 4"]
    """cam_from_world."""


def read_anipose(path: Path) -> list[Lens]:
    """Cameras that stand still, as anipose, Pose2Sim and Caliscope write them: one table each.

    Raises:
        FormatError: it is no such file, or a camera's numbers are missing, not finite or those of a fisheye.
    """
    try:
        tables = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise FormatError(f"{path} is not TOML ({error}); expected a calibration of anipose or Pose2Sim.") from error
    lenses = []
    for key, table in tables.items():
        if not isinstance(table, dict) or "matrix" not in table:
            continue
        where = f"{path}, camera {table.get('name', key)!r}"
        if table.get("fisheye"):
            raise FormatError(f"{where} is a fisheye; expected a lens with radial and tangential distortion.")
        size = _array(where, table, "size", (2,))
        distortion = _distortion(where, table.get("distortions", [0.0] * 5))
        viewmat = np.eye(4)
        viewmat[:3, :3] = _rotation(_array(where, table, "rotation", (3,)))
        viewmat[:3, 3] = _array(where, table, "translation", (3,))
        K = _array(where, table, "matrix", (3, 3))
        _check_focal(where, K)
        lenses.append(Lens(str(table.get("name", key)), (int(size[0]), int(size[1])), K, distortion, viewmat))
    if not lenses:
        raise FormatError(f"{path} has no camera with a matrix; expected a table for each camera.")
    return lenses


def read_transforms(path: Path) -> list[Lens]:
    """One lens for each picture of a transforms.json (nerfstudio, instant-ngp); axes of OpenGL become ours.

    Raises:
        FormatError: it is no such file, a pose is no rigid motion, or intrinsics are missing.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; expected the calibration of the cameras.")
    content = read_transforms_json(path)
    lenses = []
    for index, frame in enumerate(content["frames"]):
        label = frame["file_path"]
        where = f"{path} gives frame {index} ({shortened(label)[1:-1]})"
        facts = {**content, **frame}
        pose = motion(where, frame) @ np.diag(OPENCV_FROM_OPENGL)
        pose[:3, :3] = rotation_of(where, pose)
        K, size = _intrinsics(where, facts)
        if is_fisheye(where, facts):
            raise FormatError(f"{where} a fisheye; expected a lens with radial and tangential distortion.")
        distortion = np.array(coefficients(where, facts, "k1", "k2", "p1", "p2", "k3"))
        lenses.append(Lens(str(local_path(where, frame, "file_path")), size, K, distortion, np.linalg.inv(pose)))
    return lenses


def _intrinsics(where: str, facts: Mapping[str, Any]) -> tuple[Float[np.ndarray, "3 3"], tuple[int, int]]:
    """Of one frame of a transforms.json, and the size they belong to."""
    missing = [key for key in ("w", "h", "fl_x") if key not in facts]
    if missing:
        raise FormatError(f'{where} no "{missing[0]}"; expected w, h and fl_x in pixels, for all frames or for each.')
    w, h = (number(where, facts, key, 0.0, 1, MAX_SIDE) for key in ("w", "h"))
    fx = number(where, facts, "fl_x", 0.0, 1e-3 * w, 1e3 * w)
    fy = number(where, facts, "fl_y", fx, 1e-3 * h, 1e3 * h)
    cx, cy = number(where, facts, "cx", w / 2, -w, 2 * w), number(where, facts, "cy", h / 2, -h, 2 * h)
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]), (int(w), int(h))


def read_scene_cameras(path: Path) -> list[Lens]:
    """One lens for each picture of the cameras.json that `splatsim reconstruct` writes beside a scene.

    Raises:
        FormatError: it is no such file, or a frame's numbers are missing or not finite.
    """
    try:
        frames = json.loads(_text(path))["frames"]
        named = [(str(frame["name"]), frame) for frame in frames]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FormatError(
            f"{path} has no frames with names ({error}); expected one of splatsim reconstruct."
        ) from error
    lenses = []
    for name, frame in named:
        where = f"{path}, picture {name}"
        size = (int(_number(where, frame, "width")), int(_number(where, frame, "height")))
        pose = _array(where, frame, "world_from_cam", (4, 4))
        K = _array(where, frame, "K", (3, 3))
        _check_focal(where, K)
        lenses.append(Lens(name, size, K, np.zeros(5), np.linalg.inv(pose)))
    return lenses


_COLMAP = {
    "SIMPLE_PINHOLE": ("f", "cx", "cy"),
    "PINHOLE": ("fx", "fy", "cx", "cy"),
    "SIMPLE_RADIAL": ("f", "cx", "cy", "k1"),
    "RADIAL": ("f", "cx", "cy", "k1", "k2"),
    "OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2"),
}


def read_colmap(folder: Path) -> list[Lens]:
    """One lens for each picture of a COLMAP model in text form (cameras.txt, images.txt).

    Raises:
        FormatError: a line is not what it should be, or a camera is of a model that is not known here.
    """
    cameras = {}
    for row, line in _lines(folder / "cameras.txt"):
        words = line.split()
        names = _COLMAP.get(words[1]) if len(words) > 1 else None
        if names is None or len(words) != 4 + len(names):
            raise FormatError(f"{folder / 'cameras.txt'}, line {row}: {line!r}; expected one of {', '.join(_COLMAP)}.")
        values = dict(zip(names, _floats(folder / "cameras.txt", row, words[4:]), strict=True))
        fx, fy = values.get("fx", values.get("f", 0.0)), values.get("fy", values.get("f", 0.0))
        K = np.array([[fx, 0, values["cx"]], [0, fy, values["cy"]], [0, 0, 1]])
        _check_focal(f"{folder / 'cameras.txt'}, line {row}", K)
        distortion = np.array([values.get(key, 0.0) for key in ("k1", "k2", "p1", "p2", "k3")])
        cameras[words[0]] = ((int(words[2]), int(words[3])), K, distortion)
    lenses = []
    for row, line in list(_lines(folder / "images.txt"))[::2]:
        words = line.split(maxsplit=9)
        if len(words) != 10 or words[8] not in cameras:
            raise FormatError(
                f"{folder / 'images.txt'}, line {row}: {line[:60]!r}; expected an image of a known camera."
            )
        motion = _floats(folder / "images.txt", row, words[1:8])
        viewmat = np.eye(4)
        viewmat[:3, :3] = _rotation_of_quat(np.array(motion[:4]))
        viewmat[:3, 3] = motion[4:]
        lenses.append(Lens(words[9], *cameras[words[8]], viewmat))
    if not lenses:
        raise FormatError(f"{folder} has no images; expected a COLMAP model.")
    return lenses


def _lines(path: Path) -> list[tuple[int, str]]:
    """Lines that are no comments, with their numbers; an image's second line may be empty."""
    if not path.is_file():
        raise FormatError(f"there is no {path}; export the model as text: colmap model_converter --output_type TXT.")
    lines = _text(path).splitlines()
    return [(row, line) for row, line in enumerate(lines, start=1) if not line.startswith("#")]


def _text(path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; expected the calibration of the cameras.")
    if path.stat().st_size > MAX_BYTES:
        raise FormatError(f"{path} has {path.stat().st_size} bytes; expected at most {MAX_BYTES}.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is no text ({error}); expected the calibration of the cameras.") from error


def _floats(path: Path, number: int, words: Sequence[str]) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise FormatError(f"{path}, line {number}: {error}; expected numbers.") from error
    if not np.isfinite(values).all():
        raise FormatError(f"{path}, line {number} has a number that is not finite: {' '.join(words)}.")
    return values


def _number(where: str, facts: Mapping[str, Any], key: str, default: float | None = None) -> float:
    value = facts.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise FormatError(f'{where} has "{key}" = {value!r}; expected a finite number.')
    return float(value)


def _array(where: str, facts: Mapping[str, Any], key: str, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.array(facts.get(key), np.float64)
    except (TypeError, ValueError) as error:
        raise FormatError(f'{where} has a "{key}" that holds no numbers ({error}).') from error
    if array.shape != shape:
        raise FormatError(f'{where} has a "{key}" of shape {list(array.shape)}; expected {list(shape)}.')
    if not np.isfinite(array).all():
        raise FormatError(f'{where} has a "{key}" with a number that is not finite: {array.ravel().tolist()}.')
    return array


def _distortion(where: str, values: Any) -> Float[np.ndarray, "5"]:
    if not isinstance(values, list) or len(values) > 5:
        raise FormatError(f"{where} has distortions {values!r}; expected at most k1, k2, p1, p2, k3.")
    padded = list(values) + [0.0] * (5 - len(values))
    return _array(where, {"distortions": padded}, "distortions", (5,))


def _check_focal(where: str, K: Float[np.ndarray, "3 3"]) -> None:
    if not (K[0, 0] > 0 and K[1, 1] > 0):
        raise FormatError(
            f"{where} has focal lengths {K[0, 0]:g} and {K[1, 1]:g}; expected positive numbers of pixels."
        )


def _rotation(vector: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_rotvec(vector).as_matrix())


def _rotation_of_quat(quat: Float[np.ndarray, "4"]) -> Float[np.ndarray, "3 3"]:
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_quat(quat, scalar_first=True).as_matrix())
