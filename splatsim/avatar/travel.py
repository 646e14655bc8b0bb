"""Where a person is when: a path walked at a speed, with stops and turns on the spot, or places at times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from splatsim.avatar._rotations import ease, ease_more, wrapped

Array = NDArray[np.float64]

TICK = 0.01
"""Seconds between the stored moments."""
SPACING = 0.02
"""Metres between the points of a smoothed path."""
ROUNDING = 0.22
"""Half width, metres, of the window that rounds corners; a right angle is cut by 5 cm."""
SHARP = np.radians(75)
"""At corners sharper than this people stop and turn on the spot."""
ACCELERATION = 1.1
"""Along the path, m/s²; runners have twice as much."""
SIDEWAYS = 1.4
"""Greatest acceleration across the path, m/s²: bends slow people down."""
TURN_RATE = 1.7
"""Greatest turning rate, rad/s."""
SMOOTHING = 0.12
"""Standard deviation, seconds, that softens starts and stops."""
SETTLING = 0.4
"""Seconds longer that people stand at the end, until both feet are in place."""
LONGEST = 3600.0
"""Seconds that one motion may last."""


@dataclass(frozen=True)
class Travel:
    """A person's place and heading at moments `TICK` apart, [n]."""

    places: Array
    """[n 2], metres."""
    yaws: Array
    """Headings, radians, without jumps of a turn."""

    speeds: Array = field(init=False)
    """Metres per second, smooth."""
    turn_rates: Array = field(init=False)
    """Radians per second, smooth."""
    pushes: Array = field(init=False)
    """Change of speed, m/s², smooth."""
    looks: Array = field(init=False)
    """Where the eyes go: the heading half a second later."""

    def __post_init__(self) -> None:
        speeds = np.linalg.norm(np.gradient(self.places, TICK, axis=0), axis=-1)
        forward = gaussian_filter1d(speeds, 0.1 / TICK, mode="nearest")
        object.__setattr__(self, "speeds", forward)
        rates = gaussian_filter1d(np.gradient(self.yaws, TICK), 0.1 / TICK, mode="nearest")
        object.__setattr__(self, "turn_rates", rates)
        push = gaussian_filter1d(np.gradient(forward, TICK), 0.15 / TICK, mode="nearest")
        object.__setattr__(self, "pushes", push)
        ahead = np.concatenate([self.yaws[int(0.5 / TICK) :], np.full(int(0.5 / TICK), self.yaws[-1])])
        looks = gaussian_filter1d(ahead[: len(self.yaws)], 0.2 / TICK, mode="nearest")
        object.__setattr__(self, "looks", looks)

    @property
    def duration(self) -> float:
        """Seconds."""
        return (len(self.yaws) - 1) * TICK

    def read(self, name: str, seconds: Array) -> Array:
        """A stored quantity at any times [t], the first and the last beyond the ends."""
        values = getattr(self, name)
        at = np.clip(seconds / TICK, 0, len(values) - 1)
        low = np.minimum(at.astype(np.int64), len(values) - 2)
        share = at - low
        if values.ndim == 2:
            share = share[..., None]
        return np.asarray((1 - share) * values[low] + share * values[low + 1])


def travel_along(
    path: ArrayLike,
    *,
    speed: float = 1.3,
    pauses: Mapping[int, float] | None = None,
    heading: float | None = None,
    lead: float = 0.7,
) -> Travel:
    """Walk along a polyline [p 2] from rest to rest, slower in bends.

    Args:
        speed: The speed aimed at, m/s.
        pauses: Seconds to stand at points of the path, by index.
        heading: Where the person looks at the start, radians; by default along the path.
        lead: Seconds of standing before and after.

    Raises:
        ValueError: the path is empty or not finite, the speed is not between 0.1 and 6 m/s, or a pause is not possible.
    """
    points = _checked(path)
    stops = _pauses(pauses or {}, len(points))
    if not 0.1 <= speed <= 6.0:
        raise ValueError(f"speed is {speed}; expected 0.1 to 6 m/s.")
    kept = [0, *(i for i in range(1, len(points)) if np.linalg.norm(points[i] - points[i - 1]) > 1e-3)]
    runs = pairwise([*kept, len(points)])  # points at one place share the longest of their pauses
    waits = [max(stops.get(index, 0.0) for index in range(*run)) for run in runs]
    points = points[kept]
    ways = np.diff(points, axis=0)
    courses = np.arctan2(ways[:, 1], ways[:, 0])
    yaw = float(heading) if heading is not None else (float(courses[0]) if len(courses) else 0.0)
    pieces = [_still(points[0], yaw, lead + waits[0])]
    for first, last in _stretches(courses, waits):
        pieces.append(_pivot(points[first], pieces[-1][1][-1], float(courses[first])))
        pieces.append(_stride_out(points[first : last + 1], speed, pieces[-1][1][-1]))
        pieces.append(_still(points[last], float(pieces[-1][1][-1]), waits[last] if last + 1 < len(points) else 0.0))
    pieces.append(
        _still(points[-1], float(pieces[-1][1][-1]), lead + SETTLING + (waits[-1] if len(points) > 1 else 0.0))
    )
    places = np.concatenate([piece[0] for piece in pieces])
    yaws = np.concatenate([piece[1] for piece in pieces])
    if len(yaws) * TICK > LONGEST:
        raise ValueError(f"the walk would last {len(yaws) * TICK:.0f} s; expected at most {LONGEST:.0f} s.")
    soft = gaussian_filter1d(places, SMOOTHING / TICK, axis=0, mode="nearest")
    return Travel(soft, gaussian_filter1d(yaws, SMOOTHING / TICK, mode="nearest"))


