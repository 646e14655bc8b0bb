"""The view from above that a robot is given: the map, what was seen of it, or the surroundings, people included."""

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.errors import EpisodeError
from splatsim.grids import UNKNOWN, BevMap, EgoFrame
from splatsim.maps import BevOptions, Floor, FogOfWar, People, bird_view
from splatsim.maps.bev import people_layer
from splatsim.nav.setup import Sensors
from splatsim.nav.world import World

EGO_CELL = 0.05
"""Edge of a cell of the surroundings, metres."""
EGO_CELLS = 128
"""Rows and columns of the surroundings: 6.4 m."""


class Birdseye:
    """Views of one world; its colours, heights and classes are rendered once.

    Raises:
        EpisodeError: colours are asked for, and the world has no Gaussians.
    """

    def __init__(self, world: World, sensors: Sensors) -> None:
        self._kind, frame = sensors.bev, world.nav_map.frame
        cells = world.nav_map.cells.cpu()
        self._map = BevMap(
            frame,
            torch.zeros(*frame.shape, 3),
            torch.zeros(frame.shape),
            torch.zeros(frame.shape, dtype=torch.bool),
            cells=cells,
        )
        if sensors.bev_colors:
            if world.gaussians is None:
                raise EpisodeError(
                    f'the world "{world.name}" has no Gaussians to see from above; expected some, or sensors without '
                    "bev_colors."
                )
            self._map = bird_view(
                world.gaussians,
                frame,
                floor=Floor(world.floor),
                semantics=world.semantics,
                nav_map=world.nav_map,
                options=BevOptions(antialiased=world.antialiased),
            )

    def view(self, pose: Float[Tensor, " 3"], fog: FogOfWar, people: People) -> BevMap:
        """What the setup gives of the place now.

        The map and the surroundings show everybody in them, what was seen only those in view now (`people` are given
        so). The surroundings stand in a frame of the robot's own: they do not tell where it is.
        """
        if self._kind == "ego":
            return self._around(pose, fog, people)
        mask, velocities = people_layer(self._map.frame, people)
        whole = self._map.replace(people=mask, velocities=velocities, visited=fog.visited.clone())
        if self._kind == "seen":
            seen = fog.cover(whole.replace(cells=None))
            return seen.replace(cells=fog.known().cells, visited=whole.visited)
        # What is handed out is the robot's own: whoever writes into it changes nothing here.
        return whole.map(torch.clone)

    def _around(self, pose: Float[Tensor, " 3"], fog: FogOfWar, people: People) -> BevMap:
        x, y, yaw = pose.tolist()
        reach = EGO_CELLS * EGO_CELL / 2
        there = EgoFrame((x, y, yaw), EGO_CELL, (EGO_CELLS, EGO_CELLS), reach)
        source = self._map.frame
        cells = source.cell_of(there.all_centers())
        inside = source.contains(cells)
        rows, columns = torch.where(inside[..., None], cells, 0).unbind(-1)

        def taken(values: Tensor, outside: int) -> Tensor:
            found = values[rows, columns]
            keep = inside if found.ndim == 2 else inside[..., None]
            return torch.where(keep, found, torch.full_like(found, outside))

        whole = self._map
        assert whole.cells is not None
        mask, velocities = people_layer(there, people)
        return BevMap(
            EgoFrame((0.0, 0.0, 0.0), EGO_CELL, there.shape, reach),
            taken(whole.colors, 0),
            taken(whole.heights, 0),
            taken(whole.observed, 0),
            None if whole.labels is None else taken(whole.labels, len(whole.class_names) - 1),
            whole.class_names,
            taken(whole.cells, UNKNOWN),
            mask,
            velocities,
            taken(fog.visited, 0),
        )
