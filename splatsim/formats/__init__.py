"""Files of Gaussians, one module per format. Only here are logits, logarithms and foreign axes converted."""

import os
from collections.abc import Callable
from pathlib import Path

from splatsim.errors import FormatError
from splatsim.formats.ply import is_antialiased_ply
from splatsim.formats.ply import read_ply as read_ply
from splatsim.formats.ply import write_ply as write_ply
from splatsim.formats.splat import read_splat as read_splat
from splatsim.formats.splat import write_splat as write_splat
from splatsim.formats.spz import is_antialiased_spz
from splatsim.formats.spz import read_spz as read_spz
from splatsim.formats.spz import write_spz as write_spz
from splatsim.gaussians import Gaussians

READERS = {".ply": read_ply, ".splat": read_splat, ".spz": read_spz}
WRITERS: dict[str, Callable[..., None]] = {".ply": write_ply, ".splat": write_splat, ".spz": write_spz}
TAGS = {".ply": is_antialiased_ply, ".spz": is_antialiased_spz}


def load_gaussians(path: str | os.PathLike[str]) -> Gaussians:
    """Gaussians from a .ply, .splat or .spz file, told apart by the extension.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: the extension is another one, or the file is not what it claims.
    """
    return READERS[_extension(path)](path)


def save_gaussians(path: str | os.PathLike[str], gaussians: Gaussians, *, antialiased: bool = False) -> None:
    """Write a .ply, .splat or .spz file, told apart by the extension; only .ply keeps everything.

    The file appears whole or not at all: a failed write leaves an older file as it was.

    Args:
        antialiased: Say in the file that they are to be rendered so; a .splat file has no place for it.

    Raises:
        FormatError: the extension is another one.
        ValueError: a number is not finite or out of range.
        FileNotFoundError: the folder does not exist.
    """
    WRITERS[_extension(path)](path, gaussians, antialiased=antialiased)


def is_antialiased(path: str | os.PathLike[str]) -> bool:
    """Whether a .ply or .spz file says that its Gaussians are to be rendered with antialiasing.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: the extension is another one, or the file is not what it claims.
    """
    return _extension(path) != ".splat" and TAGS[_extension(path)](path)


def _extension(path: str | os.PathLike[str]) -> str:
    extension = Path(path).suffix.lower()
    if extension not in READERS:
        raise FormatError(
            f'{Path(path)} has the extension "{extension}"; expected one of {", ".join(READERS)} for Gaussians.'
        )
    return extension
