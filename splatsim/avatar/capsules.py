"""Collision capsules fitted to the Gaussians of an avatar: a few to each part of the body, carried by its joints."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.ndimage import binary_fill_holes
from torch import Tensor

from splatsim import native
from splatsim.avatar.avatar import Avatar
from splatsim.avatar.capsule_around import Capsule, capsule_around, weighted_quantile
from splatsim.avatar.roles import ROLES, joint_roles
from splatsim.avatar.skeleton import Pose, Skeleton, world_from_rest
from splatsim.transforms import rotmat_from_quat

Array = NDArray[np.float64]

COVERED = 0.985
"""Share of the opacity that all capsules hold together."""
TIGHT = 0.95
"""Share that each holds of its own piece at first, before they are refined together."""
LEAST = 12
"""Parts of fewer Gaussians join the part above."""
PROBE, HELD, ROUNDS = 0.028, 3000, 120
"""Spacing, metres, of the points that tell the volume, number of Gaussians and of steps of the refinement."""
HOLD = 4.0
"""What a Gaussian outside counts there against volume."""
MOST_PIECES = 4
"""Capsules of one part at most."""
WORTH = 0.97
"""Of the volume that one capsule less takes, what another one must come down to."""
COARSE = 0.015
"""Step at which the volumes of cuts are compared, metres."""
MOST_POINTS = 160
"""Of so many Gaussians of a part, at most, the fit goes by."""


@dataclass(frozen=True)
class Capsules:
    """k capsules that move with the joints of a skeleton."""

    joints: NDArray[np.int64]
    """[k], the joint that carries each."""
    ends: Array
    """[k 2 3], the ends of the axes in the rest pose, metres."""
    radii: Array
    """[k], metres."""

    def __len__(self) -> int:
        return len(self.radii)

    def posed(self, skeleton: Skeleton, pose: Pose) -> Array:
        """Ends of the axes in poses [*t], [*t k 2 3]."""
        bones = world_from_rest(skeleton, pose).double().cpu().numpy()[..., self.joints, :, :]
        return np.asarray(np.einsum("...kij,kej->...kei", bones[..., :3, :3], self.ends) + bones[..., None, :3, 3])

    def hold(self, points: Array, ends: Array) -> NDArray[np.bool_]:
        """Which points [n 3] lie within capsules with these ends [k 2 3]."""
        inside = np.zeros(len(points), bool)
        for (start, end), radius in zip(ends, self.radii, strict=True):
            inside |= segment_distance(points, start, end)[0] <= radius
        return inside

    def volume(self, step: float = 0.01) -> float:
        """Volume of their union in the rest pose, cubic metres, counted on points `step` apart."""
        low = (self.ends - self.radii[:, None, None]).min(axis=(0, 1))
        high = (self.ends + self.radii[:, None, None]).max(axis=(0, 1))
        axes = [np.arange(a + step / 2, b + step, step) for a, b in zip(low, high, strict=True)]
        grid = np.zeros([len(axis) for axis in axes], bool)
        for (start, end), radius in zip(self.ends, self.radii, strict=True):
            box = [
                slice(*np.searchsorted(axis, [min(a, b) - radius, max(a, b) + radius]))
                for axis, a, b in zip(axes, start, end, strict=True)
            ]
            points = np.stack(
                np.meshgrid(*(axis[part] for axis, part in zip(axes, box, strict=True)), indexing="ij"), axis=-1
            )
            near = segment_distance(points.reshape(-1, 3), start, end)[0] <= radius
            grid[tuple(box)] |= near.reshape(points.shape[:3])
        return float(grid.sum() * step**3)


def segment_distance(points: Array, start: Array, end: Array) -> tuple[Array, Array]:
    """Distances of points [n 3] from a segment, and where along it the nearest point lies, 0 to 1."""
    way = end - start
    length = float(way @ way)
    share = np.clip((points - start) @ way / length, 0, 1) if length > 1e-12 else np.zeros(len(points))
    return np.linalg.norm(points - start - share[:, None] * way, axis=-1), share


def fit_capsules(avatar: Avatar, *, covered: float = COVERED) -> Capsules:
    """Capsules that hold a share of the opacity of a body as tightly as their shape allows.

    Gaussians belong to the joint that carries most of them; each part's axis is the one of many directions, and its
    length the one, that give the least volume. Wide and tapering parts are cut where that takes less.

    Raises:
        ValueError: the rig fits no naming table, the share is not between 0.5 and 1, or no Gaussian is opaque.
    """
    if not 0.5 <= covered < 1:
        raise ValueError(f"covered is {covered}; expected a share from 0.5 to less than 1.")
    means, reach, mass = _clouds(avatar)
    if not mass.sum() > 0:
        raise ValueError(f'the avatar "{avatar.name}" has no opaque Gaussians; expected some to hold.')
    parts = _parts(avatar)
    joints, ends, radii = [], [], []
    for joint in np.unique(parts):
        rows = np.flatnonzero(parts == joint)
        rows = rows[:: max(1, len(rows) // MOST_POINTS)]  # they lie in no order: any are as good as others
        for start, end, radius in _best(means[rows], reach[rows], mass[rows], TIGHT):
            joints.append(joint)
            ends.append([start, end])
            radii.append(radius)
    tight = Capsules(np.array(joints), np.array(ends), np.array(radii))
    with native.torch_on_one_thread():
        refined = _refined(tight, *_all(avatar))
    return _grown(refined, *_all(avatar), covered)


def _all(avatar: Avatar) -> tuple[Array, Array]:
    """Centres and opacities at rest."""
    gaussians = avatar.gaussians
    return gaussians.means.double().cpu().numpy(), gaussians.opacities.double().cpu().numpy()


def _refined(start: Capsules, means: Array, mass: Array) -> Capsules:
    """Ends and radii moved by gradient descent to less volume of the union at the same hold on the Gaussians."""
    generator = np.random.default_rng(0)
    low, high = means.min(axis=0) - 0.05, means.max(axis=0) + 0.05
    room = generator.uniform(low, high, (int(np.prod(high - low) / PROBE**3), 3))
    near = np.full(len(room), np.inf)
    for (one, other), radius in zip(start.ends, start.radii, strict=True):
        near = np.minimum(near, segment_distance(room, one, other)[0] - radius)
    probes = torch.from_numpy(room[near < 0.03]).float()
    rows = generator.choice(len(means), min(len(means), HELD), replace=False)
    points, weight = torch.from_numpy(means[rows]).float(), torch.from_numpy(mass[rows]).float()
    ends = torch.from_numpy(start.ends).float().requires_grad_()
    radii = torch.from_numpy(start.radii).float().requires_grad_()
    adam = torch.optim.Adam([ends, radii], lr=0.002)
    for step in range(ROUNDS):
        adam.param_groups[0]["lr"] = 0.002 * (1 - step / ROUNDS) + 1e-4
        adam.zero_grad()
        inside = torch.sigmoid(-_gaps(probes, ends, radii) / 0.006).sum() * PROBE**3
        out = torch.nn.functional.softplus(_gaps(points, ends, radii) / 0.004)
        loss = inside / 0.07 + HOLD * (weight * out).sum() / weight.sum()
        loss.backward()
        adam.step()
        with torch.no_grad():
            radii.clamp_(min=0.01)
    return Capsules(start.joints, ends.detach().double().numpy(), radii.detach().double().numpy())


def _gaps(
    points: Float[Tensor, "n 3"], ends: Float[Tensor, "k 2 3"], radii: Float[Tensor, " k"]
) -> Float[Tensor, " n"]:
    """Distance of each point from the surface of the nearest capsule, negative inside."""
    start, way = ends[:, 0], ends[:, 1] - ends[:, 0]
    along = points @ way.T - (start * way).sum(-1)
    square = (way**2).sum(-1).clamp_min(1e-8)
    share = (along.detach() / square.detach()).clamp(0, 1)  # the nearest point: its own change does not count
    gap = (points**2).sum(-1, keepdim=True) - 2 * points @ start.T + (start**2).sum(-1)
    away = gap - 2 * share * along + share**2 * square
    return (away.clamp_min(1e-8).sqrt() - radii).amin(dim=1)


def _grown(tight: Capsules, means: Array, mass: Array, covered: float) -> Capsules:
    """All radii larger by one length, so that together they hold the share."""
    gaps = np.full(len(means), np.inf)
    for (start, end), radius in zip(tight.ends, tight.radii, strict=True):
        gaps = np.minimum(gaps, segment_distance(means, start, end)[0] - radius)
    more = weighted_quantile(gaps, mass, covered) + 1e-6
    return Capsules(tight.joints, tight.ends, np.maximum(tight.radii + more, 0.005))


def held(avatar: Avatar, capsules: Capsules, pose: Pose | None = None) -> float:
    """Share of the avatar's opacity whose Gaussians' centres lie within the capsules, in a pose or at rest."""
    pose = avatar.skeleton.rest() if pose is None else pose
    means = avatar.pose(pose).means.double().cpu().numpy()
    mass = avatar.gaussians.opacities.double().cpu().numpy()
    return float((mass * capsules.hold(means, capsules.posed(avatar.skeleton, pose))).sum() / mass.sum())


def _clouds(avatar: Avatar) -> tuple[Array, Array, Array]:
    """Centres [n 3], covariances [n 3 3] and opacities [n] of the Gaussians at rest."""
    gaussians = avatar.gaussians
    turned = rotmat_from_quat(gaussians.quats.double()) * gaussians.scales.double()[:, None]
    covariance = turned @ turned.mT
    return gaussians.means.double().numpy(), covariance.numpy(), gaussians.opacities.double().numpy()


def _parts(avatar: Avatar) -> NDArray[np.int64]:
    """The joint of each Gaussian's part: the nearest role at or above the joint that carries most of it."""
    skeleton = avatar.skeleton
    roles = {joint_roles(skeleton)[role] for role in ROLES if not role.endswith(("toe", "clavicle"))}
    above = np.arange(len(skeleton))
    for joint, parent in enumerate(skeleton.parents):
        if joint not in roles and parent >= 0:
            above[joint] = above[parent]
    most = avatar.skin.weights.argmax(dim=1, keepdim=True)
    parts = above[avatar.skin.joints.gather(1, most)[:, 0].cpu().numpy()]
    for joint in range(len(skeleton) - 1, 0, -1):  # children come after their parents
        if 0 < (parts == joint).sum() < LEAST:
            parts[parts == joint] = above[skeleton.parents[joint]]
    return np.asarray(parts)


