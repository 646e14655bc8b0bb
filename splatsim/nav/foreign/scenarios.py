"""Human-centred scenarios of GN-Bench's fork, schema "0.1": robots, people and missions in one JSON file.

Poses are `map_pose {x, y, yaw}` in metres and radians, taken as they are. Each mission with a goal becomes an episode;
the scenario itself stays in `Episode.info["scenario"]`, so that `write_scenario` writes it back whole.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from splatsim.errors import EpisodeError, FormatError
from splatsim.formats._files import atomic_writer
from splatsim.formats.bounded_json import read_json
from splatsim.nav._plain import plain, shown
from splatsim.nav.episode import Episode
from splatsim.nav.foreign.reading import Reading, entry, length_along, many, mapping, numbers, polyline

VERSION = "0.1"
KEPT = "scenario"
GOALS = ("planned_goal_world", "goal_world", "target_pose")
"""Where a mission's goal may stand in its metadata: the first that does."""
MOST_SCENARIOS = 10_000
"""Of one manifest."""
PEOPLE = "people"
"""In `Episode.info`: for each person [[seconds, x, y, yaw], …]."""


def read_scenario(path: str | os.PathLike[str]) -> Reading:
    """The missions of a scenario as episodes, all of the task "social".

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is damaged, of another version, or a field is not what it should be.
    """
    file = Path(path)
    content = mapping(read_json(file, "scenario"), str(file))
    if content.get("schema_version") != VERSION:
        raise FormatError(f'{file} has schema_version {shown(content.get("schema_version"))}; expected "{VERSION}".')
    scene = plain(str, entry(content, "scene_id", str(file)), f"{file}: scene_id")
    name = plain(str, entry(content, "scenario_id", str(file)), f"{file}: scenario_id")
    robots = _by_id(content, "robots", "robot_id", file)
    people = [_people(human, f"{file}: humans[{i}]") for i, human in enumerate(_list(content, "humans", file))]
    lost: list[str] = []
    episodes = []
    for index, mission in enumerate(_list(content, "missions", file)):
        where = f"{file}: missions[{index}]"
        mission = mapping(mission, where)
        goal = _goal(mission, where)
        if goal is None:
            lost.append(f"{where} has none of {', '.join(GOALS)} in its metadata: it is left out.")
            continue
        robot = entry(mission, "assigned_robot_id", where)
        if not isinstance(robot, str) or robot not in robots:
            raise FormatError(f"{where}: assigned_robot_id is {shown(robot)}; expected one of {', '.join(robots)}.")
        start, way = _robot(robots[robot], f"{file}: robots.{robot}")
        reference = polyline(way if len(way) > 1 else [start[:2], goal])
        if len(way) < 2:
            lost.append(f"{where}: the robot {robot} has no trajectory: the straight line is taken.")
        if len(robots) > 1:
            lost.append(f"{where}: of {len(robots)} robots only {robot} drives.")
        try:
            episodes.append(
                Episode(
                    f"{name}/{entry(mission, 'mission_id', where)}",
                    scene,
                    start,
                    goal,
                    length_along(reference, start[:2], goal),
                    reference,
                    "social",
                    info={KEPT: content, "mission": mission, PEOPLE: people},
                )
            )
        except EpisodeError as error:
            raise FormatError(f"{where}: {error}") from error
    lost += [
        f"{file}: {key} has no place here; it is only kept."
        for key in ("event_log", "expected_result")
        if key in content
    ]
    return Reading(tuple(episodes), tuple(lost))


def read_scenario_split(path: str | os.PathLike[str], split: str | None = None) -> Reading:
    """The scenarios that a manifest names, in its order: under "examples", "scenarios" or "splits", or as a bare list.

    Args:
        split: Which of "splits"; all of them by default.

    Raises:
        FileNotFoundError: the manifest or a scenario is missing.
        FormatError: one of them is not what it should be, or a scenario lies outside of the manifest's folder.
    """
    file = Path(path)
    content = read_json(file, "manifest of scenarios")
    entries = content if isinstance(content, list) else _named(mapping(content, str(file)), split, file)
    if len(entries) > MOST_SCENARIOS:
        raise FormatError(f"{file} names {len(entries)} scenarios; expected at most {MOST_SCENARIOS}.")
    readings = []
    for index, named in enumerate(entries):
        where = f"{file}: scenario {index}"
        name = plain(str, entry(named, "path", where) if isinstance(named, dict) else named, where)
        target = (file.parent / name).resolve()
        if not target.is_relative_to(file.parent.resolve()):
            raise FormatError(f"{where} is {shown(name)}; expected a file in the folder of the manifest.")
        readings.append(read_scenario(target))
    episodes = tuple(episode for reading in readings for episode in reading.episodes)
    return Reading(episodes, tuple(said for reading in readings for said in reading.lost))


