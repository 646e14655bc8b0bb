"""Choosing a format by the extension, and replacing files whole or not at all."""

import gzip
import os
import stat
import struct

import pytest
import torch

from splatsim.errors import FormatError
from splatsim.formats import (
    READERS,
    is_antialiased,
    load_gaussians,
    read_gltf_gaussians,
    read_ksplat,
    read_ply,
    read_sog,
    read_splat,
    read_spz,
    read_usd,
    save_gaussians,
    write_ply,
)
from splatsim.formats._files import atomic_writer


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a.ply", b"ply\n"),
        ("b.SPLAT", b""),
        ("c.spz", b"NGSP\4"),
        ("d.e.Ply", b"ply\n"),
        ("f.compressed.ply", b"ply\nformat binary_little_endian 1.0\nelement chunk 1\n"),
        ("g.glb", b"glTF\2"),
        ("h.gltf", b'{"asset":'),
    ],
)
def test_the_extension_chooses(tmp_path, cloud, name, start):
    save_gaussians(tmp_path / name, cloud(1))
    assert (tmp_path / name).read_bytes().startswith(start)
    assert len(load_gaussians(str(tmp_path / name))) == len(cloud(1))
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.obj", "ply", "a.ply.gz"])
def test_other_extensions_are_refused_with_the_known_ones(monkeypatch, tmp_path, cloud, name):
    monkeypatch.chdir(tmp_path)
    suffix = os.path.splitext(name)[1]
    sentence = f'{name} has the extension "{suffix}"; expected one of {", ".join(READERS)} for Gaussians.'
    for act in (lambda: load_gaussians(name), lambda: save_gaussians(name, cloud(0))):
        with pytest.raises(FormatError) as caught:
            act()
        assert str(caught.value) == sentence


@pytest.mark.parametrize("name", ["a.sog", "a.ksplat", "a.usdz"])
def test_what_is_only_read_is_said_when_it_is_to_be_written(tmp_path, cloud, name):
    with pytest.raises(FormatError, match=r"which is only read; expected one of \.ply, .* to write Gaussians\."):
        save_gaussians(tmp_path / name, cloud(0))
    assert not list(tmp_path.iterdir())


READ = [load_gaussians, read_ply, read_splat, read_spz, read_sog, read_ksplat, read_gltf_gaussians, read_usd]


@pytest.mark.parametrize("read", READ)
def test_missing_files_and_folders_are_named(monkeypatch, tmp_path, read):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as caught:
        read("a.ply")
    assert str(caught.value) == "there is no file a.ply; expected the path of a file of Gaussians."
    (tmp_path / "a.ply").mkdir()
    with pytest.raises(FormatError) as refused:
        read("a.ply")
    assert str(refused.value) == "a.ply is a folder; expected a file of Gaussians."


@pytest.mark.parametrize("name", ["a.ply", "a.splat", "a.spz", "a.compressed.ply", "a.glb"])
def test_nothing_is_written_into_a_missing_folder(monkeypatch, tmp_path, cloud, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as caught:
        save_gaussians(f"out/{name}", cloud(0))
    assert str(caught.value) == f"cannot write out/{name}: there is no folder out; make the folder first."


@pytest.mark.parametrize("name", ["a.ply", "a.splat", "a.spz", "a.compressed.ply", "a.glb"])
def test_unfit_gaussians_leave_no_file(tmp_path, cloud, name):
    means = torch.full_like(cloud(0).means, float("nan"))
    with pytest.raises(ValueError, match=r"Gaussians.means\[0, 0\] is nan; expected finite numbers\."):
        save_gaussians(tmp_path / name, cloud(0).replace(means=means))
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")

    def stop_half_way() -> None:
        with atomic_writer(target) as file:
            file.write(b"half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_write_replaces_the_file_at_its_end_with_usual_permissions(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    usual = stat.S_IMODE(target.stat().st_mode)
    with atomic_writer(target) as file:
        file.write(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == usual
    assert list(tmp_path.iterdir()) == [target]


def test_who_is_to_be_rendered_with_antialiasing(tmp_path, cloud):
    gaussians = cloud(1)
    for extension in (".ply", ".spz", ".compressed.ply", ".splat", ".glb"):
        for wanted in (False, True):
            save_gaussians(tmp_path / f"a{extension}", gaussians, antialiased=wanted)
            assert is_antialiased(tmp_path / f"a{extension}") is (wanted and extension not in (".splat", ".glb"))
    write_ply(tmp_path / "postshot.ply", gaussians, comments=["antialiased 1"])
    assert is_antialiased(tmp_path / "postshot.ply")
    for flags in (0, 1):  # an old file: one gzip stream
        header = struct.pack("<4sIIBBBB", b"NGSP", 2, 0, 0, 12, flags, 0)
        (tmp_path / "old.spz").write_bytes(gzip.compress(header))
        assert is_antialiased(tmp_path / "old.spz") is bool(flags)
    (tmp_path / "old.spz").write_bytes(b"\x1f\x8bhello")
    with pytest.raises(FormatError, match=r"old\.spz"):
        is_antialiased(tmp_path / "old.spz")
