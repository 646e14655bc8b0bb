"""What all glTF 2.0 files share: the .glb container, buffers, accessors and the tree of nodes.

Nothing here knows meshes, skins or Gaussians. Numbers stay in the file's own frame; quaternions are turned to wxyz.
"""

import base64
import binascii
import json
import os
import struct
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from splatsim.errors import FormatError
from splatsim.formats._files import atomic_writer

Array = npt.NDArray[Any]
COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
FLOAT, UNSIGNED_BYTE, UNSIGNED_SHORT, UNSIGNED_INT = 5126, 5121, 5123, 5125
ARRAY_BUFFER, ELEMENT_BUFFER = 34962, 34963
GLB_MAGIC, CHUNK_JSON, CHUNK_BIN = 0x46546C67, 0x4E4F534A, 0x004E4942
COMPRESSIONS = ("draco", "meshopt", "basisu", "webp")
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


class GltfFile:
    """An opened .gltf or .glb file: its JSON tree, and its numbers on request.

    Raises:
        FormatError: it is no glTF 2.0, or needs a compression that is not read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        data = path.read_bytes()
        self.binary: bytes | None = None
        text = data
        if data[:4] == b"glTF":
            text, self.binary = self._chunks(data)
        try:
            self.tree = json.loads(text)
            version = str(self.tree["asset"]["version"])
            required = [str(name) for name in self.tree.get("extensionsRequired", [])]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise FormatError(f"{path} is no glTF ({error}); expected a .gltf or .glb file, version 2.0.") from error
        if not version.startswith("2."):
            raise FormatError(f"{path} is glTF {version[:20]}; expected version 2.0.")
        for name in required:
            if any(word in name for word in COMPRESSIONS):
                raise FormatError(
                    f"{path} needs {name[:80]}; expected plain buffers and PNG or JPEG: export it uncompressed."
                )
        self.required = required
        self.buffers: dict[int, bytes] = {}

    def _chunks(self, data: bytes) -> tuple[bytes, bytes | None]:
        if len(data) < 20:
            raise FormatError(f"{self.path} has {len(data)} bytes; expected a whole .glb file.")
        _, version, length = struct.unpack_from("<III", data)
        if version != 2:
            raise FormatError(f"{self.path} is .glb version {version}; expected version 2.")
        if length > len(data):
            raise FormatError(f"{self.path} ends after {len(data)} bytes; expected {length}, as its header says.")
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

    def data(self, uri: str) -> bytes:
        """What a URI stands for: data within it, or a file beside this one."""
        if uri.startswith("data:"):
            try:
                return base64.b64decode(uri.partition(",")[2], validate=False)
            except binascii.Error as error:
                raise FormatError(f"{self.path} holds data that is not base64 ({error}); expected base64.") from error
        folder = self.path.resolve().parent
        file = (folder / urllib.parse.unquote(uri)).resolve()
        shown = uri if len(uri) <= 80 else f"{uri[:77]}..."
        if not file.is_relative_to(folder):
            raise FormatError(f"{self.path} refers to {shown}, outside its folder; expected files beside it.")
        try:
            there = file.is_file()
        except OSError:  # a name that is too long for this disk
            there = False
        if not there:
            raise FileNotFoundError(f"{self.path} refers to {shown}, which is not there; keep both in one folder.")
        return file.read_bytes()

    def _buffer(self, index: int) -> bytes:
        if index not in self.buffers:
            uri = self.tree["buffers"][index].get("uri")
            if uri is None and self.binary is None:
                raise FormatError(f"{self.path} has no data for buffer {index}; expected a .glb with a binary chunk.")
            self.buffers[index] = self.data(uri) if uri is not None else self.binary or b""
        return self.buffers[index]

    def view(self, index: int) -> bytes:
        """The bytes of a buffer view."""
        view = self.tree["bufferViews"][index]
        start, size = int(view.get("byteOffset", 0)), int(view["byteLength"])
        data = self._buffer(view["buffer"])
        if start < 0 or size < 0 or start + size > len(data):
            raise FormatError(
                f"{self.path}, view {index} claims the bytes from {start} to {start + size}; "
                f"expected some of the {len(data)} that there are."
            )
        return data[start : start + size]

    def accessor(self, index: int) -> Array:
        """Rows of an accessor; normalised integers become floats."""
        accessor = self.tree["accessors"][index]
        if "sparse" in accessor or "bufferView" not in accessor:
            raise FormatError(f"{self.path}, accessor {index} is sparse; expected plain data: export it again without.")
        dtype, width, count = (
            np.dtype(COMPONENTS[accessor["componentType"]]),
            WIDTHS[accessor["type"]],
            accessor["count"],
        )
        data = self.view(accessor["bufferView"])
        row = dtype.itemsize * width
        stride = self.tree["bufferViews"][accessor["bufferView"]].get("byteStride", row)
        start = int(accessor.get("byteOffset", 0))
        if count < 1 or stride < row or start < 0 or start + (count - 1) * stride + row > len(data):
            raise FormatError(
                f"{self.path}, accessor {index} claims {count} rows of {stride} bytes from byte {start}; "
                f"expected what the {len(data)} bytes of its view hold."
            )
        rows = np.ndarray((count, width), dtype, data, start, (stride, dtype.itemsize)).copy()
        if accessor.get("normalized") and dtype.kind in "iu":
            rows = np.maximum(rows.astype(np.float32) / np.iinfo(dtype).max, -1)
        if rows.dtype.kind == "f" and not np.isfinite(rows).all():
            raise FormatError(f"{self.path}, accessor {index} has numbers that are not finite; expected finite ones.")
        return rows

    def nodes(self) -> list[GltfNode]:
        """All nodes, checked to be a tree."""
        raw = self.tree.get("nodes", [])
        if len(raw) > MOST_NODES:
            raise FormatError(f"{self.path} has {len(raw)} nodes; expected at most {MOST_NODES}.")
        parents = [-1] * len(raw)
        for index, node in enumerate(raw):
            for child in node.get("children", []):
                parents[child] = index
        below: list[list[int]] = [[] for _ in raw]
        for index, parent in enumerate(parents):
            if parent != -1:
                below[parent].append(index)
        reached = [index for index, parent in enumerate(parents) if parent == -1]
        for index in reached:  # grows while it is walked
            reached += below[index]
        if len(reached) < len(raw):
            lost = min(set(range(len(raw))) - set(reached))
            raise FormatError(f"{self.path}, node {lost} is its own ancestor; expected a tree.")
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
            if not np.isfinite(matrix).all():
                raise FormatError(f"{self.path}, node {index} has a matrix that is not finite; expected 16 numbers.")
            scale = np.linalg.norm(matrix[:3, :3], axis=0)
            translation, quat = matrix[:3, 3], quat_of(matrix[:3, :3] / np.maximum(scale, 1e-12))
        moved, scaled = np.array(translation, float), np.array(scale, float)
        name = str(node.get("name", f"node_{index}"))
        return GltfNode(name, parent, moved, quat, scaled, node.get("mesh"), node.get("skin"))


class GltfBuffer:
    """Bytes of a file to write, and what lies where."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, int]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(
        self, rows: Array, kind: str, component: int = FLOAT, target: int | None = None, limits: bool = False
    ) -> int:
        """The accessor of an array [n width]."""
        dtype = {FLOAT: "<f4", UNSIGNED_BYTE: "u1", UNSIGNED_SHORT: "<u2", UNSIGNED_INT: "<u4"}[component]
        packed = np.ascontiguousarray(rows, dtype=dtype)
        self.data += b"\0" * (-len(self.data) % 4)
        view: dict[str, int] = {"buffer": 0, "byteOffset": len(self.data), "byteLength": packed.nbytes}
        if target is not None:
            view["target"] = target
        accessor: dict[str, Any] = {
            "bufferView": len(self.views), "componentType": component, "count": len(packed), "type": kind,
        }  # fmt: skip
        if limits:
            table = packed.reshape(len(packed), -1)
            accessor |= {"min": table.min(0).tolist(), "max": table.max(0).tolist()}
        self.data += packed.tobytes()
        self.views.append(view)
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def write_container(path: str | os.PathLike[str], tree: dict[str, Any], buffer: GltfBuffer) -> None:
    """A .glb file of a tree and its buffer, or a .gltf file with the buffer inside as base64; whole or not at all.

    Raises:
        FileNotFoundError: the folder does not exist.
    """
    block: dict[str, Any] = {"byteLength": len(buffer.data)}
    plain = Path(path).suffix.lower() == ".gltf"
    if plain:
        block["uri"] = "data:application/octet-stream;base64," + base64.b64encode(buffer.data).decode("ascii")
    tree = tree | {"accessors": buffer.accessors, "bufferViews": buffer.views, "buffers": [block]}
    text = json.dumps(tree, separators=(",", ":")).encode()
    with atomic_writer(path) as file:
        if plain:
            file.write(text)
            return
        text += b" " * (-len(text) % 4)
        binary = bytes(buffer.data) + b"\0" * (-len(buffer.data) % 4)
        file.write(struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(binary)))
        file.write(struct.pack("<I4s", len(text), b"JSON") + text)
        file.write(struct.pack("<I4s", len(binary), b"BIN\0") + binary)


def quat_of(matrix: Array) -> Array:
    """wxyz of a rotation matrix."""
    from scipy.spatial.transform import Rotation

    quat: Array = Rotation.from_matrix(matrix).as_quat(scalar_first=True)
    return quat
