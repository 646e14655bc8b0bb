"""How people walk and run: cadence, stance and the swings of the body, as functions of speed and turning rate.

Lengths scale with the height of the hips h, times with sqrt(h / g): people of all sizes move alike at the same Froude
number v² / (g h) (Alexander 1976). All is continuous in speed and turning rate, so that it can be read at any moment.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatsim.avatar._rotations import ease

Array = NDArray[np.float64]

GRAVITY = 9.81
STRIDE = 2.45
"""Stride of h at Froude number 1: Alexander (1976) has 2.3 for all animals, walking adults measure 2.4 to 2.5."""
SLOWEST = 0.19
"""Least strides per sqrt(h / g): slower walkers take shorter steps, not ever slower ones."""
RUN = (0.68, 0.95)
"""Between these speeds, of sqrt(g h), walking becomes running: Froude numbers 0.46 and 0.9."""
TURN_PER_STRIDE = 1.15
"""Most radians that one stride turns the body by."""
WALK_STANCE, RUN_STANCE = 0.62, 0.34
"""Share of a stride that a foot stands at 1.4 m/s and in a run of 3.5 m/s."""


@dataclass(frozen=True)
class GaitStyle:
    """What makes one person's walk differ from another's; every number is 1 for the average."""

    stride: float = 1.0
    """Length of strides at the same speed."""
    arm_swing: float = 1.0
    """How far the arms swing."""
    width: float = 1.0
    """Distance of the feet across."""
    bounce: float = 1.0
    """Rise and fall of the body."""
    sway: float = 1.0
    """Rocking of hips and shoulders."""
    lean_deg: float = 0.0
    """How far the trunk leans forward beyond the average, degrees."""
    arm_spread_deg: float = 9.0
    """How far the arms hang from the body's sides, degrees."""
    seed: int = 0
    """Chooses the slow movements of standing."""

    def __post_init__(self) -> None:
        limits = {
            "stride": (0.6, 1.5),
            "arm_swing": (0.0, 2.0),
            "width": (0.3, 2.5),
            "bounce": (0.0, 1.6),
            "sway": (0.0, 2.0),
            "lean_deg": (-10.0, 25.0),
            "arm_spread_deg": (0.0, 40.0),
        }
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"GaitStyle.{name} is {getattr(self, name)}; expected {low:g} to {high:g}.")

    @classmethod
    def vary(cls, seed: int, arm_spread_deg: float = 9.0) -> "GaitStyle":
        """A person's own way of walking, by chance."""
        draw = np.random.default_rng([seed, 0x6A17]).normal(size=6).clip(-2, 2)
        return cls(
            stride=float(1 + 0.04 * draw[0]),
            arm_swing=float(1 + 0.2 * draw[1]),
            width=float(1 + 0.12 * draw[2]),
            bounce=float(1 + 0.12 * draw[3]),
            sway=float(1 + 0.2 * draw[4]),
            lean_deg=float(1.5 * draw[5]),
            arm_spread_deg=arm_spread_deg,
            seed=seed,
        )


@dataclass(frozen=True)
class Styles:
    """The numbers of n people's styles as arrays [n]."""

    stride: Array
    arm_swing: Array
    width: Array
    bounce: Array
    sway: Array
    lean: Array
    arm_spread: Array
    seeds: tuple[int, ...]

    @classmethod
    def of(cls, styles: "list[GaitStyle]") -> "Styles":
        """Stack the styles of n people; angles become radians."""

        def column(name: str) -> Array:
            return np.array([getattr(style, name) for style in styles], np.float64)

        plain = {name: column(name) for name in ("stride", "arm_swing", "width", "bounce", "sway")}
        lean, spread = np.radians(column("lean_deg")), np.radians(column("arm_spread_deg"))
        return cls(**plain, lean=lean, arm_spread=spread, seeds=tuple(style.seed for style in styles))


def froude_speed(speed: Array, leg: Array) -> Array:
    """Speed of sqrt(g h): the root of the Froude number."""
    return np.asarray(speed / np.sqrt(GRAVITY * leg))


def running(speed: Array, leg: Array) -> Array:
    """0 where people walk, 1 where they run."""
    return ease((froude_speed(speed, leg) - RUN[0]) / (RUN[1] - RUN[0]))


def cadence(speed: Array, turn_rate: Array, leg: Array, stride: Array) -> Array:
    """Strides per second at a speed and a turning rate, metres and radians per second.

    Source: stride = 2.3 h Fr^0.3 (Alexander 1976), with `STRIDE` for 2.3, not below `SLOWEST`.
    """
    pace = np.sqrt(GRAVITY / leg)
    forward = pace * froude_speed(speed, leg) ** 0.4 / (STRIDE * stride)
    turning = np.abs(turn_rate) / TURN_PER_STRIDE
    return np.asarray((forward**4 + turning**4 + (SLOWEST * pace) ** 4) ** 0.25)


def stance_share(speed: Array, leg: Array) -> Array:
    """Share of the stride for which each foot is on the ground."""
    slow = 0.05 * (1 - ease(froude_speed(speed, leg) / 0.45))
    run = ease((froude_speed(speed, leg) - RUN[0]) / 0.5)
    return np.asarray(WALK_STANCE + slow + (RUN_STANCE - WALK_STANCE) * run)
