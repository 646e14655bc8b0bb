"""All maps of a scene in one call: floor, semantic occupancy, and where a robot may drive."""

from dataclasses import dataclass, field

import torch

from splatsim.cameras import Cameras
from splatsim.depth_pictures import DepthPictures
from splatsim.errors import MapError
from splatsim.gaussians import Gaussians
from splatsim.grids import NavMap, OccupancyGrid, VoxelFrame
from splatsim.maps.carving import Carving, carve
from splatsim.maps.driving import Robot, check_not_empty, drive_map
from splatsim.maps.floor import Floor, fit_floor
from splatsim.maps.solid import frame_of, labelled, solid_by_cameras, solid_by_superposition
from splatsim.maps.views import WIDTH, Views, at_width
from splatsim.rendering import Backend
from splatsim.scene import Scene
from splatsim.semantics import Semantics

MAX_VIEWS = 200
"""Cameras that carve; of more, evenly spread ones do."""


@dataclass(frozen=True)
class MapOptions:
    """How maps are made."""

    voxel_size: float = 0.05
    """Edge of a voxel and of a cell, metres."""
    robot: Robot = field(default_factory=Robot)
    """What drives."""
    tallest: float = 2.6
    """Metres above the floor up to which there are voxels."""
    width: int = WIDTH
    """Of the depth pictures that carve free space, pixels."""
    speck: float = 0.02
    """Square metres; smaller groups of occupied cells, in the midst of free ones, are noise."""
    walked: bool = True
    """The cameras were carried through the scene by somebody on its floor, in their order: where they were is free."""
    frame: VoxelFrame | None = None
    """Where the voxels stand; by default over what is opaque."""
    backend: Backend = "auto"
    """Who renders."""


@dataclass(frozen=True, eq=False)
class SceneMaps:
    """What is known of a scene's geometry."""

    floor: Floor
    """On which one drives."""
    occupancy: OccupancyGrid
    """What fills each voxel."""
    nav_map: NavMap
    """Where a point may drive: inflate it by the radius of the robot."""
    carving: Carving | None
    """What the cameras said, where there are cameras."""


def map_scene(scene: Scene, options: MapOptions | None = None) -> SceneMaps:
    """The maps of a scene from its Gaussians, its cameras and its semantics, where it has them.

    Raises:
        MapError: the scene has no Gaussians or no floor, or nothing is free; the message says why.
        ResourceError: there would be too many voxels.
    """
    if scene.gaussians is None:
        raise MapError(f'the scene "{scene.name}" has no Gaussians; expected some to make maps of.')
    return map_gaussians(
        scene.gaussians,
        scene.cameras,
        scene.semantics,
        depths=scene.depths,
        antialiased=scene.antialiased,
        options=options,
    )


def map_gaussians(
    gaussians: Gaussians,
    cameras: Cameras | None = None,
    semantics: Semantics | None = None,
    *,
    depths: DepthPictures | None = None,
    antialiased: bool = False,
    options: MapOptions | None = None,
) -> SceneMaps:
    """As `map_scene`, from the parts of a scene.

    Args:
        depths: Of the cameras' pictures, where some were measured: rays end there rather than at the Gaussians.

    Raises:
        ValueError: there is not one depth picture for each camera.
        MapError: there is no floor, or nothing is free; the message says why.
        ResourceError: there would be too many voxels.
    """
    options = options or MapOptions()
    have = 0 if cameras is None else len(cameras)
    if depths is not None and len(depths) != have:
        raise ValueError(f"map_gaussians got {len(depths)} depth pictures for {have} cameras; expected one for each.")
    gaussians = gaussians.detach()
    floor = fit_floor(gaussians, cameras, depths=depths, antialiased=antialiased)
    frame = options.frame or frame_of(gaussians, floor.height, options.voxel_size, options.tallest)
    carving = None
    if cameras is not None:
        chosen = torch.linspace(0, len(cameras) - 1, min(len(cameras), MAX_VIEWS)).round().long()
        small = at_width(cameras[chosen], options.width)
        measured = None if depths is None else depths[chosen]
        carving = carve(Views(gaussians, small, antialiased, options.backend, measured), frame, floor)
        solid = solid_by_cameras(carving)
        observed = solid | (carving.through > 0) | (carving.ended > 0)
    else:
        solid = solid_by_superposition(gaussians, frame)
        observed = torch.ones_like(solid)
    walked = cameras.positions if cameras is not None and options.walked else None
    nav_map = drive_map(frame, solid, floor, options.robot, carving, walked=walked, speck=options.speck)
    check_not_empty(nav_map, options.robot, floor)
    return SceneMaps(floor, labelled(gaussians, semantics, solid, observed, frame), nav_map, carving)
