"""Inverse kinematics: poses of all frames and the proportions of the body at once, from keypoints in the pictures.

Gauss-Newton with Levenberg's damping on reprojection errors, a pose that is comfortable, limits of hinges, and
smoothness over time. Frames are coupled by smoothness alone, so that the normal equations are a narrow band with a
border for what all frames share: lengths of bones and the places of keypoints on the body.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from splatsim.avatar.fitting.bands import add_second_differences, solve_band
from splatsim.avatar.fitting.ik_model import Chain, Joints, linearised
from splatsim.avatar.fitting.ik_start import start_poses
from splatsim.avatar.fitting.keypoints import Keypoints, attachments
from splatsim.avatar.fitting.monocular import standing_poses
from splatsim.avatar.fitting.views import Views
from splatsim.avatar.skeleton import Pose, Skeleton


@dataclass(frozen=True)
class IkOptions:
    """What a fit to keypoints weighs against what. Every number is a standard deviation."""

    iterations: int = 30
    """At most."""
    pixels: float = 0.005
    """Of keypoints, in units of the picture's long side; errors beyond twice that count less and less."""
    turn_acceleration: float = 60.0
    """Of joints, rad/s²."""
    root_acceleration: float = 8.0
    """Of the root joint, m/s²."""
    proportion: float = 0.08
    """Of the logarithm of a bone's length, against the others'."""
    size: float = 0.25
    """Of the logarithm of the whole body's size."""
    placing: float = 0.01
    """Of where a keypoint that is a joint sits on the body, metres."""
    marking: float = 0.03
    """Of where another one does: eyes, heels, toes, metres."""


ONE_CAMERA = IkOptions(pixels=0.015, proportion=0.02, size=0.01)
"""For a single camera and a known height. There is no second camera to contradict it: where a detector's keypoints are
not quite the body's joints, bones that may stretch and keypoints that weigh much turn that into depth."""


@dataclass(frozen=True, eq=False)
class IkResult:
    """Poses, and the body that they move."""

    skeleton: Skeleton
    """With the fitted proportions."""
    pose: Pose
    """One for each frame."""
    scales: Float[np.ndarray, " j"]
    """By what the bone that ends in each joint is longer than it was."""
    offsets: Float[np.ndarray, "k 3"]
    """Where the keypoints sit, from their joints in the rest pose, metres."""
    errors: Float[np.ndarray, "t c k"]
    """Distance of keypoints from those of the body, pixels; nan where a keypoint is missing."""


def solve_ik(
    skeleton: Skeleton,
    views: Views,
    keypoints: Keypoints,
    points: Float[np.ndarray, "t k 3"],
    *,
    fps: float,
    start: Pose | None = None,
    options: IkOptions = IkOptions(),
) -> IkResult:
    """Poses and proportions of one person's body.

    Args:
        keypoints: Of that person.
        points: The keypoints in the world where they are known: the start of the search.
        fps: Frames a second, for what smooth means.
        start: Poses to begin with; by default from the points, or from one camera's keypoints alone.

    Raises:
        ValueError: too few points are known to begin with, in all frames.
    """
    carriers, offsets = attachments(skeleton, keypoints.names)
    chain = Chain.of(skeleton, carriers, offsets)
    if start is not None:
        state = Joints.of(start)
    elif len(views.names) == 1:
        state = standing_poses(chain, views, keypoints)
    else:
        state = start_poses(chain, keypoints.names, points)
    observed = _Observations(views, keypoints, options)
    damping, cost = 1e-3, _cost(chain, state, observed, fps, options)
    for _ in range(options.iterations):
        system = _normal_equations(chain, state, observed, fps, options)
        improved = False
        for _ in range(6):
            step = _solve(*system, damping)
            moved_chain, moved = _moved(chain, state, step)
            new = _cost(moved_chain, moved, observed, fps, options)
            if new < cost:
                improved = True
                break
            damping *= 8
        if not improved:
            break
        gain, cost = cost - new, new
        chain, state, damping = moved_chain, moved, max(damping / 4, 1e-9)
        if gain < 1e-6 * cost + 1e-12:
            break
    return _result(skeleton, chain, state, observed)


