"""Where a fly-through goes: around the Gaussians, in their midst, or past the cameras that saw them."""

import math

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp
from torch import Tensor

from splatsim.cameras import Cameras
from splatsim.gaussians import Gaussians
from splatsim.transforms import invert

Poses = Float[np.ndarray, "_ 4 4"]

SAMPLES = 2048
"""Poses at which a way is smoothed."""
CALM = 1 / 16
"""Standard deviation of the smoothing, of the length of the way."""
STRAY = 0.015
"""How far the smoothed way may leave the cameras, of the diagonal of the box around them."""
MOST_SORTED = 400
"""So many cameras are put in the order of a short way where theirs is none; more come from a video."""


def orbit(gaussians: Gaussians, count: int, *, fov_deg: float, width: int, height: int) -> Cameras:
    """`count` cameras on a circle around the Gaussians that look at their middle from a little above.

    The radius is such that the bulk of them is in view: the outermost two percent on each side are left out of account.

    Raises:
        ValueError: there are no finite Gaussians, or the field of view or the size is wrong.
    """
    middle, half = _extent(gaussians)
    slope = math.tan(math.radians(_checked_fov(fov_deg)) / 2)
    narrow = math.atan(slope * min(1.0, max(height, 1) / max(width, 1)))  # look_at refuses sizes below 1
    radius = 1.05 * float(half.norm()) / math.sin(narrow)
    rise = math.radians(25)
    ways = _ways(count)
    eyes = middle + radius * (math.cos(rise) * ways + math.sin(rise) * torch.tensor([0.0, 0.0, 1.0]))
    return Cameras.look_at(eyes, middle.expand_as(eyes), fov_deg=fov_deg, width=width, height=height)


def inside(gaussians: Gaussians, count: int, *, fov_deg: float, width: int, height: int) -> Cameras:
    """`count` cameras in the middle of the Gaussians that turn once around and look a little down, for rooms.

    They stand a fifth of the way back from the middle, so that near things move against far ones.

    Raises:
        ValueError: there are no finite Gaussians, or the field of view or the size is wrong.
    """
    middle, half = _extent(gaussians)
    _checked_fov(fov_deg)
    ways = _ways(count)
    eyes = middle - 0.2 * ways * half * torch.tensor([1.0, 1.0, 0.0]) + 0.15 * half * torch.tensor([0.0, 0.0, 1.0])
    targets = eyes + ways - torch.tensor([0.0, 0.0, 0.25])
    return Cameras.look_at(eyes, targets, fov_deg=fov_deg, width=width, height=height)


