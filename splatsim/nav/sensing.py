"""Senses: what robots take in. Looking changes nothing; what is remembered is kept up with every step.

The noise of odometry is drawn with every step, that of depth by the number of the step, both from the episode's seed.
Whatever an agent is told about its place follows from odometry: where that errs, so do the place on the map and the
way to the goal.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from splatsim.maps import FogOfWar, People
from splatsim.nav.birdseye import Birdseye
from splatsim.nav.episode import POINT_TASKS, Episode
from splatsim.nav.humans import Pedestrians
from splatsim.nav.observation import Observation
from splatsim.nav.pictures import Pictures, Shot, intrinsics, noisy
from splatsim.nav.setup import Setup
from splatsim.nav.sight import Sight
from splatsim.nav.unicycle import wrapped
from splatsim.nav.world import World

REACH = 8.0
"""How far the camera sees where the map is uncovered by what was seen, metres."""


class Senses:
    """Of `count` lanes.

    Raises:
        EpisodeError: pictures are asked for, and the world has no Gaussians.
    """

    def __init__(self, world: World, setup: Setup, people: Pedestrians, count: int) -> None:
        self._world, self._setup, self._people = world, setup, people
        self._sight = Sight(world.nav_map)
        sensors = setup.sensors
        self._pictures = Pictures(world, sensors) if sensors.rgb or sensors.depth or sensors.semantic else None
        self._goal_images: list[Tensor | None] = [None] * count
        self._birdseye = Birdseye(world, setup.sensors) if setup.sensors.bev != "none" else None
        self._episodes: list[Episode | None] = [None] * count
        self._starts = torch.zeros(count, 3, dtype=torch.float64)
        self._drift: Float[Tensor, "n 3"] = torch.zeros(count, 3, dtype=torch.float64)
        self._noise = [np.random.default_rng(0)] * count
        self._fogs: list[FogOfWar | None] = [None] * count
        self._targets = torch.zeros(count, 2, dtype=torch.float64)
        self.visible: Bool[Tensor, " n"] = torch.zeros(count, dtype=torch.bool)
        """Whether the person to follow is in the camera's field of view, near enough and not hidden."""

    def reset(self, lane: int, episode: Episode, pose: Float[Tensor, " 3"]) -> None:
        """Begin an episode at a pose; the people are there already."""
        self._episodes[lane] = episode
        self._goal_images[lane] = self._goal_image(episode) if episode.task == "image goal" else None
        self._starts[lane], self._drift[lane] = pose, pose
        self._noise[lane] = np.random.default_rng([episode.seed % 2**63, 0x0D0])
        if self._birdseye is not None:
            self._fogs[lane] = FogOfWar(self._world.nav_map)
            self._look(lane, pose)
        row = torch.tensor([lane])
        if len(self._people):
            self._targets[lane] = self._people.places(row)[0, 0]
        self._watch(row, pose[None])

    def update(self, lanes: Int[Tensor, " m"], before: Float[Tensor, "m 3"], after: Float[Tensor, "m 3"]) -> None:
        """Take in what a step from one pose to another has brought."""
        self._drift[lanes] = after if self._setup.sensors.pose_noise == 0 else self._reckoned(lanes, before, after)
        if self._birdseye is not None:
            for lane, start, pose in zip(lanes.tolist(), before, after, strict=True):
                self._pass(lane, start, pose)
                self._look(lane, pose)
        self._watch(lanes, after)

    def observe(self, lanes: Sequence[int], poses: Tensor, seconds: Tensor, steps: Tensor) -> list[Observation]:
        """What the robots of these lanes see."""
        shots = [Shot(None, None, None)] * len(lanes)
        if self._pictures is not None and len(lanes):
            shots = self._pictures.take(poses[list(lanes)], [self._people.gaussians(lane) for lane in lanes])
        rows = zip(lanes, shots, strict=True)
        return [self._one(lane, poses[lane], float(seconds[lane]), int(steps[lane]), shot) for lane, shot in rows]

    def _one(self, lane: int, pose: Float[Tensor, " 3"], seconds: float, step: int, shot: Shot) -> Observation:
        episode, sensors = self._episodes[lane], self._setup.sensors
        assert episode is not None
        row = torch.tensor([lane])
        people = People(self._people.places(row)[0], self._people.velocities(row)[0], self._people.radii)
        believed = self._drift[lane]
        task, goal_image = episode.task, self._goal_images[lane]
        bev = None
        if self._birdseye is not None:
            fog = self._fogs[lane]
            assert fog is not None
            seen = people.map(lambda values: values[self._in_view(pose, people)]) if sensors.bev == "seen" else people
            bev = self._birdseye.view(pose, fog, seen)
        depth = shot.depth
        if depth is not None and sensors.depth_noise > 0:
            depth = noisy(depth, sensors.depth_noise, episode.seed % 2**63, step)
        return Observation(
            seconds=seconds,
            rgb=shot.rgb,
            depth=depth,
            semantic=shot.semantic,
            K=intrinsics(sensors) if self._pictures is not None or task == "image goal" else None,
            bev=bev,
            map_pose=_triple(believed) if sensors.bev in ("map", "seen") else None,
            pose=_triple(_within(self._starts[lane], believed)) if sensors.pose else None,
            people=self._tracked(lane, pose, people) if sensors.people else None,
            goal=_towards(believed, episode.goal) if task in POINT_TASKS else None,
            goal_image=None if goal_image is None else goal_image.clone(),
            goal_class=str(episode.info.get("goal_class", "")) if task == "object goal" else "",
            instruction=episode.instruction,
        )

    def _goal_image(self, episode: Episode) -> Tensor:
        """The picture to be taken at the goal."""
        pictures = self._pictures or Pictures(self._world, self._setup.sensors)
        return pictures.colors((*episode.goal, _gaze(episode)))

    def _reckoned(self, lanes: Tensor, before: Tensor, after: Tensor) -> Float[Tensor, "m 3"]:
        """Where odometry puts the robots, in the world's frame if it were right at the start."""
        moved = after - before
        turned = wrapped(moved[:, 2])
        draws = torch.from_numpy(np.array([self._noise[lane].standard_normal(2) for lane in lanes.tolist()]))
        factor = 1 + self._setup.sensors.pose_noise * draws
        aside = self._drift[lanes, 2] - before[:, 2]
        c, s = aside.cos(), aside.sin()
        x, y = c * moved[:, 0] - s * moved[:, 1], s * moved[:, 0] + c * moved[:, 1]
        way = torch.stack([x, y], -1) * factor[:, :1]
        yaw = self._drift[lanes, 2] + turned * factor[:, 1]
        return torch.cat([self._drift[lanes, :2] + way, yaw[:, None]], dim=-1)

    def _look(self, lane: int, pose: Float[Tensor, " 3"]) -> None:
        fog = self._fogs[lane]
        assert fog is not None
        if self._setup.sensors.bev == "seen":
            fog.look(_triple(pose), fov=math.radians(self._setup.sensors.hfov_deg), reach=REACH)
        self._pass(lane, pose, pose)

    def _pass(self, lane: int, start: Float[Tensor, " 3"], end: Float[Tensor, " 3"]) -> None:
        """Mark the cells that the middle of the robot came through."""
        fog = self._fogs[lane]
        assert fog is not None
        frame = fog.nav_map.frame
        count = math.ceil(2 * float((end - start)[:2].norm()) / frame.resolution) + 1
        share = torch.linspace(0, 1, count, dtype=torch.float64)[:, None]
        cells = frame.cell_of(start[:2] + share * (end - start)[:2])
        cells = cells[frame.contains(cells)]
        fog.visited[cells[:, 0], cells[:, 1]] = True

    def _watch(self, lanes: Int[Tensor, " m"], poses: Float[Tensor, "m 3"]) -> None:
        """Keep up where the person to follow was seen last."""
        if not len(self._people):
            return
        following = torch.tensor([self._follows(lane) for lane in lanes.tolist()], dtype=torch.bool)
        some, here = lanes[following], poses[following]
        if not len(some):
            return
        target = self._people.places(some)[:, 0]
        seen = self._sees(here, target)
        self._targets[some] = torch.where(seen[:, None], target, self._targets[some])
        half = math.radians(self._setup.sensors.hfov_deg) / 2
        self.visible[some] = seen & (_bearings(here, target).abs() <= half)

    def _follows(self, lane: int) -> bool:
        episode = self._episodes[lane]
        return episode is not None and episode.task == "following"

    def _sees(self, poses: Float[Tensor, "n 3"], others: Float[Tensor, "n 2"]) -> Bool[Tensor, " n"]:
        """Whether the tracker, which looks all around, has each other in its range and in line of sight."""
        near: Tensor = (others - poses[:, :2]).norm(dim=-1) <= self._setup.sensors.people_range
        return near & self._sight.between(poses[:, :2], others)

    def _in_view(self, pose: Float[Tensor, " 3"], people: People) -> Bool[Tensor, " k"]:
        if not len(people):
            return torch.zeros(0, dtype=torch.bool)
        poses = pose.expand(len(people), 3)
        half = math.radians(self._setup.sensors.hfov_deg) / 2
        return self._sees(poses, people.places) & (_bearings(poses, people.places).abs() <= half)

    def _tracked(self, lane: int, pose: Float[Tensor, " 3"], people: People) -> People:
        """Whom the tracker sees, in the robot's frame; where somebody is to be followed, that one first: where it was
        seen last, and as if it stood there, while it is hidden.
        """
        if not len(people):
            return people
        seen = self._sees(pose.expand(len(people), 3), people.places)
        if self._follows(lane) and not bool(seen[0]):
            places, velocities = people.places.clone(), people.velocities.clone()
            places[0], velocities[0] = self._targets[lane], 0.0
            people, seen = people.replace(places=places, velocities=velocities), seen.clone()
            seen[0] = True
        c, s = math.cos(float(pose[2])), math.sin(float(pose[2]))
        robot_from_world = torch.tensor([[c, s], [-s, c]], dtype=torch.float64)
        places = (people.places[seen] - pose[:2]) @ robot_from_world.T
        return People(places, people.velocities[seen] @ robot_from_world.T, people.radii[seen])


