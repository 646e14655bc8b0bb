"""Distances along the floor from many places at once."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from splatsim import native
from splatsim.grids import NavMap


def distances_from(nav_map: NavMap, places: Bool[Tensor, "rows cols"]) -> Float[Tensor, "rows cols"]:
    """The shortest way from each free cell to the nearest of some free cells, metres; infinite where there is none."""
    free = nav_map.free.cpu()
    distances = torch.where(places & free, 0.0, math.inf).float().contiguous()
    if bool((places & free).any()):
        native.march(free.to(torch.uint8).contiguous(), distances)
    return distances * nav_map.frame.resolution
