"""From the state of walking people (place, speed, phase, feet) to the poses of their skeletons.

Legs reach for the feet by two-bone inverse kinematics; hips, trunk, arms and head follow the phase of the stride with
the swings that people show (Perry & Burnfield 2010; Winter 1991), scaled by speed, turning rate and style.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from splatsim.avatar._rotations import about, around, between, ease, frame, transposed, turn, unit, wrapped
from splatsim.avatar.feet import Feet
from splatsim.avatar.gait import Styles, froude_speed, running, stance_share
from splatsim.avatar.proportions import SIDES, Proportions
from splatsim.avatar.skeleton import Pose
from splatsim.transforms import quat_from_rotmat

Array = NDArray[np.float64]

STRAIGHTEST = 0.991
"""Longest reach of a leg, of its straight length: the knee keeps 15 degrees, so that it never snaps."""
LOWEST = 0.8
"""The hips come no lower for a foot that is far away, of the length of the leg: such a foot is not reached."""
PRONATION = np.radians(45)
"""How far hands that hang turn their palms from the thighs to the back."""
CURL = np.radians(17)
"""How far relaxed fingers bend at each joint."""
SOFT = 0.006
"""Width, metres, over which hips give way to legs that are too short."""
BANK = 0.45
"""How much of the lean that would balance a turn the trunk takes."""


@dataclass(frozen=True)
class BodyState:
    """Where n people are in their strides, arrays [n]."""

    place: Array
    """[n 2], the point that the path drives, between the hips, metres."""
    floor: Array
    """Height of the floor, metres."""
    yaw: Array
    """Heading, radians."""
    look: Array
    """Heading of the eyes, radians."""
    speed: Array
    """Metres per second along the heading, smooth in time."""
    turn_rate: Array
    """Radians per second, smooth in time."""
    push: Array
    """Forward acceleration, m/s², smooth in time."""
    phase: Array
    """Strides since the first left strike."""
    clock: Array
    """Seconds, for the slow movements of standing."""
    feet: Feet
    """The feet."""


@dataclass(frozen=True)
class Carriage:
    """How n people carry trunk, head and arms over their legs."""

    turns: dict[str, Array]
    """[n 3 3] by role, of all but the legs: rotations from the rest pose, in the world."""
    ahead: Array
    """[n], of the hips before the point that the path drives, metres."""
    left: Array
    """[n], to its left."""
    up: Array
    """[n], above their height in the rest pose."""


def pose_bodies(person: Proportions, state: BodyState, carriage: Carriage) -> Pose:
    """Poses of n people, or n poses of one."""
    world = dict(carriage.turns)
    ankles, feet_world = _ankles(person, state.feet)
    pelvis = _pelvis(person, state, carriage, ankles)
    for side, name in enumerate(SIDES):
        _add_leg(world, person, side, name, pelvis, state, ankles[:, side], feet_world[:, side])
    return _assembled(person, world, pelvis)


def own_carriage(person: Proportions, style: Styles, state: BodyState) -> Carriage:
    """Trunk, head and arms as they swing at a phase of the stride."""
    swing = _Swings(person, style, state)
    hips = about(2, state.yaw + swing.hip_yaw) @ about(0, swing.hip_roll) @ about(1, swing.hip_pitch)
    chest = about(2, state.yaw + swing.chest_yaw) @ about(0, swing.chest_roll) @ about(1, swing.chest_pitch)
    head = about(2, swing.head_yaw) @ about(0, swing.head_roll) @ about(1, swing.head_pitch)
    turns = {"pelvis": hips, "spine": _half(hips, chest, 0.45), "chest": chest, "neck": _half(chest, head, 0.5)}
    turns["head"] = head
    for side, name in enumerate(SIDES):
        _add_arm(turns, person, style, state, swing, side, name)
    return Carriage(turns, swing.ahead, swing.left, swing.up)


class _Swings:
    """Angles of the trunk and the head, and the path of the hips, at one phase of the stride."""

    def __init__(self, person: Proportions, style: Styles, state: BodyState) -> None:
        leg, speed, phase = person.leg, state.speed, state.phase
        turning = np.clip(np.abs(state.turn_rate) / 1.2, 0, 1)
        self.run = run = running(speed, leg)
        self.walk = walk = np.clip(froude_speed(speed, leg) / 0.45, 0, 1.25)
        self.stepping = stepping = np.clip(np.hypot(1.3 * walk, turning), 0, 1)
        self.idle = idle = 1 - ease(1.6 * stepping)
        middle = phase - stance_share(speed, leg) / 2  # 0 in the middle of the left stance
        first, second = np.cos(2 * np.pi * middle), np.cos(4 * np.pi * middle)
        strides = np.cos(2 * np.pi * phase)
        degree = np.pi / 180
        slow = _Slow(style.seeds, state.clock)

        size = leg / 0.9
        bob = style.bounce * (0.020 * np.minimum(walk, 1) * (1 - run) - 0.042 * run)
        self.up = size * (bob * second - 0.026 * np.minimum(walk, 1) - 0.006 * stepping - 0.012 * run)
        side = 0.024 * stepping - 0.006 * np.minimum(walk, 1) - 0.012 * run
        self.left = size * (style.sway * side * first + idle * 0.016 * slow.weight)
        self.ahead = size * idle * 0.006 * slow.rock

        lean = style.lean * stepping + degree * (1.5 * walk + 7 * run) + 0.05 * np.clip(state.push, -2, 2) * stepping
        bank = -BANK * np.arctan(speed * state.turn_rate / 9.81)
        self.hip_yaw = -degree * style.sway * (5.5 * np.minimum(walk, 1) + 3 * run) * strides
        self.hip_roll = (
            degree * style.sway * 3.5 * np.minimum(walk, 1) * first + 0.5 * bank - idle * 2 * degree * slow.weight
        )
        self.hip_pitch = 0.4 * lean + degree * 1.2 * walk * second
        self.chest_yaw = degree * style.sway * (4.0 * np.minimum(walk, 1) + 6 * run) * strides + 0.12 * state.turn_rate
        self.chest_roll = -degree * style.sway * 1.2 * walk * first + bank + idle * 1.2 * degree * slow.weight
        breath = idle * 0.7 * degree * slow.breath
        self.chest_pitch = lean + breath
        glance = np.clip(wrapped(state.look - state.yaw), -1.1, 1.1)
        self.head_yaw = state.yaw + glance + idle * 9 * degree * slow.glance
        self.head_roll = 0.4 * bank
        self.head_pitch = degree * (2 + 2.5 * walk) + idle * 2.5 * degree * slow.nod - 0.5 * degree * walk * second
        self.arm = np.cos(2 * np.pi * (phase - 0.03))
        self.breath = breath


class _Slow:
    """Movements of standing: sums of two slow sines of frequencies that do not fit, with a person's own phases."""

    def __init__(self, seeds: tuple[int, ...], clock: Array) -> None:
        phases = np.stack([np.random.default_rng([seed, 0x1D1E]).uniform(0, 2 * np.pi, 10) for seed in seeds])
        names = {"weight": (0.07, 0.113), "rock": (0.21, 0.337), "breath": (0.24, 0.24), "glance": (0.05, 0.121)}
        for index, (name, (a, b)) in enumerate((names | {"nod": (0.09, 0.17)}).items()):
            one, two = phases[:, 2 * index], phases[:, 2 * index + 1]
            value = 0.65 * np.sin(2 * np.pi * a * clock + one) + 0.35 * np.sin(2 * np.pi * b * clock + two)
            setattr(self, name, value)

    weight: Array
    rock: Array
    breath: Array
    glance: Array
    nod: Array


