"""What is wrong with a video, and in which seconds, as far as single frames and the steps between them tell."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float

from splatsim.decoding import Video
from splatsim.reconstruction.footage.analysis import Analysis, Take
from splatsim.reconstruction.footage.flow import Drift
from splatsim.reconstruction.footage.rotation import Turn
from splatsim.reconstruction.footage.sharpness import Quality
from splatsim.reconstruction.frameset import Finding

FEW_CORNERS = 25
"""Under so many corners too few points can be matched."""
FEW_FRAMES = 12
"""Chosen frames under which a scene is seen from too few sides."""
_CRISP, _CRISP_SHARE = 0.01, 0.1
"""A frame is blurred when its crispness is under the first, or under this share of what the sharp quarter reaches."""
_CONTRAST = 30.0
"""Variance of the brightness from which on there is something to be sharp."""
_BLUR_SECONDS, _TEXTURE_SECONDS = 0.3, 0.5
_STATIC_SECONDS, _STATIC = 2.0, 0.01
"""The camera stands still when for so long the picture shifts by less than this share of its size."""
_TURN_SECONDS = 1.5
_GAIN_SECONDS, _GAIN = 0.25, 1.35
"""Exposure jumps when brightness changes by this factor within so short a time."""


def find_all(video: Video, analysis: Analysis, turns: list[Turn], chosen: int) -> tuple[Finding, ...]:
    """Everything that was found, in the order of the video."""
    blurred = np.zeros(len(analysis), bool)
    for take in analysis.takes:
        blurred[take.numbers] = is_blurred([analysis.qualities[number] for number in take.numbers])
    findings = [
        *_unreadable(video, analysis),
        *_black(analysis),
        *_blurred(analysis, blurred),
        *_bare(analysis, blurred),
        *_cuts(analysis),
        *(finding for take in analysis.takes for finding in (*_still(take), *_exposure(take))),
        *_rotations(turns),
        *_few(analysis, chosen),
    ]
    return tuple(sorted(findings, key=lambda finding: (finding.start, finding.cause)))


def stretches(flags: Bool[np.ndarray, " n"]) -> list[tuple[int, int]]:
    """First and last position of every run of true ones."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(last) - 1) for first, last in zip(edges[::2], edges[1::2], strict=True)]


def _long_stretches(
    flags: Bool[np.ndarray, " n"], times: Float[np.ndarray, " n"], shortest: float
) -> Iterator[tuple[int, int]]:
    """Runs that last at least `shortest` seconds; single frames in between that are not flagged do not end a run."""
    bridged = flags.copy()
    bridged[1:-1] |= flags[:-2] & flags[2:]
    length = min(shortest, 0.6 * float(times[-1] - times[0]))
    return ((first, last) for first, last in stretches(bridged) if times[last] - times[first] >= length)


def _unreadable(video: Video, analysis: Analysis) -> Iterator[Finding]:
    end = float(analysis.times[-1])
    frame = float(np.median(np.diff(analysis.times)))
    if video.seconds - end > max(1.0, 0.02 * video.seconds) + frame:
        detail = f"The file declares {video.seconds:.1f} s; only the first {end:.1f} s can be decoded."
        yield Finding("unreadable", end, video.seconds, detail)


def _black(analysis: Analysis) -> Iterator[Finding]:
    for first, last in stretches(analysis.black):
        brightest = max(quality.bright for quality in analysis.qualities[first : last + 1])
        detail = f"{last - first + 1} frames are black: no brightness above {brightest:.0f} of 255."
        yield Finding("black frames", float(analysis.times[first]), float(analysis.times[last]), detail)


def _blurred(analysis: Analysis, blurred: Bool[np.ndarray, " n"]) -> Iterator[Finding]:
    crispness = np.array([quality.crispness for quality in analysis.qualities])
    for first, last in _long_stretches(blurred, analysis.times, _BLUR_SECONDS):
        share = float(np.median(crispness[first : last + 1]) / max(_upper_quartile(crispness[~blurred]), 1e-9))
        detail = f"Edges are {share:.1%} as sharp as in the sharp quarter of the other frames."
        yield Finding("blur", float(analysis.times[first]), float(analysis.times[last]), detail)


