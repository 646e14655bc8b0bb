"""Skinning against the formulas of the modes in SciPy, laws that hold for any body, and finite differences."""

from collections.abc import Iterator
from pathlib import Path

import gsply
import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.spatial.transform import Rotation

from splatsim import Gaussians, native, save_gaussians
from splatsim.avatar import SkinWeights, skin_gaussians, skin_points
from splatsim.avatar.skinning import MODES, Mode
from splatsim.spherical_harmonics import sh_basis
from tests.avatar.bodies import cloud, covariances, random_bones, random_skin

QUARTER = 0.5**0.5


@pytest.fixture(params=["native", "torch"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The kernels of every instruction set, and torch."""
    if request.param == "torch":
        monkeypatch.setattr("splatsim.avatar.skinning.NATIVE_MODES", ())
    return str(request.param)


def truth(mode: Mode, gaussians: Gaussians, skin: SkinWeights, bones: torch.Tensor) -> Iterator[tuple[np.ndarray, ...]]:
    """Centre, covariance and rotation of each Gaussian by SciPy in double precision, one at a time."""
    exact = bones.double().numpy()
    quats = Rotation.from_matrix(exact[:, :3, :3]).as_quat(scalar_first=True)
    sigma = covariances(gaussians).numpy()
    for i in range(len(gaussians)):
        w, j, x = skin.weights[i].double().numpy(), skin.joints[i].numpy(), gaussians.means[i].double().numpy()
        blend = np.einsum("k,kab->ab", w, exact[j])
        centre = blend[:3, :3] @ x + blend[:3, 3]
        signs = np.sign(quats[j] @ quats[j[w.argmax()]])
        mean = (w * signs) @ quats[j]
        turn = Rotation.from_quat(mean, scalar_first=True).as_matrix()
        if mode in ("affine", "polar"):
            turn = scipy.linalg.polar(blend[:3, :3])[0]
        if mode == "dual_quaternion":
            moved = [_product(np.r_[0, exact[k, :3, 3]], quats[k]) * s / 2 for k, s in zip(j, signs, strict=True)]
            dual = w @ np.array(moved) / np.linalg.norm(mean)
            real = mean / np.linalg.norm(mean)
            centre = turn @ x + 2 * _product(dual, real * [1, -1, -1, -1])[1:]
        factor = blend[:3, :3] if mode == "affine" else turn
        yield centre, factor @ sigma[i] @ factor.T, turn


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.r_[a[0] * b[0] - a[1:] @ b[1:], a[0] * b[1:] + b[0] * a[1:] + np.cross(a[1:], b[1:])]


@pytest.mark.parametrize("k", [1, 4, 9, 16])
@pytest.mark.parametrize("mode", MODES)
def test_as_scipy_computes_it(mode: Mode, k: int, path: str) -> None:
    gaussians, skin, bones = cloud(37, k), random_skin(37, 7), random_bones(7)
    posed = skin_gaussians(gaussians, skin, bones, mode)
    sigma = covariances(posed).numpy()
    degree = posed.sh_degree
    directions = torch.nn.functional.normalize(torch.randn(50, 3, dtype=torch.float64), dim=1)
    for i, (centre, covariance, turn) in enumerate(truth(mode, gaussians, skin, bones)):
        np.testing.assert_allclose(posed.means[i].numpy(), centre, atol=3e-6)
        off = np.linalg.norm(sigma[i] - covariance) / np.linalg.norm(covariance)
        assert off < 1e-5, f"Gaussian {i}: {off:.1e}"
        seen = sh_basis(directions, degree) @ posed.sh[i].double()
        before = sh_basis(directions @ torch.from_numpy(turn), degree) @ gaussians.sh[i].double()
        torch.testing.assert_close(seen, before, atol=2e-5, rtol=0)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_exported_is_what_is_rendered(mode: Mode, tmp_path: Path) -> None:
    """The file is read by another program."""
    posed = skin_gaussians(cloud(200, 16), random_skin(200, 7), random_bones(7), mode)
    save_gaussians(tmp_path / "posed.ply", posed)
    read = gsply.plyread(tmp_path / "posed.ply")
    stored = Gaussians(
        torch.from_numpy(read.means.copy()),
        torch.from_numpy(read.quats.copy()),
        torch.from_numpy(np.exp(read.scales)),
        posed.opacities,
        posed.sh,
    )
    rendered, exported = covariances(posed), covariances(stored)
    off = (exported - rendered).flatten(1).norm(dim=1) / rendered.flatten(1).norm(dim=1)
    assert off.max() < 1e-5


@pytest.mark.parametrize("mode", MODES)
def test_one_bone_is_a_rigid_motion(mode: Mode, path: str) -> None:
    gaussians, bones = cloud(20, 16), random_bones(3)
    skin = SkinWeights(torch.full((20, 1), 2), torch.ones(20, 1))
    posed, moved = skin_gaussians(gaussians, skin, bones, mode), gaussians.transform(bones[2])
    torch.testing.assert_close(posed.means, moved.means, atol=2e-6, rtol=0)
    torch.testing.assert_close(covariances(posed), covariances(moved), atol=1e-7, rtol=1e-5)
    torch.testing.assert_close(posed.sh, moved.sh, atol=3e-6, rtol=0)


@pytest.mark.parametrize("mode", MODES)
def test_bones_that_share_a_rotation_blend_linearly(mode: Mode, path: str) -> None:
    gaussians, skin, bones = cloud(50), random_skin(50, 7), random_bones(7)
    bones[:, :3, :3] = bones[0, :3, :3]
    posed = skin_gaussians(gaussians, skin, bones, mode)
    torch.testing.assert_close(posed.means, skin_points(gaussians.means, skin, bones), atol=3e-6, rtol=0)


@pytest.mark.parametrize(("mode", "radius"), [("dual_quaternion", 1.0), ("polar", 0.0)])
def test_a_limb_twisted_by_half_a_turn(mode: Mode, radius: float, path: str) -> None:
    """Halfway, linear blending pulls everything onto the axis; dual quaternions keep the girth."""
    ring = torch.linspace(0, 6, 30)
    gaussians = cloud(30).replace(means=torch.stack([ring.cos(), ring.sin(), torch.zeros(30)], dim=1))
    bones = torch.eye(4).repeat(2, 1, 1)
    bones[1, :3, :3] = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))
    skin = SkinWeights(torch.tensor([[0, 1]]).expand(30, 2), torch.full((30, 2), 0.5))
    posed = skin_gaussians(gaussians, skin, bones, mode)
    torch.testing.assert_close(posed.means[:, :2].norm(dim=1), torch.full((30,), radius), atol=2e-6, rtol=0)
    assert torch.isfinite(covariances(posed)).all()


@pytest.mark.parametrize("mode", MODES)
def test_gradients_by_finite_differences(mode: Mode) -> None:
    gaussians, bones = cloud(6, 4).to(torch.float64), random_bones(4, spread=0.3, dtype=torch.float64)
    skin = random_skin(6, 4, k=3, dtype=torch.float64)
    generator = torch.Generator().manual_seed(3)
    wanted = [torch.randn(6, *shape, generator=generator, dtype=torch.float64) for shape in [(3,), (3, 3), (4, 3)]]

    def loss(means: torch.Tensor, quats: torch.Tensor, scales: torch.Tensor, w: torch.Tensor, turn: torch.Tensor):  # type: ignore[no-untyped-def]
        # Rigid also for the finite differences: bones turned further by exp of a skew matrix.
        skew = torch.stack([torch.linalg.cross(turn, axis.expand_as(turn)) for axis in torch.eye(3).double()], -1)
        moved = torch.cat([torch.matrix_exp(skew) @ bones[:, :3], bones[:, 3:]], dim=1)
        weights = SkinWeights(skin.joints, w.softmax(-1))
        posed = skin_gaussians(gaussians.replace(means=means, quats=quats, scales=scales), weights, moved, mode)
        return sum((a * b).sum() for a, b in zip([posed.means, covariances(posed), posed.sh], wanted, strict=True))

    inputs = [
        gaussians.means,
        gaussians.quats,
        gaussians.scales,
        skin.weights.clamp_min(0.02).log(),
        torch.zeros(4, 3, dtype=torch.float64),
    ]
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    assert torch.autograd.gradcheck(loss, leaves, eps=1e-6, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("isa", native.instruction_sets())
@pytest.mark.parametrize("n", [1, 7, 8, 2049])
def test_threads_and_instruction_sets(isa: str, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "instruction_sets", lambda: [isa])
    gaussians, skin, bones = cloud(n, 16), random_skin(n, 7), random_bones(7)
    results = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(native, "threads", lambda threads=threads: threads)
        results.append(skin_gaussians(gaussians, skin, bones))
    for other in results[1:]:
        assert all(
            torch.equal(a, b) for a, b in zip(results[0].tensors().values(), other.tensors().values(), strict=True)
        )
    monkeypatch.setattr("splatsim.avatar.skinning.NATIVE_MODES", ())
    expected = skin_gaussians(gaussians, skin, bones)
    torch.testing.assert_close(covariances(results[0]), covariances(expected), atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(results[0].sh, expected.sh, atol=5e-6, rtol=0)


def test_points_in_many_poses() -> None:
    skin, bones = random_skin(9, 7), torch.stack([random_bones(7, seed) for seed in range(3)])
    points = torch.randn(9, 3)
    for pose in range(3):
        blend = torch.einsum("nk,nkab->nab", skin.weights, bones[pose][skin.joints.long()])
        expected = (blend[:, :3, :3] @ points[..., None]).squeeze(-1) + blend[:, :3, 3]
        torch.testing.assert_close(skin_points(points, skin, bones)[pose], expected, atol=1e-6, rtol=1e-5)


def test_weights_from_a_full_table() -> None:
    dense = torch.rand(5, 9)
    skin = SkinWeights.from_dense(dense, most=9)
    torch.testing.assert_close(skin.dense(9), dense / dense.sum(1, keepdim=True))


def test_what_is_refused() -> None:
    gaussians, skin, bones = cloud(4), random_skin(4, 3, k=2), random_bones(3)
    with pytest.raises(ValueError, match="weights of point 1 are"):
        SkinWeights(skin.joints, skin.weights * torch.tensor([[1.0], [0.5], [1.0], [1.0]]))
    with pytest.raises(ValueError, match="bone of joint 1 does more than turn and move"):
        skin_gaussians(gaussians, skin, bones * torch.tensor([1.0, 1.5, 1.0])[:, None, None])
    with pytest.raises(ValueError, match="joint 2; expected one of 2 joints"):
        skin_points(gaussians.means, skin, bones[:2])
    with pytest.raises(ValueError, match="names no joint"):
        skin_gaussians(gaussians, skin, bones[:2])
    with pytest.raises(ValueError, match="there are 4 points and weights for 3"):
        skin_gaussians(gaussians, skin.select(slice(3)), bones)
