"""Results on disk: read as written, and never lost, whatever ends the run."""

import json
import math
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from splatsim.errors import FormatError, SplatsimError
from splatsim.nav import Trajectory
from splatsim.nav.journal import Journal, append_line, read_results
from splatsim.nav.results import Result, rounded
from tests.sentences import check_sentences


def result(k: int = 0, agent: str = "a") -> Result:
    generator = torch.Generator().manual_seed(k)
    poses = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    trajectory = Trajectory(
        torch.arange(5, dtype=torch.float64) / 3,
        poses,
        True,
        torch.tensor([True, False, False, True]),
        torch.tensor([False] * 4),
        torch.randn(5, 2, 2, generator=generator, dtype=torch.float64),
        torch.tensor([0.3, 0.25]),
        0.2,
        torch.tensor([True, True, False, False, True]),
    )
    metrics = {"strict": {"success": 1.0, "time_to_collision": math.inf, "spl": 1 / 3}}
    hashes = {"suite": "0a"}
    return Result(
        agent, f"e{k}", "social", "near", k, metrics, rounded(trajectory), (1, (0.5, -0.25), 0), "", hashes, "1"
    )


def test_a_line_gives_back_what_was_measured_bit_for_bit() -> None:
    written = result(3)
    read = Result.parse(written.line())
    for name, tensor in written.trajectory.tensors().items():
        assert torch.equal(tensor, getattr(read.trajectory, name)), name
    assert read.line() == written.line()
    assert read.metrics["strict"] == {"success": 1, "time_to_collision": math.inf, "spl": 0.333333}
    assert read.actions == (1, (0.5, -0.25), 0)
    assert (read.trajectory.stopped, read.trajectory.robot_radius) == (True, 0.2)


def test_lines_are_json_that_others_read() -> None:
    value = json.loads(result().line(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert value["metrics"]["strict"]["time_to_collision"] == "inf"
    assert value["trajectory"]["static_contacts"] == [0, 3]


def journal(folder: Path, count: int = 3) -> Path:
    path = folder / "results.jsonl"
    book = Journal(path)
    for k in range(count):
        book.add(result(k))
    return path


def test_what_a_kill_leaves_of_the_last_line_is_dropped(tmp_path: Path) -> None:
    path = journal(tmp_path)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in (1, 10, len(lines[2]) - 1):
        path.write_bytes(whole[:-cut])
        assert [r.episode for r in read_results(path)] == ["e0", "e1"]
    path.write_bytes(whole + b'{"agent": \n')
    assert len(read_results(path)) == 3
    book = Journal(path)
    assert book.keys == {("a", "e0"), ("a", "e1"), ("a", "e2")}
    assert path.read_bytes() == whole  # the damaged line is gone before another is written


def test_the_order_at_the_end_is_the_one_that_is_asked_for(tmp_path: Path) -> None:
    forth, back = tmp_path / "forth.jsonl", tmp_path / "back.jsonl"
    for path, order in ((forth, (0, 1, 2)), (back, (2, 1, 0))):
        book = Journal(path)
        for k in order:
            book.add(result(k))
        book.close([("a", f"e{k}") for k in range(4)])
    assert forth.read_bytes() == back.read_bytes()


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """Files cannot grow beyond a size: writes fail half-way, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    path = journal(tmp_path, 2)
    before = path.read_bytes()
    book = Journal(path)
    with disk_of(len(before) + 100), pytest.raises(SplatsimError, match=r"cannot be written .* make room"):
        book.add(result(2))
    assert path.read_bytes() == before
    with disk_of(100), pytest.raises(SplatsimError, match="cannot be written"):
        book.close([("a", "e1"), ("a", "e0")])
    assert path.read_bytes() == before
    book.add(result(2))
    assert len(read_results(path)) == 3


def test_what_is_damaged(tmp_path: Path) -> None:
    good, folder = result().line(), tmp_path / "other"
    folder.mkdir()

    def read(*lines: str) -> None:
        path = tmp_path / "results.jsonl"
        path.write_text("\n".join([*lines, result(1).line(), ""]))
        read_results(path)

    def changed(**changes: object) -> str:
        return json.dumps(json.loads(good) | changes)

    def moved(**changes: object) -> str:
        return changed(trajectory=json.loads(good)["trajectory"] | changes)

    def twice() -> None:
        Journal(journal(folder)).add(result(1))

    cases = {
        "cut in the middle": lambda: read(good[:50]),
        "empty line": lambda: read(""),
        "not an object": lambda: read("[1, 2]"),
        "no agent": lambda: read(good.replace('"agent"', '"agnet"')),
        "agent is a number": lambda: read(changed(agent=3)),
        "metric is a word": lambda: read(changed(metrics={"strict": {"success": "often"}})),
        "metric is a list": lambda: read(changed(metrics={"strict": {"success": [1]}})),
        "poses are too few": lambda: read(moved(poses=[[0, 0, 0]])),
        "pose not finite": lambda: read(moved(poses=[[math.nan, 0, 0]] * 5)),
        "contact after the end": lambda: read(moved(static_contacts=[9])),
        "bytes": lambda: read("\x00\x01"),
        "nested": lambda: read("[" * 100_000),
        "twice": lambda: read(good, good),
        "twice in one run": twice,
        "no file": lambda: read_results(tmp_path / "none.jsonl"),
        "a folder": lambda: read_results(tmp_path),
        "no folder": lambda: append_line(tmp_path / "none" / "file", b"{}"),
    }
    check_sentences(Path(__file__).with_name("result_errors.txt"), cases, tmp_path)


def test_errors_are_ours(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    good = bytearray(result().line().encode())
    for _ in range(200):
        damaged = bytearray(good)
        for place in torch.randint(len(good), (3,), generator=generator).tolist():
            damaged[place] = int(torch.randint(256, (1,), generator=generator))
        try:
            Result.parse(bytes(damaged))
        except FormatError:
            continue
