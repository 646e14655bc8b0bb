"""Habitat's files, written by hand as its documentation has them."""

import gzip
import json
import math
from pathlib import Path

import pytest
import torch

from splatsim.errors import FormatError
from splatsim.formats.bounded_json import packed_json, read_json
from splatsim.formats.y_up import from_y_up, to_y_up, yaw_from_y_up, yaw_to_y_up
from splatsim.nav import Episode
from splatsim.nav.foreign import read_habitat, write_habitat
from tests.nav.places import flat
from tests.sentences import check_sentences

HALF = math.sqrt(0.5)
POINT = {
    "episode_id": "7",
    "scene_id": "data/scenes/flat.glb",
    "start_position": [1.0, 0.2, -3.0],
    "start_rotation": [0.0, 0.0, 0.0, 1.0],
    "goals": [{"position": [4.0, 0.1, -7.0], "radius": 0.2}],
    "info": {"geodesic_distance": 5.5},
}
TOLD = {
    **POINT,
    "trajectory_id": 12,
    "start_rotation": [0.0, HALF, 0.0, HALF],
    "instruction": {"instruction_text": "Go to the bed.", "instruction_tokens": [4, 2]},
    "reference_path": [[1.0, 0.2, -3.0], [1.0, 0.3, -7.0], [4.0, 0.1, -7.0]],
}
VIEWS = [[9.0, 0.0, -9.0], [2.0, 0.0, -3.5]]
OBJECT = {**POINT, "object_category": "bed", "goals": []}
FOLLOWED = {
    # As EVT-Bench has it: start and goals are the person's, the robot stands in `info`.
    **POINT,
    "goals": [{"position": [1.0, 0.0, -6.0], "radius": None}, {"position": [3.0, 0.0, -6.0], "radius": None}],
    "start_position": [1.0, 0.0, -4.5],
    "info": {
        "robot_position": [1.0, 0.0, -3.0],
        "robot_rotation": 1.5,
        "human_num": 1,
        "main_humanoid_name": "female_0",
        "human_1_start_position": [5.0, 0.0, -1.0],
        "human_1_start_rotation": 0.3,
        "human_1_waypoint_1_position": [5.0, 0.0, -4.0],
        "instruction": "Follow the woman in red.",
        "episode_mode": "dt",
    },
}
AMONG = {**POINT, "info": {**POINT["info"], "human_num": 1, "human_0_waypoint_0_position": [2.0, 0.0, -2.0]}}


def written(path: Path, *episodes: dict, **others) -> Path:
    path.write_bytes(gzip.compress(json.dumps({"episodes": list(episodes), **others}).encode()))
    return path


def test_axes_there_and_back() -> None:
    assert from_y_up((1.0, 2.0, 3.0)) == (1.0, -3.0, 2.0)
    assert to_y_up(from_y_up((1.0, 2.0, 3.0))) == (1.0, 2.0, 3.0)
    for yaw in (-3.0, -1.0, 0.0, 0.5, 3.1):
        assert yaw_from_y_up(yaw_to_y_up(yaw)) == pytest.approx((yaw, 0.0), abs=1e-6)
    # A quarter turn to the left there: from looking along -z to looking along -x, which is west in both worlds.
    assert abs(yaw_from_y_up((0.0, HALF, 0.0, HALF))[0]) == pytest.approx(math.pi)
    assert yaw_from_y_up((HALF, 0.0, 0.0, HALF))[1] == pytest.approx(math.pi / 2)


def test_point_goals(tmp_path: Path) -> None:
    read = read_habitat(written(tmp_path / "val.json.gz", POINT))
    (episode,) = read.episodes
    assert read.lost == ()
    assert (episode.name, episode.scene, episode.task) == ("7", "data/scenes/flat.glb", "point goal")
    assert episode.start == pytest.approx((1.0, 3.0, math.pi / 2))
    assert episode.goal == (4.0, 7.0)
    assert episode.shortest == 5.5
    assert episode.reference.tolist() == [[1.0, 3.0], [4.0, 7.0]]


def test_instructions(tmp_path: Path) -> None:
    read = read_habitat(written(tmp_path / "val.json.gz", TOLD, instruction_vocab={"word_list": []}))
    (episode,) = read.episodes
    assert (episode.task, episode.instruction) == ("instruction", "Go to the bed.")
    assert episode.reference.tolist() == [[1.0, 3.0], [1.0, 7.0], [4.0, 7.0]]
    assert abs(episode.start[2]) == pytest.approx(math.pi)
    assert len(read.lost) == 1
    assert "instruction_vocab" in read.lost[0]


def test_object_goals_take_the_nearest_view_point(tmp_path: Path) -> None:
    goal = {"position": [8.0, 0.0, -8.0], "view_points": [{"agent_state": {"position": view}} for view in VIEWS]}
    path = written(tmp_path / "flat.json.gz", OBJECT, goals_by_category={"flat.glb_bed": [goal]})
    read = read_habitat(path)
    assert read.episodes[0].goal == (2.0, 3.5)
    assert read.episodes[0].info["goal_class"] == "bed"
    del goal["view_points"]
    read = read_habitat(written(tmp_path / "flat.json.gz", OBJECT, goals_by_category={"flat.glb_bed": [goal]}))
    assert read.episodes[0].goal == (8.0, 8.0)
    assert "the object itself" in read.lost[0]


