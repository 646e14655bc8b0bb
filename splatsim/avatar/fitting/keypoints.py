"""Keypoints of people in pictures, as OpenPose, COCO and their kin name them, and where they sit on a skeleton."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from splatsim.avatar.roles import joint_roles
from splatsim.avatar.skeleton import Skeleton
from splatsim.errors import FormatError

MAX_BYTES = 1 << 28
MAX_PEOPLE = 64

_SIDES = ("left", "right")
_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_PAIRS = tuple(f"{s}_{p}" for p in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for s in _SIDES)
_FEET = tuple(f"{s}_{p}" for s in _SIDES for p in ("big_toe", "small_toe", "heel"))
_ARM = ("shoulder", "elbow", "wrist")
_LEG = ("hip", "knee", "ankle")
LAYOUTS: dict[str, tuple[str, ...]] = {
    "coco": (*_FACE, *_PAIRS),
    "body_25": (
        "nose",
        "neck",
        *(f"right_{p}" for p in _ARM),
        *(f"left_{p}" for p in _ARM),
        "mid_hip",
        *(f"right_{p}" for p in _LEG),
        *(f"left_{p}" for p in _LEG),
        "right_eye",
        "left_eye",
        "right_ear",
        "left_ear",
        *_FEET,
    ),
    "body_25b": (*_FACE, *_PAIRS, "upper_neck", "head_top", *_FEET),
}
"""Names in the order of each layout: COCO's 17, OpenPose's BODY_25, and OpenPose's later BODY_25B."""

_ATTACHED: dict[str, tuple[str, tuple[float, float, float]]] = {
    "nose": ("head", (0.11, 0.0, 0.06)),
    "left_eye": ("head", (0.09, 0.03, 0.10)),
    "right_eye": ("head", (0.09, -0.03, 0.10)),
    "left_ear": ("head", (0.01, 0.075, 0.08)),
    "right_ear": ("head", (0.01, -0.075, 0.08)),
    "head_top": ("head", (0.01, 0.0, 0.21)),
    "upper_neck": ("neck", (0.01, 0.0, 0.06)),
    "left_big_toe": ("left_toe", (0.06, -0.02, -0.01)),
    "right_big_toe": ("right_toe", (0.06, 0.02, -0.01)),
    "left_small_toe": ("left_toe", (0.03, 0.05, -0.01)),
    "right_small_toe": ("right_toe", (0.03, -0.05, -0.01)),
    "left_heel": ("left_ankle", (-0.05, 0.0, -0.06)),
    "right_heel": ("right_ankle", (-0.05, 0.0, -0.06)),
}
"""Role of the joint and offset in the rest pose, metres on a body of 1.75 m: what the fit begins with."""


@dataclass(frozen=True, eq=False)
class Keypoints:
    """k named keypoints of up to p people in c cameras at t times."""

    names: tuple[str, ...]
    """Of the keypoints, as in LAYOUTS."""
    places: Float[np.ndarray, "t c p k 2"]
    """Pixels; 0 where there is none."""
    scores: Float[np.ndarray, "t c p k"]
    """Confidence, 0 to 1; 0 where there is none."""

    def person(self, chosen: np.ndarray) -> "Keypoints":
        """One person alone, who is detection `chosen[t, c]` of each view, nobody where that is negative."""
        rows = np.maximum(chosen, 0)[..., None]
        places = np.take_along_axis(self.places, rows[..., None, None], 2)
        scores = np.take_along_axis(self.scores, rows[..., None], 2) * (chosen >= 0)[..., None, None]
        return replace(self, places=places, scores=scores)

    def select(self, cameras: list[int]) -> "Keypoints":
        """Those of some cameras."""
        return replace(self, places=self.places[:, cameras], scores=self.scores[:, cameras])


def attachments(skeleton: Skeleton, names: tuple[str, ...]) -> tuple[np.ndarray, Float[np.ndarray, "k 3"]]:
    """The joint that carries each keypoint, and the keypoint's offset from it in the rest pose, metres."""
    roles = joint_roles(skeleton)
    joints = skeleton.joints.double().numpy()
    unit = float(joints[:, 2].max() - joints[:, 2].min()) / 1.6
    carriers, offsets = [], []
    for name in names:
        if name in _ATTACHED:
            role, offset = _ATTACHED[name]
            carriers.append(roles[role])
            offsets.append(unit * np.array(offset))
        elif name in ("neck", "mid_hip"):  # BODY_25 has them in the middle between two joints
            part, role = ("shoulder", "chest") if name == "neck" else ("hip", "pelvis")
            middle = (joints[roles[f"left_{part}"]] + joints[roles[f"right_{part}"]]) / 2
            carriers.append(roles[role])
            offsets.append(middle - joints[roles[role]])
        else:
            carriers.append(roles[name])
            offsets.append(np.zeros(3))
    return np.array(carriers), np.stack(offsets)


