"""Frames from a folder of photos: all that can be read, with cameras told apart by what EXIF says."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from splatsim.errors import ReconstructionError
from splatsim.reconstruction import frameset
from splatsim.reconstruction.findings import FEW_CORNERS, FEW_FRAMES, is_blurred
from splatsim.reconstruction.frameset import Cause, Dropped, Finding, Frame, FrameSet
from splatsim.reconstruction.masks import Masks, read_mask
from splatsim.reconstruction.photos import Photo, UnreadablePhoto, read_photo
from splatsim.reconstruction.sharpness import SIDE, Quality, assess, fit_within
from splatsim.reconstruction.sources import FEWEST, list_files
from splatsim.reconstruction.writing import write_jpeg, write_mask


@dataclass
class _Set:
    """What has been read so far."""

    frames: list[Frame]
    qualities: list[Quality]
    dropped: list[Dropped]
    findings: list[Finding]
    cameras: dict[tuple[object, ...], int]

    def drop(self, index: int, path: Path, cause: Cause, reason: str, detail: str) -> None:
        self.dropped.append(Dropped(float(index), reason, path.name))
        self.findings.append(Finding(cause, float(index), float(index), detail))


def select(folder: Path, work: Path, side: int, masks: Masks) -> FrameSet:
    """Write all photos that can be used.

    Raises:
        ReconstructionError: they are fewer than three.
        FormatError: a mask cannot be read.
    """
    files = list_files(folder)
    found = _Set([], [], [], [], {})
    for index, path in enumerate(tqdm(files, "Reading photos", unit="photo", disable=None)):
        _take(found, index, path, work, side, masks)
    if len(found.frames) < FEWEST:
        raise ReconstructionError(
            f"{folder} holds {len(found.frames)} usable photos of {len(files)} files ({_reasons(found)}); "
            f"expected at least {FEWEST}, better 30 to 150, each overlapping the next."
        )
    median = float(np.median([quality.sharpness for quality in found.qualities]))
    frames = tuple(
        Frame(**{**vars(frame), "sharpness": quality.sharpness / max(median, 1e-6)})
        for frame, quality in zip(found.frames, found.qualities, strict=True)
    )
    findings = [*found.findings, *_doubts(frames, found.qualities)]
    findings.sort(key=lambda finding: (finding.start, finding.cause))
    return FrameSet(work, "photos", frames, tuple(found.dropped), tuple(findings), decoded=len(files))


def _take(found: _Set, index: int, path: Path, work: Path, side: int, masks: Masks) -> None:
    """Read one file, and write it unless nothing can be made of it."""
    try:
        photo = read_photo(path, side)
    except UnreadablePhoto as error:
        found.drop(index, path, "unreadable", "unreadable", f"{path.name} cannot be read as a photo: {error}.")
        return
    quality = assess(cv2.cvtColor(fit_within(photo.pixels, SIDE), cv2.COLOR_RGB2GRAY))
    if quality.is_black:
        detail = f"{path.name} is black: no brightness above {quality.bright:.0f} of 255."
        found.drop(index, path, "black frames", "black", detail)
        return
    height, width, _ = photo.pixels.shape
    name = _write(path, photo, work / frameset.IMAGES)
    if (mask := masks.of(path.name)) is not None:
        counts = read_mask(mask, (width, height), photo.orientation)
        write_mask(work / frameset.MASKS / f"{name}.png", counts)
    key = (*photo.camera, width, height, None if photo.focal is None else round(photo.focal, 1))
    camera = found.cameras.setdefault(key, len(found.cameras))
    found.qualities.append(quality)
    found.frames.append(Frame(name, float(index), width, height, 1.0, 0, camera, photo.focal, photo.gps))


def _write(path: Path, photo: Photo, folder: Path) -> str:
    """Copy the file where it is as it should be, else store its pixels; two photos never share a name."""
    name = path.name if photo.is_plain else f"{path.stem}.jpg"
    if (folder / name).exists():
        name = f"{path.name}.jpg"
    if photo.is_plain:
        shutil.copyfile(path, folder / name)
    else:
        write_jpeg(folder / name, photo.pixels)
    return name


def _reasons(found: _Set) -> str:
    """The files that fell out, the first few by name."""
    parts = [f"{entry.name}: {entry.reason}" for entry in found.dropped[:5]]
    return ", ".join(parts + ["…"] * (len(found.dropped) > 5)) or "no more were there"


def _doubts(frames: tuple[Frame, ...], qualities: list[Quality]) -> list[Finding]:
    """What speaks against photos that are used nevertheless: their owner chose them."""
    usual = float(np.median([quality.crispness for quality in qualities]))
    doubts = []
    for frame, quality, blurred in zip(frames, qualities, is_blurred(qualities), strict=True):
        if blurred:
            share = quality.crispness / max(usual, 1e-9)
            detail = f"{frame.name} is blurred: its edges are {share:.1%} as sharp as is usual."
            doubts.append(Finding("blur", frame.time, frame.time, detail))
        elif quality.corners < FEW_CORNERS:
            detail = f"{frame.name} has {quality.corners} corners; matching needs at least {FEW_CORNERS}."
            doubts.append(Finding("low texture", frame.time, frame.time, detail))
    if len(frames) < FEW_FRAMES:
        detail = f"There are {len(frames)} photos; expected at least {FEW_FRAMES}, each overlapping the next."
        doubts.append(Finding("too few frames", frames[0].time, frames[-1].time, detail))
    return doubts
