"""Scenarios of schema 0.1, written by hand."""

import json
from pathlib import Path

import pytest

from splatsim.errors import EpisodeError, FormatError
from splatsim.nav.foreign import read_scenario, read_scenario_split, write_scenario

POSE = {"x": 1.0, "y": 2.0, "yaw": 0.5}
SCENARIO = {
    "schema_version": "0.1",
    "scenario_id": "s1",
    "scene_id": "0001_839920",
    "robots": [
        {
            "robot_id": "r1",
            "capabilities": [],
            "start_map_pose": POSE,
            "trajectory": [
                {"t": 0.0, "map_pose": POSE},
                {"t": 2.0, "map_pose": {"x": 4.0, "y": 6.0, "yaw": 0.0}},
            ],
        }
    ],
    "humans": [
        {
            "human_id": "h1",
            "start_map_pose": {"x": 3.0, "y": 3.0, "yaw": 0.0},
            "trajectory": [{"t": 0.5, "map_pose": {"x": 3.0, "y": 3.5, "yaw": 1.0}}],
        },
        {"human_id": "h2", "start_map_pose": {"x": 0.0, "y": 0.0, "yaw": 0.0}},
    ],
    "missions": [
        {
            "mission_id": "m1",
            "mission_type": "deliver_to_human",
            "assigned_robot_id": "r1",
            "metadata": {"goal_world": [4.0, 6.0, 0.0]},
        },
        {"mission_id": "m2", "mission_type": "serve_queue", "assigned_robot_id": "r1", "metadata": {}},
    ],
    "event_log": {"events": []},
}


def written(path: Path, **changes) -> Path:
    path.write_text(json.dumps({**SCENARIO, **changes}))
    return path


def test_missions_become_episodes(tmp_path: Path) -> None:
    read = read_scenario(written(tmp_path / "s1.json"))
    (episode,) = read.episodes
    assert (episode.name, episode.scene, episode.task) == ("s1/m1", "0001_839920", "social")
    assert (episode.start, episode.goal, episode.shortest) == ((1.0, 2.0, 0.5), (4.0, 6.0), 5.0)
    assert episode.info["people"] == [[[0.5, 3.0, 3.5, 1.0]], [[0.0, 0.0, 0.0, 0.0]]]
    assert ["missions[1]" in read.lost[0], "event_log" in read.lost[1]] == [True, True]


def test_a_scenario_comes_back_whole(tmp_path: Path) -> None:
    episodes = read_scenario(written(tmp_path / "s1.json")).episodes
    write_scenario(tmp_path / "again.json", episodes)
    assert json.loads((tmp_path / "again.json").read_text()) == SCENARIO


def test_other_episodes_become_a_scenario(tmp_path: Path) -> None:
    (episode,) = read_scenario(written(tmp_path / "s1.json")).episodes
    two = [episode.replace(name="a", info={}), episode.replace(name="b", info={}, start=(1.0, 2.0, 1.0))]
    write_scenario(tmp_path / "new.json", two)
    a, b = read_scenario(tmp_path / "new.json").episodes
    assert (a.name, b.name, b.start, b.goal) == ("new/a", "new/b", (1.0, 2.0, 1.0), (4.0, 6.0))
    assert b.reference.tolist() == episode.reference.tolist()
    with pytest.raises(EpisodeError, match="expected one scene"):
        write_scenario(tmp_path / "new.json", [])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema_version": "9"}, "schema_version"),
        ({"scene_id": None}, "scene_id"),
        ({"robots": []}, "assigned_robot_id"),
        ({"robots": [{"robot_id": "r1"}]}, "start_map_pose"),
        ({"humans": [{}]}, "start_map_pose"),
        ({"missions": [{"metadata": {"goal_world": ["a", 1]}}]}, "assigned_robot_id|goal_world"),
        ({"missions": {}}, "missions"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict, said: str) -> None:
    with pytest.raises(FormatError, match=said):
        read_scenario(written(tmp_path / "s1.json", **changes))


def test_manifests_of_every_shape(tmp_path: Path) -> None:
    written(tmp_path / "a.json")
    written(tmp_path / "b.json", scenario_id="s2")
    shapes = [
        ["a.json", "b.json"],
        {"examples": [{"path": "a.json"}, {"path": "b.json"}]},
        {"scenarios": ["a.json", "b.json"]},
        {"splits": {"val_seen": ["a.json"], "val_unseen": ["b.json"]}},
    ]
    for shape in shapes:
        (tmp_path / "split.json").write_text(json.dumps(shape))
        read = read_scenario_split(tmp_path / "split.json")
        assert [episode.name for episode in read.episodes] == ["s1/m1", "s2/m1"]
    assert [episode.name for episode in read_scenario_split(tmp_path / "split.json", "val_unseen").episodes] == [
        "s2/m1"
    ]
    with pytest.raises(FormatError, match="val_seen, val_unseen"):
        read_scenario_split(tmp_path / "split.json", "test")
    for outside in (["../a.json"], ["/etc/passwd"], [3], {"examples": None}):
        (tmp_path / "split.json").write_text(json.dumps(outside))
        with pytest.raises(FormatError):
            read_scenario_split(tmp_path / "split.json")
