"""What is said to be lost is lost, and what is not said is kept."""

import pytest
import torch

from splatsim import Cameras, render
from splatsim.errors import FormatError
from splatsim.fitting import psnr
from splatsim.formats import WRITERS, load_gaussians, save_gaussians
from splatsim.formats.losses import losses
from splatsim.formats.ply import read_ply

CAMERAS = Cameras.look_at([[9.0, 3, 2], [-4, 8, 3]], [0, 0, 0], fov_deg=50, width=128, height=96)
LOSSLESS = [".ply", ".glb", ".gltf", ".usda", ".usdc", ".usd"]


def full(gaussians):
    """Large enough to fill the picture, where small errors would drown in the background."""
    return gaussians.replace(scales=gaussians.scales * 8)


def picture(gaussians):
    return render(gaussians, CAMERAS, depths=False).colors


def written(path, gaussians):
    if path.suffix.startswith(".usd"):
        pytest.importorskip("pxr", reason="the package usd-core is not installed (extra usd)")
    save_gaussians(path, gaussians)
    return load_gaussians(path)


@pytest.mark.parametrize("extension", LOSSLESS)
def test_lossless_formats_give_the_same_picture(tmp_path, cloud, extension):
    before = full(cloud(3, count=200))
    assert losses(f"a{extension}", before) == []
    after = written(tmp_path / f"a{extension}", before)
    assert psnr(picture(after), picture(before)) > 60


@pytest.mark.parametrize(
    ("extension", "degree", "decibels"),
    [(".splat", 0, 55), (".spz", 0, 50), (".spz", 3, 35), (".compressed.ply", 0, 55), (".compressed.ply", 3, 43)],
)
def test_lossy_formats_say_so_and_give_nearly_the_picture(tmp_path, cloud, extension, degree, decibels):
    before = full(cloud(degree, count=200))
    after = written(tmp_path / f"a{extension}", before)
    assert any("rounded" in line for line in losses(f"a{extension}", before))
    found = psnr(picture(after), picture(before)).item()
    assert found > decibels


@pytest.mark.parametrize("extension", WRITERS)
def test_what_is_said_is_what_happens(tmp_path, cloud, extension):
    before = cloud(2, count=30, features=3)
    after = written(tmp_path / f"a{extension}", before)
    said = "; ".join(losses(f"a{extension}", before, antialiased=True))
    assert ("SH bands 1 to 2" in said) == (after.sh_degree < 2)
    assert ("features are dropped (3 channels)" in said) == (after.features is None)
    near = torch.isclose(after.means[:, 0], before.means[:, 0], rtol=0, atol=0.1)
    assert ("order" in said) == (not bool(near.all()))
    assert ("rounded" in said) == (not torch.allclose(after.opacities, before.opacities, atol=1e-6))


def test_nothing_is_said_of_what_is_not_there(cloud):
    assert not any("direction" in line for line in losses("a.spz", cloud(0)))
    assert losses("a.glb", cloud(0)) == []
    assert losses("a.glb", cloud(0), antialiased=True) == [
        "the note that they are to be rendered with antialiasing is dropped"
    ]
    with pytest.raises(FormatError, match="only read"):
        losses("a.sog", cloud(0))


def test_the_plain_file_keeps_all(tmp_path, cloud):
    before = cloud(3, features=2)
    save_gaussians(tmp_path / "a.ply", before)
    assert losses(tmp_path / "a.ply", before, antialiased=True) == []
    assert torch.equal(read_ply(tmp_path / "a.ply").features, before.features)
