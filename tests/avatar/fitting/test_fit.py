"""Captures on disk become avatars: all stages together, stopped and gone on with, and refused where they must be."""

import json
from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from scipy.spatial import KDTree

from splatsim.avatar import Pose
from splatsim.avatar.avatar import Avatar
from splatsim.avatar.body import Body
from splatsim.avatar.fitting import AvatarFitConfig, Dials, fit_avatar, load_capture
from splatsim.avatar.fitting.completion import completed, mirrored
from splatsim.avatar.fitting.gate import Alignment
from splatsim.avatar.fitting.masks import EDGE, grown, median_background, overlap, person_mask
from splatsim.avatar.fitting.optimisation import AvatarOptimisation
from splatsim.avatar.fitting.person import find_person
from splatsim.avatar.fitting.poses_file import read_poses, write_poses
from splatsim.avatar.fitting.preparation import prepare_shots
from splatsim.avatar.fitting.shots import UNSURE
from splatsim.avatar.fitting.smoothing import smoothed, steadiness
from splatsim.avatar.fitting.start import start_gaussians
from splatsim.avatar.fitting.template import Surface, Template
from splatsim.avatar.fitting.views import Views
from splatsim.avatar.skeleton import world_from_rest
from splatsim.avatar.skin_weights import SkinWeights
from splatsim.avatar.skinning import skin_gaussians
from splatsim.errors import ReconstructionError
from splatsim.gaussians import Gaussians
from splatsim.rendering import render
from splatsim.scene import Scene
from splatsim.spherical_harmonics import sh_basis
from splatsim.transforms import multiply_quats, rotmat_from_quat
from tests.avatar.fitting.bodies import rig, template, walking
from tests.avatar.fitting.captures import write_capture


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("capture")
    write_capture(folder)
    return folder


CONFIG = AvatarFitConfig(steps=16, gaussians=1500, side=96)


def test_a_capture_becomes_an_avatar(folder: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, steps=48, hold_out=("cam2",))
    fit = fit_avatar(folder, tmp_path / "out", config)
    avatar = Avatar.load(tmp_path / "out" / "avatar.npz")
    torch.testing.assert_close(avatar.gaussians.means, fit.avatar.gaussians.means)
    pose, _ = read_poses(tmp_path / "out" / "poses.npz", avatar.skeleton)
    torch.testing.assert_close(pose.rotations, fit.pose.rotations)
    assert {metrics.camera for metrics in fit.metrics} == {2}
    assert np.mean([metrics.overlap for metrics in fit.metrics]) > 0.8
    assert np.mean([metrics.psnr for metrics in fit.metrics]) > 15
    assert len(fit.metrics_refined) == len(fit.metrics)
    np.testing.assert_allclose(fit.person.errors_of(fit.person.pose), fit.person.errors, atol=1e-2)
    assert np.nanmedian(fit.person.errors_of(fit.pose)) < 3
    figures = json.loads((tmp_path / "out" / "fit.json").read_text())
    assert figures["triangulation_px"] < 0.2
    assert (tmp_path / "out" / "report.html").read_text().startswith("<!doctype html>")
    assert not (tmp_path / "out" / "fit.checkpoint").exists()


