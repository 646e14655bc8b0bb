"""Collision capsules fitted to the Gaussians of an avatar: a few to each part of the body, carried by its joints."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.ndimage import binary_fill_holes
from torch import Tensor

from splatsim import native
from splatsim.avatar.avatar import Avatar
from splatsim.avatar.capsule_around import Capsule, capsule_around, segment_distance
from splatsim.avatar.capsule_refinement import Stance, grown, refined, stride_poses
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


def fit_capsules(avatar: Avatar, *, covered: float = COVERED) -> Capsules:
    """Capsules that hold a share of the opacity of a body as tightly as their shape allows.

    Gaussians belong to the joint that carries most of them; each part's axis is the one of many directions, and its
    length the one, that give the least volume. Wide and tapering parts are cut where that takes less. Then all are
    refined together over the rest pose and the poses of a stride.

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
    carriers = np.array(joints)
    poses = (avatar.skeleton.rest(), *stride_poses(avatar.skeleton))
    stances = [Stance.of(avatar, pose, carriers) for pose in poses]
    with native.torch_on_one_thread():
        found = refined((np.array(ends), np.array(radii)), stances, mass)
    return Capsules(carriers, *grown(found, stances, mass, covered))


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
