"""Runs: the same for any number of workers, resumable, and going on whatever an agent does."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from splatsim.errors import SplatsimError
from splatsim.nav import Humans, Sensors
from splatsim.nav.benchmark import RESULTS, RUN, TIMINGS, RunOptions, run_suite
from splatsim.nav.entrant import Entrant, entrant
from splatsim.nav.journal import read_results
from splatsim.nav.playing import Contest, Job, Player
from tests.nav.contests import (
    Dies,
    Exits,
    Hangs,
    NotANumber,
    Raises,
    Straight,
    entrants,
    suite,
    with_people,
    world,
)
from tests.sentences import check_sentences


def test_a_run_in_workers_is_the_run_in_one_process_byte_for_byte(tmp_path: Path) -> None:
    """Also where an agent takes its process with it, hangs, or the run was cut off and went on."""
    os.environ["SPLATSIM_TEST_MARK"] = str(tmp_path / "mark")
    players = [*entrants(Straight, Raises, Dies), *entrants(Hangs, seconds=2.0)]
    many = tmp_path / "many"
    results = run_suite(world(), with_people(2), players, many, RunOptions(workers=2))
    assert (tmp_path / "mark").exists()
    one = tmp_path / "one"
    run_suite(world(), with_people(2), players, one)
    assert (many / RESULTS).read_bytes() == (one / RESULTS).read_bytes()

    by_agent = {name: [r for r in results if r.agent == name] for name in ("straight", "raises", "dies", "hangs")}
    assert [len(own) for own in by_agent.values()] == [4, 4, 4, 4]
    assert [bool(r.failure) for r in by_agent["hangs"]] == [True, False, False, False]
    assert by_agent["hangs"][0].failure == "act, at step 2, gave no answer within 2 s"
    assert len(by_agent["hangs"][0].actions) == 2  # what it did before is kept
    assert not any(r.failure for r in by_agent["dies"])
    assert all("raised ValueError: lost <object object at 0x…>" in r.failure for r in by_agent["raises"])
    assert all(r.metrics["strict"]["success"] == 0 for r in by_agent["raises"])

    lines = (one / RESULTS).read_bytes().splitlines(keepends=True)
    (one / RESULTS).write_bytes(b"".join(lines[5:8]) + lines[8][:40])
    seen = (one / TIMINGS).read_text().count("\n")
    (one / TIMINGS).write_bytes((one / TIMINGS).read_bytes() + b'{"agent": "str')
    run_suite(world(), with_people(2), players, one, RunOptions(resume=True))
    assert (many / RESULTS).read_bytes() == (one / RESULTS).read_bytes()
    assert len([json.loads(line) for line in (one / TIMINGS).read_text().splitlines()]) == seen + 13


def test_what_an_agent_cannot_do_fails_its_episode_alone(tmp_path: Path) -> None:
    players = [*entrants(Exits, NotANumber, Straight, Looks), Entrant("never", never)]
    results = run_suite(world(), suite(2), players, tmp_path / "run")
    failures = {(r.agent, r.episode): r.failure for r in results}
    assert failures["exits", "e0"] == "act, at step 0, raised SystemExit: 3"
    assert "gave what is no action" in failures["notanumber", "e1"]
    assert failures["straight", "e1"] == ""
    assert failures["looks", "e0"].startswith("its sensors cannot be had: ")  # a room without Gaussians
    assert failures["never", "e0"] == "making it raised FileNotFoundError: no weights"
    facts = json.loads((tmp_path / "run" / RUN).read_text())
    assert facts["suite"]["sha256"] == results[0].hashes["suite"] == suite(2).content_hash
    assert results[0].hashes["scene"] == world().content_hash


def test_metrics_stand_on_what_the_file_has(tmp_path: Path) -> None:
    from splatsim.nav import PROFILES, measure

    run_suite(world(), with_people(2), entrants(Straight), tmp_path / "run")
    for result, episode in zip(read_results(tmp_path / "run" / RESULTS), suite().episodes, strict=True):
        for name, profile in PROFILES.items():
            found = measure(episode, result.trajectory, world().nav_map, profile)
            kept = {key: value for key, value in result.metrics[name].items() if key in found}
            assert kept == pytest.approx(found, abs=1e-6)


def test_people_without_the_robot_are_those_of_the_same_seed() -> None:
    """Who takes no notice of the robot is not inconvenienced; of who does, somebody is."""
    costs = {}
    for reactive in (True, False):
        people = with_people(6)
        people = replace(people, setup=replace(people.setup, humans=Humans(6, reactive=reactive)))
        player = Player(Contest(world(), people, tuple(entrants(Straight))))
        costs[reactive] = [player.play(Job(0, k))[0].metrics["strict"]["delay"] for k in range(3)]
    assert costs[False] == [0, 0, 0]
    assert max(costs[True]) > 0


def test_agents_that_draw_from_shared_generators_are_reproducible() -> None:
    player = Player(Contest(world(), suite(1), (Entrant("draws", Draws),)))
    first, second = (player.play(Job(0, 0))[0].line() for _ in range(2))
    assert first == second


def never() -> Straight:
    raise FileNotFoundError("no weights")


class Looks(Straight):
    sensors = Sensors(rgb=True)


class Draws(Straight):
    def act(self, observation: object) -> int:
        return int(torch.randint(1, 4, ()))


def test_what_cannot_be_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_suite(world(), suite(1), entrants(Straight), run)
    other = replace(suite(1), scene_hash="0" * 64)
    damaged = tmp_path / "damaged"
    run_suite(world(), suite(2), entrants(Straight), damaged)
    (damaged / RESULTS).write_text("{}\n" + (damaged / RESULTS).read_text())
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / RUN).write_text("{")
    again = RunOptions(resume=True)
    cases = {
        "there are results": lambda: run_suite(world(), suite(1), entrants(Straight), run),
        "another suite": lambda: short(lambda: run_suite(world(), suite(2), entrants(Straight), run, again)),
        "other agents": lambda: run_suite(world(), suite(1), entrants(Straight, Raises), run, again),
        "another scene": lambda: short(lambda: run_suite(world(), other, entrants(Straight), tmp_path / "x")),
        "damaged results": lambda: run_suite(world(), suite(2), entrants(Straight), damaged, again),
        "damaged settings": lambda: run_suite(world(), suite(1), entrants(Straight), broken, again),
        "nobody": lambda: run_suite(world(), suite(1), [], tmp_path / "x"),
        "a task that somebody cannot do": lambda: run_suite(world(), suite(1), [entrant("follower")], tmp_path / "x"),
        "twice the same": lambda: run_suite(world(), suite(1), entrants(Straight, Straight), tmp_path / "x"),
        "workers": lambda: RunOptions(workers=-1),
        "no such agent": lambda: entrant("shortest"),
        "no such module": lambda: entrant("nowhere:Agent").make(),
        "no such class": lambda: entrant("tests.nav.contests:Agent").make(),
        "no agent": lambda: entrant("tests.nav.contests:Path").make(),
        "another machine": lambda: entrant("ws://192.0.2.7:8000").make(),
    }
    check_sentences(Path(__file__).with_name("bench_errors.txt"), cases, tmp_path)


def short(run: object) -> None:
    """Hashes as a few digits, so that the snapshot does not know the bits of a map."""
    import re

    try:
        run()  # type: ignore[operator]
    except SplatsimError as error:
        raise type(error)(re.sub(r"[0-9a-f]{64}", "…", str(error))) from None
