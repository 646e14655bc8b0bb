"""Which frames of a video are taken: the sharpest of each window, windows being spaced by how far the picture moves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from splatsim.reconstruction.footage.flow import Drift, Step

_EARLY, _LATE, _LATEST = 0.6, 1.25, 2.5
"""A window's candidates lie between the first two shares of the spacing; up to the last where these are blurred."""
_INSIDE = 0.7
"""A window ends when fewer of the points than this are still in the picture."""
_TRACKED = 0.4
"""A window ends at a step that could follow fewer of the cells than this."""
_BLIND_SECONDS = 0.5
"""A window ends after this time where there is too little texture for the shift to be known."""
_BLIND = 0.15
"""Share of textured cells under which the shift is not known."""


@dataclass(frozen=True)
class Track:
    """What was measured of the frames of one take, in order."""

    times: Float[np.ndarray, " t"]
    """Seconds."""
    sharpness: Float[np.ndarray, " t"]
    """Relative to the frames around: 1 is as sharp as they are."""
    steps: Sequence[Step]
    """From each frame to the next: one fewer than frames."""


@dataclass(frozen=True)
class Choice:
    """Frames of one take, as positions in it."""

    taken: Int[np.ndarray, " a"]
    """In rising order."""
    blurred: Int[np.ndarray, " b"]
    """They stood in a window and were passed over because they are blurred."""
    duplicates: Int[np.ndarray, " c"]
    """They show what a frame that was taken shows."""


def relative_sharpness(
    sharpness: Float[np.ndarray, " t"], times: Float[np.ndarray, " t"], seconds: float = 0.5
) -> Float[np.ndarray, " t"]:
    """Sharpness over its median within `seconds` before and after."""
    first = np.searchsorted(times, times - seconds, side="left")
    last = np.searchsorted(times, times + seconds, side="right")
    medians = np.array([np.median(sharpness[a:b]) for a, b in zip(first, last, strict=True)])
    relative: Float[np.ndarray, " t"] = sharpness / np.maximum(medians, 1e-6)
    return relative


def choose(track: Track, *, spacing: float, blur: float, duplicate: float) -> Choice:
    """Walk through a take, window by window.

    `spacing` and `duplicate` are median shifts of the picture as shares of its size; frames whose relative sharpness
    is less than `blur` are avoided.
    """
    taken = [_first(track, spacing)]
    blurred: set[int] = set()
    duplicates: list[int] = []
    while (window := _look_ahead(track, taken[-1], spacing)).ended:
        best = _sharpest(track, window, spacing, blur)
        blurred |= {i for i in window.positions.tolist() if track.sharpness[i] < blur and i <= best}
        duplicates += window.nearer_than(duplicate)
        taken.append(best)
    duplicates += window.nearer_than(duplicate)
    if len(window.positions) and window.distances[-1] > max(duplicate, 0.3 * spacing):
        taken.append(int(window.positions[-1]))
    chosen = np.array(taken)
    rest = [np.setdiff1d(np.array(sorted(group), int), chosen) for group in (blurred, duplicates)]
    return Choice(chosen, *rest)


def fit_spacing(count: Callable[[float], int], target: int, narrowest: float, widest: float) -> float:
    """The spacing at which `count` comes nearest to the target, by bisection; more frames mean a narrower one."""
    if count(narrowest) <= target:
        return narrowest
    if count(widest) >= target:
        return widest
    low, high = narrowest, widest
    for _ in range(8):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if count(middle) > target else (low, middle)
    return high


@dataclass(frozen=True)
class _Window:
    """The frames after one that was taken, up to where the next has to be."""

    positions: Int[np.ndarray, " w"]
    distances: Float[np.ndarray, " w"]
    inside: Float[np.ndarray, " w"]
    end: int
    """Index of the frame at which the window is full; those after it are for when the ones before are blurred."""

    @property
    def ended(self) -> bool:
        return self.end < len(self.positions)

    def nearer_than(self, distance: float) -> list[int]:
        near: Bool[np.ndarray, " w"] = self.distances < distance
        found: list[int] = self.positions[near][: self.end].tolist()
        return found


def _first(track: Track, spacing: float) -> int:
    """The sharpest of the frames from the beginning up to half a window."""
    drift, best = Drift(), 0
    for position, step in enumerate(track.steps, start=1):
        drift.advance(step)
        known = track.times[position] - track.times[0] < _BLIND_SECONDS and drift.worst_tracked > _TRACKED
        if drift.distance > 0.5 * spacing or not known:
            break
        if track.sharpness[position] > track.sharpness[best]:
            best = position
    return best


def _look_ahead(track: Track, start: int, spacing: float) -> _Window:
    drift, end = Drift(), None
    positions, distances, inside = [], [], []
    blind = 0.0
    for position in range(start + 1, len(track.times)):
        step = track.steps[position - 1]
        drift.advance(step)
        if step.textured < _BLIND:
            blind += track.times[position] - track.times[position - 1]
        positions.append(position)
        distances.append(drift.distance)
        inside.append(drift.inside)
        lost = drift.worst_tracked < _TRACKED or drift.inside < _INSIDE or blind >= _BLIND_SECONDS
        if end is None and (drift.distance >= spacing or lost):
            end = len(positions) - 1
        if drift.distance > _LATEST * spacing or lost:
            break
    full = len(positions) if end is None else end
    return _Window(np.array(positions, int), np.array(distances), np.array(inside), full)


def _sharpest(track: Track, window: _Window, spacing: float, blur: float) -> int:
    """The frame of the window that is taken: the next sharp one where all in the proper range are blurred."""
    index = np.arange(len(window.positions))
    proper = index[(window.distances >= _EARLY * spacing) & (window.distances <= _LATE * spacing)]
    proper = proper if len(proper) else np.array([window.end])
    sharpness = track.sharpness[window.positions]
    best = int(proper[np.argmax(sharpness[proper])])
    if sharpness[best] < blur:
        later = index[(index > best) & (sharpness >= blur) & (window.inside >= _INSIDE)]
        best = int(later[0]) if len(later) else best
    return int(window.positions[best])
