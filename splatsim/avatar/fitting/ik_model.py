"""The body as inverse kinematics sees it: joints that turn, bones whose lengths are sought, keypoints on them."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from splatsim.avatar.roles import joint_roles
from splatsim.avatar.skeleton import Pose, Skeleton
from splatsim.transforms import rotmat_from_quat

STIFFNESS = {
    "pelvis": 1e3,
    "spine": 15.0,
    "chest": 15.0,
    "neck": 20.0,
    "head": 20.0,
    "clavicle": 12.0,
    "shoulder": 70.0,
    "elbow": 100.0,
    "wrist": 15.0,
    "hip": 60.0,
    "knee": 100.0,
    "ankle": 25.0,
    "toe": 15.0,
}
"""Degrees from the rest pose that are as likely as one standard deviation."""
HINGE_SIDEWAYS = 6.0
"""Degrees that elbows and knees give about their other axes."""
HYPEREXTENSION = 5.0
"""Degrees beyond straight that a hinge gives."""
GROUPS = {
    "spine": ("spine", "chest"),
    "neck": ("neck",),
    "head": ("head",),
    "clavicle": ("left_clavicle", "right_clavicle"),
    "shoulder": ("left_shoulder", "right_shoulder"),
    "upper arm": ("left_elbow", "right_elbow"),
    "forearm": ("left_wrist", "right_wrist"),
    "pelvis": ("left_hip", "right_hip"),
    "thigh": ("left_knee", "right_knee"),
    "shank": ("left_ankle", "right_ankle"),
    "foot": ("left_toe", "right_toe"),
}
"""Bones of one length, by the joints that they end in; both sides of a body are alike."""


@dataclass(frozen=True, eq=False)
class Joints:
    """Poses in numpy: t frames of j joints."""

    rotations: Float[np.ndarray, "t j 3 3"]
    """Against the parent."""
    root: Float[np.ndarray, "t 3"]
    """Place of the root joint."""

    @classmethod
    def of(cls, pose: Pose) -> "Joints":
        return cls(rotmat_from_quat(pose.rotations.double()).numpy(), pose.root.double().numpy())

    def moved(self, step: Float[np.ndarray, "t n"], free: tuple[int, ...]) -> "Joints":
        """After a step: of the root's place, then of the free joints' turns, each in the joint's own axes."""
        rotations = self.rotations.copy()
        turns = Rotation.from_rotvec(step[:, 3:].reshape(-1, 3)).as_matrix().reshape(len(step), -1, 3, 3)
        rotations[:, list(free)] = rotations[:, list(free)] @ turns
        return Joints(rotations, self.root + step[:, :3])


