"""An agent is given an `Observation` and a `Briefing`, and nothing in them tells what it must not know.

Everything that can be reached from them is looked at, and where hidden truth is changed, no bit of them changes.
"""

import dataclasses
import gc
import types
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from splatsim.gaussians import Gaussians
from splatsim.grids import OCCUPIED, BevMap, EgoFrame, GridFrame
from splatsim.maps import People
from splatsim.nav import Briefing, Episode, Humans, Observation, Sensors, Setup
from splatsim.nav.simulator import Simulator
from splatsim.nav.unicycle import Drive, Step
from splatsim.nav.world import World
from tests.nav.agents.playing import ROOMS, WORLD, episode

PLAIN = (float, int, str, bool, bytes, types.NoneType, torch.dtype, torch.device, torch.Size)
ALLOWED = (Observation, Briefing, BevMap, GridFrame, EgoFrame, People, Drive, Tensor, tuple, dict, *PLAIN)
BEVS = ("none", "map", "seen", "ego")
TASKS = ("point goal", "image goal", "object goal", "instruction", "following", "social")
WAY = (Step.FORWARD, Step.LEFT, Step.LEFT, Step.FORWARD, Step.RIGHT, Step.FORWARD)


def far_above() -> Gaussians:
    """One that no camera sees: all pictures of it are black, so that none tells anything."""
    quat = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    return Gaussians(
        torch.tensor([[3.0, -2.0, 90.0]]), quat, torch.full((1, 3), 0.01), torch.ones(1), torch.zeros(1, 1, 3)
    )


PICTURED = World("two rooms", ROOMS, gaussians=far_above())


def begun(played: Episode, bev: str = "map", people: int = 0, world: World | None = None) -> Simulator:
    world = world or (PICTURED if played.task == "image goal" else WORLD)
    sensors = Sensors(bev=bev, people=True)  # type: ignore[arg-type]
    simulator = Simulator(world, Setup(sensors=sensors, humans=Humans(people, reactive=False)))
    simulator.reset([0], [played])
    return simulator


def told(simulator: Simulator, steps: tuple[Step, ...] = WAY) -> list[object]:
    """The briefing, and what is observed on a way."""
    found: list[object] = [simulator.briefing(0, 0.2), *simulator.observe()]
    for step in steps:
        simulator.step([step])
        found += simulator.observe()
    return found


def reachable(thing: object) -> Iterator[object]:
    """Everything that a thing refers to, and what that refers to; types and modules lead everywhere."""
    seen, ahead = set(), [thing]
    while ahead:
        one = ahead.pop()
        if id(one) in seen or isinstance(one, type | types.ModuleType):
            continue
        seen.add(id(one))
        yield one
        ahead += gc.get_referents(one)


def same(a: object, b: object) -> bool:
    """Bit for bit."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and a.numpy().tobytes() == b.numpy().tobytes()
    if dataclasses.is_dataclass(a) and type(a) is type(b):
        return all(same(getattr(a, field.name), getattr(b, field.name)) for field in dataclasses.fields(a))
    return type(a) is type(b) and a == b


@pytest.mark.parametrize("bev", BEVS)
@pytest.mark.parametrize("task", TASKS)
def test_nothing_else_can_be_reached(bev: str, task: str) -> None:
    played = dataclasses.replace(episode(task=task), instruction="go", info={"goal_class": "chair"})  # type: ignore[arg-type]
    for given in told(begun(played, bev, people=2), WAY[:2]):
        for thing in reachable(given):
            assert isinstance(thing, ALLOWED), f"{type(given).__name__} leads to a {type(thing).__name__}"
            if isinstance(thing, Tensor):
                # A window on something larger would show the rest of it.
                assert thing.untyped_storage().nbytes() == thing.numel() * thing.element_size()
                assert not thing.requires_grad


def test_the_walk_would_find_a_simulator() -> None:
    simulator = begun(episode())
    observation = simulator.observe()[0]
    object.__setattr__(observation, "instruction", simulator)
    assert any(isinstance(thing, Simulator) for thing in reachable(observation))


@pytest.mark.parametrize("task", ["image goal", "object goal", "instruction", "following"])
@pytest.mark.parametrize("bev", BEVS)
def test_where_the_goal_is_changes_nothing(task: str, bev: str) -> None:
    one, other = (episode(goal=goal, task=task) for goal in ((4.9, -3.1), (2.2, -0.8)))  # type: ignore[arg-type]
    assert one.shortest != other.shortest
    assert one.name == other.name
    assert all(map(same, told(begun(one, bev)), told(begun(other, bev))))


def test_a_point_goal_says_the_straight_line_only() -> None:
    """Another wall on the way changes the distance along the floor, not what is told."""
    played = episode()
    cells = ROOMS.cells.clone()
    cells[12:14, 31:45] = OCCUPIED
    changed = World("two rooms", ROOMS.replace(cells=cells))
    assert all(map(same, told(begun(played, "none")), told(begun(played, "none", world=changed))))
    longer = dataclasses.replace(played, shortest=played.shortest + 1, reference=played.reference[:1], band="hard")
    assert all(map(same, told(begun(played)), told(begun(longer))))


@pytest.mark.parametrize("bev", ["none", "seen"])
def test_what_was_not_seen_changes_nothing(bev: str) -> None:
    cells = ROOMS.cells.clone()
    cells[20:34, 40:50] = OCCUPIED
    changed = World("two rooms", ROOMS.replace(cells=cells))
    assert all(map(same, told(begun(episode(), bev)), told(begun(episode(), bev, world=changed))))
    # It is not that nothing ever changes.
    assert not all(map(same, told(begun(episode(), "map")), told(begun(episode(), "map", world=changed))))


@pytest.mark.parametrize("bev", ["none", "seen"])
def test_people_out_of_sight_change_nothing(bev: str) -> None:
    hidden = []
    for seed in range(40):
        simulator = begun(dataclasses.replace(episode(seed=seed), name="one"), bev, people=1)
        given = told(simulator, WAY[:3])
        if all(not len(one.people) for one in given if isinstance(one, Observation) and one.people is not None):
            hidden.append((given, simulator.trajectory(0).people))
        if len(hidden) == 2:
            break
    (first, here), (second, there) = hidden
    assert here is not None
    assert there is not None
    assert not torch.equal(here, there)
    assert all(map(same, first, second))
