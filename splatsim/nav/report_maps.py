"""Episodes from above: one picture of the place for all of them, and what happened in each drawn over it."""

import base64
import html
import io

import imageio.v3 as iio
import numpy as np
import torch
from jaxtyping import Float, UInt8

from splatsim.grids import FREE, OCCUPIED, UNKNOWN, GridFrame, NavMap
from splatsim.maps import BevOptions, Floor, bird_view
from splatsim.nav.episode import Episode
from splatsim.nav.results import Result
from splatsim.nav.world import World
from splatsim.video import to_bytes

SHADES = {FREE: (250, 250, 248), OCCUPIED: (92, 97, 105), UNKNOWN: (205, 208, 212)}
MOST_POINTS = 160
"""Of a drawn line: a report of many episodes is still one file."""

Picture = UInt8[np.ndarray, "h w 3"]


def place_picture(world: World, *, colors: bool) -> Picture:
    """The place from above on the cells of its map: what it looks like, or where one may be."""
    if colors and world.gaussians is not None:
        options = BevOptions(antialiased=world.antialiased)
        bev = bird_view(world.gaussians, world.nav_map.frame, floor=Floor(world.floor), options=options)
        return to_bytes(torch.where(bev.observed[..., None], bev.colors, 0.16))
    return _shaded(world.nav_map)


def _shaded(nav_map: NavMap) -> Picture:
    table = np.zeros((256, 3), np.uint8)
    for state, shade in SHADES.items():
        table[state] = shade
    shaded: Picture = table[nav_map.cells.cpu().numpy()]
    return shaded


def place_style(picture: Picture) -> str:
    """The picture as a class of the page, so that it stands in it once."""
    buffer = io.BytesIO()
    iio.imwrite(buffer, picture, extension=".png")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    rows, columns = picture.shape[:2]
    return (
        f".place {{ background: url(data:image/png;base64,{data}) 0 0 / 100% 100%; aspect-ratio: {columns} / {rows}; "
        "image-rendering: pixelated; }"
    )


def drawing(episode: Episode, result: Result, frame: GridFrame) -> str:
    """What happened in an episode, as SVG in metres over the picture of the place."""
    rows, columns = frame.shape
    wide, high = columns * frame.resolution, rows * frame.resolution
    trajectory = result.trajectory
    parts = [_line(episode.reference, frame, "way")]
    if trajectory.people is not None and trajectory.radii is not None:
        for k, radius in enumerate(trajectory.radii.tolist()):
            parts.append(_line(trajectory.people[:, k], frame, "walk"))
            parts.append(_disc(trajectory.people[-1, k], radius, frame, "person"))
    good = result.metrics["strict"]["success"] > 0
    parts.append(_line(trajectory.places, frame, "drive good" if good else "drive bad"))
    parts.append(_disc(torch.tensor(episode.start[:2]), 0.12, frame, "start"))
    parts.append(_star(episode.goal, frame))
    parts.append(_disc(trajectory.places[-1], trajectory.robot_radius, frame, "robot"))
    for name, kind in (("static_contacts", "touch"), ("human_contacts", "hit")):
        contacts = getattr(trajectory, name)
        if contacts is not None:
            places = trajectory.places[1:][contacts][:MOST_POINTS]
            parts += [_disc(place, 0.1, frame, kind) for place in places]
    title = html.escape(f"{result.agent}, {episode.name}")
    return (
        f'<svg class="place" viewBox="0 0 {wide:.2f} {high:.2f}" role="img" aria-label="{title}">{"".join(parts)}</svg>'
    )


def _spot(point: tuple[float, float], frame: GridFrame) -> tuple[float, float]:
    west, north = frame.north_west
    return point[0] - west, north - point[1]


def _line(points: Float[torch.Tensor, "n 2"], frame: GridFrame, kind: str) -> str:
    picks = np.unique(np.linspace(0, len(points) - 1, min(len(points), MOST_POINTS)).round().astype(int))
    spots = [_spot((x, y), frame) for x, y in points[torch.from_numpy(picks)].tolist()]
    return f'<polyline class="{kind}" points="{" ".join(f"{x:.2f},{y:.2f}" for x, y in spots)}"/>'


def _disc(place: Float[torch.Tensor, "2"], radius: float, frame: GridFrame, kind: str) -> str:
    x, y = place.tolist()
    u, v = _spot((x, y), frame)
    return f'<circle class="{kind}" cx="{u:.2f}" cy="{v:.2f}" r="{radius:.2f}"/>'


def _star(goal: tuple[float, float], frame: GridFrame) -> str:
    u, v = _spot(goal, frame)
    angles = np.arange(10) * np.pi / 5
    reach = np.where(np.arange(10) % 2 == 0, 0.26, 0.11)
    points = " ".join(f"{u + r * np.sin(a):.2f},{v - r * np.cos(a):.2f}" for a, r in zip(angles, reach, strict=True))
    return f'<polygon class="goal" points="{points}"/>'


STYLE = """
svg.place { width: 100%; display: block; border-radius: 4px; }
svg.place polyline { fill: none; stroke-linejoin: round; stroke-linecap: round; }
.way { stroke: #1d4ed8; stroke-width: .05; stroke-dasharray: .12 .14; opacity: .75; }
.walk { stroke: #7c3aed; stroke-width: .05; opacity: .55; } .person { fill: #7c3aed; opacity: .8; }
.drive { stroke-width: .1; } .drive.good { stroke: #15803d; } .drive.bad { stroke: #c2410c; }
.start { fill: #1d4ed8; } .goal { fill: #eab308; stroke: #713f12; stroke-width: .03; }
.robot { fill: none; stroke: #111827; stroke-width: .05; } .touch { fill: #f59e0b; } .hit { fill: #dc2626; }
"""