def travel_through(path: ArrayLike, times: ArrayLike, *, yaws: ArrayLike | None = None) -> Travel:
    """Be at each point [p 2] of a path at its time [p], seconds, such as a simulator's or a crowd's trajectory.

    Between the points the way is a monotone cubic (Fritsch & Carlson 1980); the heading follows the motion and is kept
    while standing, unless it is given.

    Raises:
        ValueError: the counts differ, a number is not finite, or the times do not increase.
    """
    points = _checked(path)
    moments = np.asarray(times, np.float64)
    if moments.shape != (len(points),) or not np.isfinite(moments).all() or len(points) < 2:
        raise ValueError(
            f"times have shape {list(moments.shape)} for {len(points)} points; expected one finite time each."
        )
    late = np.flatnonzero(np.diff(moments) <= 0)
    if len(late):
        a, b = moments[late[0]], moments[late[0] + 1]
        raise ValueError(f"time {late[0] + 1} is {b:g} s after {a:g} s; expected times that increase.")
    if moments[-1] - moments[0] > LONGEST:
        raise ValueError(f"the times span {moments[-1] - moments[0]:.0f} s; expected at most {LONGEST:.0f} s.")
    dense = moments[0] + TICK * np.arange(round((moments[-1] - moments[0]) / TICK) + 1)
    places = PchipInterpolator(moments, points, axis=0)(np.minimum(dense, moments[-1]))
    if yaws is not None:
        given = np.asarray(yaws, np.float64)
        if given.shape != moments.shape or not np.isfinite(given).all():
            raise ValueError(
                f"yaws have shape {list(given.shape)} for {len(points)} points; expected one finite angle each."
            )
        return Travel(places, PchipInterpolator(moments, np.unwrap(given))(dense))
    return Travel(places, _followed(places))


