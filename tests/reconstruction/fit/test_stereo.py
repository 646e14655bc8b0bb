"""Stereo: planes come out where they are, what is bare or hidden stays unknown, and threads do not matter."""

from pathlib import Path

import cv2
import imageio.v3 as iio
import numpy as np
import pytest
import torch

from splatsim import Cameras, native
from splatsim.occupancy.raycast import camera_rays
from splatsim.reconstruction.capture import Capture
from splatsim.reconstruction.fit import stereo
from splatsim.reconstruction.fit.filling import fill_thin_places
from splatsim.reconstruction.fit.pictures import Pictures
from splatsim.reconstruction.fit.related import relations
from splatsim.reconstruction.fit.stereo import Stereo, agreed, kept_stereo, stereo_depths

WIDTH, HEIGHT = 96, 72
WALL, BOX = 3.0, 2.0
"""Depths of a wall across the whole view and of a board before its middle, metres from the first camera."""


def _texture(seed: int) -> np.ndarray:
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(400, 400)).astype(np.float32), (0, 0), 4)
    return np.asarray(127 + 40 * noise / noise.std())


def _shot(camera: Cameras) -> tuple[np.ndarray, np.ndarray]:
    """Picture and exact depth of a wall at y = 3 with a board of 0.8 m at y = 2."""
    rays = camera_rays(camera)
    depth = np.full(len(rays), np.inf)
    grey = np.zeros(len(rays))
    for place, half, texture in ((WALL, 9.0, _texture(1)), (BOX, 0.4, _texture(2))):
        t = (place - rays.origins[:, 1]) / rays.directions[:, 1]
        points = rays.at(t).numpy()
        hit = (np.abs(points[:, [0, 2]]) < half).all(1) & (t.numpy() < depth)
        column, row = np.ascontiguousarray(((points[:, [0, 2]] + 4) * 50).T, np.float32)
        colors = cv2.remap(texture, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT).ravel()
        grey, depth = np.where(hit, colors, grey), np.where(hit, t.numpy(), depth)
    picture = grey.reshape(HEIGHT, WIDTH).clip(0, 255).round().astype(np.uint8)
    return np.repeat(picture[..., None], 3, 2), depth.reshape(HEIGHT, WIDTH)


def _capture(folder: Path, *, bare: bool = False) -> tuple[Capture, np.ndarray]:
    """Five pictures along a line, and the exact depth of each."""
    eyes = torch.tensor([[0.12 * (i - 2), 0.0, 0.05 * (i % 2)] for i in range(5)])
    targets = eyes + torch.tensor([0.0, 1.0, 0.0])
    cameras = [
        Cameras.look_at(e[None], t.tolist(), fov_deg=60, width=WIDTH, height=HEIGHT)
        for e, t in zip(eyes, targets, strict=True)
    ]
    shots = [_shot(camera) for camera in cameras]
    (folder / "images").mkdir(parents=True)
    for i, (picture, _) in enumerate(shots):
        iio.imwrite(folder / "images" / f"{i}.png", np.full_like(picture, 90) if bare else picture)
    points = torch.tensor([[x, WALL, z] for x in (-1.2, -0.7, 0.7, 1.2) for z in (-0.6, 0.0, 0.6)])
    points = torch.cat([points, torch.tensor([[x, BOX, z] for x in (-0.3, 0.3) for z in (-0.3, 0.3)])])
    return Capture(
        folder=folder,
        names=tuple(f"{i}.png" for i in range(5)),
        sizes=((WIDTH, HEIGHT),) * 5,
        viewmats=torch.cat([camera.viewmats for camera in cameras]),
        Ks=torch.cat([camera.Ks for camera in cameras]),
        times=torch.arange(5).float() + 0.5,
        points=points,
        point_colors=torch.full((len(points), 3), 90, dtype=torch.uint8),
        point_errors=torch.full((len(points),), 0.5),
        observations=torch.cartesian_prod(torch.arange(5), torch.arange(len(points))).int(),
    ), np.stack([depth for _, depth in shots])


