"""A skeleton made by hand with the game-engine rig's names, in any size, for tests of motion."""

import torch

from splatsim.avatar import Skeleton

_PLACES = {
    "pelvis": ("", (0.0, 0.0, 0.955)),
    "spine_01": ("pelvis", (-0.01, 0.0, 1.05)),
    "spine_02": ("spine_01", (-0.015, 0.0, 1.17)),
    "spine_03": ("spine_02", (-0.02, 0.0, 1.29)),
    "neck_01": ("spine_03", (-0.015, 0.0, 1.49)),
    "head": ("neck_01", (0.0, 0.0, 1.58)),
    "clavicle_{s}": ("spine_03", (-0.01, 0.03, 1.43)),
    "upperarm_{s}": ("clavicle_{s}", (-0.02, 0.18, 1.42)),
    "lowerarm_{s}": ("upperarm_{s}", (-0.025, 0.37, 1.23)),
    "hand_{s}": ("lowerarm_{s}", (0.02, 0.54, 1.06)),
    "thigh_{s}": ("pelvis", (0.0, 0.09, 0.91)),
    "calf_{s}": ("thigh_{s}", (0.01, 0.11, 0.50)),
    "foot_{s}": ("calf_{s}", (-0.03, 0.12, 0.085)),
    "ball_{s}": ("foot_{s}", (0.10, 0.135, 0.022)),
}


def humanoid(height: float = 1.75) -> Skeleton:
    """A person in A-pose; a child's legs are shorter than an adult's of the same height would be."""
    names: list[str] = []
    parents: list[int] = []
    joints = []
    size = height / 1.75
    short = min(1.0, 0.75 + 0.25 * (height - 0.9) / 0.7)
    for name, (parent, (x, y, z)) in _PLACES.items():
        for side in ("l", "r") if "{s}" in name else ("",):
            names.append(name.format(s=side))
            parents.append(names.index(parent.format(s=side)) if parent else -1)
            lower = z * short if z < 0.95 else z - 0.955 * (1 - short)
            joints.append([x * size, (-y if side == "r" else y) * size, lower * size])
    return Skeleton(tuple(names), tuple(parents), torch.tensor(joints))
