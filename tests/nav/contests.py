"""A room, a suite of it, and agents that misbehave: what the tests of the benchmark share."""

import math
import os
import time
from dataclasses import replace
from pathlib import Path

import torch

from splatsim.nav import Briefing, Episode, Humans, Observation, Sensors, Setup
from splatsim.nav.agent import Action
from splatsim.nav.entrant import Entrant
from splatsim.nav.suite import Suite
from splatsim.nav.unicycle import Step
from splatsim.nav.world import World
from tests.maps.rooms import drawn

ROOM = "\n".join(["#" * 40, *["#" + "." * 38 + "#"] * 38, "#" * 40])  # 4 m square


def world() -> World:
    return World("room", drawn(ROOM, 0.1, (0.0, 4.0)))


def suite(count: int = 4, people: int = 0) -> Suite:
    place = world()
    episodes = tuple(
        Episode(
            f"e{k}",
            "room",
            (0.75, 1.0 + 0.5 * k, 0.0),
            (1.75 + 0.25 * k, 1.0 + 0.5 * k),
            1.0 + 0.25 * k,
            torch.tensor([[0.75, 1.0 + 0.5 * k], [1.75 + 0.25 * k, 1.0 + 0.5 * k]], dtype=torch.float64),
            max_steps=12,
            seed=k,
            band="near" if k < 2 else "far",
        )
        for k in range(count)
    )
    setup = Setup(humans=Humans(people))
    return Suite("small", "room", place.content_hash, setup, episodes)


class Straight:
    """Goes ahead until the goal is near."""

    sensors = Sensors()

    def reset(self, briefing: Briefing) -> None:
        self.near = briefing.success_distance

    def act(self, observation: Observation) -> Action:
        assert observation.goal is not None
        return Step.FORWARD if observation.goal[0] > self.near - 0.05 else Step.STOP


class Raises(Straight):
    def act(self, observation: Observation) -> Action:
        if observation.seconds > 0.6:
            raise ValueError(f"lost {object()!r}")
        return Step.FORWARD


class Exits(Straight):
    def act(self, observation: Observation) -> Action:
        raise SystemExit(3)


class NotANumber(Straight):
    def act(self, observation: Observation) -> Action:
        return (math.nan, 0.0)


class Hangs(Straight):
    """In one of the episodes."""

    def reset(self, briefing: Briefing) -> None:
        super().reset(briefing)
        self.count = 0

    def act(self, observation: Observation) -> Action:
        self.count += 1
        if self.count == 3 and observation.goal is not None and observation.goal[0] < 0.6:
            time.sleep(60)
        return super().act(observation)


class Dies(Straight):
    """Takes its process with it, once: where the file that the environment names is not there yet."""

    def act(self, observation: Observation) -> Action:
        mark = Path(os.environ["SPLATSIM_TEST_MARK"])
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), 9)
        return super().act(observation)


def entrants(*kinds: type, seconds: float = 5.0) -> list[Entrant]:
    return [Entrant(kind.__name__.lower(), kind, seconds) for kind in kinds]


def with_people(count: int) -> Suite:
    calm = suite()
    return replace(calm, setup=replace(calm.setup, humans=Humans(count)))
