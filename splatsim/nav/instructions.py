"""Instructions in words: a way told by its turns, the rooms it comes through and the things that it passes."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.nav.landmarks import Landmark
from splatsim.nav.rooms import Rooms
from splatsim.nav.unicycle import wrapped

STEP = 0.1
"""Metres between the points at which a way is looked at."""
LOOK = 0.6
"""Metres before and behind a point over which its course is measured."""
TURN = math.radians(50)
"""From which on a bend is told."""
AROUND = math.radians(135)
"""From which on one turns around."""
APART = 1.2
"""Metres between two bends that are told apart."""
BESIDE = 1.5
"""Metres from the way within which a thing is passed."""
ABREAST = math.radians(35)
"""A thing is passed where it is seen this near to square to the way."""
ENDS = 1.0
"""Metres from either end within which nothing is passed."""
STAY = 0.8
"""Metres within a room without which it is not told."""
MOST_PASSED = 3
"""Things that are told of one way."""
LEAST_PASSED = 0.15
"""Square metres that a thing covers which is told."""
WORDS = {"sanitary": "sanitary ware", "tv": "television"}
"""What classes are called in a sentence, where their own name is none."""


@dataclass(frozen=True)
class Event:
    """Something that a way is told by."""

    along: float
    """Metres from its start."""
    words: str
    """Such as "turn left"."""
    weight: float = math.inf
    """Of those with less only the heaviest are told."""


def compose(
    way: Float[Tensor, "n 2"], yaw: float, things: tuple[Landmark, ...], rooms: Rooms, end: Landmark | None = None
) -> str:
    """A sentence for a way, such as "Turn left, go past the sofa on your right and stop at the bed.".

    Args:
        way: A polyline, metres.
        yaw: Of the robot at its start, radians.
        end: What it ends at.
    """
    points, courses = _even(way)
    first = _turned(yaw, float(courses[0]))
    turns = _bends(courses)
    passed = _passed(points, courses, things, rooms, end)
    events = sorted([*turns, *_entered(points, rooms), *passed], key=lambda event: event.along)
    words = [first] if first else []
    words += [event.words for event in events]
    words = [
        f"{word} again" if i and word == words[i - 1] and word.startswith("turn") else word
        for i, word in enumerate(words)
    ]
    if not words:
        words = ["go straight ahead"]
    stop = f"stop at the {spoken(end.name)}" if end is not None else _stop(points, rooms)
    if stop.removeprefix("stop in ") == words[-1].removeprefix("enter "):
        stop = "stop there"
    text = ", ".join(words) + f" and {stop}."
    return text[0].upper() + text[1:]


def spoken(name: str) -> str:
    """The name of a class as a word."""
    return WORDS.get(name, name.replace("_", " ").replace("-", " "))


def _even(way: Float[Tensor, "n 2"]) -> tuple[Tensor, Tensor]:
    """Points at even distances along a way, and its course there, from some way before to some way behind."""
    way = way.double()
    lengths = (way[1:] - way[:-1]).norm(dim=-1)
    ends = torch.cat([torch.zeros(1, dtype=torch.float64), lengths.cumsum(0)])
    total = float(ends[-1])
    along = torch.arange(max(2, math.ceil(total / STEP) + 1)) * STEP

    def at(spots: Tensor) -> Tensor:
        spots = spots.clamp(0, total)
        piece = (torch.searchsorted(ends, spots, right=True) - 1).clamp(0, len(way) - 2)
        share = (spots - ends[piece]) / lengths[piece].clamp_min(1e-12)
        places: Tensor = way[piece] + share[:, None] * (way[piece + 1] - way[piece])
        return places

    chord = at(along + LOOK) - at(along - LOOK)
    return at(along), torch.atan2(chord[:, 1], chord[:, 0])


def _turned(yaw: float, course: float) -> str:
    angle = math.remainder(course - yaw, 2 * math.pi)
    if abs(angle) > AROUND:
        return "turn around"
    return "" if abs(angle) < TURN / 2 else "turn left" if angle > 0 else "turn right"


def _bends(courses: Float[Tensor, " n"]) -> list[Event]:
    """The sharpest points of bends, each further from the next than a bend is long."""
    half = round(LOOK / STEP)
    if len(courses) <= 2 * half:
        return []
    change = wrapped(courses[2 * half :] - courses[: -2 * half])
    left, found = change.abs(), []
    while float(left.max()) > TURN:
        sharpest = int(left.argmax())
        found.append(Event((sharpest + half) * STEP, "turn left" if float(change[sharpest]) > 0 else "turn right"))
        near = round(APART / STEP)
        left[max(0, sharpest - near) : sharpest + near + 1] = 0
    return found


def _entered(points: Float[Tensor, "n 2"], rooms: Rooms) -> list[Event]:
    """Rooms with a name that a way comes into, where it stays in them for a while."""
    found: list[Event] = []
    runs: list[list[int]] = []  # room, first point, number of points
    for index, room in enumerate(rooms.at(points)):
        if runs and runs[-1][0] == room:
            runs[-1][2] += 1
        else:
            runs.append([room, index, 1])
    inside = [run for run in runs if run[0] >= 0]
    # Where it starts and ends it is, however shortly.
    long = [run for i, run in enumerate(inside) if i in (0, len(inside) - 1) or run[2] * STEP >= STAY]
    for before, (room, first, _) in pairwise(long):
        if rooms.names[room] and room != before[0]:
            found.append(Event(first * STEP, f"enter the {rooms.names[room]}"))
    return found


def _passed(
    points: Float[Tensor, "n 2"],
    courses: Float[Tensor, " n"],
    things: tuple[Landmark, ...],
    rooms: Rooms,
    end: Landmark | None,
) -> list[Event]:
    """The largest things beside a way, each kind once: in the same room, not at its ends, and square to it."""
    here = rooms.at(points)
    last = (len(points) - 1) * STEP
    found: dict[str, Event] = {}
    for thing in things:
        if thing.name in found or thing.size < LEAST_PASSED or (end is not None and thing.name == end.name):
            continue
        middle = torch.tensor(thing.place, dtype=torch.float64)
        away = (points - middle).norm(dim=-1)
        nearest = int(away.argmin())
        along = nearest * STEP
        offset = middle - points[nearest]
        aside = math.remainder(math.atan2(float(offset[1]), float(offset[0])) - float(courses[nearest]), 2 * math.pi)
        square = abs(abs(aside) - math.pi / 2) < ABREAST
        reach = BESIDE + math.sqrt(thing.size) / 2
        together = not rooms.names or here[nearest] == rooms.around(thing)
        if ENDS < along < last - ENDS and square and together and float(away[nearest]) < reach:
            side = "left" if aside > 0 else "right"
            found[thing.name] = Event(along, f"go past the {spoken(thing.name)} on your {side}", thing.size)
    return sorted(found.values(), key=lambda event: -event.weight)[:MOST_PASSED]


def _stop(points: Float[Tensor, "n 2"], rooms: Rooms) -> str:
    room = rooms.at(points[-1:])[0]
    return f"stop in the {rooms.names[room]}" if room >= 0 and rooms.names[room] else "stop there"