def _checked(path: ArrayLike) -> Array:
    points = np.asarray(path, np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
        raise ValueError(f"the path has shape {list(points.shape)}; expected [p 2], at least one point x, y in metres.")
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(bad):
        raise ValueError(f"point {bad[0]} of the path is {points[bad[0]].tolist()}; expected finite metres.")
    return points


def _pauses(pauses: Mapping[int, float], count: int) -> dict[int, float]:
    for index, seconds in pauses.items():
        if not (-count <= index < count and 0 <= seconds <= LONGEST):
            raise ValueError(
                f"pauses has {seconds} s at point {index}; expected 0 to {LONGEST:.0f} s at one of the {count} points."
            )
    return {index % count: float(seconds) for index, seconds in pauses.items()}


def _stretches(courses: Array, waits: Sequence[float]) -> list[tuple[int, int]]:
    """First and last point of the stretches walked without standing still."""
    corners = np.abs(wrapped(np.diff(courses))) > SHARP
    cuts = [i + 1 for i in range(len(corners)) if corners[i] or waits[i + 1] > 0]
    edges = [0, *cuts, len(courses)]
    return [(a, b) for a, b in pairwise(edges) if b > a]


def _still(place: Array, yaw: float, seconds: float) -> tuple[Array, Array]:
    count = max(1, round(seconds / TICK))
    return np.tile(place, (count, 1)), np.full(count, yaw)


def _pivot(place: Array, start: float, course: float) -> tuple[Array, Array]:
    """Turn on the spot by the shorter way, with the least jerk."""
    angle = float(wrapped(np.array(course - start)))
    if abs(angle) < 0.02:
        return _still(place, start + angle, TICK)
    count = round((abs(angle) * 15 / 8 / TURN_RATE + 0.25) / TICK)  # the quintic's greatest rate is 15/8 of its mean
    return np.tile(place, (count, 1)), start + angle * ease_more(np.linspace(0, 1, count))


def _stride_out(points: Array, speed: float, yaw: float) -> tuple[Array, Array]:
    """Places and headings along a polyline without sharp corners, from rest to rest."""
    curve, steps = _rounded(points)
    ways = np.gradient(curve, axis=0)
    courses = np.unwrap(np.arctan2(ways[:, 1], ways[:, 0]))
    bend = np.abs(np.gradient(courses)) / steps
    pull = ACCELERATION * (1 + (speed > 2.5))
    speeds: Array = np.minimum(
        speed, np.minimum(np.sqrt(SIDEWAYS / np.maximum(bend, 1e-6)), TURN_RATE / np.maximum(bend, 1e-6))
    )
    squares = speeds**2
    squares[0] = squares[-1] = 0.0
    for order in (range(1, len(squares)), range(len(squares) - 2, -1, -1)):
        step = 1 if order.step == 1 else -1
        for i in order:
            squares[i] = min(squares[i], squares[i - step] + 2 * pull * steps)
    speeds = np.sqrt(squares)
    times: Array = np.concatenate([[0.0], np.cumsum(2 * steps / (speeds[1:] + speeds[:-1]))])
    moments = np.linspace(0, times[-1], max(2, round(times[-1] / TICK) + 1))
    length: Array = steps * np.arange(len(curve), dtype=np.float64)
    gone = _eased_length(times, speeds, length, moments)
    places = np.stack([np.interp(gone, length, curve[:, axis]) for axis in range(2)], axis=-1)
    start = courses[0] + 2 * np.pi * round((yaw - courses[0]) / (2 * np.pi))
    return places, np.interp(gone, length, courses) + (start - courses[0])


def _eased_length(times: Array, speeds: Array, length: Array, moments: Array) -> Array:
    """Length gone at moments when the speed runs linearly in time between the points."""
    at = np.clip(np.searchsorted(times, moments, side="right") - 1, 0, len(times) - 2)
    span = times[at + 1] - times[at]
    since = moments - times[at]
    change = (speeds[at + 1] - speeds[at]) / span
    return np.clip(length[at] + speeds[at] * since + 0.5 * change * since**2, 0, length[-1])


def _rounded(points: Array) -> tuple[Array, float]:
    """The polyline at equal steps with its corners rounded, its ends in place."""
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=-1))])
    count = max(2, int(np.ceil(lengths[-1] / SPACING)) + 1)
    if count > LONGEST * 6 / SPACING:
        raise ValueError(f"the path is {lengths[-1]:.0f} m long; expected at most {LONGEST * 6:.0f} m.")
    at = np.linspace(0, lengths[-1], count)
    curve = np.stack([np.interp(at, lengths, points[:, axis]) for axis in range(2)], axis=-1)
    half = min(round(ROUNDING / SPACING), (count - 1) // 2)
    if half >= 1:
        before, after = 2 * curve[:1] - curve[half:0:-1], 2 * curve[-1:] - curve[-2 : -half - 2 : -1]
        kernel = np.bartlett(2 * half + 3)[1:-1]
        padded = np.concatenate([before, curve, after])
        curve = np.stack([np.convolve(padded[:, a], kernel / kernel.sum(), "valid") for a in range(2)], axis=-1)
    return curve, float(at[1])


def _followed(places: Array) -> Array:
    """Headings along the motion; while standing they turn from the last to the next."""
    moves = gaussian_filter1d(np.gradient(places, TICK, axis=0), 0.08 / TICK, axis=0, mode="nearest")
    sure = np.flatnonzero(np.linalg.norm(moves, axis=-1) > 0.15)
    if len(sure) == 0:
        return np.zeros(len(places))
    courses = np.unwrap(np.arctan2(moves[sure, 1], moves[sure, 0]))
    index = np.arange(len(places))
    after = np.clip(np.searchsorted(sure, index), 0, len(sure) - 1)
    before = np.clip(np.searchsorted(sure, index, side="right") - 1, 0, len(sure) - 1)
    gap = np.maximum(sure[after] - sure[before], 1)
    share = ease((index - sure[before]) / gap)
    held = courses[before] + share * (courses[after] - courses[before])
    return np.asarray(gaussian_filter1d(held, 0.15 / TICK, mode="nearest"))
