"""People who are told step by step where they are: footprints planned from what is known now, for simulators.

A foot that lifts aims at where the body will be in the middle of its next stance if speed and turning stay as they are,
corrects itself in the air, and stands still once it has landed. All people are advanced together.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from splatsim.avatar._arrays import Numbers
from splatsim.avatar._rotations import wrapped
from splatsim.avatar.feet import LANDED, Feet, Prints, Roll, choose, roll_of, standing, swinging
from splatsim.avatar.footsteps import ALIGNED, NEAR, prints_under
from splatsim.avatar.gait import GaitStyle, Styles, cadence, running, stance_share
from splatsim.avatar.gait_pose import BodyState, own_carriage, pose_bodies
from splatsim.avatar.proportions import proportions
from splatsim.avatar.skeleton import Pose, Skeleton

Array = NDArray[np.float64]

STARTS, STOPS = 0.12, 0.08
"""Speeds, m/s, above which people who stand begin to walk, and below which they may stop."""
TURNING = 0.2
"""Turning rate, rad/s, above which they step."""
FASTEST_TURN = 2.6
"""Greatest turning rate, rad/s."""
FOLLOW = 5.0
"""Turning rate per radian of difference between heading and course, 1/s."""
INERTIA = 0.15
"""Seconds over which speeds are smoothed."""
AIMED = 0.8
"""Share of the swing after which a foot no longer corrects its aim."""
STRAINED, MOST_HASTE = 0.52, 3.0
"""Distance of a standing foot, of the hips' height, from which on people step faster, and how much faster at most."""
LONGEST_STEP = 0.1
"""Seconds that one step may take; longer ones are done in parts."""


