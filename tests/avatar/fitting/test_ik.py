"""From keypoints to poses: exact where they are exact, and not led astray by noise, outliers and bystanders."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from splatsim.avatar import Pose, joint_roles, world_from_joints
from splatsim.avatar.fitting.association import associate_person
from splatsim.avatar.fitting.ik import ONE_CAMERA, solve_ik
from splatsim.avatar.fitting.ik_model import Chain, Joints, linearised
from splatsim.avatar.fitting.keypoints import LAYOUTS, Keypoints, attachments
from splatsim.avatar.fitting.triangulation import refine_cameras, triangulate_person
from splatsim.avatar.fitting.views import Views, project
from tests.avatar.fitting.bodies import around, rig, walking

T, FPS = 24, 30.0
NAMES = LAYOUTS["body_25b"]


def seen_by(views: Views, pose: Pose) -> tuple[Keypoints, np.ndarray]:
    """Exact keypoints in all cameras, and where they are in the world."""
    skeleton = rig()
    carriers, offsets = attachments(skeleton, NAMES)
    frames = world_from_joints(skeleton, Pose(pose.rotations.double(), pose.root.double())).numpy()[:, carriers]
    points = frames[..., :3, 3] + (frames[..., :3, :3] @ offsets[..., None])[..., 0]
    pixels = project(views, points)
    return Keypoints(NAMES, pixels[:, :, None], np.full(pixels.shape[:-1], 0.9)[:, :, None]), points


def joint_places(skeleton, pose: Pose) -> np.ndarray:
    return world_from_joints(skeleton, pose)[..., :3, 3].numpy()


def test_exact_keypoints_are_triangulated_exactly() -> None:
    views, pose = around(T), walking(rig(), T)
    keypoints, points = seen_by(views, pose)
    found = triangulate_person(views, keypoints)
    np.testing.assert_allclose(found.points, points, atol=1e-6)
    assert found.median_error() < 1e-4


def test_a_camera_that_contradicts_the_others_is_left_out() -> None:
    views, pose = around(T), walking(rig(), T)
    keypoints, points = seen_by(views, pose)
    places = keypoints.places.copy()
    rng = np.random.default_rng(0)
    wrong = rng.integers(0, 4, (T, len(NAMES)))  # one of four cameras is far off, for every keypoint
    for t, k in np.ndindex(wrong.shape):
        places[t, wrong[t, k], 0, k] += rng.choice([-1, 1], 2) * rng.uniform(60, 150, 2)
    found = triangulate_person(views, replace(keypoints, places=places))
    assert np.quantile(np.linalg.norm(found.points - points, axis=-1), 0.95) < 0.005
    plain = triangulate_person(views, replace(keypoints, places=places), tolerance=1e9)
    assert np.median(np.linalg.norm(plain.points - points, axis=-1)) > np.median(
        np.linalg.norm(found.points - points, axis=-1)
    )


def test_jacobians_are_those_of_finite_differences() -> None:
    skeleton, pose = rig(), walking(rig(), 2)
    carriers, offsets = attachments(skeleton, NAMES)
    chain = Chain.of(skeleton, carriers, offsets)
    chain = replace(chain, log_scales=np.linspace(-0.1, 0.1, len(chain.log_scales)))
    state = Joints.of(pose)
    points, jacobian, shared = linearised(chain, state)
    comfort, by_step = chain.comfort(state)
    h = 1e-6
    for column in range(jacobian.shape[-1]):
        step = np.zeros((2, jacobian.shape[-1]))
        step[:, column] = h
        moved = state.moved(step, chain.free)
        np.testing.assert_allclose((chain.forward(moved)[0] - points) / h, jacobian[..., column], atol=1e-5)
        np.testing.assert_allclose((chain.comfort(moved)[0] - comfort) / h, by_step[..., column], atol=2e-4)
    for column in range(shared.shape[-1]):
        step = np.zeros(shared.shape[-1])
        step[column] = h
        np.testing.assert_allclose((chain.moved(step).forward(state)[0] - points) / h, shared[..., column], atol=1e-5)


def test_exact_keypoints_give_back_the_body() -> None:
    views, pose = around(T), walking(rig(), T)
    keypoints, points = seen_by(views, pose)
    found = solve_ik(rig(), views, keypoints, points, fps=FPS)
    assert np.nanmedian(found.errors) < 0.5
    roles = joint_roles(rig())
    limbs = [
        roles[f"{s}_{p}"] for s in ("left", "right") for p in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    ]
    off = np.linalg.norm(joint_places(found.skeleton, found.pose) - joint_places(rig(), pose), axis=-1)[:, limbs]
    assert off.mean() < 0.01
    assert abs(np.log(found.scales)).max() < 0.06


def test_another_body_is_measured() -> None:
    """A body with legs longer by a tenth and arms shorter by a tenth."""
    views, skeleton = around(T), rig()
    carriers, offsets = attachments(skeleton, NAMES)
    chain = Chain.of(skeleton, carriers, offsets)
    log_scales = chain.log_scales.copy()
    log_scales[[6, 7]], log_scales[[9, 10]] = np.log(0.9), np.log(1.1)
    chain = replace(chain, log_scales=log_scales)
    points, _, _ = chain.forward(Joints.of(walking(skeleton, T)))
    pixels = project(views, points)
    keypoints = Keypoints(NAMES, pixels[:, :, None], np.full(pixels.shape[:-1], 0.9)[:, :, None])
    found = solve_ik(skeleton, views, keypoints, points, fps=FPS)
    roles = joint_roles(skeleton)
    for role, wanted in (("left_wrist", 0.9), ("right_elbow", 0.9), ("left_knee", 1.1), ("right_ankle", 1.1)):
        assert found.scales[roles[role]] == pytest.approx(wanted, abs=0.03), role


def test_noise_and_outliers_are_smoothed_away() -> None:
    views, pose = around(T), walking(rig(), T)
    keypoints, _ = seen_by(views, pose)
    rng = np.random.default_rng(1)
    places = keypoints.places + rng.normal(0, 4, keypoints.places.shape)
    wild = rng.random(keypoints.scores.shape) < 0.05
    places[wild] += rng.uniform(-150, 150, (int(wild.sum()), 2))
    noisy = replace(keypoints, places=places)
    points = triangulate_person(views, noisy).points
    found = solve_ik(rig(), views, noisy, points, fps=FPS)
    off = np.linalg.norm(joint_places(found.skeleton, found.pose) - joint_places(rig(), pose), axis=-1)
    assert off.mean() < 0.02
    assert np.quantile(off, 0.95) < 0.045


def test_a_bystander_is_told_from_the_person() -> None:
    views, pose = around(T), walking(rig(), T)
    walker, _ = seen_by(views, pose)
    stander, _ = seen_by(
        views, Pose(pose.rotations[:1].expand(T, -1, -1), torch.tensor([[-0.8, 0.8, 0.93]]).expand(T, 3))
    )
    rng = np.random.default_rng(2)
    order = rng.integers(0, 2, (T, 4))  # which of the two detections comes first changes in every picture
    both = np.stack([walker.places[:, :, 0], stander.places[:, :, 0]], 2)
    places = np.where(order[..., None, None, None] == 1, both[:, :, ::-1], both)
    scores = np.full(places.shape[:-1], 0.8)
    gone = rng.random((T, 4)) < 0.3  # the bystander is not always found
    scores[gone, 1 - order[gone]] = 0
    chosen = associate_person(views, Keypoints(NAMES, places, scores))
    np.testing.assert_array_equal(chosen, order)


def test_cameras_that_were_knocked_are_put_right() -> None:
    views, pose = around(T), walking(rig(), T)
    keypoints, _ = seen_by(views, pose)
    viewmats = views.viewmats.copy()
    tilt = np.radians(0.7)
    viewmats[:, 1, :3] = (
        np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]]) @ viewmats[:, 1, :3]
    )
    knocked = replace(views, viewmats=viewmats)
    before, after = (
        triangulate_person(v, keypoints).median_error() for v in (knocked, refine_cameras(knocked, keypoints))
    )
    assert before > 1.0
    assert after < 0.2 * before


@pytest.mark.parametrize("camera", [1, 4])
def test_one_camera_and_a_known_height_give_the_poses(camera: int) -> None:
    """From behind and from the side, with keypoints that are off by a pixel."""
    views, pose = around(T, 6).select([camera]), walking(rig(), T)
    keypoints, points = seen_by(views, pose)
    rng = np.random.default_rng(0)
    noisy = replace(keypoints, places=keypoints.places + rng.normal(0, 1, keypoints.places.shape))
    found = solve_ik(rig(), views, noisy, np.full(points.shape, np.nan), fps=FPS, options=ONE_CAMERA)
    off = np.linalg.norm(joint_places(found.skeleton, found.pose) - joint_places(rig(), pose), axis=-1)
    assert off.mean() < 0.035
    assert np.quantile(off, 0.95) < 0.07
