"""Real spherical harmonics of degree 0 to 3, in the order and with the signs of the 3DGS files.

Coefficient `l*l + l + m` belongs to band l, order m. A colour is `basis(direction) @ coefficients + 0.5`, clamped at 0.
"""

import torch
from jaxtyping import Float
from torch import Tensor

MAX_DEGREE = 3

C0 = 0.28209479177387814  # sqrt(1 / 4 pi)
C1 = 0.4886025119029199  # sqrt(3 / 4 pi)
C2 = (1.0925484305920792, 0.31539156525252005, 0.5462742152960396)
C3 = (0.5900435899266435, 2.890611442640554, 0.4570457994644658, 0.3731763325901154, 1.445305721320277)


def degree_of(coefficients: int) -> int:
    """The degree that has this many coefficients: 1, 4, 9 or 16.

    Raises:
        ValueError: no degree from 0 to 3 has this many.
    """
    for degree in range(MAX_DEGREE + 1):
        if (degree + 1) ** 2 == coefficients:
            return degree
    raise ValueError(f"{coefficients} SH coefficients per colour; expected 1, 4, 9 or 16 (degree 0 to 3).")


def sh_basis(directions: Float[Tensor, "*batch 3"], degree: int) -> Float[Tensor, "*batch k"]:
    """The basis functions at unit directions (Sloan, "Efficient Spherical Harmonic Evaluation", 2013)."""
    x, y, z = directions.unbind(-1)
    bands = [torch.full_like(x, C0)]
    if degree >= 1:
        bands += [-C1 * y, C1 * z, -C1 * x]
    if degree >= 2:
        xx, yy, zz = x * x, y * y, z * z
        bands += [C2[0] * x * y, -C2[0] * y * z, C2[1] * (2 * zz - xx - yy), -C2[0] * x * z, C2[2] * (xx - yy)]
    if degree >= 3:
        bands += [
            -C3[0] * y * (3 * xx - yy),
            C3[1] * x * y * z,
            -C3[2] * y * (4 * zz - xx - yy),
            C3[3] * z * (2 * zz - 3 * xx - 3 * yy),
            -C3[2] * x * (4 * zz - xx - yy),
            C3[4] * z * (xx - yy),
            -C3[0] * x * (xx - 3 * yy),
        ]
    return torch.stack(bands, dim=-1)


def reflection_signs(degree: int) -> Float[Tensor, " k"]:
    """What coefficients are multiplied by when the function is mirrored in the plane y = 0: f'(x, y, z) = f(x, -y, z).

    Orders m < 0 go with sin(|m| phi), which is odd in y; the others are even.
    """
    orders = torch.cat([torch.arange(-band, band + 1) for band in range(degree + 1)])
    return torch.where(orders < 0, -1.0, 1.0)


def rotate_sh(sh: Float[Tensor, "n k 3"], rotations: Float[Tensor, "*n 3 3"]) -> Float[Tensor, "n k 3"]:
    """The coefficients of the rotated function f'(d) = f(Rᵀ d), by one rotation or by one for each row.

    Each band is closed under rotation, so its matrix follows from its values at as many fixed directions as it has
    members: basis(D) c' = basis(D R) c.
    """
    degree = degree_of(sh.shape[1])
    directions = _spread_directions(sh)
    before = sh_basis(directions @ rotations, degree)
    after = sh_basis(directions, degree)
    bands = [sh[:, :1]]
    for band in range(1, degree + 1):
        members = slice(band**2, (band + 1) ** 2)
        matrix = torch.linalg.pinv(after[:, members]) @ before[..., members]
        bands.append(matrix @ sh[:, members])
    return torch.cat(bands, dim=1)


def _spread_directions(like: Tensor, count: int = 32) -> Tensor:
    """Unit vectors spread evenly over the sphere (a Fibonacci spiral)."""
    index = torch.arange(count, dtype=like.dtype, device=like.device) + 0.5
    z = 1 - 2 * index / count
    angle = torch.pi * (1 + 5**0.5) * index
    ring = (1 - z * z).sqrt()
    return torch.stack([ring * angle.cos(), ring * angle.sin(), z], dim=-1)