def fly_through(
    cameras: Cameras, count: int, *, fov_deg: float | None = None, width: int | None = None, height: int | None = None
) -> Cameras:
    """`count` cameras on a calm way past given ones: smoothed, at constant speed, never far from where they stood.

    The cameras are taken in their order, or, where that jumps to and fro, in the order of a short way through all.
    Smoothing is a local linear regression with a Gaussian kernel (Fan & Gijbels 1996, §2.3), as wide as a sixteenth of
    the way, or narrower where the smoothed way would leave the cameras by more than 1.5 % of their extent: a way
    through doors stays in them.

    Args:
        fov_deg: The horizontal field of view; by default the median of the cameras.

    Raises:
        ValueError: there is no camera, a pose is not finite, or count, field of view or size are wrong.
    """
    _check_count(count)
    if len(cameras) == 0 or cameras.model != "pinhole" or not bool(cameras.viewmats.isfinite().all()):
        raise ValueError(f"fly_through got {len(cameras)} {cameras.model} cameras; expected pinhole ones, all finite.")
    width = cameras.width if width is None else width
    height = cameras.height if height is None else height
    focal = float((cameras.Ks[:, 0, 0] / cameras.width).median()) * width
    if fov_deg is not None:
        focal = 0.5 * width / math.tan(math.radians(_checked_fov(fov_deg)) / 2)
    poses = cameras.world_from_cam.detach().double().cpu().numpy()
    poses = poses[_short_way(poses)]
    dense = _at_constant_speed(poses, SAMPLES)
    way = torch.from_numpy(_at_constant_speed(_smoothed(dense, _leeway(poses)), count))
    K = torch.tensor([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    return Cameras(invert(way).float(), K.repeat(count, 1, 1), width, height)


def calm_seconds(cameras: Cameras) -> float:
    """How long a fly-through past these cameras should last: a twelfth of a turn each second, 8 to 60 seconds."""
    way = fly_through(cameras, 240).world_from_cam[:, :3, :3].numpy()
    turned = (Rotation.from_matrix(way[:-1]).inv() * Rotation.from_matrix(way[1:])).magnitude().sum()
    return float(np.clip(turned / (2 * math.pi / 12), 8.0, 60.0))


def resized(cameras: Cameras, width: int | None, height: int | None) -> Cameras:
    """The same cameras with pictures of another size: the width stays in view, the height is cut or grows."""
    width = cameras.width if width is None else width
    height = cameras.height if height is None else height
    scale = width / cameras.width
    Ks = cameras.Ks.clone()
    Ks[:, :2] *= scale
    Ks[:, 1, 2] += (height - scale * cameras.height) / 2
    return cameras.replace(Ks=Ks, width=width, height=height)


def _steps(poses: Poses) -> NDArray[np.float64]:
    """Lengths of the steps from pose to pose: metres, plus radians times the mean radius of the turns."""
    moves = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=-1)
    turns = (Rotation.from_matrix(poses[:-1, :3, :3]).inv() * Rotation.from_matrix(poses[1:, :3, :3])).magnitude()
    # A way that hardly turns has no such radius: then a quarter turn counts as much as the whole way.
    radius = moves.sum() / max(turns.sum(), math.pi / 2) if moves.sum() > 0 else 1.0
    return np.asarray(moves + radius * turns)


def _at_constant_speed(poses: Poses, count: int) -> Poses:
    """`count` poses at equal steps along the way from pose to pose."""
    if len(poses) > 1:
        steps = _steps(poses)
        moved = np.concatenate([[True], steps > 1e-9 * steps.sum()])
        places, poses = np.cumsum(np.concatenate([[0.0], steps * moved[1:]]))[moved], poses[moved]
    if len(poses) == 1:
        return np.repeat(poses, count, axis=0)
    at = np.linspace(0.0, places[-1], count)
    way = np.tile(np.eye(4), (count, 1, 1))
    way[:, :3, :3] = Slerp(places, Rotation.from_matrix(poses[:, :3, :3]))(at).as_matrix()
    way[:, :3, 3] = np.stack([np.interp(at, places, poses[:, axis, 3]) for axis in range(3)], axis=-1)
    return way


def _leeway(poses: Poses) -> float:
    """How far the smoothed way may leave the cameras, metres: with few cameras, half of what lies between them."""
    gaps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=-1)
    gap = float(np.median(gaps)) if len(gaps) else 0.0
    return max(STRAY * float(np.linalg.norm(np.ptp(poses[:, :3, 3], axis=0))), gap / 2)


def _smoothed(poses: Poses, leeway: float) -> Poses:
    """Poses at equal steps, smoothed as far as none moves by more than `leeway` metres."""
    values = poses[:, :3].reshape(len(poses), 12)
    away = np.arange(len(poses))[None, :] - np.arange(len(poses))[:, None]
    width = CALM * len(poses)
    while width > 1:
        smooth = (_local_linear(away / width) @ values).reshape(-1, 3, 4)
        if np.linalg.norm(smooth[:, :, 3] - poses[:, :3, 3], axis=-1).max() <= leeway + 1e-9:
            way = np.tile(np.eye(4), (len(poses), 1, 1))
            u, _, vt = np.linalg.svd(smooth[:, :, :3])  # the nearest rotation to a mean of rotations
            u[:, :, 2] *= np.linalg.det(u @ vt)[:, None]
            way[:, :3, :3], way[:, :3, 3] = u @ vt, smooth[:, :, 3]
            return way
        width *= 0.8
    return poses


