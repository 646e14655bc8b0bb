"""A scene folder as data for nerfstudio: pictures, transforms.json and points. Nothing here needs nerfstudio."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from splatsim import camera_paths
from splatsim.cameras import Cameras
from splatsim.errors import FormatError
from splatsim.formats.transforms import PosedPicture, write_transforms
from splatsim.gaussians import Gaussians
from splatsim.rendering import render
from splatsim.scene import MANIFEST, Scene, publish
from splatsim.spherical_harmonics import C0

FOLDER = "nerfstudio"
"""Of the data, in the scene's own."""
TRANSFORMS, POINTS, IMAGES = "transforms.json", "points.ply", "images"
MOST_POINTS = 50_000
"""Gaussians whose centres are given as points to start from."""
SURE = 0.5
"""Least opacity of those."""


def scene_as_data(scene: Path, out: Path | None = None, *, max_size: int = 960, max_pictures: int = 300) -> Path:
    """The folder with `transforms.json`, `images` and `points.ply`; it is made when it is not there or out of date.

    The pictures are those that the scene was reconstructed from, where they still lie in its folder (in `images` or
    `work`); otherwise its Gaussians are rendered from its cameras. The world stays as it is: metres, z up.

    Args:
        scene: A scene folder.
        out: Where to write; by default the folder `nerfstudio` of the scene.
        max_size: Long side of pictures that are rendered, pixels.
        max_pictures: Of more cameras than this, so many are taken, evenly along their order.

    Raises:
        FileNotFoundError, FormatError: there is no scene, or it cannot be read.
        FileExistsError: `out` holds other files.
        ValueError: the scene has no pinhole cameras, or nothing to show.
    """
    if not 16 <= max_size <= 65_536 or not 1 <= max_pictures <= 1_000_000:
        raise ValueError(
            f"max_size is {max_size} and max_pictures {max_pictures}; expected 16 to 65536 pixels and 1 to a million."
        )
    scene, out = Path(scene), Path(out or Path(scene) / FOLDER)
    opened = Scene.load(scene)
    facts = {"splatsim": {"scene": _digest(scene / MANIFEST), "max_size": max_size, "max_pictures": max_pictures}}
    if _is_made(out, facts):
        return out
    if opened.cameras is None or opened.cameras.model != "pinhole" or not len(opened.cameras):
        raise ValueError(f'the scene "{opened.name}" has no pinhole cameras; expected some to take pictures from.')
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.partial-", dir=out.parent))
    try:
        (staging / IMAGES).mkdir()
        rows = np.unique(np.linspace(0, len(opened.cameras) - 1, max_pictures).round().astype(int)).tolist()
        pictures = list(_given(scene, opened, rows, staging) or _rendered(opened, rows, staging, max_size))
        points = None if opened.gaussians is None else POINTS
        if opened.gaussians is not None:
            (staging / POINTS).write_bytes(_points(opened.gaussians))
        write_transforms(staging / TRANSFORMS, pictures, points=points, facts=facts)
        publish(staging, out, {TRANSFORMS, POINTS, IMAGES})
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return out


def _is_made(out: Path, facts: dict[str, Any]) -> bool:
    """Whether the data are there, of this scene and these options.

    Raises:
        FileExistsError: the folder holds something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    try:
        found = json.loads((out / TRANSFORMS).read_text(encoding="utf-8"))
        made = found["splatsim"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileExistsError(
            f"{out} holds files but no {TRANSFORMS} that splatsim wrote; expected an empty or a new folder."
        ) from error
    return bool(made == facts["splatsim"])


def _given(scene: Path, opened: Scene, rows: list[int], staging: Path) -> list[PosedPicture]:
    """The pictures that the scene was made of, where all are there; none otherwise."""
    assert opened.cameras is not None
    names = _names(scene / "cameras.json", len(opened.cameras))
    if names is None:
        return []
    for folder in (scene / IMAGES, *sorted(scene.glob(f"work/**/{IMAGES}"))):
        if all((folder / names[row]).is_file() for row in rows):
            break
    else:
        return []
    pictures = []
    for row in rows:
        source, path = folder / names[row], f"{IMAGES}/{row:05d}{Path(names[row]).suffix}"
        try:
            with Image.open(source) as file:
                width, height = file.size
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise FormatError(f"{source} cannot be read ({error}); expected a picture of the scene.") from error
        _link(source, staging / path)
        camera = opened.cameras[row]
        pictures.append(PosedPicture(path, Cameras(camera.viewmats, camera.Ks, width, height)))
    return pictures


def _names(path: Path, count: int) -> list[str] | None:
    """Names of the pictures, which `splatsim reconstruct` leaves beside the scene; None where it did not."""
    if not path.is_file():
        return None
    try:
        names = [frame["name"] for frame in json.loads(path.read_text(encoding="utf-8"))["frames"]]
    except (ValueError, KeyError, TypeError):
        return None  # cameras of another making
    plain = all(isinstance(name, str) and Path(name).name == name for name in names)
    return names if plain and len(names) == count else None


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copyfile(source, target)


def _rendered(opened: Scene, rows: list[int], staging: Path, max_size: int) -> Iterator[PosedPicture]:
    """What the Gaussians look like from the scene's cameras."""
    assert opened.cameras is not None
    if opened.gaussians is None or not len(opened.gaussians):
        raise ValueError(f'the scene "{opened.name}" has neither pictures nor Gaussians; expected one of them.')
    cameras = opened.cameras[torch.tensor(rows)].to(torch.float32)
    share = min(1.0, max_size / max(cameras.width, cameras.height))
    if share < 1:
        width, height = (max(1, round(share * side)) for side in (cameras.width, cameras.height))
        cameras = camera_paths.resized(cameras, width, height)
    gaussians = opened.gaussians.detach()
    for index, row in enumerate(rows):
        path = f"{IMAGES}/{row:05d}.png"
        with torch.no_grad():
            seen = render(gaussians, cameras[index], antialiased=opened.antialiased, depths=False)
        shown = (255 * seen.colors[0].clamp(0, 1)).round().to(torch.uint8)
        Image.fromarray(shown.numpy()).save(staging / path)  # not by splatsim.video, which wants an ffmpeg
        yield PosedPicture(path, cameras[index])


def _points(gaussians: Gaussians) -> bytes:
    """A binary .ply of coloured points: the centres of opaque Gaussians."""
    gaussians = gaussians.detach().to("cpu")
    rows = ((gaussians.opacities >= SURE) & gaussians.means.isfinite().all(1)).nonzero()[:, 0]
    if len(rows) > MOST_POINTS:
        rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:MOST_POINTS]]
    shades = (255 * (0.5 + C0 * gaussians.sh[rows, 0]).clamp(0, 1)).round()
    table = np.zeros(len(rows), [("position", "<f4", 3), ("color", "u1", 3)])
    table["position"], table["color"] = gaussians.means[rows].numpy(), shades.to(torch.uint8).numpy()
    columns = "".join(f"property float {axis}\n" for axis in "xyz")
    columns += "".join(f"property uchar {color}\n" for color in ("red", "green", "blue"))
    return f"ply\nformat binary_little_endian 1.0\nelement vertex {len(rows)}\n{columns}end_header\n".encode() + (
        table.tobytes()
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
