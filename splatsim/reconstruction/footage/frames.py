"""The first stage: pictures chosen from footage, upright and of a size to work with, and what is wrong with it."""

import dataclasses
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from splatsim.decoding import Video, decode_chosen
from splatsim.errors import FormatError
from splatsim.reconstruction import frameset
from splatsim.reconstruction.footage import photo_frames, selection
from splatsim.reconstruction.footage.analysis import Analysis, Take, analyse
from splatsim.reconstruction.footage.findings import find_all
from splatsim.reconstruction.footage.flow import single_thread
from splatsim.reconstruction.footage.masks import Masks, read_mask
from splatsim.reconstruction.footage.rotation import TurnDetector
from splatsim.reconstruction.footage.selection import Choice
from splatsim.reconstruction.footage.sources import Source
from splatsim.reconstruction.footage.writing import write_jpeg, write_mask
from splatsim.reconstruction.frameset import Dropped, Frame, FrameSet

_DUPLICATES_APART = 0.5
"""Seconds: of frames that show the same thing, one is listed for every so many."""
_WORK = ".frames.partial"


@dataclass(frozen=True)
class FrameConfig:
    """How pictures are chosen.

    Raises:
        ValueError: a field is out of range.
    """

    frames: int = 150
    """How many frames of a video to aim at. A video of much ground gets more, one of a small corner fewer."""
    max_size: int = 1600
    """Longest side of the stored pictures, pixels."""
    narrowest: float = 0.04
    """Least distance between neighbours: median shift of the picture, as a share of its size."""
    widest: float = 0.14
    """Greatest distance between neighbours; the more of one picture the next one shows, the surer are the poses."""
    blur: float = 0.6
    """Frames less sharp than this share of those within half a second are passed over where another can stand in."""
    duplicate: float = 0.003
    """Frames nearer than this to one that was taken show the same; share of the picture's size."""

    def __post_init__(self) -> None:
        if self.frames < 3:
            raise ValueError(f"FrameConfig.frames is {self.frames}; expected at least 3.")
        if self.max_size < 64:
            raise ValueError(f"FrameConfig.max_size is {self.max_size}; expected at least 64 pixels.")
        if not 0 < self.duplicate < self.narrowest <= self.widest <= 0.5:
            raise ValueError(
                f"FrameConfig has duplicate {self.duplicate}, narrowest {self.narrowest}, widest {self.widest}; "
                "expected them to rise, above 0 and up to 0.5."
            )
        if not 0 <= self.blur < 1:
            raise ValueError(f"FrameConfig.blur is {self.blur}; expected 0 (keep all) to 1.")