def read_keypoints(files: list[Path], layout: str = "auto") -> Keypoints:
    """Keypoints of one file for each camera: a list over frames, of a list over people, of x, y, score in a row.

    A folder stands for OpenPose's own output, one `*_keypoints.json` for each frame; a file that holds an object with
    "annotations" for COCO's.

    Args:
        files: One for each camera.
        layout: One of LAYOUTS, or "auto" to tell it by the number of points and by which of them lie together.

    Raises:
        FormatError: a file is not what it should be, or the cameras have different numbers of frames.
    """
    cameras = [_read_camera(file) for file in files]
    counts = {file.name: len(frames) for file, frames in zip(files, cameras, strict=True)}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise FormatError(
            f"the keypoints have different numbers of frames: {listed}; expected as many for each camera."
        )
    width = {person.shape[0] for frames in cameras for people in frames for person in people}
    if not width:
        raise FormatError(f"the keypoints in {files[0].parent} show nobody, in no frame; expected a person.")
    if len(width) != 1:
        raise FormatError(
            f"the people in {files[0].parent} have {sorted(width)} keypoints; expected one number for all."
        )
    k = width.pop()
    t, p = len(cameras[0]), max(1, max(len(people) for frames in cameras for people in frames))
    table = np.zeros((t, len(files), p, k, 3))
    for c, frames in enumerate(cameras):
        for time, people in enumerate(frames):
            for row, person in enumerate(people):
                table[time, c, row] = person
    found = _layout(table, layout, files[0])
    seen = table[..., 2] > 0
    return Keypoints(LAYOUTS[found], np.where(seen[..., None], table[..., :2], 0.0), np.where(seen, table[..., 2], 0.0))


def _layout(table: np.ndarray, wanted: str, where: Path) -> str:
    k = table.shape[3]
    if wanted != "auto":
        if wanted not in LAYOUTS or len(LAYOUTS[wanted]) != k:
            sizes = ", ".join(f"{name} ({len(names)})" for name, names in LAYOUTS.items())
            raise FormatError(f"{where} has {k} keypoints a person, asked for as {wanted!r}; expected one of {sizes}.")
        return wanted
    if k == 17:
        return "coco"
    if k != 25:
        raise FormatError(f"{where} has {k} keypoints a person; expected 17 (COCO) or 25 (OpenPose BODY_25, BODY_25B).")
    return min(("body_25", "body_25b"), key=lambda name: _spread_of_head(table, LAYOUTS[name]))


def _spread_of_head(table: np.ndarray, names: tuple[str, ...]) -> float:
    """How far apart what should be the head lies, in units of the whole person."""
    head = [names.index(name) for name in _FACE]
    seen = table[..., 2] > 0.2
    both = seen[..., head].sum(-1) >= 3
    places = np.where(seen[..., None], table[..., :2], np.nan)[both]
    if not len(places):
        return float("inf")
    extent = np.nanmax(places, 1) - np.nanmin(places, 1)
    width = np.nanmax(places[:, head], 1) - np.nanmin(places[:, head], 1)
    return float(np.median(np.linalg.norm(width, axis=-1) / np.linalg.norm(extent, axis=-1)))


def _read_camera(path: Path) -> list[list[Float[np.ndarray, "k 3"]]]:
    """People of each frame."""
    if path.is_dir():
        frames = sorted(path.glob("*.json"))
        if not frames:
            raise FormatError(f"{path} holds no .json; expected OpenPose's files, one for each frame.")
        return [_people(_read_json(frame), str(frame)) for frame in frames]
    content = _read_json(path)
    if isinstance(content, dict) and "annotations" in content:
        return _coco(content, path)
    if not isinstance(content, list):
        raise FormatError(f"{path} holds a {type(content).__name__}; expected a list with one entry for each frame.")
    return [_people(frame, f"{path}, frame {number}") for number, frame in enumerate(content)]


def _coco(content: dict[str, Any], path: Path) -> list[list[Float[np.ndarray, "k 3"]]]:
    images = content.get("images")
    if not isinstance(images, list) or not all(isinstance(i, dict) and "id" in i for i in images):
        raise FormatError(f'{path} has annotations but no "images" with ids; expected COCO\'s layout.')
    order = sorted(images, key=lambda image: str(image.get("file_name", image["id"])))
    people: dict[Any, list[Any]] = {image["id"]: [] for image in order}
    for annotation in content["annotations"]:
        if annotation.get("image_id") in people and "keypoints" in annotation:
            values = np.array(annotation["keypoints"], np.float64).reshape(-1, 3)
            values[:, 2] = np.minimum(values[:, 2], 1)  # COCO's 2 is "visible"
            people[annotation["image_id"]].append(values.ravel().tolist())
    return [_people(people[image["id"]], f"{path}, image {image['id']}") for image in order]


def _people(frame: Any, where: str) -> list[Float[np.ndarray, "k 3"]]:
    if isinstance(frame, dict):
        frame = [person.get("pose_keypoints_2d") for person in frame.get("people", []) if isinstance(person, dict)]
    if not isinstance(frame, list) or len(frame) > MAX_PEOPLE:
        raise FormatError(f"{where} is no list of at most {MAX_PEOPLE} people.")
    people = []
    for number, person in enumerate(frame):
        try:
            values = np.array(person, np.float64).reshape(-1, 3)
        except (TypeError, ValueError) as error:
            raise FormatError(f"{where}, person {number} has no rows of x, y, score ({error}).") from error
        if not np.isfinite(values).all():
            bad = int(np.flatnonzero(~np.isfinite(values).all(1))[0])
            raise FormatError(
                f"{where}, person {number}, keypoint {bad} is {values[bad].tolist()}; expected finite numbers."
            )
        people.append(values)
    return people


def _read_json(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; expected keypoints as JSON.")
    if path.stat().st_size > MAX_BYTES:
        raise FormatError(f"{path} has {path.stat().st_size} bytes; expected at most {MAX_BYTES} for keypoints.")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not JSON ({error}); expected keypoints.") from error
