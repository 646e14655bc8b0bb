"""Habitat's episodes, PointNav, ObjectNav and VLN-CE, as `.json` or `.json.gz`, and EVT-Bench's fields in them.

Their worlds are y up and their quaternions x y z w; ours are z up. Heights have no place in an episode of ours, and
stay in `Episode.info["habitat"]` together with all else that the file holds, so that `write_habitat` writes it back.

In EVT-Bench's files start and goals are those of the person to follow; the robot stands in `info`, as `robot_position`
and `robot_rotation`, an angle that is 0 along x. Falcon's have people in `info` too, but start and goals of the robot.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from splatsim.errors import EpisodeError, FormatError
from splatsim.formats._files import atomic_writer
from splatsim.formats.bounded_json import packed_json, read_json
from splatsim.formats.y_up import from_y_up, to_y_up, yaw_from_y_up, yaw_to_y_up
from splatsim.nav._plain import plain, shown
from splatsim.nav.episode import Episode, Task
from splatsim.nav.foreign.reading import Reading, entry, length_along, many, mapping, numbers, polyline

KEPT = "habitat"
"""Where in `Episode.info` the rest stands."""
ROBOT = "robot_position"
"""In EVT-Bench's `info`."""
MOST_PEOPLE, MOST_WAYPOINTS = 64, 64
"""That are looked for in `info`."""
AHEAD = 1.5
"""Metres along the way of the robot from where the person to follow starts, where it is not told."""
OURS = "splatsim"
"""Where in Habitat's `info` stands what has no place there."""
LEVEL = math.radians(1)
"""From which on a start that is not level is told."""
MOST_STEPS = 500
"""Of an episode: Habitat has them in its configuration."""


def read_habitat(path: str | os.PathLike[str]) -> Reading:
    """Episodes of one file.

    Of several goals the first one is taken, of an object goal the view point that is nearest as the crow flies.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: it is damaged, too large, or a field is not what it should be.
    """
    file = Path(path)
    content = mapping(read_json(file, "list of Habitat's episodes"), str(file))
    rows = many(entry(content, "episodes", str(file)), f"{file}: episodes")
    by_category = mapping(content.get("goals_by_category", {}), f"{file}: goals_by_category")
    lost = [f"{file}: {key} is left out." for key in content if key not in ("episodes", "goals_by_category")]
    episodes: list[Episode] = []
    for index, row in enumerate(rows):
        where = f"{file}: episodes[{index}]"
        try:
            found = _episode(mapping(row, where), by_category, where, lost)
        except EpisodeError as error:
            raise FormatError(f"{where}: {error}") from error
        episodes += [found] if found is not None else []
    return Reading(tuple(_with_own_names(episodes, lost)), tuple(lost))


def write_habitat(path: str | os.PathLike[str], episodes: Sequence[Episode]) -> None:
    """Write a `.json.gz` file whose bytes depend on the episodes alone.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: what an episode brings along has no form in JSON.
    """
    try:
        data = packed_json({"episodes": [_row(episode) for episode in episodes]})
    except TypeError as error:
        raise ValueError(f"the episodes cannot be written to {path}: {error}.") from error
    with atomic_writer(path) as file:
        file.write(data)


def _episode(row: dict[str, Any], by_category: dict[str, Any], where: str, lost: list[str]) -> Episode | None:
    scene = plain(str, entry(row, "scene_id", where), f"{where}.scene_id")
    info = mapping(row.get("info") or {}, f"{where}.info")
    x, y, height, yaw = _start(row, info, where, lost)
    way, heights = _way(row, info, where)
    goal = _goal(row, info, scene, (x, y), by_category, where, lost)
    if goal is None:
        lost.append(f"{where} has no goal (as in a test split): it is left out.")
        return None
    reference = polyline(way) if way else polyline([(x, y), goal[:2]])
    own = mapping(info.get(OURS, {}), f"{where}.info.{OURS}")
    task = _task(row, info, own, where)
    rest = {key: value for key, value in row.items() if key not in ("episode_id", "scene_id")}
    rest["info"] = {key: value for key, value in info.items() if key != OURS}
    kept: dict[str, object] = {KEPT: {**rest, "heights": [height, goal[2], *heights]}}
    people = _people(info, where)
    if people:
        kept["people"] = people
    if task == "object goal":
        kept["goal_class"] = plain(str, row.get("object_category"), f"{where}.object_category")
    return Episode(
        name=str(row.get("episode_id", "")),
        scene=scene,
        start=(x, y, yaw),
        goal=goal[:2],
        shortest=_shortest(info, length_along(reference, (x, y), goal[:2]), where, lost),
        reference=reference,
        task=task,
        instruction=_instruction(row, info, where),
        max_steps=plain(int, own.get("max_steps", MOST_STEPS), f"{where}.info.{OURS}.max_steps"),
        seed=plain(int, own.get("seed", 0), f"{where}.info.{OURS}.seed"),
        band=plain(str, own.get("band", ""), f"{where}.info.{OURS}.band"),
        info={**mapping(own.get("info", {}), f"{where}.info.{OURS}.info"), **kept},
    )