def select_frames(source: Source, folder: Path, config: FrameConfig, *, masks: Path | None = None) -> FrameSet:
    """Choose pictures from a video or a folder of photos, and write them, their masks and `frames.json` into a folder.

    An earlier result in the folder stays whole until the new one replaces it. A video from which too little can be
    chosen is no error: the findings say why.

    Args:
        source: The footage.
        folder: Where `images`, `masks` and `frames.json` go.
        config: How to choose.
        masks: One mask for all, or a folder of them: see `Masks`. White counts; all other pixels are left out of
            matching and of the fit.

    Raises:
        ReconstructionError: fewer than three photos are usable.
        FormatError: the video or a mask cannot be read.
        FileNotFoundError: there are no masks at their path.
        ValueError: the source is posed already: its pictures are all taken as they are.
        OSError: the disk refuses.
    """
    if source.kind not in ("video", "photos"):
        raise ValueError(f"{source.path} is {source.kind}, which has poses; expected a video or photos to choose from.")
    opened = Masks.open(masks)
    work = folder / _WORK
    shutil.rmtree(work, ignore_errors=True)
    (work / frameset.IMAGES).mkdir(parents=True)
    if opened:
        (work / frameset.MASKS).mkdir()
    try:
        if source.video is not None:
            chosen = _select_from_video(source.video, work, config, opened)
        else:
            chosen = photo_frames.select(source.path, work, config.max_size, opened)
        return _install(chosen, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _install(chosen: FrameSet, folder: Path) -> FrameSet:
    """Move a finished result to its place; without `frames.json`, which comes last, it does not count as one."""
    (folder / frameset.FILE).unlink(missing_ok=True)
    for name in (frameset.IMAGES, frameset.MASKS):
        if (folder / name).exists():
            shutil.rmtree(folder / name)
        if (chosen.folder / name).exists():
            os.replace(chosen.folder / name, folder / name)
    installed = dataclasses.replace(chosen, folder=folder)
    installed.save()
    return installed


def _select_from_video(video: Video, work: Path, config: FrameConfig, masks: Masks) -> FrameSet:
    analysis = analyse(video, masks)
    choices = _choose(analysis, config)
    planned = [
        Frame(
            name=f"{take.numbers[position]:06d}.jpg",
            time=float(take.track.times[position]),
            width=0,
            height=0,
            sharpness=float(take.track.sharpness[position]),
            segment=segment,
        )
        for segment, (take, choice) in enumerate(zip(analysis.takes, choices, strict=True))
        for position in choice.taken.tolist()
    ]
    turns = TurnDetector()
    with single_thread():
        frames = _write_frames(video, planned, work, config.max_size, masks, turns)
    return FrameSet(
        folder=work,
        kind="video",
        frames=tuple(frames),
        dropped=tuple(_dropped(analysis, choices)),
        findings=find_all(video, analysis, turns.turns, len(frames)),
        decoded=len(analysis),
        seconds=max(video.seconds, float(analysis.times[-1])),
    )


def _choose(analysis: Analysis, config: FrameConfig) -> list[Choice]:
    """Choices in all takes, at the one spacing that comes nearest to the number aimed at."""

    def at(spacing: float) -> list[Choice]:
        return [
            selection.choose(take.track, spacing=spacing, blur=config.blur, duplicate=config.duplicate)
            for take in analysis.takes
        ]

    def count(spacing: float) -> int:
        return sum(len(choice.taken) for choice in at(spacing))

    return at(selection.fit_spacing(count, config.frames, config.narrowest, config.widest))


def _write_frames(
    video: Video, planned: list[Frame], work: Path, side: int, masks: Masks, turns: TurnDetector
) -> list[Frame]:
    """The second pass: decode the video again, write the chosen frames, and look whether the camera only turns."""
    if not planned:
        return []
    frames: list[Frame] = []
    with decode_chosen(video, [int(Path(frame.name).stem) for frame in planned], side) as decoding:
        progress = tqdm(decoding.frames, "Writing frames", len(planned), unit="frame", disable=None)
        for frame, pixels in zip(planned, progress, strict=False):
            height, width, _ = pixels.shape
            frames.append(dataclasses.replace(frame, width=width, height=height))
            write_jpeg(work / frameset.IMAGES / frame.name, pixels)
            if (mask := masks.of(Path(frame.name).stem)) is not None:
                write_mask(work / frameset.MASKS / f"{frame.name}.png", read_mask(mask, (width, height)))
            if len(frames) > 1 and frame.segment != frames[-2].segment:
                turns.restart()
            turns.add(pixels, frame.time)
        complaint = decoding.complaint()
    if len(frames) < len(planned):
        raise FormatError(
            f"{video.path} gave {len(frames)} of {len(planned)} chosen frames when it was decoded again ({complaint}); "
            "expected the same video throughout."
        )
    return frames


def _dropped(analysis: Analysis, choices: list[Choice]) -> list[Dropped]:
    """Frames that were near to being chosen, and black ones."""
    dropped = [
        Dropped(float(analysis.times[number]), "black", str(number)) for number in np.flatnonzero(analysis.black)
    ]
    for take, choice in zip(analysis.takes, choices, strict=True):
        dropped += [_drop(take, position, "blur") for position in choice.blurred.tolist()]
        last = -np.inf
        for position in choice.duplicates.tolist():
            if take.track.times[position] - last >= _DUPLICATES_APART:
                last = take.track.times[position]
                dropped.append(_drop(take, position, "near duplicate"))
    return sorted(dropped, key=lambda entry: entry.time)


def _drop(take: Take, position: int, reason: str) -> Dropped:
    return Dropped(float(take.track.times[position]), reason, str(int(take.numbers[position])))