def test_planes_come_out_where_they_are(tmp_path: Path) -> None:
    capture, truth = _capture(tmp_path)
    found = stereo_depths(capture, Pictures(capture), list(range(5)))
    known = found.depths[2] > 0
    error = np.abs(found.depths[2] - truth[2])[known]
    assert known.mean() > 0.6
    assert np.median(error) < 0.02
    assert np.quantile(error, 0.9) < 0.1


def test_what_shows_nothing_stays_unknown_and_so_do_pictures_left_out(tmp_path: Path) -> None:
    capture, _ = _capture(tmp_path / "bare", bare=True)
    assert (stereo_depths(capture, Pictures(capture), list(range(5))).depths > 0).mean() < 0.05
    capture, _ = _capture(tmp_path / "left")
    found = stereo_depths(capture, Pictures(capture), [0, 1, 2, 3])
    assert (found.depths[4] == 0).all()
    assert (found.depths[1] > 0).any()
    nothing = capture.replace(observations=torch.zeros(0, 2, dtype=torch.int32))
    assert (stereo_depths(nothing, Pictures(nothing), [0, 1, 2]).depths == 0).all()


def test_threads_do_not_matter_and_bad_tasks_are_refused() -> None:
    rng = np.random.default_rng(0)
    grey = torch.from_numpy(rng.uniform(0, 255, (3, 20, 24)).astype(np.float32))
    eyes = torch.tensor([[0.0, 0, 0], [0.2, 0, 0], [0.4, 0, 0]])
    views = Cameras.look_at(eyes, [0.0, 3, 0], fov_deg=60, width=24, height=20)
    shared = [grey, torch.ones(3, 20, 24, dtype=torch.uint8), views.viewmats.double(), views.Ks.double()]

    def solve(threads: int, levels: int = 16, other: int = 1) -> torch.Tensor:
        others = torch.tensor([[other, 2], [0, 2], [0, -1]])
        ranges = torch.tensor([[1.0, 6.0]] * 3, dtype=torch.float64)
        out = torch.zeros(3, 20, 24)
        tasks = [torch.arange(3), others, ranges, torch.full((3,), levels)]
        native.stereo(*shared, *tasks, out, threads=threads)
        return out

    assert torch.equal(solve(1), solve(3))
    for wrong in ({"levels": 1}, {"other": 3}):
        with pytest.raises(ValueError, match=r"levels must be|is no picture"):
            solve(1, **wrong)


