"""`splatsim bench`: agents play a suite of episodes, and a report tells how they do."""

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro

from splatsim.assets import shelf_file
from splatsim.nav.agents import AGENT_NAMES, skills_of
from splatsim.nav.benchmark import RUN, RunOptions, run_suite
from splatsim.nav.entrant import ACT_SECONDS, Entrant, entrant
from splatsim.nav.episode import Task
from splatsim.nav.generation import SETUPS, generate_suite
from splatsim.nav.policy_line import RemoteOptions
from splatsim.nav.report import REPORT, write_report
from splatsim.nav.results import Result
from splatsim.nav.setup import Humans, Setup
from splatsim.nav.standings import COLUMNS, known_columns, standings
from splatsim.nav.suite import Suite
from splatsim.nav.world import World
from splatsim.scene import open_scene

APARTMENT = "scenes/apartment/scene.toml"
EPISODES, PEOPLE, MOST_WORKERS = 24, 4, 8
SAID = ("success", "spl", "static_collisions", "h_coll", "personal_space_seconds", "delay")


@dataclass(frozen=True)
class Match:
    """Who plays what, and where."""

    suite: Path | None = None
    """A suite of episodes; without one, episodes are made for the scene."""
    scene: Path | None = None
    """The scene, a folder or a file of Gaussians; the built-in apartment by default."""
    agent: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """One who plays: the name of an agent of ours, module:Class, or the address of a policy server, ws://host:port;
    given once for each. By default all of ours that can do the task; the others are named."""
    bev: bool = False
    """Give policy servers and agents of yours the view from above, and draw the report on it."""
    people: int | None = None
    """How many people walk about; as the suite has it, otherwise 4, or 1 to be followed."""
    task: Task | None = None
    """What episodes that are made ask for; by default point goals, among people social navigation."""
    episodes: int | None = None
    """How many: of a suite the first ones; 24 are made."""
    seed: int = 0
    """Of episodes that are made."""
    act_seconds: float = ACT_SECONDS
    """After which an agent's answer is late, and its episode failed."""
    remote: RemoteOptions = field(default_factory=RemoteOptions)
    """How policy servers are talked to."""

    def __post_init__(self) -> None:
        if self.episodes is not None and self.episodes < 1:
            raise ValueError(f"episodes is {self.episodes}; expected at least 1.")
        if not 0 < self.act_seconds < 86_400:
            raise ValueError(f"act_seconds is {self.act_seconds}; expected a positive number of seconds.")


def bench(
    match: Annotated[Match, tyro.conf.arg(name="")] = Match(),
    out: Path = Path("bench_results"),
    workers: int | None = None,
    ray: str = "",
    resume: bool = False,
) -> None:
    """Let agents play episodes among moving people, and write how they did.

    Without arguments the shipped agents play in the built-in apartment. Writes results.jsonl, a line for each episode
    with its whole trajectory; timings.jsonl; run.json; suite.json; and report.html.

    Args:
        match: Who plays what, and where.
        out: Folder for results and report.
        workers: Processes; one for each processor by default, at most 8; 0 plays in this one.
        ray: Address of a Ray cluster that plays instead: host:port, "auto", or "local" to start one here.
        resume: Go on with what an interrupted run left in the folder.
    """
    world = World.of(open_scene(match.scene or shelf_file(APARTMENT).parent))
    suite = _suite(match, world)
    names = match.agent or _ours(suite)
    players = [_player(match, name) for name in names]
    if workers is None:
        workers = 0 if ray else min(MOST_WORKERS, os.cpu_count() or 1)
    results = run_suite(world, suite, players, out, RunOptions(workers, ray, resume))
    facts = json.loads((out / RUN).read_text(encoding="utf-8"))
    write_report(out / REPORT, world, suite, results, facts, bev=match.bev)
    print(table(results))
    print(f"{out}: {len(results)} episodes of {len(players)} agents; see {out / REPORT}")


def _suite(match: Match, world: World) -> Suite:
    if match.suite is None:
        task: Task = match.task or ("point goal" if match.people == 0 else "social")
        setup = _with_people(SETUPS.get(task, Setup(humans=Humans(PEOPLE, pattern="cross"))), match.people)
        return generate_suite(world, task, match.episodes or EPISODES, match.seed, setup=setup)
    suite = Suite.load(match.suite)
    episodes = suite.episodes if match.episodes is None else suite.episodes[: match.episodes]
    return replace(suite, episodes=episodes, setup=_with_people(suite.setup, match.people))


def _with_people(setup: Setup, count: int | None) -> Setup:
    return setup if count is None else replace(setup, humans=replace(setup.humans, count=count))


def _ours(suite: Suite) -> tuple[str, ...]:
    """Agents of ours that can do what the suite asks for; why the others cannot is said."""
    lacking = {name: skills_of(name).lacking(suite) for name in AGENT_NAMES}
    for name, why in lacking.items():
        if why:
            print(f"{name} does not take part: {why}.")
    return tuple(name for name, why in lacking.items() if not why)


def _player(match: Match, name: str) -> Entrant:
    return entrant(name, seconds=match.act_seconds, bev=match.bev, remote=match.remote)


def table(results: list[Result]) -> str:
    """The standings as text."""
    rows = standings(results)
    columns = [column for column in known_columns(rows, COLUMNS) if column.metric in SAID]
    lines = [["agent", *(column.title for column in columns)]]
    for agent, found in rows:
        lines.append([agent, *(f"{found[column.metric].mean:.2f}" for column in columns)])
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    return "\n".join(
        "  ".join(word.ljust(widths[k]) if k == 0 else word.rjust(widths[k]) for k, word in enumerate(line))
        for line in lines
    )
