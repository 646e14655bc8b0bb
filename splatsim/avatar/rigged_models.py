"""Avatars and motions from rigged models: any textured mesh with a skin becomes Gaussians that can be posed."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from splatsim.avatar.avatar import Avatar
from splatsim.avatar.skeleton import Pose, Skeleton
from splatsim.avatar.skin_weights import SkinWeights
from splatsim.avatar.surface import sample_surface
from splatsim.avatar.units import Placement, place
from splatsim.errors import FormatError
from splatsim.formats.gltf import GltfChannel, GltfModel, GltfPiece, read_gltf
from splatsim.transforms import multiply_quats, quat_from_rotmat

Array = npt.NDArray[np.floating]
BODY_FROM_GLTF = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
"""From y up, z forward to x forward, z up."""
NEAR_ONE, FEW = 0.05, 0.10
"""Weights are scaled to 1 unless more than this share of the vertices is further than this from it: exporters that keep
four joints drop the rest at some vertices (Khronos' own CesiumMan at 5 % of them)."""


@dataclass
class RiggedModel:
    """A model as an avatar, with what had to be assumed to make it one."""

    avatar: Avatar
    clips: dict[str, tuple[Array, Pose]]
    """Times in seconds and poses of each animation, at its keys."""
    notes: list[str] = field(default_factory=list)
    """Sentences for whoever made the file: units, axes, weights."""


def read_rigged_model(
    path: str | os.PathLike[str], *, gaussians: int = 30_000, seed: int = 0, licence: str | None = None
) -> RiggedModel:
    """A .gltf or .glb file with a skin as an avatar in the pose that its nodes have, and its animations as poses.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it has no mesh, no skin, or weights that do not sum to 1.
        ValueError: its size is that of no body in any unit.
    """
    model = read_gltf(path)
    notes: list[str] = []
    pieces = [piece for piece in model.pieces if piece.skin is not None and piece.joints is not None]
    if not pieces:
        what = "no mesh" if not model.pieces else "a mesh but no skin (JOINTS_0 and WEIGHTS_0)"
        raise FormatError(f"{model.path} has {what}; expected a rigged model: export it with its armature.")
    if len(pieces) < len(model.pieces):
        notes.append(f"{len(model.pieces) - len(pieces)} meshes without a skin are left out")
    rig = _Rig(model, pieces)
    vertices, dense = [], []
    for piece in pieces:
        placed, weights = _rest(model, piece, rig, notes)
        vertices.append(placed)
        dense.append(weights)
    stacked = np.concatenate(vertices)
    placement = place(stacked, model.path)
    notes += placement.notes
    points, joints = placement(stacked), placement(rig.rest[:, :3, 3] @ BODY_FROM_GLTF.T)
    starts = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    faces = torch.from_numpy(np.concatenate([piece.faces + at for piece, at in zip(pieces, starts[:-1], strict=True)]))
    skeleton = Skeleton(rig.names, rig.parents, torch.from_numpy(joints).float())
    avatar = sample_surface(
        torch.from_numpy(points).float(),
        faces,
        SkinWeights.from_dense(torch.from_numpy(np.concatenate(dense)).float()),
        skeleton,
        _Painter(pieces),
        count=gaussians,
        layers=torch.from_numpy(np.repeat(np.arange(len(pieces)), [len(piece.faces) for piece in pieces])),
        seed=seed,
        name=Path(path).stem,
        licence=licence if licence is not None else model.copyright or f"as {Path(path).name}, which does not say",
    )
    clips = {name: rig.poses(channels, placement) for name, channels in model.animations.items() if channels}
    return RiggedModel(avatar, clips, list(dict.fromkeys(notes)))


class _Rig:
    """The joints of all skins as one skeleton, parents first."""

    def __init__(self, model: GltfModel, pieces: list[GltfPiece]) -> None:
        self.model = model
        used = {node for piece in pieces for node in model.skins[piece.skin or 0][0]}
        lines = {node: self._line(node) for node in used}
        tops = {next(above for above in reversed(line) if above in used) for line in lines.values()}
        if len(tops) > 1:
            shared = [node for node in self._line(next(iter(tops))) if all(node in self._line(top) for top in tops)]
            if not shared:
                raise FormatError(f"{model.path} has {len(tops)} skeletons without a common node; expected one.")
            used.add(shared[0])
        order = sorted(used, key=lambda node: (len(self._line(node)), node))
        self.nodes = order
        self.index = {node: joint for joint, node in enumerate(order)}
        above = [next((up for up in self._line(node)[1:] if up in used), -1) for node in order]
        self.parents = tuple(self.index.get(up, -1) for up in above)
        names = [model.nodes[node].name for node in order]
        self.names = tuple(
            name if names.count(name) == 1 else f"{name}_{node}" for name, node in zip(names, order, strict=True)
        )
        self.rest = self._worlds({})[order]

    def _line(self, node: int) -> list[int]:
        """A node and all above it."""
        line = [node]
        while self.model.nodes[line[-1]].parent >= 0:
            line.append(self.model.nodes[line[-1]].parent)
        return line

    def _worlds(self, changed: dict[tuple[int, str], Array]) -> Array:
        """World from node of all nodes, with some properties replaced."""
        nodes = self.model.nodes
        worlds: list[Array | None] = [None] * len(nodes)
        for start in range(len(nodes)):
            for node in reversed(self._line(start)):
                if worlds[node] is None:
                    local = np.eye(4)
                    rotation = changed.get((node, "rotation"), nodes[node].rotation)
                    local[:3, :3] = _matrix(rotation) * changed.get((node, "scale"), nodes[node].scale)
                    local[:3, 3] = changed.get((node, "translation"), nodes[node].translation)
                    up = nodes[node].parent
                    worlds[node] = local if up < 0 else worlds[up] @ local  # type: ignore[operator]
        return np.stack([world for world in worlds if world is not None])

    def poses(self, channels: list[GltfChannel], placement: Placement) -> tuple[Array, Pose]:
        """The poses at all keys of an animation: rotations against the rest pose, in axes parallel to the body's."""
        times = np.unique(np.concatenate([channel.times for channel in channels]))
        before, basis = _rotations(self.rest), placement.turn @ BODY_FROM_GLTF
        turns, roots = [], []
        for time in times:
            changed = {(channel.node, channel.path): _sample(channel, time) for channel in channels}
            worlds = self._worlds(changed)[self.nodes]
            turns.append(basis @ (_rotations(worlds) @ before.transpose(0, 2, 1)) @ basis.T)
            roots.append(placement(BODY_FROM_GLTF @ worlds[0, :3, 3]))
        world = quat_from_rotmat(torch.from_numpy(np.stack(turns)))
        above = [max(parent, 0) for parent in self.parents]
        back = world[:, above] * torch.tensor([1.0, -1, -1, -1]).double()
        local = multiply_quats(back, world)
        local[:, 0] = world[:, 0]
        return times, Pose(local.float(), torch.from_numpy(np.stack(roots)).float())


def _rest(model: GltfModel, piece: GltfPiece, rig: _Rig, notes: list[str]) -> tuple[Array, Array]:
    """Vertices in the pose of the nodes, in the body's axes, and their weights, a column for each joint of the rig."""
    assert piece.joints is not None
    assert piece.weights is not None
    assert piece.skin is not None
    joints, inverse_binds = model.skins[piece.skin]
    if piece.joints.max() >= len(joints) or piece.joints.min() < 0:
        raise FormatError(f"{model.path}: a weight names joint {piece.joints.max()} of {len(joints)} in the skin.")
    sums = piece.weights.sum(1)
    off = np.abs(sums - 1)
    far = float((off > NEAR_ONE).mean())
    if (piece.weights < 0).any() or far > FEW or sums.min() < 1e-3:
        worst = int(off.argmax())
        raise FormatError(
            f"{model.path}, {model.nodes[piece.node].name}: the weights of vertex {worst} sum to {sums[worst]:.4g}, "
            f"those of {far:.0%} of the vertices are far off; expected 1: normalise all weights and export again."
        )
    if off.max() > 1e-4:
        count = int((off > 1e-4).sum())
        notes.append(
            f"the weights of {count} of {len(sums)} vertices sum to {sums.min():.3f} … {sums.max():.3f}, not 1: scaled"
        )
    dense = np.zeros((len(piece.vertices), len(rig.nodes)))
    columns = np.array([rig.index[node] for node in joints])[piece.joints]
    np.add.at(dense, (np.arange(len(dense))[:, None], columns), piece.weights / sums[:, None])
    motions = np.zeros((len(rig.nodes), 4, 4))
    for node, inverse in zip(joints, inverse_binds, strict=True):
        motions[rig.index[node]] = rig.rest[rig.index[node]] @ inverse
    blended = np.einsum("vj,jab->vab", dense, motions)
    placed = np.einsum("vab,vb->va", blended[:, :3, :3], piece.vertices) + blended[:, :3, 3]
    return placed @ BODY_FROM_GLTF.T, dense


class _Painter:
    """Colours of points on the pieces: texture, vertex colours and the material's factor, multiplied."""

    def __init__(self, pieces: list[GltfPiece]) -> None:
        self.pieces = pieces
        self.starts = np.cumsum([0, *(len(piece.faces) for piece in pieces)])

    def __call__(self, triangles: Tensor, shares: Tensor) -> Tensor:
        colors = np.ones((len(triangles), 3))
        rows, weights = triangles.numpy(), shares.double().numpy()
        for piece, start, end in zip(self.pieces, self.starts[:-1], self.starts[1:], strict=True):
            here = (rows >= start) & (rows < end)
            corners = piece.faces[rows[here] - start]
            color = np.tile(_srgb(piece.factor[:3]), (len(corners), 1))
            if piece.colors is not None:
                color *= _srgb((piece.colors[corners, :3] * weights[here, :, None]).sum(1))
            if piece.texture is not None and piece.uvs is not None:
                color *= _lookup(piece.texture, (piece.uvs[corners] * weights[here, :, None]).sum(1))
            colors[here] = color
        return torch.from_numpy(colors).float().clamp(0, 1)


def _lookup(texture: npt.NDArray[np.uint8], uvs: Array) -> Array:
    """Bilinear, repeated beyond its edges."""
    height, width, _ = texture.shape
    x, y = uvs[:, 0] * width - 0.5, uvs[:, 1] * height - 0.5
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    across, down = (x - left)[:, None], (y - top)[:, None]
    total = np.zeros((len(uvs), 3))
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        share = (across if dx else 1 - across) * (down if dy else 1 - down)
        total += share * texture[(top + dy) % height, (left + dx) % width] / 255
    return total


def _srgb(linear: Array) -> Array:
    """Factors and vertex colours are linear in glTF; textures and Gaussians are sRGB."""
    low = np.clip(linear, 0, 1)
    curved: Array = np.where(low <= 0.0031308, 12.92 * low, 1.055 * np.maximum(low, 1e-9) ** (1 / 2.4) - 0.055)
    return curved


def _sample(channel: GltfChannel, time: float) -> Array:
    times, values = channel.times, channel.values
    cubic = channel.interpolation == "CUBICSPLINE"
    keys = values.reshape(len(times), 3, -1) if cubic else values[:, None]
    at = keys[:, 1] if cubic else keys[:, 0]
    if time <= times[0] or len(times) == 1:
        first: Array = at[0]
        return first
    if time >= times[-1]:
        last: Array = at[-1]
        return last
    right = int(np.searchsorted(times, time, side="right"))
    span = times[right] - times[right - 1]
    share = (time - times[right - 1]) / span
    before, after = at[right - 1], at[right]
    if channel.interpolation == "STEP":
        held: Array = before
        return held
    if cubic:
        s2, s3 = share**2, share**3
        out, into = keys[right - 1, 2] * span, keys[right, 0] * span
        value = (
            (2 * s3 - 3 * s2 + 1) * before + (s3 - 2 * s2 + share) * out + (3 * s2 - 2 * s3) * after + (s3 - s2) * into
        )
    elif channel.path == "rotation":
        value = _slerp(before, after, share)
    else:
        value = before + share * (after - before)
    blended: Array = value / np.linalg.norm(value) if channel.path == "rotation" else value
    return blended


def _slerp(a: Array, b: Array, share: float) -> Array:
    cosine = float(a @ b)
    b, cosine = (-b, -cosine) if cosine < 0 else (b, cosine)
    if cosine > 0.9995:
        straight: Array = a + share * (b - a)
        return straight
    angle = np.arccos(min(1.0, cosine))
    blended: Array = (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)
    return blended


def _matrix(quat: Array) -> Array:
    w, x, y, z = quat / max(float(np.linalg.norm(quat)), 1e-12)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _rotations(worlds: Array) -> Array:
    """Rotations of matrices that may scale."""
    matrices = worlds[:, :3, :3]
    rotations: Array = matrices / np.maximum(np.linalg.norm(matrices, axis=1, keepdims=True), 1e-12)
    return rotations
