"""Motions of one rig on another, joint by joint by what the joints are."""

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.avatar.motion import SampledMotion
from splatsim.avatar.role_shapes import find_roles, reach
from splatsim.avatar.skeleton import Pose, Skeleton, world_from_joints
from splatsim.transforms import multiply_quats, quat_from_rotmat

BONES = (
    ("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("ankle", "toe"),
)  # fmt: skip
"""Whose direction in the rest pose may differ between rigs (A-pose, T-pose, arms down): it is taken out."""
FOLLOW = {"wrist": "elbow", "toe": "ankle"}
"""Joints without a bone of their own among the roles take the correction of the one before."""


def retarget(motion: SampledMotion, skeleton: Skeleton) -> SampledMotion:
    """The motion on another skeleton: limbs point where they did, steps scale with the legs, feet keep to the floor.

    Raises:
        ValueError: one of the rigs is no person's by its names or its shape.
    """
    source, target = find_roles(motion.skeleton)[0], find_roles(skeleton)[0]
    frames = world_from_joints(motion.skeleton, motion.poses)
    turns = quat_from_rotmat(frames[..., :3, :3])  # rotations from the rest pose, in the world
    shared = [role for role in target if role in source]
    wanted: dict[int, Tensor] = {}
    for role in shared:
        correction = _correction(role, motion.skeleton, source, skeleton, target)
        wanted[target[role]] = multiply_quats(turns[:, source[role]], correction.expand_as(turns[:, 0]))
    rotations = _local(skeleton, wanted, turns)
    scale = reach(skeleton, target) / reach(motion.skeleton, source)
    poses = Pose(rotations, torch.zeros_like(motion.poses.root).to(rotations))
    hips = _between(world_from_joints(skeleton, poses)[..., :3, 3], target)
    root = scale * _between(frames[..., :3, 3], source) - hips
    poses = poses.replace(root=root)
    return SampledMotion(skeleton, _on_floor(skeleton, poses, target), motion.rate)


def _correction(
    role: str, source: Skeleton, source_roles: dict[str, int], target: Skeleton, target_roles: dict[str, int]
) -> Float[Tensor, "4"]:
    """The least rotation from the target's bone in its rest pose to the source's in its own."""
    identity = torch.tensor([1.0, 0.0, 0.0, 0.0]).to(source.joints)
    side, _, part = role.rpartition("_")
    part = FOLLOW.get(part, part)
    end = dict(BONES).get(part)
    ends = [f"{side}_{part}", f"{side}_{end}"]
    if end is None or not all(name in roles for name in ends for roles in (source_roles, target_roles)):
        return identity
    theirs = source.joints[source_roles[ends[1]]] - source.joints[source_roles[ends[0]]]
    ours = (target.joints[target_roles[ends[1]]] - target.joints[target_roles[ends[0]]]).to(theirs)
    return turn_between(ours, theirs)


def turn_between(start: Float[Tensor, "3"], end: Float[Tensor, "3"]) -> Float[Tensor, "4"]:
    """The least rotation that takes one direction to another, wxyz; about any axis across where they are opposite."""
    a, b = torch.nn.functional.normalize(start, dim=0), torch.nn.functional.normalize(end, dim=0)
    axis, cos = torch.linalg.cross(a, b), (a * b).sum()
    if float(cos) < -0.999999:
        across = torch.eye(3).to(a)[int(a.abs().argmin())]
        half = torch.nn.functional.normalize(torch.linalg.cross(a, across), dim=0)
        return torch.cat([torch.zeros(1).to(a), half])
    return torch.nn.functional.normalize(torch.cat([(1 + cos)[None], axis]), dim=0)


def _local(skeleton: Skeleton, wanted: dict[int, Tensor], like: Tensor) -> Float[Tensor, "t j 4"]:
    """Rotations against the parents; joints that nothing was asked of follow theirs."""
    identity = torch.tensor([1.0, 0.0, 0.0, 0.0]).to(like).expand_as(like[:, 0])
    conjugate = torch.tensor([1.0, -1.0, -1.0, -1.0]).to(like)
    world: list[Tensor] = []
    local = []
    for joint, parent in enumerate(skeleton.parents):
        above = world[parent] if parent >= 0 else identity
        here = wanted.get(joint, above)
        world.append(here)
        local.append(multiply_quats(above * conjugate, here))
    return torch.stack(local, dim=1)


def _between(places: Float[Tensor, "t j 3"], roles: dict[str, int]) -> Float[Tensor, "t 3"]:
    """The middle of the hips."""
    return (places[:, roles["left_hip"]] + places[:, roles["right_hip"]]) / 2


def _on_floor(skeleton: Skeleton, poses: Pose, roles: dict[str, int]) -> Pose:
    """The motion moved up or down, so that the ankles come as low as in the rest pose, but for one frame in 50."""
    ankles = [roles["left_ankle"], roles["right_ankle"]]
    lowest = world_from_joints(skeleton, poses)[:, ankles, 2, 3].amin(1)
    rest = skeleton.joints[ankles, 2].amin().to(lowest)
    up = rest - torch.quantile(lowest, 0.02)
    return poses.replace(root=poses.root + torch.tensor([0.0, 0.0, 1.0]).to(poses.root) * up)


def straighten(skeleton: Skeleton, roles: dict[str, int]) -> Pose:
    """A T-pose: arms level and aside, legs straight down, from whatever the rest pose is."""
    wanted: dict[int, Tensor] = {}
    for side, out in (("left", 1.0), ("right", -1.0)):
        for part, end in BONES[:4]:
            aim = torch.tensor([0.0, out, 0.0]) if part in ("shoulder", "elbow") else torch.tensor([0.0, 0.0, -1.0])
            bone = skeleton.joints[roles[f"{side}_{end}"]] - skeleton.joints[roles[f"{side}_{part}"]]
            wanted[roles[f"{side}_{part}"]] = turn_between(bone, aim.to(bone))[None]
        wanted[roles[f"{side}_ankle"]] = torch.tensor([[1.0, 0.0, 0.0, 0.0]]).to(skeleton.joints)
    like = torch.zeros(1, len(skeleton), 4).to(skeleton.joints)
    return Pose(_local(skeleton, wanted, like)[0], skeleton.joints[0])


def in_pose(skeleton: Skeleton, pose: Pose) -> Skeleton:
    """The skeleton whose rest pose is this one."""
    return skeleton.replace(joints=world_from_joints(skeleton, pose)[:, :3, 3])
