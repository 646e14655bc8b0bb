"""run_suite: every episode of a suite for everybody who takes part, onto disk, resumable and the same every time."""

import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from splatsim import native
from splatsim.errors import EpisodeError, FormatError
from splatsim.formats._files import atomic_writer
from splatsim.nav.entrant import Entrant
from splatsim.nav.journal import Journal, append_line, drop_torn_end
from splatsim.nav.playing import Contest, Job, Player, Timing
from splatsim.nav.results import Result
from splatsim.nav.suite import Suite
from splatsim.nav.worker_processes import play_in_processes
from splatsim.nav.world import World

RESULTS, TIMINGS, RUN, SUITE = "results.jsonl", "timings.jsonl", "run.json", "suite.json"


@dataclass(frozen=True)
class RunOptions:
    """How a suite is played; nothing of it changes a result.

    Raises:
        ValueError: there are fewer than no workers.
    """

    workers: int = 0
    """Processes; 0 plays in this one. On a Ray cluster 0 takes one for each processor."""
    ray: str = ""
    """Address of a Ray cluster that plays instead."""
    resume: bool = False
    """Go on with what the folder holds."""

    def __post_init__(self) -> None:
        if not 0 <= self.workers <= 1024:
            raise ValueError(f"workers is {self.workers}; expected 0 to 1024 processes.")


def run_suite(
    world: World, suite: Suite, entrants: Sequence[Entrant], out: Path, options: RunOptions = RunOptions()
) -> list[Result]:
    """Play every episode with everybody who takes part, and write each result at once.

    The folder gets results.jsonl, timings.jsonl, run.json and suite.json. A run that is interrupted goes on with
    `resume`. The same suite, scene and agents give the same file of results, byte for byte, however it was played.

    Raises:
        EpisodeError: the suite was made for another scene, two who take part have one name, or one of them cannot do
            what it asks for.
        FileExistsError: the folder holds results and `resume` is not set.
        FormatError: it holds results of another run, or damaged ones.
        SplatsimError: the disk refuses, or workers cannot be started; what was played is kept.
    """
    contest = Contest(world, suite, tuple(entrants))
    _check(contest)
    journal = _begin(contest, out, options)
    everything = [Job(who, what) for what in range(len(suite.episodes)) for who in range(len(entrants))]
    jobs = [job for job in everything if _key(contest, job) not in journal.keys]
    with tqdm(
        total=len(everything), initial=len(everything) - len(jobs), desc="bench", unit="episode", disable=None
    ) as bar:
        for result, timing in _play(contest, jobs, options):
            journal.add(result)
            append_line(out / TIMINGS, json.dumps(asdict(timing)).encode())
            bar.update()
    journal.close([_key(contest, job) for job in sorted(everything, key=lambda job: (job.entrant, job.episode))])
    return journal.results()


def _play(contest: Contest, jobs: Sequence[Job], options: RunOptions) -> Iterator[tuple[Result, Timing]]:
    if not jobs:
        return
    if options.ray:
        from splatsim.nav.ray_workers import play_on_ray

        yield from play_on_ray(contest, jobs, options.ray, options.workers)
    elif options.workers:
        yield from play_in_processes(contest, jobs, options.workers)
    else:
        yield from _play_here(contest, jobs)


def _play_here(contest: Contest, jobs: Sequence[Job]) -> Iterator[tuple[Result, Timing]]:
    player = Player(contest)
    try:
        with native.torch_on_one_thread():  # as in workers: torch's sums depend on the number of threads
            for job in jobs:
                yield player.play(job)
    finally:
        player.close()


def _key(contest: Contest, job: Job) -> tuple[str, str]:
    return contest.entrants[job.entrant].name, contest.suite.episodes[job.episode].name


def _check(contest: Contest) -> None:
    names = [entrant.name for entrant in contest.entrants]
    twice = {name for name in names if names.count(name) > 1}
    if twice or not names:
        raise EpisodeError(f"those who take part are {names}; expected at least one, and each of them once.")
    contest.suite.check(contest.world)
    for entrant in contest.entrants:
        lacking = entrant.skills.lacking(contest.suite)
        if lacking:
            raise EpisodeError(
                f'the agent "{entrant.name}" cannot play the suite "{contest.suite.name}": {lacking}; expected agents '
                f"made for it. This one can do {', '.join(entrant.skills.tasks)}."
            )


def _begin(contest: Contest, out: Path, options: RunOptions) -> Journal:
    """The file of results, new or as it was left."""
    out.mkdir(parents=True, exist_ok=True)
    facts = run_facts(contest)
    if (out / RUN).exists() or (out / RESULTS).exists():
        if not options.resume:
            raise FileExistsError(f"{out} holds results already; pass --resume to go on, or name another folder.")
        _check_same(out, facts)
    contest.suite.save(out / SUITE)
    with atomic_writer(out / RUN) as file:
        file.write((json.dumps(facts, indent=1) + "\n").encode())
    drop_torn_end(out / TIMINGS)
    return Journal(out / RESULTS)


def run_facts(contest: Contest) -> dict[str, Any]:
    """Everything about a run that its results depend on, and on what machine it was begun."""
    suite = contest.suite
    return {
        "splatsim": version("splatsim"),
        "torch": version("torch"),
        "suite": {"name": suite.name, "sha256": suite.content_hash, "episodes": len(suite.episodes)},
        "scene": {"name": contest.world.name, "sha256": contest.world.content_hash},
        "setup": asdict(suite.setup),
        "agents": [
            {"name": entrant.name, "bev": entrant.bev, "seconds": entrant.seconds} for entrant in contest.entrants
        ],
        "machine": {
            "system": platform.platform(),
            "processors": os.cpu_count(),
            "torch_threads": torch.get_num_threads(),
        },
    }


def _check_same(out: Path, facts: dict[str, Any]) -> None:
    try:
        before = json.loads((out / RUN).read_text(encoding="utf-8"))
        differing = [name for name in ("splatsim", "suite", "scene", "agents") if before.get(name) != facts[name]]
    except (OSError, ValueError, AttributeError) as error:
        raise FormatError(
            f"{out / RUN} cannot be read ({error}); expected the settings of the run to go on with."
        ) from error
    if differing:
        name = differing[0]
        raise FormatError(
            f"{out} was begun with {name} {json.dumps(before.get(name))[:300]}, not {json.dumps(facts[name])[:300]}; "
            "go on with the same, or name another folder."
        )
