"""Compressed PLY: files by and for programs that we did not write, round trips, and one Gaussian by hand."""

import struct
from pathlib import Path

import gsply
import numpy as np
import pytest
import torch

from splatsim.formats import is_antialiased, load_gaussians, read_ply, write_compressed_ply
from splatsim.spherical_harmonics import C0
from tests.formats.nearest import assert_alike

DATA = Path(__file__).parent / "data"
BOUNDS = ["min_x", "min_y", "min_z", "max_x", "max_y", "max_z"]
SCALES = ["min_scale_x", "min_scale_y", "min_scale_z", "max_scale_x", "max_scale_y", "max_scale_z"]
COLORS = ["min_r", "min_g", "min_b", "max_r", "max_g", "max_b"]


def packed(chunk, vertex, *, names=(*BOUNDS, *SCALES), sh=b"", sh_count=0, order="<"):
    """A file of one chunk and one Gaussian."""
    encoding = "binary_little_endian" if order == "<" else "binary_big_endian"
    lines = ["ply", f"format {encoding} 1.0", "element chunk 1", *(f"property float {name}" for name in names)]
    lines += ["element vertex 1"]
    lines += [f"property uint packed_{name}" for name in ("position", "rotation", "scale", "color")]
    if sh:
        lines += [f"element sh {sh_count}", *(f"property uchar f_rest_{i}" for i in range(len(sh)))]
    body = struct.pack(f"{order}{len(chunk)}f", *chunk) + struct.pack(f"{order}4I", *vertex) + sh
    return "\n".join([*lines, "end_header\n"]).encode() + body


@pytest.mark.parametrize("order", "<>")
def test_one_gaussian_made_by_hand(tmp_path, order):
    chunk = [0, 0, 0, 2047, 1023, 2047, -1, -1, -1, 0, 0, 0]
    vertex = [5 << 21 | 7 << 11 | 9, 1 << 30 | 1023 << 20 | 511 << 10 | 512, 0, 0xFF003380]
    sh = bytes([0, 255, 128, 127, 128, 128, 128, 128, 160])
    (tmp_path / "a.ply").write_bytes(packed(chunk, vertex, sh=sh, sh_count=1, order=order))
    gaussians = read_ply(tmp_path / "a.ply")
    assert gaussians.means.tolist() == [[5, 7, 9]]
    torch.testing.assert_close(gaussians.scales, torch.full((1, 3), -1.0).exp())
    torch.testing.assert_close(gaussians.opacities, torch.tensor([128 / 255]))
    torch.testing.assert_close(gaussians.sh[0, 0] * C0 + 0.5, torch.tensor([1, 0, 0.2]))
    # x is left out, so w is the first of the three: 0.5 · √2, and x the rest.
    torch.testing.assert_close(gaussians.quats, torch.tensor([[0.5**0.5, 0.5**0.5, 0, 0]]), rtol=0, atol=2e-3)
    step = 8 / 256
    red, green = torch.tensor([-4, 4, step / 2]), torch.tensor([-step / 2, step / 2, step / 2])
    torch.testing.assert_close(gaussians.sh[0, 1:, 0], red)
    torch.testing.assert_close(gaussians.sh[0, 1:, 1], green)
    assert gaussians.sh[0, 3, 2].item() == (160.5 / 256 - 0.5) * 8


def test_reads_what_splat_transform_writes(tmp_path):
    """Our own file of the same Gaussians differs from theirs in the order only."""
    truth = read_ply(DATA / "cloud.ply")
    theirs = load_gaussians(DATA / "cloud.compressed.ply")
    assert_alike(theirs, truth, means=0.008, opacities=0.002, sh=0.032, turns=0.004)
    write_compressed_ply(tmp_path / "ours.ply", truth)
    assert_alike(read_ply(tmp_path / "ours.ply"), truth, means=0.008, opacities=0.002, sh=0.032, turns=0.004)


@pytest.mark.parametrize("degree", [0, 3])
def test_gsply_reads_what_we_write(tmp_path, cloud, degree):
    gaussians = cloud(degree, count=300)
    write_compressed_ply(tmp_path / "a.compressed.ply", gaussians)
    theirs = gsply.plyread(tmp_path / "a.compressed.ply")
    ours = load_gaussians(tmp_path / "a.compressed.ply")
    np.testing.assert_allclose(theirs.means, ours.means, atol=1e-5)
    np.testing.assert_allclose(theirs.scales, ours.scales.log(), atol=1e-4)
    np.testing.assert_allclose(1 / (1 + np.exp(-theirs.opacities.ravel())), ours.opacities, atol=1e-4)
    np.testing.assert_allclose(theirs.quats, ours.quats, atol=1e-5)
    np.testing.assert_allclose(theirs.sh0.reshape(-1, 3), ours.sh[:, 0], atol=1e-4)
    if degree:
        np.testing.assert_allclose(theirs.shN, ours.sh[:, 1:], atol=1e-5)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_round_trip_keeps_what_the_bits_hold(tmp_path, cloud, degree):
    before = cloud(degree, count=520, features=2)
    write_compressed_ply(tmp_path / "a.compressed.ply", before)
    after = load_gaussians(tmp_path / "a.compressed.ply")
    span = (before.means.amax(dim=0) - before.means.amin(dim=0)).max().item()
    assert_alike(after, before, means=span / 1023 / 2 + 1e-5, opacities=0.51 / 255, sh=1.01 / 32, turns=0.004)
    assert after.features is None


@pytest.mark.parametrize("count", [0, 1, 256, 257])
def test_chunks_need_not_be_full(tmp_path, cloud, count):
    write_compressed_ply(tmp_path / "a.compressed.ply", cloud(1, count=count))
    assert len(load_gaussians(tmp_path / "a.compressed.ply")) == count
    assert not is_antialiased(tmp_path / "a.compressed.ply")


def test_one_value_in_all_is_kept_exactly(tmp_path, cloud):
    one = cloud(0, count=1)
    same = one.select(torch.zeros(300, dtype=torch.long))
    write_compressed_ply(tmp_path / "a.compressed.ply", same)
    after = load_gaussians(tmp_path / "a.compressed.ply")
    assert torch.equal(after.means, same.means)
    torch.testing.assert_close(after.scales, same.scales)
    torch.testing.assert_close(after.sh, same.sh)
