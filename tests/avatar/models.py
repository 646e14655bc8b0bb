"""A small rigged model written here by hand: a person of boxes, with everything that glTF allows to be odd."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

PERSON = {
    # name: (parent, place), y up, z forward, x left, metres
    "root": (None, (0, 1.0, 0)),
    "chest": ("root", (0, 1.4, 0)),
    "head": ("chest", (0, 1.6, 0)),
    "arm_l": ("chest", (0.2, 1.4, 0)),
    "fore_l": ("arm_l", (0.5, 1.4, 0)),
    "hand_l": ("fore_l", (0.75, 1.4, 0)),
    "arm_r": ("chest", (-0.2, 1.4, 0)),
    "fore_r": ("arm_r", (-0.5, 1.4, 0)),
    "hand_r": ("fore_r", (-0.75, 1.4, 0)),
    "leg_l": ("root", (0.1, 0.95, 0)),
    "shin_l": ("leg_l", (0.1, 0.5, 0)),
    "foot_l": ("shin_l", (0.1, 0.08, 0)),
    "toe_l": ("foot_l", (0.1, 0.02, 0.15)),
    "leg_r": ("root", (-0.1, 0.95, 0)),
    "shin_r": ("leg_r", (-0.1, 0.5, 0)),
    "foot_r": ("shin_r", (-0.1, 0.08, 0)),
    "toe_r": ("foot_r", (-0.1, 0.02, 0.15)),
}
NAMES = list(PERSON)
BOX = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float) * 0.03
SIDES = np.array(
    [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
     [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]]
)  # fmt: skip


def boxes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A box at each joint: vertices, faces, the joint of each vertex."""
    places = np.array([place for _, place in PERSON.values()], float)
    vertices = (places[:, None] + BOX).reshape(-1, 3)
    vertices[:, 1] = np.maximum(vertices[:, 1], 0.0)
    faces = (8 * np.arange(len(places))[:, None, None] + SIDES).reshape(-1, 3)
    return vertices, faces, np.repeat(np.arange(len(places)), 8)


def write_model(
    path: Path,
    *,
    scale: float = 1.0,
    weight: float = 1.0,
    skin: bool = True,
    turn: np.ndarray | None = None,
    **changes: Any,
) -> Path:
    """The person as .glb: bones have orientations of their own; one clip bends the left elbow and lifts the root."""
    turn = np.eye(3) if turn is None else turn
    vertices, faces, joints = boxes()
    places = np.array([place for _, place in PERSON.values()], float) @ turn.T * scale
    vertices = vertices @ turn.T * scale
    data, views, accessors = bytearray(), [], []

    def add(array: np.ndarray, kind: str, component: int) -> int:
        views.append({"buffer": 0, "byteOffset": len(data), "byteLength": array.nbytes})
        accessors.append({"bufferView": len(views) - 1, "componentType": component, "count": len(array), "type": kind})
        data.extend(array.tobytes() + b"\0" * (-array.nbytes % 4))
        return len(accessors) - 1

    # Each bone is turned by 90° about x against its parent's, as exporters do; the places do not change.
    quarter = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    worlds, nodes = {}, []
    for index, (name, (parent, _)) in enumerate(PERSON.items()):
        above = worlds[parent] if parent else np.eye(4)
        world = np.eye(4)
        world[:3, :3], world[:3, 3] = above[:3, :3] @ quarter, places[index]
        worlds[name] = world
        local = np.linalg.inv(above) @ world
        children = [NAMES.index(child) for child, (up, _) in PERSON.items() if up == name]
        node = {"name": name, "translation": local[:3, 3].tolist(), "rotation": [0.5**0.5, 0, 0, 0.5**0.5]}
        nodes.append(node | ({"children": children} if children else {}))
    inverse = np.stack([np.linalg.inv(worlds[name]).T for name in NAMES]).astype("<f4")
    attributes = {"POSITION": add(vertices.astype("<f4"), "VEC3", 5126)}
    if skin:
        table = np.zeros((len(joints), 4), np.uint8)
        table[:, 0] = joints
        weights = np.zeros((len(joints), 4), "<f4")
        weights[:, 0] = weight
        attributes |= {"JOINTS_0": add(table, "VEC4", 5121), "WEIGHTS_0": add(weights, "VEC4", 5126)}
    indices = add(faces.reshape(-1).astype("<u2"), "SCALAR", 5123)
    times = add(np.array([0.0, 0.5, 1.0], "<f4"), "SCALAR", 5126)
    # The elbow turns by 90° about the file's vertical: what it is about in the axes of the bone is worked out here.
    half = np.pi / 4
    frame = worlds["fore_l"][:3, :3]
    axis = frame.T @ np.array([0.0, 1.0, 0.0])
    bend = _product(np.array([np.cos(half), 0, 0, 0]) + np.r_[0, -np.sin(half) * (quarter @ axis)], _QUARTER)
    keys = np.array([_QUARTER, bend, _QUARTER])[:, [1, 2, 3, 0]].astype("<f4")
    lift = np.array([places[0], places[0] + [0, 0.1 * scale, 0], places[0]], "<f4")
    samplers = [
        {"input": times, "output": add(keys, "VEC4", 5126)},
        {"input": times, "output": add(lift, "VEC3", 5126)},
    ]
    channels = [
        {"sampler": 0, "target": {"node": NAMES.index("fore_l"), "path": "rotation"}},
        {"sampler": 1, "target": {"node": 0, "path": "translation"}},
    ]
    material = {"pbrMetallicRoughness": {"baseColorFactor": [0.5, 0.25, 0.0, 1.0]}}
    body: dict[str, Any] = {"name": "body", "mesh": 0} | ({"skin": 0} if skin else {})
    tree: dict[str, Any] = {
        "asset": {"version": "2.0", "copyright": "test"},
        "nodes": [*nodes, body],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": indices, "material": 0}]}],
        "materials": [material],
        "skins": [
            {"joints": list(range(len(NAMES))), "inverseBindMatrices": add(inverse.reshape(-1, 16), "MAT4", 5126)}
        ],
        "animations": [{"name": "wave", "samplers": samplers, "channels": channels}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(data)}],
    } | changes
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(data), 0x004E4942) + bytes(data)
    path.write_bytes(struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks)
    return path


_QUARTER = np.array([0.5**0.5, 0.5**0.5, 0, 0])


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.r_[a[0] * b[0] - a[1:] @ b[1:], a[0] * b[1:] + b[0] * a[1:] + np.cross(a[1:], b[1:])]
