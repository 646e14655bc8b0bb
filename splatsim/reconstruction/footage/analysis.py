"""The first pass over a video: every frame examined, none kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from tqdm import tqdm

from splatsim.decoding import Video, decode_gray
from splatsim.errors import FormatError
from splatsim.reconstruction.footage import flow
from splatsim.reconstruction.footage.cuts import CutDetector
from splatsim.reconstruction.footage.flow import Step, measure_step, single_thread
from splatsim.reconstruction.footage.masks import Masks, read_mask
from splatsim.reconstruction.footage.selection import Track, relative_sharpness
from splatsim.reconstruction.footage.sharpness import SIDE, Quality, assess, fit_within

_SHORTEST = 3
"""Frames of a take; fewer are flashes and mixed frames at a cut."""


@dataclass(frozen=True)
class Take:
    """Frames between two cuts, black ones left out."""

    numbers: Int[np.ndarray, " t"]
    """In the video, from 0."""
    track: Track


@dataclass(frozen=True)
class Analysis:
    """What was measured of a whole video."""

    times: Float[np.ndarray, " n"]
    """Seconds, of every frame."""
    qualities: tuple[Quality, ...]
    """Of every frame."""
    takes: tuple[Take, ...]

    def __len__(self) -> int:
        return len(self.qualities)

    @property
    def black(self) -> Bool[np.ndarray, " n"]:
        """Frames that show nothing."""
        return np.array([quality.is_black for quality in self.qualities], bool)


def analyse(video: Video, masks: Masks) -> Analysis:
    """Decode a video once at reduced size.

    Raises:
        FormatError: fewer than two frames can be decoded, or a mask cannot be read.
    """
    qualities: list[Quality] = []
    numbers: list[int] = []
    steps: list[Step] = []
    cuts = CutDetector()
    previous: UInt8[np.ndarray, "h w"] | None = None
    with single_thread(), decode_gray(video, SIDE) as decoding:
        total = video.expected_frames
        for number, gray in enumerate(tqdm(decoding.frames, "Examining frames", total, unit="frame", disable=None)):
            mask = _mask(masks, number, gray)
            qualities.append(assess(gray, mask))
            if qualities[-1].is_black:
                continue
            small = fit_within(gray, flow.SIDE)
            step = None if previous is None else measure_step(previous, small, _mask(masks, number, small))
            cuts.add(len(numbers), small, qualities[-1].sharpness, step)
            numbers.append(number)
            steps += [] if step is None else [step]
            previous = small
        times = _rising(decoding.times()[: len(qualities)])
    if len(qualities) < 2:
        raise FormatError(
            f"{video.path} has {len(qualities)} frame(s) that can be decoded; expected a video of seconds."
        )
    takes = tuple(_takes(np.array(numbers, int), times, qualities, steps, cuts.finish()))
    return Analysis(times, tuple(qualities), takes)


def _mask(masks: Masks, number: int, image: UInt8[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"] | None:
    path = masks.of(str(number))
    return None if path is None else read_mask(path, image.shape[::-1])


def _rising(times: list[float]) -> Float[np.ndarray, " n"]:
    """Times that never fall, as a damaged file's may."""
    rising: Float[np.ndarray, " n"] = np.maximum.accumulate(np.maximum(np.array(times, float), 0.0))
    return rising


def _takes(
    numbers: Int[np.ndarray, " u"],
    times: Float[np.ndarray, " n"],
    qualities: list[Quality],
    steps: list[Step],
    cuts: list[int],
) -> Iterator[Take]:
    bounds = [0, *cuts, len(numbers)]
    for first, last in pairwise(bounds):
        if last - first < max(1, min(_SHORTEST, len(numbers))):
            continue
        own = numbers[first:last]
        sharpness = np.array([qualities[number].sharpness for number in own])
        yield Take(own, Track(times[own], relative_sharpness(sharpness, times[own]), steps[first : last - 1]))
