"""Two rooms with a door between them, and how an agent fares there."""

import math

import torch

from splatsim.maps import distance_field
from splatsim.nav import Agent, Episode, Humans, Setup, Trajectory
from splatsim.nav.episode import Task
from splatsim.nav.simulator import Simulator
from splatsim.nav.world import World
from tests.maps.rooms import drawn

WALL = "#" * 60
ROOMS = drawn("\n".join([WALL] + ["#" + "." * 58 + "#"] * 10 + ["#" + "." * 28 + "##" + "." * 28 + "#"] * 28 + [WALL]))
"""5.8 × 3.8 m within; a wall in the middle, 1 m of it open in the north."""
WORLD = World("two rooms", ROOMS)


def episode(
    start: tuple[float, float, float] = (1.0, -3.2, 0.4),
    goal: tuple[float, float] = (4.9, -3.1),
    task: Task = "point goal",
    *,
    seed: int = 0,
    max_steps: int = 200,
) -> Episode:
    """From one room to the other, around the wall."""
    field = distance_field(WORLD.inflated(Setup().radius), goal)
    shortest = float(field.at(torch.tensor([start[:2]], dtype=torch.float64))[0])
    way = field.path(start[:2])
    return Episode(f"{task} {seed}", "two rooms", start, goal, shortest, way, task, seed=seed, max_steps=max_steps)


def play(agent: Agent, played: Episode, *, humans: Humans | None = None, discrete: bool = True) -> Trajectory:
    """The whole episode."""
    setup = Setup(sensors=agent.sensors, humans=humans or Humans(), discrete=discrete)
    simulator = Simulator(WORLD, setup)
    simulator.reset([0], [played])
    agent.reset(simulator.briefing(0, 0.2))
    while not bool(simulator.done[0]):
        simulator.step([agent.act(simulator.observe()[0])])
    return simulator.trajectory(0)


def away(trajectory: Trajectory, goal: tuple[float, float]) -> float:
    """Of the last place from a point, metres."""
    return math.dist(trajectory.places[-1].tolist(), goal)
