"""Who sees whom: lines of sight over the cells of a map."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from splatsim.grids import NavMap, VoxelFrame
from splatsim.occupancy.raycast import Rays, cast_states


class Sight:
    """Occupied cells hide what is behind them; cells that are unknown do not."""

    def __init__(self, nav_map: NavMap) -> None:
        rows, columns = nav_map.frame.shape
        west, north = nav_map.frame.north_west
        size = nav_map.frame.resolution
        self._layer = VoxelFrame((west, north - rows * size, 0.0), size, (columns, rows, 1))
        # Voxels run east and north, cells south and east.
        self._states = nav_map.cells.cpu().flip(0).T[..., None].contiguous()

    def between(self, eyes: Float[Tensor, "n 2"], others: Float[Tensor, "n 2"]) -> Bool[Tensor, " n"]:
        """Whether nothing stands between each eye and the middle of the other."""
        way = (others - eyes).double()
        length = way.square().sum(-1).sqrt()
        # Who stands at the very place of the eye is seen.
        way = torch.where((length > 0)[:, None], way / length.clamp_min(1e-300)[:, None], 1.0)
        height = torch.full((len(eyes), 1), self._layer.voxel_size / 2, dtype=torch.float64)
        rays = Rays(torch.cat([eyes.double(), height], -1), torch.cat([way, 0 * height], -1), length)
        return ~cast_states(self._layer, self._states, rays).hit
