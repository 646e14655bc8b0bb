"""Scene: a folder on disk as one value. Saving replaces the whole folder or nothing; loading checks every part.

The folder holds `scene.toml` (name, scale, provenance, and a SHA-256 for each part) beside the parts themselves:
`gaussians.ply` (or `.spz`), `semantics.npz`, `cameras.npz`, `depths.npz`, `occupancy.npz`, `nav_map.npz`. Files that
are no part of the scene, such as a video or the script that made it, may lie in the same folder and survive a save.
"""

import hashlib
import os
import shutil
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from splatsim.cameras import Cameras
from splatsim.depth_pictures import DepthPictures as DepthPictures
from splatsim.depth_pictures import read_depth_pictures, write_depth_pictures
from splatsim.errors import FormatError
from splatsim.formats import is_antialiased, load_gaussians, save_gaussians
from splatsim.formats.arrays import (
    read_cameras,
    read_nav_map,
    read_occupancy,
    write_cameras,
    write_nav_map,
    write_occupancy,
)
from splatsim.formats.toml import write_toml
from splatsim.gaussians import Gaussians
from splatsim.grids import NavMap, OccupancyGrid
from splatsim.semantics import Semantics as Semantics
from splatsim.semantics import read_semantics, write_semantics

MANIFEST = "scene.toml"
VERSION = 1
COMPRESSED = "gaussians.spz"

TomlValue = str | int | float | bool | list[Any] | dict[str, Any]


@dataclass(frozen=True)
class Scene:
    """One place: what it looks like, where it was seen from, what fills it and where one can drive.

    Raises:
        ValueError: there is not one semantic label for each Gaussian or one depth picture for each camera, or the scale
            is not positive.
    """

    name: str
    """Short name, as in the folder's."""
    gaussians: Gaussians | None = None
    """Appearance."""
    cameras: Cameras | None = None
    """Where the pictures behind it were taken from."""
    occupancy: OccupancyGrid | None = None
    """What fills each voxel."""
    nav_map: NavMap | None = None
    """Where a robot may drive."""
    semantics: Semantics | None = None
    """The class of every Gaussian."""
    world_scale: float = 1.0
    """Metres per unit of the world as it was first found: 1 where lengths are known."""
    scale_source: str = "unknown"
    """How the scale was found, such as "generated", "measured" or "unknown"."""
    provenance: Mapping[str, TomlValue] = field(default_factory=dict)
    """Where the scene comes from: generator, seed, versions, licence."""
    depths: DepthPictures | None = None
    """How far away things were found to be in the pictures of the cameras."""

    def __post_init__(self) -> None:
        if not 0 < self.world_scale < float("inf"):
            raise ValueError(f"Scene.world_scale is {self.world_scale}; expected a positive number of metres per unit.")
        if self.semantics is not None:
            have = 0 if self.gaussians is None else len(self.gaussians)
            if len(self.semantics.labels) != have:
                raise ValueError(
                    f"Scene.semantics has {len(self.semantics.labels)} labels for {have} Gaussians; expected one each."
                )

        if self.depths is not None:
            have = 0 if self.cameras is None else len(self.cameras)
            if len(self.depths) != have:
                raise ValueError(
                    f"Scene.depths has {len(self.depths)} pictures for {have} cameras; expected one for each."
                )

    @property
    def antialiased(self) -> bool:
        """Whether the Gaussians were fitted, and so are to be rendered, with antialiasing (Mip-Splatting).

        It stands in the provenance as `render = {antialiased = true}`, and as a tag in the file of the Gaussians.
        """
        render = self.provenance.get("render")
        return isinstance(render, Mapping) and render.get("antialiased") is True

    def save(self, folder: Path, *, overwrite: bool = False, compressed: bool = False) -> None:
        """Write the scene as a folder, at once or not at all.

        Args:
            overwrite: replace the scene that stands there; files that are no part of it stay.
            compressed: write the Gaussians as .spz, a fifth of the size, rounded; .ply keeps every bit.

        Raises:
            FileExistsError: the folder exists and `overwrite` is not set, or it is not a scene.
            OSError: the folder cannot be written.
        """
        folder = Path(folder)
        check_target(folder, overwrite)
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent))
        try:
            self._write_parts(staging, compressed)
            publish(staging, folder, {MANIFEST, COMPRESSED, *FILES.values()})
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    @classmethod
    def load(cls, folder: Path) -> "Scene":
        """Read a scene folder.

        Raises:
            FileNotFoundError: there is no scene in this folder.
            FormatError: the manifest or a part is missing, damaged or of another version.
        """
        folder = Path(folder)
        manifest = _read_manifest(folder)
        parts: dict[str, Any] = {}
        for name, entry in manifest["parts"].items():
            path = _checked_part(folder, name, entry)
            try:
                parts[name] = READERS[name](path)
            except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
                raise FormatError(
                    f"{path}: the part {name!r} cannot be read ({error}); expected {FILES[name]}."
                ) from error
        facts = {key: manifest[key] for key in ("name", "world_scale", "scale_source", "provenance")}
        try:
            return cls(**facts, **parts)
        except (ValueError, TypeError) as error:
            raise FormatError(f"{folder / MANIFEST}: {error}") from error

    def _write_parts(self, folder: Path, compressed: bool) -> None:
        parts = {}
        for name, write in WRITERS.items():
            value = getattr(self, name)
            if value is not None:
                file = COMPRESSED if compressed and name == "gaussians" else FILES[name]
                write(folder / file, value, **({"antialiased": self.antialiased} if name == "gaussians" else {}))
                parts[name] = {"file": file, "sha256": _sha256(folder / file)}
        manifest = {
            "format": "splatsim scene",
            "version": VERSION,
            "name": self.name,
            "world_scale": float(self.world_scale),
            "scale_source": self.scale_source,
            "provenance": dict(self.provenance),
            "parts": parts,
        }
        (folder / MANIFEST).write_text(write_toml(manifest), encoding="utf-8")