class _Observations:
    """Keypoints with their weights."""

    def __init__(self, views: Views, keypoints: Keypoints, options: IkOptions) -> None:
        self.views = views
        self.places = keypoints.places[:, :, 0]
        self.scores = np.where(keypoints.scores[:, :, 0] >= 0.1, keypoints.scores[:, :, 0], 0.0)
        self.sigmas = options.pixels * np.array([max(size) for size in views.sizes])

    def residuals(self, points: Float[np.ndarray, "t k 3"]) -> tuple[np.ndarray, np.ndarray]:
        """Reprojection errors [t c k 2] in standard deviations, and points in the cameras' frames [t c k 3]."""
        rotations, translations = self.views.viewmats[..., :3, :3], self.views.viewmats[..., :3, 3]
        local = np.einsum("tcij,tkj->tcki", rotations, points) + translations[:, :, None]
        local[..., 2] = np.maximum(local[..., 2], 0.05)
        pixels = (local @ np.swapaxes(self.views.Ks, -1, -2))[..., :2] / local[..., 2:]
        return (pixels - self.places) / self.sigmas[:, None, None], local

    def jacobian(self, local: np.ndarray) -> Float[np.ndarray, "t c k 2 3"]:
        """Of the residuals, by the points in the world."""
        x, y, z = np.moveaxis(local, -1, 0)
        Ks = self.views.Ks
        fx, fy, skew = Ks[:, None, 0, 0], Ks[:, None, 1, 1], Ks[:, None, 0, 1]
        zero = np.zeros_like(x)
        rows = [
            np.stack([fx / z, skew / z, -(fx * x + skew * y) / z**2], -1),
            np.stack([zero, fy / z, -fy * y / z**2], -1),
        ]
        by_local = np.stack(rows, -2) / self.sigmas[:, None, None, None]
        jacobian: Float[np.ndarray, "t c k 2 3"] = by_local @ self.views.viewmats[..., None, :3, :3]
        return jacobian


ROBUST = 2.0
"""Standard deviations at which Geman-McClure's loss has lost half of its weight's root."""


def _cost(chain: Chain, state: Joints, observed: _Observations, fps: float, options: IkOptions) -> float:
    points, _, _ = chain.forward(state)
    residuals, _ = observed.residuals(points)
    squares = (residuals**2).sum(-1) / ROBUST**2
    data = float((observed.scores * ROBUST**2 * squares / (1 + squares)).sum())
    comfort, _ = chain.comfort(state)
    smooth = sum(float((r**2).sum()) for r in _accelerations(chain, state, fps, options))
    return data + float((comfort**2).sum()) + smooth + float((_shared_prior(chain, options)[0] ** 2).sum())


def _accelerations(chain: Chain, state: Joints, fps: float, options: IkOptions) -> tuple[np.ndarray, np.ndarray]:
    """Of the free joints' turns [t-2 j 3] and of the root [t-2 3], in standard deviations."""
    free = state.rotations[:, list(chain.free)]
    turns = Rotation.from_matrix(free.reshape(-1, 3, 3))
    t, j = free.shape[:2]
    if t < 3:
        return np.zeros((0, j, 3)), np.zeros((0, 3))
    after = np.arange(t * j).reshape(t, j)
    steps = (turns[after[:-1].ravel()].inv() * turns[after[1:].ravel()]).as_rotvec().reshape(t - 1, j, 3)
    scale = fps**2
    root = state.root[2:] - 2 * state.root[1:-1] + state.root[:-2]
    return np.diff(steps, axis=0) * scale / options.turn_acceleration, root * scale / options.root_acceleration


def _shared_prior(chain: Chain, options: IkOptions) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of what all frames share, and their diagonal Jacobian's inverse: standard deviations."""
    bones = np.full(len(chain.log_scales), options.proportion)
    bones[0] = options.size
    is_joint = np.linalg.norm(chain.first_offsets, axis=1) == 0
    sigmas = np.concatenate([bones, np.repeat(np.where(is_joint, options.placing, options.marking), 3)])
    values = np.concatenate([chain.log_scales, (chain.offsets - chain.first_offsets).ravel()])
    return values / sigmas, sigmas


