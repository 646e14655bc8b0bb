"""Where a fly-through goes: around the Gaussians, in their midst, or as a file of cameras says."""

import json
import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.cameras import MAX_IMAGE_SIDE, Cameras
from splatsim.errors import FormatError
from splatsim.gaussians import Gaussians

MAX_CAMERA_FILE = 64 * 1024 * 1024
"""Bytes: some 100,000 cameras."""


def orbit(gaussians: Gaussians, count: int, *, fov_deg: float, width: int, height: int) -> Cameras:
    """`count` cameras on a circle around the Gaussians that look at their middle from a little above.

    The radius is such that the bulk of them is in view: the outermost two percent on each side are left out of account.

    Raises:
        ValueError: there are no finite Gaussians, or the field of view or the size is wrong.
    """
    middle, half = _extent(gaussians)
    slope = math.tan(math.radians(_checked_fov(fov_deg)) / 2)
    narrow = math.atan(slope * min(1.0, max(height, 1) / max(width, 1)))  # look_at refuses sizes below 1
    radius = 1.05 * float(half.norm()) / math.sin(narrow)
    rise = math.radians(25)
    ways = _ways(count)
    eyes = middle + radius * (math.cos(rise) * ways + math.sin(rise) * torch.tensor([0.0, 0.0, 1.0]))
    return Cameras.look_at(eyes, middle.expand_as(eyes), fov_deg=fov_deg, width=width, height=height)


def inside(gaussians: Gaussians, count: int, *, fov_deg: float, width: int, height: int) -> Cameras:
    """`count` cameras in the middle of the Gaussians that turn once around and look a little down, for rooms.

    They stand a fifth of the way back from the middle, so that near things move against far ones.

    Raises:
        ValueError: there are no finite Gaussians, or the field of view or the size is wrong.
    """
    middle, half = _extent(gaussians)
    _checked_fov(fov_deg)
    ways = _ways(count)
    eyes = middle - 0.2 * ways * half * torch.tensor([1.0, 1.0, 0.0]) + 0.15 * half * torch.tensor([0.0, 0.0, 1.0])
    targets = eyes + ways - torch.tensor([0.0, 0.0, 0.25])
    return Cameras.look_at(eyes, targets, fov_deg=fov_deg, width=width, height=height)


def load_cameras(path: Path) -> Cameras:
    """Pinhole cameras from JSON: `{"width": w, "height": h, "K": 3 rows, "cam_from_world": one 4 × 4 for each frame}`.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is not JSON, or a key is missing or holds something else.
    """
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
    K = _matrices(path, content, "K", (3, 3))
    viewmats = _matrices(path, content, "cam_from_world", (-1, 4, 4))
    _check_rigid(path, viewmats)
    width, height = (_side(path, content, key) for key in ("width", "height"))
    return Cameras(viewmats, K.repeat(len(viewmats), 1, 1), width, height)


def _entry(path: Path, content: dict[str, Any], key: str) -> Any:
    if key not in content:
        raise FormatError(f'{path} has no "{key}", only {sorted(content)}; expected width, height, K, cam_from_world.')
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


def _check_rigid(path: Path, viewmats: Float[Tensor, "c 4 4"]) -> None:
    rotations = viewmats[:, :3, :3]
    errors = (rotations @ rotations.mT - torch.eye(3)).abs().amax((1, 2))
    errors = torch.maximum(errors, (viewmats[:, 3] - torch.tensor([0.0, 0.0, 0.0, 1.0])).abs().amax(1))
    bad = (errors > 1e-3) | (rotations.det() < 0)
    if bool(bad.any()):
        where = int(bad.nonzero()[0, 0])
        raise FormatError(
            f"{path}: cam_from_world[{where}] is {viewmats[where].tolist()}; "
            "expected a rotation and a translation, with the last row 0 0 0 1."
        )


def _extent(gaussians: Gaussians) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """Middle and half size of the box that holds the bulk of the Gaussians."""
    means = gaussians.means.detach().float().cpu()
    means = means[means.isfinite().all(-1)]
    if len(means) == 0:
        raise ValueError(f"there are {len(gaussians)} Gaussians, none with a finite centre; expected at least one.")
    rows = means.sort(dim=0).values
    low, high = rows[int(0.02 * (len(rows) - 1))], rows[math.ceil(0.98 * (len(rows) - 1))]
    sizes = gaussians.scales.detach().float().cpu()
    reach = sizes[sizes.isfinite().all(-1)].amax(-1).median() if len(sizes) else torch.tensor(0.0)
    return (low + high) / 2, (high - low) / 2 + reach.nan_to_num(0).clamp_min(1e-3)


def _ways(count: int) -> Float[Tensor, "c 3"]:
    """Horizontal unit vectors, counter-clockwise from -x -y, once around."""
    if count < 1:
        raise ValueError(f"{count} cameras were asked for; expected at least 1.")
    angles = 2 * math.pi * torch.arange(count) / count - 0.75 * math.pi
    return torch.stack([angles.cos(), angles.sin(), torch.zeros(count)], dim=-1)


def _checked_fov(fov_deg: float) -> float:
    if not 0 < fov_deg < 180:
        raise ValueError(f"fov_deg is {fov_deg}; expected a horizontal field of view between 0 and 180 degrees.")
    return fov_deg
