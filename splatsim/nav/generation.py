"""Suites made from a world and a seed: starts, goals, ways and words that can be solved by construction.

What an episode of a task brings along in `Episode.info`: of an object goal `goal_class`, the name of its class; of an
image goal `goal_yaw`, the heading at which the picture at the goal is taken, radians.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import get_args

import torch
from jaxtyping import Bool
from torch import Tensor

from splatsim import native
from splatsim.errors import EpisodeError
from splatsim.maps import distance_field
from splatsim.nav._plain import to_plain
from splatsim.nav.courses import BANDS, Course, Ground, Lengths, dense
from splatsim.nav.episode import Episode, Task
from splatsim.nav.instructions import compose
from splatsim.nav.landmarks import Landmark, landmarks_of, view_cells
from splatsim.nav.rooms import Rooms, rooms_of
from splatsim.nav.setup import Humans, Setup
from splatsim.nav.suite import Suite
from splatsim.nav.world import World

MOST_EPISODES = 100_000
"""Of one suite."""
PERSON = 0.4
"""Metres around who leads: half of a shoulder width and some air."""
LEAST_FOLLOWED = 3.0
"""Metres that a leader walks at least."""
LEAST_TOLD = 2.5
"""Metres of a way that is worth telling."""
GOAL_SIZE = 0.15
"""Square metres from which on a thing is a goal."""
SIGHT = (0.8, 4.0)
"""Metres of free sight that the picture of an image goal has, at least, and at best."""
SETUPS: Mapping[Task, Setup] = {
    "following": Setup(humans=Humans(1, pattern="leader")),
    "social": Setup(humans=Humans(4, pattern="cross")),
}
"""Of tasks that are about people, where none is given."""
Draw = Callable[[str | None, Random], tuple[Course, dict[str, object], str] | None]


def generate_suite(
    world: World,
    task: Task,
    count: int,
    seed: int = 0,
    *,
    setup: Setup | None = None,
    lengths: Lengths | None = None,
    max_steps: int = 500,
) -> Suite:
    """A suite of episodes of one task: the same for the same world, arguments and seed, byte for byte.

    The bands of difficulty take turns where the place has ways of them; a suite of fewer episodes is the beginning of
    a larger one.

    Raises:
        EpisodeError: the task, the count or the setup makes no sense, or the place has no room, no such goals, or not
            as many different episodes; the message says which.
    """
    setup = setup or SETUPS.get(task, Setup())
    lengths = lengths or Lengths()
    _check(world, task, count, setup)
    with native.torch_on_one_thread():
        draw = _drawing(world, task, setup, lengths)
        episodes: list[Episode] = []
        seen: set[tuple[object, ...]] = set()
        for index in range(count):
            rng = Random(f"{task} {seed} {index}")
            course, info, words = _one(world, draw, seen, index, rng, lengths)
            episodes.append(_episode(world, task, index, course, info, words, setup, max_steps, rng))
    slug = task.replace(" ", "-")
    options = {"task": task, "count": count, "seed": seed, "max_steps": max_steps, "lengths": to_plain(lengths)}
    return Suite(f"{world.name} {slug}", world.name, world.content_hash, setup, tuple(episodes), options)


def _check(world: World, task: Task, count: int, setup: Setup) -> None:
    if task not in get_args(Task):
        raise EpisodeError(f"task is {task!r}; expected one of {', '.join(get_args(Task))}.")
    if not 1 <= count <= MOST_EPISODES:
        raise EpisodeError(f"count is {count}; expected 1 to {MOST_EPISODES} episodes.")
    if task in SETUPS and setup.humans.count == 0:
        raise EpisodeError(f'the task "{task}" has a setup without people; expected at least 1.')
    if task == "image goal" and world.gaussians is None:
        raise EpisodeError(f'world "{world.name}" has no Gaussians; expected some for the pictures of image goals.')


def _drawing(world: World, task: Task, setup: Setup, lengths: Lengths) -> Draw:
    """What draws an episode of this task."""
    if task == "following":
        return _Points(Ground(world, setup.radius, lengths, PERSON), "Follow the person ahead of you.", LEAST_FOLLOWED)
    ground = Ground(world, setup.radius, lengths)
    if task in ("object goal", "instruction"):
        return _Things(ground, told=task == "instruction")
    return _Images(ground) if task == "image goal" else _Points(ground)


def _one(
    world: World, draw: Draw, seen: set[tuple[object, ...]], index: int, rng: Random, lengths: Lengths
) -> tuple[Course, dict[str, object], str]:
    """The episode of this number: of its band if there is one, else of any."""
    for attempt in range(lengths.tries):
        band = BANDS[(index + attempt // 8) % len(BANDS)] if attempt < lengths.tries * 3 // 4 else None
        found = draw(band, rng)
        if found is None:
            continue
        course, info, _ = found
        cells = world.nav_map.frame.cell_of(torch.tensor([course.start, course.goal], dtype=torch.float64))
        key = (str(cells.tolist()), str(info.get("goal_class")))
        if key not in seen:
            seen.add(key)
            return found
    raise EpisodeError(
        f'world "{world.name}": after {lengths.tries} tries there is no episode {index + 1} with a way of '
        f"{lengths.least:g} to {lengths.most:g} m; expected a larger place, shorter ways, a smaller robot or fewer "
        "episodes."
    )


def _episode(
    world: World,
    task: Task,
    index: int,
    course: Course,
    info: dict[str, object],
    words: str,
    setup: Setup,
    max_steps: int,
    rng: Random,
) -> Episode:
    yaw = round((2 * rng.random() - 1) * math.pi, 4)
    if task == "following":
        yaw = round(_course(course.way), 4)
    if task == "instruction":
        yaw = float(str(info.pop("yaw")))
    return Episode(
        name=f"{task.replace(' ', '-')}-{index:04d}",
        scene=world.name,
        start=(*course.start, yaw),
        goal=course.goal,
        shortest=course.shortest,
        reference=dense(course.way, setup.drive.forward),
        task=task,
        instruction=words,
        max_steps=max_steps,
        seed=rng.getrandbits(31),
        band=course.band,
        info=info,
    )


@dataclass
class _Points:
    """Goals anywhere."""

    ground: Ground
    words: str = ""
    least: float = 0.0

    def __call__(self, band: str | None, rng: Random) -> tuple[Course, dict[str, object], str] | None:
        course = _anywhere(self.ground, band, rng)
        return None if course is None or course.shortest < self.least else (course, {}, self.words)


@dataclass
class _Images:
    """Goals anywhere, with a heading from which there is something to see."""

    ground: Ground

    def __call__(self, band: str | None, rng: Random) -> tuple[Course, dict[str, object], str] | None:
        course = _anywhere(self.ground, band, rng)
        if course is None:
            return None
        first = rng.random() * 2 * math.pi
        yaws = [first + k * math.pi / 6 for k in range(12)]
        sights = [min(_sight(self.ground, course.goal, yaw), SIGHT[1]) for yaw in yaws]
        best = max(range(12), key=lambda k: sights[k])
        if sights[best] < SIGHT[0]:
            return None
        return course, {"goal_yaw": round(math.remainder(yaws[best], 2 * math.pi), 4)}, ""


@dataclass
class _Things:
    """Goals at things: the nearest of a class, or one that an instruction leads to."""

    ground: Ground
    told: bool
    things: tuple[Landmark, ...] = field(init=False)
    rooms: Rooms = field(init=False)
    goals: list[tuple[str, list[int]]] = field(init=False)
    _views: dict[int, Bool[Tensor, "rows cols"]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        world = self.ground.world
        self.things = landmarks_of(world)
        large = [i for i, thing in enumerate(self.things) if thing.size >= GOAL_SIZE]
        names = sorted({self.things[i].name for i in large})
        by_name = [(name, [i for i in large if self.things[i].name == name]) for name in names]
        self.goals = [(self.things[i].name, [i]) for i in large] if self.told else by_name
        if not self.goals:
            raise EpisodeError(
                f'world "{world.name}" has no things with a class that could be goals; expected semantics with some, '
                "such as a chair."
            )
        self.rooms = rooms_of(world, self.things)

    def __call__(self, band: str | None, rng: Random) -> tuple[Course, dict[str, object], str] | None:
        name, indices = self.goals[int(rng.random() * len(self.goals))]
        views = torch.stack([self._view(index) for index in indices]).any(0)
        if not bool(views.any()):
            return None
        cell = self.ground.start_for(views, band, rng)
        if cell is None:
            return None
        start = self.ground.point_in(cell, rng)
        course = self.ground.course(start, self._nearest_view(start, views))
        if course is None:
            return None
        if not self.told:
            return course, {"goal_class": name}, ""
        if course.shortest < LEAST_TOLD:
            return None
        yaw = round((2 * rng.random() - 1) * math.pi, 4)
        words = compose(course.way, yaw, self.things, self.rooms, self.things[indices[0]])
        return course, {"yaw": yaw, "goal_class": name}, words

    def _view(self, index: int) -> Bool[Tensor, "rows cols"]:
        if index not in self._views:
            reachable = self.ground.wide.free.cpu()
            self._views[index] = view_cells(self.ground.world, self.things[index], reachable)
        return self._views[index]

    def _nearest_view(self, start: tuple[float, float], views: Bool[Tensor, "rows cols"]) -> tuple[float, float]:
        """The middle of the cell of these that is nearest along the floor."""
        away = torch.where(views, distance_field(self.ground.exact, start).distances, math.inf)
        row, column = divmod(int(away.argmin()), away.shape[1])
        x, y = self.ground.frame.centers(torch.tensor([row, column])).tolist()
        return round(x, 3), round(y, 3)


def _anywhere(ground: Ground, band: str | None, rng: Random) -> Course | None:
    goal = ground.any_goal(rng)
    target = torch.zeros(ground.frame.shape, dtype=torch.bool)
    target[goal[0], goal[1]] = True
    start = ground.start_for(target, band, rng)
    return None if start is None else ground.course(ground.point_in(start, rng), ground.point_in(goal, rng))


def _course(way: Tensor, ahead: float = 1.5) -> float:
    """The heading at which something so far ahead on a way is seen straight ahead."""
    points = dense(way, 0.1)
    along = torch.cat([torch.zeros(1).double(), (points[1:] - points[:-1]).norm(dim=-1).cumsum(0)])
    x, y = (points[int((along - ahead).abs().argmin())] - points[0]).tolist()
    return math.atan2(y, x)


def _sight(ground: Ground, place: tuple[float, float], yaw: float) -> float:
    """Metres of free floor in a direction."""
    reach = torch.arange(0, SIGHT[1] + 0.05, ground.frame.resolution / 2, dtype=torch.float64)[:, None]
    points = torch.tensor(place, dtype=torch.float64) + reach * torch.tensor([math.cos(yaw), math.sin(yaw)])
    closed = (ground.world.nav_map.at(points) != 0).nonzero()
    return float(reach[int(closed[0, 0])]) if len(closed) else SIGHT[1]
