"""Suites as files: everything comes back, and what is wrong is named."""

import json
from pathlib import Path

import pytest
import torch

from splatsim.errors import EpisodeError, FormatError
from splatsim.nav import Episode, Humans, Sensors, Setup, Suite, World
from splatsim.nav.unicycle import Drive
from tests.maps.rooms import drawn
from tests.sentences import check_sentences

ROOM = World("box", drawn("######\n#....#\n#....#\n######"))


def episode(name: str = "one", **changes) -> Episode:
    reference = torch.tensor([[0.15, -0.15], [0.1 + 0.2, -0.25]], dtype=torch.float64)
    start = changes.pop("start", (0.15, -0.15, 1.0))
    values = {"task": "instruction", "instruction": "Gehe zur Tür.", "seed": 2**40, "band": "short", "info": {"a": [1]}}
    return Episode(name, "box", start, (0.3, -0.25), 0.2, reference, **{**values, **changes})


def suite(*episodes: Episode, **changes) -> Suite:
    setup = Setup(Sensors(rgb=True, bev="ego"), Humans(3, pattern="queue"), Drive(max_speed=0.5), radius=0.3)
    values = {"name": "s", "scene": "box", "scene_hash": ROOM.content_hash, "setup": setup, "options": {"seed": 1}}
    return Suite(**{**values, **changes}, episodes=episodes or (episode(), episode("two")))


def test_all_of_a_suite_comes_back(tmp_path: Path) -> None:
    written = suite()
    written.save(tmp_path / "suite.json")
    read = Suite.load(tmp_path / "suite.json")
    assert read.content_hash == written.content_hash
    assert (read.name, read.scene, read.setup, read.options) == ("s", "box", written.setup, {"seed": 1})
    for a, b in zip(read.episodes, written.episodes, strict=True):
        assert torch.equal(a.reference, b.reference)
        assert all(getattr(a, key) == getattr(b, key) for key in vars(b) if key != "reference")
    read.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "suite.json").read_bytes()


def test_the_hash_follows_every_part() -> None:
    hashes = {
        suite().content_hash,
        suite(episode(seed=1)).content_hash,
        suite(episode(), episode("two", start=(0.15, -0.15, 1.0000001))).content_hash,
        suite(setup=Setup(radius=0.3)).content_hash,
        suite(scene_hash="0").content_hash,
        suite(options={}).content_hash,
    }
    assert len(hashes) == 6
    assert suite().content_hash in hashes


def test_a_suite_knows_its_world() -> None:
    suite().check(ROOM)
    other = World("box", drawn("######\n#....#\n#.#..#\n######"))
    with pytest.raises(EpisodeError) as caught:
        suite().check(other)
    assert ROOM.content_hash in str(caught.value)
    assert other.content_hash in str(caught.value)


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "suite.json"
    suite().save(path)
    before = path.read_bytes()
    for info in ({"a": float("nan")}, {"a": object()}, {"a": "\ud800"}):
        with pytest.raises(EpisodeError, match="JSON"):
            suite(episode(info=info)).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_change_by_hand_is_noticed_unless_it_is_owned_up_to(tmp_path: Path) -> None:
    path = tmp_path / "suite.json"
    suite().save(path)
    content = json.loads(path.read_text())
    content["episodes"][0]["max_steps"] = 7
    path.write_text(json.dumps(content))
    with pytest.raises(FormatError, match="changed or damaged"):
        Suite.load(path)
    del content["hash"]
    path.write_text(json.dumps(content))
    assert Suite.load(path).episodes[0].max_steps == 7


def test_every_cut_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "suite.json"
    suite().save(path)
    data = path.read_bytes()
    for length in range(0, len(data) - 3, 37):
        path.write_bytes(data[:length])
        with pytest.raises(FormatError):
            Suite.load(path)


def test_the_sentences(tmp_path: Path) -> None:
    path = tmp_path / "suite.json"
    suite().save(path)
    whole = json.loads(path.read_text())
    del whole["hash"]

    def loaded(**changes) -> object:
        path.write_text(json.dumps({**whole, **changes}))
        return Suite.load(path)

    def with_episode(**changes) -> object:
        first = {**whole["episodes"][0], **changes}
        return loaded(episodes=[{key: value for key, value in first.items() if value is not ...}])

    cases = {
        "no file": lambda: Suite.load(tmp_path / "none.json"),
        "no episodes": lambda: loaded(episodes=[]),
        "no list": lambda: loaded(episodes={"a": 1}),
        "another format": lambda: loaded(format="else"),
        "another version": lambda: loaded(version=2),
        "a name missing": lambda: loaded(name=None),
        "a wrong choice": lambda: loaded(setup={"sensors": {"bev": "full"}}),
        "a wrong type": lambda: loaded(setup={"sensors": {"width": "wide"}}),
        "a wrong value": lambda: loaded(setup={"radius": -1}),
        "a wrong drive": lambda: loaded(setup={"drive": {"max_speed": 0}}),
        "an unknown field": lambda: loaded(setup={"gravity": 9.81}),
        "an episode twice": lambda: loaded(episodes=whole["episodes"][:1] * 2),
        "another scene": lambda: with_episode(scene="hall"),
        "a field missing": lambda: with_episode(goal=...),
        "a start in 2D": lambda: with_episode(start=[0.0, 1.0]),
        "no number": lambda: with_episode(goal=[0.0, True]),
        "a huge number": lambda: with_episode(seed=10**4000),
        "a huge length": lambda: with_episode(shortest=10**400),
        "a wrong task": lambda: with_episode(task="fetch"),
        "a wrong way": lambda: with_episode(reference=[[0, 1], [2]]),
        "unreachable": lambda: with_episode(shortest=-1.0),
        "another world": lambda: suite(scene_hash="0" * 64).check(World("hall", ROOM.nav_map, content_hash="1" * 64)),
    }
    check_sentences(Path(__file__).with_name("suite_errors.txt"), cases, tmp_path)
