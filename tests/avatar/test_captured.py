"""Recorded motions: axes and units told from the rig, SMPL's conventions, and motions carried from rig to rig."""

from pathlib import Path

import numpy as np
import pytest
import torch

from splatsim.avatar import Body, Pose, Skeleton, joint_roles, world_from_joints
from splatsim.avatar.captured import motion_of_smpl, read_motion, read_smpl_body
from splatsim.avatar.motion import SampledMotion
from splatsim.avatar.retargeting import in_pose, retarget, straighten, turn_between
from splatsim.formats.smpl import SmplMotion, read_smpl
from splatsim.transforms import rotmat_from_quat
from tests.formats.test_smpl import model


def bvh_of(skeleton: Skeleton, path: Path, *, axes: tuple[int, int, int] = (1, 2, 0), scale: float = 1.0) -> Path:
    """A rest pose and one with the left knee bent, as BVH: axis i of the file is axis axes[i] of the body."""
    places = skeleton.joints[:, list(axes)] * scale

    def joint(index: int, depth: int) -> list[str]:
        parent = skeleton.parents[index]
        offset = places[index] - (places[parent] if parent >= 0 else 0)
        children = [child for child, up in enumerate(skeleton.parents) if up == index]
        name = "ROOT" if parent < 0 else "JOINT"
        channels = "6 Xposition Yposition Zposition" if parent < 0 else "3"
        lines = [f"{name} {skeleton.names[index]}", "{", "OFFSET " + " ".join(f"{v:.6f}" for v in offset.tolist())]
        lines.append(f"CHANNELS {channels} Xrotation Yrotation Zrotation")
        for child in children:
            lines += joint(child, depth + 1)
        return [*lines, *([] if children else ["End Site", "{", "OFFSET 0 0 0", "}"]), "}"]

    order = [line.split()[1] for line in joint(0, 0) if line.startswith(("ROOT", "JOINT"))]
    still = [f"{v:.6f}" for v in places[0].tolist()] + ["0"] * (3 * len(order))
    bent = list(still)
    bent[3 + 3 * order.index("calf_l") + axes.index(1)] = "90"  # about the body's left axis
    head = ["HIERARCHY", *joint(0, 0), "MOTION", "Frames: 2", "Frame Time: 0.1", " ".join(still), " ".join(bent)]
    path.write_text("\n".join(head) + "\n")
    return path


@pytest.mark.parametrize(("axes", "said"), [((1, 2, 0), ""), ((0, 1, 2), "up is the file's +z")])
@pytest.mark.parametrize(("scale", "unit"), [(1.0, ""), (100.0, "centimetres")])
def test_bvh_of_any_axes_and_units(
    axes: tuple[int, int, int], said: str, scale: float, unit: str, tmp_path: Path
) -> None:
    skeleton = Body.load().shape(height=1.75).skeleton
    motion, notes = read_motion(bvh_of(skeleton, tmp_path / "a.bvh", axes=axes, scale=scale))
    assert all(word in " ".join(notes) for word in (said, unit))
    order = [motion.skeleton.index(name) for name in skeleton.names]
    off = motion.skeleton.joints[order] - skeleton.joints
    torch.testing.assert_close(off, off[:1].expand_as(off), atol=2e-5, rtol=0)  # but for where the floor is
    bent = world_from_joints(motion.skeleton, motion.poses[1])[:, :3, 3]
    names = motion.skeleton.names
    knee, ankle = bent[names.index("calf_l")], bent[names.index("foot_l")]
    # A turn about +y takes the shin, which hung down, backwards.
    assert float(ankle[0] - knee[0]) < -0.35
    assert motion.rate == pytest.approx(10)


def test_a_real_clip_stands_in_metres(data: Path) -> None:
    motion, notes = read_motion(data / "people" / "cmu_131_01.bvh")
    assert "0.0564 m" in " ".join(notes)
    joints = world_from_joints(motion.skeleton, motion.at(torch.linspace(0, 8, 30)))[..., :3, 3]
    assert 1.3 < float(joints[..., 2].amax(-1).median()) < 1.8
    assert -0.1 < float(joints[..., 2].amin(-1).median()) < 0.25
    moved = retarget(motion, Body.load().shape(height=1.75).skeleton)
    # Limbs point where they pointed.
    roles, ours = joint_roles(motion.skeleton), joint_roles(moved.skeleton)
    other = world_from_joints(moved.skeleton, moved.at(torch.linspace(0, 8, 30)))[..., :3, 3]
    for start, end in (("left_shoulder", "left_elbow"), ("right_hip", "right_knee"), ("left_knee", "left_ankle")):
        a = torch.nn.functional.normalize(joints[:, roles[end]] - joints[:, roles[start]], dim=-1)
        b = torch.nn.functional.normalize(other[:, ours[end]] - other[:, ours[start]], dim=-1)
        assert (a * b).sum(-1).min() > 0.9995