class Walkers:
    """n people, advanced by `step`; the same steps always give the same poses.

    Args:
        skeletons: Theirs, of one rig.
        places: Where they stand, [n 2], metres.
        yaws: Where they look, [n], radians.
        styles: How they walk.
        floor: Height of the floor, metres.

    Raises:
        ValueError: counts differ, a number is not finite, or the rigs differ.
    """

    def __init__(
        self,
        skeletons: Sequence[Skeleton],
        places: Numbers,
        yaws: Numbers,
        *,
        styles: Sequence[GaitStyle] | None = None,
        floor: float = 0.0,
    ) -> None:
        self._person = proportions(skeletons)
        n = len(skeletons)
        self.places = _checked("places", places, (n, 2))
        self.yaws = _checked("yaws", yaws, (n,))
        chosen = list(styles) if styles is not None else [GaitStyle()] * n
        if len(chosen) != n:
            raise ValueError(f"there are {len(chosen)} styles for {n} people; expected one each.")
        self._style = Styles.of(chosen)
        self._floor = floor
        self.time = 0.0
        self.speeds, self.turn_rates, self._pushes = np.zeros(n), np.zeros(n), np.zeros(n)
        self._velocities = np.zeros((n, 2))
        self.walking = np.zeros(n, bool)
        self._phase = np.zeros(n)
        self._here = self._under(self.places, self.yaws, np.zeros(n))
        self._next = self._here
        self._air = np.zeros((n, 2), bool)
        self._share, self._ratio = np.zeros((n, 2)), np.full((n, 2), 0.6)
        self._landed, self._leaving = np.ones((n, 2)), np.zeros((n, 2))
        self._rolled = np.zeros((n, 2))
        none = Roll(np.zeros((n, 2)), np.zeros((n, 2)), np.zeros((n, 2)))
        self._came, self._goes, self._left, self._lands = none, none, none, none

    def __len__(self) -> int:
        return len(self.places)

    @property
    def grounded(self) -> NDArray[np.bool_]:
        """Which feet, left and right, are on the floor, [n 2]."""
        return ~self._air

    def step(self, dt: float, places: Numbers, velocities: Numbers, yaws: Numbers | None = None) -> None:
        """Go on by `dt` seconds, after which people are at these places [n 2] with these velocities [n 2].

        Args:
            yaws: Where they look, [n]; by default where they go.

        Raises:
            ValueError: `dt` is not between 0 and 1 second, or a number is not finite.
        """
        n = len(self)
        if not 0 < dt <= 1:
            raise ValueError(f"dt is {dt}; expected a step of more than 0, at most 1 second.")
        goal, pace = _checked("places", places, (n, 2)), _checked("velocities", velocities, (n, 2))
        asked = None if yaws is None else _checked("yaws", yaws, (n,))
        start, count = self.places, int(np.ceil(dt / LONGEST_STEP - 1e-9))
        for part in range(1, count + 1):
            self.places = start + part / count * (goal - start)
            self._advance(dt / count, pace, asked)
        self.places = goal

    def poses(self) -> Pose:
        """How all stand now, [n]."""
        state = self._state()
        return pose_bodies(self._person, state, own_carriage(self._person, self._style, state))

    def _advance(self, dt: float, velocities: Array, yaws: Array | None) -> None:
        self.time += dt
        self._turn(dt, velocities, yaws)
        leg = self._person.leg
        rate = cadence(self.speeds, self.turn_rates, leg, self._style.stride)
        share = stance_share(self.speeds, leg)
        self._start(share)
        before = self._foot_phase()
        self._phase = self._phase + np.where(self.walking, dt * rate * self._haste(), 0)
        after = self._foot_phase()
        length = (self.speeds / rate)[:, None].repeat(2, axis=1)
        roll = roll_of(length, self.speeds, leg)
        self._lift(after, share, roll)
        self._land(after, before)
        self._aim(after, share, rate)
        stance = (share / rate)[:, None]
        self._landed = np.minimum(self._landed + dt / (LANDED * stance), 1)
        on = ~self._air & self.walking[:, None]
        self._leaving = np.where(on, np.clip((after % 1) / share[:, None], 0, 1), self._leaving)
        self._share = np.clip((after % 1 - share[:, None]) / (1 - share[:, None]), 0, 1)
        self._ratio = np.broadcast_to(((1 - share) / share)[:, None], self._ratio.shape)
        self._goes = Roll(roll.strike, roll.push * self._rolled, roll.toes * self._rolled)

    def _turn(self, dt: float, velocities: Array, yaws: Array | None) -> None:
        """Headings follow the course, or what was asked; speeds are smoothed."""
        speed = np.linalg.norm(velocities, axis=-1)
        course = np.arctan2(velocities[:, 1], velocities[:, 0]) if yaws is None else yaws
        sure = speed > STARTS if yaws is None else np.ones(len(self), bool)
        wanted = np.where(sure, np.clip(FOLLOW * wrapped(course - self.yaws), -FASTEST_TURN, FASTEST_TURN), 0)
        mix = 1 - np.exp(-dt / INERTIA)
        self.turn_rates = self.turn_rates + mix * (wanted - self.turn_rates)
        self.yaws = self.yaws + dt * self.turn_rates
        faster = self.speeds + mix * (speed - self.speeds)
        self._pushes = self._pushes + mix * (np.clip((faster - self.speeds) / dt, -3, 3) - self._pushes)
        self.speeds = faster
        self._velocities = self._velocities + mix * (velocities - self._velocities)

    def _under(self, places: Array, yaws: Array, speeds: Array) -> Prints:
        """Prints of both feet under bodies."""
        n = len(places)
        feet = [
            prints_under(self._person, self._style.width, places, yaws, speeds, np.full(n, side)) for side in range(2)
        ]
        ball = np.stack([foot[0] for foot in feet], axis=1)
        high = np.full((n, 2, 1), self._floor)
        return Prints(np.concatenate([ball, high], axis=-1), np.stack([foot[1] for foot in feet], axis=1))

    def _foot_phase(self) -> Array:
        """Strides since the strike of each foot, [n 2]."""
        return np.stack([self._phase, self._phase + 0.5], axis=-1)

    def _start(self, share: Array) -> None:
        """Who stands and begins to move, or stands badly, lifts the foot on the side of the turn, or the worse one."""
        moves = (self.speeds > STARTS) | (np.abs(self.turn_rates) > TURNING)
        off = self._misplaced()
        begins = ~self.walking & (moves | off.any(axis=1))
        right = (self.turn_rates < -0.05) | (off[:, 1] & ~off[:, 0])
        lifted = np.ceil(self._phase) + share - np.where(right, 0.5, 0.0)
        self._phase = np.where(begins, lifted, self._phase)
        self._rolled = np.where(begins[:, None], 0.0, self._rolled)
        self.walking = self.walking | begins

    def _haste(self) -> Array:
        """How much faster people step whose standing foot is far away, [n]: who is pushed or starts in a hurry."""
        away = np.linalg.norm(self._here.ball[..., :2] - self.places[:, None], axis=-1)
        strain = np.where(self._air, 0, away).max(axis=1) / (STRAINED * self._person.leg)
        return np.asarray(np.clip(strain**4, 1, MOST_HASTE))

    def _misplaced(self) -> NDArray[np.bool_]:
        """Feet that do not stand where they would in rest, [n 2]."""
        rest = self._under(self.places, self.yaws, np.zeros(len(self)))
        far = np.linalg.norm((self._here.ball - rest.ball)[..., :2], axis=-1) > NEAR
        return np.asarray(far | (np.abs(wrapped(self._here.yaw - rest.yaw)) > ALIGNED))

    def _lift(self, after: Array, share: Array, roll: Roll) -> None:
        """Feet whose stance is over leave the floor."""
        up = self.walking[:, None] & ~self._air & (after % 1 >= share[:, None])
        left = Roll(roll.strike, roll.push * self._rolled, roll.toes * self._rolled)
        self._left, self._lands = _where(up, left, self._left), _where(up, roll, self._lands)
        self._air = self._air | up

    def _aim(self, after: Array, share: Array, rate: Array) -> None:
        """Feet in the air aim at where the body will be in the middle of their stance."""
        ball, yaw = self._next.ball.copy(), self._next.yaw.copy()
        free = self._air & ((after % 1 - share[:, None]) < AIMED * (1 - share[:, None]))
        for side in range(2):
            ahead = (1 - after[:, side] % 1 + share / 2) / rate
            turned = np.clip(self.turn_rates * ahead, -1.2, 1.2)
            cos, sin = np.cos(turned / 2), np.sin(turned / 2)
            x, y = self._velocities.T
            way = np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)
            under = self._under(self.places + ahead[:, None] * way, self.yaws + turned, self.speeds)
            rows = free[:, side]
            ball[rows, side], yaw[rows, side] = under.ball[rows, side], under.yaw[rows, side]
        self._next = Prints(ball, yaw)

    def _land(self, after: Array, before: Array) -> None:
        """Feet whose swing is over stand; who is slow and stands well with both stops."""
        down = self._air & (np.floor(after) > np.floor(before))
        self._here = Prints(
            np.where(down[..., None], self._next.ball, self._here.ball), np.where(down, self._next.yaw, self._here.yaw)
        )
        self._came = _where(down, self._lands, self._came)
        self._landed, self._leaving = np.where(down, 0, self._landed), np.where(down, 0, self._leaving)
        self._rolled = np.where(down, 1.0, self._rolled)
        self._air = self._air & ~down
        slow = (self.speeds < STOPS) & (np.abs(self.turn_rates) < TURNING)
        stops = down.any(axis=1) & slow & ~self._air.any(axis=1) & ~self._misplaced().any(axis=1)
        self.walking = self.walking & ~stops

    def _state(self) -> BodyState:
        run = running(self.speeds, self._person.leg)[:, None]
        grounded = standing(self._person, self._here, self._landed, self._leaving, self._came, self._goes)
        flying: Feet = swinging(
            self._person, self._here, self._next, self._share, self._left, self._lands, run, self._ratio
        )
        return BodyState(
            place=self.places,
            floor=np.full(len(self), self._floor),
            yaw=self.yaws,
            look=self.yaws + 0.4 * self.turn_rates,
            speed=self.speeds,
            turn_rate=self.turn_rates,
            push=self._pushes,
            phase=self._phase,
            clock=np.full(len(self), self.time),
            feet=choose(self._air, flying, grounded),
        )


def _where(rows: NDArray[np.bool_], new: Roll, old: Roll) -> Roll:
    return Roll(*(np.where(rows, getattr(new, name), getattr(old, name)) for name in ("strike", "push", "toes")))


def _checked(name: str, values: Numbers, shape: tuple[int, ...]) -> Array:
    array = np.array(values, np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(
            f"{name} of the walkers have shape {list(array.shape)}; expected finite numbers {list(shape)}."
        )
    return array
