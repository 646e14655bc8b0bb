"""`.ksplat` files: those of the viewer's own converter, and sections made by hand."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from splatsim.formats import read_ksplat, read_ply, read_splat
from splatsim.spherical_harmonics import C0
from tests.formats.nearest import assert_alike

DATA = Path(__file__).parent / "data"


def section(count=1, room=1, bucket=0, buckets=0, block=0.0, stored=0, steps=0, full=0, partial=0, degree=0):
    head = struct.pack("<IIIIfHxxI4xIIH", count, room, bucket, buckets, block, stored, steps, full, partial, degree)
    return head.ljust(1024, b"\0")


def ksplat(sections, body, count, *, precision=0, version=(0, 1), low=0.0, high=0.0):
    head = struct.pack("<BBxxIIIIHxx12xff", *version, len(sections), len(sections), count, count, precision, low, high)
    return head.ljust(4096, b"\0") + b"".join(sections) + body


def test_float32_made_by_hand(tmp_path):
    rest = [*range(1, 10), *range(10, 25)]
    body = struct.pack("<3f3f4f4B24f", 1, 2, 3, 0.1, 0.2, 0.3, 0.5, -0.5, 0.25, 1, 255, 0, 51, 102, *rest)
    second = struct.pack("<3f3f4f4B", 4, 5, 6, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 255)
    spare = bytes(44)
    sections = [section(degree=2), section(count=1, room=2)]
    (tmp_path / "a.ksplat").write_bytes(ksplat(sections, body + second + spare, 2))
    gaussians = read_ksplat(tmp_path / "a.ksplat")
    assert gaussians.means.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert gaussians.quats[0].tolist() == [0.5, -0.5, 0.25, 1]
    torch.testing.assert_close(gaussians.scales[0], torch.tensor([0.1, 0.2, 0.3]))
    torch.testing.assert_close(gaussians.opacities, torch.tensor([0.4, 1]))
    torch.testing.assert_close(gaussians.sh[0, 0] * C0 + 0.5, torch.tensor([1, 0, 0.2]))
    assert gaussians.sh[0, 1:4].T.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert gaussians.sh[0, 4:].T.tolist() == [[*range(10, 15)], [*range(15, 20)], [*range(20, 25)]]
    assert gaussians.sh[1, 1:].abs().max() == 0


def test_bytes_made_by_hand(tmp_path):
    """Three Gaussians in one full bucket of two and one of one; a step is 5 m / 2 / 100."""

    def record(x):
        return struct.pack("<3H3e4e4B9B", x, 100, 100, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 255, *[0, 255, 51] * 3)

    body = struct.pack("<I", 1) + struct.pack("<6f", 10, 0, 0, 20, 0, 0) + record(100) + record(120) + record(80)
    sections = [section(3, 3, 2, 2, 5.0, 12, 100, 1, 1, 1)]
    (tmp_path / "a.ksplat").write_bytes(ksplat(sections, body, 3, precision=2, low=-1, high=4))
    gaussians = read_ksplat(tmp_path / "a.ksplat")
    torch.testing.assert_close(gaussians.means[:, 0], torch.tensor([10, 10.5, 19.5]))
    torch.testing.assert_close(gaussians.sh[0, 1:, 0], torch.tensor([-1.0, 4, 0]))


@pytest.mark.parametrize(("name", "sh"), [("float16.ksplat", 0.001), ("bytes.ksplat", 0.012)])
def test_reads_what_the_viewers_converter_writes(name, sh):
    truth, found = read_ply(DATA / "cloud.ply"), read_ksplat(DATA / name)
    assert_alike(found, truth, means=1e-4, scales=5e-4, opacities=1.01 / 255, turns=0.001)
    order = torch.cdist(truth.means, found.means).argmin(dim=1)
    off = (found.sh[order] - truth.sh).abs()
    assert off[:, 0].max() < 1.01 / 255 / C0
    assert off[:, 1:].max() < sh


def test_reads_the_fixture(fixtures):
    gaussians, same = read_ksplat(fixtures / "minimal.ksplat"), read_splat(fixtures / "minimal.splat")
    assert gaussians.means.tolist() == [[-1, 0, -1], [0, 0, -1], [-1, 0, 0], [0, 0, 0]]
    torch.testing.assert_close(gaussians.scales, same.scales)
    np.testing.assert_allclose(gaussians.sh, same.sh, atol=1e-6)
    torch.testing.assert_close(gaussians.opacities, same.opacities)
