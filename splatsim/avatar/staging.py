"""People in a scene: posed, lit like their surroundings, with shadows under them, and rendered in one call with it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from torch import Tensor

from splatsim.avatar.avatar import Avatar
from splatsim.avatar.roles import joint_roles
from splatsim.avatar.skeleton import Pose, world_from_joints
from splatsim.gaussians import Gaussians
from splatsim.spherical_harmonics import C0

Array = NDArray[np.float64]

CELL = 0.25
"""Edge of the cells in which a scene's light is measured, metres."""
BLUR = 0.8
"""Standard deviation of its smoothing, metres."""
BAND = (0.3, 2.2)
"""Heights between which surfaces tell how light a place is, metres."""
DARKEST, LIGHTEST = 0.55, 1.15
"""Bounds of what a place does to the colours of people."""
SHADE, FOOT_SHADE = 0.42, 0.5
"""Opacities of the shadows under a body and under a foot on the floor."""
LIFTED = 0.012
"""Height of shadows above the floor, metres: above carpets' rounding, below soles."""


@dataclass(frozen=True)
class Ambience:
    """How light a scene is from place to place, measured by the colours of its surfaces."""

    origin: tuple[float, float]
    """x and y of the centre of the first cell, metres."""
    light: Array
    """Luminance [x y], against the scene's median."""

    @classmethod
    def of(cls, scene: Gaussians) -> "Ambience":
        """Measure a scene; light on every place where it has no surfaces."""
        means = scene.means.detach().double().cpu().numpy()
        colors = (scene.sh[:, 0].detach().double().cpu().numpy() * C0 + 0.5).clip(0, 1)
        areas = scene.scales.detach().double().cpu().numpy()
        weight = np.sort(areas, axis=1)[:, 1:].prod(axis=1) * scene.opacities.detach().double().cpu().numpy()
        band = (means[:, 2] > BAND[0]) & (means[:, 2] < BAND[1]) & np.isfinite(means).all(axis=1)
        if not band.any():
            return cls((0.0, 0.0), np.ones((1, 1)))
        low, high = np.percentile(means[band, :2], [0.5, 99.5], axis=0)
        shape = np.maximum(((high - low) / CELL).astype(int) + 1, 1)
        cells = np.clip(((means[band, :2] - low) / CELL).round().astype(int), 0, shape - 1)
        luminance = colors[band] @ np.array([0.2126, 0.7152, 0.0722])
        flat = cells[:, 0] * shape[1] + cells[:, 1]
        total = np.bincount(flat, weight[band], minlength=int(shape.prod())).reshape(shape)
        bright = np.bincount(flat, weight[band] * luminance, minlength=int(shape.prod())).reshape(shape)
        smooth = gaussian_filter(bright, BLUR / CELL) / np.maximum(gaussian_filter(total, BLUR / CELL), 1e-12)
        typical = float(np.median(smooth[total > 0]))
        return cls((float(low[0]), float(low[1])), smooth / max(typical, 1e-6))

    def at(self, places: Array) -> Array:
        """What the light at places [n 2] does to colours, a factor [n]."""
        cells = ((places - np.array(self.origin)) / CELL).T
        return np.asarray(map_coordinates(self.light, cells, order=1, mode="nearest").clip(DARKEST, LIGHTEST))


def lit(person: Gaussians, factor: float) -> Gaussians:
    """A person's Gaussians in brighter or darker light."""
    base = torch.zeros_like(person.sh)
    base[:, 0] = 0.5 * (factor - 1) / C0  # colours are 0.5 + C0 · sh: the half is scaled as well
    return person.replace(sh=person.sh * factor + base)


def shadows(avatar: Avatar, pose: Pose, floor: float = 0.0) -> Gaussians:
    """Flat dark Gaussians under a person: one under the body, one under each foot, fainter while it is in the air."""
    roles = joint_roles(avatar.skeleton)
    frames = world_from_joints(avatar.skeleton, pose)
    rest = avatar.skeleton.joints
    spots = [_spot(frames[roles["pelvis"], :2, 3], 0.0, (0.24, 0.24), SHADE)]
    for side in ("left", "right"):
        ankle, toe = roles[f"{side}_ankle"], roles[f"{side}_toe"]
        way = (frames[toe, :3, 3] - frames[ankle, :3, 3])[:2]
        length = float((rest[toe] - rest[ankle])[:2].norm())
        high = float((frames[toe, 2, 3] - rest[toe, 2]).clamp_min(0)) - floor
        middle = frames[ankle, :2, 3] + 0.6 * way
        opacity = FOOT_SHADE * float(np.exp(-max(high, 0) / 0.06))
        spots.append(_spot(middle, float(torch.atan2(way[1], way[0])), (0.85 * length, 0.5 * length), opacity))
    means = torch.stack([spot[0] for spot in spots])
    means[:, 2] = floor + LIFTED
    return Gaussians(
        means=means,
        quats=torch.stack([spot[1] for spot in spots]),
        scales=torch.stack([spot[2] for spot in spots]),
        opacities=torch.stack([spot[3] for spot in spots]),
        sh=torch.full((len(spots), 1, 3), -0.5 / C0),
    ).to(avatar.gaussians.means.dtype)


def _spot(
    place: Float[Tensor, "2"], yaw: float, size: tuple[float, float], opacity: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    mean = torch.tensor([float(place[0]), float(place[1]), 0.0])
    quat = torch.tensor([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)], dtype=torch.float32)
    return mean, quat, torch.tensor([*size, 0.003]), torch.tensor(opacity)


def populate(
    scene: Gaussians,
    avatars: Sequence[Avatar],
    poses: Pose,
    *,
    ambience: Ambience | None = None,
    shade: bool = True,
    floor: float = 0.0,
) -> Gaussians:
    """A scene and people in poses [n] as one set of Gaussians, to be rendered in one call.

    Args:
        ambience: Lights the people as the scene is lit where they are.
        shade: Put shadows under them.

    Raises:
        ValueError: there is not one pose for each avatar, or the scene has features and people have none.
    """
    if poses.root.ndim != 2 or len(poses.root) != len(avatars):
        raise ValueError(
            f"poses have leading axes {list(poses.root.shape[:-1])} for {len(avatars)} avatars; expected one each."
        )
    factors = np.ones(len(avatars)) if ambience is None else ambience.at(poses.root[:, :2].double().cpu().numpy())
    parts = [scene]
    for index, avatar in enumerate(avatars):
        pose = poses[index]
        if shade:
            parts.append(shadows(avatar, pose, floor))
        parts.append(lit(avatar.pose(pose), float(factors[index])))
    return Gaussians.concat(parts)
