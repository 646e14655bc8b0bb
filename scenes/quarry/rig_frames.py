"""Reads the frames that `frames.py` writes: pictures, classes, depths and LiDAR points of one moment.

frame = load_frame(Path("scenes/quarry/rig/train/0011_000"))
frame.points, frame.point_classes, frame.world_from_body
"""

import json
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import imageio.v3 as iio
import numpy as np

from _worldgen.lidar import Lidar
from splatsim.errors import FormatError
from splatsim.formats.arrays import read_arrays


@dataclass(frozen=True)
class Frame:
    """One moment; index k of the cameras is `rig["cameras"][k]`."""

    rig: dict
    """What is the same for all frames: `K`, `cams_from_body`, `body_from_lidar`, `class_names`, units."""
    world_from_body: np.ndarray
    """[4 4]; x forward, y left, z up, on the ground."""
    seed: int
    """The pit: its voxels are `pits/<seed>.npz`."""
    pictures: np.ndarray
    """uint8 [6 h w 3], sRGB."""
    classes: np.ndarray
    """uint8 [6 h w], index into `rig["class_names"]`; 0 is the sky."""
    depths: np.ndarray | None
    """float32 [6 h w], z-depth in metres, 0 is the sky; None where no depths were kept."""
    points: np.ndarray
    """float32 [n 3], returns of the LiDAR in the sensor's frame, metres."""
    point_classes: np.ndarray
    """uint8 [n]."""
    point_instances: np.ndarray
    """uint16 [n], numbers of the things in that pit."""
    intensity: np.ndarray
    """float32 [n] in [0, 1]."""
    rays: np.ndarray
    """[n 2] beam and column of each return; the other rays met nothing or were lost."""

    @property
    def points_in_world(self):
        """The returns in the world, metres [n 3]."""
        pose = self.world_from_body @ np.array(self.rig["body_from_lidar"])
        return self.points @ pose[:3, :3].T + pose[:3, 3]


def load_frame(folder):
    """One frame from its folder.

    Raises:
        FormatError: a part is missing or damaged.
    """
    folder = Path(folder)
    rig = _part(folder.parent.parent / "rig.json", _json)
    pose = _part(folder / "pose.json", _json)
    images = _part(folder / "lidar.npz", lambda path: read_arrays(path)[0])
    ranges, intensity, classes, instances = (
        _image(folder, images, name) for name in ("ranges", "intensity", "classes", "instances")
    )
    returned = ranges > 0
    directions = Lidar(**rig["lidar"]).directions()
    if ranges.shape != directions.shape[:2]:
        raise FormatError(f"{folder / 'lidar.npz'} has {ranges.shape} rays; expected {directions.shape[:2]}.")
    points = directions[returned] * (ranges[returned, None] * rig["range_unit_m"])
    return Frame(
        rig=rig,
        world_from_body=np.array(pose["world_from_body"]),
        seed=pose["seed"],
        pictures=_cameras(folder, rig, ".jpg"),
        classes=_cameras(folder, rig, ".classes.png"),
        depths=_depths(folder, rig),
        points=points.astype(np.float32),
        point_classes=classes[returned],
        point_instances=instances[returned],
        intensity=intensity[returned].astype(np.float32) / 255,
        rays=np.argwhere(returned),
    )


def _depths(folder, rig):
    """Depths are left out of what is committed."""
    if not any(folder.glob("*.depth.png")):
        return None
    return _cameras(folder, rig, ".depth.png").astype(np.float32) * np.float32(rig["depth_unit_m"])


def _cameras(folder, rig, ending):
    """One picture per camera."""
    pictures = []
    for name in rig["cameras"]:
        picture = _part(folder / f"{name}{ending}", iio.imread)
        if picture.shape[:2] != (rig["height"], rig["width"]):
            raise FormatError(
                f"{folder / name}{ending} is {picture.shape[1]}x{picture.shape[0]}; "
                f"expected {rig['width']}x{rig['height']}."
            )
        pictures.append(picture)
    return np.stack(pictures)


def _image(folder, images, name):
    if name not in images:
        raise FormatError(f"{folder / 'lidar.npz'} holds no {name!r}; expected the images of a sweep.")
    return images[name].numpy()


def _json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def _part(path, read):
    """A part of a frame, or its name in the error."""
    if not path.is_file():
        raise FormatError(f"{path} is missing; expected a frame made by scenes/quarry/frames.py.")
    try:
        return read(path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError(
            f"{path} cannot be read ({error}); expected a file made by scenes/quarry/frames.py."
        ) from error