def _task(row: dict[str, Any], info: dict[str, Any], own: dict[str, Any], where: str) -> Task:
    told: Task
    for told in get_args(Task):
        if own.get("task") == told:
            return told
    if "task" in own:
        raise FormatError(f"{where}.info.{OURS}.task is {shown(own['task'])}; expected one of our tasks.")
    if ROBOT in info:
        return "following"
    if "human_num" in info:
        return "social"
    if row.get("object_category"):
        return "object goal"
    return "instruction" if row.get("instruction") else "point goal"


def _start(row: dict[str, Any], info: dict[str, Any], where: str, lost: list[str]) -> tuple[float, float, float, float]:
    """x, y, height and yaw of the robot."""
    if ROBOT in info:
        place = from_y_up(numbers(info[ROBOT], 3, f"{where}.info.{ROBOT}"))
        return (*place, plain(float, info.get("robot_rotation", 0.0), f"{where}.info.robot_rotation"))
    place = from_y_up(numbers(entry(row, "start_position", where), 3, f"{where}.start_position"))
    return (*place, _yaw(entry(row, "start_rotation", where), where, lost))


def _yaw(value: object, where: str, lost: list[str]) -> float:
    try:
        yaw, tilt = yaw_from_y_up(numbers(value, 4, f"{where}.start_rotation"))
    except ValueError as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{where}.start_rotation: {error}") from error
    if tilt > LEVEL:
        lost.append(f"{where} starts {math.degrees(tilt):.1f}° from level: only its heading is kept.")
    return yaw


def _way(row: dict[str, Any], info: dict[str, Any], where: str) -> tuple[list[tuple[float, float]], list[float]]:
    """The reference path, or in EVT-Bench the way of the person to follow, and its heights."""
    places = row.get("reference_path") or []
    if ROBOT in info and not places:
        places = [info[ROBOT], entry(row, "start_position", where), *_waypoints(row, where)]
    points = [
        from_y_up(numbers(place, 3, f"{where}.reference_path[{i}]"))
        for i, place in enumerate(many(places, f"{where}.reference_path"))
    ]
    return [point[:2] for point in points], [point[2] for point in points]


def _waypoints(row: dict[str, Any], where: str) -> list[Any]:
    """Where the person to follow goes: each goal is a place, or a list of places."""
    found: list[Any] = []
    for i, goal in enumerate(many(row.get("goals") or [], f"{where}.goals")):
        position = entry(goal, "position", f"{where}.goals[{i}]")
        nested = isinstance(position, list) and position and isinstance(position[0], list)
        found += position if nested else [position]
    return found


def _people(info: dict[str, Any], where: str) -> list[list[list[float]]]:
    """The ways of the other people, x and y: where each starts and its waypoints, as far as they are numbered."""
    found = []
    for index in range(MOST_PEOPLE):
        name = f"human_{index}"
        keys = [f"{name}_start_position", *(f"{name}_waypoint_{k}_position" for k in range(MOST_WAYPOINTS))]
        places = [from_y_up(numbers(info[key], 3, f"{where}.info.{key}")) for key in keys if key in info]
        if places:
            found.append([[x, y] for x, y, _ in places])
    return found


def _goal(
    row: dict[str, Any],
    info: dict[str, Any],
    scene: str,
    start: tuple[float, float],
    by_category: dict[str, Any],
    where: str,
    lost: list[str],
) -> tuple[float, float, float] | None:
    """x, y and height."""
    goals = many(row.get("goals") or [], f"{where}.goals")
    category = row.get("object_category")
    if category and not goals:
        key = f"{scene.rsplit('/', 1)[-1]}_{category}"
        goals = many(by_category.get(key) or [], f"goals_by_category.{key}")
    if ROBOT in info:
        waypoints = _waypoints(row, where)
        return from_y_up(numbers(waypoints[-1], 3, f"{where}.goals")) if waypoints else None
    if not goals:
        return None
    places = [_place(goal, f"{where}.goals[{i}]") for i, goal in enumerate(goals)]
    if not category:
        if len(goals) > 1:
            lost.append(f"{where} has {len(goals)} goals: only the first is kept.")
        return places[0]
    views = [view for i, goal in enumerate(goals) for view in _views(goal, f"{where}.goals[{i}]")]
    if not views:
        lost.append(f"{where} has no view points: the goal is the object itself.")
    return min(views or places, key=lambda place: math.dist(place[:2], start))


