"""Poses from pictures alone, against the exact poses of a room that was traced ray by ray."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from splatsim.reconstruction import Capture
from splatsim.reconstruction.diagnosis import diagnose
from splatsim.reconstruction.evaluate import position_error
from splatsim.reconstruction.frameset import Frame, FrameSet
from splatsim.reconstruction.poses import PoseConfig, Posed, PoseReport, _estimate, estimate_poses
from splatsim.reconstruction.poses._database import keypoint_counts
from splatsim.transforms import apply, invert
from tests.reconstruction import rooms

CONFIG = PoseConfig(features=1000, max_size=200)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[FrameSet, Path, Posed]:
    folder = tmp_path_factory.mktemp("walk")
    frames = rooms.film(folder / "frames", rooms.walk())
    return frames, folder / "poses", estimate_poses(frames, folder / "poses", CONFIG)


def centres(capture: Capture) -> np.ndarray:
    return invert(capture.viewmats)[:, :3, 3].double().numpy()


def test_a_walk_is_found(walked: tuple[FrameSet, Path, Posed]) -> None:
    frames, folder, posed = walked
    (capture,), report = posed.captures, posed.report
    assert report.registered == len(frames) == len(capture)
    assert capture.names == tuple(frame.name for frame in frames.frames)
    error = position_error(centres(capture), rooms.walk()[:, :3, 3])
    assert error.share < 0.01
    assert report.models[0].focals[0][1] == pytest.approx(rooms.FOCAL, rel=0.03)
    assert not report.models[0].focals[0][2]
    assert report.models[0].median_reprojection_error < 1
    assert all(frame.model == 0 and frame.reason is None for frame in report.frames)
    assert diagnose(frames, report).ok
    assert PoseReport.load(folder) == report


def test_points_lie_where_the_pictures_show_them(walked: tuple[FrameSet, Path, Posed]) -> None:
    """On the true walls, after alignment; inside the pictures that saw them; in their colour."""
    capture = walked[2].captures[0]
    assert max(capture.sizes[0]) <= 200
    picture, point = capture.observations.long().unbind(1)
    seen = apply(capture.viewmats[picture], capture.points[point][:, None])[:, 0]
    pixels = (capture.Ks[picture] @ seen[..., None])[..., 0]
    pixels = pixels[:, :2] / pixels[:, 2:]
    width, height = capture.sizes[0]
    assert (seen[:, 2] > 0).all()
    assert ((pixels > -1) & (pixels < max(width, height) + 1)).float().mean() > 0.99
    colours = np.stack([capture.picture(0)[int(v), int(u)] for u, v in pixels[picture == 0].clamp(1, height - 2)])
    assert np.abs(colours - capture.point_colors[point[picture == 0]].numpy().astype(float)).mean() < 25


def test_a_second_call_takes_what_is_there(
    walked: tuple[FrameSet, Path, Posed], monkeypatch: pytest.MonkeyPatch
) -> None:
    frames, folder, posed = walked
    monkeypatch.setattr(_estimate, "prepare", lambda *_: pytest.fail("the poses were found again"))
    again = estimate_poses(frames, folder, CONFIG)
    assert again.report == posed.report
    assert (again.captures[0].viewmats == posed.captures[0].viewmats).all()


def test_what_was_interrupted_ends_in_the_same_poses(
    walked: tuple[FrameSet, Path, Posed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mapping is interrupted; the second call finds features and matches done, and comes to the same poses.

    Not to the same bits: the sums of COLMAP's adjustment depend on the order in which its threads finish.
    """
    frames, _, posed = walked

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_estimate, "map_incrementally", interrupted)
        with pytest.raises(KeyboardInterrupt):
            estimate_poses(frames, tmp_path, CONFIG)
    assert not (tmp_path / "poses.json").exists()
    assert not (tmp_path / "models").exists()
    names = [frame.name for frame in frames.frames]
    assert keypoint_counts(tmp_path / "database.db", names).min() > 0
    resumed = estimate_poses(frames, tmp_path, CONFIG).captures[0]
    assert resumed.names == posed.captures[0].names
    assert position_error(centres(resumed), centres(posed.captures[0])).share < 1e-3