def test_following(tmp_path: Path) -> None:
    (episode,) = read_habitat(written(tmp_path / "dt.json.gz", FOLLOWED)).episodes
    assert (episode.task, episode.instruction) == ("following", "Follow the woman in red.")
    assert episode.start == (1.0, 3.0, 1.5)
    assert episode.reference.tolist() == [[1.0, 3.0], [1.0, 4.5], [1.0, 6.0], [3.0, 6.0]]
    assert episode.goal == (3.0, 6.0)
    assert episode.shortest == pytest.approx(1.5 + 1.5 + 2)
    assert episode.info["people"] == [[[5.0, 1.0], [5.0, 4.0]]]
    # Several places may also stand in one goal.
    nested = {**FOLLOWED, "goals": [{"position": [[1.0, 0.0, -6.0], [3.0, 0.0, -6.0]]}]}
    (other,) = read_habitat(written(tmp_path / "dt.json.gz", nested)).episodes
    assert torch.equal(other.reference, episode.reference)


def test_people_beside_a_point_goal_are_social_navigation(tmp_path: Path) -> None:
    (episode,) = read_habitat(written(tmp_path / "val.json.gz", AMONG)).episodes
    assert (episode.task, episode.start[:2], episode.goal) == ("social", (1.0, 3.0), (4.0, 7.0))
    assert episode.info["people"] == [[[2.0, 2.0]]]


@pytest.mark.parametrize("row", [POINT, TOLD, FOLLOWED, AMONG], ids=["point", "told", "followed", "among"])
def test_what_was_read_is_written_back(tmp_path: Path, row: dict) -> None:
    first = read_habitat(written(tmp_path / "a.json.gz", row)).episodes
    write_habitat(tmp_path / "b.json.gz", first)
    back = json.loads(gzip.decompress((tmp_path / "b.json.gz").read_bytes()))["episodes"][0]
    for key in row:
        if key in ("start_rotation", "start_position", "reference_path"):
            assert torch.tensor(back[key]).abs().flatten().tolist() == pytest.approx(
                torch.tensor(row[key]).abs().flatten().tolist(), abs=1e-6
            )
        elif key == "info":
            assert {name: back["info"][name] for name in row["info"]} == row["info"]
        else:
            assert back[key] == row[key]
    again = read_habitat(tmp_path / "b.json.gz").episodes
    assert same(first[0], again[0])


def test_our_own_episodes_come_back(tmp_path: Path) -> None:
    from splatsim.nav.generation import generate_suite

    for task in ("object goal", "social", "following"):
        episodes = generate_suite(flat(), task, 2, 3).episodes
        write_habitat(tmp_path / "ours.json.gz", episodes)
        for a, b in zip(episodes, read_habitat(tmp_path / "ours.json.gz").episodes, strict=True):
            assert same(a, b)
            assert (a.band, a.seed, a.max_steps) == (b.band, b.seed, b.max_steps)
            assert {**a.info, "habitat": ...} == {**b.info, "habitat": ...}


def same(a: Episode, b: Episode) -> bool:
    assert b.start == pytest.approx(a.start, abs=1e-9)
    assert b.goal == pytest.approx(a.goal, abs=1e-9)
    assert b.reference.shape == a.reference.shape
    assert float((b.reference - a.reference).abs().max()) < 1e-9
    names = ("name", "scene", "task", "instruction", "shortest")
    return all(getattr(a, name) == getattr(b, name) for name in names)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(gzip.compress(b" " * 30_000_000))
    with pytest.raises(FormatError, match="more than 1000 bytes"):
        read_json(path, "list of Habitat's episodes", largest=1000)


def test_every_cut_is_an_error(tmp_path: Path) -> None:
    data = packed_json({"episodes": [POINT, TOLD]})
    for length in range(0, len(data), 23):
        (tmp_path / "cut.json.gz").write_bytes(data[:length])
        with pytest.raises(FormatError):
            read_habitat(tmp_path / "cut.json.gz")


def test_the_sentences(tmp_path: Path) -> None:
    def read(**changes) -> object:
        row = {key: value for key, value in {**POINT, **changes}.items() if value is not ...}
        found = read_habitat(written(tmp_path / "val.json.gz", row))
        return "\n".join(found.lost) if found.lost else found

    def raw(text: bytes) -> object:
        (tmp_path / "val.json").write_bytes(text)
        return read_habitat(tmp_path / "val.json")

    cases = {
        "no file": lambda: read_habitat(tmp_path / "none.json.gz"),
        "no JSON": lambda: raw(b'{"episodes": [}'),
        "infinity": lambda: raw(b'{"episodes": [Infinity]}'),
        "too deep": lambda: raw(b"[" * 200_000),
        "no episodes": lambda: raw(b'{"goals": []}'),
        "an episode that is none": lambda: raw(b'{"episodes": [1]}'),
        "no start": lambda: read(start_position=...),
        "a start in 2D": lambda: read(start_position=[1.0, 2.0]),
        "a zero rotation": lambda: read(start_rotation=[0, 0, 0, 0]),
        "a tilted start": lambda: read(start_rotation=[0.1, 0, 0, 1]),
        "no goal": lambda: read(goals=[]),
        "two goals": lambda: read(goals=POINT["goals"] * 2),
        "a goal without a place": lambda: read(goals=[{"radius": 1}]),
        "a goal that is none": lambda: read(goals=[3]),
        "a path of words": lambda: read(reference_path=["a"]),
        "no distance": lambda: read(info={}),
        "a negative distance": lambda: read(info={"geodesic_distance": -1.0}),
        "a wrong task": lambda: read(info={"splatsim": {"task": "fetch"}}),
        "a wrong instruction": lambda: read(instruction=[1]),
    }
    check_sentences(Path(__file__).with_name("habitat_errors.txt"), cases, tmp_path)
