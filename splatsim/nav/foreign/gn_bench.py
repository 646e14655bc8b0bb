"""GN-Bench's episodes: the Parquet files of GN-Matrix, and the older JSON with one episode in a file.

Their "world" is the frame of the Gaussians after half a turn about z, so x and y change their sign, always and for all
episodes alike. GN-Bench's own code fits an affine map through the points of each path instead, which falls back to no
turn at all where a path is straight along an axis.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from splatsim.errors import EpisodeError, FormatError
from splatsim.formats._files import atomic_writer
from splatsim.formats.bounded_json import read_json
from splatsim.formats.parquet import read_rows, write_rows
from splatsim.grids import GridFrame
from splatsim.nav._plain import plain, shown
from splatsim.nav.episode import Episode
from splatsim.nav.foreign.reading import Reading, entry, length_along, many, numbers, polyline

PATHS = ("path_raster_world_x", "path_raster_world_y", "path_raster_pixel_x", "path_raster_pixel_y")
TEXTS = ("scene", "trajectory_id", "instruction", "grounded_instruction", "label_ins_id", "label_label")
NUMBERS = (
    "label_goal_pixel_x", "label_goal_pixel_y", "start_world_x", "start_world_y", "start_facing_unit_dx",
    "start_facing_unit_dy", "start_facing_heading_degrees", "goal_world_x", "goal_world_y",
)  # fmt: skip
COLUMNS = (*TEXTS, *NUMBERS, *PATHS)
WHAT = "table of GN-Bench's episodes"
MAX_STEPS = 500
"""Of GN-Bench."""
APART = math.radians(1)
"""Between the two headings that a file tells, from which on it is said."""


def read_gn_bench(path: str | os.PathLike[str]) -> Reading:
    """Episodes of a `.parquet` file, or the one of a `.json` file.

    Raises:
        BackendUnavailable: pyarrow is needed and not installed.
        FileNotFoundError: there is no such file.
        FormatError: it is damaged, too large, or a field is not what it should be.
    """
    file = Path(path)
    if file.suffix.lower() == ".parquet":
        rows = [(row, f"{file}: row {index + 1}") for index, row in enumerate(read_rows(file, COLUMNS, WHAT))]
    else:
        rows = [(_flat(read_json(file, WHAT), file), str(file))]
    lost: list[str] = []
    seen: dict[str, int] = {}
    episodes = []
    for row, where in rows:
        try:
            episode = _episode(row, where, lost)
        except EpisodeError as error:
            raise FormatError(f"{where}: {error}") from error
        again = seen[episode.name] = seen.get(episode.name, 0) + 1
        if again > 1:
            lost.append(f'{where}: "{episode.name}" is there again: it is called "{episode.name}#{again}".')
            episode = episode.replace(name=f"{episode.name}#{again}")
        episodes.append(episode)
    return Reading(tuple(episodes), tuple(lost))


def write_gn_bench(path: str | os.PathLike[str], episodes: Sequence[Episode], frame: GridFrame | None = None) -> None:
    """Write a `.parquet` file, or a `.json` file with the one episode.

    Args:
        frame: Of the scene's map, for the pixels of episodes that were not read from GN-Bench.

    Raises:
        BackendUnavailable: pyarrow is needed and not installed.
        FileNotFoundError: the folder does not exist.
        EpisodeError: pixels are to be written and no frame is given, or a `.json` file is to hold several episodes.
    """
    rows = [_row(episode, frame) for episode in episodes]
    if Path(path).suffix.lower() == ".parquet":
        write_rows(path, rows)
        return
    if len(rows) != 1:
        raise EpisodeError(f"{path} is to hold {len(rows)} episodes; expected 1, or a .parquet file for many.")
    import json

    data = json.dumps(_nested(rows[0]), indent=1, allow_nan=False, ensure_ascii=False).encode()
    with atomic_writer(path) as file:
        file.write(data)


def _episode(row: dict[str, Any], where: str, lost: list[str]) -> Episode:
    text = {key: _text(row[key], f"{where}: {key}") for key in TEXTS}
    empty = [key for key in ("scene", "trajectory_id") if not text[key]]
    if empty:
        raise FormatError(f"{where}: {empty[0]} is empty; expected a name.")
    x = {key: plain(float, row[key], f"{where}: {key}") for key in NUMBERS if row[key] is not None}
    missing = [key for key in NUMBERS if key not in x and not key.startswith(("label", "start_facing"))]
    if missing:
        raise FormatError(f"{where}: {missing[0]} is empty; expected metres.")
    columns = {key: [] if row[key] is None else many(row[key], f"{where}: {key}") for key in PATHS}
    counts = {key: len(values) for key, values in columns.items()}
    if len(set(counts.values())) > 1:
        raise FormatError(f"{where}: the path has {counts}; expected four lists of one length.")
    points = [
        _turned(*numbers([a, b], 2, f"{where}: path")) for a, b in zip(*(columns[k] for k in PATHS[:2]), strict=True)
    ]
    start = _turned(x["start_world_x"], x["start_world_y"])
    goal = _turned(x["goal_world_x"], x["goal_world_y"])
    if not points:
        lost.append(f"{where} has no path: the straight line is taken.")
    way = polyline(points or [start, goal])
    pixels = [
        list(numbers([a, b], 2, f"{where}: pixel")) for a, b in zip(*(columns[k] for k in PATHS[2:]), strict=True)
    ]
    return Episode(
        name=f"{text['scene']}/{text['trajectory_id']}",
        scene=text["scene"],
        start=(*start, _yaw(x, where, lost)),
        goal=goal,
        shortest=length_along(way, start, goal),  # GN-Bench itself looks for it on the map, when an episode begins
        reference=way,
        task="instruction",
        instruction=text["instruction"],
        max_steps=MAX_STEPS,
        info={
            "goal_class": text["label_label"],
            "gn_bench": {
                **{key: text[key] for key in ("trajectory_id", "grounded_instruction", "label_ins_id")},
                "goal_pixel": [x.get("label_goal_pixel_x"), x.get("label_goal_pixel_y")],
                "path_pixels": pixels,
            },
        },
    )


def _text(value: object, where: str) -> str:
    """Texts; numbers are taken as such, for some files hold instance ids so."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return shown(value)
    return plain(str, value, where)


