"""Rotations against scipy-free truth: orthogonality, group laws, and the spherical harmonics' own symmetries."""

import torch

from splatsim.spherical_harmonics import rotate_sh, sh_basis
from splatsim.transforms import apply, invert, multiply_quats, quat_from_rotmat, rotmat_from_quat


def quats(n: int) -> torch.Tensor:
    return torch.nn.functional.normalize(
        torch.randn(n, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64), dim=-1
    )


def test_rotations_are_rotations() -> None:
    rotations = rotmat_from_quat(quats(100) * 3)
    torch.testing.assert_close(rotations @ rotations.mT, torch.eye(3, dtype=torch.float64).expand(100, 3, 3))
    torch.testing.assert_close(rotations.det(), torch.ones(100, dtype=torch.float64))


def test_quarter_turn_about_z_by_hand() -> None:
    """wxyz: x goes to y."""
    half = 2**-0.5
    rotation = rotmat_from_quat(torch.tensor([half, 0, 0, half]))
    torch.testing.assert_close(rotation @ torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]))


def test_round_trip_through_matrices() -> None:
    """Half turns too, where w is 0."""
    some = torch.cat([quats(100), torch.eye(4, dtype=torch.float64), quats(20) * torch.tensor([0, 1, 1, 1])])
    some = torch.nn.functional.normalize(some, dim=-1)
    back = quat_from_rotmat(rotmat_from_quat(some))
    assert (back[:, 0] >= 0).all()
    torch.testing.assert_close((back * some).sum(-1).abs(), torch.ones(len(some), dtype=torch.float64))


def test_products_compose() -> None:
    a, b = quats(100), quats(100).flip(0)
    product = rotmat_from_quat(multiply_quats(a, b))
    torch.testing.assert_close(product, rotmat_from_quat(a) @ rotmat_from_quat(b))


def test_apply_and_invert_are_opposite() -> None:
    b_from_a = torch.eye(4, dtype=torch.float64).repeat(5, 1, 1)
    b_from_a[:, :3, :3] = rotmat_from_quat(quats(5))
    b_from_a[:, :3, 3] = torch.arange(15.0).view(5, 3)
    points = torch.randn(5, 7, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(apply(invert(b_from_a), apply(b_from_a, points)), points)


def test_basis_is_orthonormal() -> None:
    """Integrated over the sphere with Gauss-Legendre in z and even steps around it, exact to this degree."""
    import numpy as np

    nodes, weights = np.polynomial.legendre.leggauss(8)
    z = torch.from_numpy(nodes)[:, None]
    angle = torch.arange(16, dtype=torch.float64) * (2 * torch.pi / 16)
    ring = (1 - z * z).sqrt()
    directions = torch.stack([ring * angle.cos(), ring * angle.sin(), z.expand(-1, 16)], dim=-1)
    basis = sh_basis(directions, 3)
    area = torch.from_numpy(weights)[:, None, None, None] * (2 * torch.pi / 16)
    gram = (basis[..., :, None] * basis[..., None, :] * area).sum((0, 1))
    torch.testing.assert_close(gram, torch.eye(16, dtype=torch.float64))


def test_rotate_sh_one_rotation_for_each_row() -> None:
    sh = torch.randn(6, 16, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    rotations = rotmat_from_quat(quats(6))
    together = rotate_sh(sh, rotations)
    for i in range(6):
        torch.testing.assert_close(together[i], rotate_sh(sh[i : i + 1], rotations[i])[0])
