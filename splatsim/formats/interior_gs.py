"""InteriorGS maps: `occupancy.png` with white free, black occupied, grey unknown, and `occupancy.json` beside it.

With `lower` and `upper` the corners of the map in the frame of the Gaussians, which we keep, pixel (column, row) has
its centre at x = lower_x + (column + ½) s, y = upper_y - (row + ½) s. GN-Bench's "world" is that frame after half a
turn about z: its x and y are these with the sign changed.
"""

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from splatsim.errors import FormatError
from splatsim.formats._files import atomic_writer, existing_file
from splatsim.formats._grey import decode_picture, encode_png
from splatsim.grids import FREE, OCCUPIED, UNKNOWN, GridFrame, NavMap

PICTURE, FACTS = "occupancy.png", "occupancy.json"
FREE_FROM, OCCUPIED_TO = 200, 55
"""Grey values from which a pixel is free (as in GN-Bench), and up to which it is occupied."""
GREYS = {FREE: 255, OCCUPIED: 0, UNKNOWN: 127}
LARGEST_JSON = 10_000_000


def write_interior_gs(folder: str | os.PathLike[str], nav_map: NavMap) -> None:
    """Write `occupancy.png` and `occupancy.json` into a folder.

    Raises:
        FileNotFoundError: the folder does not exist.
    """
    west, north = nav_map.frame.north_west
    rows, columns = nav_map.frame.shape
    size = nav_map.frame.resolution
    low, high = nav_map.z_range
    corners = [west, north - rows * size, low], [west + columns * size, north, high]
    facts = {"scale": size, "min": corners[0], "max": corners[1], "lower": corners[0], "upper": corners[1]}
    table = np.array([GREYS[state] for state in (FREE, OCCUPIED, UNKNOWN)], np.uint8)
    with atomic_writer(Path(folder) / PICTURE) as file:
        file.write(encode_png(table[nav_map.cells.cpu().numpy()]))
    with atomic_writer(Path(folder) / FACTS) as file:
        file.write(json.dumps(facts, indent=1).encode())


def read_interior_gs(folder: str | os.PathLike[str]) -> NavMap:
    """Read the two files of a scene's folder.

    Raises:
        FileNotFoundError: one of them is missing.
        FormatError: they are not what they should be, or do not fit together.
    """
    facts = _facts(existing_file(Path(folder) / FACTS))
    path = Path(folder) / PICTURE
    values = decode_picture(existing_file(path))
    size, lower, upper = facts["scale"], facts["lower"], facts["upper"]
    rows, columns = values.shape
    for name, count, low, high in (("columns", columns, lower[0], upper[0]), ("rows", rows, lower[1], upper[1])):
        if abs((high - low) / size - count) > 1.5:
            raise FormatError(
                f"{path} has {count} {name}, but {FACTS} tells of {(high - low) / size:.1f} of {size} m; "
                "expected the same."
            )
    cells = np.where(values >= FREE_FROM, FREE, np.where(values <= OCCUPIED_TO, OCCUPIED, UNKNOWN)).astype(np.uint8)
    band = (lower[2], upper[2]) if lower[2] < upper[2] else (0.1, 1.8)
    return NavMap(GridFrame((lower[0], upper[1]), size, (rows, columns)), torch.from_numpy(cells), band)


def _facts(path: Path) -> dict[str, Any]:
    if path.stat().st_size > LARGEST_JSON:
        raise FormatError(f"{path} has {path.stat().st_size} bytes; expected the few lines of a map's description.")
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not readable as JSON ({error}); expected the description of a map.") from error
    if not isinstance(facts, dict):
        raise FormatError(f"{path} holds a {type(facts).__name__}; expected an object.")
    scale = facts.get("scale")
    if not (isinstance(scale, int | float) and _finite(scale) and scale > 0):
        raise FormatError(f"{path} has scale {scale!r}; expected metres per pixel, above 0.")
    for name in ("lower", "upper"):
        corner = facts.get(name)
        if not (isinstance(corner, list) and len(corner) == 3 and all(map(_finite, corner))):
            raise FormatError(f"{path} has {name} {corner!r}; expected [x, y, z] in metres.")
    return facts


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
