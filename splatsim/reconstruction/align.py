"""Align: z up, the floor at z = 0, walls along the axes, and metres where a source of scale was given."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.errors import ReconstructionError
from splatsim.reconstruction.capture import Capture
from splatsim.reconstruction.frameset import FrameSet
from splatsim.reconstruction.metres import scale_from_distance, scale_from_gps
from splatsim.reconstruction.planes import (
    find_floor,
    flat_normals,
    ground_below,
    refine_up,
    up_of_cameras,
    wall_yaw,
)

ScaleSource = Literal["camera height", "known distance", "scale", "gps", "input", "arbitrary"]
BUILT_SHARE = 0.35
"""Share of level or upright planes from which a scene counts as built by people."""
VIEW_DISTANCE = 3.0
"""Median distance from cameras to points where no scale is known, so that numbers have a sensible size."""


@dataclass(frozen=True)
class AlignConfig:
    """Where metres come from, and what is upright.

    Raises:
        ValueError: a length is not positive, or there are two sources of scale.
    """

    camera_height: float | None = None
    """Median height of the camera above the floor, metres."""
    known_distance: tuple[str, str, float] | None = None
    """Names of two frames, and the distance between the places they were taken from, metres."""
    scale: float | None = None
    """Metres per unit of the poses."""
    input_units: bool = False
    """The poses come from elsewhere and are in metres already."""
    gps: bool = True
    """Take the scale from positions in the photos' EXIF, where they are spread widely enough."""
    up: Literal["auto", "keep"] = "auto"
    """"auto" finds up and the floor; "keep" leaves the frame of the poses as it is: z is up, the floor at z = 0."""

    def __post_init__(self) -> None:
        distance = None if self.known_distance is None else self.known_distance[2]
        lengths = {"camera_height": self.camera_height, "known_distance": distance, "scale": self.scale}
        for name, value in lengths.items():
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"AlignConfig.{name} is {value}; expected a positive number.")
        given = [name for name, value in lengths.items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} both give the scale; expected one of them.")


@dataclass(frozen=True, eq=False)
class Alignment:
    """From the frame of the poses to the world: `capture.moved(alignment.b_from_a, alignment.scale)`."""

    b_from_a: Float[Tensor, "4 4"]
    """World from the frame of the poses, after these were multiplied by `scale`."""
    scale: float
    """Metres per unit of the poses; with an arbitrary scale, units of the world per unit of the poses."""
    scale_source: ScaleSource
    """Where it comes from. "arbitrary": lengths in the world are not metres."""
    floor_height: float | None
    """Height of the floor before it was moved to 0, in units of the world; None where no flat floor was found."""
    up_source: Literal["cameras", "walls and levels", "floor", "input"]
    """What up was taken from."""
    gravity_spread_deg: float
    """Median roll of the cameras against up: large where the camera was not held level."""
    floor_inliers: int
    """Points on the floor."""
    camera_height: float | None
    """Median height of the cameras above the floor or ground, in units of the world."""
    notes: tuple[str, ...]
    """What a user should know."""


