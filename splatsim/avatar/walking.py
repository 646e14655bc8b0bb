"""Walking, running, turning and standing along a path: footprints first, then the body over them.

Nothing slides, because nothing is moved that stands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from splatsim.avatar._arrays import Numbers
from splatsim.avatar.clip_blend import ClipBlend
from splatsim.avatar.feet import LANDED, Feet, Prints, Roll, choose, roll_of, standing, swinging
from splatsim.avatar.footsteps import Steps, plan_steps
from splatsim.avatar.gait import GaitStyle, Styles, running
from splatsim.avatar.gait_pose import BodyState, own_carriage, pose_bodies
from splatsim.avatar.motion import SampledMotion
from splatsim.avatar.proportions import Proportions, proportions
from splatsim.avatar.skeleton import Pose, Skeleton
from splatsim.avatar.travel import TICK, Travel, travel_along, travel_through

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Walk:
    """The motion of a person along a way: poses at any times, in constant time each."""

    skeleton: Skeleton
    """Whose poses they are."""
    style: GaitStyle
    """How this person walks."""
    travel: Travel
    """Where the person is, when."""
    floor: float
    """Height of the floor, metres."""
    steps: tuple[Steps, Steps]
    """Those of the left foot, those of the right."""
    phases: Array
    """Strides done, at each tick of the travel."""
    clips: ClipBlend | None = None
    """What carries trunk, head and arms, instead of the procedural swing."""

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.travel.duration

    def at(self, seconds: float | Float[Tensor, "*t"]) -> Pose:
        """The pose at a time, or one for each of many; before the start the first, after the end the last."""
        asked = torch.as_tensor(seconds, dtype=torch.float64)
        if not bool(torch.isfinite(asked).all()):
            raise ValueError("a time asked of the motion is not finite; expected seconds.")
        times = np.clip(asked.reshape(-1).numpy(), 0.0, self.duration)
        poses = self._poses(times)
        rotations = poses.rotations.reshape(*asked.shape, *poses.rotations.shape[1:])
        return Pose(rotations, poses.root.reshape(*asked.shape, 3))

    def grounded(self, seconds: Float[Tensor, " t"]) -> NDArray[np.bool_]:
        """Which feet, left and right, are on the floor at times [t]: [t 2]."""
        times = seconds.double().numpy()
        return np.stack([~_phase_of(steps, times)[1] for steps in self.steps], axis=-1)

    def _poses(self, times: Array) -> Pose:
        person = proportions([self.skeleton])
        state = self.state(person, times)
        style = Styles.of([self.style])
        carriage = own_carriage(person, style, state)
        if self.clips is not None:
            carriage = self.clips.carriage(state, carriage)
        return pose_bodies(person, state, carriage)

    def state(self, person: Proportions, times: Array) -> BodyState:
        """Where the person is in the stride at times [t], and where the feet are."""
        read = self.travel.read
        return BodyState(
            place=read("places", times),
            floor=np.full(len(times), self.floor),
            yaw=read("yaws", times),
            look=read("looks", times),
            speed=read("speeds", times),
            turn_rate=read("turn_rates", times),
            push=read("pushes", times),
            phase=np.interp(times / TICK, np.arange(len(self.phases)), self.phases),
            clock=times,
            feet=_feet(person, self.steps, times, self.floor),
        )


def walk_along(
    skeleton: Skeleton,
    path: Numbers,
    *,
    speed: float = 1.3,
    pauses: Mapping[int, float] | None = None,
    times: Numbers | None = None,
    heading: float | None = None,
    style: GaitStyle | None = None,
    clips: Sequence[SampledMotion] | None = None,
) -> Walk:
    """A person walks along a polyline [p 2] on the floor z = 0, from rest to rest, or is at its points at `times`.

    Args:
        speed: The speed aimed at, m/s; above about 2.1 m/s an adult runs.
        pauses: Seconds to stand at points of the path, by index.
        times: Seconds [p] at which the points are reached; takes the place of speed and pauses.
        heading: Where the person looks at the start, radians; by default along the path.
        clips: Recorded motions that carry trunk, head and arms, mixed by speed and turning rate; the feet stand where
            they are planned to.

    Raises:
        ValueError: path, speed, pauses or times are not possible, a clip holds no stride, or the skeleton does not
            stand on two legs.
    """
    if times is not None:
        travel = travel_through(path, times)
    else:
        travel = travel_along(path, speed=speed, pauses=pauses, heading=heading)
    return walk_travel(skeleton, travel, style=style, clips=clips)


def walk_travel(
    skeleton: Skeleton,
    travel: Travel,
    *,
    style: GaitStyle | None = None,
    floor: float = 0.0,
    clips: Sequence[SampledMotion] | None = None,
) -> Walk:
    """A person's motion over a travel that is already known.

    Raises:
        ValueError: the skeleton does not stand on two legs, or a clip holds no stride.
    """
    style = style or GaitStyle()
    person = proportions([skeleton])
    steps, phases = plan_steps(person, style, travel)
    return Walk(skeleton, style, travel, floor, steps, phases, ClipBlend(skeleton, clips) if clips else None)


def _phase_of(steps: Steps, times: Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """How many steps a foot has done, and whether it is in the air."""
    done = np.searchsorted(steps.strikes, times, side="right")
    if len(steps.lifts) == 0:
        return done, np.zeros(len(times), bool)
    following = np.minimum(done, len(steps.lifts) - 1)
    return done, (done < len(steps.lifts)) & (times >= steps.lifts[following])


def _feet(person: Proportions, both: tuple[Steps, Steps], times: Array, floor: float) -> Feet:
    """Both feet at times [t]."""
    columns = [_one_foot(person, steps, times) for steps in both]
    stack = {name: np.stack([column[name] for column in columns], axis=1) for name in columns[0]}

    def prints(which: str) -> Prints:
        ball = stack[f"{which}_ball"]
        high = np.full((*ball.shape[:2], 1), floor)
        return Prints(np.concatenate([ball, high], axis=-1), stack[f"{which}_yaw"])

    def roll(which: str) -> Roll:
        return Roll(stack[f"{which}_strike"], stack[f"{which}_push"], stack[f"{which}_toes"])

    grounded = standing(person, prints("here"), stack["landed"], stack["leaving"], roll("came"), roll("goes"))
    run = running(stack["speed"], person.leg[:, None])
    flying = swinging(
        person, prints("here"), prints("next"), stack["share"], roll("goes"), roll("goes"), run, stack["ratio"]
    )
    return choose(stack["air"] > 0, flying, grounded)


def _one_foot(person: Proportions, steps: Steps, times: Array) -> dict[str, Array]:
    """What `standing` and `swinging` ask of one foot, at times [t]."""
    done, air = _phase_of(steps, times)
    count = len(steps.lifts)
    none = np.zeros(len(times))
    found = {"here_ball": steps.balls[done], "here_yaw": steps.yaws[done], "air": air.astype(np.float64)}
    if count == 0:
        rolls_of_none = [f"{a}_{b}" for a in ("came", "goes") for b in ("strike", "push", "toes")]
        names = ["landed", "leaving", "share", "ratio", "speed", *rolls_of_none]
        return found | dict.fromkeys(names, none) | {"next_ball": found["here_ball"], "next_yaw": found["here_yaw"]}
    along = np.stack([np.cos(steps.yaws), np.sin(steps.yaws)], axis=-1)
    ways = np.diff(steps.balls, axis=0)
    length = np.maximum((ways * 0.5 * (along[1:] + along[:-1])).sum(-1), 0)
    rolls = roll_of(length[:, None], steps.speeds, np.broadcast_to(person.leg, (count,)))
    after, before = np.minimum(done, count - 1), np.maximum(done - 1, 0)
    has_before, has_after = done > 0, done < count
    for name in ("strike", "push", "toes"):
        column = getattr(rolls, name)[:, 0]
        found[f"came_{name}"] = np.where(has_before, column[before], 0)
        found[f"goes_{name}"] = np.where(has_after, column[after], 0)
    stance = steps.stances
    swing = np.maximum(steps.strikes - steps.lifts, 1e-3)
    found["landed"] = np.where(has_before, (times - steps.strikes[before]) / (LANDED * stance[before]), 1)
    found["leaving"] = np.where(has_after, 1 - (steps.lifts[after] - times) / stance[after], 0)
    found["share"] = (times - steps.lifts[after]) / swing[after]
    found["ratio"] = swing[after] / stance[after]
    found["speed"] = steps.speeds[after]
    found["next_ball"] = steps.balls[np.minimum(done + 1, count)]
    found["next_yaw"] = steps.yaws[np.minimum(done + 1, count)]
    return found
