"""Steps of all poses at once: their systems against dense ones, what pictures say against finite differences."""

import numpy as np
import pytest
import torch

from splatsim.avatar import Pose
from splatsim.avatar.fitting import optimisation
from splatsim.avatar.fitting.bands import add_second_differences, solve_band
from splatsim.avatar.fitting.optimisation import AvatarOptimisation
from splatsim.avatar.fitting.posing import PoseRefinement
from splatsim.avatar.fitting.recipe import AvatarRecipe
from splatsim.avatar.fitting.shots import Shot, cut
from splatsim.avatar.fitting.start import start_gaussians
from splatsim.avatar.skeleton import world_from_rest
from splatsim.avatar.skinning import skin_gaussians
from splatsim.rendering import render
from splatsim.transforms import multiply_quats
from splatsim.video import to_bytes
from tests.avatar.fitting.bodies import around, quats, rig, template, walking


def test_bands_are_solved_as_dense_systems() -> None:
    rng, t, n = np.random.default_rng(0), 6, 4
    root = rng.normal(size=(t, n, n))
    own = root @ root.swapaxes(1, 2) + np.eye(n)
    differences = np.zeros((t - 2, t))
    for row in range(t - 2):
        differences[row, row : row + 3] = (1, -2, 1)
    mixed = rng.normal(size=(n, n))
    values = rng.normal(size=(t, n))
    band, gradient = np.zeros((3, t, n, n)), np.zeros((t, n))
    band[0] = own
    add_second_differences(band, gradient, differences @ values, mixed.T @ mixed)
    dense = np.zeros((t * n, t * n))
    for time in range(t):
        dense[time * n : (time + 1) * n, time * n : (time + 1) * n] = own[time]
    rough = np.kron(differences, mixed)
    dense += rough.T @ rough
    np.testing.assert_allclose(gradient.ravel(), rough.T @ rough @ values.ravel(), atol=1e-9)
    right = rng.normal(size=(t * n, 2))
    np.testing.assert_allclose(solve_band(band, right, 0.0), np.linalg.solve(dense, right), atol=1e-6)


def _textured(
    t: int,
    pose: Pose,
    recipe: AvatarRecipe = AvatarRecipe(gaussians=1500),  # noqa: B008 - frozen
) -> tuple[AvatarOptimisation, list[Shot]]:
    """A fit whose Gaussians are those of the pictures."""
    body, views = template(), around(t, 3, size=96)
    gaussians, skin = start_gaussians(body, 1500, np.random.default_rng([0, 99]))
    gaussians = gaussians.replace(sh=torch.sin(gaussians.means * 25)[:, None])
    bones = world_from_rest(body.skeleton, walking(body.skeleton, t))
    shots = []
    for time in range(t):
        posed = skin_gaussians(gaussians, skin, bones[time])
        for camera in range(3):
            view = views.camera(time, camera)
            seen = render(posed, view, antialiased=True, depths=False)
            color = (seen.colors[0] / seen.alphas[0].clamp(min=1e-3)[..., None]).clamp(0, 1)
            mask = (255 * seen.alphas[0]).round().to(torch.uint8).numpy()
            shot = cut(time, camera, to_bytes(color), mask, view, margin=6, hard=False)
            assert shot is not None
            shots.append(shot)
    o = AvatarOptimisation(body, pose, shots, steps=1, fps=30.0, recipe=recipe)
    o.splats.parameters["sh"] = gaussians.sh.clone().requires_grad_()
    o.skin, o._dense = skin, None
    return o, shots


def test_poses_are_recovered_from_pictures() -> None:
    """A leg that is turned by 8 degrees in all frames comes back, the Gaussians as they are."""
    t, skeleton = 2, rig()
    pose = walking(skeleton, t)
    leg = skeleton.index("thigh_l")
    turned = pose.rotations.clone()
    turned[:, leg] = multiply_quats(turned[:, leg], quats((0.0, 1.0, 0.0), torch.full((t,), np.radians(8.0))))
    o, shots = _textured(t, Pose(turned, pose.root))
    for _ in range(7):
        o.settle(shots)
    dot = (o.poses.now.rotations[:, leg] * pose.rotations[:, leg]).sum(-1).abs().clamp(max=1)
    assert float(torch.rad2deg(2 * torch.arccos(dot)).max()) < 1.2


def test_second_derivatives_are_those_of_the_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the truth, where Gauss and Newton's leave nothing out; a quarter too large, for sharp edges."""
    pose = walking(rig(), 1)
    o, shots = _textured(1, pose)
    monkeypatch.setattr(optimisation, "weighed", lambda e, m, i, r: (torch.ones_like(m), torch.full_like(m, 0.3)))
    canonical = o.gaussians()
    curvature, _ = o._evidence(shots[0], canonical)
    leg = 3 + 3 * o.poses.joints.index(o.template.skeleton.index("thigh_l"))
    for row in (1, 2, leg, leg + 1):
        slopes = []
        for sign in (1.0, -1.0):
            step = torch.zeros(o.poses.parameters)
            step[row] = sign * 0.003
            o.poses.now = o.poses.moved(0, step)
            slopes.append(o._evidence(shots[0], canonical)[1][row])
            o.poses.now = pose
        assert 0.9 < curvature[row, row] / ((slopes[0] - slopes[1]) / 0.006) < 1.6


def test_without_pictures_poses_only_lose_their_noise() -> None:
    skeleton, t = rig(), 40
    pose = walking(skeleton, t)
    refinement = PoseRefinement(skeleton, pose, list(range(len(skeleton))))
    n = refinement.parameters
    assert refinement.settle(np.zeros((t, n, n)), np.zeros((t, n))) < 1e-3
    dot = (refinement.now.rotations * pose.rotations).sum(-1).abs().clamp(max=1)
    assert float(torch.rad2deg(2 * torch.arccos(dot)).mean()) < 0.2
    torch.testing.assert_close(refinement.now.root, pose.root, atol=1e-3, rtol=0)


def test_what_all_cameras_have_in_common_is_no_correction() -> None:
    """Held-out cameras have none, so that nothing of the avatar's colours may hide in those of the fitted ones."""
    o, shots = _textured(1, walking(rig(), 1), AvatarRecipe(gaussians=1500, exposure_rate=1e-3))
    behind = torch.full((3,), 0.5)
    plain, _, _ = o.compared(o.predict(shots[1], behind), shots[1], behind)
    with torch.no_grad():
        o.cameras.parameters["offsets"] += 0.1
        o.cameras.parameters["log_gains"] += torch.tensor([0.2, 0.0, -0.1])
    common, _, _ = o.compared(o.predict(shots[1], behind), shots[1], behind)
    torch.testing.assert_close(common.detach(), plain.detach())
    with torch.no_grad():
        o.cameras.parameters["offsets"][1] += 0.1
    own, _, _ = o.compared(o.predict(shots[1], behind), shots[1], behind)
    assert float((own - plain).detach().abs().max()) > 0.05
