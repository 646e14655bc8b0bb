"""World: one place, as all episodes in it share it."""

import hashlib
import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from splatsim.errors import EpisodeError, MapError
from splatsim.gaussians import Gaussians
from splatsim.grids import NavMap
from splatsim.maps import fit_floor, map_scene
from splatsim.nav.physics import Space
from splatsim.scene import Scene
from splatsim.semantics import Semantics


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class World:
    """What all episodes of one place share; built once, read only.

    Raises:
        EpisodeError: the floor is not finite, nothing of the map is free, or the labels do not fit the Gaussians.
    """

    name: str
    """Of the scene."""
    nav_map: NavMap
    """Where one may be, not inflated."""
    floor: float = 0.0
    """z of the floor, metres."""
    gaussians: Gaussians | None = None
    """What it looks like; without them it is played without pictures."""
    semantics: Semantics | None = None
    """The class of every Gaussian."""
    antialiased: bool = False
    """How the Gaussians are to be rendered."""
    content_hash: str = ""
    """SHA-256 over the map, the Gaussians and their classes, so that a suite knows its scene; found if not given."""
    _inflated: dict[float, NavMap] = field(default_factory=dict, init=False, repr=False)
    """Maps for the centres of robots, by radius."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.floor):
            raise EpisodeError(f'world "{self.name}" has floor {self.floor}; expected a height in metres.')
        if not bool(self.nav_map.free.any()):
            raise EpisodeError(
                f'world "{self.name}" has a map of {self.nav_map.cells.numel()} cells of which none is free; '
                "expected somewhere to be."
            )
        labels = 0 if self.semantics is None else len(self.semantics.labels)
        if self.semantics is not None and (self.gaussians is None or labels != len(self.gaussians)):
            have = 0 if self.gaussians is None else len(self.gaussians)
            raise EpisodeError(f'world "{self.name}" has {labels} labels for {have} Gaussians; expected one each.')
        if not self.content_hash:
            object.__setattr__(self, "content_hash", _hash(self))

    @classmethod
    def of(cls, scene: Scene) -> "World":
        """The world of a scene: its map, or one made from its Gaussians.

        Raises:
            EpisodeError: nothing of the map is free, or there is neither a map nor Gaussians to make one of.
            ResourceError: there would be too many voxels.
        """
        nav_map = scene.nav_map
        try:
            if nav_map is None:
                maps = map_scene(scene)
                nav_map, floor = maps.nav_map, maps.floor.height
            elif scene.gaussians is None or scene.scale_source == "generated":
                floor = 0.0  # where whoever makes a world puts it
            else:
                floor = fit_floor(
                    scene.gaussians, scene.cameras, depths=scene.depths, antialiased=scene.antialiased
                ).height
        except MapError as error:
            raise EpisodeError(f'no world can be made of the scene "{scene.name}": {error}') from error
        return cls(scene.name, nav_map, floor, scene.gaussians, scene.semantics, scene.antialiased)

    def space(self) -> Space:
        """What stands still, to drive in."""
        return Space(self.nav_map)

    def inflated(self, radius: float) -> NavMap:
        """The map for the centre of a round robot.

        Raises:
            ValueError: the radius is negative or not finite.
        """
        if radius not in self._inflated:
            self._inflated[radius] = self.nav_map.inflate(radius)
        return self._inflated[radius]


def _hash(world: World) -> str:
    digest = hashlib.sha256()

    def add(name: str, tensor: Tensor) -> None:
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())

    frame = world.nav_map.frame
    digest.update(f"{frame.north_west!r} {frame.resolution!r} {world.nav_map.z_range!r}\n".encode())
    add("cells", world.nav_map.cells)
    if world.gaussians is not None:
        gaussians = world.gaussians.detach()
        add("means", gaussians.means)
        add("sh", gaussians.sh)
        # Files hold logarithms, logits and parts of quaternions: their last bits differ between processors.
        for name, values in (
            ("scales", gaussians.scales.double().log()),
            ("opacities", gaussians.opacities.double()),
            ("quats", gaussians.quats.double().abs()),
        ):
            total = float(torch.nan_to_num(values).sum()) if values.numel() else 0.0
            digest.update(f"{name} {total:.4e}\n".encode())
    if world.semantics is not None:
        add("labels", world.semantics.labels)
        digest.update("\n".join(world.semantics.class_names).encode())
    return digest.hexdigest()