def _half(start: Array, end: Array, share: float) -> Array:
    """A rotation on the way from one to another that is near."""
    mixed = (1 - share) * start + share * end
    z = mixed[..., :, 2]
    return frame(z, mixed[..., :, 1])


def _ankles(person: Proportions, feet: Feet) -> tuple[Array, Array]:
    """Places of the ankles [n 2 3] and rotations of the feet from the rest pose [n 2 3 3]."""
    turned = about(2, feet.yaw) @ about(1, feet.pitch) @ about(2, -person.toe_out)
    return feet.ball + turn(turned, person.both("ankle") - person.both("toe")), turned


def _pelvis(person: Proportions, state: BodyState, carriage: Carriage, ankles: Array) -> Array:
    """Place of the pelvis [n 3]: as high as the stride wants and both legs allow."""
    rest = person.at("pelvis")
    heading = np.stack([np.cos(state.yaw), np.sin(state.yaw)], axis=-1)
    across = np.stack([-heading[:, 1], heading[:, 0]], axis=-1)
    place = state.place + carriage.ahead[:, None] * heading + carriage.left[:, None] * across
    sockets = turn(carriage.turns["pelvis"][:, None], person.both("hip") - rest[:, None])
    level = np.linalg.norm(place[:, None] + sockets[..., :2] - ankles[..., :2], axis=-1)
    length = STRAIGHTEST * person.reach
    allowed = ankles[..., 2] + np.sqrt(np.maximum(length**2 - level**2, (LOWEST * length) ** 2)) - sockets[..., 2]
    wanted = state.floor + rest[:, 2] + carriage.up
    heights = np.concatenate([wanted[:, None], allowed], axis=1)
    lowest = heights.min(axis=1)
    height = lowest - SOFT * np.log(np.exp((lowest[:, None] - heights) / SOFT).sum(axis=1))
    return np.concatenate([place, height[:, None]], axis=-1)


