"""Where and when feet step: the plan of a walk over a travel that is known.

Each foot stands still from its strike to its toe-off, and its print lies under where the body will be in the middle of
that stance, in heading and width: straight walks, bends, starts, stops and turns on the spot come from one rule.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatsim.avatar._rotations import wrapped
from splatsim.avatar.gait import GRAVITY, GaitStyle, cadence, froude_speed, running, stance_share
from splatsim.avatar.proportions import Proportions
from splatsim.avatar.travel import TICK, Travel

Array = NDArray[np.float64]

MOVES, TURNS = 0.05, 0.12
"""Speed (m/s) and turning rate (rad/s) above which a person steps."""
NEAR, ALIGNED = 0.05, np.radians(14)
"""How far from its place under the body a foot may stay when a person stops, metres and radians."""
STANDING = 0.105
"""How far from the middle the balls of the feet stand at most at rest, metres for hips at 0.9 m: many rigs' rest poses
straddle."""
CLOSING = 0.28
"""Strides per sqrt(h / g) at which the feet come together when the body has stopped."""
FARTHEST = 0.6
"""How far the body goes ahead of a standing foot, of the hips' height."""
MOST_STEPS = 8
"""Steps that a person takes at most after the body has stopped."""


@dataclass(frozen=True)
class Steps:
    """The steps of one foot: m of them, between m + 1 prints."""

    lifts: Array
    """[m], times of toe-off, seconds."""
    strikes: Array
    """[m], times of strike."""
    balls: Array
    """[m + 1 2], where the ball of the foot stands, metres."""
    yaws: Array
    """[m + 1], headings."""
    stances: Array
    """[m], seconds that a stance lasts at the pace of each step."""
    speeds: Array
    """[m], speed of the body at each step, m/s."""


def prints_under(
    person: Proportions, width: Array, place: Array, yaw: Array, speed: Array, side: NDArray[np.int64]
) -> tuple[Array, Array]:
    """Where a foot stands under bodies [n] in the middle of its stance: ball [n 2] and heading [n]."""
    hips, balls = person.at("pelvis"), person.both("toe")
    rows = np.arange(len(person)) if len(person) > 1 else np.zeros(len(side), np.int64)
    size = person.leg[rows] / 0.9
    share = np.clip(froude_speed(speed, person.leg[rows]) / 0.35, 0, 1)
    run = running(speed, person.leg[rows])
    sign = 1.0 - 2.0 * side
    rest = balls[rows, side, :2] - hips[rows, :2]
    narrow = sign * size * (0.068 * width * (1 - run) + 0.03 * run)
    ahead = rest[:, 0] - size * (0.085 * share + 0.04 * run)
    stands = sign * np.minimum(sign * rest[:, 1], STANDING * size * width)
    across = stands + share * (narrow - stands)
    out = person.toe_out[rows, side]
    heading = yaw + out + share * (np.radians(6.0) * sign - out)
    cos, sin = np.cos(yaw), np.sin(yaw)
    ball = place + np.stack([cos * ahead - sin * across, sin * ahead + cos * across], axis=-1)
    return ball, heading


def plan_steps(person: Proportions, style: GaitStyle, travel: Travel) -> tuple[tuple[Steps, Steps], Array]:
    """All steps of both feet, and the phase at each tick."""
    leg = person.leg
    rates = cadence(travel.speeds, travel.turn_rates, leg, np.array([style.stride]))
    shares = stance_share(travel.speeds, leg)
    plans: tuple[list[_Step], list[_Step]] = ([], [])
    knots: list[tuple[float, float]] = [(0.0, 0.0)]
    spans = _active(travel)
    while spans:
        start, end = spans.pop(0)
        planned, phase, stop = _walk_off(person, style, travel, rates, shares, (start, end), knots[-1][1])
        if spans and spans[0][0] < stop + 0.3:
            spans[0] = (start, spans[0][1])  # the next movement begins before the feet are at rest: one walk
            continue
        for side in range(2):
            plans[side].extend(planned[side])
        knots.extend(phase)
    phases = np.interp(TICK * np.arange(len(rates)), np.array([t for t, _ in knots]), np.array([p for _, p in knots]))
    return (_steps(person, style, travel, plans[0], 0), _steps(person, style, travel, plans[1], 1)), phases


@dataclass(frozen=True)
class _Step:
    lift: float
    strike: float
    ball: Array
    yaw: float
    stance: float
    speed: float


def _active(travel: Travel) -> list[tuple[float, float]]:
    """Spans of time in which the body moves or turns."""
    moving = (travel.speeds > MOVES) | (np.abs(travel.turn_rates) > TURNS)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], moving, [False]]).astype(np.int8)))
    return [(float(a * TICK), float((b - 1) * TICK)) for a, b in edges.reshape(-1, 2)]


