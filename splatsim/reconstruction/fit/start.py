"""Where a fit starts: what the triangulated points of a capture say before the first step."""

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from splatsim.fitting.initialisation import gaussians_from_points
from splatsim.gaussians import Gaussians
from splatsim.reconstruction.capture import Capture
from splatsim.transforms import apply

LARGEST_PIXELS = 30.0
"""No Gaussian starts with a standard deviation above this many pixels in the nearest picture that saw it."""


def observed_depths(capture: Capture) -> Float[Tensor, " o"]:
    """Depth of each observed point in the camera that observed it."""
    picture, point = capture.observations.long().unbind(-1)
    return (capture.viewmats[picture, 2, :3] * capture.points[point]).sum(-1) + capture.viewmats[picture, 2, 3]


def scene_length(capture: Capture) -> float:
    """The scene's unit of length: the median distance at which things were seen."""
    depths = observed_depths(capture)
    depths = depths[depths > 0]
    if len(depths):
        return float(depths.median())
    return 1.0


def start_gaussians(
    capture: Capture,
    points: Float[Tensor, "p 3"],
    colors: UInt8[Tensor, "p 3"],
    *,
    opacity: float,
    scale: float,
) -> Gaussians:
    """One round Gaussian for each point of the capture and for each further one."""
    picture, point = capture.observations.long().unbind(-1)
    depths = observed_depths(capture)
    per_pixel = torch.full((len(capture.points),), float("inf"))
    per_pixel.scatter_reduce_(0, point, depths.clamp_min(0) / capture.Ks[picture, 0, 0], "amin")
    largest = LARGEST_PIXELS * torch.where(per_pixel > 0, per_pixel, float("inf"))
    largest = torch.cat([largest, torch.full((len(points),), float("inf"))])
    return gaussians_from_points(
        torch.cat([capture.points, points]),
        torch.cat([capture.point_colors, colors]),
        opacity=opacity,
        scale=scale,
        largest=largest,
    )


def depth_targets(
    capture: Capture, index: int, level: int, size: tuple[int, int]
) -> tuple[Int[Tensor, " m"], Float[Tensor, " m"], Float[Tensor, " m"]]:
    """Pixels (row by row) of a smaller picture in which points were seen, their depths, and how sure they are.

    A pixel takes the first of its points.
    """
    seen = capture.observations[capture.observations[:, 0] == index, 1].long()
    points = apply(capture.viewmats[index], capture.points[seen])
    depth = points[:, 2]
    focal, center = capture.Ks[index, [0, 1], [0, 1]], capture.Ks[index, :2, 2]
    pixels = ((points[:, :2] / depth[:, None] * focal + center) / level).floor().long()
    width, height = size
    inside = (depth > 0) & (pixels >= 0).all(-1) & (pixels[:, 0] < width) & (pixels[:, 1] < height)
    places = (pixels[:, 1] * width + pixels[:, 0])[inside]
    first = torch.full((width * height,), len(places)).scatter_reduce_(0, places, torch.arange(len(places)), "amin")
    chosen = first[first < len(places)]
    sureness = 1 / (1 + capture.point_errors[seen][inside].square())
    return places[chosen], depth[inside][chosen], sureness[chosen]
