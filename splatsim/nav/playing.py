"""Player: plays one episode after the other in this process, and turns each into a result, whatever the agent does."""

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from numbers import Integral
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from splatsim.errors import EpisodeError
from splatsim.maps import DistanceField, distance_field
from splatsim.nav._plain import to_plain
from splatsim.nav.agent import Agent
from splatsim.nav.calls import Caller, CallFailed
from splatsim.nav.entrant import Entrant
from splatsim.nav.episode import Episode, Trajectory
from splatsim.nav.inconvenience import inconvenience
from splatsim.nav.metrics import PROFILES, measure
from splatsim.nav.results import Metrics, PlainAction, Result, plain_action, rounded
from splatsim.nav.setup import Sensors, Setup
from splatsim.nav.simulator import Simulator
from splatsim.nav.suite import Suite
from splatsim.nav.unicycle import Step
from splatsim.nav.world import World

SETTLE_SECONDS = 1.0
"""How long one that gave no answer is waited for before its process is given up."""
OF_SUCCESS = ("success", "spl", "sdtw", "stl", "following_success")
FIELDS_KEPT = 8
"""Distance fields, of as many goals: those who take part play an episode one after the other."""
MAKE_SECONDS = 120.0
"""What making an agent may take: weights are read then."""
T = TypeVar("T")


@dataclass(frozen=True)
class Job:
    """One episode for one of those who take part."""

    entrant: int
    """Place in the list of those who take part."""
    episode: int
    """Place in the suite."""