def test_two_places_give_two_models(tmp_path: Path) -> None:
    first = rooms.film(tmp_path, rooms.walk(12), seed=0)
    second = rooms.film(tmp_path, rooms.walk(10), seed=7, first=12, segment=1)
    frames = rooms.joined(first, second)
    posed = estimate_poses(frames, tmp_path / "poses", CONFIG)
    assert [model.frames for model in posed.report.models] == [12, 10]
    assert [capture.names[0] for capture in posed.captures] == ["0000.png", "0012.png"]
    found = diagnose(frames, posed.report)
    assert found.ok
    assert "2 places" in found.sentence


def test_a_camera_that_only_turns_is_named(tmp_path: Path) -> None:
    frames = rooms.film(tmp_path, rooms.turning())
    found = diagnose(frames, estimate_poses(frames, tmp_path / "poses", CONFIG).report)
    assert (found.ok, found.exit_code, found.cause) == (False, 2, "pure rotation")


def test_a_blank_wall_is_named(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    frames = []
    for number in range(12):
        grey = 180 + generator.normal(0, 2, (240, 320, 1)) + np.zeros(3)
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), grey.astype(np.uint8))
        frames.append(Frame(f"{number}.png", number / 2, 320, 240, 1.0))
    frameset = FrameSet(tmp_path, "video", tuple(frames), seconds=6.0)
    posed = estimate_poses(frameset, tmp_path / "poses", CONFIG)
    found = diagnose(frameset, posed.report)
    assert (found.ok, found.exit_code, found.cause) == (False, 2, "low texture")
    assert posed.captures == ()


def test_masks_keep_features_away_and_come_along(tmp_path: Path) -> None:
    """The left half is masked in every picture: no point is seen there, and the Capture has the masks."""
    frames = rooms.film(tmp_path, rooms.walk(8))
    (tmp_path / "masks").mkdir()
    mask = np.full((rooms.HEIGHT, rooms.WIDTH), 255, np.uint8)
    mask[:, : rooms.WIDTH // 2] = 0
    for frame in frames.frames:
        cv2.imwrite(str(tmp_path / "masks" / f"{frame.name}.png"), mask)
    (capture,) = estimate_poses(frames, tmp_path / "poses", CONFIG).captures
    kept = capture.mask(0)
    assert kept is not None
    width = kept.shape[1]
    assert (kept[:, : width // 2 - 4] == 0).all()
    assert (kept[:, width // 2 + 4 :] == 255).all()
    picture, point = capture.observations.long().unbind(1)
    seen = apply(capture.viewmats[picture], capture.points[point][:, None])[:, 0]
    columns = (capture.Ks[picture] @ seen[..., None])[:, 0, 0] / seen[:, 2]
    assert (columns > width / 2 - 4).all()


def test_names_with_spaces_are_no_trouble(tmp_path: Path) -> None:
    """Phones and messengers give photos such names."""
    plain = rooms.film(tmp_path, rooms.walk(6), kind="photos")
    renamed = tuple(replace(frame, name=f"My Photo #{k}.png") for k, frame in enumerate(plain.frames))
    for old, new in zip(plain.frames, renamed, strict=True):
        (tmp_path / "images" / old.name).rename(tmp_path / "images" / new.name)
    posed = estimate_poses(replace(plain, frames=renamed), tmp_path / "poses", CONFIG)
    assert posed.captures[0].names == tuple(f"My_Photo__{k}.png" for k in range(6))
    assert not (tmp_path / "poses" / ".frames").exists()


def test_the_global_mapper_agrees(walked: tuple[FrameSet, Path, Posed], tmp_path: Path) -> None:
    frames, _, _ = walked
    posed = estimate_poses(frames, tmp_path, replace(CONFIG, mapper="global"))
    assert posed.report.registered == len(frames)
    assert position_error(centres(posed.captures[0]), rooms.walk()[:, :3, 3]).share < 0.01


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="features is 10; expected at least 100"):
        PoseConfig(features=10)
