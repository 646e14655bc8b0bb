"""The blended motions of skinning in torch: the specification of the native kernels, and the way of the gradients."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from splatsim.avatar.skin_weights import SkinWeights
from splatsim.gaussians import Gaussians
from splatsim.transforms import multiply_quats, quat_from_rotmat, rotmat_from_quat

SQUARINGS = 6
"""Of the mean of q qᵀ: its second direction is forgotten but where bones stand against each other."""
NEEDLE = 1e-6
"""Of a flattened Gaussian: its least to its largest standard deviation."""


def bone_rows(bones: Float[Tensor, "j 4 4"]) -> Float[Tensor, "j 24"]:
    """What the native kernel blends for each joint: matrix, nothing, quaternion, dual part."""
    exact = bones.double()
    turn, dual = _dual_quaternions(exact)
    return torch.cat([exact[:, :3].flatten(1), torch.zeros_like(turn), turn, dual], dim=1).float().contiguous()


def blended_rotations(
    dense: Float[Tensor, "n j"], skin: SkinWeights, bones: Float[Tensor, "j 4 4"], mode: str
) -> Float[Tensor, "n 4"]:
    """The rotation of each Gaussian, a unit quaternion: the mean of its bones', or the polar factor of their blend.

    The nearest rotation to Σ w R is the first eigenvector of Σ w q qᵀ (Markley et al., "Averaging Quaternions", 2007).
    """
    quats = quat_from_rotmat(bones[:, :3, :3])
    if mode in ("affine", "polar"):
        products = (quats[:, :, None] * quats[:, None, :]).flatten(1)
        return _FirstEigenvector.apply((dense @ products).unflatten(1, (4, 4)))  # type: ignore[no-any-return]
    return torch.nn.functional.normalize(_same_side(skin, quats) @ quats, dim=-1)


def dual_quaternion_points(
    points: Float[Tensor, "n 3"], dense: Float[Tensor, "n j"], skin: SkinWeights, bones: Float[Tensor, "j 4 4"]
) -> Float[Tensor, "n 3"]:
    """Points moved by the normalised blend of dual quaternions."""
    quats, duals = _dual_quaternions(bones)
    signed = _same_side(skin, quats)
    blend = signed @ quats
    length = blend.norm(dim=-1, keepdim=True)
    turn, dual = blend / length, (signed @ duals) / length
    conjugate = turn * torch.tensor([1.0, -1.0, -1.0, -1.0]).to(turn)
    shift = 2 * multiply_quats(dual, conjugate)[:, 1:]
    return (rotmat_from_quat(turn) @ points[..., None]).squeeze(-1) + shift


def blended_shapes(
    matrices: Float[Tensor, "n 3 3"], gaussians: Gaussians
) -> tuple[Float[Tensor, "n 4"], Float[Tensor, "n 3"]]:
    """Quaternions and scales of the covariances A Σ Aᵀ, the axes those of the eigenvectors."""
    factors = (matrices @ rotmat_from_quat(gaussians.quats) * gaussians.scales[:, None]).double()
    variances, axes = _Eigh.apply(factors @ factors.mT)
    handed = torch.linalg.det(axes.detach()).sign()[:, None, None]
    least = NEEDLE**2 * variances.detach()[:, 2:].clamp_min(torch.finfo(torch.float32).tiny)
    scales = torch.maximum(variances, least).sqrt()
    return quat_from_rotmat(axes * handed).to(gaussians.quats), scales.to(gaussians.scales)


def _dual_quaternions(bones: Float[Tensor, "j 4 4"]) -> tuple[Float[Tensor, "j 4"], Float[Tensor, "j 4"]]:
    """Rotation q and dual part ½ (0, t) q of each bone."""
    turn = quat_from_rotmat(bones[:, :3, :3])
    shift = torch.nn.functional.pad(bones[:, :3, 3], (1, 0))
    return turn, 0.5 * multiply_quats(shift, turn)


def _same_side(skin: SkinWeights, quats: Float[Tensor, "j 4"]) -> Float[Tensor, "n j"]:
    """The weights as one column for each joint, negative where a quaternion looks away from the heaviest bone's."""
    heaviest = skin.joints.gather(1, skin.weights.argmax(dim=1, keepdim=True)).squeeze(1).long()
    away = (quats.detach() @ quats.detach().mT) < 0
    signs = torch.where(away, -1.0, 1.0).to(quats)[heaviest]
    return skin.dense(len(quats)).to(quats) * signs


class _FirstEigenvector(torch.autograd.Function):
    """Of symmetric matrices with trace 1, by repeated squaring; the gradient is that of the exact eigenvector."""

    @staticmethod
    def forward(ctx: Any, matrices: Tensor) -> Tensor:
        power = matrices
        for _ in range(SQUARINGS):
            power = power / power.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None].clamp_min(1e-30)
            power = power @ power
        column = power.diagonal(dim1=-2, dim2=-1).argmax(-1)
        vectors: Tensor = torch.nn.functional.normalize(
            power.gather(2, column[:, None, None].expand(-1, 4, 1)).squeeze(2), dim=-1
        )
        ctx.save_for_backward(matrices, vectors)
        return vectors

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        matrices, q = ctx.saved_tensors
        value = (q[:, None] @ matrices @ q[..., None]).squeeze(-1)  # [n 1]
        # dq = (λ - M)⁺ dM q as a geometric series, (1 + B)(1 + B²)(1 + B⁴) … / λ, with B = M / λ off the eigenvector.
        rest = matrices / value[..., None] - q[..., None] * q[:, None]
        solved = grads[0] - q * (q * grads[0]).sum(-1, keepdim=True)
        for _ in range(SQUARINGS):
            solved = solved + (rest @ solved[..., None]).squeeze(-1)
            rest = rest @ rest
        solved = solved / value
        gradient: Tensor = 0.5 * (solved[..., None] * q[:, None] + q[..., None] * solved[:, None])
        return gradient


class _Eigh(torch.autograd.Function):
    """torch.linalg.eigh, with the turns within a plane of equal eigenvalues, which change nothing, left at 0."""

    @staticmethod
    def forward(ctx: Any, matrices: Tensor) -> tuple[Tensor, Tensor]:
        values, vectors = torch.linalg.eigh(matrices)
        ctx.save_for_backward(values, vectors)
        return values, vectors

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        values, vectors = ctx.saved_tensors
        gaps = values[:, None, :] - values[:, :, None]
        equal = gaps.abs() <= 1e-9 * values[:, -1:, None].abs()
        turns = torch.where(equal, 0.0, (vectors.mT @ grads[1]) / torch.where(equal, 1.0, gaps))
        inner = torch.diag_embed(grads[0]) + turns
        gradient = vectors @ inner @ vectors.mT
        symmetric: Tensor = 0.5 * (gradient + gradient.mT)
        return symmetric
