"""Gaussians in .gltf and .glb files by KHR_gaussian_splatting, the release candidate of 15 April 2026.

The extension stores physical values on a POINTS primitive: linear scales, opacities, xyzw unit quaternions, and SH with
the signs of the 3DGS files, one accessor for each coefficient. The frame is glTF's, y up, and is turned to z up here,
with what the nodes above the primitive say. The text followed is that of
https://github.com/KhronosGroup/glTF, extensions/2.0/Khronos/KHR_gaussian_splatting, commit 63770cc.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from splatsim.errors import FormatError
from splatsim.formats._files import existing_file
from splatsim.formats._gltf_container import (
    ARRAY_BUFFER,
    FLOAT,
    UNSIGNED_BYTE,
    Array,
    GltfBuffer,
    GltfFile,
    GltfNode,
    write_container,
)
from splatsim.formats._placement import Z_UP_FROM_Y_UP, Matrix, placed
from splatsim.formats._values import refuse_numbers, to_bytes, to_gaussians, to_numpy, unit_quats
from splatsim.gaussians import Gaussians
from splatsim.spherical_harmonics import C0, MAX_DEGREE
from splatsim.transforms import rotmat_from_quat

EXTENSION = "KHR_gaussian_splatting"
POINTS = 0
KNOWN = {
    "kernel": "ellipse",
    "colorSpace": "srgb_rec709_display",
    "projection": "perspective",
    "sortingMethod": "cameraDistance",
}
"""The one value of each property that can be rendered as it is meant; the first two must be there."""
READABLE = {EXTENSION, "KHR_mesh_quantization"}

# A mesh may stand in many nodes, so a small file can ask for endless Gaussians.
PLAUSIBLE_GAUSSIANS = 1 << 20
MOST_COPIES = 64
LEAST_BYTES = 32  # of one Gaussian in its smallest types


def read_gltf_gaussians(path: str | os.PathLike[str]) -> Gaussians:
    """The Gaussians of all nodes of the file's scene, z up, in metres.

    Raises:
        FileNotFoundError: there is no such file, or one that it refers to is missing.
        FormatError: it is no glTF 2.0, has no Gaussians, or needs an extension or a value that is not known.
    """
    file = GltfFile(existing_file(path))
    unknown = sorted(set(file.required) - READABLE)
    if unknown:
        raise FormatError(f"{file.path} needs the extension {unknown[0][:80]!r}; expected at most {EXTENSION}.")
    try:
        parts = _parts(file)
    except FormatError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        text = repr(error)[:200]
        raise FormatError(f"{file.path} is damaged ({text}); expected a whole glTF 2.0 file.") from error
    if not parts:
        raise FormatError(f"{file.path} has no Gaussians in its scene; expected a primitive with {EXTENSION}.")
    return Gaussians.concat(parts)


def write_gltf_gaussians(path: str | os.PathLike[str], gaussians: Gaussians, *, antialiased: bool = False) -> None:
    """Write Gaussians as a .glb or .gltf file, with points of their constant colour for programs without the extension.

    Values stay float32. Lost are the features, the lengths of the quaternions and `antialiased`.

    Raises:
        ValueError: a number is not finite or out of range, or there are no Gaussians.
        FileNotFoundError: the folder does not exist.
    """
    if not len(gaussians):
        raise ValueError(f"there are no Gaussians to write to {path}; expected at least one: glTF has no empty arrays.")
    to_numpy(gaussians)  # names the number that is wrong before all are turned
    arrays = to_numpy(placed(Path(path), gaussians.map(lambda tensor: tensor.detach().cpu()), Z_UP_FROM_Y_UP.T))
    buffer = GltfBuffer()
    color = np.clip(arrays["sh"][:, 0] * C0 + 0.5, 0, 1)
    fallback = np.concatenate([_linear(color), arrays["opacities"][:, None]], axis=1)
    attributes = {
        "POSITION": buffer.add(arrays["means"], "VEC3", target=ARRAY_BUFFER, limits=True),
        "COLOR_0": buffer.add(to_bytes(fallback * 255), "VEC4", UNSIGNED_BYTE, ARRAY_BUFFER),
    }
    buffer.accessors[-1]["normalized"] = True
    fields: dict[str, tuple[Array, str]] = {
        "ROTATION": (np.roll(unit_quats(arrays["quats"]), -1, axis=1), "VEC4"),
        "SCALE": (arrays["scales"], "VEC3"),
        "OPACITY": (arrays["opacities"][:, None], "SCALAR"),
    }
    fields |= {name: (arrays["sh"][:, k], "VEC3") for k, name in enumerate(_sh_names(gaussians.sh_degree))}
    for name, (rows, kind) in fields.items():
        attributes[f"{EXTENSION}:{name}"] = buffer.add(rows, kind, FLOAT, ARRAY_BUFFER)
    primitive = {"attributes": attributes, "mode": POINTS, "extensions": {EXTENSION: KNOWN}}
    tree = {
        "asset": {"version": "2.0", "generator": "splatsim"},
        "extensionsUsed": [EXTENSION],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": "gaussians", "mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
    }
    write_container(path, tree, buffer)


def _parts(file: GltfFile) -> list[Gaussians]:
    nodes = file.nodes()
    placings = [(nodes[index].mesh, matrix) for index, matrix in _places(file, nodes)]
    held = {mesh: _mesh(file, mesh) for mesh in dict.fromkeys(mesh for mesh, _ in placings) if mesh is not None}
    whole = {mesh: Gaussians.concat(parts) for mesh, parts in held.items() if parts}
    counts = {mesh: len(gaussians) for mesh, gaussians in whole.items()}
    _refuse_copies(file, sum(counts.get(mesh, 0) for mesh, _ in placings if mesh is not None))
    return [
        placed(file.path, whole[mesh], Z_UP_FROM_Y_UP @ matrix)
        for mesh, matrix in placings
        if mesh is not None and mesh in whole
    ]


def _mesh(file: GltfFile, mesh: int) -> list[Gaussians]:
    """The primitives of a mesh that are Gaussians."""
    parts, total = [], 0
    for primitive in file.tree["meshes"][mesh]["primitives"]:
        if EXTENSION in primitive.get("extensions", {}):
            parts.append(_read(file, primitive))
            total += len(parts[-1])
            _refuse_copies(file, total)
    return parts


def _refuse_copies(file: GltfFile, total: int) -> None:
    size = sum(map(len, file.buffers.values()))
    if total > max(PLAUSIBLE_GAUSSIANS, MOST_COPIES * size // LEAST_BYTES):
        raise FormatError(
            f"{file.path} asks for {total} Gaussians or more from {size} bytes; expected less than {MOST_COPIES} "
            "copies of what it holds."
        )


def _read(file: GltfFile, primitive: dict[str, Any]) -> Gaussians:
    """The Gaussians of one primitive, in its own frame."""
    _check_properties(file, primitive)
    attributes = primitive["attributes"]
    means = file.accessor(attributes["POSITION"])
    count = len(means)

    def rows(name: str, width: int) -> Array:
        semantic = f"{EXTENSION}:{name}"
        if semantic not in attributes:
            raise FormatError(f"{file.path} has Gaussians without {semantic}; expected it beside POSITION.")
        found = file.accessor(attributes[semantic])
        if found.shape != (count, width):
            raise FormatError(
                f"{file.path} has {found.shape[0]} × {found.shape[1]} numbers in {semantic}; "
                f"expected {count} × {width}, as many rows as POSITION."
            )
        return found.astype(np.float32)

    if means.shape[1] != 3:
        raise FormatError(f"{file.path} has {means.shape[1]} numbers for each POSITION; expected 3.")
    opacities = rows("OPACITY", 1)[:, 0]
    refuse_numbers(file.path, "OPACITY", opacities, (opacities < 0) | (opacities > 1), "a number within [0, 1]")
    degree = _degree(file, attributes)
    return to_gaussians(
        file.path,
        means=means.astype(np.float32),
        quats=np.roll(rows("ROTATION", 4), 1, axis=1),
        scales=rows("SCALE", 3),
        opacities=opacities,
        sh=np.stack([rows(name, 3) for name in _sh_names(degree)], axis=1),
    )


def _check_properties(file: GltfFile, primitive: dict[str, Any]) -> None:
    found = primitive["extensions"][EXTENSION]
    for name in found.get("extensions", {}):
        raise FormatError(f"{file.path} extends {EXTENSION} by {name[:80]!r}; expected plain attributes.")
    for name, right in KNOWN.items():
        value = found.get(name, right if name in ("projection", "sortingMethod") else None)
        if value != right:
            said = "no" if value is None else "the"
            word = "" if value is None else f" {str(value)[:80]!r}"
            raise FormatError(f'{file.path} has {said} {name}{word} in {EXTENSION}; expected "{right}".')
    mode = primitive.get("mode", 4)
    if mode != POINTS:
        raise FormatError(f"{file.path} has Gaussians in a primitive of mode {mode!r:.20}; expected 0, points.")


def _degree(file: GltfFile, attributes: dict[str, int]) -> int:
    """The highest band of which there is any coefficient; `_read` asks for all of them."""
    bands = [name.split("_")[-3] for name in attributes if name.startswith(f"{EXTENSION}:SH_DEGREE_")]
    if not all(band in ("0", "1", "2", "3") for band in bands):
        raise FormatError(f"{file.path} has SH of degree {max(bands)[:20]!r}; expected 0 to {MAX_DEGREE}.")
    return max((int(band) for band in bands), default=0)


def _sh_names(degree: int) -> list[str]:
    return [f"SH_DEGREE_{band}_COEF_{k}" for band in range(degree + 1) for k in range(2 * band + 1)]


def _places(file: GltfFile, nodes: list[GltfNode]) -> Iterator[tuple[int, Matrix]]:
    """The nodes of the default scene, or all where there are no scenes, with their transforms to the scene."""
    below: dict[int, list[int]] = {}
    for index, node in enumerate(nodes):
        below.setdefault(node.parent, []).append(index)
    scenes = file.tree.get("scenes", [])
    roots = scenes[file.tree.get("scene", 0)].get("nodes", []) if scenes else below.get(-1, [])
    to_parent = _matrices(nodes)
    waiting = [(index, np.eye(4)) for index in dict.fromkeys(roots)]
    while waiting:
        index, matrix = waiting.pop()
        matrix = matrix @ to_parent[index]
        yield index, matrix
        waiting += [(child, matrix) for child in below.get(index, [])]


def _matrices(nodes: list[GltfNode]) -> Array:
    """The transform of each node to its parent."""
    quats = np.array([node.rotation for node in nodes], np.float64).reshape(-1, 4)
    scales = np.array([node.scale for node in nodes]).reshape(-1, 1, 3)
    matrices = np.tile(np.eye(4), (len(nodes), 1, 1))
    matrices[:, :3, :3] = rotmat_from_quat(torch.from_numpy(quats)).numpy() * scales
    matrices[:, :3, 3] = np.array([node.translation for node in nodes]).reshape(-1, 3)
    return matrices


def _linear(srgb: Array) -> Array:
    """Linear light of sRGB values (IEC 61966-2-1)."""
    linear: Array = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return linear