@dataclass(frozen=True)
class Timing:
    """How long it took: what differs from run to run, and so is no part of a result."""

    agent: str
    """Its name."""
    episode: str
    """Its name."""
    seconds: float
    """In all."""
    act_seconds: float
    """Of the agent alone, a mean over its actions."""
    longest_act: float
    """Seconds."""
    steps: int
    """Actions that were done."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth to compare by
class Contest:
    """Everything that a process needs to play."""

    world: World
    """Where."""
    suite: Suite
    """What."""
    entrants: tuple[Entrant, ...]
    """Who."""


class Player:
    """Plays episodes.

    Args:
        alive: Called after every step.
    """

    def __init__(self, contest: Contest, alive: Callable[[], None] = lambda: None) -> None:
        self.contest = contest
        self._alive = alive
        self._agents: dict[int, tuple[Agent, Caller]] = {}
        self._simulators: dict[Setup, Simulator] = {}
        self._fields: dict[tuple[float, tuple[float, float]], DistanceField] = {}
        self._hanging: list[Caller] = []

    @property
    def spent(self) -> bool:
        """Whether an agent still hangs in this process, which had better end."""
        self._hanging = [caller for caller in self._hanging if not caller.settle(SETTLE_SECONDS)]
        return bool(self._hanging)

    def close(self) -> None:
        """Let go of the agents; those that hold something, such as a connection, are asked to close it."""
        for agent, caller in self._agents.values():
            close = getattr(agent, "close", None)
            if callable(close):
                with suppress(CallFailed):
                    caller.call(close, seconds=SETTLE_SECONDS)
            caller.end()
        self._agents.clear()

    def play(self, job: Job) -> tuple[Result, Timing]:
        """Play an episode from its start to its end, or to where the agent fails.

        Raises:
            EpisodeError: the suite cannot be played here.
        """
        started = perf_counter()
        episode, entrant = self.contest.suite.episodes[job.episode], self.contest.entrants[job.entrant]
        _seed(episode.seed)
        calls = _Calls(entrant.seconds)
        simulator, failure = self._round(job.entrant, episode, calls)
        result = self._result(job, simulator, calls.actions, failure)
        mean = sum(calls.clock) / max(len(calls.clock), 1)
        longest = max(calls.clock, default=0.0)
        seconds = perf_counter() - started
        return result, Timing(entrant.name, episode.name, seconds, mean, longest, len(calls.actions))

    def give_up(self, job: Job, failure: str) -> tuple[Result, Timing]:
        """The result of an episode that cannot be played to its end, nor is known how far it came."""
        episode, entrant = self.contest.suite.episodes[job.episode], self.contest.entrants[job.entrant]
        simulator = self._begun(episode, Sensors())
        return self._result(job, simulator, [], failure), Timing(entrant.name, episode.name, 0.0, 0.0, 0.0, 0)

    def _result(self, job: Job, simulator: Simulator, actions: Sequence[PlainAction], failure: str) -> Result:
        episode = self.contest.suite.episodes[job.episode]
        trajectory = rounded(simulator.trajectory(0))
        metrics = self._measured(episode, trajectory, simulator.setup, actions)
        if failure:
            metrics = {
                name: {k: 0.0 if k in OF_SUCCESS else v for k, v in found.items()} for name, found in metrics.items()
            }
        return Result(
            self.contest.entrants[job.entrant].name,
            episode.name,
            episode.task,
            episode.band,
            episode.seed,
            metrics,
            trajectory,
            tuple(actions),
            failure,
            self._hashes(simulator.setup),
            version("splatsim"),
        )

    def _round(self, index: int, episode: Episode, calls: "_Calls") -> tuple[Simulator, str]:
        """Play, and tell why it ended early, if it did."""
        simulator: Simulator | None = None
        try:
            agent, caller = self._agent(index, calls.seconds)
            sensors = calls.answer(caller, "its sensors", self.contest.entrants[index].sensors, agent)
            simulator = self._begun(episode, sensors)
            briefing = simulator.briefing(0, PROFILES["strict"].success_distance)
            calls.answer(caller, "reset", agent.reset, briefing)
            while not bool(simulator.done[0]):
                seen = simulator.observe([0])[0]
                action = calls.answer(caller, f"act, at step {len(calls.actions)},", agent.act, seen)
                _act(simulator, action, len(calls.actions))
                calls.actions.append(plain_action(action))
                self._alive()
        except CallFailed as failure:
            self._drop_if_hanging(index)
            return simulator or self._begun(episode, Sensors()), str(failure)
        return simulator, ""

    def _begun(self, episode: Episode, sensors: Sensors) -> Simulator:
        try:
            simulator = self._simulator(replace(self.contest.suite.setup, sensors=sensors))
        except EpisodeError as error:
            raise CallFailed(f"its sensors cannot be had: {error}") from error
        simulator.reset([0], [episode])
        return simulator

    def _agent(self, index: int, seconds: float) -> tuple[Agent, Caller]:
        if index not in self._agents:
            caller = Caller()
            try:
                agent = caller.call(self.contest.entrants[index].make, seconds=max(seconds, MAKE_SECONDS))
            except CallFailed as failure:
                self._hanging += [caller] if caller.hangs else []
                raise CallFailed(f"making it {failure}") from None
            self._agents[index] = agent, caller
        return self._agents[index]

    def _drop_if_hanging(self, index: int) -> None:
        """Another agent will be made: nobody knows what this one is still doing."""
        if index in self._agents and self._agents[index][1].hangs:
            self._hanging.append(self._agents.pop(index)[1])

    def _simulator(self, setup: Setup) -> Simulator:
        if setup not in self._simulators:
            self._simulators[setup] = Simulator(self.contest.world, setup, 1)
        return self._simulators[setup]

    def _measured(
        self, episode: Episode, trajectory: Trajectory, setup: Setup, actions: Sequence[PlainAction]
    ) -> Metrics:
        world = self.contest.world
        key = (setup.radius, episode.goal)
        if key not in self._fields:
            while len(self._fields) >= FIELDS_KEPT:
                self._fields.pop(next(iter(self._fields)))
            self._fields[key] = distance_field(world.inflated(setup.radius), episode.goal)
        found = {
            name: measure(episode, trajectory, world.nav_map, profile, field=self._fields[key])
            for name, profile in PROFILES.items()
        }
        if trajectory.people is not None:
            found["strict"] |= inconvenience(
                trajectory.seconds, trajectory.people, self._alone(episode, setup, actions)
            )
        return found

    def _alone(self, episode: Episode, setup: Setup, actions: Sequence[PlainAction]) -> Tensor:
        """Where the people are at the same times, if they take no notice of the robot, that is without it."""
        humans = replace(setup.humans, reactive=False)
        simulator = self._simulator(replace(setup, sensors=Sensors(), humans=humans))
        simulator.reset([0], [episode])
        for action in actions:
            simulator.step([_action(action)])
            self._alive()
        people = rounded(simulator.trajectory(0)).people
        assert people is not None
        return people

    def _hashes(self, setup: Setup) -> dict[str, str]:
        suite = self.contest.suite
        return {"suite": suite.content_hash, "scene": self.contest.world.content_hash, "setup": setup_hash(setup)}


class _Calls:
    """What one agent was asked in one episode, and what it did."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.actions: list[PlainAction] = []
        self.clock: list[float] = []

    def answer(self, caller: Caller, name: str, function: Callable[..., T], *arguments: Any) -> T:
        """What it answers.

        Raises:
            CallFailed: it raises, or gives no answer in time.
        """
        before = perf_counter()
        try:
            found = caller.call(function, *arguments, seconds=self.seconds)
        except CallFailed as failure:
            raise CallFailed(f"{name} {failure}") from None
        if name.startswith("act"):
            self.clock.append(perf_counter() - before)
        return found


def setup_hash(setup: Setup) -> str:
    """SHA-256 of everything about a round but its episode."""
    return hashlib.sha256(json.dumps(to_plain(setup), sort_keys=True).encode()).hexdigest()


def _action(action: Any) -> Any:
    """Whole numbers of any type as the steps they stand for."""
    return Step(int(action)) if isinstance(action, Integral) else action


def _act(simulator: Simulator, action: object, step: int) -> None:
    try:
        simulator.step([_action(action)])
    except (EpisodeError, ValueError, TypeError) as error:
        raise CallFailed(f"act, at step {step}, gave what is no action: {error}") from error


def _seed(seed: int) -> None:
    """So that an agent which draws from the generators that all share plays the same in every process."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed % 2**63)