def _best(means: Array, reach: Array, mass: Array, covered: float) -> list[Capsule]:
    """A few capsules around a part: one, or one for each of its pieces where these take less volume."""
    best = [capsule_around(means, reach, mass, covered)]
    least = _union(best)
    for pieces in _cuts(means):
        if min(np.bincount(pieces)) < LEAST:
            continue
        rows = [pieces == piece for piece in range(pieces.max() + 1)]
        fits = [capsule_around(means[some], reach[some], mass[some], covered) for some in rows]
        volume = _union(fits) * WORTH ** (1 - len(fits))
        if volume < least:
            best, least = fits, volume
    return best


def _cuts(means: Array) -> list[NDArray[np.int64]]:
    """Ways to cut a part into pieces: slices along its principal axes, and clusters."""
    if len(means) < 4 * LEAST:
        return []
    _, axes = np.linalg.eigh(np.cov(means.T))
    cuts = []
    for axis in axes.T:
        along = means @ axis
        share = (along - along.min()) / max(np.ptp(along), 1e-9)
        cuts += [np.minimum((share * count).astype(np.int64), count - 1) for count in (2, 3)]
    for count in (2, MOST_PIECES):
        start = means[np.linspace(0, len(means) - 1, count).astype(int)]
        found = kmeans2(means, start, iter=12, minit="matrix", missing="warn")[1]
        cuts.append(np.unique(found, return_inverse=True)[1])
    return cuts


