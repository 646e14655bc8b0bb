"""What a user of motions and crowds reads when something is wrong, kept as prose in errors.txt."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from splatsim.avatar import Pose, Skeleton
from splatsim.avatar.crowd import Crowd, OrcaOptions, Others, Straight, Walls, ways_to
from splatsim.avatar.gait import GaitStyle
from splatsim.avatar.motion import SampledMotion
from splatsim.avatar.motion_metrics import motion_quality
from splatsim.avatar.strollers import Strollers
from splatsim.avatar.walkers import Walkers
from splatsim.avatar.walking import walk_along
from splatsim.cli.avatar_demo import avatar_demo
from splatsim.grids import FREE, OCCUPIED, GridFrame, NavMap
from tests.avatar.people import humanoid
from tests.sentences import check_sentences

SENTENCES = Path(__file__).with_name("errors.txt")


def cases(folder: Path) -> dict[str, Callable[[], object]]:
    """Everything that a user may get wrong, by a short name."""
    person, way = humanoid(), [[0.0, 0.0], [3.0, 0.0]]
    other = person.replace(names=tuple(f"x{name}" for name in person.names))
    flat = Skeleton(person.names, person.parents, person.joints * torch.tensor([1.0, 1.0, 0.05]))
    frame = GridFrame.covering((0, 0), (4, 4), 0.1)
    full = NavMap(frame, torch.full(frame.shape, OCCUPIED, dtype=torch.uint8), (0.1, 1.8))
    free = full.replace(cells=torch.full(frame.shape, FREE, dtype=torch.uint8))
    two, guides = [[0.0, 0.0], [1.0, 0.0]], [Straight((5.0, 0.0))] * 2
    walkers, crowd = Walkers([person], [[0.0, 0.0]], [0.0]), Crowd(two, guides)
    still = SampledMotion(person, Pose(person.rest().rotations[None], person.rest().root[None]), 30.0)
    return {
        "nan in the path": lambda: walk_along(person, [[0.0, 0.0], [float("nan"), 1.0]]),
        "path of another shape": lambda: walk_along(person, [[0.0, 0.0, 0.0]]),
        "speed": lambda: walk_along(person, way, speed=12.0),
        "pause at no point": lambda: walk_along(person, way, pauses={7: 1.0}),
        "times that stand": lambda: walk_along(person, way, times=[0.0, 0.0]),
        "times for other points": lambda: walk_along(person, way, times=[0.0]),
        "far": lambda: walk_along(person, [[0.0, 0.0], [1e6, 0.0]]),
        "lying rig": lambda: walk_along(flat, way),
        "rig without roles": lambda: walk_along(Skeleton(("a",), (-1,), torch.zeros(1, 3)), way),
        "style": lambda: GaitStyle(width=9.0),
        "time": lambda: walk_along(person, way).at(float("nan")),
        "no poses": lambda: SampledMotion(person, Pose(person.rest().rotations[None][:0], torch.zeros(0, 3)), 30.0),
        "path of the metrics": lambda: motion_quality(still, np.zeros((0, 2))),
        "walkers step": lambda: walkers.step(0.0, [[0.0, 0.0]], [[0.0, 0.0]]),
        "walkers place": lambda: walkers.step(0.1, [[float("inf"), 0.0]], [[0.0, 0.0]]),
        "walkers of two rigs": lambda: Walkers([person, other], two, [0.0, 0.0]),
        "one place": lambda: Crowd([[1.0, 1.0], [1.0, 1.0]], guides),
        "guides": lambda: Crowd(two, guides[:1]),
        "crowd speed": lambda: Crowd(two, guides, speeds=[1.0, -1.0]),
        "crowd step": lambda: crowd.step(2.0),
        "robot": lambda: crowd.step(0.1, Others.one((float("nan"), 0.0), (0.0, 0.0), 0.3)),
        "orca": lambda: OrcaOptions(people_horizon=-1.0),
        "walls": lambda: Walls(np.zeros((3, 2))),
        "goal in a wall": lambda: ways_to(full, (1.0, 1.0), radius=0.2),
        "no room": lambda: Strollers([person], full),
        "too many": lambda: Strollers([person] * 40, free),
        "demo people": lambda: avatar_demo(folder / "x.mp4", people=0),
        "demo extension": lambda: avatar_demo(folder / "x.gif"),
    }  # fmt: skip


@pytest.mark.usefixtures("unchecked")
def test_sentences(tmp_path: Path) -> None:
    check_sentences(SENTENCES, cases(tmp_path), tmp_path)