def open_scene(path: Path) -> Scene:
    """A scene folder, or a file of Gaussians (docs/formats.md) as a scene of nothing but them.

    Raises:
        FileNotFoundError: there is nothing at this path, or no scene in this folder.
        FormatError: it cannot be read.
    """
    if path.is_dir():
        return Scene.load(path)
    gaussians = load_gaussians(path)
    return Scene(path.stem, gaussians, provenance={"render": {"antialiased": is_antialiased(path)}})


def publish(staging: Path, folder: Path, ours: Set[str]) -> None:
    """Put a finished folder in the place of another, at once; entries of the old one not named in `ours` stay.

    Raises:
        OSError: the folder cannot be replaced; the old one is then as it was.
    """
    if folder.exists():
        _carry_over(folder, staging, ours)
    _swap(staging, folder)


def check_target(folder: Path, overwrite: bool) -> None:
    """Raise unless a scene may be written to this folder.

    Raises:
        FileExistsError: it holds other files, or a scene and `overwrite` is not set.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; expected a folder to write the scene to.")
    if any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise FileExistsError(
            f"{folder} holds files but no {MANIFEST}; expected a scene folder, an empty or a new one."
        )
    if (folder / MANIFEST).is_file() and not overwrite:
        raise FileExistsError(f"{folder} holds a scene already; pass overwrite=True or name another folder.")


def _carry_over(old: Path, new: Path, ours: Set[str]) -> None:
    """Give the new folder what stands in the old one and is not ours (hard links: nothing is copied)."""
    for entry in old.iterdir():
        if entry.name in ours:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, new / entry.name, symlinks=True, copy_function=os.link)
        else:
            os.link(entry, new / entry.name, follow_symlinks=False)


def _swap(staging: Path, folder: Path) -> None:
    """Put the finished folder in place; if that fails the old one comes back."""
    staging.chmod(0o755)
    if not folder.exists():
        staging.rename(folder)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old-", dir=folder.parent))
    folder.rename(aside / "scene")
    try:
        staging.rename(folder)
    except OSError:
        (aside / "scene").rename(folder)
        raise
    finally:
        if folder.exists():
            shutil.rmtree(aside, ignore_errors=True)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(f"{folder} has no {MANIFEST}; expected a folder written by Scene.save.")
    try:
        manifest = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} is not readable as TOML ({error}); expected the manifest of a scene.") from error
    if manifest.get("version") != VERSION:
        raise FormatError(f"{path} has version {manifest.get('version')!r}; expected {VERSION}.")
    for key, kind in {
        "name": str,
        "world_scale": float,
        "scale_source": str,
        "provenance": dict,
        "parts": dict,
    }.items():
        if not isinstance(manifest.get(key), kind):
            raise FormatError(f"{path} has {key} = {manifest.get(key)!r}; expected a {kind.__name__}.")
    unknown = sorted(set(manifest["parts"]) - set(FILES))
    if unknown:
        raise FormatError(f"{path} names the part {unknown[0]!r}; expected some of {', '.join(FILES)}.")
    return manifest


def _checked_part(folder: Path, name: str, entry: Any) -> Path:
    allowed = (FILES[name], COMPRESSED) if name == "gaussians" else (FILES[name],)
    if not isinstance(entry, dict) or entry.get("file") not in allowed:
        raise FormatError(f"{folder / MANIFEST} has parts.{name} = {entry!r}; expected the file {FILES[name]}.")
    path = folder / str(entry["file"])
    if not path.is_file():
        raise FormatError(f"{path} is missing: the part {name!r} is listed in {MANIFEST}; expected the file beside it.")
    found = _sha256(path)
    if found != entry.get("sha256"):
        raise FormatError(
            f"{path}: the part {name!r} is damaged, its SHA-256 is {found}; expected {entry.get('sha256')!r}."
        )
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


FILES = {
    "gaussians": "gaussians.ply",
    "semantics": "semantics.npz",
    "cameras": "cameras.npz",
    "depths": "depths.npz",
    "occupancy": "occupancy.npz",
    "nav_map": "nav_map.npz",
}
WRITERS: dict[str, Callable[..., None]] = {
    "gaussians": save_gaussians,
    "semantics": write_semantics,
    "cameras": write_cameras,
    "depths": write_depth_pictures,
    "occupancy": write_occupancy,
    "nav_map": write_nav_map,
}
READERS: dict[str, Callable[[Path], Any]] = {
    "gaussians": load_gaussians,
    "semantics": read_semantics,
    "cameras": read_cameras,
    "depths": read_depth_pictures,
    "occupancy": read_occupancy,
    "nav_map": read_nav_map,
}