def _named(content: dict[str, Any], split: str | None, file: Path) -> list[Any]:
    if "splits" in content:
        splits = mapping(content["splits"], f"{file}: splits")
        if split is not None and split not in splits:
            raise FormatError(f"{file} has the splits {', '.join(splits)}; expected {shown(split)} among them.")
        chosen = [split] if split is not None else list(splits)
        return [named for name in chosen for named in many(splits[name], f"{file}: splits.{name}")]
    key = "examples" if "examples" in content else "scenarios"
    return many(content.get(key), f"{file}: {key}")


def write_scenario(path: str | os.PathLike[str], episodes: Sequence[Episode]) -> None:
    """Write the scenario that episodes come from, or one with a robot and a mission for each of them.

    Raises:
        FileNotFoundError: the folder does not exist.
        EpisodeError: there are none, they are of several scenes, or something has no form in JSON.
    """
    scenes = sorted({episode.scene for episode in episodes})
    if len(scenes) != 1:
        raise EpisodeError(f"the episodes for {path} are of the scenes {scenes}; expected one scene.")
    kept = [episode.info.get(KEPT) for episode in episodes]
    content = kept[0] if kept[0] and all(other == kept[0] for other in kept) else _scenario(Path(path).stem, episodes)
    try:
        data = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        raise EpisodeError(f"the episodes cannot be written to {path}: {error}.") from error
    with atomic_writer(path) as file:
        file.write(data)


def _scenario(name: str, episodes: Sequence[Episode]) -> dict[str, Any]:
    robots, missions = [], []
    for index, episode in enumerate(episodes):
        x, y, yaw = episode.start
        way = [
            {"t": float(t), "map_pose": {"x": point[0], "y": point[1], "yaw": yaw}}
            for t, point in enumerate(episode.reference.double().tolist())
        ]
        robots.append(
            {
                "robot_id": f"robot_{index}",
                "capabilities": [],
                "start_map_pose": {"x": x, "y": y, "yaw": yaw},
                "trajectory": way,
            }
        )
        missions.append(
            {
                "mission_id": episode.name,
                "mission_type": "navigate_with_social_constraints",
                "assigned_robot_id": f"robot_{index}",
                "metadata": {"goal_world": list(episode.goal)},
            }
        )
    return {
        "schema_version": VERSION,
        "scenario_id": name,
        "scene_id": episodes[0].scene,
        "robots": robots,
        "humans": [],
        "missions": missions,
        "social_structures": [],
    }


def _list(content: dict[str, Any], key: str, file: Path) -> list[Any]:
    return many(content.get(key, []), f"{file}: {key}")


def _by_id(content: dict[str, Any], key: str, name: str, file: Path) -> dict[str, dict[str, Any]]:
    rows = [mapping(row, f"{file}: {key}[{i}]") for i, row in enumerate(_list(content, key, file))]
    return {plain(str, entry(row, name, f"{file}: {key}[{i}]"), f"{file}: {name}"): row for i, row in enumerate(rows)}


def _pose(value: object, where: str) -> tuple[float, float, float]:
    return tuple(plain(float, entry(value, key, where), f"{where}.{key}") for key in ("x", "y", "yaw"))  # type: ignore[return-value]


def _robot(robot: dict[str, Any], where: str) -> tuple[tuple[float, float, float], list[tuple[float, float]]]:
    start = _pose(entry(robot, "start_map_pose", where), f"{where}.start_map_pose")
    steps = many(robot.get("trajectory", []), f"{where}.trajectory")
    return start, [_pose(entry(step, "map_pose", where), f"{where}.trajectory")[:2] for step in steps]


def _people(human: object, where: str) -> list[list[float]]:
    steps = many(mapping(human, where).get("trajectory", []), f"{where}.trajectory")
    if not steps:
        return [[0.0, *_pose(entry(human, "start_map_pose", where), f"{where}.start_map_pose")]]
    return [
        [
            plain(float, entry(step, "t", where), f"{where}.t"),
            *_pose(entry(step, "map_pose", where), f"{where}.map_pose"),
        ]
        for step in steps
    ]


def _goal(mission: dict[str, Any], where: str) -> tuple[float, float] | None:
    """x and y, from a list or an object."""
    metadata = mapping(mission.get("metadata", {}), f"{where}.metadata")
    key = next((key for key in GOALS if metadata.get(key) is not None), None)
    if key is None:
        return None
    value, spot = metadata[key], f"{where}.metadata.{key}"
    if isinstance(value, dict):
        value = [entry(value, axis, spot) for axis in "xy"]
    x, y = numbers(many(value, spot)[:2], 2, spot)
    return x, y
