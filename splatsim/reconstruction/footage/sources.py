"""What a user hands over: a video, a folder of photos, a COLMAP model or a transforms.json, told apart and checked."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from splatsim.decoding import Video, probe_video
from splatsim.errors import FormatError, ReconstructionError

Kind = Literal["video", "photos", "colmap", "transforms"]

PICTURES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".avif", ".heic", ".heif")
FEWEST = 3
"""Pictures; with two of them nothing checks that a point was matched rightly."""
_MODELS = (".", "sparse", "colmap/sparse", "distorted/sparse")
_IMAGES = ("images", "input", "rgb", ".")
_MODEL_FILES = ("cameras", "images", "points3D")


@dataclass(frozen=True)
class Source:
    """Footage, recognised."""

    kind: Kind
    """What it is."""
    path: Path
    """The video, the folder of photos, the folder of the COLMAP model, or the transforms.json."""
    images: Path | None = None
    """Where the pictures lie; None for a video. The paths in a transforms.json start here."""
    video: Video | None = None
    """What is known of the video before it is decoded."""


def open_source(path: Path, *, kind: Kind | None = None) -> Source:
    """Tell what kind of footage lies at a path; `kind` decides where a folder holds several.

    Raises:
        FileNotFoundError: nothing lies there.
        FormatError: it is a file that is no video, or a model whose parts are missing.
        ReconstructionError: there are too few pictures.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; expected a video, a folder of photos, or a posed capture.")
    found = _open_folder(path, kind) if path.is_dir() else _open_file(path)
    if kind is not None and found.kind != kind:
        raise FormatError(f"{path} is read as {found.kind}; expected {kind}, as was asked for.")
    return found


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key that puts photo 2 before photo 10."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts]


def list_files(folder: Path) -> list[Path]:
    """Visible files in natural order."""
    files = (entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith("."))
    return sorted(files, key=natural_key)


def _open_file(path: Path) -> Source:
    if path.stat().st_size == 0:
        raise FormatError(f"{path} is empty (0 bytes); expected a video. Copy it from the camera again.")
    if path.suffix.lower() == ".json":
        return Source("transforms", path, path.parent)
    if path.suffix.lower() in PICTURES:
        raise ReconstructionError(f"{path} is a single picture; expected a video, or a folder of at least 3 photos.")
    return Source("video", path, video=probe_video(path))


def _open_folder(folder: Path, kind: Kind | None) -> Source:
    transforms = folder / "transforms.json"
    if kind in (None, "transforms") and transforms.is_file():
        return Source("transforms", transforms, folder)
    if kind in (None, "colmap") and (model := _find_model(folder)) is not None:
        return Source("colmap", model, _model_images(folder, model))
    if kind in ("transforms", "colmap"):
        wanted = "transforms.json" if kind == "transforms" else "COLMAP model (cameras, images and points3D)"
        raise FileNotFoundError(f"{folder} has no {wanted}; expected one in it.")
    return Source("photos", *_photo_folder(folder))


def _find_model(folder: Path) -> Path | None:
    """The model with most pictures: COLMAP numbers its models in the order in which it began them."""
    places = [folder / place for place in _MODELS]
    places += [child for place in places[1:] if place.is_dir() for child in place.iterdir() if child.name.isdecimal()]
    models = [place for place in places if _is_model(place)]
    return max(models, key=lambda model: (_images_file(model).stat().st_size, model.name), default=None)


def _is_model(folder: Path) -> bool:
    return any(all((folder / f"{name}{end}").is_file() for name in _MODEL_FILES) for end in (".bin", ".txt"))


def _images_file(model: Path) -> Path:
    binary = model / "images.bin"
    return binary if binary.is_file() else model / "images.txt"


def _model_images(folder: Path, model: Path) -> Path:
    """The folder of the pictures of a model, which may be an ancestor's child when the model itself was named."""
    roots = dict.fromkeys([folder, *list(model.parents)[: 1 + len(model.relative_to(folder).parts)]])
    if model == folder:
        roots = dict.fromkeys([folder, folder.parent, folder.parent.parent])
    for root in roots:
        for name in _IMAGES:
            place = root / name
            if place.is_dir() and any(_is_picture(entry) for entry in place.rglob("*") if name != "."):
                return place
            if name == "." and any(_is_picture(entry) for entry in root.iterdir()):
                return root
    raise FileNotFoundError(f"{model} is a COLMAP model without pictures; expected a folder {folder / 'images'}.")


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURES and path.is_file()


def _photo_folder(folder: Path) -> tuple[Path, Path]:
    """The folder itself, or its folder `images` where it has no photos of its own."""
    place = next((p for p in (folder, folder / "images") if p.is_dir() and any(map(_is_picture, p.iterdir()))), None)
    if place is None:
        raise ReconstructionError(
            f"{folder} holds no photos; expected at least {FEWEST} files such as .jpg or .png, "
            "a COLMAP model or a transforms.json."
        )
    count = sum(map(_is_picture, place.iterdir()))
    if count < FEWEST:
        raise ReconstructionError(
            f"{place} holds {count} photos; expected at least {FEWEST}, better 30 to 150, each overlapping the next."
        )
    return place, place
