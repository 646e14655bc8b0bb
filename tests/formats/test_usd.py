"""ParticleField3DGaussianSplat: stages written by hand, what usd-core itself sees in ours, and motion."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from splatsim.errors import BackendUnavailable, FormatError
from splatsim.formats import (
    _usd_probe,
    load_gaussians,
    read_usd,
    read_usd_sequence,
    save_gaussians,
    usd,
    write_usd,
    write_usd_sequence,
)
from splatsim.transforms import rotmat_from_quat
from tests.formats.usd_text import FIELD, SH0, usdz

pxr = pytest.importorskip("pxr", reason="the package usd-core is not installed (extra usd)")
from pxr import Usd, UsdGeom, UsdVol, Vt  # noqa: E402


def stage(folder: Path, metadata: str = "", fields: str = SH0) -> Path:
    path = folder / "a.usda"
    path.write_text(FIELD.format(metadata=metadata, fields=fields))
    return path


def test_centimetres_and_y_up_where_a_stage_says_nothing(tmp_path):
    gaussians = read_usd(stage(tmp_path))
    torch.testing.assert_close(gaussians.means, torch.tensor([[1.0, -3, 3], [0, 0, 1]]))
    torch.testing.assert_close(gaussians.scales, torch.full((2, 3), 0.01))
    assert gaussians.opacities.tolist() == [1, 1]
    assert gaussians.sh.tolist() == [[[1, 2, 3]], [[4, 5, 6]]]


def test_what_a_stage_says_is_taken(tmp_path):
    fields = (
        SH0
        + """
        quath[] orientationsh = [(0, 0, 0, 1), (1, 0, 0, 0)]
        half3[] scalesh = [(0.5, 1, 2), (1, 1, 1)]
        half[] opacitiesh = [0.5, 0.25]
    """
    )
    gaussians = read_usd(stage(tmp_path, 'upAxis = "Z"\nmetersPerUnit = 1', fields))
    torch.testing.assert_close(gaussians.means, torch.tensor([[100.0, 300, 300], [0, 100, 0]]))
    assert gaussians.scales.tolist() == [[0.5, 1, 2], [1, 1, 1]]
    assert gaussians.opacities.tolist() == [0.5, 0.25]
    torch.testing.assert_close(rotmat_from_quat(gaussians.quats[0]), torch.diag(torch.tensor([-1.0, -1, 1])))


@pytest.mark.parametrize("degree", [0, 3])
@pytest.mark.parametrize("extension", [".usda", ".usdc", ".usd"])
def test_round_trip_keeps_float32(tmp_path, cloud, degree, extension):
    before = cloud(degree, features=2)
    save_gaussians(tmp_path / f"a{extension}", before)
    assert [path.name for path in tmp_path.iterdir()] == [f"a{extension}"]
    after = load_gaussians(tmp_path / f"a{extension}")
    for name in ("means", "scales", "opacities"):
        assert torch.equal(getattr(after, name), getattr(before, name))
    torch.testing.assert_close(after.sh, before.sh, rtol=0, atol=2e-6)
    torch.testing.assert_close(rotmat_from_quat(after.quats), rotmat_from_quat(before.quats))
    assert after.features is None


def test_an_archive_is_read(tmp_path):
    """By usd-core's writer, of a stage written by hand: y up in centimetres."""
    gaussians = read_usd(usdz(tmp_path / "a.usdz", stage(tmp_path)))
    torch.testing.assert_close(gaussians.means, torch.tensor([[1.0, -3, 3], [0, 0, 1]]))


def test_a_packed_archive_is_refused(tmp_path):
    """A .usdz file stores its files as they are, so that 64 MB in some kilobytes are never unpacked."""
    with zipfile.ZipFile(tmp_path / "a.usdz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.usda", b"#usda 1.0\n" + b" " * (64 << 20))
    assert (tmp_path / "a.usdz").stat().st_size < 200_000
    with pytest.raises(FormatError, match=r"a\.usdz .*; expected a USD file"):
        read_usd(tmp_path / "a.usdz")


def test_usd_sees_a_gaussian_splat(tmp_path, cloud):
    """By the schema's own accessors, not by our reader."""
    gaussians = cloud(1, count=6)
    write_usd(tmp_path / "a.usdc", gaussians)
    opened = Usd.Stage.Open(str(tmp_path / "a.usdc"))
    assert UsdGeom.GetStageUpAxis(opened) == "Z"
    assert UsdGeom.GetStageMetersPerUnit(opened) == 1
    prim = opened.GetDefaultPrim()
    assert prim.GetTypeName() == "ParticleField3DGaussianSplat"
    field = UsdVol.ParticleField3DGaussianSplat(prim)
    assert prim.HasAPI(UsdVol.ParticleFieldKernelGaussianEllipsoidAPI)
    np.testing.assert_array_equal(np.array(field.GetPositionsAttr().Get()), gaussians.means)
    np.testing.assert_array_equal(np.array(field.GetScalesAttr().Get()), gaussians.scales)
    np.testing.assert_array_equal(np.array(field.GetOpacitiesAttr().Get()), gaussians.opacities)
    first = field.GetOrientationsAttr().Get()[0]
    w, *xyz = torch.nn.functional.normalize(gaussians.quats[0], dim=0).tolist()
    assert first.GetReal() == pytest.approx(w, abs=1e-6)
    assert list(first.GetImaginary()) == pytest.approx(xyz, abs=1e-6)
    assert field.GetRadianceSphericalHarmonicsDegreeAttr().Get() == 1
    flat = np.array(field.GetRadianceSphericalHarmonicsCoefficientsAttr().Get())
    np.testing.assert_array_equal(flat, gaussians.sh.reshape(-1, 3))
    low, high = field.GetExtentAttr().Get()
    assert all(low[i] < gaussians.means[:, i].min() and gaussians.means[:, i].max() < high[i] for i in range(3))


