"""Body models and motions in SMPL's layouts, from files that users bring: nothing of SMPL is shipped here.

Models: SMPL (.pkl), SMPL-H and SMPL-X (.npz or .pkl). Motions: AMASS (.npz) and AIST++ (.pkl). No code of a pickle is
run, and neither chumpy nor the authors' packages are needed.
"""

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from splatsim.errors import FormatError
from splatsim.formats._files import existing_file
from splatsim.formats._npy import read_npz
from splatsim.formats._safe_pickle import Box, load_arrays

Array = npt.NDArray[Any]
BODY_JOINTS = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar",
    "head", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist",
)  # fmt: skip
FINGERS = tuple(f"{finger}{part}" for finger in ("index", "middle", "pinky", "ring", "thumb") for part in (1, 2, 3))
HANDS = tuple(f"{side}_{finger}" for side in ("left", "right") for finger in FINGERS)
JOINT_NAMES = {
    24: (*BODY_JOINTS, "left_hand", "right_hand"),
    52: (*BODY_JOINTS, *HANDS),
    55: (*BODY_JOINTS, "jaw", "left_eye", "right_eye", *HANDS),
}
"""By the number of joints: SMPL, SMPL-H, SMPL-X."""
KINDS = {24: "SMPL", 52: "SMPL-H", 55: "SMPL-X"}
MOST_VERTICES, MOST_FRAMES, MOST_NUMBERS = 200_000, 10_000_000, 500_000_000
WORDS = "numbers of a size that fits in memory"


@dataclass
class SmplModel:
    """A body model, y up, z forward, metres."""

    path: Path
    kind: str
    names: tuple[str, ...]
    parents: tuple[int, ...]
    template: Array
    """[v 3]."""
    shape_dirs: Array
    """[v 3 s]."""
    regressor: Array
    """[j v]: joints as sums of vertices."""
    weights: Array
    """[v j]."""
    faces: Array
    """[m 3]."""


@dataclass
class SmplMotion:
    """A motion of SMPL's joints."""

    path: Path
    names: tuple[str, ...]
    rotations: Array
    """[t j 3] axis times angle, radians; the first turns the body, y up and z forward, into the world."""
    translations: Array
    """[t 3] metres."""
    rate: float
    """Poses per second."""
    z_up: bool
    """Whether the world of the file is z up; otherwise it is y up."""
    betas: Array | None = None


def read_smpl(path: str | os.PathLike[str]) -> SmplModel:
    """A SMPL, SMPL-H or SMPL-X model.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is no such model, has arrays of other shapes, or names code.
    """
    file = existing_file(path)
    content = _content(file)
    template = _array(file, content, "v_template", (None, 3), MOST_VERTICES)
    vertices = len(template)
    weights = _array(file, content, "weights", (vertices, None))
    joints = weights.shape[1]
    if joints not in JOINT_NAMES:
        raise FormatError(f"{file} has {joints} joints; expected 24 (SMPL), 52 (SMPL-H) or 55 (SMPL-X).")
    shapes = _array(file, content, "shapedirs", (vertices, 3, None))
    regressor = _array(file, content, "J_regressor", (joints, vertices))
    faces = _array(file, content, "f", (None, 3)).astype(np.int64)
    tree = _array(file, content, "kintree_table", (2, joints))
    sums = weights.sum(1)
    if faces.min() < 0 or faces.max() >= vertices:
        raise FormatError(f"{file} has a corner {faces.max()}; expected 0 to {vertices - 1}.")
    if np.abs(sums - 1).max() > 1e-2:
        worst = int(np.abs(sums - 1).argmax())
        raise FormatError(f"{file}: the weights of vertex {worst} sum to {sums[worst]:.4g}; expected 1.")
    parents = [int(parent) if 0 <= parent < joint else -1 for joint, parent in enumerate(tree[0].astype(np.int64))]
    if parents[0] != -1 or min(parents[1:]) < 0:
        raise FormatError(f"{file} has the parents {parents}; expected each joint after its parent.")
    return SmplModel(
        file, KINDS[joints], JOINT_NAMES[joints], tuple(parents), template, shapes, regressor, weights, faces
    )


def read_amass(path: str | os.PathLike[str]) -> SmplMotion:
    """A motion of AMASS, in the layouts of SMPL-H (poses [t 156]) and of SMPL-X (root_orient, pose_body, pose_hand).

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: arrays are missing, have other shapes, or hold numbers that are not finite.
    """
    file = existing_file(path)
    content = _content(file)
    rate = next((content[key] for key in ("mocap_framerate", "mocap_frame_rate") if key in content), None)
    if rate is None:
        raise FormatError(f"{file} has no mocap_framerate; expected a motion of AMASS, not its shape or marker files.")
    if "poses" in content:
        poses = _array(file, content, "poses", (None, None), MOST_FRAMES)
    else:
        names = ("root_orient", "pose_body", "pose_jaw", "pose_eye", "pose_hand")
        parts = [_array(file, content, key, (None, None), MOST_FRAMES) for key in names if key in content]
        if not parts or len({len(part) for part in parts}) > 1:
            raise FormatError(f"{file} has neither poses nor root_orient and pose_body; expected a motion of AMASS.")
        poses = np.concatenate(parts, axis=1)
    return _motion(file, content, poses, "trans", _rate(file, rate), z_up=True)


