"""`splatsim convert`: what it writes, what it says, and when it refuses."""

from pathlib import Path

import pytest
import torch

from splatsim import Cameras, cli
from splatsim.formats import is_antialiased, load_gaussians, save_gaussians, write_usd_sequence
from splatsim.scene import Scene
from tests.conftest import random_gaussians


def run(*arguments: object) -> int:
    return cli.main(["convert", *(str(argument) for argument in arguments)])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    save_gaussians(tmp_path / "in.ply", random_gaussians(40, k=16, features=2), antialiased=True)
    return tmp_path / "in.ply"


def test_what_is_lost_stands_on_the_screen(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = source.with_name("out.splat")
    assert run(source, out) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{source}: 40 Gaussians, SH degree 3",
        f"{out}: 1280 bytes",
        "  lost: colour that changes with the direction is dropped (SH bands 1 to 3)",
        "  lost: features are dropped (2 channels)",
        "  lost: the note that they are to be rendered with antialiasing is dropped",
        "  lost: colours, opacities and rotations are rounded to 8 bits",
        "  lost: the order of the Gaussians changes",
    ]


def test_nothing_lost_is_said_too(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(source, source.with_name("out.ply")) == 0
    assert capsys.readouterr().out.endswith("  lost: nothing; all values stay float32\n")
    assert is_antialiased(source.with_name("out.ply"))


def test_sh_is_cut_where_that_is_asked(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(source, source.with_name("out.glb"), "--max-sh", 1) == 0
    assert "  lost: SH bands 2 to 3 are dropped, as --max-sh asks\n" in capsys.readouterr().out
    assert load_gaussians(source.with_name("out.glb")).sh_degree == 1


@pytest.mark.parametrize("up", ["x", "y", "z", "minus-x", "minus-y", "minus-z"])
def test_the_axis_that_points_up_becomes_z(tmp_path: Path, up: str) -> None:
    axis = torch.zeros(3)
    axis["xyz".index(up[-1])] = -1 if up.startswith("minus") else 1
    before = random_gaussians(20, k=4)
    before = before.replace(means=torch.outer(torch.arange(20.0), axis))
    save_gaussians(tmp_path / "in.ply", before)
    assert run(tmp_path / "in.ply", tmp_path / "out.ply", "--up", up, "--scale", "2") == 0
    after = load_gaussians(tmp_path / "out.ply")
    torch.testing.assert_close(after.means, torch.outer(2 * torch.arange(20.0), torch.tensor([0.0, 0, 1])))
    torch.testing.assert_close(after.scales, 2 * before.scales)


def test_glb_and_back_is_the_same_scene(source: Path) -> None:
    assert run(source, source.with_name("out.glb")) == 0
    assert run(source.with_name("out.glb"), source.with_name("back.ply")) == 0
    before, after = load_gaussians(source), load_gaussians(source.with_name("back.ply"))
    assert torch.equal(after.means, before.means)
    torch.testing.assert_close(after.sh, before.sh, rtol=0, atol=3e-6)


def test_a_scene_folder_gives_its_gaussians(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cameras = Cameras.look_at([4.0, 0, 1], [0, 0, 0], fov_deg=60, width=8, height=8)
    Scene("hall", random_gaussians(5, k=1), cameras=cameras).save(tmp_path / "hall")
    assert run(tmp_path / "hall", tmp_path / "hall.glb") == 0
    assert "  lost: a file of Gaussians has no place for the scene's cameras\n" in capsys.readouterr().out
    assert len(load_gaussians(tmp_path / "hall.glb")) == 5


def test_of_what_moves_the_first_moment_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pxr", reason="the package usd-core is not installed (extra usd)")
    start = random_gaussians(5, k=1)
    write_usd_sequence(tmp_path / "in.usdc", [(0.0, start), (1.0, start.replace(means=start.means + 1))])
    assert run(tmp_path / "in.usdc", tmp_path / "out.ply") == 0
    assert "  lost: all but the first of 2 moments are dropped\n" in capsys.readouterr().out
    assert torch.equal(load_gaussians(tmp_path / "out.ply").means, start.means)


def test_a_file_is_replaced_only_when_that_is_asked(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = source.with_name("out.ply")
    out.write_bytes(b"precious")
    assert run(source, out) == 2
    assert "exists already; expected a new name, or --overwrite to replace it." in capsys.readouterr().err
    assert out.read_bytes() == b"precious"
    assert run(source, out, "--overwrite") == 0
    assert len(load_gaussians(out)) == 40


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("out.sog", [], 'has the extension ".sog", which is only read; expected one of .ply,'),
        ("out.obj", [], 'has the extension ".obj"; expected one of .ply,'),
        ("out.ply", ["--scale", "0"], "scale is 0.0; expected more than 0 metres for each unit."),
        ("out.ply", ["--scale", "nan"], "scale is nan; expected more than 0 metres for each unit."),
        ("none/out.ply", [], "make the folder first."),
    ],
)
def test_bad_requests(
    source: Path, capsys: pytest.CaptureFixture[str], name: str, options: list[str], sentence: str
) -> None:
    assert run(source, source.parent / name, *options) == 2
    assert sentence in capsys.readouterr().err
    assert [path.name for path in source.parent.iterdir()] == ["in.ply"]


def test_damaged_input_leaves_the_old_output(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = source.with_name("out.ply")
    out.write_bytes(b"precious")
    source.write_bytes(source.read_bytes()[:-1])
    assert run(source, out, "--overwrite") == 2
    assert "promises" in capsys.readouterr().err
    assert out.read_bytes() == b"precious"