@dataclass(frozen=True, eq=False)
class Chain:
    """A skeleton with lengths that change and keypoints that it carries."""

    parents: tuple[int, ...]
    free: tuple[int, ...]
    """Joints that turn, the root first."""
    joints: Float[np.ndarray, "j 3"]
    """Rest places before scaling."""
    group: np.ndarray
    """Of the bone that ends in each joint: an index of log_scales, or 0 for the size of the body alone."""
    log_scales: Float[np.ndarray, " g"]
    """Of the whole body, then of each group against it."""
    carriers: np.ndarray
    first_offsets: Float[np.ndarray, "k 3"]
    offsets: Float[np.ndarray, "k 3"]
    sigmas: Float[np.ndarray, "m 3"]
    """Of the free joints' turns, radians, about the axes of `frames`."""
    frames: Float[np.ndarray, "m 3 3"]
    """Rows are axes; the first one is the hinge's where there is one."""
    hinges: np.ndarray
    """Whether each free joint is one."""

    @classmethod
    def of(cls, skeleton: Skeleton, carriers: np.ndarray, offsets: Float[np.ndarray, "k 3"]) -> "Chain":
        roles = joint_roles(skeleton)
        by_joint = {joint: role for role, joint in roles.items()}
        free = tuple(sorted(by_joint))
        joints = skeleton.joints.double().numpy()
        group = np.zeros(len(joints), int)
        for number, ends in enumerate(GROUPS.values(), start=1):
            for role in ends:
                joint = roles[role]
                while joint not in group_stops(roles) or joint == roles[role]:
                    group[joint] = number
                    joint = skeleton.parents[joint]
                    if joint <= 0:
                        break
        parts = [by_joint[joint].removeprefix("left_").removeprefix("right_") for joint in free]
        frames, sigmas = np.tile(np.eye(3), (len(free), 1, 1)), np.zeros((len(free), 3))
        hinges = np.array([part in ("elbow", "knee") for part in parts])
        for row, (joint, part) in enumerate(zip(free, parts, strict=True)):
            sigmas[row] = np.radians(STIFFNESS[part])
            if hinges[row]:
                frames[row] = _hinge_frame(joints, roles, by_joint[joint])
                sigmas[row, 1:] = np.radians(HINGE_SIDEWAYS)
        return cls(
            skeleton.parents,
            free,
            joints,
            group,
            np.zeros(1 + len(GROUPS)),
            carriers,
            offsets,
            offsets,
            sigmas,
            frames,
            hinges,
        )

    def scales(self) -> Float[np.ndarray, " j"]:
        """Of the bone that ends in each joint."""
        own = np.where(self.group > 0, self.log_scales[self.group], 0.0)
        scales: Float[np.ndarray, " j"] = np.exp(self.log_scales[0] + own)
        return scales

    def bone_offsets(self) -> Float[np.ndarray, "j 3"]:
        """From parent to joint, scaled."""
        before = np.concatenate([np.zeros((1, 3)), self.joints[list(self.parents[1:])]])
        offsets: Float[np.ndarray, "j 3"] = (self.joints - before) * self.scales()[:, None]
        return offsets

    def rest_joints(self) -> Float[np.ndarray, "j 3"]:
        """Rest places after scaling, lifted so that the lowest joint keeps its share of the height."""
        offsets = self.bone_offsets()
        places = offsets.copy()
        for joint, parent in enumerate(self.parents[1:], start=1):
            places[joint] = places[parent] + offsets[joint]
        places[:, 2] += self.joints[:, 2].min() * np.exp(self.log_scales[0]) - places[:, 2].min()
        return places

    def forward(self, state: Joints) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Keypoints [t k 3], turns of the joints in the world [t j 3 3] and their places [t j 3]."""
        turned, placed = [state.rotations[:, 0]], [state.root]
        offsets = self.bone_offsets()
        for joint, parent in enumerate(self.parents[1:], start=1):
            turned.append(turned[parent] @ state.rotations[:, joint])
            placed.append(placed[parent] + turned[parent] @ offsets[joint])
        world, places = np.stack(turned, 1), np.stack(placed, 1)
        points = places[:, self.carriers] + (world[:, self.carriers] @ self.offsets[..., None])[..., 0]
        return points, world, places

    def comfort(self, state: Joints) -> tuple[Float[np.ndarray, "t m"], Float[np.ndarray, "t m n"]]:
        """How far joints are from rest and hinges beyond straight, in standard deviations, and the Jacobian."""
        turns = state.rotations[:, list(self.free[1:])]
        t, m = turns.shape[:2]
        vectors = Rotation.from_matrix(turns.reshape(-1, 3, 3)).as_rotvec()
        inner = _log_jacobian(vectors).reshape(t, m, 3, 3)
        frames, sigmas = self.frames[1:], self.sigmas[1:]
        along = (frames @ vectors.reshape(t, m, 3, 1))[..., 0]
        by_step = frames @ inner
        residual = along / sigmas
        jacobian = by_step / sigmas[:, :, None]
        beyond = np.minimum(along[..., 0] + np.radians(HYPEREXTENSION), 0) * self.hinges[1:] / np.radians(4.0)
        active = ((beyond < 0) / np.radians(4.0))[..., None] * by_step[:, :, 0]
        rows = np.concatenate([residual, beyond[..., None]], -1)
        blocks = np.concatenate([jacobian, active[:, :, None]], -2)  # t m 4 3
        full = np.zeros((t, m, 4, 3 + 3 * (m + 1)))
        for row in range(m):
            full[:, row, :, 6 + 3 * row : 9 + 3 * row] = blocks[:, row]
        return rows.reshape(t, -1), full.reshape(t, 4 * m, -1)

    def moved(self, step: Float[np.ndarray, " s"]) -> "Chain":
        """With other lengths and other places of keypoints."""
        count = len(self.log_scales)
        return replace(
            self, log_scales=self.log_scales + step[:count], offsets=self.offsets + step[count:].reshape(-1, 3)
        )


def group_stops(roles: dict[str, int]) -> set[int]:
    """Joints with roles: between two of them lie joints that lengthen with the bone below."""
    return set(roles.values())


def linearised(chain: Chain, state: Joints) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keypoints [t k 3], their Jacobian by each frame's step [t k 3 n], and by what all frames share [t k 3 s]."""
    points, world, places = chain.forward(state)
    t, k = points.shape[:2]
    n = 3 + 3 * len(chain.free)
    jacobian = np.zeros((t, k, 3, n))
    jacobian[..., :3] = np.eye(3)
    above = _ancestors(chain.parents)[chain.carriers]  # k j
    for row, joint in enumerate(chain.free):
        carried = np.flatnonzero(above[:, joint])
        arms = points[:, carried] - places[:, joint, None]
        axes = np.swapaxes(world[:, joint], 1, 2)[:, None]  # t 1 axis xyz
        jacobian[:, carried, :, 3 + 3 * row : 6 + 3 * row] = np.swapaxes(np.cross(axes, arms[:, :, None]), -1, -2)
    shared = np.zeros((t, k, 3, len(chain.log_scales) + 3 * k))
    offsets = chain.bone_offsets()
    for joint, parent in enumerate(chain.parents[1:], start=1):
        bone = (world[:, parent] @ offsets[joint])[:, None, :, None]
        carried = np.flatnonzero(above[:, joint])
        for column in {0, int(chain.group[joint])}:
            shared[:, carried, :, column : column + 1] += bone
    for point, carrier in enumerate(chain.carriers):
        first = len(chain.log_scales) + 3 * point
        shared[:, point, :, first : first + 3] = world[:, carrier]
    return points, jacobian, shared