def _place(goal: object, where: str) -> tuple[float, float, float]:
    return from_y_up(numbers(entry(goal, "position", where), 3, f"{where}.position"))


def _views(goal: dict[str, Any], where: str) -> list[tuple[float, float, float]]:
    views = many(goal.get("view_points") or [], f"{where}.view_points")
    return [
        from_y_up(numbers(entry(view, "agent_state.position", f"{where}.view_points[{i}]"), 3, f"{where}.view_points"))
        for i, view in enumerate(views)
    ]


def _shortest(info: dict[str, Any], length: float, where: str, lost: list[str]) -> float:
    if info.get("geodesic_distance") is not None:
        return plain(float, info["geodesic_distance"], f"{where}.info.geodesic_distance")
    lost.append(f"{where} has no geodesic_distance: the length of its path, {length:.3f} m, is taken.")
    return length


def _instruction(row: dict[str, Any], info: dict[str, Any], where: str) -> str:
    said = row.get("instruction") or info.get("instruction") or ""
    if isinstance(said, dict):
        said = said.get("instruction_text", "")
    return plain(str, said, f"{where}.instruction")


def _with_own_names(episodes: list[Episode], lost: list[str]) -> list[Episode]:
    """Names that repeat get a number: Habitat counts anew in every scene."""
    seen: dict[str, int] = {}
    named = []
    for episode in episodes:
        again = seen.get(episode.name, 0)
        seen[episode.name] = again + 1
        if again:
            lost.append(f"the episode_id {shown(episode.name)} is there again: it is called {episode.name}#{again}.")
        named.append(episode.replace(name=f"{episode.name}#{again}") if again else episode)
    return named


def _row(episode: Episode) -> dict[str, Any]:
    kept = dict(mapping(episode.info.get(KEPT, {}), "info.habitat"))
    heights = list(kept.pop("heights", ())) or [0.0, 0.0]
    way = [tuple(point) for point in episode.reference.double().tolist()]
    levels = heights[2:] if len(heights) == 2 + len(way) else [heights[0]] * len(way)
    x, y, yaw = episode.start
    own = {"task": episode.task, "max_steps": episode.max_steps, "seed": episode.seed, "band": episode.band}
    extra = {key: value for key, value in episode.info.items() if key != KEPT}
    row: dict[str, Any] = {
        **kept,
        "episode_id": episode.name,
        "scene_id": episode.scene,
        "start_position": list(to_y_up((x, y, heights[0]))),
        "start_rotation": list(yaw_to_y_up(yaw)),
        "info": {**kept.get("info", {}), "geodesic_distance": episode.shortest, OURS: {**own, "info": extra}},
    }
    if episode.task == "following":
        row["info"] |= {ROBOT: row["start_position"], "robot_rotation": yaw, "instruction": episode.instruction}
        ahead = (episode.reference - episode.reference[0]).norm(dim=-1).sub(AHEAD).abs().argmin()
        row["start_position"] = kept.get("start_position") or list(to_y_up((*way[int(ahead)], heights[0])))
        row["start_rotation"] = kept.get("start_rotation") or row["start_rotation"]
    row["goals"] = _goals(episode, kept, list(to_y_up((*episode.goal, heights[1]))))
    if episode.task == "object goal":
        row["object_category"] = str(episode.info.get("goal_class", ""))
    elif episode.instruction and "instruction" not in kept and episode.task != "following":
        row["instruction"] = {"instruction_text": episode.instruction}
    if len(way) > 2 or "reference_path" in kept:
        row["reference_path"] = [list(to_y_up((*point, z))) for point, z in zip(way, levels, strict=True)]
    return row


def _goals(episode: Episode, kept: dict[str, Any], place: list[float]) -> list[dict[str, Any]]:
    if episode.task == "object goal":
        view = {"agent_state": {"position": place, "rotation": [0.0, 0.0, 0.0, 1.0]}}
        return [{"position": place, "radius": None, "view_points": [view]}]
    if episode.task == "following" and kept.get("goals"):
        return list(kept["goals"])
    return [{**(kept.get("goals") or [{"radius": None}])[0], "position": place}]
