"""Who can play which suite."""

from dataclasses import replace
from typing import get_args

import pytest

from splatsim.nav import Humans, Setup
from splatsim.nav.agents import AGENT_NAMES, make_agent, skills_of
from splatsim.nav.episode import POINT_TASKS, Task
from splatsim.nav.simulator import Simulator
from splatsim.nav.skills import ALL_TASKS, Skills
from splatsim.nav.suite import Suite
from tests.nav.agents.playing import WORLD, episode

BLIND = {"stop", "random", "forward"}
DRIVERS = {"shortest-path", "oracle", "human-aware", "bev", "learned"}


def suite(*tasks: Task, discrete: bool = True) -> Suite:
    played = episode()
    episodes = tuple(replace(played, name=f"{k}", task=task) for k, task in enumerate(tasks))
    return Suite("two rooms", WORLD.name, WORLD.content_hash, Setup(discrete=discrete), episodes)


@pytest.mark.parametrize("task", get_args(Task))
def test_who_is_made_for_a_task(task: Task) -> None:
    able = {name for name in AGENT_NAMES if not skills_of(name).lacking(suite(task))}
    assert able == BLIND | (DRIVERS if task in POINT_TASKS else {"follower"} if task == "following" else set())


@pytest.mark.parametrize("task", [*POINT_TASKS, "following"])
def test_who_is_made_for_a_task_is_told_what_it_needs(task: Task) -> None:
    for name in AGENT_NAMES:
        if task not in skills_of(name).tasks:
            continue
        agent = make_agent(name)
        simulator = Simulator(WORLD, Setup(sensors=agent.sensors, humans=Humans(1)))
        simulator.reset([0], [episode(task=task)])
        agent.reset(simulator.briefing(0, 0.2))
        simulator.step([agent.act(simulator.observe()[0])])


def test_it_says_how_much_is_asked_for_in_vain() -> None:
    mixed = suite("point goal", "object goal", "following", "object goal")
    assert Skills(POINT_TASKS).lacking(mixed) == (
        'it cannot do "object goal" and "following", which 3 of 4 episodes ask for'
    )
    assert Skills(ALL_TASKS).lacking(mixed) == ""
    driven = suite("point goal", discrete=False)
    assert Skills(POINT_TASKS).lacking(driven) == ""
    assert Skills(POINT_TASKS, commands=False).lacking(driven).startswith("it takes steps")
