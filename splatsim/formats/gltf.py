"""Rigged models from .gltf and .glb (glTF 2.0): meshes with their skin, node tree, textures and animations.

What is returned is what the file says, in its own frame (y up, metres by the standard); splatsim.avatar brings it to
bodies. Quaternions are turned to wxyz here. Compressed meshes (Draco, meshopt) are refused by name.
"""

import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from splatsim.errors import FormatError
from splatsim.formats._files import existing_file
from splatsim.formats._gltf_container import Array, GltfFile, GltfNode

TRIANGLES = 4


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


class _Reader(GltfFile):
    def model(self) -> GltfModel:
        try:
            nodes = self.nodes()
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

    def _skin(self, index: int) -> tuple[list[int], Array]:
        skin = self.tree["skins"][index]
        joints = [int(joint) for joint in skin["joints"]]
        if "inverseBindMatrices" not in skin:
            return joints, np.tile(np.eye(4), (len(joints), 1, 1))
        matrices = self.accessor(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
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
            return self.accessor(attributes[name]) if name in attributes else None

        vertices = self.accessor(attributes["POSITION"]).astype(float)
        indices = np.arange(len(vertices)) if "indices" not in primitive else self.accessor(primitive["indices"])
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
        data = self.data(image["uri"]) if "uri" in image else self.view(image["bufferView"])
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
                times, values = self.accessor(sampler["input"])[:, 0], self.accessor(sampler["output"])
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