def _yaw(x: dict[str, float], where: str, lost: list[str]) -> float:
    """From the unit vector; where it has no length, or is not there, from the degrees."""
    dx, dy = x.get("start_facing_unit_dx", 0.0), x.get("start_facing_unit_dy", 0.0)
    degrees = x.get("start_facing_heading_degrees")
    if math.hypot(dx, dy) < 1e-6:
        lost.append(f"{where} has no facing vector: the heading, {degrees or 0.0:g}°, is taken.")
        dx, dy = math.cos(math.radians(degrees or 0.0)), math.sin(math.radians(degrees or 0.0))
    elif degrees is not None:
        apart = math.remainder(math.atan2(dy, dx) - math.radians(degrees), 2 * math.pi)
        if abs(apart) > APART:
            lost.append(
                f"{where} faces {math.degrees(math.atan2(dy, dx)):.1f}° and {degrees:.1f}°: the first is taken."
            )
    return math.atan2(-dy, -dx)


def _turned(x: float, y: float) -> tuple[float, float]:
    """Half a turn about z; its own inverse."""
    return -x + 0.0, -y + 0.0


def _row(episode: Episode, frame: GridFrame | None) -> dict[str, Any]:
    kept: Any = episode.info.get("gn_bench", {})
    way = [tuple(point) for point in episode.reference.double().tolist()]
    pixels, goal_pixel = kept.get("path_pixels"), kept.get("goal_pixel")
    if pixels is None or len(pixels) != len(way):
        if frame is None and pixels is not None and not pixels:
            way = []  # it was read without a path
        else:
            pixels = _pixels(episode, way, frame)
            goal_pixel = _pixels(episode, [episode.goal], frame)[0]
    start, goal = _turned(*episode.start[:2]), _turned(*episode.goal)
    yaw = episode.start[2] + math.pi
    return {
        "scene": episode.scene,
        "trajectory_id": kept.get("trajectory_id", episode.name),
        "instruction": episode.instruction,
        "grounded_instruction": kept.get("grounded_instruction", ""),
        "label_ins_id": kept.get("label_ins_id", ""),
        "label_label": str(episode.info.get("goal_class", "")),
        "label_goal_pixel_x": goal_pixel[0],
        "label_goal_pixel_y": goal_pixel[1],
        "start_world_x": start[0],
        "start_world_y": start[1],
        "start_facing_unit_dx": math.cos(yaw),
        "start_facing_unit_dy": math.sin(yaw),
        "start_facing_heading_degrees": math.degrees(math.remainder(yaw, 2 * math.pi)),
        "goal_world_x": goal[0],
        "goal_world_y": goal[1],
        "path_raster_world_x": [_turned(*point)[0] for point in way],
        "path_raster_world_y": [_turned(*point)[1] for point in way],
        "path_raster_pixel_x": [float(pixel[0]) for pixel in pixels],
        "path_raster_pixel_y": [float(pixel[1]) for pixel in pixels],
    }