def test_retargeting_to_itself_changes_nothing() -> None:
    skeleton = Body.load().shape(height=1.7).skeleton
    generator = torch.Generator().manual_seed(0)
    rotations = torch.tensor([1.0, 0, 0, 0]) + 0.3 * torch.randn(5, len(skeleton), 4, generator=generator)
    rotations = torch.nn.functional.normalize(rotations, dim=-1)
    major = list(joint_roles(skeleton).values())
    rest = torch.tensor([1.0, 0, 0, 0]).expand_as(rotations).clone()
    rest[:, major] = rotations[:, major]
    motion = SampledMotion(skeleton, Pose(rest, skeleton.joints[0] + torch.randn(5, 3, generator=generator)), 30.0)
    moved = retarget(motion, skeleton)
    same = rotmat_from_quat(moved.poses.rotations) - rotmat_from_quat(motion.poses.rotations)
    assert same.abs().max() < 2e-5
    drift = moved.poses.root - motion.poses.root
    torch.testing.assert_close(drift, drift[:1].expand_as(drift), atol=2e-5, rtol=0)  # the floor is found anew


def test_a_t_pose_and_a_turn() -> None:
    skeleton = Body.load().shape().skeleton
    roles = joint_roles(skeleton)
    straight = in_pose(skeleton, straighten(skeleton, roles)).joints
    for side, out in (("left", 1), ("right", -1)):
        arm = straight[roles[f"{side}_wrist"]] - straight[roles[f"{side}_shoulder"]]
        torch.testing.assert_close(
            torch.nn.functional.normalize(arm, dim=0), torch.tensor([0.0, out, 0.0]), atol=1e-4, rtol=0
        )
    for end in ([0.0, 0, -1], [0.3, -0.2, 0.9]):
        turn = turn_between(torch.tensor([0.0, 0, 1]), torch.tensor(end))
        turned = rotmat_from_quat(turn) @ torch.tensor([0.0, 0, 1])
        torch.testing.assert_close(turned, torch.nn.functional.normalize(torch.tensor(end), dim=0), atol=1e-5, rtol=0)


def test_smpl_by_its_own_formula(tmp_path: Path) -> None:
    """v = Σ w (R (v - J) + …), y up, written out here; AMASS turns the body into a world with z up."""
    from scipy.spatial.transform import Rotation

    np.savez(tmp_path / "body.npz", **model(24))
    betas = torch.linspace(-1, 1, 10)
    body, raw = read_smpl_body(tmp_path / "body.npz", betas), read_smpl(tmp_path / "body.npz")
    rng = np.random.default_rng(2)
    vectors, trans = rng.normal(size=(2, 24, 3)) * 0.4, rng.normal(size=(2, 3))
    motion, notes = motion_of_smpl(SmplMotion(raw.path, raw.names, vectors, trans, 30.0, z_up=True), body)
    assert notes == []
    v = raw.template + raw.shape_dirs @ betas.double().numpy()
    joints = raw.regressor @ v
    for frame in range(2):
        worlds = []
        for joint, parent in enumerate(raw.parents):
            local = np.eye(4)
            local[:3, :3] = Rotation.from_rotvec(vectors[frame, joint]).as_matrix()
            local[:3, 3] = joints[joint] - (joints[parent] if parent >= 0 else 0)
            worlds.append(local if parent < 0 else worlds[parent] @ local)
        bones = np.stack(
            [
                world @ np.block([[np.eye(3), -j[:, None]], [np.zeros((1, 3)), 1]])
                for world, j in zip(worlds, joints, strict=True)
            ]
        )
        # The weights that the body keeps: the six heaviest of each vertex.
        dense = body.skin.dense(24).double().numpy()
        expected = np.einsum("vj,jab,vb->va", dense, bones[:, :3], np.c_[v, np.ones(len(v))]) + trans[frame]
        posed = body.pose(motion.poses[frame]).double().numpy()
        lift = posed - expected  # where the floor of the rest pose was
        np.testing.assert_allclose(lift, np.tile(lift[:1], (len(lift), 1)), atol=2e-4)


def test_amass_without_a_model_stands_upright() -> None:
    names = read_names(52)
    upright = np.zeros((3, 52, 3))
    upright[:, 0] = [np.pi / 2, 0, 0]  # y up becomes z up
    motion, notes = motion_of_smpl(
        SmplMotion(Path("a.npz"), names, upright, np.tile([0, 0, 1.2], (3, 1)), 120.0, z_up=True)
    )
    assert "average body" in notes[0]
    joints = world_from_joints(motion.skeleton, motion.poses[0])[:, :3, 3]
    roles = joint_roles(motion.skeleton)
    assert joints[roles["head"], 2] > joints[roles["pelvis"], 2] + 0.4 > joints[roles["left_ankle"], 2] + 0.9
    moved = retarget(motion, Body.load().shape(height=1.8).skeleton)
    assert 0.8 < float(moved.poses.root[0, 2]) < 1.1


def read_names(count: int) -> tuple[str, ...]:
    from splatsim.formats.smpl import JOINT_NAMES

    return JOINT_NAMES[count]
