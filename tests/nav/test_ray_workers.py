"""A local Ray cluster of two workers, one of which is killed in mid-run: nothing is lost, nothing counted twice."""

import json
from collections import Counter
from pathlib import Path

import pytest

from splatsim.errors import BackendUnavailable, SplatsimError
from splatsim.nav.benchmark import RESULTS, TIMINGS, RunOptions, run_suite
from tests.nav.contests import Dies, Hangs, Raises, Straight, entrants, with_people, world


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of ray's own
def test_a_worker_that_is_killed_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="the package ray is not installed: pip install .[ray]")
    monkeypatch.setenv("SPLATSIM_TEST_MARK", str(tmp_path / "mark"))
    monkeypatch.setenv("RAY_worker_niceness", "0")  # otherwise its workers starve beside whatever else runs
    players = [*entrants(Straight, Raises, Dies), *entrants(Hangs, seconds=2.0)]
    try:
        results = run_suite(world(), with_people(2), players, tmp_path / "ray", RunOptions(workers=2, ray="local"))
    finally:
        ray.shutdown()
    assert (tmp_path / "mark").exists()
    assert set(Counter(result.key for result in results).values()) == {1}
    assert len(results) == 16
    timings = [json.loads(line) for line in (tmp_path / "ray" / TIMINGS).read_text().splitlines()]
    assert len({(timing["agent"], timing["episode"]) for timing in timings}) == len(timings) == 16
    run_suite(world(), with_people(2), players, tmp_path / "here")
    assert (tmp_path / "ray" / RESULTS).read_bytes() == (tmp_path / "here" / RESULTS).read_bytes()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_no_cluster_there(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the package ray is not installed: pip install .[ray]")
    with pytest.raises(SplatsimError, match="no Ray cluster"):
        run_suite(world(), with_people(1), entrants(Straight), tmp_path / "x", RunOptions(ray="127.0.0.1:1"))


def test_without_the_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(BackendUnavailable, match=r"install \"splatsim\[ray\]\""):
        run_suite(world(), with_people(1), entrants(Straight), tmp_path / "x", RunOptions(ray="auto"))
