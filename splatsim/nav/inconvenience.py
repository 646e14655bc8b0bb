"""What a robot costs the people around it: their detour and delay against the same people without it."""

import math
from bisect import bisect_right
from itertools import accumulate, pairwise

from jaxtyping import Float
from torch import Tensor

WINDOW = 1.0
"""How far ahead, metres, somebody is looked for on the way that they take without the robot, from one time to the next:
more than one walks in a step of the clock, and less than a way needs to come back to where it was."""
ARRIVED = 0.05
"""Metres before the end of that way from which on they are at its end."""

Point = tuple[float, float]


def inconvenience(
    seconds: Float[Tensor, " n"], people: Float[Tensor, "n k 2"], alone: Float[Tensor, "n k 2"]
) -> dict[str, float]:
    """Extra metres of the people, and seconds that they are late; means over the people.

    Each person is followed along the way that they take without the robot. At the end they have come to some point of
    it: what they walked more than the way up to that point is the detour, and how much earlier they would have been
    there the delay.

    Args:
        people: Where they were at each time, with the robot there.
        alone: Where they are at the same times without it.
    """
    clock = seconds.tolist()
    found = [_of_one(clock, _points(people[:, k]), _points(alone[:, k])) for k in range(people.shape[1])]
    count = max(len(found), 1)
    return {"detour": sum(detour for detour, _ in found) / count, "delay": sum(delay for _, delay in found) / count}


def _points(places: Float[Tensor, "n 2"]) -> list[Point]:
    return [(x, y) for x, y in places.tolist()]


def _of_one(clock: list[float], walked: list[Point], way: list[Point]) -> tuple[float, float]:
    if walked == way:
        return 0.0, 0.0
    along = [0.0, *accumulate(math.dist(a, b) for a, b in pairwise(way))]
    progress, reached = 0.0, clock[0]
    for time, place in zip(clock, walked, strict=True):
        further = _progress(place, way, along, progress)
        progress, reached = further, (time if further > progress else reached)
    length = sum(math.dist(a, b) for a, b in pairwise(walked))
    # Who is at the end of the way was late by what they took longer; who is not is late still.
    here = reached if progress >= along[-1] - ARRIVED else clock[-1]
    return max(0.0, length - progress), max(0.0, here - _time_at(progress, clock, along))


def _progress(place: Point, way: list[Point], along: list[float], progress: float) -> float:
    """The point of the way nearest to a place, at most a window beyond the last one, as metres from its start."""
    best, found = math.inf, progress
    first = max(0, bisect_right(along, progress) - 1)
    for k in range(first, len(way) - 1):
        if along[k] > progress + WINDOW:
            break
        (x, y), (u, v) = way[k], way[k + 1]
        length = along[k + 1] - along[k]
        if length == 0:
            continue
        share = ((place[0] - x) * (u - x) + (place[1] - y) * (v - y)) / length**2
        share = min(1.0, max(0.0, share, (progress - along[k]) / length))
        away = math.hypot(x + share * (u - x) - place[0], y + share * (v - y) - place[1])
        if away < best - 1e-9:
            best, found = away, along[k] + share * length
    return found


def _time_at(progress: float, clock: list[float], along: list[float]) -> float:
    """When a point of the way is reached first without the robot."""
    for k in range(1, len(along)):
        if along[k] >= progress:
            step = along[k] - along[k - 1]
            share = (progress - along[k - 1]) / step if step > 0 else 0.0
            return clock[k - 1] + share * (clock[k] - clock[k - 1])
    return clock[-1]
