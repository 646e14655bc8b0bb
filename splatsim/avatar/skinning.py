"""Skinning: points and Gaussians that follow the bones of a body.

Centres go by linear blending, but for dual quaternions. What turns the Gaussians is the question that the modes answer:

- affine: the blended matrix itself, which shears and flattens them as it does the space around them;
- polar: its rotation, the nearest to it (the default): the shapes stay;
- quaternion: the mean of the bones' quaternions ("On the Skinning of Gaussian Avatars", arXiv 2509.11411);
- dual_quaternion: centres too by the blended rigid motion (Kavan et al., "Geometric Skinning with Approximate Dual
  Quaternion Blending", 2008): limbs keep their girth when they are twisted.

Every mode gives quaternions and scales, so that what is exported is what is rendered; the colours turn along.
"""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from splatsim import native
from splatsim.avatar._blending import blended_rotations, blended_shapes, bone_rows, dual_quaternion_points
from splatsim.avatar.skin_weights import SkinWeights as SkinWeights
from splatsim.gaussians import Gaussians
from splatsim.spherical_harmonics import rotate_sh
from splatsim.transforms import multiply_quats, rotmat_from_quat

Mode = Literal["affine", "polar", "quaternion", "dual_quaternion"]
MODES: tuple[Mode, ...] = get_args(Mode)
NATIVE_MODES: tuple[Mode, ...] = ("polar", "quaternion", "dual_quaternion")
NOT_RIGID = 1e-3
"""How far R Rᵀ of a bone may be from the identity."""


def skin_points(
    points: Float[Tensor, "n 3"], skin: SkinWeights, bones: Float[Tensor, "*t j 4 4"]
) -> Float[Tensor, "*t n 3"]:
    """Points moved by the blend of their bones (linear blend skinning), for every leading axis of `bones`.

    Raises:
        ValueError: the counts of points differ, or a point hangs on a joint that is not among the bones.
    """
    _check_counts(len(points), skin)
    dense = skin.dense(bones.shape[-3]).to(bones)
    homogeneous = torch.nn.functional.pad(points.to(bones), (0, 1), value=1.0)
    # Σ_j w_j B_j [x 1] as one product: the points' side is the same for all poses.
    spread = (dense[:, :, None] * homogeneous[:, None, :]).flatten(1)
    return spread @ bones[..., :3, :].mT.flatten(-3, -2)


def skin_gaussians(
    gaussians: Gaussians, skin: SkinWeights, bones: Float[Tensor, "j 4 4"], mode: Mode = "polar"
) -> Gaussians:
    """Gaussians of the rest pose moved by `bones` = world from rest of each joint; differentiable in all of them.

    Raises:
        ValueError: the mode is unknown, the counts differ, or a bone does more than turn and move.
    """
    if mode not in MODES:
        raise ValueError(f'the skinning mode is "{mode}"; expected one of {", ".join(MODES)}.')
    _check_counts(len(gaussians), skin)
    _check_rigid(bones)
    tensors = [*gaussians.tensors().values(), skin.weights, bones]
    differentiated = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    plain = all(tensor.dtype == torch.float32 and tensor.device.type == "cpu" for tensor in tensors)
    if mode in NATIVE_MODES and plain and not differentiated:
        return _skin_natively(gaussians, skin, bones, mode)
    bones = bones.to(gaussians.means)
    dense = skin.dense(len(bones)).to(gaussians.means)
    matrices = (dense @ bones[:, :3].flatten(1)).unflatten(1, (3, 4))
    turns = blended_rotations(dense, skin, bones, mode)
    if mode == "dual_quaternion":
        means = dual_quaternion_points(gaussians.means, dense, skin, bones)
    else:
        means = (matrices[..., :3] @ gaussians.means[..., None]).squeeze(-1) + matrices[..., 3]
    if mode == "affine":
        quats, scales = blended_shapes(matrices[..., :3], gaussians)
    else:
        quats, scales = multiply_quats(turns, gaussians.quats), gaussians.scales
    sh = rotate_sh(gaussians.sh, rotmat_from_quat(turns)) if gaussians.sh_degree else gaussians.sh
    return gaussians.replace(means=means, quats=quats, scales=scales, sh=sh)


def _skin_natively(gaussians: Gaussians, skin: SkinWeights, bones: Float[Tensor, "j 4 4"], mode: Mode) -> Gaussians:
    kernels, threads = native.kernels(), native.threads()
    means, quats = native.empty(len(gaussians), 3), native.empty(len(gaussians), 4)
    turns = native.empty(len(gaussians), 4) if gaussians.sh_degree else None
    kernels.skin(
        NATIVE_MODES.index(mode),
        skin.joints.to(torch.int32).contiguous(),
        skin.weights.detach().contiguous(),
        bone_rows(bones.detach()),
        gaussians.means.detach().contiguous(),
        gaussians.quats.detach().contiguous(),
        means,
        quats,
        turns,
        threads,
    )
    sh = gaussians.sh
    if turns is not None:
        sh = native.empty(*sh.shape)
        kernels.rotate_sh(gaussians.sh.detach().contiguous(), turns, sh, threads)
    return gaussians.replace(means=means, quats=quats, sh=sh)


def _check_counts(points: int, skin: SkinWeights) -> None:
    if points != len(skin):
        raise ValueError(f"there are {points} points and weights for {len(skin)}; expected as many.")


def _check_rigid(bones: Float[Tensor, "j 4 4"]) -> None:
    rotations = bones.detach()[:, :3, :3]
    off = (rotations @ rotations.mT - torch.eye(3).to(rotations)).abs().amax((-1, -2))
    bad = ~(off <= NOT_RIGID) | ~(torch.linalg.det(rotations) > 0)
    if bool(bad.any()):
        joint = int(bad.nonzero()[0, 0])
        raise ValueError(
            f"the bone of joint {joint} does more than turn and move (its volume changes by "
            f"{float(torch.linalg.det(rotations[joint])):.4g}); expected rigid ones, as world_from_rest gives them."
        )
