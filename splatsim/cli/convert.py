"""`splatsim convert`: Gaussians from one file format to another."""

from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro

from splatsim.formats import extension_of, save_gaussians
from splatsim.formats.losses import band_names, losses
from splatsim.formats.usd import count_usd_moments
from splatsim.gaussians import Gaussians
from splatsim.scene import Scene, open_scene

Axis = Literal["x", "y", "z", "minus-x", "minus-y", "minus-z"]

# Rows of z_from_up: what x, y and z are after the axis that points up has become z.
TURNS = {
    "x": [[0, 0, -1], [0, 1, 0], [1, 0, 0]],
    "y": [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
    "z": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "minus-x": [[0, 0, 1], [0, 1, 0], [-1, 0, 0]],
    "minus-y": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
    "minus-z": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
}


def convert(
    scene: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="IN")],
    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")],
    up: Axis = "z",
    scale: float = 1.0,
    max_sh: Literal[0, 1, 2, 3] = 3,
    overwrite: bool = False,
) -> None:
    """Convert a file of Gaussians, or those of a scene folder, to the format of OUT, and say what is lost.

    Args:
        scene: A scene folder, or a .ply, .compressed.ply, .splat, .spz, .sog, .ksplat, .glb, .gltf or .usd* file.
        out: The file to write; its extension is the format: .ply, .compressed.ply, .splat, .spz, .glb, .gltf, .usd,
            .usda or .usdc.
        up: Which axis of what was read points up; it becomes z. Of glTF and USD, what the file says comes first. 3DGS
            scenes as COLMAP leaves them often need minus-y.
        scale: Metres for each unit of what was read.
        max_sh: Keep colours up to this degree of spherical harmonics.
        overwrite: Replace OUT if it exists.
    """
    extension_of(out, to_write=True)
    if not (0 < scale < float("inf")):
        raise ValueError(f"scale is {scale}; expected more than 0 metres for each unit.")
    if out.exists() and not overwrite:
        raise FileExistsError(f"{out} exists already; expected a new name, or --overwrite to replace it.")
    opened = open_scene(scene)
    if opened.gaussians is None:
        raise ValueError(f"{scene} holds no Gaussians; expected a scene with them.")
    before = opened.gaussians
    after = _turned(before, up, scale).with_sh_degree(min(max_sh, before.sh_degree))
    save_gaussians(out, after, antialiased=opened.antialiased)
    print(f"{scene}: {len(before)} Gaussians, SH degree {before.sh_degree}")
    print(f"{out}: {_size(out)}")
    for line in _lost(scene, opened, after, out):
        print(f"  lost: {line}")


def _lost(scene: Path, opened: Scene, after: Gaussians, out: Path) -> list[str]:
    lost = losses(out, after, antialiased=opened.antialiased)
    degree = opened.gaussians.sh_degree if opened.gaussians is not None else 0
    if after.sh_degree < degree:
        verb = "is" if degree == after.sh_degree + 1 else "are"
        lost.insert(0, f"SH {band_names(after.sh_degree + 1, degree)} {verb} dropped, as --max-sh asks")
    moments = count_usd_moments(scene) if scene.suffix.lower().startswith(".usd") else 1
    if moments > 1:
        lost.append(f"all but the first of {moments} moments are dropped")
    parts = [name for name in ("cameras", "occupancy", "nav_map", "semantics") if getattr(opened, name) is not None]
    if parts:
        lost.append(f"a file of Gaussians has no place for the scene's {', '.join(parts)}")
    return lost or ["nothing; all values stay float32"]


def _turned(gaussians: Gaussians, up: Axis, scale: float) -> Gaussians:
    if up == "z" and scale == 1:
        return gaussians
    z_from_up = torch.eye(4)
    z_from_up[:3, :3] = torch.tensor(TURNS[up], dtype=torch.float32)
    return gaussians.transform(z_from_up, scale)


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size} bytes"