def is_blurred(qualities: Sequence[Quality]) -> Bool[np.ndarray, " n"]:
    """Pictures without sharp edges although they show something; the sharp ones among them are the measure."""
    crispness = np.array([quality.crispness for quality in qualities])
    visible = np.array([quality.contrast > _CONTRAST and not quality.is_black for quality in qualities], bool)
    usual = _upper_quartile(crispness[visible])
    return np.asarray(visible & (crispness < max(_CRISP, _CRISP_SHARE * usual)))


def _upper_quartile(values: Float[np.ndarray, " n"]) -> float:
    return float(np.percentile(values, 75)) if len(values) else 0.0


def _bare(analysis: Analysis, blurred: Bool[np.ndarray, " n"]) -> Iterator[Finding]:
    corners = np.array([quality.corners for quality in analysis.qualities])
    bare = (corners < FEW_CORNERS) & ~analysis.black & ~blurred  # blur takes corners away, and is the cause then
    for first, last in _long_stretches(bare, analysis.times, _TEXTURE_SECONDS):
        usual = int(np.median(corners[first : last + 1]))
        detail = f"About {usual} corners in a frame; matching needs at least {FEW_CORNERS}, better hundreds."
        yield Finding("low texture", float(analysis.times[first]), float(analysis.times[last]), detail)


def _cuts(analysis: Analysis) -> Iterator[Finding]:
    for before, after in zip(analysis.takes, analysis.takes[1:], strict=False):
        start, end = float(before.track.times[-1]), float(after.track.times[0])
        detail = f"No feature of the frame at {start:.2f} s is found again at {end:.2f} s: two takes."
        yield Finding("cut", start, end, detail)


def _still(take: Take) -> Iterator[Finding]:
    """Stretches in which the camera does not move although there is texture that would show it."""
    times, steps = take.track.times, take.track.steps
    length = min(_STATIC_SECONDS, 0.6 * float(times[-1] - times[0]))
    start = 0
    while start < len(steps):
        drift, end = Drift(), start
        while end < len(steps) and steps[end].textured > 0.15 and steps[end].tracked > 0.4:
            drift.advance(steps[end])
            if drift.distance > _STATIC:
                break
            end += 1
        if times[end] - times[start] >= length > 0:
            moving = max(float((np.abs(step.field).max(axis=-1) > 0.005).mean()) for step in steps[start:end])
            detail = f"The picture shifts by less than {_STATIC:.0%} of its size"
            detail += f", while up to {moving:.0%} of it moves by itself." if moving > 0.02 else "."
            yield Finding("static camera", float(times[start]), float(times[end]), detail)
            start = end + 1
        else:
            start += max(1, (end - start) // 4)


def _exposure(take: Take) -> Iterator[Finding]:
    """Sudden changes of brightness in what both frames show."""
    times = take.track.times
    total = np.concatenate([[0.0], np.cumsum(np.log([max(step.gain, 1e-3) for step in take.track.steps]))])
    later = np.searchsorted(times, times + _GAIN_SECONDS, side="right") - 1
    later = np.maximum(later, np.minimum(np.arange(len(times)) + 1, len(times) - 1))
    change = total[later] - total
    for first, last in stretches(np.abs(change) > np.log(_GAIN)):
        peak = first + int(np.argmax(np.abs(change[first : last + 1])))
        factor = float(np.exp(change[peak]))
        detail = f"What both frames show becomes {factor:.2f} times as bright within {_GAIN_SECONDS} s."
        yield Finding("exposure jump", float(times[peak]), float(times[later[peak]]), detail)


def _rotations(turns: list[Turn]) -> Iterator[Finding]:
    for first, last in stretches(np.array([turn.is_pure for turn in turns], bool)):
        start, end = turns[first].start, turns[last].end
        if end - start >= _TURN_SECONDS or (first == 0 and last == len(turns) - 1):
            share = float(np.mean([turn.explained for turn in turns[first : last + 1]]))
            detail = f"A camera that only turns explains {share:.0%} of the tracked points; depth needs steps sideways."
            yield Finding("pure rotation", start, end, detail)


def _few(analysis: Analysis, chosen: int) -> Iterator[Finding]:
    if chosen < FEW_FRAMES:
        detail = f"{chosen} of {len(analysis)} frames differ enough to be used; expected at least {FEW_FRAMES}."
        yield Finding("too few frames", float(analysis.times[0]), float(analysis.times[-1]), detail)
