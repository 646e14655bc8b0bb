"""ROS maps: a `map.yaml` beside a picture in grey, as map_server and Nav2 read and write them.

Their origin is the south-west corner, ours the north-west one; the picture itself has its first row in the north in
both. In mode "trinary" a pixel is occupied by (255 - value) / 255, or by value / 255 where `negate` is set: above
`occupied_thresh` it is occupied, below `free_thresh` free, otherwise unknown.
"""

import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from splatsim.errors import FormatError
from splatsim.formats._files import atomic_writer, existing_file
from splatsim.formats._grey import decode_picture, encode_pgm
from splatsim.grids import FREE, OCCUPIED, UNKNOWN, GridFrame, NavMap

GREYS = {FREE: 254, OCCUPIED: 0, UNKNOWN: 205}
"""As map_saver writes them."""
LARGEST_YAML = 100_000
BAND = (0.1, 1.8)
"""Heights that a map stands for when nobody says, metres."""


def write_ros_map(path: str | os.PathLike[str], nav_map: NavMap) -> None:
    """Write `path`, a .yaml file, and a .pgm file of the same name beside it; the .yaml comes last.

    Raises:
        FileNotFoundError: the folder does not exist.
    """
    target = Path(path)
    picture = target.with_suffix(".pgm")
    table = np.array([GREYS[state] for state in (FREE, OCCUPIED, UNKNOWN)], np.uint8)
    west, north = nav_map.frame.north_west
    south = north - nav_map.frame.shape[0] * nav_map.frame.resolution
    text = (
        f"image: {picture.name}\nmode: trinary\nresolution: {nav_map.frame.resolution!r}\n"
        f"origin: [{west!r}, {south!r}, 0.0]\nnegate: 0\noccupied_thresh: 0.65\nfree_thresh: 0.196\n"
    )
    with atomic_writer(picture) as file:
        file.write(encode_pgm(table[nav_map.cells.cpu().numpy()]))
    with atomic_writer(target) as file:
        file.write(text.encode())


def read_ros_map(path: str | os.PathLike[str], z_range: tuple[float, float] = BAND) -> NavMap:
    """Read a .yaml file and the picture that it names, .pgm or .png.

    Args:
        z_range: Heights in which obstacles were looked for, which the file does not tell.

    Raises:
        FileNotFoundError: one of the two files is missing.
        FormatError: they are not what they should be, or the map is turned.
    """
    source = existing_file(path)
    facts = _facts(source)
    numbers = {key: _number(source, facts, key) for key in ("resolution", "occupied_thresh", "free_thresh")}
    if not numbers["resolution"] > 0:
        raise FormatError(f"{source} has resolution {numbers['resolution']}; expected metres per cell, above 0.")
    origin = facts.get("origin")
    if not (isinstance(origin, list) and len(origin) == 3 and all(math.isfinite(value) for value in origin)):
        raise FormatError(f"{source} has origin {origin!r}; expected [x, y, yaw] in metres and radians.")
    if abs(origin[2]) > 1e-6:
        raise FormatError(f"{source} has a map that is turned by {origin[2]} rad; expected yaw 0.")
    if facts.get("mode", "trinary") != "trinary":
        raise FormatError(f'{source} has mode {facts["mode"]!r}; expected "trinary".')
    name = facts.get("image")
    if not isinstance(name, str) or not name:
        raise FormatError(f"{source} has image {name!r}; expected the name of a picture.")
    values = decode_picture(existing_file(source.parent / name))
    cells = _states(values, bool(facts.get("negate", 0)), numbers["occupied_thresh"], numbers["free_thresh"])
    north = origin[1] + values.shape[0] * numbers["resolution"]
    frame = GridFrame((origin[0], north), numbers["resolution"], (values.shape[0], values.shape[1]))
    return NavMap(frame, torch.from_numpy(cells), z_range)


def _states(values: UInt8[np.ndarray, "h w"], negate: bool, occupied: float, free: float) -> UInt8[np.ndarray, "h w"]:
    chance = (values if negate else 255 - values.astype(np.int64)) / 255
    return np.where(chance > occupied, OCCUPIED, np.where(chance < free, FREE, UNKNOWN)).astype(np.uint8)


def _facts(path: Path) -> dict[str, Any]:
    """The flat YAML that maps are described in: `key: value` lines, where a value is a number, a word or a list."""
    if path.stat().st_size > LARGEST_YAML:
        raise FormatError(f"{path} has {path.stat().st_size} bytes; expected the few lines of a map's description.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is no text ({error}); expected a map.yaml.") from error
    facts: dict[str, Any] = {}
    for line in text.splitlines():
        bare = re.sub(r"(^|\s)#.*$", "", line).strip()
        if not bare or bare == "---":
            continue
        key, colon, value = bare.partition(":")
        if not colon:
            raise FormatError(f"{path} has the line {line!r}; expected `key: value`.")
        facts[key.strip()] = _value(path, value.strip())
    return facts


def _value(path: Path, text: str) -> Any:
    if text.startswith("[") and text.endswith("]"):
        return [_value(path, part.strip()) for part in text[1:-1].split(",") if part.strip()]
    try:
        return float(text)
    except ValueError:
        return text.strip("\"'")


def _number(path: Path, facts: dict[str, Any], key: str) -> float:
    value = facts.get(key)
    if not isinstance(value, float) or not math.isfinite(value):
        raise FormatError(f"{path} has {key} {value!r}; expected a finite number.")
    return value
