"""The command line that both generators share."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

PARTS = ("scene", "film", "views", "truth")
"""What can be made alone: Gaussians, maps and mesh; the video; views off the path; depth, normals and classes."""


@dataclass(frozen=True)
class Options:
    """How large and how fine a world is made."""

    seed: int
    """Another seed is another world."""
    out: Path
    """Folder to write."""
    overwrite: bool = False
    """Replace the world that stands there."""
    width: int = 960
    """Pixels of pictures; the height is 9/16 of it."""
    fps: int = 15
    """Frames per second of the video."""
    luxel: float = 0.03
    """Metres between points of baked light."""
    rays: int = 40
    """Rays per point for indirect light."""
    surfels: int = 370_000
    """Gaussians of the surface scene."""
    every: int = 1
    """Shoot every n-th frame only."""
    workers: int = 2
    """Processes that shoot pictures."""
    views: int = 40
    """Views off the path."""
    only: str | None = None
    """One of PARTS, to make nothing else."""

    @property
    def height(self):
        return round(self.width * 9 / 16 / 2) * 2


def seed_number(text):
    """A seed from text.

    Raises:
        ValueError: it is not a whole number of 0 or more.
    """
    if not (text.isascii() and text.isdigit()) or int(text) >= 2**32:
        raise ValueError(f"--seed is {text!r}; expected a whole number from 0 to {2**32 - 1}, such as 7.")
    return int(text)


def parse(name, arguments=None):
    """Options from the command line; ends the program with one sentence if they are wrong."""
    parser = argparse.ArgumentParser(description=f"Makes the world {name!r} with exact ground truth.")
    parser.add_argument("--seed", default="1", help="another seed is another world")
    parser.add_argument("--out", type=Path, default=Path("out") / name, help="folder to write")
    parser.add_argument("--overwrite", action="store_true", help="replace the world that stands there")
    parser.add_argument("--workers", type=int, default=2, help="processes that shoot pictures")
    parser.add_argument("--width", type=int, default=960, help="pixels; the height is 9/16 of it")
    parser.add_argument(
        "--luxel", type=float, default=0.0, help="metres between points of baked light (0: as the world wants)"
    )
    parser.add_argument("--rays", type=int, default=40, help="rays per point for indirect light")
    parser.add_argument("--surfels", type=int, default=370_000, help="Gaussians of the surface scene")
    parser.add_argument("--every", type=int, default=1, help="shoot every n-th frame only, for a quick look")
    parser.add_argument("--views", type=int, default=40, help="views off the path")
    parser.add_argument(
        "--only", choices=PARTS, help="make one part, and keep the others of the folder; truth needs no light"
    )
    values = vars(parser.parse_args(arguments))
    try:
        values["seed"] = seed_number(values["seed"])
    except ValueError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from error
    return Options(**values)
