"""Clearance: how far any point of the floor is from what a robot may not touch."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from splatsim import native
from splatsim.grids import FREE, GridFrame, NavMap
from splatsim.tensors import TensorDataclass


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class Clearance(TensorDataclass):
    """The exact distance to the cells of a map that are not free, and to its border."""

    frame: GridFrame
    """Where the cells stand."""
    blocked: UInt8[Tensor, "rows cols"]
    """1 for cells that are occupied or unknown."""
    bounds: Float[Tensor, "rows cols"]
    """What the clearance of no point in a cell exceeds, metres."""

    def at(self, points: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        """The distance from any points to the nearest edge of a blocked cell or of the map, metres; 0 within them."""
        cells = self.frame.cell_of(points)
        inside = self.frame.contains(cells)
        found = torch.zeros(len(points), dtype=torch.float64)
        if not bool(inside.any()):
            return found
        near = cells[inside]
        places = points[inside].detach().cpu().double().contiguous()
        exact = torch.empty(len(places), dtype=torch.float64)
        west, north = self.frame.north_west
        reach = float(self.bounds[near[:, 0], near[:, 1]].max())
        native.gaps(
            self.blocked, west, north, self.frame.resolution, True, places, reach, exact, threads=native.threads()
        )
        found[inside] = exact
        return found


def clearance_of(nav_map: NavMap) -> Clearance:
    """The clearance of a map: unknown cells count as blocked, and so does everything outside of it."""
    from scipy.ndimage import distance_transform_edt

    blocked = (nav_map.cells != FREE).cpu()
    centers = distance_transform_edt(~np.pad(blocked.numpy(), 1, constant_values=True))[1:-1, 1:-1]
    # From the centre of a cell to the centre of the nearest blocked one; no point of the cell is further than half a
    # diagonal from its own centre.
    bounds = torch.from_numpy(centers + np.sqrt(0.5)) * nav_map.frame.resolution
    return Clearance(nav_map.frame, blocked.to(torch.uint8).contiguous(), bounds)
