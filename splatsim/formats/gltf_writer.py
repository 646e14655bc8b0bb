"""Animated glTF (.glb): one skinned mesh with vertex colours, its joints and a clip."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from splatsim.formats._gltf_container import (
    ARRAY_BUFFER,
    ELEMENT_BUFFER,
    FLOAT,
    UNSIGNED_INT,
    UNSIGNED_SHORT,
    Array,
    GltfBuffer,
    write_container,
)


@dataclass
class SkinnedMesh:
    """A mesh in the rest pose of its joints, glTF's axes: y up, metres; quaternions wxyz."""

    vertices: Array
    """[v 3]."""
    faces: Array
    """[m 3]."""
    colors: Array
    """[v 3] linear, in [0, 1]."""
    joints: Array
    """[v k]."""
    weights: Array
    """[v k]."""
    names: tuple[str, ...]
    parents: tuple[int, ...]
    places: Array
    """[j 3] of the joints in the rest pose."""


@dataclass
class Clip:
    """Keys of an animation."""

    times: Array
    """[t] seconds."""
    rotations: Array
    """[t j 4] wxyz, against the parent."""
    root: Array
    """[t 3] place of joint 0."""
    name: str = "motion"


def write_glb(path: str | os.PathLike[str], mesh: SkinnedMesh, clip: Clip | None, copyright_: str = "") -> None:
    """A .glb file, whole or not at all.

    Raises:
        FileNotFoundError: the folder does not exist.
    """
    buffer = GltfBuffer()
    before = np.concatenate([np.zeros((1, 3)), mesh.places[list(mesh.parents[1:])]])
    nodes: list[dict[str, Any]] = [
        {"name": name, "translation": offset.tolist()}
        for name, offset in zip(mesh.names, (mesh.places - before).astype(float), strict=True)
    ]
    for joint, parent in enumerate(mesh.parents[1:], start=1):
        nodes[parent].setdefault("children", []).append(joint)
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(nodes), 1, 1))
    inverse[:, :3, 3] = -mesh.places
    nodes.append({"name": "body", "mesh": 0, "skin": 0})
    tree: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "splatsim"} | ({"copyright": copyright_} if copyright_ else {}),
        "scene": 0,
        "scenes": [{"nodes": [0, len(nodes) - 1]}],
        "nodes": nodes,
        "meshes": [{"primitives": [_primitive(buffer, mesh)]}],
        "materials": [{"doubleSided": True, "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.9}}],
        "skins": [
            {
                "joints": list(range(len(mesh.names))),
                "skeleton": 0,
                "inverseBindMatrices": buffer.add(inverse.transpose(0, 2, 1).reshape(-1, 16), "MAT4"),
            }
        ],
    }
    if clip is not None:
        tree["animations"] = [_animation(buffer, clip)]
    write_container(path, tree, buffer)


def _primitive(buffer: GltfBuffer, mesh: SkinnedMesh) -> dict[str, Any]:
    colors = np.concatenate([np.round(mesh.colors * 65535), np.full((len(mesh.colors), 1), 65535)], axis=1)
    attributes = {
        "POSITION": buffer.add(mesh.vertices, "VEC3", target=ARRAY_BUFFER, limits=True),
        "COLOR_0": buffer.add(colors, "VEC4", UNSIGNED_SHORT, ARRAY_BUFFER),
    }
    buffer.accessors[-1]["normalized"] = True
    # Four joints for each set, heaviest first; what is empty in all vertices is left out.
    order = np.argsort(-mesh.weights, axis=1, kind="stable")
    weights = np.take_along_axis(mesh.weights, order, 1)
    joints = np.where(weights > 0, np.take_along_axis(mesh.joints, order, 1), 0)
    used = max(1, int((weights > 0).any(0).sum()))
    sets = -(-used // 4)
    padding = ((0, 0), (0, max(0, 4 * sets - weights.shape[1])))
    weights, joints = (np.pad(table, padding)[:, : 4 * sets] for table in (weights, joints))
    for index in range(sets):
        columns = slice(4 * index, 4 * index + 4)
        attributes[f"JOINTS_{index}"] = buffer.add(joints[:, columns], "VEC4", UNSIGNED_SHORT, ARRAY_BUFFER)
        attributes[f"WEIGHTS_{index}"] = buffer.add(weights[:, columns], "VEC4", FLOAT, ARRAY_BUFFER)
    indices = buffer.add(mesh.faces.reshape(-1, 1), "SCALAR", UNSIGNED_INT, ELEMENT_BUFFER)
    return {"attributes": attributes, "indices": indices, "material": 0}


def _animation(buffer: GltfBuffer, clip: Clip) -> dict[str, Any]:
    times = buffer.add(clip.times[:, None], "SCALAR", limits=True)
    samplers = [{"input": times, "output": buffer.add(clip.root, "VEC3")}]
    channels: list[dict[str, Any]] = [{"sampler": 0, "target": {"node": 0, "path": "translation"}}]
    for joint in range(clip.rotations.shape[1]):
        output = buffer.add(clip.rotations[:, joint][:, [1, 2, 3, 0]], "VEC4")
        channels.append({"sampler": len(samplers), "target": {"node": joint, "path": "rotation"}})
        samplers.append({"input": times, "output": output})
    return {"name": clip.name, "samplers": samplers, "channels": channels}
