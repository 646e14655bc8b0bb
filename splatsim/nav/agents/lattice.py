"""Ways made of discrete steps: a beam search over the places and headings that they lead to (Lowerre 1976).

All ways in the beam have equally many forward steps, so they are compared by what is left to the goal, and by turns.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatsim.nav.agents.standpoint import Pose
from splatsim.nav.agents.terrain import Array, Terrain, heading_vectors, whole_circle
from splatsim.nav.unicycle import Drive, Step

TURN_COST = 0.02
"""What a turn counts, metres: less than a detour that one would see."""
MOST_TURNS = 6
"""Between two steps forward, but for the first."""
CELL = 0.04
"""Ways that end so near to each other, with one heading, are one, metres."""


@dataclass(frozen=True)
class Search:
    """How thoroughly is searched."""

    width: int = 48
    """Ways that are kept after each step forward."""
    horizon: int = 240
    """Most steps forward."""


@dataclass(frozen=True)
class _Level:
    """The ways with equally many steps forward: where each ends, and how it came there."""

    places: Array
    turns: NDArray[np.int64]
    costs: Array
    parents: NDArray[np.int64]
    last: NDArray[np.int64]


def plan(terrain: Terrain, pose: Pose, drive: Drive, reach: float, search: Search = Search()) -> list[Step]:
    """Steps to a place less than `reach` from the goal, or as far as the horizon; none where every way is closed.

    The goal counts as reached where the distance along the floor says so, and is best reached by the fewest steps.
    """
    here = np.array([pose[:2]])
    levels = [_Level(here, *(np.zeros(1, int),), np.zeros(1), np.zeros(1, int), np.zeros(1, int))]
    if float(terrain.left(here)[0]) < reach:
        return [Step.STOP]
    for number in range(search.horizon):
        level = _next_level(terrain, levels[-1], pose[2], drive, search.width, first=number == 0)
        if level is None:
            break
        levels.append(level)
        near = np.nonzero(terrain.ahead(level.places) < reach + 2 * terrain.field.frame.resolution)[0]
        there = near[terrain.left(level.places[near]) < reach] if len(near) else near
        if len(there):
            return [*_steps(levels, int(there[0])), Step.STOP]
    return _steps(levels, 0)


def _next_level(terrain: Terrain, level: _Level, yaw: float, drive: Drive, width: int, *, first: bool) -> _Level | None:
    """All ways one step further, the best first."""
    circle = whole_circle(drive.turn)
    most = circle // 2 if first else min(MOST_TURNS, circle // 2)
    choices = np.arange(-most, most + 1)
    turns = level.turns[:, None] + choices
    moves = heading_vectors(yaw + turns * drive.turn, drive.forward)
    ends = (level.places[:, None] + moves).reshape(-1, 2)
    costs = (level.costs[:, None] + TURN_COST * np.abs(choices)).ravel()
    order = np.argsort(terrain.ahead(ends) + costs, kind="stable")[: 6 * width]
    order = order[distinct(ends[order], turns.ravel()[order] % circle)]
    parents = order // len(choices)
    open_ = _open(terrain, level.places[parents], moves.reshape(-1, 2)[order], first=first)
    order, parents = order[open_][:width], parents[open_][:width]
    if not len(order):
        return None
    return _Level(ends[order], turns.ravel()[order], costs[order], parents, choices[order % len(choices)])


def _open(terrain: Terrain, places: Array, moves: Array, *, first: bool) -> NDArray[np.bool_]:
    found = terrain.passes(places, moves)
    # A robot that touches something already may at least leave it.
    return terrain.passes(places, moves, -1e-5) if first and not found.any() else found


def distinct(ends: Array, *others: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first of those that end alike, in their order: within a cell, and with the same other numbers."""
    key = np.zeros(len(ends), np.int64)
    for values in (*np.round(ends / CELL).astype(np.int64).T, *others):
        low = values.min(initial=0)
        key = key * (values.max(initial=0) - low + 1) + values - low
    return np.sort(np.unique(key, return_index=True)[1])


def _steps(levels: list[_Level], which: int) -> list[Step]:
    """The way that ends in one place of the last level."""
    found: list[Step] = []
    for level in levels[:0:-1]:
        turns = int(level.last[which])
        found += [Step.FORWARD, *[Step.LEFT if turns > 0 else Step.RIGHT] * abs(turns)]
        which = int(level.parents[which])
    return found[::-1]


def after(pose: Pose, step: Step, drive: Drive) -> Pose:
    """Where a step leads that nothing stops."""
    if step == Step.FORWARD:
        x, y = np.asarray(pose[:2]) + heading_vectors(np.asarray(pose[2]), drive.forward)
        return float(x), float(y), pose[2]
    turn = drive.turn * ((step == Step.LEFT) - (step == Step.RIGHT))
    return pose[0], pose[1], pose[2] + turn