def align(capture: Capture, config: AlignConfig | None = None, *, frames: FrameSet | None = None) -> Alignment:
    """Find up, floor, walls and scale of posed pictures.

    Up is taken from the cameras, which people hold level on the whole, then from walls and levels, then from the floor
    itself, as far as these are there. The origin is the floor below the first camera, x runs along the walls.

    Args:
        frames: where GPS positions are looked for.

    Raises:
        ReconstructionError: the scale cannot be found from what was given.
    """
    config = config or AlignConfig()
    viewmats = capture.viewmats.double().numpy()
    points = capture.points.double().numpy()
    points = points[np.isfinite(points).all(1)]
    notes: list[str] = []
    if config.up == "keep":
        rotation, found = np.eye(3), _Found("input", 0.0, 0, _roll(viewmats[:, :3, :3], np.array([0.0, 0.0, 1.0])))
    else:
        rotation, found = _upright(viewmats, points, notes)
    centres = _centres(viewmats) @ rotation.T
    points = points @ rotation.T
    ground = found.floor if found.floor is not None else _ground(points, centres, notes)
    height = float(np.median(centres[:, 2])) - ground if ground is not None else None
    scale, source = _scale(config, capture, frames, centres, height, points, notes)
    b_from_a = np.eye(4)
    b_from_a[:3, :3] = rotation
    if config.up == "auto":
        b_from_a[:3, 3] = -scale * np.array([centres[0, 0], centres[0, 1], ground if ground is not None else 0.0])
    return Alignment(
        b_from_a=torch.from_numpy(b_from_a).float(),
        scale=scale,
        scale_source=source,
        floor_height=None if found.floor is None else scale * found.floor,
        up_source=found.source,
        gravity_spread_deg=found.roll_deg,
        floor_inliers=found.inliers,
        camera_height=None if height is None else scale * height,
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Found:
    source: Literal["cameras", "walls and levels", "floor", "input"]
    floor: float | None
    """Height of the floor along up."""
    inliers: int
    roll_deg: float


def _centres(viewmats: Float[np.ndarray, "c 4 4"]) -> Float[np.ndarray, "c 3"]:
    return np.asarray(-np.einsum("cji,cj->ci", viewmats[:, :3, :3], viewmats[:, :3, 3]))


def _roll(rotations: Float[np.ndarray, "c 3 3"], up: Float[np.ndarray, "3"]) -> float:
    return float(np.degrees(np.median(np.arcsin(np.clip(np.abs(rotations[:, 0] @ up), 0, 1)))))


def _upright(
    viewmats: Float[np.ndarray, "c 4 4"], points: Float[np.ndarray, "p 3"], notes: list[str]
) -> tuple[Float[np.ndarray, "3 3"], _Found]:
    """The rotation to z up with the walls along the axes, and how it was found."""
    rotations, centres = viewmats[:, :3, :3], _centres(viewmats)
    up, _ = up_of_cameras(rotations)
    source: Literal["cameras", "walls and levels", "floor"] = "cameras"
    flat_points, normals = flat_normals(points)
    refined, share = refine_up(up, normals)
    if share >= BUILT_SHARE:
        up, source = refined, "walls and levels"
    floor = (
        find_floor(points, flat_points, normals, up, centres, _view_distance(points, centres)) if len(points) else None
    )
    if floor is not None:
        up, source = floor.normal, "floor"
    else:
        notes.append("no flat floor was found: z = 0 is the ground below the cameras, roughly")
    roll = _roll(rotations, up)
    if roll > 10:
        notes.append(f"the cameras are rolled by {roll:.0f} degrees against up (median): up may be wrong")
    rotation = _z_up(up)
    turned = normals @ rotation.T
    yaw, agreeing = wall_yaw(turned, np.abs(turned[:, 2]) < np.sin(np.radians(10)))
    forward = rotations[0, 2] @ rotation.T
    if agreeing < 0.25:
        yaw = float(np.arctan2(forward[1], forward[0]))  # no walls: x is where the first camera looks
    else:
        yaw = _quarter(yaw, float(np.arctan2(forward[1], forward[0])))
    c, s = np.cos(yaw), np.sin(yaw)
    rotation = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) @ rotation
    height = None if floor is None else floor.height
    return rotation, _Found(source, height, 0 if floor is None else floor.inliers, roll)


def _quarter(yaw: float, wanted: float) -> float:
    """Of the four directions of the walls the one nearest to a wanted one."""
    return min((yaw + k * np.pi / 2 for k in range(4)), key=lambda angle: -math.cos(angle - wanted))


def _z_up(up: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """A rotation that takes `up` to z."""
    helper = np.eye(3)[int(np.argmin(np.abs(up)))]
    x = np.cross(helper, up)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(up, x), up])


def _view_distance(points: Float[np.ndarray, "p 3"], centres: Float[np.ndarray, "c 3"]) -> float:
    """Median distance from the cameras' middle to the points: the size of what is seen."""
    from scipy.spatial import cKDTree

    distances = cKDTree(centres).query(points)[0]
    return max(float(np.median(distances)), 1e-9)


def _ground(points: Float[np.ndarray, "p 3"], centres: Float[np.ndarray, "c 3"], notes: list[str]) -> float | None:
    """Ground below the cameras where there is no flat floor: the median over the cameras."""
    if not len(points):
        return None
    ground = ground_below(points, centres, _view_distance(points, centres))
    known = ground[np.isfinite(ground)]
    if not len(known):
        notes.append("no ground is seen below the cameras: z = 0 is the height of the median camera")
        return float(np.median(centres[:, 2]))
    return float(np.median(known))


def _scale(
    config: AlignConfig,
    capture: Capture,
    frames: FrameSet | None,
    centres: Float[np.ndarray, "c 3"],
    height: float | None,
    points: Float[np.ndarray, "p 3"],
    notes: list[str],
) -> tuple[float, ScaleSource]:
    if config.scale is not None:
        return config.scale, "scale"
    if config.camera_height is not None:
        if height is None or height <= 0:
            raise ReconstructionError(
                "the scale cannot be taken from --camera-height: no floor was found below the cameras; "
                "give --known-distance or --scale."
            )
        return config.camera_height / height, "camera height"
    if config.known_distance is not None:
        return scale_from_distance(config.known_distance, capture.names, centres), "known distance"
    if config.input_units:
        return 1.0, "input"
    if config.gps and frames is not None:
        scale = scale_from_gps(capture, frames, centres, notes)
        if scale is not None:
            return scale, "gps"
    notes.append("no source of scale was given: lengths are not metres")
    return (VIEW_DISTANCE / _view_distance(points, centres) if len(points) else 1.0), "arbitrary"
