"""Gaussians moved from a file's frame to z up, by any matrix that a tree of nodes may hold."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from splatsim.errors import FormatError
from splatsim.gaussians import Gaussians
from splatsim.spherical_harmonics import rotate_sh
from splatsim.transforms import quat_from_rotmat, rotmat_from_quat

Matrix = npt.NDArray[np.float64]

Z_UP_FROM_Y_UP: Matrix = np.array([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], np.float64)
"""x stays; y, which is up there, becomes z."""
Z_UP_FROM_X_UP: Matrix = np.array([[0, 0, -1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], np.float64)

SIMILAR = 1e-6
"""How far, relative to the scale, a matrix may be from a rotation with one scale to be taken as one."""


def placed(path: Path, gaussians: Gaussians, b_from_a: Matrix) -> Gaussians:
    """The Gaussians under an affine transform, as the covariance M Σ Mᵀ asks; colours turn with its rotation.

    Scales that underflow become the least positive number.

    Raises:
        FormatError: the matrix is not finite, mirrors, or flattens, or a number leaves float32.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(b_from_a).all()
        determinant = float(np.linalg.det(b_from_a[:3, :3])) if finite else float("nan")
    if not (np.isfinite(determinant) and determinant > 0):
        raise FormatError(
            f"{path} places its Gaussians by a matrix of determinant {determinant:.6g}; "
            "expected a positive one: neither mirrored nor flattened."
        )
    moved = _moved(gaussians, b_from_a, determinant ** (1 / 3))
    for name, tensor in moved.tensors().items():
        if not bool(tensor.isfinite().all()):
            raise FormatError(
                f"{path} places its Gaussians by a matrix of determinant {determinant:.6g}, which takes their {name} "
                "out of float32; expected numbers below 3e38."
            )
    return moved.replace(scales=moved.scales.clamp_min(torch.finfo(moved.scales.dtype).tiny))


def _moved(gaussians: Gaussians, b_from_a: Matrix, scale: float) -> Gaussians:
    linear = b_from_a[:3, :3]
    left, stretches, right = np.linalg.svd(linear)
    rotation = left @ right
    rigid = torch.eye(4, dtype=torch.float64)
    rigid[:3, :3], rigid[:3, 3] = torch.from_numpy(rotation), torch.from_numpy(b_from_a[:3, 3].copy())
    if stretches[0] - stretches[2] <= SIMILAR * scale:
        return gaussians.transform(rigid, scale)
    axes = torch.from_numpy(linear) @ rotmat_from_quat(gaussians.quats.double()) * gaussians.scales.double()[:, None]
    turned, scales, _ = torch.linalg.svd(axes)
    turned = turned * torch.where(torch.linalg.det(turned) < 0, -1.0, 1.0)[:, None, None]
    means = gaussians.means.double() @ torch.from_numpy(linear).T + rigid[:3, 3]
    return gaussians.replace(
        means=means.to(gaussians.means),
        quats=quat_from_rotmat(turned).to(gaussians.quats),
        scales=scales.to(gaussians.scales),
        sh=rotate_sh(gaussians.sh, torch.from_numpy(rotation).to(gaussians.sh)),
    )
