"""Skeletons and poses: the frame that bodies, motions and avatars share.

A joint turns about its own place in the rest pose, in axes parallel to the body's: with all rotations the identity the
skeleton stands in its rest pose. Rigs that keep an orientation per bone (glTF, BVH) are brought to this form where they
are read, as SMPL's already is.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim.tensors import TensorDataclass, check_alike, check_field
from splatsim.transforms import rotmat_from_quat


@dataclass(frozen=True, eq=False)
class Skeleton(TensorDataclass):
    """j joints of a body that stands on z = 0, looks along +x and has its left at +y.

    Raises:
        TypeError: `joints` is not a floating-point tensor.
        ValueError: the counts differ, a name comes twice, or a joint stands before its parent.
    """

    names: tuple[str, ...]
    """One name per joint."""
    parents: tuple[int, ...]
    """Index of each joint's parent, smaller than its own; -1 for the root, which is joint 0."""
    joints: Float[Tensor, "j 3"]
    """Places of the joints in the rest pose, metres."""

    def __post_init__(self) -> None:
        check_field("Skeleton", "joints", self.joints, (len(self.names), 3))
        if len(self.parents) != len(self.names):
            raise ValueError(f"Skeleton has {len(self.names)} names and {len(self.parents)} parents; expected as many.")
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise ValueError(f"Skeleton names {twice} come more than once; expected one name per joint.")
        for joint, parent in enumerate(self.parents):
            if (parent == -1) != (joint == 0) or parent >= joint:
                raise ValueError(
                    f"Skeleton joint {joint} ({self.names[joint]!r}) has parent {parent}; expected -1 for joint 0 and "
                    f"a joint before it, 0 to {joint - 1}, for others."
                )

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """The joint of this name.

        Raises:
            KeyError: there is none.
        """
        if name not in self.names:
            raise KeyError(f"no joint {name!r} in the skeleton; it has {', '.join(self.names)}.")
        return self.names.index(name)

    @property
    def offsets(self) -> Float[Tensor, "j 3"]:
        """From each joint's parent to the joint in the rest pose, metres; the root's is its place."""
        before = torch.cat([torch.zeros_like(self.joints[:1]), self.joints[list(self.parents[1:])]])
        return self.joints - before

    def rest(self) -> "Pose":
        """The rest pose."""
        rotations = torch.zeros(len(self), 4, dtype=self.joints.dtype, device=self.joints.device)
        rotations[:, 0] = 1.0
        return Pose(rotations, self.joints[0])


@dataclass(frozen=True, eq=False)
class Pose(TensorDataclass):
    """One pose of a skeleton, or one for each of the leading axes.

    Raises:
        TypeError: a field is not a floating-point tensor.
        ValueError: the leading axes, devices or dtypes differ.
    """

    rotations: Float[Tensor, "*t j 4"]
    """Rotation of each joint against its parent, wxyz, identity in the rest pose; the root's is world from body."""
    root: Float[Tensor, "*t 3"]
    """Place of the root joint in the world, metres."""

    def __post_init__(self) -> None:
        batch = self.rotations.shape[:-2]
        check_field("Pose", "rotations", self.rotations, (*batch, "j", 4))
        check_field("Pose", "root", self.root, (*batch, 3))
        check_alike("Pose", self.tensors())

    def __getitem__(self, where: int | slice) -> "Pose":
        """Some of the poses along the first axis."""
        return self.map(lambda tensor: tensor[where])


def world_from_joints(skeleton: Skeleton, pose: Pose) -> Float[Tensor, "*t j 4 4"]:
    """Frames of the joints in the world (forward kinematics).

    Raises:
        ValueError: the pose has another number of joints.
    """
    if pose.rotations.shape[-2] != len(skeleton):
        raise ValueError(f"the pose has {pose.rotations.shape[-2]} joints; the skeleton has {len(skeleton)}.")
    rotations = rotmat_from_quat(pose.rotations)
    offsets = skeleton.offsets.to(rotations)
    turned, placed = [rotations[..., 0, :, :]], [pose.root]
    for joint, parent in enumerate(skeleton.parents[1:], start=1):
        turned.append(turned[parent] @ rotations[..., joint, :, :])
        placed.append(placed[parent] + (turned[parent] @ offsets[joint, :, None]).squeeze(-1))
    return _rigid(torch.stack(turned, dim=-3), torch.stack(placed, dim=-2))


def world_from_rest(skeleton: Skeleton, pose: Pose) -> Float[Tensor, "*t j 4 4"]:
    """The rigid motion of each bone from the rest pose: what skinning blends."""
    posed = world_from_joints(skeleton, pose)
    rotation = posed[..., :3, :3]
    moved = posed[..., :3, 3] - (rotation @ skeleton.joints.to(posed)[..., None]).squeeze(-1)
    return _rigid(rotation, moved)


def _rigid(rotation: Float[Tensor, "*t 3 3"], translation: Float[Tensor, "*t 3"]) -> Float[Tensor, "*t 4 4"]:
    last = torch.tensor([0.0, 0.0, 0.0, 1.0]).to(rotation).expand(*translation.shape[:-1], 1, 4)
    return torch.cat([torch.cat([rotation, translation[..., None]], dim=-1), last], dim=-2)
