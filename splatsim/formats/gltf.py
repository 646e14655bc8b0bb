"""Rigged models from .gltf and .glb (glTF 2.0): meshes with their skin, node tree, textures and animations.

What is returned is what the file says, in its own frame (y up, metres by the standard); splatsim.avatar brings it to
bodies. Quaternions are turned to wxyz here. Compressed meshes (Draco, meshopt) are refused by name.
"""

import base64
import binascii
import io
import json
import os
import struct
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from splatsim.errors import FormatError
from splatsim.formats._files import existing_file

Array = npt.NDArray[Any]
COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
TRIANGLES = 4
GLB_MAGIC, CHUNK_JSON, CHUNK_BIN = 0x46546C67, 0x4E4F534A, 0x004E4942
MOST_BYTES = 1 << 31
MOST_NODES = 20_000


@dataclass
class GltfNode:
    """One node of the tree, with its transform against its parent."""

    name: str
    parent: int
    translation: Array
    rotation: Array
    """wxyz."""
    scale: Array
    mesh: int | None
    skin: int | None


@dataclass
class GltfPiece:
    """Triangles of one material."""

    node: int
    skin: int | None
    vertices: Array
    faces: Array
    joints: Array | None
    """[v k], into the skin's joints."""
    weights: Array | None
    uvs: Array | None
    colors: Array | None
    factor: Array
    """Base colour, RGBA."""
    texture: Array | None
    """h w 3 bytes."""


@dataclass
class GltfChannel:
    """One animated property of one node."""

    node: int
    path: str
    times: Array
    values: Array
    interpolation: str


@dataclass
class GltfModel:
    """What a file holds."""

    path: Path
    nodes: list[GltfNode]
    pieces: list[GltfPiece]
    skins: list[tuple[list[int], Array]]
    """Joint nodes and inverse bind matrices [j 4 4]."""
    animations: dict[str, list[GltfChannel]] = field(default_factory=dict)
    copyright: str = ""