def _gaze(episode: Episode) -> float:
    """Where the picture at an image goal looks: as the episode says, or where the way there ends; radians."""
    told = episode.info.get("goal_yaw")
    if isinstance(told, (int, float)) and math.isfinite(told):
        return float(told)
    way = episode.reference.double()
    pieces = (way[1:] - way[:-1])[(way[1:] != way[:-1]).any(-1)]
    x, y = pieces[-1].tolist() if len(pieces) else (a - b for a, b in zip(episode.goal, episode.start[:2], strict=True))
    return math.atan2(y, x)


def _triple(pose: Tensor) -> tuple[float, float, float]:
    x, y, yaw = pose.tolist()
    return x, y, math.remainder(yaw, 2 * math.pi)


def _within(frame: Float[Tensor, " 3"], pose: Float[Tensor, " 3"]) -> Float[Tensor, " 3"]:
    """A pose in the frame of another one."""
    dx, dy, turn = (pose - frame).tolist()
    c, s = math.cos(float(frame[2])), math.sin(float(frame[2]))
    return torch.tensor([c * dx + s * dy, c * dy - s * dx, turn], dtype=torch.float64)


def _towards(pose: Float[Tensor, " 3"], goal: tuple[float, float]) -> tuple[float, float]:
    """Distance of a goal, and its bearing to the left."""
    x, y, yaw = pose.tolist()
    dx, dy = goal[0] - x, goal[1] - y
    return math.hypot(dx, dy), math.remainder(math.atan2(dy, dx) - yaw, 2 * math.pi)


def _bearings(poses: Float[Tensor, "n 3"], others: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
    way = others - poses[:, :2]
    return wrapped(torch.atan2(way[:, 1], way[:, 0]) - poses[:, 2])