def _normal_equations(
    chain: Chain, state: Joints, observed: _Observations, fps: float, options: IkOptions
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Band [3 n-blocks t n n] of the frames, border [t n s], corner [s s], and both gradients."""
    points, jacobian, shared = linearised(chain, state)  # [t k 3 n], [t k 3 s]
    residuals, local = observed.residuals(points)
    squares = (residuals**2).sum(-1) / ROBUST**2
    weights = observed.scores / (1 + squares) ** 2
    by_point = observed.jacobian(local)
    information = np.einsum("tckai,tck,tckaj->tkij", by_point, weights, by_point)
    pull = np.einsum("tckai,tck,tcka->tki", by_point, weights, residuals)
    t, n, s = len(points), jacobian.shape[-1], shared.shape[-1]
    pulled = information @ jacobian
    flat = jacobian.reshape(t, -1, n)
    diagonal = np.swapaxes(flat, 1, 2) @ pulled.reshape(t, -1, n)
    border = np.swapaxes(pulled.reshape(t, -1, n), 1, 2) @ shared.reshape(t, -1, s)
    corner = np.einsum("tkis,tkij,tkju->su", shared, information, shared, optimize=True)
    gradient = np.einsum("tkin,tki->tn", jacobian, pull)
    shared_gradient = np.einsum("tkis,tki->s", shared, pull)
    comfort, comfort_jacobian = chain.comfort(state)  # [t m], [t m n]
    diagonal += np.swapaxes(comfort_jacobian, 1, 2) @ comfort_jacobian
    gradient += np.einsum("tmn,tm->tn", comfort_jacobian, comfort)
    prior, sigmas = _shared_prior(chain, options)
    corner += np.diag(1 / sigmas**2)
    shared_gradient += prior / sigmas
    band = np.zeros((3, t, n, n))
    band[0] = diagonal
    _add_smoothness(band, gradient, chain, state, fps, options)
    return band, border, corner, gradient, shared_gradient


def _add_smoothness(
    band: np.ndarray, gradient: np.ndarray, chain: Chain, state: Joints, fps: float, options: IkOptions
) -> None:
    """Second differences: rows 1, -2, 1 in every component."""
    turns, root = _accelerations(chain, state, fps, options)
    t = len(gradient)
    if t < 3:
        return
    residual = np.concatenate([root, turns.reshape(t - 2, -1)], axis=1)
    n = residual.shape[1]
    scale = np.full(n, fps**2 / options.turn_acceleration)
    scale[:3] = fps**2 / options.root_acceleration
    add_second_differences(band, gradient, residual / scale, np.diag(scale**2))


def _solve(
    band: np.ndarray, border: np.ndarray, corner: np.ndarray, gradient: np.ndarray, shared: np.ndarray, damping: float
) -> tuple[np.ndarray, np.ndarray]:
    """The damped step of the frames [t n] and of what they share [s], by the Schur complement."""
    _, t, n, _ = band.shape
    right = np.concatenate([gradient.reshape(-1, 1), border.reshape(t * n, -1)], axis=1)
    solved = solve_band(band, right, damping)
    reduced = corner + damping * np.diag(np.diag(corner)) - border.reshape(t * n, -1).T @ solved[:, 1:]
    step_shared = np.linalg.solve(reduced, -(shared - border.reshape(t * n, -1).T @ solved[:, 0]))
    step = -(solved[:, 0] + solved[:, 1:] @ step_shared)
    return step.reshape(t, n), step_shared


def _moved(chain: Chain, state: Joints, step: tuple[np.ndarray, np.ndarray]) -> tuple[Chain, Joints]:
    frames, shared = step
    return chain.moved(shared), state.moved(frames, chain.free)


def _result(skeleton: Skeleton, chain: Chain, state: Joints, observed: _Observations) -> IkResult:
    points, _, _ = chain.forward(state)
    residuals, _ = observed.residuals(points)
    errors = np.linalg.norm(residuals, axis=-1) * observed.sigmas[:, None]
    quats = Rotation.from_matrix(state.rotations.reshape(-1, 3, 3)).as_quat(scalar_first=True)
    rotations = torch.from_numpy(quats.reshape(*state.rotations.shape[:2], 4)).float()
    scaled = skeleton.replace(joints=torch.from_numpy(chain.rest_joints()).to(skeleton.joints))
    return IkResult(
        scaled,
        Pose(rotations, torch.from_numpy(state.root).float()),
        chain.scales(),
        chain.offsets,
        np.where(observed.scores > 0, errors, np.nan),
    )
