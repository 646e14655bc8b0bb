"""Fog of war: what of a map a robot has seen so far, for agents that must find their way without a map."""

import math

import torch
from jaxtyping import Bool
from torch import Tensor

from splatsim.grids import UNKNOWN, BevMap, NavMap, VoxelFrame
from splatsim.maps.bev import sampled
from splatsim.occupancy.raycast import Rays, cast_states, count_crossings

MOST_RAYS = 100_000


class FogOfWar:
    """The cells of a map that were in view at least once, and where the robot was."""

    def __init__(self, nav_map: NavMap) -> None:
        self.nav_map = nav_map
        self.seen: Bool[Tensor, "rows cols"] = torch.zeros(nav_map.frame.shape, dtype=torch.bool)
        self.visited: Bool[Tensor, "rows cols"] = torch.zeros(nav_map.frame.shape, dtype=torch.bool)
        rows, columns = nav_map.frame.shape
        west, north = nav_map.frame.north_west
        size = nav_map.frame.resolution
        self._layer = VoxelFrame((west, north - rows * size, 0.0), size, (columns, rows, 1))
        # Voxels run east and north, cells south and east.
        self._states = nav_map.cells.cpu().flip(0).T[..., None].contiguous()

    def look(self, pose: tuple[float, float, float], *, fov: float, reach: float) -> None:
        """See what lies within a sector: free cells up to the first occupied one, and that one.

        Args:
            pose: World x and y, metres, and yaw, radians.
            fov: Angle of the sector, radians; 2π sees all around.
            reach: How far one sees, metres.

        Raises:
            ValueError: an angle or length is not positive or not finite.
        """
        if not (0 < fov <= 2 * math.pi + 1e-9 and 0 < reach < 1e6 and all(map(math.isfinite, pose))):
            raise ValueError(f"look got pose {pose}, fov {fov} and reach {reach}; expected radians and metres.")
        x, y, yaw = pose
        size = self._layer.voxel_size
        count = min(MOST_RAYS, max(3, math.ceil(2 * fov * reach / size) + 1))
        angles = yaw + torch.linspace(-fov / 2, fov / 2, count, dtype=torch.float64)
        directions = torch.stack([angles.cos(), angles.sin(), torch.zeros_like(angles)], dim=-1)
        origins = torch.tensor([x, y, size / 2], dtype=torch.float64).expand(count, 3).contiguous()
        rays = Rays(origins, directions, torch.full((count,), reach, dtype=torch.float64))
        hits = cast_states(self._layer, self._states, rays)
        ends = torch.where(hits.hit, hits.entry, reach)
        crossed = count_crossings(self._layer, rays.until(ends)) > 0
        crossed.view(-1)[hits.index[hits.hit]] = True
        here = self.nav_map.frame.cell_of(torch.tensor([[x, y]], dtype=torch.float64))
        if bool(self.nav_map.frame.contains(here)[0]):
            row, column = here[0].tolist()
            self.seen[row, column] = self.visited[row, column] = True
        self.seen |= crossed[..., 0].T.flip(0)

    def known(self) -> NavMap:
        """The map as far as it was seen; the rest is unknown."""
        return self.nav_map.replace(cells=torch.where(self.seen, self.nav_map.cells, UNKNOWN))

    def cover(self, bev: BevMap) -> BevMap:
        """The view from above without what was not seen yet, with what was visited."""
        seen = sampled(self.nav_map.frame, self.seen, bev.frame, 0)
        layers: dict[str, Tensor] = {
            "colors": torch.where(seen[..., None], bev.colors, 0),
            "heights": torch.where(seen, bev.heights, 0),
            "observed": bev.observed & seen,
            "visited": sampled(self.nav_map.frame, self.visited, bev.frame, 0),
        }
        if bev.cells is not None:
            layers["cells"] = torch.where(seen, bev.cells, UNKNOWN)
        if bev.labels is not None:
            layers["labels"] = torch.where(seen, bev.labels, len(bev.class_names) - 1)
        if bev.people is not None and bev.velocities is not None:
            layers["people"] = bev.people & seen
            layers["velocities"] = torch.where(seen[..., None], bev.velocities, 0)
        return bev.replace(**layers)