def test_an_interrupted_fit_goes_on_to_the_same_result(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit_avatar(folder, tmp_path / "whole", CONFIG)
    advance = AvatarOptimisation.advance

    def dies(self: AvatarOptimisation) -> float:
        if self.step == 9:
            raise RuntimeError("the power failed")
        return advance(self)

    monkeypatch.setattr("splatsim.avatar.fitting.run.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(AvatarOptimisation, "advance", dies)
    with pytest.raises(RuntimeError, match="the power failed"):
        fit_avatar(folder, tmp_path / "parts", CONFIG)
    monkeypatch.setattr(AvatarOptimisation, "advance", advance)
    assert (tmp_path / "parts" / "fit.checkpoint").is_file()
    parts = fit_avatar(folder, tmp_path / "parts", CONFIG, resume=True)
    torch.testing.assert_close(parts.avatar.gaussians.means, whole.avatar.gaussians.means, rtol=0, atol=0)
    torch.testing.assert_close(parts.pose.rotations, whole.pose.rotations, rtol=0, atol=0)
    with pytest.raises(FileExistsError, match="holds an avatar already"):
        fit_avatar(folder, tmp_path / "parts", CONFIG)


def test_masks_without_the_users(tmp_path: Path) -> None:
    """The background is noise on a wall, and the body walks before it."""
    write_capture(tmp_path, t=24, cameras=2, size=128, masks=False)
    capture = load_capture(tmp_path)
    assert capture.masks == (None, None)
    person = find_person(capture, [0, 1], Dials())
    prepared = prepare_shots(capture, person, side=128)
    assert np.nanmedian(prepared.alignment.overlaps) > 0.6
    write_capture(tmp_path / "truth", t=24, cameras=2, size=128)
    found = []
    for shot in prepared.shots[::5]:
        true = iio.imread(tmp_path / "truth" / "masks" / f"cam{shot.camera}" / f"{shot.time:04d}.png")
        width, height = shot.view.width, shot.view.height
        K = capture.views.Ks[shot.camera]
        left, top = (round(float(K[i, 2] - shot.view.Ks[0, i, 2])) for i in (0, 1))
        window = true[top : top + height, left : left + width]
        known = shot.mask != 128
        found.append(overlap((shot.mask == 255) & known, (window > 127) & known))
    assert np.median(found) > 0.85


def test_background_and_mask_of_a_square() -> None:
    rng = np.random.default_rng(0)
    wall = rng.integers(60, 120, (40, 60, 3)).astype(np.uint8)
    frames, bodies = [], []
    for x in range(5, 45, 4):
        frame, body = wall.copy(), np.zeros((40, 60), bool)
        frame[10:30, x : x + 10] = [230, 40, 40]
        body[11:29, x + 1 : x + 9] = True
        frames.append(frame)
        bodies.append(body)
    frames, bodies = np.stack(frames), np.stack(bodies)
    background = median_background(frames, bodies)
    assert background.known.all()
    assert np.abs(background.picture.astype(int) - wall)[:, 4:].mean() < 8
    mask = person_mask(frames[5], background, bodies[5], reach=3)
    truth = np.zeros((40, 60), bool)
    truth[10:30, 25:35] = True
    sure = mask != UNSURE
    assert overlap((mask == 255) & sure, truth & sure) > 0.95
    assert not (~sure & ~(grown(truth, EDGE + 1) & grown(~truth, EDGE + 1))).any()  # only along the outline


def test_the_gate_says_why_and_what_next() -> None:
    good = Alignment(np.full((5, 3), 0.8), np.full((5, 3), 4.0), (1000,) * 3, ("a", "b", "c"))
    assert good.complaint() is None
    shifted = replace(good, overlaps=np.array([[0.5, 0.5, 0.3]] * 5))
    assert "camera 'c' with 0.30" in str(shifted.complaint())
    one = replace(good, errors=np.array([[4.0, 60.0, 60.0]] * 5), overlaps=np.array([[0.8, 0.2, 0.3]] * 5))
    assert "of b, c alone" in str(one.complaint())
    with pytest.raises(ReconstructionError, match="neither a mask nor a keypoint"):
        replace(good, overlaps=np.full((5, 3), np.nan), errors=np.full((5, 3), np.nan)).check("x.png")


def test_training_poses_what_skinning_poses() -> None:
    body, t = template(), 4
    pose = walking(body.skeleton, t)
    gaussians, skin = start_gaussians(body, 200, np.random.default_rng(0))
    bones = world_from_rest(body.skeleton, pose)[2]
    expected = skin_gaussians(gaussians, skin, bones)
    holder = AvatarOptimisation.__new__(AvatarOptimisation)
    holder.skin, holder._dense = skin, None
    found, _ = holder.posed(gaussians, bones)
    torch.testing.assert_close(found.means, expected.means, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.quats, expected.quats, atol=1e-5, rtol=0)


def test_noise_of_poses_is_told_from_motion() -> None:
    skeleton, t = rig(), 60
    pose = walking(skeleton, t)
    joints = list(range(len(skeleton)))
    generator = torch.Generator().manual_seed(0)
    axes = torch.nn.functional.normalize(torch.randn(t, len(skeleton), 3, generator=generator), dim=-1)
    half = torch.tensor(np.radians(3.0) / 2)
    turns = torch.cat([half.cos().expand(t, len(skeleton), 1), half.sin() * axes], -1).float()
    noisy = Pose(multiply_quats(pose.rotations, turns), pose.root)

    def error(found: Pose) -> float:
        dot = (found.rotations * pose.rotations).sum(-1).abs().clamp(max=1)
        return float(torch.rad2deg(2 * torch.arccos(dot)).mean())

    assert error(noisy) == pytest.approx(3.0, abs=0.05)
    assert error(smoothed(noisy, joints)) < 1.5
    assert error(smoothed(pose, joints)) < 0.2
    found = [steadiness(noisy.rotations[:, joint]).noise.max() for joint in joints]
    assert np.degrees(np.median(found)) == pytest.approx(3 / np.sqrt(3), rel=0.15)  # of one axis


def test_templates_keep_what_they_are_asked_for() -> None:
    body = template()
    scales = np.ones(len(body.skeleton))
    same = body.proportioned(scales)
    torch.testing.assert_close(same.vertices, body.vertices, atol=1e-5, rtol=0)
    shank = [body.skeleton.index(f"foot_{s}") for s in "lr"]
    scales[shank] = 1.2
    longer = body.proportioned(scales).skeleton.offsets[shank].norm(dim=1) / body.skeleton.offsets[shank].norm(dim=1)
    torch.testing.assert_close(longer, torch.full((2,), 1.2))
    points, _, skin = body.sample(500, np.random.default_rng(1))
    places, weights = Surface(body, 20_000).at(points)
    assert float((places - points).norm(dim=1).median()) < 0.01
    dense = len(body.skeleton)
    off = (weights.dense(dense) - skin.dense(dense)).abs().sum(1)
    assert float(off.median()) < 0.05


def test_what_nobody_saw_is_a_mirror_image() -> None:
    """A coat that stands off the body by 4 cm, of which one side is seen; on the other one grey skin."""
    body = template()
    bare, skin = start_gaussians(body, 3000, np.random.default_rng(0))
    surface = Surface(body, 20_000)
    outward = rotmat_from_quat(bare.quats)[:, :, 0]  # flat Gaussians: their first axis is the normal
    height = bare.means[:, 2:]
    coat = bare.replace(means=bare.means + 0.04 * outward, sh=torch.cat([height, height.sin(), -height], 1)[:, None])
    seen = bare.means[:, 1] < 0.0
    half = Gaussians.concat([coat.select(seen), bare.select(~seen)])
    known = torch.arange(len(half)) < int(seen.sum())
    skins = SkinWeights(*(torch.cat([tensor[seen], tensor[~seen]]) for tensor in (skin.joints, skin.weights)))
    whole = completed(half, skins, known, surface)
    first = whole.gaussians.means[: int(known.sum())]
    torch.testing.assert_close(first, half.means[known], rtol=0, atol=0)
    assert len(whole.skin) == len(whole.gaussians)
    assert 0.4 < whole.mirrored < 0.6
    other = whole.gaussians.select(whole.gaussians.means[:, 1] > 0.02).means
    points, normals, _ = body.sample(20_000, np.random.default_rng(1))
    true, here = points + 0.04 * normals, points[:, 1] > 0.02
    assert float(np.quantile(KDTree(true.numpy()).query(other.numpy())[0], 0.9)) < 0.02
    assert float(np.quantile(KDTree(other.numpy()).query(true[here].numpy())[0], 0.9)) < 0.036  # skin: 0.047


def test_unseen_colours_come_from_the_other_side() -> None:
    body = template()
    gaussians, skin = start_gaussians(body, 2000, np.random.default_rng(0))
    height = gaussians.means[:, 2:]
    gaussians = gaussians.replace(sh=torch.cat([height, height.sin(), -height], 1)[:, None])
    seen = gaussians.means[:, 1] < 0.02
    blank = gaussians.replace(sh=torch.where(seen[:, None, None], gaussians.sh, 9.0))
    whole = completed(blank, skin, seen, Surface(body, 20_000)).gaussians
    height = whole.means[:, 2:]
    right = torch.cat([height, height.sin(), -height], 1)
    assert float((whole.sh[:, 0] - right).abs().amax(1).quantile(0.95)) < 0.06


def test_the_mirror_image_of_a_gaussian() -> None:
    """Covariances are reflected: M Σ M."""
    gaussians, _ = start_gaussians(template(), 50, np.random.default_rng(0))
    turned = gaussians.replace(quats=torch.nn.functional.normalize(torch.rand(50, 4) - 0.5, dim=1))
    flip = torch.tensor([1.0, -1.0, 1.0])
    before, after = ((r := rotmat_from_quat(g.quats) * g.scales[:, None]) @ r.mT for g in (turned, mirrored(turned)))
    torch.testing.assert_close(after, flip[:, None] * before * flip, atol=1e-8, rtol=1e-5)


def test_the_mirror_image_of_colours_that_change_with_the_view() -> None:
    """From a mirrored direction the mirror image shows what the Gaussian shows, in every band; twice is nothing."""
    gaussians, _ = start_gaussians(template(), 20, np.random.default_rng(0))
    generator = torch.Generator().manual_seed(0)
    gaussians = gaussians.replace(sh=torch.randn(20, 16, 3, generator=generator))
    directions = torch.nn.functional.normalize(torch.randn(50, 3, generator=generator), dim=1)
    flipped = directions * torch.tensor([1.0, -1.0, 1.0])
    image = mirrored(gaussians)
    torch.testing.assert_close(sh_basis(flipped, 3) @ image.sh, sh_basis(directions, 3) @ gaussians.sh)
    assert float((image.sh - gaussians.sh).abs().amin(-1).max()) > 0.1
    torch.testing.assert_close(mirrored(image).sh, gaussians.sh, rtol=0, atol=0)
    body = template()
    gaussians, skin = start_gaussians(body, 2000, np.random.default_rng(0))
    bands = torch.zeros(len(gaussians), 4, 3)
    bands[:, 1] = torch.where(gaussians.means[:, 1:2] < 0, 0.7, 0.0)  # seen from y, on the right side alone
    seen = gaussians.means[:, 1] < 0.02
    whole = completed(gaussians.replace(sh=bands), skin, seen, Surface(body, 20_000)).gaussians
    left = whole.sh[whole.means[:, 1] > 0.04, 1]
    assert float(left.median()) == pytest.approx(-0.7, abs=1e-6)


def test_a_person_in_a_reconstructed_scene(tmp_path: Path) -> None:
    """One moving camera of a scene, poses that are given, and no masks: the scene is the background."""
    pose, views = write_capture(tmp_path / "all", t=4, cameras=2, size=96, masks=False)
    film, place = tmp_path / "film", tmp_path / "place"
    (film / "images").mkdir(parents=True)
    wall = Gaussians(
        torch.tensor([[40.0, 0.0, 0.0]]), torch.tensor([[1.0, 0, 0, 0]]), torch.full((1, 3), 0.1), torch.ones(1),
        torch.zeros(1, 1, 3),
    )  # fmt: skip
    Scene("place", wall).save(place)
    frames = []
    for time in range(4):
        camera = time % 2  # the camera jumps between two places
        name = f"{time:04d}.png"
        shown = iio.imread(tmp_path / "all" / "images" / f"cam{camera}" / name)
        bare = render_alone(shown, tmp_path / "all", camera, time, views)
        iio.imwrite(film / "images" / name, bare)
        world_from_cam = np.linalg.inv(views.viewmats[time, camera]).tolist()
        frame = {"name": name, "width": 96, "height": 96, "K": views.Ks[camera].tolist()}
        frames.append({**frame, "world_from_cam": world_from_cam})
    (place / "cameras.json").write_text(json.dumps({"frames": frames}))
    skeleton = Body.load().shape(0.5, height=1.72).skeleton
    write_poses(tmp_path / "poses.npz", skeleton, pose, 30.0)
    config = replace(CONFIG, steps=30)
    fit = fit_avatar(film, tmp_path / "out", config, Dials(height=1.72), poses=tmp_path / "poses.npz", scene=place)
    assert fit.prepared.alignment.complaint() is None
    assert np.nanmedian(fit.prepared.alignment.overlaps) > 0.7
    assert len(fit.avatar) > 700


def render_alone(picture: np.ndarray, folder: Path, camera: int, time: int, views: Views) -> np.ndarray:
    """The picture with its background black, as the empty scene is."""
    template = Template.of(Body.load().shape(sex=0.5, height=1.72))
    gaussians, skin = start_gaussians(template, 3000, np.random.default_rng(0), opacity=0.95)
    bones = world_from_rest(template.skeleton, walking(template.skeleton, 4))
    posed = skin_gaussians(gaussians, skin, bones[time])
    inside = render(posed, views.camera(time, camera), depths=False).alphas[0].numpy() > 0.5
    return np.where(inside[..., None], picture, 0).astype(np.uint8)
