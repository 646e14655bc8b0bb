"""The view from above: Gaussians without their ceiling, seen straight down on the cells of a map."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.gaussians import Gaussians
from splatsim.grids import UNKNOWN, BevMap, EgoFrame, GridFrame, NavMap
from splatsim.maps.floor import Floor
from splatsim.maps.people import People
from splatsim.rendering import Backend, render, render_surface
from splatsim.semantics import UNLABELLED, Semantics, render_labels

ABOVE = 1.0
"""Metres between the cut and the camera, so that what is cut through is not before the near plane."""
FINE = 3
"""Rays along each side of a cell of which the middle one tells height and class: the renderer blurs by about half of
what lies between two rays, and whole cells would grow what stands on them by one."""
THIN = 0.1
"""Share of the light of a cell that must come from the scene for the cell to show something."""


@dataclass(frozen=True)
class BevOptions:
    """How the view from above is made.

    Raises:
        ValueError: the ceiling is not above the floor, or the supersampling is not 1 to 8.
    """

    ceiling: float = 2.2
    """Metres above the floor from which on everything is cut off."""
    depth: float = 0.3
    """Metres below the floor down to which things are drawn."""
    supersampling: int = 2
    """Rays along each side of a cell over which colours are averaged."""
    antialiased: bool = False
    """As the Gaussians were fitted."""
    backend: Backend = "auto"
    """Who renders."""

    def __post_init__(self) -> None:
        if not (0 < self.ceiling < 1000 and 0 <= self.depth < 1000):
            raise ValueError(f"ceiling is {self.ceiling}, depth {self.depth}; expected metres above and below a floor.")
        if not 1 <= self.supersampling <= 8:
            raise ValueError(f"supersampling is {self.supersampling}; expected 1 to 8.")


def bird_view(
    gaussians: Gaussians,
    frame: GridFrame | EgoFrame,
    *,
    floor: Floor | None = None,
    semantics: Semantics | None = None,
    nav_map: NavMap | None = None,
    people: People | None = None,
    visited: Bool[Tensor, "rows cols"] | None = None,
    options: BevOptions | None = None,
) -> BevMap:
    """Colours, heights and classes straight from above, and the layers of a map beside them.

    Colours are those of the lowest band of the harmonics, the mean over all directions: from above, where no camera
    ever was, the higher bands are made up.

    Args:
        nav_map: Its cells become a layer, on its own frame or on another one.
        people: Where they stand becomes a layer; their Gaussians, if they are to be seen, belong to `gaussians`.
        visited: Of the same frame as `nav_map` where that is given, otherwise of `frame`.

    Raises:
        TypeError, ValueError, BackendUnavailable, ResourceError: as in `splatsim.render`.
    """
    options, floor = options or BevOptions(), floor or Floor(0.0)
    kept = _below_the_cut(gaussians.detach(), floor, options)
    low = gaussians.detach().select(kept).with_sh_degree(0).replace(features=None)
    x, y = _middle(frame)
    top = float(floor.heights(torch.tensor([x, y], dtype=torch.float64))) + options.ceiling + ABOVE
    camera = _overhead(frame, top, FINE, low)
    middle = slice(FINE // 2, None, FINE)
    with torch.no_grad():
        colors, mean, observed = _seen(low, _overhead(frame, top, options.supersampling, low), options)
        surface = render_surface(low, camera, antialiased=options.antialiased, backend=options.backend)
    depths = surface.depths[0, middle, middle].cpu()
    depths = torch.where(depths > 0, depths, mean)
    observed |= depths > 0
    labels: UInt8[Tensor, "rows cols"] | None = None
    names: tuple[str, ...] = ()
    if semantics is not None:
        shares = None if semantics.probabilities is None else semantics.probabilities[kept]
        part = Semantics(semantics.labels[kept], semantics.class_names, shares)
        seen = render_labels(low, part, camera, antialiased=options.antialiased, backend=options.backend)
        labels, names = _with_unlabelled(seen.labels[0, middle, middle].cpu(), semantics.class_names)
    inhabited, velocities = people_layer(frame, people)
    return BevMap(
        frame,
        colors,
        torch.where(observed, top - depths, 0),
        observed,
        labels,
        names,
        None if nav_map is None else sampled(nav_map.frame, nav_map.cells, frame, UNKNOWN),
        inhabited,
        velocities,
        None if visited is None else sampled(frame if nav_map is None else nav_map.frame, visited, frame, 0),
    )


def sampled(source: GridFrame | EgoFrame, values: Tensor, frame: GridFrame | EgoFrame, outside: int) -> Tensor:
    """The values of cells on another frame: at each centre, those of the cell that holds it."""
    if source == frame:
        return values
    cells = source.cell_of(frame.all_centers())
    inside = source.contains(cells)
    found = torch.full(frame.shape, outside, dtype=values.dtype)
    found[inside] = values[cells[inside][:, 0], cells[inside][:, 1]]
    return found


def _below_the_cut(gaussians: Gaussians, floor: Floor, options: BevOptions) -> Bool[Tensor, " n"]:
    heights = gaussians.means[:, 2] - floor.heights(gaussians.means[:, :2])
    return (heights < options.ceiling) & (heights > -options.depth)


def _middle(frame: GridFrame | EgoFrame) -> tuple[float, float]:
    if isinstance(frame, EgoFrame):
        return frame.pose[:2]
    west, north = frame.north_west
    rows, columns = frame.shape
    return west + columns * frame.resolution / 2, north - rows * frame.resolution / 2


def _overhead(frame: GridFrame | EgoFrame, top: float, supersampling: int, seen: Gaussians) -> Cameras:
    """The camera above, on the device of what is seen."""
    return _camera(frame, top, supersampling).to(seen.means.device).to(seen.means.dtype)


def _camera(frame: GridFrame | EgoFrame, top: float, supersampling: int) -> Cameras:
    rows, columns = (side * supersampling for side in frame.shape)
    size = frame.resolution / supersampling
    if isinstance(frame, GridFrame):
        return Cameras.overhead(frame.north_west, size, columns, rows, z=top)
    x, y, yaw = frame.pose
    s, c = math.sin(yaw), math.cos(yaw)
    half = frame.shape[1] * frame.resolution / 2
    view = torch.tensor(
        [
            [s, -c, 0.0, half - (s * x - c * y)],
            [-c, -s, 0.0, frame.ahead + c * x + s * y],
            [0.0, 0.0, -1.0, top],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )
    K = torch.tensor([[1 / size, 0.0, 0.0], [0.0, 1 / size, 0.0], [0.0, 0.0, 1.0]])
    return Cameras(view[None], K[None], columns, rows, "ortho")


def _seen(
    gaussians: Gaussians, camera: Cameras, options: BevOptions
) -> tuple[Float[Tensor, "rows cols 3"], Float[Tensor, "rows cols"], Bool[Tensor, "rows cols"]]:
    """Colour and mean depth of what cells show, as if it were opaque, and whether they show enough to tell."""
    # Light of the lowest band alone can fall below 0, which the renderer cuts off for each Gaussian as in any view.
    seen = render(gaussians, camera, antialiased=options.antialiased, backend=options.backend)
    assert seen.depths is not None
    light = torch.cat([seen.colors[0], (seen.depths * seen.alphas)[0, ..., None], seen.alphas[0, ..., None]], -1).cpu()
    pooled = torch.nn.functional.avg_pool2d(light.movedim(-1, 0)[None], options.supersampling)[0].movedim(0, -1)
    alphas = pooled[..., 4]
    observed = alphas > THIN
    # Seen from where no camera was, a floor can be thin; its colour is that of what is there, without the black behind.
    pooled = torch.where(observed[..., None], pooled / alphas.clamp_min(THIN)[..., None], 0)
    return pooled[..., :3].clamp(0, 1).contiguous(), pooled[..., 3].contiguous(), observed


def _with_unlabelled(
    labels: UInt8[Tensor, "h w"], names: tuple[str, ...]
) -> tuple[UInt8[Tensor, "h w"], tuple[str, ...]]:
    """Labels in which what has none is a class of its own, the last."""
    return torch.where(labels == UNLABELLED, len(names), labels).to(torch.uint8), (*names, "unlabelled")


def people_layer(
    frame: GridFrame | EgoFrame, people: People | None
) -> tuple[Bool[Tensor, "rows cols"] | None, Float[Tensor, "rows cols 2"] | None]:
    """The cells where people stand, and how they move: as the frame has it, east and north or ahead and left."""
    if people is None:
        return None, None
    nearest, who = _nearest_person(frame, people)
    # A person between cell centres still marks the cell that it stands in.
    mask = nearest <= frame.resolution / 2
    if not len(people):
        return mask, torch.zeros(*frame.shape, 2)
    moving = people.velocities.double()
    if isinstance(frame, EgoFrame):
        s, c = math.sin(frame.pose[2]), math.cos(frame.pose[2])
        moving = moving @ torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
    return mask, torch.where(mask[..., None], moving[who], 0).float()


def _nearest_person(
    frame: GridFrame | EgoFrame, people: People
) -> tuple[Float[Tensor, "rows cols"], Int[Tensor, "rows cols"]]:
    """How far each cell is from the rim of the person nearest to it, and who that is; infinite far from everybody.

    Only the cells about each person are looked at: maps are large, and people small.
    """
    nearest = torch.full(frame.shape, math.inf, dtype=torch.float64)
    who = torch.zeros(frame.shape, dtype=torch.int64)
    size = torch.tensor(frame.shape)
    stands = frame.cell_of(people.places.double())
    reach = ((people.radii.double() / frame.resolution).ceil().long() + 2)[:, None]
    low, high = ((stands + offset).clamp(min=0).minimum(size) for offset in (-reach, reach + 1))
    for person, window in enumerate(torch.stack([low, high], dim=-1).tolist()):
        rows, columns = (torch.arange(*ends) for ends in window)
        centers = frame.centers(torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1))
        away = (centers - people.places[person].double()).norm(dim=-1) - people.radii[person].double()
        part = tuple(slice(*ends) for ends in window)
        closer = away < nearest[part]
        nearest[part], who[part] = away.where(closer, nearest[part]), torch.where(closer, person, who[part])
    return nearest, who
