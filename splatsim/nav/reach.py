"""Distances along the floor from many places at once, and the places of a map that a robot can come to."""

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


def largest_part(nav_map: NavMap) -> Bool[Tensor, "rows cols"]:
    """The largest connected part of the free cells; cells that touch at a corner are not connected by it."""
    from scipy.ndimage import label

    parts, count = label(nav_map.free.cpu().numpy())
    if count == 0:
        return torch.zeros(nav_map.frame.shape, dtype=torch.bool)
    labels = torch.from_numpy(parts).long()
    sizes = torch.bincount(labels.flatten(), minlength=count + 1)
    sizes[0] = 0
    return labels == int(sizes.argmax())
