"""Files of Gaussians, one module per format. Only here are logits, logarithms and foreign axes converted."""

import os
from collections.abc import Callable
from pathlib import Path

from splatsim.errors import FormatError
from splatsim.formats.compressed_ply import write_compressed_ply as write_compressed_ply
from splatsim.formats.gltf_gaussians import read_gltf_gaussians as read_gltf_gaussians
from splatsim.formats.gltf_gaussians import write_gltf_gaussians as write_gltf_gaussians
from splatsim.formats.ksplat import read_ksplat as read_ksplat
from splatsim.formats.ply import is_antialiased_ply
from splatsim.formats.ply import read_ply as read_ply
from splatsim.formats.ply import write_ply as write_ply
from splatsim.formats.sog import read_sog as read_sog
from splatsim.formats.splat import read_splat as read_splat
from splatsim.formats.splat import write_splat as write_splat
from splatsim.formats.spz import is_antialiased_spz
from splatsim.formats.spz import read_spz as read_spz
from splatsim.formats.spz import write_spz as write_spz
from splatsim.formats.usd import read_usd as read_usd
from splatsim.formats.usd import read_usd_sequence as read_usd_sequence
from splatsim.formats.usd import write_usd as write_usd
from splatsim.formats.usd import write_usd_sequence as write_usd_sequence
from splatsim.gaussians import Gaussians

COMPRESSED_PLY = ".compressed.ply"
READERS: dict[str, Callable[..., Gaussians]] = {
    ".ply": read_ply,
    ".splat": read_splat,
    ".spz": read_spz,
    COMPRESSED_PLY: read_ply,
    ".sog": read_sog,
    ".ksplat": read_ksplat,
    ".glb": read_gltf_gaussians,
    ".gltf": read_gltf_gaussians,
    ".usd": read_usd,
    ".usda": read_usd,
    ".usdc": read_usd,
    ".usdz": read_usd,
}
WRITERS: dict[str, Callable[..., None]] = {
    ".ply": write_ply,
    ".splat": write_splat,
    ".spz": write_spz,
    COMPRESSED_PLY: write_compressed_ply,
    ".glb": write_gltf_gaussians,
    ".gltf": write_gltf_gaussians,
    ".usd": write_usd,
    ".usda": write_usd,
    ".usdc": write_usd,
}
TAGS = {".ply": is_antialiased_ply, COMPRESSED_PLY: is_antialiased_ply, ".spz": is_antialiased_spz}


def load_gaussians(path: str | os.PathLike[str]) -> Gaussians:
    """Gaussians from a file of any format in docs/formats.md, told apart by the extension.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: the extension is another one, or the file is not what it claims.
        BackendUnavailable: it is a USD file, and the package usd-core is missing.
    """
    return READERS[extension_of(path)](path)


def save_gaussians(path: str | os.PathLike[str], gaussians: Gaussians, *, antialiased: bool = False) -> None:
    """Write a file of Gaussians in the format of its extension; only .ply keeps everything.

    The file appears whole or not at all: a failed write leaves an older file as it was.

    Args:
        antialiased: Say in the file that they are to be rendered so; only .ply, .compressed.ply and .spz can.

    Raises:
        FormatError: the extension is another one, or one that is only read.
        ValueError: a number is not finite or out of range.
        FileNotFoundError: the folder does not exist.
        BackendUnavailable: it is to be a USD file, and the package usd-core is missing.
    """
    WRITERS[extension_of(path, to_write=True)](path, gaussians, antialiased=antialiased)


def is_antialiased(path: str | os.PathLike[str]) -> bool:
    """Whether a file says that its Gaussians are to be rendered with antialiasing; only .ply and .spz can.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: the extension is another one, or the file is not what it claims.
    """
    extension = extension_of(path)
    return extension in TAGS and TAGS[extension](path)


def extension_of(path: str | os.PathLike[str], *, to_write: bool = False) -> str:
    """The extension that tells the format, in small letters.

    Raises:
        FormatError: no format has it, or it is only read and `to_write` is asked for.
    """
    name = Path(path).name.lower()
    extension = COMPRESSED_PLY if name.endswith(COMPRESSED_PLY) else Path(path).suffix.lower()
    if extension not in READERS:
        raise FormatError(
            f'{Path(path)} has the extension "{extension}"; expected one of {", ".join(READERS)} for Gaussians.'
        )
    if to_write and extension not in WRITERS:
        raise FormatError(
            f'{Path(path)} has the extension "{extension}", which is only read; '
            f"expected one of {', '.join(WRITERS)} to write Gaussians."
        )
    return extension
