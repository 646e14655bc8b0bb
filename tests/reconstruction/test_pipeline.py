"""From footage to a scene folder: what it holds, how it goes on after a stop, and what it refuses."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pycolmap
import pytest
import torch

from splatsim import cli, load_gaussians
from splatsim.errors import FormatError, ReconstructionError, SplatsimError
from splatsim.reconstruction import ReconstructConfig, pipeline, reconstruct, results, stages
from splatsim.scene import Scene
from tests.conftest import read_video
from tests.reconstruction import rooms
from tests.reconstruction.test_imports import POSES, write_transforms

LENS = (-0.08, 0.02, 0.0, 0.0)


def config(steps: int = 24, **changes: object) -> ReconstructConfig:
    default = ReconstructConfig()
    fit = replace(default.fit, steps=steps, max_gaussians=600, holdout=4)
    poses = replace(default.poses, max_size=120)
    align = replace(default.align, input_units=True, up="keep")
    return replace(default, **{"fit": fit, "poses": poses, "align": align, **changes})


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A posed capture with a lens that distorts, and label images of the room's faces."""
    folder = tmp_path_factory.mktemp("room")
    write_transforms(folder, distortion=LENS)
    (folder / "labels").mkdir()
    faces = [np.full((512, 512, 3), number, np.float32) for number in range(6)]
    for number, pose in enumerate(POSES):
        labels = rooms.picture(pose, faces, rooms.rays(LENS))[..., 0]
        iio.imwrite(folder / "labels" / f"{number}.png", labels)
    (folder / "classes.txt").write_text("west\neast\nsouth\nnorth\nfloor\nceiling\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def made(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "scene"
    settings = config(60, labels=footage / "labels", classes=footage / "classes.txt")
    reconstruct(footage / "transforms.json", settings, out=out)
    return out


def test_the_folder_holds_a_scene_and_all_that_belongs_to_it(made: Path) -> None:
    scene = Scene.load(made)
    assert scene.name.startswith("room")
    assert scene.cameras is not None
    assert (len(scene.cameras), scene.scale_source) == (8, "input")
    assert scene.depths is not None
    assert len(scene.depths) == 8
    assert scene.provenance["configuration"]["fit"]["steps"] == 60
    assert scene.provenance["render"]["antialiased"] is True
    assert scene.provenance["input"]["sha256"]
    assert len(load_gaussians(made / "gaussians.spz")) == len(scene.gaussians)
    assert read_video(made / "preview.mp4").std() > 10
    text = (made / "report.html").read_text(encoding="utf-8")
    assert "dB PSNR" in text
    assert 'src="http' not in text
    assert {path.name for path in made.iterdir()} == {
        *("scene.toml", "gaussians.ply", "gaussians.spz", "cameras.npz", "cameras.json", "depths.npz"),
        *("semantics.npz", "metrics.json", "report.html", "preview.mp4", "colmap", "work"),
    }


def test_cameras_and_colmap_model_have_the_true_poses(made: Path) -> None:
    frames = json.loads((made / "cameras.json").read_text())["frames"]
    np.testing.assert_allclose([frame["world_from_cam"] for frame in frames], POSES, atol=1e-4)
    assert [frame["held_out"] for frame in frames] == [True, False, False, False] * 2
    model = pycolmap.Reconstruction(made / "colmap" / "sparse" / "0")
    for image in model.images.values():
        pose = image.cam_from_world().inverse().matrix()
        number = int(Path(image.name).stem)
        np.testing.assert_allclose(pose, POSES[number][:3], atol=1e-4)
        camera = model.cameras[image.camera_id]
        pixels = iio.imread(made / "colmap" / "images" / image.name)
        assert pixels.shape == (camera.height, camera.width, 3)
    assert model.compute_mean_reprojection_error() < 1


def test_classes_are_lifted_and_measured_on_pictures_that_were_not_used(made: Path) -> None:
    scene = Scene.load(made)
    assert scene.semantics is not None
    assert scene.semantics.class_names == ("west", "east", "south", "north", "floor", "ceiling")
    ious = json.loads((made / "metrics.json").read_text())["label_ious"]
    assert ious["north"] > 0.85
    assert ious["floor"] > 0.85
    assert scene.gaussians is not None
    on_floor = scene.gaussians.means[:, 2].abs() < 0.1
    named = scene.semantics.labels[on_floor] == 4
    assert float(named.float().mean()) > 0.8


def test_a_fit_goes_on_where_it_was_stopped(footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = reconstruct(footage / "transforms.json", config(), out=tmp_path / "whole")
    true_fit = pipeline.fit

    def stopped(*arguments: object, **options: object) -> object:
        def stop(point: object, steps: int) -> None:
            if point.step == 10:  # type: ignore[attr-defined]
                raise KeyboardInterrupt

        return true_fit(*arguments, progress=stop, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "fit", stopped)
    part = reconstruct(footage / "transforms.json", config(), out=tmp_path / "scene")
    assert part.provenance["fit"]["interrupted"] is True
    assert "--resume" in (tmp_path / "scene" / "report.html").read_text()
    monkeypatch.setattr(pipeline, "fit", true_fit)
    resumed = reconstruct(footage / "transforms.json", config(), out=tmp_path / "scene", resume=True)
    assert resumed.gaussians is not None
    assert whole.gaussians is not None
    for name, tensor in whole.gaussians.tensors().items():
        assert torch.equal(tensor, getattr(resumed.gaussians, name)), name
    again = Scene.load(tmp_path / "scene")
    assert again.provenance["fit"]["interrupted"] is False


def test_a_kill_while_the_result_is_put_in_place_leaves_no_mixed_scene(
    footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "scene"
    reconstruct(footage / "transforms.json", config(4), out=out)
    true_replace, count = results.os.replace, 0

    def killed(source: object, target: object) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        true_replace(source, target)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "publish", lambda staging, out: _publish_with(killed, staging, out, monkeypatch))
    with pytest.raises(KeyboardInterrupt):
        reconstruct(footage / "transforms.json", config(5), out=out, overwrite=True)
    with pytest.raises(FileNotFoundError):
        Scene.load(out)
    monkeypatch.undo()
    reconstruct(footage / "transforms.json", config(5), out=out, resume=True)
    assert Scene.load(out).provenance["fit"]["steps"] == 5


def _publish_with(replace_file: object, staging: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results.os, "replace", replace_file)
    results.publish(staging, out)


def test_what_stands_in_a_folder_is_not_lost(footage: Path, made: Path, tmp_path: Path) -> None:
    path = footage / "transforms.json"
    before = (made / "gaussians.ply").read_bytes()
    with pytest.raises(FileExistsError, match="--overwrite"):
        reconstruct(path, config(), out=made)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "precious.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="no scene"):
        reconstruct(path, config(), out=tmp_path / "notes", overwrite=True)
    assert (made / "gaussians.ply").read_bytes() == before
    with stages.locked(made / "work"), pytest.raises(SplatsimError, match="being worked on"):
        reconstruct(path, config(), out=made, resume=True)


def test_a_folder_belongs_to_its_footage(footage: Path, tmp_path: Path) -> None:
    out = tmp_path / "scene"
    reconstruct(footage / "transforms.json", config(3), out=out)
    other = tmp_path / "other"
    other.mkdir()
    write_transforms(other, w=rooms.WIDTH, note="another file")
    with pytest.raises(FileExistsError, match="was begun with"):
        reconstruct(other / "transforms.json", config(3), out=out, resume=True)
    assert Scene.load(out).provenance["fit"]["steps"] == 3


def test_footage_without_texture_fails_with_a_report(tmp_path: Path) -> None:
    (tmp_path / "wall").mkdir()
    generator = np.random.default_rng(0)
    for number in range(8):
        grey = 128 + generator.normal(0, 1.5, (120, 160, 1))
        iio.imwrite(tmp_path / "wall" / f"{number}.png", np.repeat(grey, 3, axis=2).astype(np.uint8))
    with pytest.raises(ReconstructionError, match="low texture"):
        reconstruct(tmp_path / "wall", config(), out=tmp_path / "scene")
    text = (tmp_path / "scene" / "report.html").read_text(encoding="utf-8")
    assert "low texture" in text
    assert not (tmp_path / "scene" / "scene.toml").exists()


def test_the_command(
    footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "scene"
    arguments = ["reconstruct", str(footage / "transforms.json"), "--out", str(out)]
    choices = ["--steps", "3", "--max-gaussians", "300", "--max-size", "120", "--seed", "4"]
    assert cli.main([*arguments, *choices]) == 0
    assert "1 of 9 pictures" in caplog.text
    assert "report.html" in capsys.readouterr().out
    scene = Scene.load(out)
    assert scene.scale_source == "arbitrary"
    assert scene.provenance["configuration"]["fit"]["seed"] == 4
    assert cli.main(arguments) == 2
    assert "--resume" in capsys.readouterr().err
    assert cli.main([*arguments, "--budget", "soon"]) == 2
    assert "5min" in capsys.readouterr().err


@pytest.mark.parametrize("text", [("90s", 90.0), ("5min", 300.0), ("1.5h", 5400.0)])
def test_budgets_are_times(text: tuple[str, float]) -> None:
    from splatsim.cli.reconstruct import seconds_of

    assert seconds_of(text[0]) == text[1]


def test_damaged_work_is_named(footage: Path, tmp_path: Path) -> None:
    out = tmp_path / "scene"
    reconstruct(footage / "transforms.json", config(3), out=out)
    stored = out / "work" / "poses" / "capture" / "capture.npz"
    stored.write_bytes(stored.read_bytes()[:100])
    with pytest.raises(FormatError, match=r"capture\.npz"):
        reconstruct(footage / "transforms.json", config(3), out=out, resume=True)


def test_a_full_disk_is_said_and_loses_nothing(
    footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scene"
    reconstruct(footage / "transforms.json", config(3), out=out)

    def full(path: Path, gaussians: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(results, "save_gaussians", full)
    arguments = ["reconstruct", str(footage / "transforms.json"), "--out", str(out), "--overwrite", "--steps", "4"]
    assert cli.main([*arguments, "--max-size", "120", "--max-gaussians", "300"]) == 2
    said = capsys.readouterr().err
    assert "gaussians.spz: No space left on device" in said
    assert Scene.load(out).provenance["fit"]["steps"] == 3


def test_a_folder_that_cannot_be_made_is_said(
    footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("precious")
    out = tmp_path / "file" / "scene"
    assert cli.main(["reconstruct", str(footage / "transforms.json"), "--out", str(out)]) == 2
    assert str(tmp_path / "file") in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "precious"
