"""What each agent does where it is plain what it should do."""

import math

import pytest
import torch

from splatsim.errors import EpisodeError
from splatsim.grids import BevMap
from splatsim.maps import People
from splatsim.nav import Agent, Briefing, Humans, Observation, measure
from splatsim.nav.agent import Action
from splatsim.nav.agents import (
    AGENT_NAMES,
    BevExplorerAgent,
    FollowerAgent,
    HumanAwareAgent,
    OracleAgent,
    ShortestPathAgent,
    make_agent,
)
from splatsim.nav.unicycle import Step
from tests.nav.agents.playing import ROOMS, WORLD, episode, play


@pytest.mark.parametrize("name", AGENT_NAMES)
def test_every_name_makes_an_agent(name: str) -> None:
    assert isinstance(make_agent(name), Agent)
    assert make_agent(name) is not make_agent(name)


def test_other_names_are_refused() -> None:
    with pytest.raises(EpisodeError, match=r'no agent "shortest"; expected one of .*shortest-path'):
        make_agent("shortest")


@pytest.mark.parametrize("agent", [ShortestPathAgent(), OracleAgent(), BevExplorerAgent(), HumanAwareAgent()])
def test_it_finds_its_way_around_the_wall(agent: Agent) -> None:
    played = episode()
    found = measure(played, play(agent, played), ROOMS)
    assert found["success"] == 1
    assert found["static_collisions"] == 0
    assert found["spl"] > (0.97 if not isinstance(agent, BevExplorerAgent | OracleAgent) else 0.9)


@pytest.mark.parametrize("agent", [ShortestPathAgent(), HumanAwareAgent()])
def test_it_finds_its_way_by_speed_and_turn(agent: Agent) -> None:
    played = episode(max_steps=400)
    found = measure(played, play(agent, played, discrete=False), ROOMS)
    assert found["success"] == 1
    assert found["spl"] > 0.9


def test_chance_is_the_seed_of_the_briefing() -> None:
    def steps(seed: int) -> list[Action]:
        agent = make_agent("random")
        agent.reset(Briefing("point goal", seed=seed))
        return [agent.act(Observation()) for _ in range(300)]

    assert steps(1) == steps(1) != steps(2)
    assert set(steps(1)) == set(Step)


def test_the_shortest_path_agent_plans_anew_when_it_was_pushed_aside() -> None:
    agent, played = ShortestPathAgent(), episode()
    agent.reset(Briefing("point goal"))
    simulated = play(agent, played)
    again = episode(start=(1.6, -2.2, -2.0))
    # The plan made for the first start is dropped at a pose that it does not lead to.
    agent.reset(Briefing("point goal"))
    assert measure(again, play(agent, again), ROOMS)["success"] == 1
    assert len(simulated.poses) > 10


def before_the_door(**seen: object) -> Observation:
    """In the north of the west room, with a goal 3 m straight ahead, beyond the door."""
    shape = ROOMS.frame.shape
    blank = BevMap(
        ROOMS.frame, torch.zeros(*shape, 3), torch.zeros(shape), torch.zeros(shape, dtype=torch.bool), cells=ROOMS.cells
    )
    given = {"bev": blank, "map_pose": (1.0, -0.6, 0.0), "goal": (3.0, 0.0), "pose": (0.0, 0.0, 0.0)}
    return Observation(**(given | seen))  # type: ignore[arg-type]


def walker(x: float, vx: float) -> People:
    """Somebody straight ahead of the robot, or behind it."""
    places, velocities = (torch.tensor([[value, 0.0]], dtype=torch.float64) for value in (x, vx))
    return People(places, velocities, torch.tensor([0.25], dtype=torch.float64))


def test_the_human_aware_agent_lets_people_pass() -> None:
    def first_steps(people: People) -> list[Action]:
        agent, pose, found = HumanAwareAgent(), (1.0, -0.6, 0.0), []
        agent.reset(Briefing("social"))
        for number in range(4):
            found.append(agent.act(before_the_door(seconds=0.25 * number, people=people, map_pose=pose)))
            if found[-1] == Step.FORWARD:
                pose = (pose[0] + 0.25, pose[1], 0.0)
        return found

    assert first_steps(People.none()) == [Step.FORWARD] * 4
    # Who stands far behind is of no concern; who comes straight towards the robot is.
    assert first_steps(walker(-8.0, 0.0)) == [Step.FORWARD] * 4
    assert first_steps(walker(1.1, -1.2)) != [Step.FORWARD] * 4


def test_the_follower_keeps_behind() -> None:
    played = episode(task="following", max_steps=299)
    found = measure(played, play(FollowerAgent(), played, humans=Humans(1, reactive=False, pattern="leader")), ROOMS)
    assert found["following_success"] == 1
    assert found["following_rate"] > 0.7
    assert found["h_coll"] == 0


def test_agents_say_what_they_miss() -> None:
    for name, missing in (("shortest-path", "no map"), ("bev", "no map"), ("follower", "no people")):
        agent = make_agent(name)
        agent.reset(Briefing("point goal"))
        with pytest.raises(EpisodeError, match=missing):
            agent.act(Observation())
    agent = make_agent("shortest-path")
    agent.reset(Briefing("object goal"))
    with pytest.raises(EpisodeError, match="no point goal"):
        agent.act(before_the_door(goal=None))


def test_a_world_is_not_changed_by_playing() -> None:
    assert torch.equal(WORLD.nav_map.cells, ROOMS.cells)
    assert math.isfinite(WORLD.floor)
