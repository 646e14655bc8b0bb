"""Forward kinematics against hand-computed poses, and laws that hold for any."""

import math

import pytest
import torch

from splatsim.avatar import ROLES, Pose, Skeleton, joint_roles, world_from_joints, world_from_rest
from splatsim.avatar.roles import TABLES
from splatsim.transforms import apply

QUARTER = math.sqrt(0.5)


def chain() -> Skeleton:
    """Three joints up the z axis, one metre apart, from z = 1."""
    return Skeleton(("root", "mid", "tip"), (-1, 0, 1), torch.tensor([[0.0, 0, 1], [0, 0, 2], [0, 0, 3]]))


def test_rest_pose_leaves_everything() -> None:
    skeleton = chain()
    torch.testing.assert_close(world_from_rest(skeleton, skeleton.rest()), torch.eye(4).expand(3, 4, 4))
    torch.testing.assert_close(world_from_joints(skeleton, skeleton.rest())[:, :3, 3], skeleton.joints)


def test_a_quarter_turn_at_the_middle() -> None:
    rotations = torch.tensor([[1.0, 0, 0, 0], [QUARTER, 0, QUARTER, 0], [1, 0, 0, 0]])  # about y: z goes to x
    placed = world_from_joints(chain(), Pose(rotations, torch.tensor([5.0, 0, 1])))[:, :3, 3]
    torch.testing.assert_close(placed, torch.tensor([[5.0, 0, 1], [5, 0, 2], [6, 0, 2]]))


def test_bones_carry_their_joints_and_their_parents_end() -> None:
    torch.manual_seed(0)
    skeleton = Skeleton(("a", "b", "c", "d"), (-1, 0, 1, 0), torch.randn(4, 3, dtype=torch.float64))
    pose = Pose(torch.randn(7, 4, 4, dtype=torch.float64), torch.randn(7, 3, dtype=torch.float64))
    bones, frames = world_from_rest(skeleton, pose), world_from_joints(skeleton, pose)
    for joint, parent in enumerate(skeleton.parents):
        here = skeleton.joints[joint].expand(7, 1, 3)
        torch.testing.assert_close(apply(bones[:, joint], here)[:, 0], frames[:, joint, :3, 3])
        if parent >= 0:
            torch.testing.assert_close(apply(bones[:, parent], here)[:, 0], frames[:, joint, :3, 3])


def test_wrong_skeletons_are_named() -> None:
    joints = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r"joint 1 .'b'. has parent 1"):
        Skeleton(("a", "b"), (-1, 1), joints)
    with pytest.raises(ValueError, match=r"\['a'\] come more than once"):
        Skeleton(("a", "a"), (-1, 0), joints)
    with pytest.raises(ValueError, match="the pose has 3 joints; the skeleton has 2"):
        world_from_joints(Skeleton(("a", "b"), (-1, 0), joints), chain().rest())


@pytest.mark.parametrize("maker", TABLES)
def test_roles_by_name(maker: str) -> None:
    names = []
    for role in ROLES:
        side, _, part = role.rpartition("_")
        names.append("rig:" + TABLES[maker][part].format(s=side[:1], side=side, Side=side.capitalize()))
    skeleton = Skeleton(tuple(names), (-1, *range(len(names) - 1)), torch.zeros(len(names), 3))
    assert joint_roles(skeleton) == {role: joint for joint, role in enumerate(ROLES)}


def test_roles_that_no_table_has() -> None:
    with pytest.raises(ValueError, match="fit no naming table"):
        joint_roles(chain())