def _local_linear(away: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights by which neighbours at these distances, in standard deviations, are fitted by a line."""
    kernel = np.exp(-0.5 * away**2)
    first, second = (kernel * away).sum(1, keepdims=True), (kernel * away**2).sum(1, keepdims=True)
    weights = kernel * (second - first * away)
    return np.asarray(weights / weights.sum(1, keepdims=True))


def _short_way(poses: Poses) -> NDArray[np.int64]:
    """The order of the cameras: their own, or that of a way through all where theirs is more than twice as long."""
    given = np.arange(len(poses))
    if not 3 < len(poses) <= MOST_SORTED:
        return given
    points = np.concatenate([poses[:, :3, 3], _sight(poses)], axis=-1)
    lengths = np.linalg.norm(points[:, None] - points[None], axis=-1)
    order = _two_opt(_nearest_first(lengths), lengths)
    if lengths[given[:-1], given[1:]].sum() <= 2 * lengths[order[:-1], order[1:]].sum():
        return given
    return order


def _sight(poses: Poses) -> NDArray[np.float64]:
    """Where the cameras look, as vectors as long as half of the extent of their positions."""
    reach = 0.5 * np.linalg.norm(np.ptp(poses[:, :3, 3], axis=0))
    return np.asarray(poses[:, :3, 2] * (reach or 1.0))


def _nearest_first(lengths: NDArray[np.float64]) -> NDArray[np.int64]:
    """From the first on, always to the nearest that is left."""
    order, left = [0], np.ones(len(lengths), bool)
    left[0] = False
    while left.any():
        order.append(int(np.where(left, lengths[order[-1]], np.inf).argmin()))
        left[order[-1]] = False
    return np.array(order)


def _two_opt(order: NDArray[np.int64], lengths: NDArray[np.float64]) -> NDArray[np.int64]:
    """Turn stretches of the way around as long as that makes it shorter (Croes 1958)."""
    for _ in range(4 * len(order)):
        way = np.pad(lengths[np.ix_(order, order)], (0, 1))  # to beyond the end it is no way
        i, j = np.triu_indices(len(order), k=1)
        gains = way[i - 1, i] * (i > 0) + way[j, j + 1] - way[i - 1, j] * (i > 0) - way[i, j + 1]
        best = int(gains.argmax())
        if gains[best] <= 1e-9 * lengths.max():
            break
        order[i[best] : j[best] + 1] = order[i[best] : j[best] + 1][::-1].copy()
    return order


def _extent(gaussians: Gaussians) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """Middle and half size of the box that holds the bulk of the Gaussians."""
    means = gaussians.means.detach().float().cpu()
    means = means[means.isfinite().all(-1)]
    if len(means) == 0:
        raise ValueError(f"there are {len(gaussians)} Gaussians, none with a finite centre; expected at least one.")
    rows = means.sort(dim=0).values
    low, high = rows[int(0.02 * (len(rows) - 1))], rows[math.ceil(0.98 * (len(rows) - 1))]
    sizes = gaussians.scales.detach().float().cpu()
    reach = sizes[sizes.isfinite().all(-1)].amax(-1).median() if len(sizes) else torch.tensor(0.0)
    return (low + high) / 2, (high - low) / 2 + reach.nan_to_num(0).clamp_min(1e-3)


def _ways(count: int) -> Float[Tensor, "c 3"]:
    """Horizontal unit vectors, counter-clockwise from -x -y, once around."""
    _check_count(count)
    angles = 2 * math.pi * torch.arange(count) / count - 0.75 * math.pi
    return torch.stack([angles.cos(), angles.sin(), torch.zeros(count)], dim=-1)


def _checked_fov(fov_deg: float) -> float:
    if not 0 < fov_deg < 180:
        raise ValueError(f"fov_deg is {fov_deg}; expected a horizontal field of view between 0 and 180 degrees.")
    return fov_deg


def _check_count(count: int) -> None:
    if count < 1:
        raise ValueError(f"{count} cameras were asked for; expected at least 1.")
