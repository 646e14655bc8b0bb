"""Frames of the rig: a run that was cut short goes on, committed frames can be made again, damage is named."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("embreex")

import imageio.v3 as iio

from splatsim.errors import FormatError
from splatsim.formats.arrays import read_arrays, read_occupancy
from tests.scenes import generators

# isort: split
from _worldgen.finish import FinishTable
from _worldgen.options import Options
from _worldgen.pictures import measure
from _worldgen.produce import bake
from _worldgen.shooting import intrinsics
from _worldgen.tracer import Tracer

RIG = generators.SCENES / "quarry" / "rig"
SMALL = ("--seeds=2,3", "--each=1", "--last=1", "--luxel=2", "--rays=2", "--workers=1")

frames = generators.load("quarry", "frames")
rig_frames = generators.load("quarry", "rig_frames")


@pytest.fixture(scope="module")
def committed() -> Path:
    """One committed frame of the test."""
    return sorted((RIG / "test").iterdir())[1]


def again(folder: Path, count: int) -> tuple:
    """The pit of a frame, the pose of its body and its number, all from the seed."""
    seed, number = (int(part) for part in folder.name.split("_"))
    terrain, model, path = frames.make.build(seed)
    bodies = frames.body_poses(terrain, path, count, np.random.default_rng([seed, 3]))
    return seed, number, model, bodies[number]


def test_sixteen_frames_for_training_and_four_of_another_pit_are_committed() -> None:
    folders = {split: sorted((RIG / split).iterdir()) for split in ("train", "test")}
    assert [len(found) for found in folders.values()] == [16, 4]
    pits = {split: {folder.name[:4] for folder in found} for split, found in folders.items()}
    assert len(pits["train"]) == 4
    assert not pits["train"] & pits["test"]
    for folder in folders["train"] + folders["test"]:
        frame = rig_frames.load_frame(folder)
        assert frame.pictures.shape == (6, 300, 480, 3)
        assert frame.pictures.std() > 20
        assert len(frame.points) > 20_000
        assert len(np.unique(frame.point_classes)) >= 5


def test_labels_and_sweep_of_a_committed_frame_come_out_the_same(committed: Path, tmp_path: Path) -> None:
    seed, number, model, body = again(committed, 40)
    assert np.allclose(body, rig_frames.load_frame(committed).world_from_body, atol=1e-12)
    tracer, finishes = (
        Tracer(model),
        FinishTable(model.finish_table, frames.make.with_ground(frames.make.build(seed)[0])),
    )
    K = intrinsics(frames.WIDTH, frames.HEIGHT, frames.FOV_DEG)
    for name, mount in zip(frames.CAMERAS, frames.cams_from_body(), strict=True):
        shot = measure(model, tracer, body @ np.linalg.inv(mount), K, frames.WIDTH, frames.HEIGHT)
        frames.write_labels(tmp_path, name, shot, model.instance_classes)
        made = iio.imread(tmp_path / f"{name}.classes.png")
        assert np.array_equal(made, iio.imread(committed / f"{name}.classes.png"))
    studio = SimpleNamespace(model=model, tracer=tracer, finishes=finishes)
    frames.write_sweep(tmp_path / "lidar.npz", studio, body, seed, number)
    made, kept = read_arrays(tmp_path / "lidar.npz")[0], read_arrays(committed / "lidar.npz")[0]
    for name in kept:
        assert np.array_equal(made[name], kept[name]), name


@pytest.mark.slow
def test_pictures_of_a_committed_frame_come_out_the_same(committed: Path, tmp_path: Path) -> None:
    seed, number, _, body = again(committed, 40)
    made_with = json.loads((RIG / "rig.json").read_text())["made_with"]
    options = Options(seed=seed, out=tmp_path, luxel=made_with["luxel"], rays=made_with["rays"])
    frames.write_frame(tmp_path / "frame", bake(frames.make.world(seed), options), body, seed, number)
    for name in frames.CAMERAS:
        made, kept = (iio.imread(folder / f"{name}.jpg").astype(int) for folder in (tmp_path / "frame", committed))
        assert np.abs(made - kept).max() <= 1


def test_points_lie_on_the_labelled_pixels(committed: Path) -> None:
    """Returns that fall into a camera have the class of the pixel there, but for edges and the few metres between."""
    frame = rig_frames.load_frame(committed)
    K, pose = np.array(frame.rig["K"]), np.array(frame.rig["body_from_lidar"])
    body = frame.points @ pose[:3, :3].T + pose[:3, 3]
    same = []
    for mount, labels in zip(frame.rig["cams_from_body"], frame.classes, strict=True):
        seen = body @ np.array(mount)[:3, :3].T + np.array(mount)[:3, 3]
        pixel = seen @ K.T / seen[:, 2:]
        inside = (seen[:, 2] > 1) & (pixel[:, 0] > 0) & (pixel[:, 0] < 480) & (pixel[:, 1] > 0) & (pixel[:, 1] < 300)
        column, row = pixel[inside, :2].astype(int).T
        same.append(labels[row, column] == frame.point_classes[inside])
    assert np.concatenate(same).mean() > 0.93


@pytest.mark.parametrize("part", ["pose.json", "lidar.npz", "front.jpg", "back.classes.png"])
def test_a_missing_or_damaged_part_of_a_frame_is_named(part: str, committed: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(committed, tmp_path / "test" / committed.name)
    with pytest.raises(FormatError, match=r"rig\.json is missing"):
        rig_frames.load_frame(copy)
    shutil.copy(RIG / "rig.json", tmp_path)
    whole = (copy / part).read_bytes()
    (copy / part).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match=f"{part} cannot be read"):
        rig_frames.load_frame(copy)
    (copy / part).unlink()
    with pytest.raises(FormatError, match=f"{part} is missing"):
        rig_frames.load_frame(copy)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SystemExit, match="holds no frames"):
        frames.main([f"--out={tmp_path}"])
    (tmp_path / "rig.json").write_text("{}")
    with pytest.raises(SystemExit, match="of another run"):
        frames.main([f"--out={tmp_path}"])
    with pytest.raises(SystemExit, match="cannot be written"):
        frames.main([f"--out={tmp_path / 'mine.txt' / 'frames'}"])
    with pytest.raises(SystemExit, match="names a pit twice"):
        frames.main(["--seeds=4,4", f"--out={tmp_path / 'new'}"])
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.slow
def test_a_run_that_was_cut_short_goes_on_where_it_stood(tmp_path: Path) -> None:
    out = tmp_path / "frames"
    command = [sys.executable, str(generators.SCENES / "quarry" / "frames.py"), *SMALL, f"--out={out}"]
    subprocess.run(command, check=True, capture_output=True)
    kept = (out / "checksums.txt").read_text()
    first = out / "train" / "0002_000" / "front.jpg"
    stamp = first.stat().st_mtime_ns
    (out / "checksums.txt").unlink()
    (out / "test" / "0003_000").rename(out / "test" / ".0003_000.partial")
    subprocess.run(command, check=True, capture_output=True)
    assert (out / "checksums.txt").read_text() == kept
    assert first.stat().st_mtime_ns == stamp, "what was finished is not made again"
    grid = read_occupancy(out / "pits" / "0002.npz")
    frame = rig_frames.load_frame(out / "train" / "0002_000")
    assert frame.depths is not None
    assert grid.class_names == tuple(frame.rig["class_names"])
