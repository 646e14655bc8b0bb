"""True label images of a generated world: rays against its mesh.glb, whose nodes carry class and instance."""

import json
import struct
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from embreex import rtcore_scene
from embreex.mesh_construction import TriangleMesh

SHARE = 0.2
"""How many labels are made wrong."""
INDEX_TYPES = {5123: "<u2", 5125: "<u4"}


@dataclass
class TracedLabels:
    """What the rays of one picture met; instance -1 where they met nothing."""

    classes: np.ndarray
    instances: np.ndarray


class TrueLabels:
    """The labels of a world folder such as scenes/apartment."""

    def __init__(self, folder: Path) -> None:
        facts = tomllib.loads((folder / "scene.toml").read_text(encoding="utf-8"))["provenance"]
        self.class_names = tuple(facts["class_names"])
        self.nothing = self.class_names.index("sky") if "sky" in self.class_names else 0
        triangles, self.classes, self.instances = read_mesh(folder / "mesh.glb")
        self.scene = rtcore_scene.EmbreeScene()
        self.mesh = TriangleMesh(self.scene, triangles)

    def trace(self, world_from_cam: np.ndarray, K: np.ndarray, width: int, height: int) -> TracedLabels:
        """The class and the instance through the centre of each pixel."""
        v, u = np.divmod(np.arange(width * height), width)
        local = np.stack([(u + 0.5 - K[0, 2]) / K[0, 0], (v + 0.5 - K[1, 2]) / K[1, 1], np.ones(len(u))], -1)
        rays = np.ascontiguousarray(local @ world_from_cam[:3, :3].T, np.float32)
        eyes = np.ascontiguousarray(np.broadcast_to(world_from_cam[:3, 3], rays.shape), np.float32)
        hit = self.scene.run(eyes, rays)
        classes = np.where(hit >= 0, self.classes[hit], self.nothing).astype(np.uint8)
        instances = np.where(hit >= 0, self.instances[hit], -1).astype(np.int32)
        return TracedLabels(classes.reshape(height, width), instances.reshape(height, width))


def read_mesh(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangles [t 3 3] with z up, and the class and the instance of each, from a GLB file of ours."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    document, body = json.loads(data[20 : 20 + length]), data[28 + length :]
    triangles, classes, instances = [], [], []
    for node in document["nodes"]:
        if "mesh" not in node:
            continue
        for primitive in document["meshes"][node["mesh"]]["primitives"]:
            points = _accessor(document, body, primitive["attributes"]["POSITION"]).reshape(-1, 3)
            triangles.append(points[_accessor(document, body, primitive["indices"]).reshape(-1, 3)])
            classes.append(np.full(len(triangles[-1]), node["extras"]["class_id"]))
            instances.append(np.full(len(triangles[-1]), node["extras"]["instance_id"]))
    return np.concatenate(triangles), np.concatenate(classes), np.concatenate(instances)


def _accessor(document: dict[str, Any], body: bytes, number: int) -> np.ndarray:
    accessor = document["accessors"][number]
    view = document["bufferViews"][accessor["bufferView"]]
    kind = INDEX_TYPES.get(accessor["componentType"], "<f4")
    count = accessor["count"] * (3 if accessor["type"] == "VEC3" else 1)
    return np.frombuffer(body, kind, count, view["byteOffset"] + accessor.get("byteOffset", 0))


def wrong_pixels(labels: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """A fifth of all pixels with another class each."""
    shift = np.where(rng.random(labels.shape) < SHARE, rng.integers(1, count, labels.shape), 0)
    return ((labels + shift) % count).astype(np.uint8)


def wrong_segments(traced: TracedLabels, count: int, rng: np.random.Generator) -> np.ndarray:
    """A fifth of the things in the picture with another class each, as a segmenter errs."""
    _, segments = np.unique(traced.instances, return_inverse=True)
    segments = segments.reshape(traced.instances.shape)
    many = int(segments.max()) + 1
    shift = np.where(rng.random(many) < SHARE, rng.integers(1, count, many), 0)
    return ((traced.classes + shift[segments]) % count).astype(np.uint8)
