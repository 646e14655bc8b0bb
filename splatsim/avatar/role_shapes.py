"""Roles of the joints of a rig with unknown names, told by its shape: two chains down, two aside, one up."""

import torch

from splatsim.avatar.roles import joint_roles
from splatsim.avatar.skeleton import Skeleton


def find_roles(skeleton: Skeleton) -> tuple[dict[str, int], str]:
    """The joint of each role that the rig has, and how it was told: "names" or "shape".

    Raises:
        ValueError: neither the names nor the shape is that of a person.
    """
    try:
        return joint_roles(skeleton), "names"
    except ValueError as unknown:
        try:
            return roles_by_shape(skeleton), "shape"
        except ValueError as error:
            raise ValueError(f"{unknown} Nor is its shape that of a person: {error}") from None


def roles_by_shape(skeleton: Skeleton) -> dict[str, int]:
    """The roles by topology: legs are the chains to the lowest joints, arms to the outermost, the head is the highest.

    Raises:
        ValueError: the rig has no two legs, two arms and a head.
    """
    children: dict[int, list[int]] = {joint: [] for joint in range(len(skeleton))}
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0:
            children[parent].append(joint)
    leaves = [joint for joint in children if not children[joint]]
    joints = skeleton.joints
    height = float(joints[:, 2].max() - joints[:, 2].min())
    middle = float(joints[:, 1].median())
    roles = {}
    low = [leaf for leaf in leaves if joints[leaf, 2] < joints[:, 2].min() + 0.2 * height]
    head = max(leaves, key=lambda leaf: float(joints[leaf, 2] - (joints[leaf, 1] - middle).abs()))
    lines = {"head": _line(skeleton, head)}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        feet = [leaf for leaf in low if sign * float(joints[leaf, 1] - middle) > 0.01 * height]
        rest = [leaf for leaf in leaves if leaf not in low and leaf != head]
        hands = [leaf for leaf in rest if sign * float(joints[leaf, 1] - middle) > 0.08 * height]
        if not feet or not hands:
            raise ValueError(f"it has no {side} {'leg' if not feet else 'arm'}.")
        foot = max(feet, key=lambda leaf: len(_line(skeleton, leaf)))
        hand = max(hands, key=lambda leaf: sign * float(joints[leaf, 1]))
        lines[f"{side}_leg"], lines[f"{side}_arm"] = _line(skeleton, foot), _line(skeleton, hand)
    pelvis = max(set(lines["left_leg"]) & set(lines["right_leg"]), key=lambda joint: len(_line(skeleton, joint)))
    chest = max(set(lines["left_arm"]) & set(lines["right_arm"]), key=lambda joint: len(_line(skeleton, joint)))
    if pelvis == chest or chest not in lines["head"]:
        raise ValueError("its arms and legs part at one joint.")
    roles = {"pelvis": pelvis, "chest": chest, "head": lines["head"][-1]}
    trunk = [
        joint for joint in lines["head"] if joint in _line(skeleton, chest) and joint not in _line(skeleton, pelvis)
    ]
    roles["spine"] = trunk[0]
    above = lines["head"][lines["head"].index(chest) + 1 :]
    if len(above) > 1:
        roles["neck"], roles["head"] = above[0], above[1]
    for side in ("left", "right"):
        leg = lines[f"{side}_leg"]
        leg = leg[leg.index(pelvis) + 1 :]
        arm = lines[f"{side}_arm"]
        arm = arm[arm.index(chest) + 1 :]
        leg, arm = _with_length(skeleton, leg), _with_length(skeleton, arm)
        if len(leg) < 3 or len(arm) < 2:
            raise ValueError(f"its {side} limbs have {len(leg)} and {len(arm)} joints.")
        roles |= {f"{side}_{part}": joint for part, joint in zip(("hip", "knee", "ankle", "toe"), leg, strict=False)}
        # The elbow is where the longer bones meet: a clavicle comes before the shoulder where there are enough joints.
        parts = ("clavicle", "shoulder", "elbow", "wrist") if len(arm) > 3 else ("shoulder", "elbow", "wrist")
        roles |= {f"{side}_{part}": joint for part, joint in zip(parts, arm, strict=False)}
    return roles


def _line(skeleton: Skeleton, joint: int) -> list[int]:
    """From the root to a joint."""
    line = [joint]
    while skeleton.parents[line[0]] >= 0:
        line.insert(0, skeleton.parents[line[0]])
    return line


def _with_length(skeleton: Skeleton, line: list[int]) -> list[int]:
    """The joints of a chain that do not stand on their parent (CMU's LHipJoint does)."""
    lengths = skeleton.offsets.norm(dim=1)
    return [joint for joint in line if float(lengths[joint]) > 1e-4] or line


def reach(skeleton: Skeleton, roles: dict[str, int]) -> float:
    """Length of a leg from hip to ankle, the mean of both, metres."""
    joints = skeleton.joints
    legs = [
        torch.linalg.norm(joints[roles[f"{side}_{a}"]] - joints[roles[f"{side}_{b}"]])
        for side in ("left", "right")
        for a, b in (("hip", "knee"), ("knee", "ankle"))
    ]
    return float(sum(legs)) / 2
