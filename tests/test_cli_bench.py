"""`splatsim bench` from a scene on disk to a page, and the comparison of two runs."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from splatsim.cli import main
from splatsim.nav import Humans, Setup
from splatsim.nav.benchmark import RESULTS
from splatsim.nav.journal import read_results
from splatsim.nav.suite import Suite
from splatsim.scene import Scene
from tests.maps.rooms import drawn

PLAN = "\n".join(
    ["#" * 60, *["#" + "." * 58 + "#"] * 25, *["#" * 30 + "." * 12 + "#" * 18] * 2, *["#" + "." * 58 + "#"] * 30]
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two agents in four episodes of two rooms, without people."""
    folder = tmp_path_factory.mktemp("bench")
    Scene("rooms", nav_map=drawn(PLAN + "\n" + "#" * 60, 0.1)).save(folder / "scene")
    out = folder / "run"
    asked = ["bench", "--scene", str(folder / "scene"), "--people", "0", "--episodes", "4", "--workers", "0"]
    assert main([*asked, "--agent", "stop", "--agent", "shortest-path", "--out", str(out)]) == 0
    return out


def test_the_page_holds_everything_and_loads_nothing(run: Path) -> None:
    text = (run / "report.html").read_text()
    results = read_results(run / RESULTS)
    assert len(results) == 8
    assert text.count('<svg class="place"') == 8
    assert "data:video/mp4;base64," in text
    assert results[0].hashes["suite"] in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]*", "", text)


def test_the_shortest_way_is_found_and_who_stops_at_once_is_not_there(run: Path) -> None:
    success = {(r.agent, r.episode): r.metrics["strict"]["success"] for r in read_results(run / RESULTS)}
    assert {ok for (agent, _), ok in success.items() if agent == "shortest-path"} == {1}
    assert {ok for (agent, _), ok in success.items() if agent == "stop"} == {0}


def test_two_agents_are_compared(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "compare", str(run), str(run), "--agents", "shortest-path", "stop"]) == 0
    said = capsys.readouterr().out
    assert "4 episodes in common" in said
    # 4 of 4 against 0 of 4: McNemar's p is 2 / 2^4.
    assert re.search(r"SR +1\.000 +0\.000 +\+1\.000 +\+1\.000 to \+1\.000 +4 +0 +0\.125", said)


def test_who_cannot_do_the_task_stays_away(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Suite.load(run / "suite.json")
    short = replace(made.episodes[0], task="following", max_steps=3)
    setup = Setup(humans=Humans(1, pattern="leader"))
    replace(made, episodes=(short,), setup=setup).save(tmp_path / "suite.json")
    asked = ["bench", "--scene", str(run.parent / "scene"), "--suite", str(tmp_path / "suite.json"), "--workers", "0"]
    assert main([*asked, "--out", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert 'bev does not take part: it cannot do "following", which 1 of 1 episodes ask for.' in said
    results = read_results(tmp_path / "run" / RESULTS)
    assert [result.agent for result in results] == ["stop", "random", "forward", "follower"]
    assert not any(result.failure for result in results)


def test_what_cannot_be_done(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Scene("hall", nav_map=drawn("#####\n#...#\n#####", 1.0)).save(tmp_path / "hall")
    here, there = ["--scene", str(run.parent / "scene"), "--people", "0"], ["--scene", str(tmp_path / "hall")]
    for asked, said in (
        (["bench", "--out", str(run), *here], "holds results already"),
        (["bench", "--agent", "nobody", *here], 'there is no agent "nobody"'),
        (["bench", "--agent", "follower", *here, "--out", str(tmp_path / "y")], 'it cannot do "point goal"'),
        (["bench", "--episodes", "0"], "episodes is 0"),
        (["bench", "--suite", str(tmp_path / "none.json"), *here], "there is no file"),
        (["bench", "--suite", str(run / "suite.json"), *there, "--out", str(tmp_path / "x")], "expected that scene"),
        (["bench", "compare", str(run), str(tmp_path / "none")], "there is no file"),
        (["bench", "compare", str(run), str(run), "--agents", "stop", "oracle"], 'has no agent "oracle"'),
    ):
        assert main(asked) == 2, asked
        assert said in capsys.readouterr().err
