"""What a gait asks of a skeleton: where hips, knees, ankles and balls of the feet stand, for one person or for many."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatsim.avatar.roles import joint_roles
from splatsim.avatar.skeleton import Skeleton

SIDES = ("left", "right")
HEEL = 0.45
"""How far the heel, with its shoe, stands behind the ankle, of the level distance from ankle to ball (measured on the
shelf's bodies: 0.40 to 0.56)."""
TOES = 0.65
"""How far toes and shoe reach beyond the ball, of the same distance (0.60 to 0.78)."""
FINGERS = ("index", "middle", "ring", "pinky", "little")


@dataclass(frozen=True)
class Proportions:
    """Rest places of n people's joints; a side axis is left, right. Metres."""

    joints: NDArray[np.float64]
    """[n j 3]."""
    parents: tuple[int, ...]
    roles: dict[str, int]
    fingers: dict[int, float]
    """Joints of the fingers but the thumbs, and 1 for the left hand, -1 for the right."""

    def __post_init__(self) -> None:
        for side in SIDES:
            for part in ("knee", "ankle"):
                above = self.at(f"{side}_{'hip' if part == 'knee' else 'knee'}")
                length = np.linalg.norm(self.at(f"{side}_{part}") - above, axis=-1)
                if not (np.isfinite(length) & (length > 0.02)).all():
                    raise ValueError(
                        f"the skeleton's {side} {part} is {float(np.min(length)):.4g} m from the joint above it; "
                        "expected a leg of finite length, at least 0.02 m for each bone."
                    )
        if not (self.leg > 0.1).all():
            raise ValueError(
                f"the hips stand {float(self.leg.min()):.4g} m above the floor in the rest pose; expected more than "
                "0.1 m: a standing body in metres, z up, with its feet at z = 0."
            )

    def __len__(self) -> int:
        return len(self.joints)

    def at(self, role: str) -> NDArray[np.float64]:
        """Rest place of a role's joint, [n 3]."""
        return np.asarray(self.joints[:, self.roles[role]])

    def both(self, part: str) -> NDArray[np.float64]:
        """Rest places of a part's joints, [n 2 3]."""
        return np.stack([self.at(f"{side}_{part}") for side in SIDES], axis=1)

    @property
    def leg(self) -> NDArray[np.float64]:
        """Height of the hips above the floor, [n]: the length that gaits scale with."""
        return np.asarray(self.both("hip")[..., 2].mean(axis=1))

    @property
    def reach(self) -> NDArray[np.float64]:
        """Length of the straight legs from hip to ankle, [n 2]."""
        hip, knee, ankle = self.both("hip"), self.both("knee"), self.both("ankle")
        return np.asarray(np.linalg.norm(knee - hip, axis=-1) + np.linalg.norm(ankle - knee, axis=-1))

    @property
    def toe_out(self) -> NDArray[np.float64]:
        """Angle of the feet in the rest pose from straight ahead, [n 2], counter-clockwise."""
        foot = self.both("toe") - self.both("ankle")
        return np.asarray(np.arctan2(foot[..., 1], foot[..., 0]))

    @property
    def sole(self) -> NDArray[np.float64]:
        """Level distance from ankle to ball, [n 2]."""
        return np.asarray(np.linalg.norm((self.both("toe") - self.both("ankle"))[..., :2], axis=-1))


def proportions(skeletons: Sequence[Skeleton]) -> Proportions:
    """The proportions of people whose rigs have the same joints.

    Raises:
        ValueError: there is none, the rigs differ, a role has no joint, or a body does not stand on its legs.
    """
    if not skeletons:
        raise ValueError("there are no skeletons; expected at least one.")
    first = skeletons[0]
    for number, other in enumerate(skeletons):
        if (other.names, other.parents) != (first.names, first.parents):
            raise ValueError(f"skeleton {number} has other joints than skeleton 0; expected people of one rig.")
    joints = np.stack([skeleton.joints.detach().double().cpu().numpy() for skeleton in skeletons])
    roles = joint_roles(first)
    return Proportions(joints, first.parents, roles, _fingers(first, roles))


def _fingers(skeleton: Skeleton, roles: dict[str, int]) -> dict[int, float]:
    """Joints below a wrist that are named after a finger."""
    hands = {roles["left_wrist"]: 1.0, roles["right_wrist"]: -1.0}
    below: dict[int, float] = {}
    for joint, parent in enumerate(skeleton.parents):
        sign = hands.get(parent, below.get(parent))
        if sign is not None:
            below[joint] = sign
    return {
        joint: sign for joint, sign in below.items() if any(name in skeleton.names[joint].lower() for name in FINGERS)
    }
