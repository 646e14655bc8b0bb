"""Videos of episodes from above, small enough to stand in a page."""

import base64
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from splatsim import video
from splatsim.grids import GridFrame
from splatsim.nav.episode import Episode
from splatsim.nav.results import Result

FPS = 10.0
SPEED = 2.0
"""Simulated seconds in a second of video."""
MOST_FRAMES = 240
LONG_SIDE = 560

Picture = UInt8[np.ndarray, "h w 3"]
PERSON, ROBOT, WAY, GOAL, HIT = (124, 58, 237), (194, 65, 12), (29, 78, 216), (234, 179, 8), (220, 38, 38)


def video_url(picture: Picture, frame: GridFrame, episode: Episode, result: Result) -> str:
    """An episode as an mp4 that stands in the page itself.

    Raises:
        SplatsimError: ffmpeg is missing or fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "episode.mp4"
        video.write_video(path, frames(picture, frame, episode, result), fps=FPS)
        return "data:video/mp4;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def frames(picture: Picture, frame: GridFrame, episode: Episode, result: Result) -> Iterator[Picture]:
    """The place with robot, people and the way so far, at even times."""
    scale = LONG_SIDE / max(picture.shape[:2])
    size = (max(2, round(picture.shape[1] * scale)), max(2, round(picture.shape[0] * scale)))
    ground = Image.fromarray(picture).resize(size, Image.Resampling.NEAREST)
    trajectory, pixels = result.trajectory, scale / frame.resolution
    west, north = frame.north_west

    def spot(x: float, y: float) -> tuple[float, float]:
        return (x - west) * pixels, (north - y) * pixels

    clock = trajectory.seconds.numpy()
    last = float(clock[-1])
    count = min(MOST_FRAMES, max(2, math.ceil(last / SPEED * FPS) + 1))
    for time in np.linspace(0.0, last, count):
        k = int(np.searchsorted(clock, time, side="right")) - 1
        shown = ground.copy()
        draw = ImageDraw.Draw(shown)
        draw.line([spot(x, y) for x, y in episode.reference.tolist()], fill=WAY, width=1)
        draw.line(
            [spot(x, y) for x, y in trajectory.places[: k + 1].tolist()] * (2 if k == 0 else 1), fill=ROBOT, width=3
        )
        _disc(draw, spot(*episode.goal), 6, fill=GOAL)
        for place, radius in _people(result, k):
            _disc(draw, spot(*place), radius * pixels, fill=PERSON)
        hit = trajectory.human_contacts is not None and k > 0 and bool(trajectory.human_contacts[k - 1])
        x, y, yaw = trajectory.poses[k].tolist()
        _disc(draw, spot(x, y), trajectory.robot_radius * pixels, fill=HIT if hit else ROBOT)
        draw.line([spot(x, y), spot(x + 0.4 * math.cos(yaw), y + 0.4 * math.sin(yaw))], fill=(255, 255, 255), width=2)
        draw.text((8, size[1] - 18), f"{time:.1f} s", fill=HIT)
        yield np.asarray(shown)


def _people(result: Result, k: int) -> list[tuple[tuple[float, float], float]]:
    trajectory = result.trajectory
    if trajectory.people is None or trajectory.radii is None:
        return []
    return [
        ((x, y), radius)
        for (x, y), radius in zip(trajectory.people[k].tolist(), trajectory.radii.tolist(), strict=True)
    ]


def _disc(draw: ImageDraw.ImageDraw, spot: tuple[float, float], radius: float, *, fill: tuple[int, int, int]) -> None:
    u, v = spot
    draw.ellipse([u - radius, v - radius, u + radius, v + radius], fill=fill)