def test_leaning_planes_are_found_from_wrong_beginnings() -> None:
    """A floor seen at 20 to 60 degrees, each pixel begun up to a twentieth off its exact depth."""
    eyes = torch.tensor([[0.15 * i, 0.0, 1.0] for i in range(-2, 3)])
    views = [
        Cameras.look_at(eye[None], (eye + torch.tensor([0.0, 1.4, -1.0])).tolist(), fov_deg=50, width=64, height=48)
        for eye in eyes
    ]
    grey, truth = np.zeros((5, 48, 64), np.float32), np.zeros((5, 48, 64), np.float32)
    for i, view in enumerate(views):
        rays = camera_rays(view)
        t = -rays.origins[:, 2] / rays.directions[:, 2]
        column, row = np.ascontiguousarray(((rays.at(t).numpy()[:, :2] + [4, 0]) * 40).T, np.float32)
        shown = cv2.remap(_texture(3), column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        grey[i], truth[i] = shown.reshape(48, 64), t.numpy().reshape(48, 64)
    rng = np.random.default_rng(0)
    first = (truth * (1 + rng.uniform(-0.05, 0.05, truth.shape))).astype(np.float32)
    shared = [torch.from_numpy(grey), torch.ones(5, 48, 64, dtype=torch.uint8)]
    shared += [torch.cat([v.viewmats for v in views]).double(), torch.cat([v.Ks for v in views]).double()]
    tasks = [torch.tensor([2, 1]), torch.tensor([[0, 1, 3, 4], [0, 2, 3, -1]])]

    def refined(threads: int, begin: np.ndarray = first, other: int = 0) -> torch.Tensor:
        out = torch.zeros(2, 48, 64)
        given = [torch.from_numpy(begin), torch.zeros(5, 48, 64)]
        native.refine_stereo(*shared, tasks[0], tasks[1] + other, *given, out, threads=threads)
        return out

    found = refined(1)
    assert torch.equal(found, refined(2))
    error = np.abs(found.numpy() / truth[[2, 1]] - 1)[:, 6:-6, 6:-6]
    assert np.median(error) < 0.003
    assert np.quantile(error, 0.95) < 0.01
    with pytest.raises(ValueError, match="not positive"):
        refined(1, begin=np.zeros_like(first))
    with pytest.raises(ValueError, match="is no picture"):
        refined(1, other=1)


def test_what_was_found_is_kept_and_a_damaged_file_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capture, _ = _capture(tmp_path)
    calls = []

    def find(*given: object) -> Stereo:
        calls.append(given)
        return Stereo(np.full((5, 6, 8), 1.5 + 0.25 * len(calls), np.float32), np.tile([8, 6], (5, 1)))

    monkeypatch.setattr(stereo, "stereo_depths", find)

    def ask(identity: str) -> float:
        return float(kept_stereo(capture, Pictures(capture), [0, 1], tmp_path, identity).depths[0, 0, 0])

    assert [ask("a"), ask("a"), ask("b"), ask("b")] == [1.75, 1.75, 2.0, 2.0]
    (tmp_path / stereo.FILE).write_bytes(b"no archive")
    assert ask("b") == 2.25
    assert not list(tmp_path.glob("*.partial"))


def test_pictures_of_several_sizes_share_a_canvas() -> None:
    depths = np.zeros((2, 180, 320), np.float32)
    depths[0], depths[1, :, :160] = 3.0, 5.0
    found = Stereo(depths, np.array([[320, 180], [160, 180]])).on_canvas([(640, 360), (160, 180)])
    assert found.shape == (2, 180, 320)
    assert (found[0] == 3).all()
    assert (found[1, :90, :80] == 5).all()
    assert (found[1, 90:] == 0).all()
    assert (found[1, :, 80:] == 0).all()


def test_pictures_that_share_points_from_a_good_angle_come_first(tmp_path: Path) -> None:
    capture, _ = _capture(tmp_path)
    found = relations(capture, [0, 1, 2, 3, 4])
    assert set(found.others[0][:4].tolist()) == {1, 2, 3, 4}
    assert found.others[0][0] == 4  # 10° apart at 2.8 m, the others less than 7°
    assert (found.others[0][4:] == -1).all()
    assert np.allclose(found.depths[2], (0.7 * BOX, 1.5 * WALL), atol=0.05)


def test_only_depths_that_others_bear_out_are_kept() -> None:
    views = Cameras.look_at(torch.tensor([[0.0, 0, 0]] * 4), [0.0, 1, 0], fov_deg=60, width=8, height=6)
    depths = np.full((4, 6, 8), 2.0)
    depths[0, 0, 0] = 1.0
    depths[1:3, 1, 1] = 3.0
    others = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])
    kept = agreed(depths, views.viewmats.double().numpy(), views.Ks.double().numpy(), others)
    assert not kept[0, 0, 0]  # nobody sees anything there
    assert not kept[0, 1, 1]  # one agrees, two see through it
    assert not kept[1, 1, 1]  # there too, one agrees
    assert kept[0, 3, 3]


def test_places_between_the_points_are_filled_at_known_depths(tmp_path: Path) -> None:
    capture, _ = _capture(tmp_path)
    known = Stereo(np.full((5, 12, 16), 4.0, np.float32), np.tile([16, 12], (5, 1)))
    points, _ = fill_thin_places(capture, Pictures(capture), [2], patches=12, most=1000, stereo=known)
    assert len(points) > 50
    assert torch.allclose(points[:, 1], torch.tensor(4.0), atol=1e-4)
    places, depths = known.targets(2, (32, 24))
    assert len(places) == 12 * 16
    assert set((places % 32 % 2).tolist()) == {1}
    assert (depths == 4).all()