def _union(capsules: list[Capsule]) -> float:
    """Volume of the union of a part's capsules."""
    joints = np.zeros(len(capsules), np.int64)
    ends = np.array([[start, end] for start, end, _ in capsules])
    return Capsules(joints, ends, np.array([radius for _, _, radius in capsules])).volume(COARSE)


def surface_volume(vertices: Float[Tensor, "v 3"], faces: Int[Tensor, "m 3"], step: float = 0.008) -> float:
    """Volume within a surface, cubic metres, also of one of several shells with open hems.

    On each level, what cannot be reached from outside past the cells that the surface crosses is inside, and half of
    those cells: clothes are open at the hems, but their outline is closed on every level.
    """
    corners = vertices.double().cpu().numpy()[faces.cpu().numpy()]
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=-1).max(axis=1)
    fine = np.ceil(edges / (0.5 * step)).astype(int).clip(1)
    cells = []
    for count in np.unique(fine):
        i, j = np.meshgrid(np.arange(count + 1), np.arange(count + 1), indexing="ij")
        i, j = i[i + j <= count], j[i + j <= count]
        shares = np.stack([i, j, count - i - j], axis=-1) / count
        points = np.einsum("sk,mkd->msd", shares, corners[fine == count])
        cells.append(np.unique(np.floor(points.reshape(-1, 3) / step).astype(np.int64), axis=0))
    crossed = np.unique(np.concatenate(cells), axis=0)
    grid = np.zeros(np.ptp(crossed, axis=0) + 3, bool)
    grid[tuple((crossed - crossed.min(axis=0) + 1).T)] = True
    filled = sum(int(binary_fill_holes(grid[:, :, level]).sum()) for level in range(grid.shape[2]))
    return float((filled - 0.5 * len(crossed)) * step**3)