def read_aist(path: str | os.PathLike[str], rate: float = 60.0) -> SmplMotion:
    """A motion of AIST++: smpl_poses [t 72], smpl_trans [t 3] and smpl_scaling, by its licence 60 a second.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: arrays are missing, have other shapes, hold numbers that are not finite, or the file names code.
    """
    file = existing_file(path)
    content = _content(file)
    prefix = "smpl_" if "smpl_poses" in content else ""
    poses = _array(file, content, f"{prefix}poses", (None, None), MOST_FRAMES)
    motion = _motion(file, content, poses, f"{prefix}trans", rate, z_up=False)
    if "smpl_scaling" in content:
        scaling = float(np.asarray(content["smpl_scaling"], float).reshape(-1)[0])
        if not 0 < scaling < 1e6:
            raise FormatError(f"{file} has smpl_scaling {scaling}; expected a number above 0.")
        motion.translations = motion.translations / scaling
    return motion


def _motion(path: Path, content: dict[str, Any], poses: Array, trans: str, rate: float, *, z_up: bool) -> SmplMotion:
    count = poses.shape[1] // 3
    names = {24: JOINT_NAMES[24], 52: JOINT_NAMES[52], 55: JOINT_NAMES[55], 22: BODY_JOINTS}.get(count)
    if poses.shape[1] % 3 or names is None:
        raise FormatError(
            f"{path} has poses of {poses.shape[1]} numbers; expected 66, 72, 156 or 165: three for each joint."
        )
    translations = _array(path, content, trans, (len(poses), 3))
    betas = np.asarray(content["betas"], float).reshape(-1) if "betas" in content else None
    return SmplMotion(path, names, poses.reshape(len(poses), count, 3), translations, rate, z_up, betas)


def _content(path: Path) -> dict[str, Any]:
    """Names and arrays of a .npz or .pkl file."""
    if path.suffix.lower() == ".npz":
        try:
            with zipfile.ZipFile(path) as archive:
                names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        except (OSError, zipfile.BadZipFile, NotImplementedError) as error:
            raise FormatError(f"{path} is no archive of arrays ({error}); expected a .npz file.") from error
        # Words and Python objects (the authors' extras, which are pickles) are left where they are.
        return {name: array for name in names for array in [_numbers(path, name)] if array is not None}
    if path.suffix.lower() == ".pkl":
        return load_arrays(path)
    raise FormatError(f'{path} has the extension "{path.suffix}"; expected .npz or .pkl.')


def _numbers(path: Path, name: str) -> Array | None:
    def check(shape: tuple[int, ...], dtype: "np.dtype[Any]") -> str | None:
        good = dtype.kind in "fiub" and int(np.prod(shape, dtype=np.float64)) <= MOST_NUMBERS
        return None if good else WORDS

    try:
        return read_npz(path, {name: check})[name]
    except FormatError as error:
        if WORDS in str(error) or "an array of numbers" in str(error):
            return None
        raise


def _array(
    path: Path, content: dict[str, Any], name: str, shape: tuple[int | None, ...], most: int = MOST_VERTICES
) -> Array:
    if name not in content:
        raise FormatError(f"{path} has the arrays {', '.join(sorted(content)[:12])}; expected {name} among them.")
    value = _dense(content[name])
    fits = (
        isinstance(value, np.ndarray)
        and value.dtype.kind in "fiub"
        and len(value.shape) == len(shape)
        and all(want is None or have == want for have, want in zip(value.shape, shape, strict=True))
        and 0 < value.shape[0] <= most
    )
    wanted = " ".join("n" if size is None else str(size) for size in shape)
    if not fits:
        found = (
            f"shape {list(value.shape)} and dtype {value.dtype}"
            if isinstance(value, np.ndarray)
            else type(value).__name__
        )
        raise FormatError(f"{path}, {name} has {found}; expected numbers of shape [{wanted}].")
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        where = [int(i) for i in np.argwhere(~np.isfinite(value))[0]]
        raise FormatError(f"{path}, {name}{where} is {value[tuple(where)]}; expected finite numbers.")
    kept: Array = value.astype(np.float64) if value.dtype.kind == "f" else value
    return kept


def _dense(value: Any) -> Any:
    """The array of a box: of chumpy its x, of a sparse matrix all of it."""
    if not isinstance(value, Box):
        return value
    state = value.state if isinstance(value.state, dict) else {}
    if "x" in state:
        return _dense(state["x"])
    if {"data", "indices", "indptr"} <= set(state):
        rows, columns = (int(size) for size in state.get("_shape") or state.get("shape") or (0, 0))
        data, indices, starts = (np.asarray(state[key]) for key in ("data", "indices", "indptr"))
        if not 0 < rows * columns <= MOST_VERTICES * 1000 or len(starts) - 1 not in (rows, columns):
            return None
        if len(indices) != len(data) or (indices.size and not 0 <= indices.min() <= indices.max() < max(rows, columns)):
            return None
        if (np.diff(starts) < 0).any() or starts[0] != 0 or starts[-1] != len(data):
            return None
        dense = np.zeros((rows, columns))
        by_column = len(starts) - 1 == columns
        major = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        where = (indices, major) if by_column else (major, indices)
        dense[where] = data
        return dense
    return None


def _rate(path: Path, rate: Any) -> float:
    value = float(np.asarray(rate).reshape(-1)[0])
    if not 0 < value < 1e5:
        raise FormatError(f"{path} has {value} frames per second; expected more than 0.")
    return value
