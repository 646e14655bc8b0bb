"""A person of capsules with the game-engine rig's names, and poses and cameras to look at it."""

import math

import numpy as np
import torch

from splatsim.avatar import Pose, Skeleton
from splatsim.avatar.fitting.template import Template
from splatsim.avatar.fitting.views import Views
from splatsim.avatar.skin_weights import SkinWeights
from splatsim.cameras import Cameras

_JOINTS: dict[str, tuple[str | None, tuple[float, float, float]]] = {
    "pelvis": (None, (0.0, 0.0, 0.95)),
    "spine_01": ("pelvis", (-0.01, 0.0, 1.05)),
    "spine_02": ("spine_01", (-0.02, 0.0, 1.18)),
    "spine_03": ("spine_02", (-0.02, 0.0, 1.30)),
    "neck_01": ("spine_03", (-0.01, 0.0, 1.48)),
    "head": ("neck_01", (0.0, 0.0, 1.57)),
}
for _s, _y in (("l", 1.0), ("r", -1.0)):
    _JOINTS |= {
        f"clavicle_{_s}": ("spine_03", (0.0, 0.04 * _y, 1.43)),
        f"upperarm_{_s}": (f"clavicle_{_s}", (-0.01, 0.18 * _y, 1.42)),
        f"lowerarm_{_s}": (f"upperarm_{_s}", (-0.02, 0.38 * _y, 1.22)),
        f"hand_{_s}": (f"lowerarm_{_s}", (0.01, 0.55 * _y, 1.06)),
        f"thigh_{_s}": ("pelvis", (0.0, 0.09 * _y, 0.92)),
        f"calf_{_s}": (f"thigh_{_s}", (0.0, 0.11 * _y, 0.50)),
        f"foot_{_s}": (f"calf_{_s}", (-0.02, 0.12 * _y, 0.09)),
        f"ball_{_s}": (f"foot_{_s}", (0.11, 0.13 * _y, 0.03)),
    }


def rig() -> Skeleton:
    names = tuple(_JOINTS)
    parents = tuple(-1 if parent is None else names.index(parent) for parent, _ in _JOINTS.values())
    return Skeleton(names, parents, torch.tensor([place for _, place in _JOINTS.values()]))


def quats(axis: tuple[float, float, float], angles: torch.Tensor) -> torch.Tensor:
    half = angles[:, None] / 2
    return torch.cat([half.cos(), half.sin() * torch.tensor(axis)], 1)


def walking(skeleton: Skeleton, t: int, *, fps: float = 30.0) -> Pose:
    """Swinging arms and legs, bending knees and elbows, while the body moves on and turns."""
    phase = 2 * math.pi * torch.arange(t) / fps
    rotations = torch.zeros(t, len(skeleton), 4)
    rotations[..., 0] = 1.0

    def turn(name: str, axis: tuple[float, float, float], angles: torch.Tensor) -> None:
        rotations[:, skeleton.index(name)] = quats(axis, angles)

    turn("pelvis", (0.0, 0.0, 1.0), 0.4 * torch.sin(phase / 3) + 0.3)
    turn("spine_01", (0.0, 1.0, 0.0), 0.1 + 0.1 * torch.sin(phase))
    turn("spine_03", (0.0, 0.0, 1.0), 0.15 * torch.sin(phase))
    turn("neck_01", (0.0, 1.0, 0.0), 0.1 * torch.cos(phase))
    for s, sign in (("l", 1.0), ("r", -1.0)):
        turn(f"thigh_{s}", (0.0, 1.0, 0.0), sign * 0.5 * torch.sin(phase) - 0.1)
        turn(f"calf_{s}", (0.0, 1.0, 0.0), 0.5 + sign * 0.4 * torch.cos(phase))
        turn(f"foot_{s}", (0.0, 1.0, 0.0), 0.15 * torch.sin(phase))
        turn(f"upperarm_{s}", (0.0, 1.0, 0.0), -sign * 0.6 * torch.sin(phase))
        turn(f"lowerarm_{s}", (0.0, -sign * 0.2, -sign * 1.0), 0.5 + 0.3 * torch.cos(phase))
    root = torch.stack([0.8 * torch.arange(t) / fps, 0.1 * torch.sin(phase), 0.93 + 0.02 * torch.cos(2 * phase)], 1)
    return Pose(torch.nn.functional.normalize(rotations, dim=-1), root)


