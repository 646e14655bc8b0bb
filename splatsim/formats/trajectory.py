"""Trajectories as JSON: our own, those of the generated worlds, and the camera paths of nerfstudio's viewer."""

import json
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.cameras import MAX_IMAGE_SIDE, Cameras
from splatsim.errors import FormatError
from splatsim.transforms import invert

MAX_CAMERA_FILE = 64 * 1024 * 1024
"""Bytes: some 100,000 cameras."""


def load_cameras(path: Path) -> Cameras:
    """Pinhole cameras from JSON: `{"width": w, "height": h, "K": 3 rows, "cam_from_world": one 4 × 4 for each frame}`.

    Instead of `cam_from_world` there may be `world_from_cam`. A `camera_path` of nerfstudio's viewer is read as well
    (perspective cameras; its frames are the frames of the video).

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is not JSON, or a key is missing or holds something else.
    """
    content = _read(path)
    if "camera_path" in content:
        return _nerfstudio(path, content)
    K = _matrices(path, content, "K", (3, 3))
    if "world_from_cam" in content and "cam_from_world" not in content:
        poses = _matrices(path, content, "world_from_cam", (-1, 4, 4))
        _check_rigid(path, "world_from_cam", poses)
        viewmats = invert(poses)
    else:
        viewmats = _matrices(path, content, "cam_from_world", (-1, 4, 4))
        _check_rigid(path, "cam_from_world", viewmats)
    width, height = (_side(path, content, key) for key in ("width", "height"))
    return Cameras(viewmats, K.repeat(len(viewmats), 1, 1), width, height)


def _nerfstudio(path: Path, content: dict[str, Any]) -> Cameras:
    """Cameras of `ns-viewer`: OpenGL axes, camera_to_world by rows, `fov` vertical in degrees."""
    kind = content.get("camera_type", "perspective")
    if kind != "perspective":
        raise FormatError(f'{path}: camera_type is {kind!r}; expected "perspective".')
    width, height = (_side(path, content, key) for key in ("render_width", "render_height"))
    frames = content["camera_path"]
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        raise FormatError(f"{path}: camera_path is no list of objects; expected one for each frame.")
    columns = {
        key: [_entry(path, frame, key, "camera_to_world, fov") for frame in frames]
        for key in ("camera_to_world", "fov")
    }
    poses = _matrices(path, columns, "camera_to_world", (-1, 16)).view(-1, 4, 4)
    _check_rigid(path, "camera_to_world", poses)
    fov = _matrices(path, columns, "fov", (-1,))
    if not bool(((fov > 0) & (fov < 180)).all()):
        raise FormatError(f"{path}: fov goes from {float(fov.min())} to {float(fov.max())}; expected 0 to 180 degrees.")
    Ks = torch.eye(3).repeat(len(poses), 1, 1)
    Ks[:, 0, 0] = Ks[:, 1, 1] = 0.5 * height / (torch.deg2rad(fov) / 2).tan()
    Ks[:, 0, 2], Ks[:, 1, 2] = width / 2, height / 2
    return Cameras(invert(poses * torch.tensor([1.0, -1.0, -1.0, 1.0])), Ks, width, height)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; expected the path of a .json file of cameras.")
    if path.stat().st_size > MAX_CAMERA_FILE:
        raise FormatError(f"{path} has {path.stat().st_size} bytes; expected at most {MAX_CAMERA_FILE} for cameras.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not JSON ({error}); expected an object with width, height, K, …") from error
    if not isinstance(content, dict):
        raise FormatError(f"{path} holds a {type(content).__name__}; expected an object with width, height, K, …")
    return content


def _entry(path: Path, content: dict[str, Any], key: str, expected: str = "width, height, K, cam_from_world") -> Any:
    if key not in content:
        raise FormatError(f'{path} has no "{key}", only {sorted(content)}; expected {expected}.')
    return content[key]


def _side(path: Path, content: dict[str, Any], key: str) -> int:
    pixels = _entry(path, content, key)
    if isinstance(pixels, bool) or not isinstance(pixels, int) or not 1 <= pixels <= MAX_IMAGE_SIDE:
        raise FormatError(f"{path}: {key} is {pixels!r}; expected a whole number of pixels, 1 to {MAX_IMAGE_SIDE}.")
    return pixels


def _matrices(path: Path, content: dict[str, Any], key: str, shape: tuple[int, ...]) -> Tensor:
    """The finite numbers under a key; -1 in the shape stands for one or more."""
    expected = " × ".join("frames" if size < 0 else str(size) for size in shape)
    value = _entry(path, content, key)
    try:
        tensor = torch.tensor(value, dtype=torch.float32)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise FormatError(f"{path}: {key} is not a regular array ({error}); expected {expected} numbers.") from error
    fits = tensor.ndim == len(shape) and all(want in (-1, have) for want, have in zip(shape, tensor.shape, strict=True))
    if not fits or tensor.numel() == 0:
        raise FormatError(f"{path}: {key} has shape {list(tensor.shape)}; expected {expected}.")
    if not bool(tensor.isfinite().all()):
        raise FormatError(f"{path}: {key} has a number that is not finite; expected {expected} finite numbers.")
    return tensor


def _check_rigid(path: Path, key: str, transforms: Float[Tensor, "c 4 4"]) -> None:
    rotations = transforms[:, :3, :3]
    errors = (rotations @ rotations.mT - torch.eye(3)).abs().amax((1, 2))
    errors = torch.maximum(errors, (transforms[:, 3] - torch.tensor([0.0, 0.0, 0.0, 1.0])).abs().amax(1))
    bad = (errors > 1e-3) | (rotations.det() < 0)
    if bool(bad.any()):
        where = int(bad.nonzero()[0, 0])
        raise FormatError(
            f"{path}: {key}[{where}] is {transforms[where].tolist()}; "
            "expected a rotation and a translation, with the last row 0 0 0 1."
        )
