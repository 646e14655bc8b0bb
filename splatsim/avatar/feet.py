"""How a foot rolls: onto the heel, flat, over the ball and off the toes, then through the air to its next print.

A print is where the ball of the foot stands, flat on the floor, and the foot's heading. While a foot stands, a point
of it rests on the floor without sliding: first the heel, then the ball, then the tip of the toes. Arrays are [n 2]:
people, left and right; pitch is positive with the heel up, negative with the toes up.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatsim.avatar._rotations import ease, ease_more, wrapped
from splatsim.avatar.gait import running
from splatsim.avatar.proportions import HEEL, TOES, Proportions

Array = NDArray[np.float64]

STRIKE, PUSH, TOES_OFF = np.radians(22.0), np.radians(54.0), np.radians(30.0)
"""Pitch of the foot at heel strike and at toe-off, and of the toes at toe-off, of a brisk walk (Winter 1991)."""
LONG = 1.5
"""Length of a foot's step, of the hips' height, from which on it rolls as far as that."""
LANDED, RISES = 0.14, 0.5
"""Shares of a stance after which the foot is flat and from which on the heel rises."""
TOES_RISE = 0.72
"""Share of a stance from which on the ball rises over the toes."""
CLEARANCE = 0.060
"""How high above the floor a walker carries the joint at the ball of the foot, metres, whatever the walker's size."""
KICK = 0.2
"""How much higher a runner lifts it, of the hips' height."""


@dataclass(frozen=True)
class Prints:
    """Where feet stand."""

    ball: Array
    """[n 2 3], x and y of the ball and z of the floor there, metres."""
    yaw: Array
    """[n 2], heading of the foot, radians."""


@dataclass(frozen=True)
class Feet:
    """Where feet are."""

    ball: Array
    """[n 2 3], the joint at the ball, metres."""
    yaw: Array
    """[n 2], heading."""
    pitch: Array
    """[n 2], of the foot."""
    toes: Array
    """[n 2], pitch of the toes."""


@dataclass(frozen=True)
class Roll:
    """How far the feet roll in a step: pitches at strike and at toe-off, [n 2]."""

    strike: Array
    push: Array
    toes: Array


def roll_of(length: Array, speed: Array, leg: Array) -> Roll:
    """How far a foot rolls for steps of these lengths [n 2], metres, at speeds [n]."""
    share = np.clip(length / (LONG * leg[:, None]), 0.0, 1.0)
    run = running(speed, leg)[:, None]
    return Roll(STRIKE * share * (1 - 0.75 * run), PUSH * share, TOES_OFF * np.clip(1.25 * share, 0, 1))


def standing(person: Proportions, prints: Prints, landed: Array, leaving: Array, came: Roll, goes: Roll) -> Feet:
    """Feet on their prints, in the roll of the step they came with and of the one they go on with.

    `landed` runs from 0 at the strike to 1 where the foot is flat, `leaving` from 0 at the start of a whole stance to 1
    at toe-off; both may be held at 1 and at 0.
    """
    strike = came.strike * np.square(1 - np.clip(landed, 0, 1))
    rise = np.clip((leaving - RISES) / (1 - RISES), 0, 1) ** 1.8
    over = np.clip((leaving - TOES_RISE) / (1 - TOES_RISE), 0, 1) ** 2
    return _placed(person, prints, strike, goes.push * rise, goes.toes * over)


def swinging(
    person: Proportions, start: Prints, end: Prints, share: Array, left: Roll, lands: Roll, run: Array, ratio: Array
) -> Feet:
    """Feet in the air between two prints; `share` runs from 0 at toe-off to 1 at the strike.

    `run` says how much the step is a runner's; `ratio` is swing time over stance time, so that the pitch goes on
    at the rate it had on the ground.
    """
    zero = np.zeros_like(share)
    off = _placed(person, start, zero, left.push, left.toes)
    on = _placed(person, end, lands.strike, zero, zero)
    u = np.clip(share, 0, 1)
    across = u / (1 - 0.1 * run)  # a runner's foot comes down from above,
    late = 0.35 + 0.3 * run  # and leaves the ground before it goes far
    ball = off.ball + ((1 - late) * ease(across) + late * ease_more(across))[..., None] * (on.ball - off.ball)
    bump = ease(u / (0.25 + 0.1 * run)) * (1 - ease((u - 0.55) / 0.45))
    height = np.maximum(CLEARANCE - person.both("toe")[..., 2], 0.02)
    height = height + KICK * run * np.clip(left.push / PUSH, 0, 1) * person.leg[:, None]
    ball[..., 2] = off.ball[..., 2] + ease(u) * (on.ball[..., 2] - off.ball[..., 2]) + height * bump
    pitch = _pitch(u, left.push, lands.strike, 1.8 / (1 - RISES) * ratio)
    toes = left.toes + ease(u / 0.45) * (pitch - left.toes)
    yaw = start.yaw + ease(u) * wrapped(end.yaw - start.yaw)
    return Feet(ball, yaw, pitch, toes)


def choose(air: NDArray[np.bool_], flying: Feet, grounded: Feet) -> Feet:
    """Each foot from one of two states."""
    ball = np.where(air[..., None], flying.ball, grounded.ball)
    rest = (np.where(air, getattr(flying, name), getattr(grounded, name)) for name in ("yaw", "pitch", "toes"))
    return Feet(ball, *rest)


def _pitch(u: Array, push: Array, strike: Array, rate: Array) -> Array:
    """Pitch in the air: a Hermite cubic from toe-off, at the rate of the push, to the strike, reached early."""
    early = 0.88
    x = np.clip(u / early, 0, 1)
    onward = x * (1 - x) ** 2 * push * np.clip(rate, 0, 1.0) * early
    return np.asarray(push * (1 - ease(x)) + onward - strike * ease(x))


def _placed(person: Proportions, prints: Prints, strike: Array, push: Array, toes: Array) -> Feet:
    """Feet turned about the heel by `strike`, then about the tip of the toes and about the ball."""
    high = person.both("toe")[..., 2]
    back, front = (1 + HEEL) * person.sole, TOES * person.sole
    ahead = back * (np.cos(strike) - 1) - high * np.sin(strike) + front * (1 - np.cos(toes)) + high * np.sin(toes)
    up = high * np.cos(strike) + back * np.sin(strike) + high * (np.cos(toes) - 1) + front * np.sin(toes)
    ball = prints.ball + np.stack([np.cos(prints.yaw) * ahead, np.sin(prints.yaw) * ahead, up], axis=-1)
    return Feet(ball, prints.yaw, push - strike, toes - strike)
