"""How commands become motion: a unicycle with limits, driven by (v, ω) or by discrete steps."""

import math
from dataclasses import dataclass
from enum import IntEnum

import torch
from jaxtyping import Float, Int
from torch import Tensor

from splatsim.errors import EpisodeError
from splatsim.nav.physics import Crowd, Moved, Space

ARC = math.radians(5)
"""A turn while driving is driven in straight pieces of at most this angle."""


class Step(IntEnum):
    """Discrete actions, numbered as in Habitat and GN-Bench."""

    STOP = 0
    FORWARD = 1
    LEFT = 2
    RIGHT = 3


@dataclass(frozen=True)
class Drive:
    """What a robot can do.

    Raises:
        ValueError: a limit is not positive.
    """

    max_speed: float = 1.0
    """m/s, forwards; backwards half of it."""
    max_turn: float = math.radians(90)
    """rad/s."""
    max_acceleration: float = 2.0
    """m/s²."""
    max_turn_acceleration: float = math.radians(360)
    """rad/s²."""
    forward: float = 0.25
    """Of a discrete step, metres."""
    turn: float = math.radians(15)
    """Of a discrete turn, radians."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (0 < value < math.inf):
                raise ValueError(f"Drive.{name} is {value}; expected a positive number.")

    def seconds(self, step: Step) -> float:
        """How long a discrete step takes: at full speed, from rest to rest without delay."""
        return {Step.STOP: 0.0, Step.FORWARD: self.forward / self.max_speed}.get(step, self.turn / self.max_turn)


def wrapped(angles: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """The same angles in [-π, π), radians."""
    return torch.remainder(angles + math.pi, 2 * math.pi) - math.pi


def within_limits(
    command: Float[Tensor, "n 2"], velocity: Float[Tensor, "n 2"], drive: Drive, seconds: float
) -> Float[Tensor, "n 2"]:
    """The velocity (v, ω) after a time in which a command is followed as far as the limits allow.

    Raises:
        EpisodeError: a command is not finite.
    """
    if not bool(command.isfinite().all()):
        row = int((~command.isfinite().all(-1)).nonzero()[0, 0])
        raise EpisodeError(
            f"command {row} is {command[row].tolist()}; expected a finite speed in m/s and turn in rad/s."
        )
    wanted = torch.stack(
        [
            command[:, 0].double().clamp(-drive.max_speed / 2, drive.max_speed),
            command[:, 1].double().clamp(-drive.max_turn, drive.max_turn),
        ],
        dim=-1,
    )
    change = torch.tensor([drive.max_acceleration, drive.max_turn_acceleration], dtype=torch.float64) * seconds
    return velocity.double() + (wanted - velocity.double()).clamp(-change, change)


def drive_on(
    space: Space,
    poses: Float[Tensor, "n 3"],
    velocity: Float[Tensor, "n 2"],
    radii: Float[Tensor, " n"],
    seconds: float,
    crowd: Crowd | None = None,
    *,
    sliding: bool = False,
) -> tuple[Float[Tensor, "n 3"], Moved]:
    """Drive at (v, ω) for a time; the arc is driven in short chords of its true length, each swept exactly.

    Raises:
        EpisodeError: a number is not finite, or the time is negative.
    """
    if not (0 <= seconds < math.inf):
        raise EpisodeError(f"seconds is {seconds}; expected a time of 0 or more.")
    crowd = Crowd.nobody(len(poses)) if crowd is None else crowd.to(torch.float64)
    turned = velocity[:, 1].double() * seconds
    pieces = max(1, math.ceil(float(turned.abs().max()) / ARC)) if len(poses) else 1
    places, yaw = poses[:, :2].double(), poses[:, 2].double()
    static, human = (torch.zeros(len(poses), dtype=torch.bool) for _ in range(2))
    half = turned / pieces / 2
    # A chord of an arc is sin(a) / a times as long as it, a being half of its angle.
    reach = velocity[:, 0].double() * seconds / pieces * torch.sinc(half / math.pi)
    for piece in range(pieces):
        heading = yaw + half
        share = torch.full((len(poses),), 1 / (pieces - piece), dtype=torch.float64)
        here = crowd.replace(moves=crowd.moves * share[crowd.robots][:, None])
        moves = reach[:, None] * torch.stack([heading.cos(), heading.sin()], dim=-1)
        moved = space.move(places, moves, radii, here, sliding=sliding)
        places, yaw = moved.places, yaw + 2 * half
        static, human = static | moved.static, human | moved.human
        crowd = crowd.after(share)
    yaw = wrapped(yaw)
    return torch.cat([places, yaw[:, None]], dim=-1), Moved(places, static, human)


def take_step(
    space: Space,
    poses: Float[Tensor, "n 3"],
    steps: Int[Tensor, " n"],
    radii: Float[Tensor, " n"],
    drive: Drive,
    crowd: Crowd | None = None,
    *,
    sliding: bool = False,
) -> tuple[Float[Tensor, "n 3"], Moved]:
    """A discrete step of each robot; the crowd's moves are those of the time that the step takes.

    Raises:
        EpisodeError: an action is none of the four.
    """
    if bool(((steps < 0) | (steps > 3)).any()):
        raise EpisodeError(f"actions are {steps.tolist()[:8]}; expected 0 stop, 1 forward, 2 left, 3 right.")
    forward = torch.where(steps == Step.FORWARD, drive.forward, 0.0).double()
    yaw = poses[:, 2].double()
    moves = forward[:, None] * torch.stack([yaw.cos(), yaw.sin()], dim=-1)
    moved = space.move(poses[:, :2], moves, radii, crowd, sliding=sliding)
    turn = (steps == Step.LEFT).double() - (steps == Step.RIGHT).double()
    yaw = wrapped(yaw + drive.turn * turn)
    return torch.cat([moved.places, yaw[:, None]], dim=-1), moved