def around(t: int, count: int = 4, *, size: int = 512, distance: float = 3.0) -> Views:
    """Cameras in a ring about the place where the body walks."""
    angles = 2 * math.pi * (torch.arange(count) + 0.3) / count
    eyes = torch.stack([0.5 + distance * angles.cos(), distance * angles.sin(), torch.full((count,), 1.4)], 1)
    cameras = Cameras.look_at(eyes, (0.5, 0.0, 0.9), fov_deg=50, width=size, height=size)
    return Views(
        tuple(f"cam{i}" for i in range(count)),
        ((size, size),) * count,
        cameras.Ks.double().numpy(),
        np.tile(cameras.viewmats.double().numpy()[None], (t, 1, 1, 1)),
        np.zeros((count, 5)),
    )


def template(rings: int = 12, around_axis: int = 16) -> Template:
    """A capsule for each bone, with weights that blend into the neighbours' at both ends."""
    skeleton = rig()
    girth = {"pelvis": 0.13, "spine_01": 0.12, "spine_02": 0.12, "spine_03": 0.11, "neck_01": 0.06, "head": 0.10}
    girth |= {f"{name}_{s}": r for s in "lr" for name, r in _LIMBS.items()}
    vertices, faces, weights = [], [], []
    for joint, name in enumerate(skeleton.names):
        children = [c for c, p in enumerate(skeleton.parents) if p == joint]
        start = skeleton.joints[joint].numpy()
        if children:
            end = skeleton.joints[max(children, key=lambda c: -abs(c - joint))].numpy()
        else:
            end = start + (
                np.array([0.0, 0, 0.16])
                if name == "head"
                else 0.6 * (start - skeleton.joints[skeleton.parents[joint]].numpy())
            )
        points, triangles, along = _capsule(start, end, girth[name], rings, around_axis)
        faces.append(triangles + sum(len(v) for v in vertices))
        vertices.append(points)
        dense = np.zeros((len(points), len(skeleton)))
        before = np.clip(0.5 - along / 0.4, 0, 0.5) if joint else np.zeros(len(points))
        dense[:, joint] = 1 - before
        dense[:, max(skeleton.parents[joint], 0)] += before
        weights.append(dense)
    skin = SkinWeights.from_dense(torch.from_numpy(np.concatenate(weights)).float(), most=2)
    return Template(
        skeleton,
        torch.from_numpy(np.concatenate(vertices)).float(),
        torch.from_numpy(np.concatenate(faces)),
        skin,
    )


_LIMBS = {
    "clavicle": 0.06,
    "upperarm": 0.05,
    "lowerarm": 0.04,
    "hand": 0.035,
    "thigh": 0.08,
    "calf": 0.055,
    "foot": 0.04,
    "ball": 0.035,
}


def _capsule(start, end, radius, rings, count):
    axis = end - start
    length = np.linalg.norm(axis)
    axis = axis / length
    side = np.cross(axis, [1.0, 0, 0] if abs(axis[0]) < 0.8 else [0, 1.0, 0])
    side /= np.linalg.norm(side)
    up = np.cross(axis, side)
    cap = np.linspace(-np.pi / 2, 0, 5)[1:]
    heights = np.concatenate(
        [radius * np.sin(cap), np.linspace(0, length, rings)[1:-1], length - radius * np.sin(cap[::-1])]
    )
    radii = np.concatenate([radius * np.cos(cap), np.full(rings - 2, radius), radius * np.cos(cap[::-1])])
    angles = 2 * np.pi * np.arange(count) / count
    circle = np.cos(angles)[:, None] * side + np.sin(angles)[:, None] * up
    points = start + heights[:, None, None] * axis + radii[:, None, None] * circle
    along = np.repeat(heights / length, count)
    grid = np.arange(len(heights) * count).reshape(len(heights), count)
    a, b = grid[:-1], np.roll(grid, -1, 1)[:-1]
    c, d = grid[1:], np.roll(grid, -1, 1)[1:]
    triangles = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])
    poles = np.stack([start - radius * axis, end + radius * axis])
    first, last = len(heights) * count, len(heights) * count + 1
    fans = [np.stack([np.full(count, first), np.roll(grid[0], -1), grid[0]], -1)]
    fans.append(np.stack([np.full(count, last), grid[-1], np.roll(grid[-1], -1)], -1))
    along = np.concatenate([along, [-radius / length, 1 + radius / length]])
    return np.concatenate([points.reshape(-1, 3), poles]), np.concatenate([triangles, *fans]), along
