"""Where a body stands and faces that one camera sees: what inverse kinematics begins with there.

The body's height is known. In each frame the resting body, upright, is turned to each of a number of directions and
placed by linear least squares so that its keypoints fall on those in the picture; the directions of all frames
together are the chain that costs the least (Viterbi 1967).
"""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from splatsim.avatar.fitting.ik_model import Chain, Joints
from splatsim.avatar.fitting.ik_start import fill, resting
from splatsim.avatar.fitting.keypoints import Keypoints
from splatsim.avatar.fitting.views import Views

DIRECTIONS = 24
STEADY = np.radians(12.0)
"""Turn from frame to frame that costs as much as keypoints at their tolerance."""
TOLERANCE = 0.03
"""Error of a resting body's keypoints, in units of its height in the picture."""
LEAST_SCORE, FEWEST = 0.25, 6
"""Keypoints that are less sure do not count, and frames with fewer tell nothing."""
STIFF = ("shoulder", "hip", "ear", "eye", "nose", "neck", "head_top", "mid_hip")
SWINGING = 0.3
"""What knees, ankles and feet count against the trunk's keypoints; arms do not."""
ARMS = ("elbow", "wrist")


def standing_poses(chain: Chain, views: Views, keypoints: Keypoints) -> Joints:
    """The resting body at each time, where the first camera sees it and facing as its keypoints say.

    Args:
        keypoints: Of one person.

    Raises:
        ValueError: no frame shows six keypoints.
    """
    scores = np.where(keypoints.scores[:, 0, 0] >= LEAST_SCORE, keypoints.scores[:, 0, 0], 0.0)
    weights = scores * np.array([_count(name) for name in keypoints.names])
    usable = (weights > 0).sum(1) >= FEWEST
    if not usable.any():
        raise ValueError(
            f"no frame of camera {views.names[0]!r} shows {FEWEST} keypoints of the person's trunk and legs; expected "
            "the whole person in view."
        )
    state = resting(chain, len(weights))
    rest = chain.forward(resting(chain, 1))[0][0]
    times = np.flatnonzero(usable)
    turns = Rotation.from_rotvec(np.outer(np.arange(DIRECTIONS), [0, 0, 2 * np.pi / DIRECTIONS])).as_matrix()
    arms = (rest - chain.joints[0]) @ np.swapaxes(turns, 1, 2)  # [d k 3], from the root
    roots, costs = _placed(arms, views, keypoints.places[times, 0, 0], weights[times], times)
    facing = _steadiest(costs)
    state.rotations[times, 0] = turns[facing]
    state.root[times] = roots[np.arange(len(times)), facing]
    fill(state.rotations, usable)
    fill(state.root, usable)
    return state


def _count(name: str) -> float:
    part = name.removeprefix("left_").removeprefix("right_")
    return 1.0 if part in STIFF else 0.0 if part in ARMS else SWINGING


def _placed(
    arms: Float[np.ndarray, "d k 3"],
    views: Views,
    places: Float[np.ndarray, "t k 2"],
    weights: Float[np.ndarray, "t k"],
    times: np.ndarray,
) -> tuple[Float[np.ndarray, "t d 3"], Float[np.ndarray, "t d"]]:
    """The best place of the root for each direction, and what it costs.

    A point that is seen lies on its viewing ray: two equations that are linear in the root's place.
    """
    projections = views.Ks[0] @ views.viewmats[times, 0, :3]
    rows = places[..., None] * projections[:, None, None, 2] - projections[:, None, :2]  # [t k 2 4]
    left, factor = rows[..., :3], np.sqrt(weights)[:, :, None]
    right = -(np.einsum("tkai,dki->tdka", left, arms) + rows[:, None, ..., 3])
    system = (factor[..., None] * left).reshape(len(times), -1, 3)
    wanted = (factor[:, None] * right).reshape(*right.shape[:2], -1)
    roots = np.einsum("tir,tdr->tdi", np.linalg.pinv(system), wanted)
    points = roots[:, :, None] + arms
    local = np.einsum("tij,tdkj->tdki", projections[..., :3], points) + projections[:, None, None, :, 3]
    pixels = local[..., :2] / np.maximum(local[..., 2:], 0.05)
    tall = np.ptp(np.where(weights[..., None] > 0, places, np.nanmedian(places, 1)[:, None])[..., 1], axis=1)
    errors = np.linalg.norm(pixels - places[:, None], axis=-1) / (TOLERANCE * np.maximum(tall, 1.0))[:, None, None]
    squares = errors**2
    costs = (weights[:, None] * squares / (1 + squares / 9)).sum(-1)
    return roots, np.where(local[..., 2].min(-1) > 0.1, costs, 1e6)


def _steadiest(costs: Float[np.ndarray, "t d"]) -> np.ndarray:
    """Directions that fit and change little from frame to frame."""
    t, d = costs.shape
    apart = np.abs(np.arange(d)[:, None] - np.arange(d))
    turn = (np.minimum(apart, d - apart) * 2 * np.pi / d / STEADY) ** 2
    total, back = costs[0], np.zeros((t, d), int)
    for time in range(1, t):
        ways = total[None] + turn
        back[time] = ways.argmin(1)
        total = costs[time] + ways.min(1)
    chain = np.zeros(t, int)
    chain[-1] = total.argmin()
    for time in range(t - 1, 0, -1):
        chain[time - 1] = back[time, chain[time]]
    return chain
