"""Schedules: numbers as functions of progress, which runs from 0 to 1 whatever the number of steps."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def decay(progress: float, first: float, last: float) -> float:
    """From `first` to `last` in equal ratios."""
    return float(first * (last / first) ** min(max(progress, 0.0), 1.0))


def stage(progress: float, stages: Sequence[tuple[float, T]]) -> T:
    """The value of the last stage that has begun; the first one has from the start.

    Args:
        progress: From 0 to 1.
        stages: Where each begins, and its value, in order.
    """
    current = stages[0][1]
    for begin, value in stages:
        if progress >= begin:
            current = value
    return current


def growth(progress: float, first: int, last: int, begin: float, end: float) -> int:
    """How many Gaussians there should be: more by the same ratio in equal times, from `begin` to `end`."""
    if last <= first or progress <= begin:
        return first
    share = min((progress - begin) / (end - begin), 1.0)
    return round(first * float((last / first) ** share))
