"""Stages: done once, begun anew for other settings, and unfinished until they are finished."""

from pathlib import Path

import pytest

from splatsim.errors import SplatsimError
from splatsim.reconstruction import stages


def count_calls(calls: list[list[str]]) -> object:
    def make(folder: Path) -> None:
        calls.append(sorted(entry.name for entry in folder.iterdir()))
        (folder / "result.txt").write_text(str(len(calls)))

    return make


def test_a_stage_runs_once_for_its_settings(tmp_path: Path) -> None:
    calls: list[list[str]] = []
    for steps in (10, 10, 20, 20, 10):
        folder = stages.run(tmp_path, "fit", {"steps": steps}, count_calls(calls))
    assert len(calls) == 3
    assert (folder / "result.txt").read_text() == "3"
    assert [entry.name for entry in tmp_path.iterdir()] == ["fit"]


def test_what_a_kill_leaves_is_gone_on_with(tmp_path: Path) -> None:
    def killed(folder: Path) -> None:
        (folder / "checkpoint").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stages.run(tmp_path, "fit", {"steps": 10}, killed)
    assert not (tmp_path / "fit").exists()
    calls: list[list[str]] = []
    stages.run(tmp_path, "fit", {"steps": 10}, count_calls(calls))
    assert calls == [["checkpoint", "seconds.json", "stage.json"]]


def test_what_a_kill_leaves_is_dropped_for_other_settings(tmp_path: Path) -> None:
    stages.run(tmp_path, "fit", {"steps": 10}, lambda folder: (folder / "checkpoint").write_text("half") < 0)
    calls: list[list[str]] = []
    stages.run(tmp_path, "fit", {"steps": 11}, count_calls(calls))
    assert calls == [["stage.json"]]


def test_a_stage_that_stops_early_stays_unfinished(tmp_path: Path) -> None:
    folder = stages.run(tmp_path, "fit", {}, lambda _: False)
    assert folder.name == ".fit.partial"
    calls: list[list[str]] = []
    assert stages.run(tmp_path, "fit", {}, count_calls(calls)).name == "fit"
    assert len(calls) == 1


def test_digests_follow_content_and_names(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.txt").write_text("one")
    before = stages.file_digest(tmp_path / "a")
    (tmp_path / "a" / "1.txt").rename(tmp_path / "a" / "2.txt")
    renamed = stages.file_digest(tmp_path / "a")
    (tmp_path / "a" / "2.txt").write_text("two")
    assert len({before, renamed, stages.file_digest(tmp_path / "a")}) == 3


def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        stages.locked(tmp_path),
        pytest.raises(SplatsimError, match="being worked on by process"),
        stages.locked(tmp_path),
    ):
        pass
    with stages.locked(tmp_path):
        pass
