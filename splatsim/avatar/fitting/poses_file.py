"""Poses over time as a file: what a fit gives beside the avatar, and what one can begin with."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from splatsim.avatar.skeleton import Pose, Skeleton
from splatsim.errors import FormatError
from splatsim.formats._npy import Check, read_npz, write_npz

FORMAT = "splatsim poses 1"


def write_poses(path: Path, skeleton: Skeleton, pose: Pose, fps: float) -> None:
    """A .npz of rotations [t j 4] wxyz, root [t 3], and facts: names of the joints and frames a second."""
    facts = json.dumps({"format": FORMAT, "joints": skeleton.names, "fps": fps})
    write_npz(
        path,
        {
            "rotations": pose.rotations.detach().numpy(),
            "root": pose.root.detach().numpy(),
            "facts": np.frombuffer(facts.encode(), np.uint8),
        },
    )


def is_poses(path: Path) -> bool:
    """Whether a .npz looks like what `write_poses` wrote, and not like one of AMASS."""
    import zipfile

    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return {"rotations.npy", "root.npy", "facts.npy"} <= set(archive.namelist())


def read_poses(path: Path, skeleton: Skeleton) -> tuple[Pose, float]:
    """Poses and frames a second of what `write_poses` wrote, for this skeleton.

    Raises:
        FormatError: it is no such file, names other joints, or a frame is not finite; names the frame.
    """
    arrays = read_npz(path, {"rotations": _finite_table(3), "root": _finite_table(2), "facts": _bytes})
    try:
        facts = json.loads(arrays["facts"].tobytes())
        names, fps, kind = tuple(facts["joints"]), float(facts["fps"]), facts["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path} is no file of poses ({error}); expected one that splatsim wrote.") from error
    rotations, root = arrays["rotations"], arrays["root"]
    if kind != FORMAT or rotations.shape != (len(root), len(names), 4) or root.shape[1:] != (3,) or not fps > 0:
        raise FormatError(
            f"{path} has rotations {list(rotations.shape)}, root {list(root.shape)} and {len(names)} joints; "
            "expected t x joints x 4, t x 3."
        )
    missing = [name for name in skeleton.names if name not in names]
    if missing:
        raise FormatError(f"{path} has no joint {missing[0]!r}; expected the joints of the shelf's body.")
    bad = ~(np.isfinite(rotations).all((1, 2)) & np.isfinite(root).all(1) & (np.abs(rotations).max(-1) > 0).all(1))
    if bad.any():
        raise FormatError(
            f"{path}: frame {int(np.flatnonzero(bad)[0])} has a number that is not finite, or no rotation."
        )
    order = [names.index(name) for name in skeleton.names]
    return Pose(
        torch.from_numpy(rotations[:, order].astype(np.float32)), torch.from_numpy(root.astype(np.float32))
    ), fps


def _finite_table(axes: int) -> Check:
    def check(found: tuple[int, ...], dtype: "np.dtype[Any]") -> str | None:
        good = len(found) == axes and 0 < found[0] <= 1_000_000 and all(size <= 1024 for size in found[1:])
        return None if good and dtype.kind == "f" else f"a table of {axes} axes of floating-point numbers"

    return check


def _bytes(found: tuple[int, ...], dtype: "np.dtype[Any]") -> str | None:
    return None if len(found) == 1 and found[0] < 1 << 20 and dtype == np.uint8 else "less than a megabyte of text"
