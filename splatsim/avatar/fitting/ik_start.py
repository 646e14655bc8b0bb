"""Poses that inverse kinematics begins with."""

from itertools import pairwise

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from splatsim.avatar.fitting.ik_model import Chain, Joints


def start_poses(chain: Chain, names: tuple[str, ...], points: Float[np.ndarray, "t k 3"]) -> Joints:
    """The trunk by its shoulders and hips (Kabsch), then each limb's bones turned along those that were seen.

    Raises:
        ValueError: in no frame are three of shoulders and hips known.
    """
    trunk = [names.index(f"{side}_{part}") for part in ("shoulder", "hip") for side in ("left", "right")]
    rest, _, _ = chain.forward(resting(chain, 1))
    known = np.isfinite(points[:, trunk]).all(-1)
    usable = known.sum(1) >= 3
    if not usable.any():
        raise ValueError(
            "in no frame are three of shoulders and hips known in the world; expected keypoints of one person in two "
            "cameras or more."
        )
    t = len(points)
    state = resting(chain, t)
    for time in np.flatnonzero(usable):
        here = [i for i, is_known in zip(trunk, known[time], strict=True) if is_known]
        there = points[time, here]
        turn, _ = Rotation.align_vectors(there - there.mean(0), rest[0, here] - rest[0, here].mean(0))
        state.rotations[time, 0] = turn.as_matrix()
        state.root[time] = there.mean(0) + turn.apply(chain.joints[0] - rest[0, here].mean(0))
    fill(state.rotations, usable)
    fill(state.root, usable)
    for side in ("left", "right"):
        for limb in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")):
            for upper, lower in pairwise(limb):
                _aim(chain, state, points, names.index(f"{side}_{upper}"), names.index(f"{side}_{lower}"))
    return state


def _aim(chain: Chain, state: Joints, points: np.ndarray, upper: int, lower: int) -> None:
    """Turn the joint of one keypoint the shortest way, so that the bone to the next one points along the observed."""
    joint = int(chain.carriers[upper])
    _, world, _ = chain.forward(state)
    rest = chain.joints[chain.carriers[lower]] - chain.joints[joint]
    seen = points[:, lower] - points[:, upper]
    for time in np.flatnonzero(np.isfinite(seen).all(-1)):
        wanted = world[time, chain.parents[joint]].T @ seen[time]
        axis = np.cross(rest, wanted)
        sine, cosine = float(np.linalg.norm(axis)), float(rest @ wanted)
        if sine > 1e-9:
            state.rotations[time, joint] = Rotation.from_rotvec(axis / sine * np.arctan2(sine, cosine)).as_matrix()


def resting(chain: Chain, t: int) -> Joints:
    """The rest pose t times."""
    return Joints(np.tile(np.eye(3), (t, len(chain.parents), 1, 1)), np.tile(chain.joints[0], (t, 1)))


def fill(values: np.ndarray, usable: np.ndarray) -> None:
    """Frames of which nothing is known begin as the nearest one that is."""
    good = np.flatnonzero(usable)
    nearest = good[np.abs(good[None] - np.arange(len(values))[:, None]).argmin(1)]
    values[:] = values[nearest]
