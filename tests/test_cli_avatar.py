"""`splatsim avatar`: what it writes, and what it says when it cannot."""

from pathlib import Path

import imageio.v3 as iio
import pytest

from splatsim.avatar import Avatar
from splatsim.cli import main
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