def read_gltf(path: str | os.PathLike[str]) -> GltfModel:
    """A .gltf or .glb file with what it refers to in its own folder.

    Raises:
        FileNotFoundError: there is no such file, or one that it refers to is missing.
        FormatError: it is no glTF 2.0, refers outside its folder, or needs a compression that is not read.
    """
    return _Reader(existing_file(path)).model()


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        data = path.read_bytes()
        self.binary: bytes | None = None
        text = data
        if data[:4] == b"glTF":
            text, self.binary = self._glb(data)
        try:
            self.tree = json.loads(text)
            version = str(self.tree["asset"]["version"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise FormatError(f"{path} is no glTF ({error}); expected a .gltf or .glb file, version 2.0.") from error
        if not version.startswith("2."):
            raise FormatError(f"{path} is glTF {version}; expected version 2.0.")
        for name in self.tree.get("extensionsRequired", []):
            if "draco" in name or "meshopt" in name or "basisu" in name or "webp" in name:
                raise FormatError(
                    f"{path} needs {name}; expected plain buffers and PNG or JPEG: export it uncompressed."
                )
        self.buffers: dict[int, bytes] = {}

    def model(self) -> GltfModel:
        try:
            nodes = self._nodes()
            return GltfModel(
                self.path,
                nodes,
                self._pieces(nodes),
                [self._skin(index) for index in range(len(self.tree.get("skins", [])))],
                self._animations(len(nodes)),
                str(self.tree["asset"].get("copyright", "")),
            )
        except FormatError:
            raise
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise FormatError(f"{self.path} is damaged ({error!r}); expected a whole glTF 2.0 file.") from error

    def _glb(self, data: bytes) -> tuple[bytes, bytes | None]:
        if len(data) < 20:
            raise FormatError(f"{self.path} has {len(data)} bytes; expected a whole .glb file.")
        _, version, length = struct.unpack_from("<III", data)
        if version != 2 or length > len(data):
            raise FormatError(
                f"{self.path} is .glb version {version} of {length} bytes, and has {len(data)}; expected 2."
            )
        chunks: dict[int, bytes] = {}
        at = 12
        while at + 8 <= length:
            size, kind = struct.unpack_from("<II", data, at)
            if at + 8 + size > length:
                raise FormatError(f"{self.path} ends within a chunk of {size} bytes; expected a whole .glb file.")
            chunks.setdefault(kind, data[at + 8 : at + 8 + size])
            at += 8 + size
        if CHUNK_JSON not in chunks:
            raise FormatError(f"{self.path} has no JSON chunk; expected a .glb file.")
        return chunks[CHUNK_JSON], chunks.get(CHUNK_BIN)

    def _bytes(self, uri: str) -> bytes:
        if uri.startswith("data:"):
            try:
                return base64.b64decode(uri.partition(",")[2], validate=False)
            except binascii.Error as error:
                raise FormatError(f"{self.path} holds data that is not base64 ({error}).") from error
        folder = self.path.resolve().parent
        file = (folder / urllib.parse.unquote(uri)).resolve()
        if not file.is_relative_to(folder):
            raise FormatError(f"{self.path} refers to {uri}, outside its folder; expected files beside it.")
        if not file.is_file():
            raise FileNotFoundError(f"{self.path} refers to {uri}, which is not there; keep both in one folder.")
        return file.read_bytes()

    def _buffer(self, index: int) -> bytes:
        if index not in self.buffers:
            uri = self.tree["buffers"][index].get("uri")
            if uri is None and self.binary is None:
                raise FormatError(f"{self.path} has no data for buffer {index}; expected a .glb with a binary chunk.")
            self.buffers[index] = self._bytes(uri) if uri is not None else self.binary or b""
        return self.buffers[index]

    def _view(self, index: int) -> bytes:
        view = self.tree["bufferViews"][index]
        start, size = int(view.get("byteOffset", 0)), int(view["byteLength"])
        data = self._buffer(view["buffer"])
        if start < 0 or size < 0 or start + size > len(data):
            raise FormatError(
                f"{self.path}, view {index}: {start + size} bytes are claimed of {len(data)} that there are."
            )
        return data[start : start + size]

    def _accessor(self, index: int) -> Array:
        """Rows of an accessor; normalised integers become floats."""
        accessor = self.tree["accessors"][index]
        if "sparse" in accessor or "bufferView" not in accessor:
            raise FormatError(f"{self.path}, accessor {index} is sparse; expected plain data: export it again without.")
        dtype, width, count = (
            np.dtype(COMPONENTS[accessor["componentType"]]),
            WIDTHS[accessor["type"]],
            accessor["count"],
        )
        data = self._view(accessor["bufferView"])
        row = dtype.itemsize * width
        stride = self.tree["bufferViews"][accessor["bufferView"]].get("byteStride", row)
        start = int(accessor.get("byteOffset", 0))
        if count < 1 or stride < row or start < 0 or start + (count - 1) * stride + row > len(data):
            raise FormatError(
                f"{self.path}, accessor {index}: {count} rows of {stride} bytes from {start} claimed of {len(data)}."
            )
        rows = np.ndarray((count, width), dtype, data, start, (stride, dtype.itemsize)).copy()
        if accessor.get("normalized") and dtype.kind in "iu":
            rows = np.maximum(rows.astype(np.float32) / np.iinfo(dtype).max, -1)
        if rows.dtype.kind == "f" and not np.isfinite(rows).all():
            raise FormatError(f"{self.path}, accessor {index} has numbers that are not finite; expected finite ones.")
        return rows

    def _nodes(self) -> list[GltfNode]:
        raw = self.tree.get("nodes", [])
        if len(raw) > MOST_NODES:
            raise FormatError(f"{self.path} has {len(raw)} nodes; expected at most {MOST_NODES}.")
        parents = [-1] * len(raw)
        for index, node in enumerate(raw):
            for child in node.get("children", []):
                parents[child] = index
        for index in range(len(raw)):
            seen, at = 0, index
            while at != -1:
                at, seen = parents[at], seen + 1
                if seen > len(raw):
                    raise FormatError(f"{self.path}, node {index} is its own ancestor; expected a tree.")
        return [self._node(node, index, parents[index]) for index, node in enumerate(raw)]

    def _node(self, node: dict[str, Any], index: int, parent: int) -> GltfNode:
        translation, rotation, scale = (
            node.get("translation", [0, 0, 0]),
            node.get("rotation"),
            node.get("scale", [1] * 3),
        )
        quat = np.array([1.0, 0, 0, 0]) if rotation is None else np.array(rotation, float)[[3, 0, 1, 2]]
        if "matrix" in node:
            matrix = np.array(node["matrix"], float).reshape(4, 4).T
            scale = np.linalg.norm(matrix[:3, :3], axis=0)
            translation, quat = matrix[:3, 3], quat_of(matrix[:3, :3] / np.maximum(scale, 1e-12))
        moved, scaled = np.array(translation, float), np.array(scale, float)
        name = str(node.get("name", f"node_{index}"))
        return GltfNode(name, parent, moved, quat, scaled, node.get("mesh"), node.get("skin"))

    def _skin(self, index: int) -> tuple[list[int], Array]:
        skin = self.tree["skins"][index]
        joints = [int(joint) for joint in skin["joints"]]
        if "inverseBindMatrices" not in skin:
            return joints, np.tile(np.eye(4), (len(joints), 1, 1))
        matrices = self._accessor(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        if len(matrices) < len(joints):
            raise FormatError(f"{self.path}, skin {index}: {len(matrices)} matrices for {len(joints)} joints.")
        return joints, matrices[: len(joints)].astype(float)

    def _pieces(self, nodes: list[GltfNode]) -> list[GltfPiece]:
        return [
            self._piece(at, node, primitive)
            for at, node in enumerate(nodes)
            if node.mesh is not None
            for primitive in self.tree["meshes"][node.mesh]["primitives"]
            if primitive.get("mode", TRIANGLES) == TRIANGLES
        ]

    def _piece(self, at: int, node: GltfNode, primitive: dict[str, Any]) -> GltfPiece:
        attributes = primitive["attributes"]

        def rows(name: str) -> Array | None:
            return self._accessor(attributes[name]) if name in attributes else None

        vertices = self._accessor(attributes["POSITION"]).astype(float)
        indices = np.arange(len(vertices)) if "indices" not in primitive else self._accessor(primitive["indices"])
        faces = indices.astype(np.int64).reshape(-1)[: len(indices) // 3 * 3].reshape(-1, 3)
        if faces.size and faces.max() >= len(vertices):
            raise FormatError(f"{self.path}, node {node.name}: corner {faces.max()} of {len(vertices)} vertices.")
        joints = [rows(f"JOINTS_{k}") for k in range(4) if f"JOINTS_{k}" in attributes]
        weights = [rows(f"WEIGHTS_{k}") for k in range(4) if f"WEIGHTS_{k}" in attributes]
        bound = bool(joints) and len(joints) == len(weights)
        factor, texture = self._material(primitive.get("material"))
        return GltfPiece(
            at,
            node.skin,
            vertices,
            faces,
            np.concatenate(joints, 1).astype(np.int64) if bound else None,  # type: ignore[arg-type]
            np.concatenate(weights, 1).astype(float) if bound else None,  # type: ignore[arg-type]
            rows("TEXCOORD_0"),
            rows("COLOR_0"),
            factor,
            texture,
        )

    def _material(self, index: int | None) -> tuple[Array, Array | None]:
        if index is None:
            return np.ones(4), None
        material = self.tree["materials"][index].get("pbrMetallicRoughness", {})
        factor = np.array(material.get("baseColorFactor", [1, 1, 1, 1]), float)
        if "baseColorTexture" not in material:
            return factor, None
        source = self.tree["textures"][material["baseColorTexture"]["index"]].get("source")
        if source is None:
            return factor, None
        return factor, self._image(source)

    def _image(self, index: int) -> Array:
        from PIL import Image, UnidentifiedImageError

        image = self.tree["images"][index]
        data = self._bytes(image["uri"]) if "uri" in image else self._view(image["bufferView"])
        try:
            with Image.open(io.BytesIO(data)) as opened:
                return np.asarray(opened.convert("RGB"))
        except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
            raise FormatError(f"{self.path}, image {index} cannot be read ({error}); expected PNG or JPEG.") from error

    def _animations(self, nodes: int) -> dict[str, list[GltfChannel]]:
        found = {}
        for index, animation in enumerate(self.tree.get("animations", [])):
            channels = []
            for channel in animation["channels"]:
                target, sampler = channel["target"], animation["samplers"][channel["sampler"]]
                if (
                    target["path"] not in ("translation", "rotation", "scale")
                    or not 0 <= target.get("node", -1) < nodes
                ):
                    continue
                times, values = self._accessor(sampler["input"])[:, 0], self._accessor(sampler["output"])
                kind = sampler.get("interpolation", "LINEAR")
                wanted = len(times) * (3 if kind == "CUBICSPLINE" else 1)
                if len(values) != wanted or (np.diff(times) < 0).any():
                    raise FormatError(
                        f"{self.path}, animation {index}: {len(values)} keys for {wanted} times in order."
                    )
                values = values[:, [3, 0, 1, 2]] if target["path"] == "rotation" else values
                channels.append(
                    GltfChannel(int(target["node"]), target["path"], times.astype(float), values.astype(float), kind)
                )
            name = str(animation.get("name") or f"animation_{index}")
            found[name if name not in found else f"{name}_{index}"] = channels
        return found


def quat_of(matrix: Array) -> Array:
    """wxyz of a rotation matrix."""
    from scipy.spatial.transform import Rotation

    quat: Array = Rotation.from_matrix(matrix).as_quat(scalar_first=True)
    return quat