def _ancestors(parents: tuple[int, ...]) -> np.ndarray:
    """[j j]: whether the second joint carries the first one, itself included."""
    above = np.eye(len(parents), dtype=bool)
    for joint, parent in enumerate(parents[1:], start=1):
        above[joint] |= above[parent]
    return above


def _hinge_frame(joints: np.ndarray, roles: dict[str, int], role: str) -> Float[np.ndarray, "3 3"]:
    """Rows: the axis about which a knee or an elbow bends, and two across it.

    A knee takes the shank back; an elbow takes the forearm forward.
    """
    side, part = role.split("_")
    end = roles[f"{side}_{'wrist' if part == 'elbow' else 'ankle'}"]
    bone = joints[end] - joints[roles[role]]
    forward = np.array([1.0, 0.0, 0.0]) if part == "elbow" else np.array([-1.0, 0.0, 0.0])
    axis = np.cross(bone, forward)
    axis /= np.linalg.norm(axis)
    along = bone / np.linalg.norm(bone)
    return np.stack([axis, along, np.cross(axis, along)])


def _log_jacobian(vectors: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3 3"]:
    """Of log(R exp(w)) by w at 0: the inverse of SO(3)'s right Jacobian (Solà et al. 2018, eq. 144)."""
    angles = np.linalg.norm(vectors, axis=1)
    x, y, z = vectors.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
    safe = np.maximum(angles, 1e-4)
    factor = np.where(angles < 1e-4, 1 / 12, 1 / safe**2 - (1 + np.cos(safe)) / (2 * safe * np.sin(safe)))
    factor = np.clip(factor, 0, 10)
    jacobian: Float[np.ndarray, "n 3 3"] = np.eye(3) + cross / 2 + factor[:, None, None] * cross @ cross
    return jacobian
