"""Pictures: what the cameras of many robots see, the people around each of them included."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.errors import EpisodeError
from splatsim.gaussians import Gaussians
from splatsim.nav.setup import Sensors
from splatsim.nav.world import World
from splatsim.rendering import render, render_surface
from splatsim.semantics import Semantics, render_labels

PERSON = "person"
"""Name of the class of people."""


@dataclass(frozen=True)
class Shot:
    """What one robot's camera sees; None for what it does not take."""

    rgb: Float[Tensor, "h w 3"] | None
    """In [0, 1]."""
    depth: Float[Tensor, "h w"] | None
    """z-depth of the first surface, metres, 0 where less than half of the light is stopped."""
    semantic: Int[Tensor, "h w"] | None
    """Labels, 255 where there is none."""


class Pictures:
    """Of one world.

    Raises:
        EpisodeError: the world has no Gaussians, or labels are asked for and it has none.
    """

    def __init__(self, world: World, sensors: Sensors) -> None:
        if world.gaussians is None:
            raise EpisodeError(
                f'the world "{world.name}" has no Gaussians to take pictures of; expected some, or sensors and tasks '
                "without pictures."
            )
        if sensors.semantic and world.semantics is None:
            raise EpisodeError(
                f'the world "{world.name}" has no semantics; expected some, or sensors without semantic pictures.'
            )
        self._sensors, self._antialiased = sensors, world.antialiased
        self._eye = world.floor + sensors.camera_height
        self._scene = world.gaussians.detach().replace(features=None)
        self._room = self._scene
        names = () if world.semantics is None else world.semantics.class_names
        self.class_names = names if PERSON in names else (*names, PERSON)
        """Names by label: those of the world, and people."""
        self._semantics = world.semantics

    def cameras(self, poses: Float[Tensor, "n 3"]) -> Cameras:
        """The cameras of robots at these poses: level, and looking ahead."""
        views = [_level(x, y, yaw, self._eye) for x, y, yaw in poses.tolist()]
        viewmats = torch.tensor(views, dtype=torch.float64).reshape(-1, 4, 4).float()
        cameras = Cameras(
            viewmats, intrinsics(self._sensors).expand(len(views), 3, 3), self._sensors.width, self._sensors.height
        )
        return cameras.to(self._scene.means.device)

    def take(self, poses: Float[Tensor, "n 3"], people: Sequence[Gaussians | None]) -> list[Shot]:
        """What the cameras at these poses see, each with people of its own around it.

        Cameras without people are rendered in one call; the others one after the other, scene and people together.
        """
        cameras = self.cameras(poses)
        shots: dict[int, Shot] = {}
        alone = [index for index, others in enumerate(people) if others is None]
        if alone:
            shots |= dict(zip(alone, self._shoot(self._scene, 0, cameras[torch.tensor(alone)]), strict=True))
        for index, others in enumerate(people):
            if others is not None:
                shots[index] = self._shoot(self._with(others), len(others), cameras[index])[0]
        return [shots[index] for index in range(len(people))]

    def colors(self, pose: tuple[float, float, float]) -> Float[Tensor, "h w 3"]:
        """The picture of the place itself from a pose."""
        cameras = self.cameras(torch.tensor([pose], dtype=torch.float64))
        with torch.no_grad():
            seen = render(self._scene, cameras, antialiased=self._antialiased, depths=False)
        return seen.colors[0].cpu().clamp(0, 1)

    def _shoot(self, scene: Gaussians, people: int, cameras: Cameras) -> list[Shot]:
        sensors = self._sensors
        rgb: Sequence[Tensor | None] = [None] * len(cameras)
        depth: Sequence[Tensor | None] = [None] * len(cameras)
        labels: Sequence[Tensor | None] = [None] * len(cameras)
        with torch.no_grad():
            if sensors.rgb:
                seen = render(scene, cameras, antialiased=self._antialiased, depths=False)
                rgb = list(seen.colors.cpu().clamp(0, 1))
            if sensors.depth:
                # Where a ray meets the first surface: the expected depth of flat Gaussians errs by half of their size.
                depth = list(render_surface(scene, cameras, antialiased=self._antialiased).depths.cpu())
        if sensors.semantic:
            semantics = Semantics(self._labels(people), self.class_names)
            labels = list(render_labels(scene, semantics, cameras, antialiased=self._antialiased).labels.cpu().long())
        return [Shot(*parts) for parts in zip(rgb, depth, labels, strict=True)]

    def _labels(self, people: int) -> UInt8[Tensor, " n"]:
        assert self._semantics is not None
        label = self.class_names.index(PERSON)
        return torch.cat([self._semantics.labels.cpu(), torch.full((people,), label, dtype=torch.uint8)])

    def _with(self, people: Gaussians) -> Gaussians:
        """The scene and these people, who take the place of those of the last picture: the scene is not copied."""
        n, m = len(self._scene), len(people)
        people = people.with_sh_degree(self._scene.sh_degree).to(self._scene.means.device)
        if len(self._room) < n + m:
            self._room = Gaussians.concat([self._scene, people])
        for name, rows in self._room.tensors().items():
            rows[n : n + m] = people.tensors()[name]
        return self._room.select(slice(0, n + m))


def intrinsics(sensors: Sensors) -> Float[Tensor, "3 3"]:
    """Of every camera, pixels."""
    focal = 0.5 * sensors.width / math.tan(math.radians(sensors.hfov_deg) / 2)
    return torch.tensor([[focal, 0.0, sensors.width / 2], [0.0, focal, sensors.height / 2], [0.0, 0.0, 1.0]])


def noisy(depth: Float[Tensor, "h w"], share: float, seed: int, step: int) -> Float[Tensor, "h w"]:
    """Depth with an error that is a share of it, the same for the same step of an episode."""
    draws = np.random.default_rng([seed, 0xDE9, step]).standard_normal(tuple(depth.shape), np.float32)
    return (depth * (1 + share * torch.from_numpy(draws))).clamp_min(0)


def _level(x: float, y: float, yaw: float, z: float) -> list[list[float]]:
    """cam_from_world of a level camera: x of the camera is right, y is down, z is ahead."""
    c, s = math.cos(yaw), math.sin(yaw)
    return [[s, -c, 0.0, c * y - s * x], [0.0, 0.0, -1.0, z], [c, s, 0.0, -c * x - s * y], [0.0, 0.0, 0.0, 1.0]]