def _pixels(episode: Episode, points: Sequence[tuple[float, ...]], frame: GridFrame | None) -> list[list[float]]:
    """Columns and rows."""
    if frame is None:
        raise EpisodeError(
            f'episode "{episode.name}" brings no pixels for its path; expected the frame of the scene\'s map.'
        )
    cells = frame.cell_of(torch.tensor(points, dtype=torch.float64).reshape(-1, 2))
    cells = cells.clamp_min(0).minimum(torch.tensor(frame.shape) - 1)
    found: list[list[float]] = cells.flip(-1).double().tolist()
    return found


def _flat(content: object, file: Path) -> dict[str, Any]:
    """The columns of an older JSON file."""
    where = str(file)
    label, path = entry(content, "label", where), entry(content, "path", where)
    goal_pixel = label.get("goal_pixel") if isinstance(label, dict) else None
    world = many(entry(path, "raster_world", f"{where}: path"), f"{where}: path.raster_world")
    pixels = many(entry(path, "raster_pixel", f"{where}: path"), f"{where}: path.raster_pixel")
    pairs = [numbers(pixel, 2, f"{where}: path.raster_pixel[{i}]") for i, pixel in enumerate(pixels)]
    x, y = numbers(goal_pixel, 2, f"{where}: label.goal_pixel") if goal_pixel is not None else (None, None)
    facing = entry(content, "start_facing.world", where)
    return {
        "scene": entry(content, "scene", where),
        "trajectory_id": content.get("trajectory_id", file.stem) if isinstance(content, dict) else file.stem,
        "instruction": entry(content, "instruction", where),
        "grounded_instruction": content.get("grounded_instruction") if isinstance(content, dict) else None,
        "label_ins_id": entry(label, "ins_id", f"{where}: label"),
        "label_label": entry(label, "label", f"{where}: label"),
        "label_goal_pixel_x": x,
        "label_goal_pixel_y": y,
        **{f"start_world_{axis}": entry(content, f"start.world.{axis}", where) for axis in "xy"},
        **{f"start_facing_{key}": entry(facing, key, where) for key in ("unit_dx", "unit_dy", "heading_degrees")},
        **{f"goal_world_{axis}": entry(content, f"goal.world.{axis}", where) for axis in "xy"},
        **{f"path_raster_world_{axis}": [entry(point, axis, where) for point in world] for axis in "xy"},
        "path_raster_pixel_x": [pair[0] for pair in pairs],
        "path_raster_pixel_y": [pair[1] for pair in pairs],
    }


def _nested(row: dict[str, Any]) -> dict[str, Any]:
    """The older JSON of columns."""
    world = zip(row["path_raster_world_x"], row["path_raster_world_y"], strict=True)
    return {
        "scene": row["scene"],
        "trajectory_id": row["trajectory_id"],
        "label": {
            "ins_id": row["label_ins_id"],
            "label": row["label_label"],
            "goal_pixel": [row["label_goal_pixel_x"], row["label_goal_pixel_y"]],
        },
        "start": {"world": {axis: row[f"start_world_{axis}"] for axis in "xy"}},
        "start_facing": {
            "world": {key: row[f"start_facing_{key}"] for key in ("unit_dx", "unit_dy", "heading_degrees")}
        },
        "goal": {"world": {axis: row[f"goal_world_{axis}"] for axis in "xy"}},
        "instruction": row["instruction"],
        "grounded_instruction": row["grounded_instruction"],
        "path": {
            "raster_world": [{"x": x, "y": y} for x, y in world],
            "raster_pixel": [
                list(pair) for pair in zip(row["path_raster_pixel_x"], row["path_raster_pixel_y"], strict=True)
            ],
        },
    }