def _add_leg(
    world: dict[str, Array],
    person: Proportions,
    side: int,
    name: str,
    pelvis: Array,
    state: BodyState,
    ankle: Array,
    foot: Array,
) -> None:
    """Rotations of thigh, shank, foot and toes such that the ankle is where the foot wants it."""
    rest = {part: person.at(f"{name}_{part}") for part in ("hip", "knee", "ankle")}
    hip = pelvis + turn(world["pelvis"], rest["hip"] - person.at("pelvis"))
    feet = state.feet
    straight = state.yaw + 0.5 * wrapped(feet.yaw[:, side] - person.toe_out[:, side] - state.yaw)
    left = np.stack([-np.sin(straight), np.cos(straight), np.zeros_like(straight)], axis=-1)
    knee, ankle, hinge = two_bones(
        hip,
        ankle,
        np.linalg.norm(rest["knee"] - rest["hip"], axis=-1),
        np.linalg.norm(rest["ankle"] - rest["knee"], axis=-1),
        left,
    )
    own = np.array([0.0, 1.0, 0.0])
    world[f"{name}_hip"] = frame(knee - hip, hinge) @ transposed(frame(rest["knee"] - rest["hip"], own))
    world[f"{name}_knee"] = frame(ankle - knee, hinge) @ transposed(frame(rest["ankle"] - rest["knee"], own))
    world[f"{name}_ankle"] = foot
    toes = about(2, feet.yaw[:, side]) @ about(1, feet.toes[:, side]) @ about(2, -person.toe_out[:, side])
    world[f"{name}_toe"] = toes


def two_bones(root: Array, tip: Array, upper: Array, lower: Array, hinge: Array) -> tuple[Array, Array, Array]:
    """Middle joint, reached tip and unit hinge axis of two bones [n] from `root` to `tip` [n 3], by the law of cosines.

    The middle joint lies to the side of tip-minus-root times `hinge`. A tip that is nearly out of reach is approached
    ever more slowly, so that the middle joint never snaps straight.
    """
    line = tip - root
    distance = np.linalg.norm(line, axis=-1)
    along = line / np.maximum(distance, 1e-9)[..., None]
    axis = unit(hinge - (hinge * along).sum(-1, keepdims=True) * along)
    near, most = STRAIGHTEST * (upper + lower), 0.9995 * (upper + lower)
    beyond = near + (most - near) * (1 - np.exp(-np.maximum(distance - near, 0) / (most - near)))
    reached = np.maximum(np.where(distance > near, beyond, distance), np.abs(upper - lower) + 1e-6)
    cos = np.clip((upper**2 + reached**2 - lower**2) / (2 * upper * reached), -1, 1)
    side = np.cross(along, axis)
    middle = root + (upper * cos)[..., None] * along + (upper * np.sqrt(1 - cos**2))[..., None] * side
    return middle, root + reached[..., None] * along, axis