def _walk_off(
    person: Proportions,
    style: GaitStyle,
    travel: Travel,
    rates: Array,
    shares: Array,
    span: tuple[float, float],
    before: float,
) -> tuple[tuple[list[_Step], list[_Step]], list[tuple[float, float]], float]:
    """Steps from standing before a span to standing after it; phases at times; when the feet are at rest."""
    start, end = span
    first = _first_foot(travel, start)
    offset = float(shares[0]) - 0.5 * first  # phase at which this foot lifts
    phase0 = offset + np.ceil(before - offset)
    count = int((end - start) / TICK) + int(6.0 / TICK)
    index = np.minimum(int(start / TICK) + np.arange(count), len(rates) - 1)
    times = start + TICK * np.arange(count)
    closing = np.where(times > end - 0.2, CLOSING * float(np.sqrt(GRAVITY / person.leg[0])), 0.0)
    phase = phase0 + np.concatenate([[0.0], np.cumsum(TICK * np.maximum(rates[index], closing)[:-1])])
    plans: tuple[list[_Step], list[_Step]] = ([], [])
    final, side, number = travel.read("places", np.array([end])), first, 0
    final_yaw = travel.read("yaws", np.array([end]))
    at_rest = [False, False]
    over = 0
    strike_phase = phase0 + (1 - float(shares[0]))
    while not all(at_rest) and over < MOST_STEPS:
        strike = float(np.interp(strike_phase, phase, times))
        share = float(np.interp(strike, TICK * np.arange(len(shares)), shares))
        lift = max(float(np.interp(strike_phase - (1 - share), phase, times)), start)
        lift = _left_behind(person, travel, plans[side], lift)
        middle = np.array([np.interp(strike_phase + share / 2, phase, times)])
        speed = travel.read("speeds", middle)
        place, yaw = travel.read("places", middle), travel.read("yaws", middle)
        sides, width = np.array([side]), np.array([style.width])
        ball, heading = prints_under(person, width, place, yaw, speed, sides)
        rest, rest_yaw = prints_under(person, width, final, final_yaw, np.zeros(1), sides)
        rate = float(np.interp(strike, TICK * np.arange(len(rates)), rates))
        plans[side].append(_Step(lift, strike, ball[0], float(heading[0]), share / rate, float(speed[0])))
        at_rest[side] = bool(
            np.linalg.norm(ball - rest) < NEAR
            and abs(wrapped(heading - rest_yaw)[0]) < ALIGNED
            and middle[0] >= end - 0.4
        )
        over += strike > end
        strike_phase, side, number = strike_phase + 0.5, 1 - side, number + 1
    last = max(plan[-1].strike for plan in plans if plan)
    knots = [(t, p) for t, p in zip(times[::2].tolist(), phase[::2].tolist(), strict=True) if t <= last]
    return plans, knots, last


def _left_behind(person: Proportions, travel: Travel, plan: list[_Step], lift: float) -> float:
    """When a foot leaves the floor: at its time, or before the body is too far ahead of it."""
    if not plan or lift <= plan[-1].strike + TICK:
        return lift
    moments = np.arange(plan[-1].strike, lift, TICK)
    away = np.linalg.norm(travel.read("places", moments) - plan[-1].ball, axis=-1)
    half = 0.5 * (plan[-1].strike + lift)
    far = (away > FARTHEST * person.leg[0]) & (moments > half)
    return float(moments[far.argmax()]) if far.any() else lift


def _first_foot(travel: Travel, start: float) -> int:
    """The foot on the side that the body turns to; otherwise the left."""
    turned = travel.read("yaws", np.array([start, start + 0.8]))
    return int(turned[1] - turned[0] < -0.15)


def _steps(person: Proportions, style: GaitStyle, travel: Travel, plan: list[_Step], side: int) -> Steps:
    """The steps of one foot as arrays, with where it stands at the start."""
    ball, yaw = prints_under(
        person,
        np.array([style.width]),
        travel.read("places", np.zeros(1)),
        travel.read("yaws", np.zeros(1)),
        np.zeros(1),
        np.array([side]),
    )
    return Steps(
        lifts=np.array([step.lift for step in plan]),
        strikes=np.array([step.strike for step in plan]),
        balls=np.stack([ball[0], *(step.ball for step in plan)]),
        yaws=np.array([yaw[0], *(step.yaw for step in plan)]),
        stances=np.array([step.stance for step in plan]),
        speeds=np.array([step.speed for step in plan]),
    )
