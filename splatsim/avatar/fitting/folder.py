"""Where in the folder of a capture a camera's pictures, masks and keypoints lie."""

import re
from pathlib import Path

from splatsim.errors import FormatError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


def source_of(folder: Path, name: str) -> Path | tuple[Path, ...]:
    """The video of a camera, or its pictures in order."""
    for place in (folder, folder / "videos"):
        video = _named(place, name, (".mp4", ".mov", ".avi", ".mkv", ".webm"))
        if video is not None:
            return video
    for place in (folder / "images", folder):
        pictures = _named(place, name, ("",))
        if pictures is not None and (found := _ordered(pictures)):
            return found
    raise FormatError(
        f"camera {name!r} of the calibration has no pictures in {folder}; expected a video {name}.mp4 or a folder "
        f"{name}/."
    )


def has_picture(folder: Path, label: str) -> bool:
    """Whether the folder holds a picture of this name."""
    return any((place / label).is_file() for place in (folder, folder / "images"))


def picture_at(folder: Path, label: str) -> Path:
    """The picture that a calibration names, with or without its extension."""
    for candidate in (folder / label, folder / "images" / label, *((folder / f"{label}{s}") for s in PICTURES)):
        if candidate.is_file():
            return candidate
    raise FormatError(f"the calibration lists {label}, which is not in {folder}; expected every picture to be there.")


def masks_of(folder: Path, name: str, t: int) -> tuple[Path, ...] | None:
    """The first t masks of a camera; None where it has none."""
    place = _named(folder / "masks", name, ("",))
    if place is None and (folder / "masks").is_dir() and _ordered(folder / "masks"):
        place = folder / "masks"  # one camera, its masks without a folder of their own
    if place is None:
        return None
    found = _ordered(place)
    if len(found) < t:
        raise FormatError(f"{place} holds {len(found)} masks for {t} frames; expected one for each frame, in order.")
    return found[:t]


def keypoint_files(folder: Path, names: list[str]) -> list[Path]:
    """Of all cameras, or of none."""
    files = []
    for name in names:
        found = _named(folder, name, ("_keypoints.json",)) or _named(folder / "keypoints", name, (".json", ""))
        if found is not None:
            files.append(found)
    if files and len(files) < len(names):
        raise FormatError(
            f"{folder} has keypoints of {len(files)} of {len(names)} cameras; expected them for all of "
            f"{', '.join(names)}."
        )
    return files


def _named(folder: Path, name: str, suffixes: tuple[str, ...]) -> Path | None:
    """A file or (suffix "") a folder of this camera's name."""
    if not folder.is_dir():
        return None
    for entry in sorted(folder.iterdir()):
        for suffix in suffixes:
            fits = entry.is_dir() if not suffix else entry.is_file() and entry.name.lower().endswith(suffix)
            if fits and _plain(entry.name[: len(entry.name) - len(suffix)]) == _plain(name):
                return entry
    return None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def _ordered(folder: Path) -> tuple[Path, ...]:
    """Pictures by the numbers in their names."""

    def key(path: Path) -> list[tuple[int, str]]:
        return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.stem)]

    return tuple(sorted((p for p in folder.iterdir() if p.suffix.lower() in PICTURES), key=key))
