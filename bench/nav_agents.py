"""What the agents that come with splatsim score: alone, under fog of war, and among people who react and who do not.

python bench/nav_agents.py [alone] [fog] [people] [reactive] [follow] [--episodes N] [--people N] [--out ROWS.jsonl]
python bench/nav_agents.py learned [--policy WEIGHTS.npz] [--rooms SEED]
python bench/nav_agents.py --read ROWS.jsonl … [--write bench/results/nav_agents.json]
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from train_policy import random_rooms

from splatsim.assets import shelf_file
from splatsim.formats.arrays import read_nav_map
from splatsim.maps import distance_field
from splatsim.nav import Agent, Episode, Humans, Setup, measure
from splatsim.nav.agents import LearnedAgent, make_agent
from splatsim.nav.episode import Task
from splatsim.nav.simulator import Simulator
from splatsim.nav.world import World

CASES: dict[str, tuple[Task, tuple[str, ...], Humans]] = {
    "alone": ("point goal", ("stop", "random", "forward", "shortest-path", "oracle", "human-aware"), Humans()),
    "learned": ("point goal", ("learned",), Humans()),
    "fog": ("point goal", ("bev",), Humans()),
    "people": ("social", ("shortest-path", "human-aware"), Humans(2, reactive=False)),
    "reactive": ("social", ("shortest-path", "human-aware"), Humans(2, reactive=True)),
    "follow": ("following", ("follower",), Humans(3, reactive=False, pattern="leader")),
}
"""The task, the agents and the people of each."""
SHOWN = ("success", "spl", "h_coll", "static_collisions", "stl", "steps", "following_rate", "following_success")
"""Metrics in the table."""


def make_episodes(world: World, task: Task, count: int, seed: int, lowest: float = 3.0) -> list[Episode]:
    """Episodes between free places that are some way apart."""
    open_ = world.inflated(0.25)
    cells = open_.free.nonzero()
    rng = np.random.default_rng(seed)
    found: list[Episode] = []
    while len(found) < count:
        here, there = open_.frame.centers(cells[torch.from_numpy(rng.integers(len(cells), size=2))]).tolist()
        field = distance_field(world.inflated(Setup().radius), (there[0], there[1]))
        shortest = float(field.at(torch.tensor([here], dtype=torch.float64))[0])
        if lowest <= shortest < math.inf:
            start = (here[0], here[1], float(rng.uniform(-math.pi, math.pi)))
            reference = field.path((here[0], here[1]))
            name = f"{task} {len(found)}"
            found.append(
                Episode(name, world.name, start, (there[0], there[1]), shortest, reference, task, seed=len(found))
            )
    return found


def play(world: World, agent: Agent, episodes: list[Episode], humans: Humans) -> Iterator[dict[str, float]]:
    """Metrics of each episode, and milliseconds of the agent's median and slowest answer."""
    simulator = Simulator(world, Setup(sensors=agent.sensors, humans=humans))
    for episode in episodes:
        simulator.reset([0], [episode])
        agent.reset(simulator.briefing(0, 0.2))
        times = []
        while not bool(simulator.done[0]):
            observation = simulator.observe()[0]
            start = time.perf_counter()
            action = agent.act(observation)
            times.append(1e3 * (time.perf_counter() - start))
            simulator.step([action])
        measured = measure(episode, simulator.trajectory(0), world.nav_map)
        yield measured | {"median_ms": float(np.median(times)), "slowest_ms": max(times)}


def interval(values: list[float]) -> tuple[float, float, float]:
    """Mean, and the 95 % interval of the bootstrap."""
    array = np.array(values)
    drawn = np.random.default_rng(0).integers(len(array), size=(2000, len(array)))
    low, high = np.percentile(array[drawn].mean(axis=1), [2.5, 97.5])
    return float(array.mean()), float(low), float(high)


def summaries(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each case and agent: how many episodes, the mean of each metric with its interval, how long answers took."""
    found = []
    for case, people, agent in dict.fromkeys((row["case"], row["people"], row["agent"]) for row in rows):
        mine = [row["metrics"] for row in rows if (row["case"], row["people"], row["agent"]) == (case, people, agent)]
        summary = {"case": case, "people": people, "agent": agent, "episodes": len(mine)}
        means = {key: interval([row[key] for row in mine]) for key in SHOWN if key in mine[0]}
        found.append(summary | means | {"answer_ms": float(np.median([row["median_ms"] for row in mine]))})
    return found


def print_table(rows: list[dict[str, Any]]) -> None:
    """One line for each case and agent."""
    for summary in summaries(rows):
        cells = ["{} {:.3f} [{:.3f}, {:.3f}]".format(key, *summary[key]) for key in SHOWN if key in summary]
        head = f"{summary['case']:9s} {summary['people']:2d} people {summary['agent']:13s} {summary['episodes']:3d}"
        print(f"{head} episodes  {'  '.join(cells)}  {summary['answer_ms']:.1f} ms", flush=True)


def main() -> None:
    """Play, and print a table with a line for each case and agent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--people", type=int)
    parser.add_argument("--agents", nargs="*")
    parser.add_argument("--rooms", type=int, help="play in rooms made at random by this seed, not in the apartment")
    parser.add_argument("--policy", type=Path, help="other weights of the learned agent, from train_policy.py")
    parser.add_argument("--part", default="0/1", help="play only the episodes i, i + n, … of i/n")
    parser.add_argument("--out", type=Path, help="append a line of JSON for each episode")
    parser.add_argument("--read", type=Path, nargs="*", help="print the table of such files, and play nothing")
    parser.add_argument("--write", type=Path, help="with --read: keep the table as JSON")
    options = parser.parse_args()
    if options.read:
        rows = [json.loads(line) for path in options.read for line in path.read_text("utf-8").splitlines()]
        print_table(rows)
        if options.write:
            lines = ",\n".join(json.dumps(summary) for summary in summaries(rows))
            options.write.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
        return
    torch.set_num_threads(1)
    if options.rooms is None:
        world = World("apartment", read_nav_map(shelf_file("scenes/apartment/nav_map.npz")))
    else:
        world = World(f"rooms {options.rooms}", random_rooms(np.random.default_rng(options.rooms)))
    first, step = map(int, options.part.split("/"))
    for case in options.cases:
        task, agents, humans = CASES[case]
        humans = humans if options.people is None or not humans.count else replace(humans, count=options.people)
        episodes = make_episodes(world, task, options.episodes, 0)[first::step]
        for name in options.agents or agents:
            agent = LearnedAgent(options.policy) if name == "learned" else make_agent(name)
            rows = []
            for episode, metrics in zip(episodes, play(world, agent, episodes, humans), strict=True):
                rows.append(
                    {"case": case, "people": humans.count, "agent": name, "episode": episode.name, "metrics": metrics}
                )
                if options.out:
                    with options.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(rows[-1]) + "\n")
            print_table(rows)


if __name__ == "__main__":
    main()
