"""`splatsim bev`: a scene from above, as pictures and as arrays on one grid."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import torch
import tyro
from jaxtyping import Float, UInt8

from splatsim import video
from splatsim.formats.arrays import write_arrays, write_nav_map
from splatsim.formats.interior_gs import write_interior_gs
from splatsim.formats.ros_map import write_ros_map
from splatsim.grids import FREE, OCCUPIED, UNKNOWN, BevMap, EgoFrame, GridFrame, NavMap
from splatsim.maps import BevOptions, Floor, MapOptions, Robot, bird_view, fit_floor, map_scene
from splatsim.scene import Scene, open_scene
from splatsim.semantics import label_colors

GREYS = {FREE: 255, OCCUPIED: 0, UNKNOWN: 140}


@dataclass(frozen=True)
class BevLook:
    """How a scene is seen from above."""

    resolution: float = 0.05
    """Edge of a cell, metres; a scene that brings its own map keeps that map's."""
    ceiling: float = 2.2
    """Metres above the floor from which on everything is cut off."""
    robot: Annotated[Robot, tyro.conf.arg(name="robot")] = field(default_factory=Robot)
    """Who drives on the map."""
    around: tuple[float, float, float] | None = None
    """x and y, metres, and yaw, degrees: the surroundings of a body there, which looks up in the picture."""
    side: float = 12.8
    """Edge of the surroundings, metres."""
    anew: bool = False
    """Make the map from the Gaussians although the scene brings one."""

    def __post_init__(self) -> None:
        if not (0 < self.resolution <= 10 and 0 < self.side <= 1000):
            raise ValueError(f"resolution is {self.resolution}, side {self.side}; expected positive metres.")


def bev_of_scene(
    scene: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="SCENE")],
    out: Path,
    look: Annotated[BevLook, tyro.conf.arg(name="")] = BevLook(),
    overwrite: bool = False,
) -> None:
    """Draw a scene from above: colours, heights, classes and where a robot may drive, all on one grid.

    Writes bev.png, height.png, occupancy.png, semantics.png where classes are known, all layers as bev.npz, the map as
    nav_map.npz and for ROS as map.yaml and map.pgm, and for InteriorGS as interior_gs/occupancy.png and .json.

    Args:
        scene: The scene.
        out: The folder to write to.
        look: How it is seen.
        overwrite: Write into a folder that holds a view already.
    """
    if (out / "bev.npz").exists() and not overwrite:
        raise FileExistsError(f"{out} holds a view from above already; pass --overwrite or name another folder.")
    started = perf_counter()
    opened = open_scene(scene)
    nav_map, floor = _map_of(opened, look)
    frame = nav_map.frame if look.around is None else _ego(look, nav_map.frame)
    assert opened.gaussians is not None
    bev = bird_view(
        opened.gaussians,
        frame,
        floor=floor,
        semantics=opened.semantics,
        nav_map=nav_map,
        options=BevOptions(ceiling=look.ceiling, antialiased=opened.antialiased),
    )
    (out / "interior_gs").mkdir(parents=True, exist_ok=True)
    for name, picture in pictures(bev).items():
        video.write_picture(out / f"{name}.png", picture)
    write_nav_map(out / "nav_map.npz", nav_map)
    write_ros_map(out / "map.yaml", nav_map)
    write_interior_gs(out / "interior_gs", nav_map)
    _write_layers(out / "bev.npz", bev)
    free = float(nav_map.free.sum()) * nav_map.frame.resolution**2
    rows, columns = frame.shape
    print(
        f"{out}: {columns} × {rows} cells of {frame.resolution:g} m, {free:.1f} m² free, "
        f"floor at {floor.height:.2f} m, in {perf_counter() - started:.1f} s"
    )


def pictures(bev: BevMap) -> dict[str, UInt8[np.ndarray, "h w 3"]]:
    """The layers as pictures; what nobody sees is black."""
    shown = {"bev": video.to_bytes(bev.colors), "height": video.to_bytes(_shades(bev))}
    if bev.cells is not None:
        table = np.zeros(256, np.uint8)
        for state, grey in GREYS.items():
            table[state] = grey
        shown["occupancy"] = np.repeat(table[bev.cells.numpy()][..., None], 3, axis=2)
    if bev.labels is not None:
        shown["semantics"] = label_colors(bev.labels.numpy(), len(bev.class_names) - 1)
    return shown


def _shades(bev: BevMap) -> Float[torch.Tensor, "h w 3"]:
    """Dark at the floor, white at the top; black where nothing is seen."""
    seen = bev.heights[bev.observed]
    if not len(seen):
        return torch.zeros(*bev.frame.shape, 3)
    low, high = (float(np.quantile(seen.numpy(), share)) for share in (0.02, 0.995))
    shade = 0.15 + 0.85 * ((bev.heights - low) / max(high - low, 1e-6)).clamp(0, 1)
    return torch.where(bev.observed, shade, 0)[..., None].expand(-1, -1, 3)


def _map_of(scene: Scene, look: BevLook) -> tuple[NavMap, Floor]:
    if scene.gaussians is None:
        raise ValueError(f'the scene "{scene.name}" has no Gaussians; expected some to look at.')
    if scene.nav_map is not None and not look.anew:
        return scene.nav_map, fit_floor(
            scene.gaussians, scene.cameras, depths=scene.depths, antialiased=scene.antialiased
        )
    maps = map_scene(scene, MapOptions(voxel_size=look.resolution, robot=look.robot))
    return maps.nav_map, maps.floor


def _ego(look: BevLook, frame: GridFrame) -> EgoFrame:
    assert look.around is not None
    x, y, yaw = look.around
    cells = max(1, round(look.side / frame.resolution))
    return EgoFrame((x, y, math.radians(yaw)), frame.resolution, (cells, cells), look.side / 2)


def _write_layers(path: Path, bev: BevMap) -> None:
    frame = bev.frame
    facts = {"resolution": frame.resolution, "shape": frame.shape, "class_names": bev.class_names}
    place = (
        {"pose": frame.pose, "ahead": frame.ahead} if isinstance(frame, EgoFrame) else {"north_west": frame.north_west}
    )
    write_arrays(path, {name: tensor.numpy() for name, tensor in bev.tensors().items()}, **facts, **place)