def _add_arm(
    world: dict[str, Array],
    person: Proportions,
    style: Styles,
    state: BodyState,
    swing: _Swings,
    side: int,
    name: str,
) -> None:
    """Rotations of an arm that hangs and swings against the leg of its side."""
    sign, degree = (1.0, -1.0)[side], np.pi / 180
    walk, run = np.minimum(swing.walk, 1.15), swing.run
    reach = style.arm_swing * (21 * walk * (1 - run) + 38 * run) * degree
    beat = -sign * swing.arm  # 1 where this arm is in front
    forward = reach * beat + degree * (2 - 8 * run)
    elbow = degree * (10 + 4 * walk + 70 * run) + (0.22 * (1 - run) + 0.15 * run) * reach * (1 + beat)
    spread = style.arm_spread + degree * 4 * run + 0.2 * swing.breath
    upper = _hanging(sign, spread, forward)
    inward = 0.12 * np.sin(elbow) + 0.5 * run
    lower = _hanging(sign, spread * 0.55 - inward, forward + elbow)
    chest = world["chest"]
    shrug = about(2, -0.12 * sign * forward) @ about(0, sign * -0.3 * swing.breath)
    world[f"{name}_clavicle"] = chest @ shrug
    rest = {part: person.at(f"{name}_{part}") for part in ("shoulder", "elbow", "wrist")}
    bend = between(turn(shrug, rest["elbow"] - rest["shoulder"]), upper) @ shrug
    world[f"{name}_shoulder"] = chest @ bend
    fold = between(turn(bend, rest["wrist"] - rest["elbow"]), lower) @ bend
    twist = around(unit(lower), 0.5 * sign * PRONATION)  # half in the forearm, half in the wrist
    world[f"{name}_elbow"] = chest @ twist @ fold
    world[f"{name}_wrist"] = chest @ twist @ twist @ fold


def _hanging(sign: float, outward: Array, forward: Array) -> Array:
    """Direction of a bone that hangs down, swung outward, then forward."""
    x = np.sin(forward) * np.cos(outward)
    return np.stack([x, sign * np.sin(outward) + 0 * x, -np.cos(forward) * np.cos(outward)], axis=-1)


def _assembled(person: Proportions, world: dict[str, Array], pelvis: Array) -> Pose:
    """Rotations of all joints against their parents; joints without a role follow theirs."""
    n, count = len(pelvis), len(person.parents)
    of = {joint: role for role, joint in person.roles.items()}
    turned: list[Array] = []
    local = np.broadcast_to(np.eye(3), (n, count, 3, 3)).copy()
    for joint, parent in enumerate(person.parents):
        above = np.broadcast_to(world["pelvis"], (n, 3, 3)) if parent < 0 else turned[parent]
        role = of.get(joint)
        if parent < 0:
            local[:, 0] = above
            turned.append(above)
        elif role is None:
            curl = about(0, -CURL * person.fingers.get(joint, 0.0))  # palms look down in rest poses
            local[:, joint] = curl
            turned.append(above @ curl)
        else:
            local[:, joint] = transposed(above) @ world[role]
            turned.append(np.broadcast_to(world[role], (n, 3, 3)))
    root = pelvis + turn(world["pelvis"], person.joints[:, 0] - person.at("pelvis"))
    quats = quat_from_rotmat(torch.from_numpy(local)).float()
    return Pose(quats, torch.from_numpy(root).float())
