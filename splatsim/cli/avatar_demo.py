"""`splatsim avatar demo`: people who do not exist walk about the apartment of the shelf, filmed."""

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from jaxtyping import UInt8
from tqdm import tqdm

from splatsim import video
from splatsim.assets import shelf_file
from splatsim.avatar.avatar import Avatar
from splatsim.avatar.people import make_person
from splatsim.avatar.staging import Ambience, populate
from splatsim.avatar.strollers import Strollers
from splatsim.cameras import Cameras
from splatsim.errors import FormatError
from splatsim.rendering import render
from splatsim.scene import Scene

SHOTS = (((11.65, 0.45, 2.15), (7.9, 2.9, 0.75)), ((5.75, 0.4, 2.1), (9.2, 2.7, 0.65)))
"""Where the camera stands in the living room and where it looks, metres, for each half of the video."""
MIDDLE = (8.9, 3.1)
"""About where people stay, x and y."""
STEP = 0.05
"""Longest step of the crowd, seconds."""
SETTLED = 1.0
"""Seconds of walking before the first picture."""


def avatar_demo(
    out: Path = Path("avatar_demo.mp4"),
    people: int = 6,
    seconds: float = 10.0,
    fps: float = 20.0,
    width: int = 960,
    height: int = 540,
    gaussians: int = 16_000,
    seed: int = 1,
    overwrite: bool = False,
) -> None:
    """Film different people who walk about an apartment and give way to each other and to the furniture.

    Everything is made here and now, offline: bodies, clothes and colours by the seed, ways on the apartment's map,
    footprints and poses, and every picture.

    Args:
        out: The video, .mp4.
        people: How many, 1 to 12.
        seconds: Length of the video.
        fps: Pictures per second.
        width: Pixels.
        height: Pixels.
        gaussians: Of each person.
        seed: Chooses the people and their ways.
        overwrite: Replace a file of this name.
    """
    if not 1 <= people <= 12:
        raise ValueError(f"people is {people}; expected 1 to 12, as many as have room in the apartment.")
    if not (0.1 <= seconds <= 600 and 1 <= fps <= 120):
        raise ValueError(
            f"the video would have {seconds} s at {fps} pictures per second; expected 0.1 to 600 s at 1 to 120."
        )
    if out.suffix.lower() not in video.VIDEOS:
        raise FormatError(f'{out} has the extension "{out.suffix}"; expected .mp4 for a video.')
    video.check_target(out, overwrite=overwrite)
    started = perf_counter()
    scene = Scene.load(shelf_file("scenes/apartment/scene.toml").parent)
    if scene.gaussians is None or scene.nav_map is None:
        raise ValueError("the apartment lacks its Gaussians or its map; reinstall splatsim.")
    numbers = tqdm(range(people), desc="people", unit="person", disable=None, leave=False)
    avatars = [make_person(seed + number).to_avatar(gaussians) for number in numbers]
    print(f"{people} people of {sum(map(len, avatars)):,} Gaussians in all made in {perf_counter() - started:.0f} s")
    strollers = Strollers([avatar.skeleton for avatar in avatars], scene.nav_map, around=MIDDLE, within=5.0, seed=seed)
    count = max(1, round(seconds * fps))
    frames = _frames(scene, avatars, strollers, _cameras(count, width, height), fps)
    video.write_video(out, tqdm(frames, total=count, desc="filming", unit="frame", disable=None, leave=False), fps=fps)
    print(f"{out}: {count} frames of {width} × {height} pixels, {perf_counter() - started:.0f} s in all")


def _cameras(count: int, width: int, height: int) -> Cameras:
    """One camera for each picture: two shots, each with a slow pan."""
    share = np.linspace(0, len(SHOTS), count, endpoint=False)
    shot, within = share.astype(int), share % 1 - 0.5
    eyes = np.array([SHOTS[index][0] for index in shot])
    targets = np.array([SHOTS[index][1] for index in shot])
    aside = np.cross(targets - eyes, [0.0, 0.0, 1.0])
    targets = targets + 0.12 * within[:, None] * aside
    return Cameras.look_at(
        torch.from_numpy(eyes).float(), torch.from_numpy(targets).float(), fov_deg=78, width=width, height=height
    )


def _frames(
    scene: Scene, avatars: list[Avatar], strollers: Strollers, cameras: Cameras, fps: float
) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """The pictures, one after the other."""
    assert scene.gaussians is not None
    ambience = Ambience.of(scene.gaussians)
    _walk(strollers, SETTLED)
    for index in range(len(cameras)):
        _walk(strollers, 1 / fps)
        world = populate(scene.gaussians, avatars, strollers.poses(), ambience=ambience)
        with torch.no_grad():
            yield video.to_bytes(render(world, cameras[index], depths=False).colors[0])


def _walk(strollers: Strollers, seconds: float) -> None:
    count = int(np.ceil(seconds / STEP - 1e-9))
    for _ in range(count):
        strollers.step(seconds / count)