def test_motion_comes_back_and_usd_interpolates_between(tmp_path, cloud):
    start = cloud(1, count=4)
    half_turn = -start.quats  # the same rotations: no reason to turn on the way
    moved = start.replace(means=start.means + 2, quats=half_turn)
    write_usd_sequence(tmp_path / "a.usdc", [(0.0, start), (0.5, start), (1.0, moved)])
    found = read_usd_sequence(tmp_path / "a.usdc")
    assert [seconds for seconds, _ in found] == [0, 0.5, 1]
    assert torch.equal(found[1][1].means, start.means)
    assert torch.equal(found[2][1].means, moved.means)
    between = read_usd(tmp_path / "a.usdc", seconds=0.75)
    torch.testing.assert_close(between.means, start.means + 1)
    torch.testing.assert_close(rotmat_from_quat(between.quats), rotmat_from_quat(start.quats))
    torch.testing.assert_close(read_usd(tmp_path / "a.usdc").means, start.means)
    # What does not change is stored once.
    opened = Usd.Stage.Open(str(tmp_path / "a.usdc"))
    prim = opened.GetDefaultPrim()
    assert prim.GetAttribute("positions").GetTimeSamples() == [0, 12, 24]
    assert prim.GetAttribute("scales").GetTimeSamples() == [0]


def test_a_stage_that_does_not_move_has_one_moment(tmp_path, cloud):
    write_usd(tmp_path / "a.usda", cloud(0, count=2))
    assert [seconds for seconds, _ in read_usd_sequence(tmp_path / "a.usda")] == [0]


def test_a_replaced_file_is_read_anew(tmp_path, cloud):
    write_usd(tmp_path / "a.usda", cloud(0, count=2))
    held = Usd.Stage.Open(str(tmp_path / "a.usda"))
    write_usd(tmp_path / "a.usda", cloud(0, count=3))
    assert len(read_usd(tmp_path / "a.usda")) == 3
    del held


def test_instances_cannot_ask_for_endless_gaussians(tmp_path, cloud, monkeypatch):
    monkeypatch.setattr(usd, "PLAUSIBLE_GAUSSIANS", 100)
    made = Usd.Stage.CreateNew(str(tmp_path / "a.usda"))
    prim = UsdVol.ParticleField3DGaussianSplat.Define(made, "/source/field").GetPrim()
    prim.GetAttribute("positions").Set(Vt.Vec3fArray(60))
    prim.GetAttribute("radiance:sphericalHarmonicsDegree").Set(0)
    prim.GetAttribute("radiance:sphericalHarmonicsCoefficients").Set(Vt.Vec3fArray(60))
    for i in range(20):
        copy = made.DefinePrim(f"/copies/at{i}")
        copy.GetReferences().AddInternalReference("/source")
        copy.SetInstanceable(True)
    made.GetRootLayer().Save()
    size = (tmp_path / "a.usda").stat().st_size
    assert size // 8 < 21 * 60
    with pytest.raises(FormatError, match=r"asks for \d+ Gaussians or more; expected what its size can hold"):
        read_usd(tmp_path / "a.usda")


def test_without_the_package_it_is_said_what_to_install(tmp_path, cloud, monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == "pxr":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        BackendUnavailable, match=r'need the package usd-core; install it: pip install "splatsim\[usd\]"'
    ):
        write_usd(tmp_path / "a.usda", cloud(0))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("times", [[], [0.0, 0.0], [1.0, 0.5], [float("nan")]])
def test_times_must_increase(tmp_path, cloud, times):
    with pytest.raises(ValueError, match="expected at least one, increasing, in seconds"):
        write_usd_sequence(tmp_path / "a.usda", [(t, cloud(0)) for t in times])


def test_frames_must_be_the_same_gaussians(tmp_path, cloud):
    with pytest.raises(ValueError, match="expected one and the same"):
        write_usd_sequence(tmp_path / "a.usda", [(0.0, cloud(0)), (1.0, cloud(1))])


def test_a_file_on_which_usd_core_crashes_is_refused():
    """Ours with changed bytes, on which usd-core 26.11 ends by a segmentation fault."""
    with pytest.raises(FormatError, match=r"crash\.usdc .*; expected a (whole )?USD file"):
        read_usd(Path(__file__).parent / "data" / "crash.usdc")


@pytest.mark.parametrize(
    "damage",
    ['def "a" {\n' * 100_000, 'def "a" (\n    customData = {\n' + "dictionary a = {\n" * 100_000],
    ids=["prims", "dictionaries"],
)
def test_text_on_which_usd_core_crashes_is_refused(tmp_path, damage):
    path = stage(tmp_path)
    path.write_text(path.read_text() + damage)
    with pytest.raises(FormatError, match=r"a\.usda makes usd-core crash .*; expected a whole USD file"):
        read_usd(path)


def test_text_that_refers_to_such_a_file_is_refused(tmp_path):
    crash = Path(__file__).parent / "data" / "crash.usdc"
    path = stage(tmp_path, f"subLayers = [@{crash.as_posix()}@]")
    with pytest.raises(FormatError, match=r"a\.usda .*; expected a (whole )?USD file"):
        read_usd(path)


def test_a_file_that_keeps_usd_core_busy_is_refused(tmp_path, cloud, monkeypatch):
    write_usd(tmp_path / "a.usdc", cloud(0, count=2))
    monkeypatch.setattr(_usd_probe, "PATIENCE", 1e-6)
    with pytest.raises(FormatError, match="keeps usd-core busy"):
        read_usd(tmp_path / "a.usdc")
