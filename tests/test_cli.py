"""The command line: what it writes, and the sentences with which it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch

from splatsim import Cameras, cli, video
from splatsim.cli.render import FlyThrough
from splatsim.errors import FormatError, SplatsimError
from splatsim.formats import is_antialiased, save_gaussians
from splatsim.scene import Scene
from splatsim.semantics import Semantics, palette
from tests.conftest import random_gaussians, read_video

SMALL = ["--width", "48", "--height", "32", "--seconds", "0.5", "--fps", "10"]


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    path = tmp_path / "scene.ply"
    save_gaussians(path, random_gaussians(60, k=4))
    return path


def camera_file(path: Path, **changes: object) -> Path:
    cameras = Cameras.look_at([[4.0, 0, 1], [0, 4.0, 1], [-4.0, 0, 1]], [0, 0, 0], fov_deg=60, width=33, height=21)
    content = {
        "width": 33,
        "height": 21,
        "K": cameras.Ks[0].tolist(),
        "cam_from_world": cameras.viewmats.tolist(),
    }
    content = {key: value for key, value in (content | changes).items() if value is not None}
    path.write_text(json.dumps(content))
    return path


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What is said when the command line refuses; it is one line and no traceback."""
    assert cli.main([str(argument) for argument in arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("splatsim: ")
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize("extension", [".ply", ".splat", ".spz"])
@pytest.mark.parametrize("path", ["orbit", "inside"])
def test_a_picture(tmp_path: Path, extension: str, path: str) -> None:
    save_gaussians(tmp_path / f"scene{extension}", random_gaussians(60, k=4))
    out = tmp_path / "still.png"
    assert cli.main(["render", str(tmp_path / f"scene{extension}"), "--out", str(out), "--path", path, *SMALL]) == 0
    picture = iio.imread(out)
    assert picture.shape == (32, 48, 3)
    assert picture.max() > 50


def test_a_video(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "film.mp4"
    assert cli.main(["render", str(scene), "--out", str(out), *SMALL]) == 0
    frames = read_video(out)
    assert frames.shape == (5, 32, 48, 3)
    assert frames.max() > 50
    assert np.abs(frames[0].astype(int) - frames[2]).max() > 30, "the camera does not move"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "scene.ply"]


def test_an_orbit_keeps_the_scene_in_view(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "still.png"
    far = save_far_scene(tmp_path)
    assert cli.main(["render", str(far), "--out", str(out), *SMALL, "--background", "0", "0", "1"]) == 0
    picture = iio.imread(out)
    assert (picture[0] == (0, 0, 255)).all()
    assert (picture != (0, 0, 255)).any()


def save_far_scene(folder: Path) -> Path:
    gaussians = random_gaussians(60, k=4)
    path = folder / "far.ply"
    save_gaussians(path, gaussians.replace(means=gaussians.means * 3 + torch.tensor([500.0, -300.0, 40.0])))
    return path


def test_cameras_from_a_file(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "film.mp4"
    assert cli.main(["render", str(scene), "--out", str(out), "--path", str(camera_file(tmp_path / "c.json"))]) == 0
    assert read_video(out).shape == (3, 22, 34, 3)  # odd sides grow by one


def scene_folder(tmp_path: Path, **parts: object) -> Path:
    """A scene with three cameras and two classes."""
    gaussians = random_gaussians(60, k=4)
    cameras = Cameras.look_at([[4.0, 0, 1], [0, 4.0, 1], [-4.0, 0, 1]], [0, 0, 0], fov_deg=60, width=48, height=32)
    semantics = Semantics((torch.arange(60) % 2).to(torch.uint8), ("leaf", "bark"))
    given = {"gaussians": gaussians, "cameras": cameras, "semantics": semantics, **parts}
    Scene("bush", **given).save(tmp_path / "bush")  # type: ignore[arg-type]
    return tmp_path / "bush"


def test_a_scene_folder_is_flown_through_past_its_cameras(tmp_path: Path) -> None:
    folder = scene_folder(tmp_path)
    out = tmp_path / "a.mp4"
    assert cli.main(["render", str(folder), "--out", str(out), "--seconds", "0.5", "--fps", "10"]) == 0
    frames = read_video(out)
    assert frames.shape == (5, 32, 48, 3)
    assert np.abs(frames[0].astype(int) - frames[4]).max() > 30, "the camera does not move"
    assert (
        cli.main(["render", str(folder), "--out", str(out), "--path", "cameras", "--width", "24", "--overwrite"]) == 0
    )
    assert read_video(out).shape == (3, 32, 24, 3)


def test_classes_and_depth_are_shown(tmp_path: Path) -> None:
    folder, out = scene_folder(tmp_path), tmp_path / "a.png"
    assert cli.main(["render", str(folder), "--out", str(out), "--semantics"]) == 0
    colors = {tuple(color) for color in iio.imread(out).reshape(-1, 3).tolist()}
    assert colors == {(0, 0, 0), *(tuple(color) for color in palette(2).tolist())}
    assert cli.main(["render", str(folder), "--out", str(out), "--depth", "--overwrite"]) == 0
    picture = iio.imread(out)
    assert (picture[..., 0] == picture[..., 2]).all()
    assert np.median(picture[picture > 0]) in range(120, 136)


@pytest.mark.parametrize("kind", ["folder", ".ply", ".spz"])
def test_gaussians_fitted_with_antialiasing_are_rendered_so(tmp_path: Path, kind: str) -> None:
    small = random_gaussians(60, k=4, smallest=0.002, largest=0.004)
    if kind == "folder":
        place = scene_folder(tmp_path, gaussians=small, provenance={"render": {"antialiased": True}})
        assert is_antialiased(place / "gaussians.ply")
    else:
        place = tmp_path / f"small{kind}"
        save_gaussians(place, small, antialiased=True)
    plain = tmp_path / f"plain{'.ply' if kind == 'folder' else kind}"
    save_gaussians(plain, small)
    pictures = []
    for source, more in ((place, []), (plain, ["--antialiased"]), (plain, [])):
        out = tmp_path / f"{len(pictures)}.png"
        assert cli.main(["render", str(source), "--out", str(out), "--path", "orbit", *SMALL, *more]) == 0
        pictures.append(iio.imread(out).astype(int))
    assert np.array_equal(pictures[0], pictures[1])
    assert pictures[2].sum() > 2 * pictures[1].sum()


def test_what_a_scene_lacks_is_said(scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.png"
    assert "has no cameras; expected orbit" in refusal(capsys, "render", scene, "--out", out, "--path", "smooth")
    assert "has no semantics" in refusal(capsys, "render", scene, "--out", out, "--semantics")
    assert "expected one of them" in refusal(capsys, "render", scene, "--out", out, "--semantics", "--depth")
    Scene("empty").save(tmp_path / "empty")
    assert "has no Gaussians" in refusal(capsys, "render", tmp_path / "empty", "--out", out)
    assert not out.exists()


def test_odd_sides_repeat_the_last_row_and_column(tmp_path: Path) -> None:
    frame = np.full((31, 45, 3), 40, np.uint8)
    frame[-1], frame[:, -1] = 200, 200
    video.write_video(tmp_path / "odd.mp4", [frame], fps=5)
    back = read_video(tmp_path / "odd.mp4")[0].astype(int)
    assert back.shape == (32, 46, 3)
    assert np.abs(back[:30, :44] - 40).max() < 20
    assert np.abs(back[31] - 200).max() < 20
    assert np.abs(back[:, 45] - 200).max() < 20


def test_an_existing_file_is_kept(scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "still.png"
    out.write_text("precious")
    assert "--overwrite" in refusal(capsys, "render", scene, "--out", out)
    assert out.read_text() == "precious"
    assert cli.main(["render", str(scene), "--out", str(out), "--overwrite", *SMALL]) == 0
    assert iio.imread(out).shape == (32, 48, 3)


def test_what_cannot_be_done_is_said_in_one_sentence(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    still = tmp_path / "still.png"
    assert "no file" in refusal(capsys, "render", tmp_path / "none.ply", "--out", still)
    assert "expected one of .mp4, .png" in refusal(capsys, "render", scene, "--out", tmp_path / "film.avi")
    assert ".ply, .splat, .spz" in refusal(capsys, "render", camera_file(tmp_path / "c.json"), "--out", still)
    assert "make the folder first" in refusal(capsys, "render", scene, "--out", tmp_path / "no" / "still.png")
    assert "field of view" in refusal(capsys, "render", scene, "--out", still, "--fov-deg", "180")
    assert "expected 1 to" in refusal(capsys, "render", scene, "--out", still, "--width", "0")
    assert "orbit, inside" in refusal(capsys, "render", scene, "--out", still, "--path", "sideways")
    assert not still.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"K": None}, 'has no "K"'),
        ({"width": "wide"}, "whole number of pixels"),
        ({"height": 10**9}, "1 to 65536"),
        ({"K": [[1, 0], [0, 1]]}, "K has shape [2, 2]; expected 3 × 3"),
        ({"K": [[1, 0, 0], [0, 1], [0, 0, 1]]}, "K is not a regular array"),
        ({"cam_from_world": []}, "expected frames × 4 × 4"),
        ({"cam_from_world": [[[float("nan")] * 4] * 4]}, "not finite"),
        ({"cam_from_world": [(2 * torch.eye(4)).tolist()]}, "expected a rotation and a translation"),
        ({"cam_from_world": [torch.diag(torch.tensor([-1.0, 1, 1, 1])).tolist()]}, "expected a rotation"),
    ],
)
def test_broken_cameras_are_refused(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    from splatsim.formats.trajectory import load_cameras

    with pytest.raises(FormatError) as refused:
        load_cameras(camera_file(tmp_path / "c.json", **changes))
    assert said in str(refused.value)
    assert "c.json" in str(refused.value)


def test_a_file_that_is_not_json(scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for content in ("{", "[" * 100_000, "[1]", ""):
        (tmp_path / "c.json").write_text(content)
        said = refusal(capsys, "render", scene, "--out", tmp_path / "a.png", "--path", tmp_path / "c.json")
        assert "c.json" in said


def test_numbers_out_of_range_are_refused() -> None:
    for wrong in ({"fps": 0.0}, {"seconds": -1.0}, {"background": (0.0, 0.0, 2.0)}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            FlyThrough(**wrong)  # type: ignore[arg-type]


def test_a_failed_video_leaves_nothing_behind(tmp_path: Path) -> None:
    def frames():  # type: ignore[no-untyped-def]
        yield np.zeros((16, 16, 3), np.uint8)
        raise RuntimeError("the renderer broke")

    with pytest.raises(RuntimeError, match="the renderer broke"):
        video.write_video(tmp_path / "film.mp4", frames(), fps=5)
    with pytest.raises(ValueError, match="no frames"):
        video.write_video(tmp_path / "film.mp4", [], fps=5)
    with pytest.raises(ValueError, match="expected"):
        video.write_video(tmp_path / "film.mp4", [np.zeros((n, 16, 3), np.uint8) for n in (16, 18)], fps=5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("frames", [1, 200])
def test_a_failing_ffmpeg_is_reported(tmp_path: Path, frames: int) -> None:
    with pytest.raises(SplatsimError, match="ffmpeg failed"):
        video.write_video(tmp_path / "none" / "film.mp4", [np.zeros((64, 64, 3), np.uint8)] * frames, fps=5)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_an_interrupted_run_leaves_nothing_behind(scene: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "splatsim", "render", str(scene), "--out", str(tmp_path / "film.mp4")]
    with subprocess.Popen([*command, "--seconds", "3600"], stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".film.*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in said
    assert [path.name for path in tmp_path.iterdir()] == ["scene.ply"]


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor"]) == 0
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["torch"].strip() == torch.__version__
    assert lines["back end reference"].strip() == "runs"
    assert "back end cuda" in lines
    assert Path(lines["ffmpeg"].strip()).exists()
