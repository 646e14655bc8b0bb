"""`splatsim avatar`: what it writes, and what it says when it cannot."""

from pathlib import Path

import imageio.v3 as iio
import pytest
import torch

from splatsim.avatar import Avatar
from splatsim.cli import main
from splatsim.formats import load_gaussians, read_usd_sequence
from splatsim.transforms import rotmat_from_quat
from tests.avatar.models import write_model


def test_make_export_and_from_mesh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "person.npz"
    assert main(["avatar", "make", "--seed", "3", "--gaussians", "4000", "--height", "120", "--out", str(out)]) == 0
    assert "52 joints" in capsys.readouterr().out
    assert iio.imread(tmp_path / "person.png").std() > 10
    assert "CC0" in Avatar.load(out).licence
    model = write_model(tmp_path / "boxes.glb")
    boxes = tmp_path / "boxes.npz"
    assert main(["avatar", "from-mesh", str(model), "--gaussians", "1000", "--height", "80", "--out", str(boxes)]) == 0
    assert len(Avatar.load(boxes).skeleton) == 17
    walk = ["avatar", "export", str(out), "--motion", str(model), "--out"]
    assert main([*walk, str(tmp_path / "walk.glb")]) == 0
    assert main([*walk, str(tmp_path / "frames"), "--kind", "ply", "--fps", "2"]) == 0
    assert len(list((tmp_path / "frames").iterdir())) == 3
    assert main([*walk, str(tmp_path / "habitat"), "--kind", "habitat"]) == 0
    assert main(["avatar", "make", "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["avatar", "make", "--out", str(tmp_path / "a.ply")]) == 2
    assert "expected .npz for an avatar" in capsys.readouterr().err


def test_export_to_usd_is_what_ply_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pxr", reason="the package usd-core is not installed (extra usd)")
    model, boxes = write_model(tmp_path / "boxes.glb"), tmp_path / "boxes.npz"
    assert main(["avatar", "from-mesh", str(model), "--gaussians", "500", "--height", "40", "--out", str(boxes)]) == 0
    walk = ["avatar", "export", str(boxes), "--motion", str(model), "--fps", "2", "--out"]
    assert main([*walk, str(tmp_path / "walk.usdc"), "--kind", "usd"]) == 0
    assert "3 time samples" in capsys.readouterr().out
    assert main([*walk, str(tmp_path / "frames"), "--kind", "ply"]) == 0
    moments = read_usd_sequence(tmp_path / "walk.usdc")
    assert [seconds for seconds, _ in moments] == [0, 0.5, 1]
    for index, (_, found) in enumerate(moments):
        frame = load_gaussians(tmp_path / "frames" / f"frame_{index:05d}.ply")
        torch.testing.assert_close(found.means, frame.means)
        torch.testing.assert_close(rotmat_from_quat(found.quats), rotmat_from_quat(frame.quats), rtol=0, atol=1e-5)
