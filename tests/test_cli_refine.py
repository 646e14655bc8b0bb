"""`splatsim refine` on a grid, on a scene with semantics, and on what it must refuse."""

import json
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch

from splatsim.cli import main
from splatsim.formats.arrays import read_occupancy, write_arrays, write_cameras, write_occupancy
from splatsim.occupancy.dense_maps import trace_maps
from splatsim.occupancy.targets import targets_of_grid
from splatsim.occupancy.voxel_shapes import VoxelShape, gaussianize
from splatsim.scene import Scene
from splatsim.semantics import Semantics
from tests.occupancy.grids import CLASSES
from tests.occupancy.test_dense_maps import room, views


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write_occupancy(tmp_path / "grid.npz", room())
    write_cameras(tmp_path / "cameras.npz", views(60, 40))
    return tmp_path


def run(folder: Path, source: str, *more: str) -> int:
    cameras, out = folder / "cameras.npz", folder / "out"
    return main(["refine", str(folder / source), "--cameras", str(cameras), "--out", str(out), *more])


def test_a_grid_gives_a_picture_for_each_camera(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(files, "grid.npz") == 0
    assert "3 pictures" in capsys.readouterr().out
    out = files / "out"
    pictures = sorted(out.glob("camera_*.png"))
    assert len(pictures) == 3
    assert iio.imread(pictures[0]).shape == (40, 180, 3)
    exact = trace_maps(room(), views(60, 40))
    with np.load(out / "maps.npz") as maps:
        assert float((torch.from_numpy(maps["labels"]).long() == exact.labels).float().mean()) > 0.93
    report = json.loads((out / "report.json").read_text())
    assert report["classes"]["wall"]["pixels"] > 100
    assert torch.equal(read_occupancy(out / "grid.npz").labels, room().labels)
    assert run(files, "grid.npz") == 2, "nothing is overwritten unasked"
    assert "exists already" in capsys.readouterr().err
    assert run(files, "grid.npz", "--overwrite") == 0


def test_targets_and_steps_mend_the_grid(files: Path) -> None:
    truth = room()
    repainted = truth.replace(labels=torch.where(truth.labels == 2, 3, truth.labels).to(torch.uint8))
    write_occupancy(files / "wrong.npz", repainted)
    targets = targets_of_grid(truth, views(60, 40), renderer="exact")
    assert targets.labels is not None
    assert targets.depths is not None
    arrays = {"labels": targets.labels.numpy(), "depths": targets.depths.numpy()}
    write_arrays(files / "targets.npz", arrays)
    assert run(files, "wrong.npz", "--targets", str(files / "targets.npz"), "--steps", "10") == 0
    mended = read_occupancy(files / "out" / "grid.npz").labels
    shown = trace_maps(truth, views(60, 40)).voxels[targets.labels == 2].unique()
    assert float((mended.flatten()[shown] == 2).float().mean()) > 0.9


def test_a_scene_with_semantics_works_too(files: Path) -> None:
    made = gaussianize(room(), VoxelShape("isotropic", "occupied"))
    labels = room().labels.flatten()[made.voxels]
    scene = Scene("room", made.gaussians.replace(features=None), semantics=Semantics(labels, CLASSES))
    scene.save(files / "scene")
    assert run(files, "scene", "--voxel-size", "0.4") == 0
    exact = trace_maps(room(), views(60, 40))
    names = json.loads((files / "out" / "report.json").read_text())["class_names"]
    order = torch.tensor([CLASSES.index(name) for name in names])
    with np.load(files / "out" / "maps.npz") as maps:
        found = order[torch.from_numpy(maps["labels"]).long()]
    assert float((found == exact.labels).float().mean()) > 0.8


@pytest.mark.parametrize(
    ("source", "more", "sentence"),
    [
        ("missing.npz", (), "there is nothing at"),
        ("cameras.npz", (), "is no grid"),
        ("text.npz", (), "is no grid"),
        ("grid.npz", ("--steps", "3"), "1 sets of cameras and 0 of targets"),
        ("grid.npz", ("--targets", "cameras.npz", "--steps", "1"), "no file|No such file"),
        ("grid.npz", ("--split", "99"), "VoxelShape.split is 99"),
    ],
)
def test_what_cannot_be_met_is_said_in_a_sentence(
    files: Path, source: str, more: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "text.npz").write_text("hello")
    assert run(files, source, *more) == 2
    err = capsys.readouterr().err
    assert any(part in err for part in sentence.split("|")), err
    assert not (files / "out").exists()
